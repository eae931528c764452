"""One connected client: its socket, what it asked, and, while it is attached, what it watches."""

from __future__ import annotations

import socket
import traceback
from collections import deque

from agentmux.store.errors import StoreError

from . import VERSION
from .asking import Asking
from .attachment import Attachment
from .errors import AgentmuxError, ProtocolError
from .foreign import safe
from .outbox import Outbox
from .protocol import PROTOCOL, Decoder, Kind, Request, encode, number, pack, unpack
from .sessionerrors import StoreFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, Handle, Task
    from collections.abc import Awaitable, Callable

    from .mux import Mux

    Dispatch = Callable[[Asking], Awaitable[int | None] | int | None]

TURN = 0.005
"""Seconds that one client's frames may take at once: a few bytes may ask for a drawing, and then others have a turn."""

MOST_ACTIONS = 64
"""Actions of prefix keys that wait for the one before: more than anybody types ahead."""

SMALL = 4096
"""Bytes of standard input that are kept in one piece at least, however small the frames are."""

STDIN_LIMIT = 1 << 23
"""Bytes of a command's standard input kept until it asks for them; then its client is not read from."""


class Peer:
    """A client's connection. Lives until either end closes it; implements ``viewer.Wire``."""

    def __init__(
        self,
        sock: socket.socket,
        mux: Mux,
        dispatch: Dispatch,
        on_closed: Callable[[Peer], None],
        on_newer: Callable[[Peer], None],
    ) -> None:
        self.outbox = Outbox()
        self.attachment: Attachment | None = None
        self._sock = sock
        self._mux = mux
        self._loop: AbstractEventLoop = mux.loop
        self._dispatch = dispatch
        self._on_closed = on_closed
        self._on_newer = on_newer
        self._decoder = Decoder()
        self._task: Task[None] | None = None
        self._closed = False
        self._writing = False
        self._reading = True
        self._stopped = False  # reading makes no sense for now: what was read is not taken
        self._ready: deque[tuple[int, bytes]] = deque()  # frames that have come and wait for a turn
        self._turn: Handle | None = None
        self._taking = False
        self._actions: deque[tuple[str, str]] = deque()  # the first is being done
        self._waits = False  # a newer client, whose version is about to take over
        self._waiting: bytes | None = None  # what it asked
        self._drained: Future[None] | None = None
        self._ending = False
        self.launch: tuple[list[str], list[str]] = [], []  # how the client's version starts a server, a keeper
        self.stdin: list[bytes] = []
        self.stdin_size = 0
        self.stdin_ended = False
        self.on_stdin: Callable[[], None] | None = None
        sock.setblocking(False)
        self._loop.add_reader(sock, self.read)

    # -- in

    def read(self) -> None:
        """Take what the client has sent."""
        try:
            data = self._sock.recv(65536)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        if self._ending:
            return  # nobody asks any more
        try:
            self._ready += self._decoder.feed(data)
        except ProtocolError as error:
            self.fail(error)
            return
        if self._turn is None:
            self._take()

    def _take(self) -> None:
        """Take frames that have come, for one turn, or until too much would have to be answered."""
        self._turn = None
        until = self._loop.time() + TURN
        self._taking = True
        try:
            while self._ready and not self._ending and not self._closed and not self.outbox.full:
                self._frame(*self._ready.popleft())
                if self._loop.time() > until:
                    break
        except ProtocolError as error:
            self.fail(error)
        finally:
            self._taking = False
        if self._ending:
            self._ready.clear()
        if self.outbox.full:
            self.flush()  # a greeting waits for what follows it
        self._go_on_taking()

    def _go_on_taking(self) -> None:
        """Take what waits, in another turn; read when nothing does."""
        if self._taking:
            return
        if self._ready and self._turn is None and not self._closed and not self.outbox.full:
            self._turn = self._loop.call_soon(self._take)
        self._read_or_not()

    def _read_or_not(self) -> None:
        """Read, unless what has come is not taken yet."""
        reads = not (self._stopped or self._ready or self.outbox.full or self._closed)
        if reads == self._reading:
            return
        self._reading = reads
        if reads:
            self._loop.add_reader(self._sock, self.read)
        elif not self._closed:
            self._loop.remove_reader(self._sock)

    def _frame(self, kind: int, body: bytes) -> None:
        attachment = self.attachment
        if kind == Kind.HELLO:
            self._hello(body)
        elif kind == Kind.COMMAND:
            self._command(body)
        elif kind == Kind.STDIN:
            if self.stdin and len(self.stdin[-1]) < SMALL:
                self.stdin[-1] += body
            elif body:
                self.stdin.append(body)
            self.stdin_size += len(body)
            self._stdin_changed()
        elif kind == Kind.STDIN_END:
            self.stdin_ended = True
            self._stdin_changed()
        elif attachment is None:
            return  # typed while the command that attaches was still running, or a newer kind
        elif kind == Kind.INPUT:
            attachment.typed(body)
        elif kind == Kind.PASTE:
            attachment.pasted(body)
        elif kind == Kind.MOUSE:
            attachment.moused(body)
        elif kind == Kind.FOCUS:
            attachment.focused(body == b"1")
        elif kind == Kind.REPLY:
            attachment.replied(body)
        elif kind == Kind.RESIZE:
            columns, rows = unpack(body, 2)[:2]
            attachment.resized((number(columns), number(rows)))
        elif kind == Kind.DETACH:
            attachment.leave("detached")
        elif kind == Kind.ACTION:
            action, argument = unpack(body, 2)[:2]
            if len(self._actions) < MOST_ACTIONS:
                self._actions.append((action.decode("utf-8", "replace"), argument.decode("utf-8", "replace")))
                if len(self._actions) == 1:
                    self._run(self._act(attachment))
        elif kind == Kind.PAUSE:
            attachment.viewer.pause()
        elif kind == Kind.RESUME:
            attachment.viewer.resume()

    async def _act(self, attachment: Attachment) -> None:
        """Do what prefix keys ask for, one after the other."""
        while self._actions:
            await attachment.act(*self._actions[0])
            self._actions.popleft()

    def _hello(self, body: bytes) -> None:
        version, _, attempt, server, keeper = unpack(body, 5)[:5]
        self.launch = _words(server), _words(keeper)
        facts = [VERSION.encode(), b"%d" % PROTOCOL, b"", b"%d" % self._mux.keeper_pid]
        self.outbox.put(encode(Kind.WELCOME, pack(facts)))
        if _newer(version.decode("ascii", "replace"), VERSION) and number(attempt) == 0:
            self._waits = True
            self._on_newer(self)

    def _command(self, body: bytes) -> None:
        if self._task is not None or self.attachment is not None:
            raise ProtocolError("a second command on one connection")
        if self._waits:  # its own version shall answer: it asks again when this connection ends
            self._waiting = body
            return
        request = Request.unpack(body)
        if not request.argv:
            raise ProtocolError("a command without words")
        self.outbox.put(encode(Kind.ACCEPTED))
        self.flush()
        asking = Asking(self._mux, self, request)
        self._run(self._answer(asking))

    def go_on(self) -> None:
        """Answer a newer client after all: its version does not take over."""
        self._waits = False
        if self._waiting is None or self._closed:
            return
        try:
            self._command(self._waiting)
        except ProtocolError as error:
            self.fail(error)

    def _run(self, work: Awaitable[None]) -> None:
        """Run ``work`` until it waits for something; as a task from then on."""

        async def guarded() -> None:
            try:
                await work
            except AgentmuxError as error:
                self.fail(error)
            except StoreError as error:
                self.fail(StoreFailed(error.problem, error.hint))
            except Exception:  # noqa: BLE001 - the one broad catch: this client is told, the others go on
                self._mux.warn(traceback.format_exc())
                self.fail(AgentmuxError("internal error", hint="see: agentmux server log"))

        self._task = self._loop.create_task(guarded())

    async def _answer(self, asking: Asking) -> None:
        result = self._dispatch(asking)
        status = result if result is None or isinstance(result, int) else await result
        if self.attachment is None:
            self.exit(status or 0, asking.last_line, asking.wait_for)

    def _stdin_changed(self) -> None:
        if self.on_stdin is not None:
            self.on_stdin()
        if self.stdin_size > STDIN_LIMIT:
            self.stop_reading()

    @property
    def closed(self) -> bool:
        """Whether the client is gone."""
        return self._closed

    def stop_reading(self) -> None:
        """Leave what the client sends in its socket, and so make it wait."""
        self._stopped = True
        self._read_or_not()

    def go_on_reading(self) -> None:
        """Read again."""
        self._stopped = False
        self._read_or_not()

    # -- out

    def send(self, kind: int, body: bytes = b"") -> None:
        """Queue a frame that must arrive, and flush."""
        self.outbox.put(encode(kind, body))
        self.flush()

    def fail(self, error: AgentmuxError) -> None:
        """Tell an error as it is told everywhere, and close."""
        lines = [f"agentmux: {safe(line)}\n" for line in (error.problem, error.hint) if line]
        self.outbox.put(encode(Kind.STDERR, "".join(lines).encode()))
        self.exit(error.status, error=type(error).__name__)

    def exit(self, status: int, line: str = "", wait_for: int = 0, error: str = "") -> None:
        """Send the last frame, and close when it is sent.

        Args:
            line: what the client prints last.
            wait_for: a pid that the client waits for before it exits.
            error: the class of what went wrong, for clients that can do more than print it.
        """
        fields = [b"%d" % status, line.encode("utf-8", "replace"), b"0", b"%d" % wait_for]
        fields += [error.encode()] if error else []
        self.outbox.put(encode(Kind.EXIT, pack(fields)))
        self.finish()

    def finish(self) -> None:
        """Close when everything queued is sent."""
        self._ending = True
        self.flush()

    def flush(self) -> None:
        """Send what the socket takes now, the rest when it takes more."""
        if self._closed:
            return
        outbox = self.outbox
        try:
            while outbox.size:
                outbox.sent(self._sock.sendmsg(outbox.buffers()))
        except (BlockingIOError, InterruptedError):
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._sock, self.flush)
            self._go_on_taking()
            return
        except OSError:
            self.close()
            return
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._sock)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self.attachment is not None:
            self.attachment.viewer.settle()
        if self._ending:
            self.close()
        self._go_on_taking()

    async def drained(self, *, wholly: bool = False) -> None:
        """Wait while the client is behind; ``wholly``: until its socket has taken everything."""
        if self.outbox.size if wholly else self.outbox.crowded:
            self._drained = self._loop.create_future()
            await self._drained

    def close(self) -> None:
        """Drop the connection; whatever it was doing and may be cancelled is."""
        if self._closed:
            return
        self._closed = True
        self._ready.clear()
        if self._turn is not None:
            self._turn.cancel()
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        if self.attachment is not None:
            self.attachment.gone()
        if self._task is not None:
            self._task.cancel()
            self._task = None  # it refers to us: a client's whole environment would wait for the garbage collector
        self._on_closed(self)


def _newer(theirs: str, ours: str) -> bool:
    """Whether version ``theirs`` is newer; what is not made of numbers is not."""
    try:
        return tuple(map(int, theirs.split("."))) > tuple(map(int, ours.split(".")))
    except ValueError:
        return False


def _words(field: bytes) -> list[str]:
    return field.decode("utf-8", "surrogateescape").split("\0")
