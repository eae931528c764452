"""An attached client: the user's terminal on one side, the server on the other.

A pipe with three duties of its own, so that no hung or dead server traps a
user: it finds the prefix key, it restores the terminal, and it connects again
when the server was replaced. All it knows of the session is an id.

The first picture comes before everything else: what only keys need is imported
when it is on the terminal. It is long because keys, frames, signals and overlays meet in
one loop, and each has to know what the others have begun.
"""

import _signal  # type: ignore[import-not-found]  # as in signals.py
import os
import select
from time import monotonic

from agentmux.mux.client import Connection
from agentmux.mux.errors import AgentmuxError, BadFolder, NoServer, ServerSilent
from agentmux.mux.protocol import LAST_QUERY, Kind, number, pack, unpack

from .main import RESENDS, make_request, write_all
from .signals import Signals
from .terminal import Borrowed, Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentmux.mux.keys import InputDecoder, Token

    from .overlay import Overlay

LEAVE_WAIT = 0.5
"""Seconds that the server gets to say goodbye after a detach."""

EXPECTING = 5.0
"""Seconds after being asked in which a terminal's answers may still come. Without any by then it gives none."""

MORE = 0.5
"""Seconds behind one answer in which others may come that were not asked for: some terminals answer twice."""

SETTLE = 0.02
"""Seconds that the terminal has the machine for itself to show the first picture; what keys need is loaded then."""

AWAIT = 2.0
"""Seconds that keys typed ahead wait for what the server was asked to show: a hung one shall not trap them."""


class Left(Exception):
    """The attachment is over.

    Attributes:
        status: the client's exit status.
        line: what to print when the terminal is back, empty for nothing.
        row: the last row that the session's primary screen uses, 0 for unknown.
    """

    def __init__(self, status: int, line: str, row: int = 0) -> None:
        super().__init__(line)
        self.status = status
        self.line = line
        self.row = row


def run(connection: Connection, attached: bytes, *, in_view: bool = False, line_fd: int = 2) -> int:
    """Stay attached until the user leaves or the session ends; return the exit status.

    Args:
        connection: its next frames are this attachment's. Stays the caller's.
        attached: the body of the ATTACHED frame.
        in_view: the view lends its terminal and takes it back as it is: nothing is printed there at the end.
        line_fd: where the view is told how that was, if it was no detach.
    """
    borrowed = Borrowed(0)
    with borrowed as terminal, Signals() as signals:
        attachment = _Attachment(connection, terminal, signals, borrowed, in_view=in_view)
        try:
            attachment.attached(attached)
            attachment.loop()
            end = Left(0, "")  # not reached: the loop ends by raising
        except Left as left:
            end = left
        except AgentmuxError as error:
            end = Left(error.status, f"[{error.problem}]")
        finally:
            attachment.close()
        rows = terminal.size()[1]
    if in_view:
        if not end.line.startswith("[detached "):
            write_all(line_fd, end.line.encode("utf-8", "replace"))
        return end.status
    # Below what the session printed, which stays in the terminal's own scrollback.
    where = f"\x1b[{min(end.row, rows)};1H" if end.row else ""
    try:
        write_all(1, f"{where}\r\n{end.line}\n".encode("utf-8", "replace") if end.line else b"\r\n")
    except AgentmuxError:
        pass  # it hung up
    return end.status


