"""A client while it is attached: which session it shows, and what its prefix keys do there."""

from __future__ import annotations

import re

from . import keyboard, statusline
from .clientterminal import ClientTerminal
from .errors import AgentmuxError
from .mux import Spec
from .protocol import Kind, pack
from .sessionerrors import InputFull, NoSession, NotRunning
from .size import Size, bounded
from .viewer import ClientViewer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .events import Subscription
    from .mux import Mux
    from .peer import Peer
    from .protocol import Request
    from .session import Session

_MOUSE = re.compile(rb"\x1b\[(?P<button><?\d{1,5};)(?P<x>\d{1,5});(?P<y>\d{1,5})(?P<end>[Mm])")

SCROLLBACK = 1 << 20
"""Bytes of scrollback in one frame to the client."""


class Attachment:
    """What an attached client watches and may do. Ends with the client or the last session it shows."""

    def __init__(self, mux: Mux, peer: Peer, request: Request, *, read_only: bool) -> None:
        self._mux = mux
        self._peer = peer
        self._request = request
        self._read_only = read_only
        self._size: Size = bounded(request.size)
        self._terminal = ClientTerminal(request.env)
        self._status = mux.config().text("status")
        self._asked = False  # what the terminal is
        self._before = 0  # id of the session shown before this one
        self._viewer: ClientViewer | None = None
        self._news: Subscription | None = None  # for the status line

    @property
    def viewer(self) -> ClientViewer:
        """The eye on the present session."""
        assert self._viewer is not None  # `show` is the first thing that is called
        return self._viewer

    @property
    def session(self) -> Session:
        """The session shown."""
        return self.viewer.session

    @property
    def read_only(self) -> bool:
        """Whether typing has no effect."""
        return self._read_only

    def show(self, session: Session, *, first: bool = False) -> None:
        """Show ``session`` from now on, instead of what was shown.

        Raises:
            NotRunning: it has ended.
        """
        if not session.live:
            raise NotRunning(session.name, session.state.shown)
        focused = True
        if self._viewer is not None:
            self._before = self.session.id
            focused = self._viewer.focused
            self._let_go()
        config = self._mux.config()
        viewer = ClientViewer(
            self._peer,
            session,
            self._size,
            self._mux.loop,
            terminal=self._terminal,
            read_only=self._read_only,
            leave=self.leave,
            status=self._status,
            line=self._line,
            clipboard=lambda: self._mux.config().text("set-clipboard") == "on",
        )
        viewer.focused = focused
        viewer.paused = True  # attaching may resize: one drawing is enough
        self._viewer = viewer
        bindings = "\0".join(word for pair in config.keys.items() for word in pair)
        facts = (str(session.id), session.name, config.text("prefix"), bindings, "01"[self._read_only])
        self._peer.send(Kind.ATTACHED, pack(fact.encode("utf-8", "replace") for fact in facts))
        session.attach(viewer)
        viewer.paused = False
        viewer.draw(history=config.history_rows(self._size[1]) if first else 0, first=first, ask=not self._asked)
        self._asked = True
        if self._news is None and self._status != "off":
            self._news = self._mux.bus.subscribe(self._others_changed)
        self._mux.shown(session, self._request.env)
        self._mux.publish("attached", session, viewers=len(session.viewers))
        if self._peer.closed:  # it went while we drew, when there was no attachment yet that could be told
            self.gone()

    def _let_go(self) -> None:
        viewer = self.viewer
        viewer.stop()
        if viewer in viewer.session.viewers:
            viewer.session.detach(viewer)
            self._mux.publish("detached", viewer.session, viewers=len(viewer.session.viewers))
            viewer.session.release()

    def leave(self, why: str) -> None:
        """Let go, and tell the client to end with a line such as ``[detached from api]``."""
        session = self.session
        row = session.last_row() if session.live else 0
        self._let_go()
        self._peer.send(Kind.EXIT, pack([b"0", f"[{why} from {session.name}]".encode(), b"%d" % row]))
        self._peer.finish()

    def gone(self) -> None:
        """The client's connection is closed."""
        self._let_go()
        if self._news is not None:
            self._mux.bus.unsubscribe(self._news)
            self._news = None

    # -- what the terminal sends

    def typed(self, data: bytes) -> None:
        """Pass on keys, in the encoding that the program asked for."""
        if self._read_only:
            return
        session = self.session
        if b"\x1b[" in data and session.live:
            screen = session.screen
            data = keyboard.for_program(data, kitty=screen.kitty_flags, other_keys=screen.modify_other_keys)
        self._type(data)

    def pasted(self, data: bytes) -> None:
        """Pass on a part of a paste as it is; make a client that pastes too fast wait."""
        if not self._read_only:
            self._type(data)

    def _type(self, data: bytes) -> None:
        session = self.session
        session.active(self.viewer)
        try:
            session.type_in(data)
        except (NotRunning, InputFull):
            self._peer.send(Kind.OUTPUT, b"\a")
            return
        if session.input_high:
            self._peer.stop_reading()
            session.when_input_low(self._peer.go_on_reading)

    def moused(self, report: bytes) -> None:
        """Pass on a mouse report, if the program wants any: a hand on the mouse does not lead."""
        session, viewer = self.session, self.viewer
        if self._read_only or not session.live or not session.screen.mouse_tracking:
            return
        pixels = session.screen.mouse_pixels
        if not (pixels and viewer.raw):
            report = _moved(report, viewer.place, pixels)
        if report and not session.input_high:
            session.type_in(report)

    def focused(self, has_it: bool) -> None:
        """The terminal got or lost the keyboard."""
        self.viewer.focused = has_it
        self.session.focus_changed()

    def replied(self, reply: bytes) -> None:
        """Learn from what the terminal answered to us; no program ever sees it."""
        terminal = self._terminal
        if not terminal.reply(reply):
            return
        if terminal.asked_again:
            self.viewer.tell(terminal.colour_queries())
        self._mux.learn_colours(terminal)
        self.viewer.learned()

    def resized(self, size: Size) -> None:
        """The client's terminal has another size."""
        self._size = bounded(size)
        viewer = self.viewer
        viewer.resized(self._size)
        self.session.viewer_resized()
        viewer.redraw()

    # -- the status line

    def _line(self) -> str:
        session = self.session
        waiting = [other.name for other in self._mux.live() if other.waits and other is not session]
        status = session.status
        return statusline.text(session.name, status.state if status is not None else session.state.shown, waiting)

    def _others_changed(self) -> None:
        assert self._news is not None
        self._news.take()
        if self._viewer is not None and not self._viewer.gone:
            self._viewer.changed()

    # -- prefix keys

    async def act(self, action: str, argument: str) -> None:
        """Do what a prefix key asks for."""
        if not self.session.live:
            return  # the client is about to hear of it
        try:
            await self._act(action, argument)
        except AgentmuxError as error:
            self._peer.send(Kind.NOTICE, pack([f"agentmux: {error.problem}".encode("utf-8", "replace"), b""]))

    async def _act(self, action: str, argument: str) -> None:
        if action == "new":
            spec = Spec((), self._request.cwd, self._request.env, size=self.viewer.size, umask=self._request.umask)
            self.show(await self._mux.create(spec))
        elif action in ("next", "previous"):
            self._step(1 if action == "next" else -1)
        elif action == "last":
            self._switch(self._mux.find(str(self._before)) if self._before else None)
        elif action == "switch":
            self._switch(self._mux.find(argument))
        elif action == "choose":
            lines = [
                f"{s.id}\t{'*' if s is self.session else ' '} {s.name}  {s.row.argv[0]!r}" for s in self._mux.live()
            ]
            self._peer.send(Kind.NOTICE, pack([b"sessions", "\n".join(lines).encode("utf-8", "replace")]))
        elif action == "scrollback":
            await self._send_scrollback()
        elif action == "interrupt":
            if not self._read_only:
                self._mux.interrupter.interrupt(self.session)
        elif action == "kill" and not self._read_only:
            await self._mux.killer.kill(self.session)

    async def _send_scrollback(self) -> None:
        """Send every row there is, oldest first, for the client to look through."""
        session = self.session
        screen = session.screen
        rows = screen.text_rows(-screen.history_rows, screen.size[1], styled=True)
        head = [session.name.encode("utf-8", "replace"), b"%d" % screen.size[1], b"%d" % screen.size[0]]
        text = "\n".join(rows).encode("utf-8", "replace")
        for at in range(0, max(1, len(text)), SCROLLBACK):
            more = b"1" if at + SCROLLBACK < len(text) else b"0"
            self._peer.send(Kind.SCROLLBACK, pack([*head, more, text[at : at + SCROLLBACK]]))
            await self._peer.drained()

    def _step(self, by: int) -> None:
        live = self._mux.live()
        here = [session.id for session in live].index(self.session.id)
        self._switch(live[(here + by) % len(live)])

    def _switch(self, session: Session | None) -> None:
        if session is None or not session.live:
            raise NoSession
        if session is not self.session:
            self.show(session)


def _moved(report: bytes, place: Callable[[int, int], tuple[int, int] | None], pixels: tuple[int, int] | None) -> bytes:
    """Return a mouse report with its place on the pane instead of on the terminal, b"" when it is not on the pane.

    Args:
        place: returns the place of a cell.
        pixels: the size of a cell for a program that wants pixels, None for one that wants cells.
    """
    found = _MOUSE.fullmatch(report)
    if found is None and not (len(report) == 6 and report.startswith(b"\x1b[M")):
        return b""
    there = place(int(found["x"]), int(found["y"])) if found else place(report[4] - 32, report[5] - 32)
    if there is None:
        return b""
    x, y = there
    if pixels is not None:
        x, y = (x - 1) * pixels[0] + pixels[0] // 2, (y - 1) * pixels[1] + pixels[1] // 2
    if found:
        return b"\x1b[%b%d;%d%b" % (found["button"], x, y, found["end"])
    return report[:4] + bytes([x + 32, y + 32]) if max(x, y) <= 223 else b""
