"""One attached client: raw output while its size is the pane's, rendered frames otherwise."""

from __future__ import annotations

from . import keyboard, statusline
from .occurs import occurs
from .protocol import Kind, encode, pack
from .reset import KEEP_TITLE, mode, reset_client
from .screen import Bell, ClipboardWrite, Notification, Progress, ProgressState
from .size import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable
    from typing import Protocol

    from .clientterminal import ClientTerminal
    from .outbox import Outbox
    from .screen import ScreenEvent, View
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

SYNC_WAIT = 1.0
"""Seconds that a program may keep an update (mode 2026) open before frames show what there is (tmux's figure)."""

ASIDE = 1 << 21
"""Bytes kept for a terminal until they may be put between two sequences: a clipboard of 1 MiB in base64."""

_SYNC, _SYNC_END = mode(2026, True), mode(2026, False)
_NO_TITLE = b"\x1b]2;\x1b\\"
_NO_COLOURS = b"\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\"
_KEYBOARD_MARKS = (b"\x1b[>", b"\x1b[<", b"\x1b[=", b"\x1b[?1049", b"\x1b[?47", b"\x1b[?1047")
"""What a change of keyboard protocol looks like: each screen has a stack of its own."""


class ClientViewer:
    """A client's eye on a session. Implements ``audience.Viewer``.

    Attributes:
        size: what the pane should have to fill this terminal: its own, less the status line.
        focused: whether the terminal has the keyboard, as far as it tells.
    """

    def __init__(
        self,
        wire: Wire,
        session: Session,
        size: Size,
        loop: AbstractEventLoop,
        *,
        terminal: ClientTerminal,
        read_only: bool,
        leave: Callable[[str], None],
        status: str = "off",
        line: Callable[[], str] = str,
        clipboard: Callable[[], bool] = bool,
    ) -> None:
        self.read_only = read_only
        self.leave = leave
        self.session = session
        self.focused = True
        self.paused = False
        self.gone = False
        self._wire = wire
        self._loop = loop
        self._terminal = terminal
        self._status = status
        self._line = line
        self._clipboard = clipboard
        self._timer: TimerHandle | None = None
        self._held_since: float | None = None  # the program's update is waited for
        self._view: View | None = None
        self._shown: dict[str, bytes] = {}  # what the terminal was last told of modes, colours, title and status
        self._aside = b""  # for the terminal, at the next end of a sequence
        self._keys_asked = b""
        self._alternate = False
        self._progress = False  # the terminal shows one
        self.resized(size)

    def resized(self, size: Size) -> None:
        """The client's terminal has another size."""
        self._columns, self._rows = size
        self.size: Size = statusline.pane_size(size, self._status)
        self._lined = self.size != size

    @property
    def raw(self) -> bool:
        """Whether this terminal gets the program's own bytes."""
        return not self._lined and self.size == self.session.size

    def place(self, x: int, y: int) -> tuple[int, int] | None:
        """Return the pane's place that is shown at (x, y) on this terminal, None where it shows none; from 1."""
        y -= self._above
        if not (1 <= x <= self.size[0] and 1 <= y <= self.size[1]):
            return None
        if self._view is not None:
            x, y = x + self._view.offset[0], y + self._view.offset[1]
        columns, rows = self.session.size
        return (x, y) if x <= columns and y <= rows else None

    @property
    def _above(self) -> int:
        return int(self._lined and self._status == "top")

    # -- the session's side (audience.Viewer)

    def output(self, data: bytes) -> None:
        """Pass raw output on, or note that a frame is due."""
        if self.paused:
            return
        if not self.raw:
            if self._held_since is not None and not self.session.screen.synchronized:
                self._stop_timer()
                self._draw_frame()
            else:
                self.changed()
            return
        if b"\x1b" in data and any(occurs(mark, data) for mark in _KEYBOARD_MARKS):
            self._aside += self._keyboard()
        if self._aside and self.session.between_sequences:
            data, self._aside = data + self._aside, b""
        if data:
            self._put(data)

    def told(self, event: ScreenEvent) -> None:
        """Pass on what the program told its terminal, in a form that this one knows."""
        if isinstance(event, Notification):
            self.tell(self._terminal.notification(event.title, event.body))
        elif isinstance(event, Progress):
            self._progress = event.state is not ProgressState.REMOVED
            self.tell(self._terminal.progress(event.state.value, event.value))
        elif isinstance(event, ClipboardWrite):
            if self._clipboard():
                self.tell(self._terminal.clipboard(event.data, event.primary))
        elif isinstance(event, Bell) and not self.raw:  # raw output has it already
            self.tell(b"\a")

    def changed(self) -> None:
        """Draw a frame soon."""
        if self._timer is None and not self.paused and not self.raw:
            self._timer = self._loop.call_later(FRAME, self._draw_frame)

    def redraw(self) -> None:
        """Forget what is queued and draw everything."""
        if not self.paused and not self.gone:
            self.draw()

    def ended(self, line: str, row: int) -> None:
        """Tell the client that it is over, behind the last words: what is owed is paid now."""
        if self._wire.outbox.owes_redraw or self._timer is not None:
            self.redraw()
        self.stop()
        self._wire.send(Kind.EXIT, pack([b"0", line.encode(), b"%d" % row]))

    # -- the client's side

    def tell(self, data: bytes) -> None:
        """Send the terminal something that is not the program's, between two sequences of its."""
        if not data or len(self._aside) + len(data) > ASIDE:
            return
        self._aside += data
        if not self.paused and (not self.raw or self.session.between_sequences):
            data, self._aside = self._aside, b""
            self._put(data)

    def learned(self) -> None:
        """More is known of the terminal: ask it for keys as the program wants them."""
        self.tell(self._keyboard())

    def draw(self, *, history: int = 0, first: bool = False, ask: bool = False) -> None:
        """Forget what is queued and draw everything, with ``history`` rows above.

        Args:
            first: push what the terminal shows into its own scrollback, as it is the user's.
            ask: ask the terminal what it is.
        """
        outbox = self._wire.outbox
        outbox.drop_output()
        outbox.owes_redraw = False
        self._stop_timer()
        self._keys_asked = b""
        keep_rows = self._rows if first else 0
        data = (KEEP_TITLE if first else b"") + (self._terminal.queries() if ask else b"")
        if self.raw:
            self._view = None
            data += self.session.full_redraw(history=history, keep_rows=keep_rows)
        else:
            screen = self.session.screen
            self._view = screen.view(self.size, top=self._above)
            self._shown.clear()
            data += reset_client(self._columns, keep_rows=keep_rows) + self._frame(self._view)
        if first:
            outbox.put(encode(Kind.OUTPUT, data))  # a later redraw brings no history
            self._wire.flush()
        else:
            self._put(data)
        if self.raw:  # a frame has it
            self.learned()

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

    def stop(self) -> None:
        """No more frames; a progress that this terminal shows is over."""
        self.gone = True
        self._stop_timer()
        if self._progress:
            self.paused = False
            self.told(Progress(ProgressState.REMOVED, None))

    def _stop_timer(self) -> None:
        self._held_since = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pay(self) -> None:
        self._timer = None
        self.redraw()

    def _draw_frame(self) -> None:
        self._timer = None
        if self.paused or self.gone or self.raw:
            return
        if self._wire.outbox.size:  # the client is behind: newest first, when it has caught up
            self._wire.outbox.owes_redraw = True
            return
        if self.session.screen.synchronized:
            now = self._loop.time()
            if self._held_since is None:
                self._held_since = now
            if (left := self._held_since + SYNC_WAIT - now) > 0:
                self._timer = self._loop.call_later(left, self._draw_frame)
                return
        self._held_since = None
        if self._view is None or self._wire.outbox.owes_redraw:
            self.draw()
        elif frame := self._frame(self._view):
            self._put(frame)

    def _frame(self, view: View) -> bytes:
        """Return what changed: cells, and what else a terminal of another size must be told."""
        screen = self.session.screen
        frame = view.frame()
        if modes := self._if_changed("modes", screen.input_modes()):
            self._keys_asked = b""
            frame += modes + self._keyboard()
        frame += self._if_changed("colours", screen.colours(), otherwise=_NO_COLOURS)
        title = b"\x1b]2;%b\x1b\\" % screen.title.encode() if screen.title else b""
        frame += self._if_changed("title", title, otherwise=_NO_TITLE)
        if self._lined:
            row = 1 if self._above else self._rows
            frame += self._if_changed("status", statusline.drawn(self._line(), self._columns, row))
        if frame and self._terminal.synchronized:
            return _SYNC + frame + _SYNC_END
        return frame

    def _if_changed(self, what: str, now: bytes, *, otherwise: bytes = b"") -> bytes:
        """Return ``now`` if the terminal has something else; ``otherwise`` first, to clear what it had."""
        before = self._shown.get(what, b"")
        if now == before:
            return b""
        self._shown[what] = now
        return (otherwise if before else b"") + now

    def _keyboard(self) -> bytes:
        """Return what asks the terminal for keys as the program wants them, where its own request does not do."""
        screen = self.session.screen
        if screen.alternate != self._alternate:  # the terminal has a setting for each
            self._alternate, self._keys_asked = screen.alternate, b""
        asked = keyboard.asked_of(
            self._terminal.kitty, kitty=screen.kitty_flags, other_keys=screen.modify_other_keys, before=self._keys_asked
        )
        if asked == self._keys_asked:
            return b""
        self._keys_asked = asked
        return asked

    def _put(self, data: bytes) -> None:
        self._wire.outbox.put_output(encode(Kind.OUTPUT, data))
        self._wire.flush()