class _Attachment:
    """The loop, and what it needs to find its way back to the session."""

    def __init__(
        self, connection: Connection, terminal: Terminal, signals: Signals, borrowed: Borrowed, *, in_view: bool
    ) -> None:
        self._connection: Connection | None = connection
        self._path = connection.path
        self._terminal = terminal
        self._signals = signals
        self._borrowed = borrowed
        self._in_view = in_view
        self._session = ""
        self._read_only = False
        self._keys: InputDecoder | None = None  # when the first picture is drawn
        self._expecting = monotonic() + EXPECTING  # until when the terminal's answers may come; 0: no more
        self._flush_at = 0.0  # monotonic time at which what is held was all there is; 0: nothing is
        self._overlay: Overlay | None = None
        self._load_at = 0.0  # monotonic time at which what keys need is loaded; 0: it is, or nothing is drawn yet
        self._awaited = 0.0  # monotonic time until which an overlay is on its way; 0: none is
        self._ahead = b""  # typed meanwhile
        self._rows: list[bytes] = []  # of the scrollback, as far as it has come
        self._bindings: dict[str, str] = {}
        self._prefix = ""
        self._leaving = 0.0  # monotonic time at which we go without the server's goodbye
        self._resends = 0
        self._name = ""
        self._end: Left | None = None
        connection.sock.setblocking(True)
        self._unsent = bytearray()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def attached(self, body: bytes) -> None:
        """Take over what the server says about the session."""
        fields = [field.decode("utf-8", "surrogateescape") for field in unpack(body, 5)]
        self._session, self._name, prefix, bindings, read_only = fields[:5]
        words = bindings.split("\0")
        bound = dict(zip(words[::2], words[1::2], strict=False))
        if (prefix, bound) != (self._prefix, self._bindings):
            self._prefix, self._bindings, self._keys = prefix, bound, None
        self._read_only = read_only == "1"
        self._resends = 0

    def _decoder(self) -> "InputDecoder":
        """Return what takes the terminal's input apart. Loads all that may be needed until the end.

        Later the files may be those of another version.
        """
        if self._keys is None:
            from agentmux.mux import keys, reset  # noqa: F401

            from . import chooser, overlay, pager  # noqa: F401

            self._keys = keys.InputDecoder(self._prefix, self._bindings)
            self._keys.expecting = bool(self._expecting)
        return self._keys

    def loop(self) -> None:
        """Pump both ways. Ends by raising Left."""
        while True:
            if self._connection is not None:
                for kind, body in self._connection.taken():
                    self._frame(kind, body)
            connection, terminal = self._connection, self._terminal
            if self._end is not None and (not terminal.pending or self._leaving):
                raise self._end  # a slow terminal gets the session's last words first
            reading: list[int] = [self._signals.reading]
            if not self._awaited and not self._load_at:
                reading.append(0)
            writing: list[int] = []
            if connection is not None:
                if not terminal.full:
                    reading.append(connection.sock.fileno())
                if self._unsent:
                    writing.append(connection.sock.fileno())
            if terminal.pending:
                writing.append(terminal.fileno())
            until = self._leaving or self._load_at or self._awaited or self._flush_at
            timeout = max(0.0, until - monotonic()) if until else None
            ready, writable, _ = select.select(reading, writing, [], timeout)
            if until and monotonic() >= until and 0 not in ready:
                if self._leaving:
                    raise Left(0, f"[detached from {self._name}]")
                if self._load_at:
                    self._load_at = 0.0
                    self._decoder()
                elif self._awaited:
                    self._arrived()
                elif self._keys is not None:
                    self._tokens(self._keys.flush())
            if terminal.fileno() in writable and terminal.pending:
                terminal.flush()
            if self._signals.reading in ready:
                self._on_signals()
            if 0 in ready:
                self._on_input()
            if connection is not None and connection.sock.fileno() in writable:
                self._send_unsent()
            if connection is not None and connection.sock.fileno() in ready and not connection.receive():
                self._lost()

    def _on_signals(self) -> None:
        arrived = self._signals.arrived()
        if _signal.SIGTERM in arrived or _signal.SIGHUP in arrived:
            which = _signal.SIGTERM if _signal.SIGTERM in arrived else _signal.SIGHUP
            self._send(Kind.DETACH)
            raise Left(128 + which, f"[detached from {self._name}]")
        if _signal.SIGCONT in arrived:
            self._borrowed.again()
            if self._overlay is None:
                self._send(Kind.RESUME)
        if _signal.SIGWINCH in arrived:
            columns, rows = self._terminal.size()
            self._send(Kind.RESIZE, pack([b"%d" % columns, b"%d" % rows]))
        if self._overlay is not None:
            self._terminal.write(self._overlay.draw(self._terminal.size()))

    def _expect(self, until: float) -> None:
        """Expect answers of the terminal until then (monotonic time), or no more."""
        self._expecting = until
        if self._keys is not None:
            self._keys.expecting = bool(until)

    def _on_input(self) -> None:
        try:
            data = os.read(0, 65536)
        except OSError:
            data = b""
        if not data:  # the terminal hung up
            self._send(Kind.DETACH)
            raise Left(129, "")
        keys = self._decoder()
        if keys.expecting and monotonic() > self._expecting:
            self._expect(0.0)
        self._input(data)

    def _input(self, data: bytes) -> None:
        """Take what was typed; after a key that shows something, the others are for that."""
        keys = self._decoder()
        while data and not self._awaited:
            if self._overlay is None:
                data = self._tokens(keys.feed(data))
                continue
            from agentmux.mux.keys import split

            whole, rest = split(data)
            while whole and self._overlay is not None and not self._awaited:
                self._tokens(keys.feed(whole.pop(0), bare=True))
            data = b"".join(whole) + rest
            if self._overlay is not None and not whole:
                self._tokens(keys.feed(rest, bare=True))
                return
        self._ahead = data

    def _arrived(self) -> None:
        """What was awaited is there, or will never be: go on with what was typed meanwhile."""
        ahead, self._ahead, self._awaited = self._ahead, b"", 0.0
        if ahead:
            self._input(ahead)

    def _tokens(self, tokens: "Iterable[Token]") -> bytes:
        """Do what they say; return what must be decoded anew, because the keyboard has changed hands."""
        from agentmux.mux.keys import Act, Focus, Mouse, Reply, Typed

        for token in tokens:
            if isinstance(token, Typed):
                self._typed(token.data, paste=token.paste)
            elif isinstance(token, Act):
                unread = self._decoder().unread
                self._act(token.action)
                if token.action == "choose":
                    return b""  # what was typed behind it was for the view
                if self._awaited or self._overlay is not None:
                    return unread
            elif isinstance(token, Mouse):
                if self._overlay is None:
                    self._send(Kind.MOUSE, token.data)
                elif self._overlay.takes_mouse:
                    self._on_overlay(self._overlay, token.data)
            elif isinstance(token, Focus):
                self._send(Kind.FOCUS, b"01"[token.focused : token.focused + 1])
            elif isinstance(token, Reply):
                last = token.data.startswith(b"\x1b[?") and token.data.endswith(b"c")  # of what it was asked
                self._terminal.asked = self._terminal.asked and not last
                self._expect(max(monotonic() + MORE, 0.0 if last else self._expecting))
                self._send(Kind.REPLY, token.data)
        keys = self._decoder()
        self._flush_at = monotonic() + keys.wait if keys.holding else 0.0
        return b""

    def _typed(self, data: bytes, *, paste: bool) -> None:
        if self._overlay is not None:
            self._on_overlay(self._overlay, data)
            return
        if data and not self._read_only:
            self._send(Kind.PASTE if paste else Kind.INPUT, data)

    def _act(self, action: str) -> None:
        if action == "bell":
            self._terminal.write(b"\a")
        elif action == "detach" or (action == "choose" and self._in_view):
            if self._connection is None or self._leaving:
                raise self._end or Left(0, f"[detached from {self._name}]")
            self._send(Kind.DETACH)
            self._leaving = monotonic() + LEAVE_WAIT
        elif action == "help":
            from . import overlay

            self._show(overlay.Help(self._prefix, self._bindings))
        elif action == "kill":
            from . import overlay

            self._show(overlay.Confirm(f"kill session {self._name!r}? (y/n)", "kill"))
        elif action == "redraw":
            self._send(Kind.RESUME)
        elif action == "choose":
            self._choose()
        else:
            if action == "scrollback":
                self._send(Kind.PAUSE)
                self._awaited = monotonic() + AWAIT
            self._send(Kind.ACTION, pack([action.encode(), b""]))

    def _choose(self) -> None:
        """Have a session chosen in the view, from a plain list where that can't be shown.

        Raises:
            Left: a signal ended both.
        """
        from . import chooser

        self._send(Kind.PAUSE)
        try:
            choice = chooser.choose(self._path, self._session, self._borrowed, self._signals)
        except OSError:
            choice = chooser.Choice(chooser.CANNOT, "", 0)
        if choice.signal:
            self._send(Kind.DETACH)
            raise Left(128 + choice.signal, f"[detached from {self._name}]")
        self._expect(max(self._expecting, monotonic() + MORE))  # it may have asked the terminal something
        there = self._catch_up()
        columns, rows = self._terminal.size()
        self._send(Kind.RESIZE, pack([b"%d" % columns, b"%d" % rows]))
        if choice.chosen == chooser.QUIT:
            self._act("detach")
        elif choice.chosen.isdecimal() and choice.chosen != self._session:
            self._switch(choice.chosen, there=there)
        elif choice.status == chooser.CANNOT:
            self._awaited = monotonic() + AWAIT
            self._send(Kind.ACTION, pack([b"choose", b""]))
        else:
            if choice.status:
                self._terminal.write(b"\a")
            self._send(Kind.RESUME)

    def _catch_up(self) -> bool:
        """Take what the server has said meanwhile; return whether it still has us."""
        while (connection := self._connection) is not None:
            if not select.select([connection.sock.fileno()], [], [], 0)[0]:
                return True
            there = connection.receive()
            for kind, body in connection.taken():
                self._frame(kind, body)
            if not there:
                break
        return False

    def _switch(self, session: str, *, there: bool) -> None:
        """Show another session: on a new connection where this one is over, as when ours ended, or its server."""
        if there:
            self._send(Kind.ACTION, pack([b"switch", session.encode()]))
            return
        self.close()
        self._connection = self._end = None
        self._session = session
        self._unsent.clear()
        self._connect()

    def _show(self, shown: "Overlay") -> None:
        if self._overlay is None:
            self._send(Kind.PAUSE)
        self._overlay = shown
        self._terminal.write(shown.draw(self._terminal.size()))
        self._arrived()

    def _on_overlay(self, shown: "Overlay", key: bytes) -> None:
        outcome = shown.feed(key)
        if outcome is None:
            self._terminal.write(shown.draw(self._terminal.size()))
            return
        self._overlay = None
        if outcome.action:
            self._send(Kind.ACTION, pack([outcome.action.encode(), outcome.argument.encode()]))
        self._send(Kind.RESUME)

    def _frame(self, kind: int, body: bytes) -> None:
        if kind == Kind.OUTPUT:
            self._terminal.asked = self._terminal.asked or LAST_QUERY in body
            if self._keys is None and not self._load_at:
                self._load_at = monotonic() + SETTLE
            if self._overlay is None:
                self._terminal.write(body)
        elif kind == Kind.ATTACHED:
            self._overlay = None
            self.attached(body)
            self._arrived()
        elif kind == Kind.NOTICE:
            from .overlay import Choose

            title, text = (field.decode("utf-8", "replace") for field in unpack(body, 2)[:2])
            self._show(Choose(title, text.split("\n") if text else []))
        elif kind == Kind.SCROLLBACK:
            self._scrollback(unpack(body, 5))
        elif kind == Kind.EXIT:
            fields = unpack(body, 2)
            row = number(fields[2]) if len(fields) > 2 else 0
            self._end = Left(number(fields[0]), fields[1].decode("utf-8", "replace"), row)
            self.close()
            self._connection = None
        elif kind == Kind.STDERR:
            raise Left(1, body.decode("utf-8", "replace").strip())

    def _scrollback(self, fields: list[bytes]) -> None:
        """Collect the rows; show them when all are here."""
        name, screen_rows, columns, more, rows = fields[:5]
        self._rows.append(rows)
        if more == b"1":
            return
        from .pager import Pager

        text, self._rows = b"".join(self._rows).decode("utf-8", "replace"), []
        self._show(Pager(name.decode("utf-8", "replace"), text.split("\n"), number(screen_rows), number(columns)))

    def _send(self, kind: int, body: bytes = b"") -> None:
        """Queue a frame; never block on a server that does not read.

        Typed bytes above a bound are dropped with a bell: the program they are
        for is as stuck as the server.
        """
        if self._connection is None:
            return
        if kind in (Kind.INPUT, Kind.PASTE, Kind.MOUSE) and len(self._unsent) > UNSENT_LIMIT:
            self._terminal.write(b"\a")
            return
        self._unsent += b"%c%b%b" % (kind, len(body).to_bytes(4, "big"), body)
        self._send_unsent()

    def _send_unsent(self) -> None:
        assert self._connection is not None
        sock = self._connection.sock
        sock.setblocking(False)
        try:
            del self._unsent[: sock.send(self._unsent)]
        except BlockingIOError:
            pass
        except (BrokenPipeError, ConnectionResetError):
            self._unsent.clear()  # the next read says that it is over
        finally:
            sock.setblocking(True)

    def _lost(self) -> None:
        """The server went away: say so, connect to its successor, ask for the session again.

        Raises:
            Left: nobody listens any more, or the user is on the way out anyway.
        """
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        if self._leaving:
            raise Left(0, f"[detached from {self._name}]")
        self._overlay = None
        self._rows.clear()
        self._arrived()
        self._unsent.clear()
        columns, rows = self._terminal.size()
        text = "[agentmux: the server went away, connecting to its successor]"[:columns]
        self._terminal.write(f"\x18\x1b\\\x1b[0m\x1b[{rows};1H\x1b[7m{text}\x1b[0m".encode())
        self._connect()

    def _connect(self) -> None:
        """Ask for the session on a new connection.

        Raises:
            Left: nobody listens, or whoever does goes away each time.
        """
        self._resends += 1
        if self._resends > RESENDS:
            raise Left(4, "[server lost]")
        try:
            try:
                connection = Connection.open(self._path)
            except NoServer:
                from agentmux.mux.start import find_server  # only where the socket was deleted, too

                connection = find_server(self._path)
        except (NoServer, BadFolder, ServerSilent):
            raise Left(4, f"[server lost, and {self._name} with it]") from None
        connection.patient()  # the prefix key works meanwhile, so there is no hurry
        words = ["attach", "--again", "-t", self._session, *(["-r"] if self._read_only else [])]
        connection.hello(self._resends, make_request(words).pack())
        self._connection = connection
        self._expect(monotonic() + EXPECTING)  # the new server asks the terminal again


UNSENT_LIMIT = 1 << 24
"""Bytes of typed or pasted input kept for a server that does not read: a large paste fits."""
