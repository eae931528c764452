"""One attached client: raw output while its size is the pane's, rendered frames otherwise."""

from __future__ import annotations

from .protocol import Kind, encode, pack
from .size import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable
    from typing import Protocol

    from .outbox import Outbox
    from .screen import View
    from .session import Session

    class Wire(Protocol):
        """The connection a viewer writes to."""

        outbox: Outbox

        def flush(self) -> None:
            """Send what the socket takes now."""
            ...

        def send(self, kind: int, body: bytes = b"") -> None:
            """Queue a frame that must arrive, and flush."""
            ...


FRAME = 1 / 60
"""Seconds between two rendered frames, and between two redraws of a slow client."""


class ClientViewer:
    """A client's eye on a session. Implements ``session.Viewer``."""

    def __init__(
        self,
        wire: Wire,
        session: Session,
        size: Size,
        loop: AbstractEventLoop,
        *,
        read_only: bool,
        leave: Callable[[str], None],
    ) -> None:
        self.size = size
        self.read_only = read_only
        self.leave = leave
        self.session = session
        self._wire = wire
        self._loop = loop
        self._timer: TimerHandle | None = None
        self._view: View | None = None
        self._modes = b""  # those for input that the terminal was last told
        self.paused = False
        self.gone = False

    @property
    def _raw(self) -> bool:
        return self.size == self.session.size

    def output(self, data: bytes) -> None:
        """Pass raw output on, or note that a frame is due."""
        if self.paused:
            return
        if not self._raw:
            self.changed()
        elif data:
            self._put(data)

    def changed(self) -> None:
        """Draw a frame soon."""
        if self._timer is None and not self.paused:
            self._timer = self._loop.call_later(FRAME, self._draw_frame)

    def redraw(self) -> None:
        """Forget what is queued and draw everything."""
        if self.paused or self.gone:
            return
        self.draw()

    def draw(self, *, history: int = 0, keep: bool = False) -> None:
        """Forget what is queued and draw everything, with ``history`` rows above.

        Args:
            keep: first push what the terminal shows into its own scrollback: it is the user's.
        """
        outbox = self._wire.outbox
        outbox.drop_output()
        outbox.owes_redraw = False
        keep_rows = self.size[1] if keep else 0
        if self._raw:
            self._view = None
            data = self.session.full_redraw(history=history, keep_rows=keep_rows)
        else:
            screen = self.session.screen
            self._view = screen.view(self.size)
            self._modes = b""
            data = screen.reset_client(self.size[0], keep_rows=keep_rows) + self._frame(self._view)
        if keep:
            outbox.put(encode(Kind.OUTPUT, data))  # a later redraw brings no history
            self._wire.flush()
        else:
            self._put(data)

    def settle(self) -> None:
        """Called when the outbox has run empty: pay the redraw that is owed."""
        if self._wire.outbox.owes_redraw and not self.paused and self._timer is None:
            self._timer = self._loop.call_later(FRAME, self._pay)

    def pause(self) -> None:
        """Something else is on the client's screen: send nothing."""
        self.paused = True
        self._wire.outbox.drop_output()

    def resume(self) -> None:
        """The client's screen is ours again."""
        self.paused = False
        self.redraw()

    def ended(self, line: str, row: int) -> None:
        """Tell the client that it is over, behind the last words: what is owed is paid now."""
        if self._wire.outbox.owes_redraw or self._timer is not None:
            self.redraw()
        self.stop()
        self._wire.send(Kind.EXIT, pack([b"0", line.encode(), b"%d" % row]))

    def stop(self) -> None:
        """No more frames."""
        self.gone = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pay(self) -> None:
        self._timer = None
        self.redraw()

    def _draw_frame(self) -> None:
        self._timer = None
        if self.paused or self.gone:
            return
        if self._wire.outbox.size:  # the client is behind: newest first, when it has caught up
            self._wire.outbox.owes_redraw = True
            return
        if self._view is None or self._wire.outbox.owes_redraw:
            self.draw()
        elif frame := self._frame(self._view):
            self._put(frame)

    def _frame(self, view: View) -> bytes:
        """Return what changed, and the modes in which this terminal should send its input, if they did."""
        frame, modes = view.frame(), self.session.screen.input_modes()
        if modes == self._modes:
            return frame
        self._modes = modes
        return frame + modes

    def _put(self, data: bytes) -> None:
        self._wire.outbox.put_output(encode(Kind.OUTPUT, data))
        self._wire.flush()
