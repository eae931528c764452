"""A client while it is attached: which session it shows, and what its prefix keys do there."""

from __future__ import annotations

from .errors import AgentmuxError, InputFull, NoSession, NotRunning
from .mux import Spec
from .protocol import Kind, pack
from .size import Size, bounded
from .viewer import ClientViewer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .mux import Mux
    from .peer import Peer
    from .protocol import Request
    from .session import Session


class Attachment:
    """What an attached client watches and may do. Ends with the client or the last session it shows."""

    def __init__(self, mux: Mux, peer: Peer, request: Request, *, read_only: bool) -> None:
        self._mux = mux
        self._peer = peer
        self._request = request
        self._read_only = read_only
        self._size: Size = bounded(request.size)
        self._before = 0  # id of the session shown before this one
        self._viewer: ClientViewer | None = None

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
        if self._viewer is not None:
            self._before = self.session.id
            self._let_go()
        viewer = ClientViewer(
            self._peer, session, self._size, self._mux.loop, read_only=self._read_only, leave=self.leave
        )
        viewer.paused = True  # attaching may resize: one drawing is enough
        self._viewer = viewer
        config = self._mux.config()
        bindings = "\0".join(word for pair in config.keys.items() for word in pair)
        facts = (str(session.id), session.name, config.text("prefix"), bindings, "01"[self._read_only])
        self._peer.send(Kind.ATTACHED, pack(fact.encode("utf-8", "replace") for fact in facts))
        session.attach(viewer)
        viewer.paused = False
        history = config.number("history-lines") if first else 0
        viewer.draw(history=history, keep=first)
        self._mux.shown(session)
        self._mux.publish("attached", session, viewers=len(session.viewers))
        if self._peer.closed:  # it went while we drew, when there was no attachment yet that could be told
            self._let_go()

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

    def typed(self, data: bytes) -> None:
        """Pass on what the user typed; make a client that pastes too fast wait."""
        if self._read_only:
            return
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

    def resized(self, size: Size) -> None:
        """The client's terminal has another size."""
        self._size = bounded(size)
        viewer = self.viewer
        viewer.size = self._size
        self.session.viewer_resized()
        viewer.redraw()

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
            spec = Spec((), self._request.cwd, self._request.env, size=self._size, umask=self._request.umask)
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
        elif action == "interrupt":
            if not self._read_only:
                self._mux.interrupt(self.session)
        elif action == "kill" and not self._read_only:
            await self._mux.kill(self.session)

    def _step(self, by: int) -> None:
        live = self._mux.live()
        here = [session.id for session in live].index(self.session.id)
        self._switch(live[(here + by) % len(live)])

    def _switch(self, session: Session | None) -> None:
        if session is None or not session.live:
            raise NoSession
        if session is not self.session:
            self.show(session)
