"""The screen of a pane: the only door to the terminal emulator.

Everything else imports this file and nothing from ``emulator/``. The library behind it is native code without safety
checks, so what reaches it is bounded here: sizes, sequences that crash or stall it, snapshots that are not ours. A
screen belongs to one thread. Importing this file is light; the library is loaded with the first screen. It is long
because it is a door: most of it says what each call means and costs, the work is behind it.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

from . import foreign
from .emulator.errors import BadSnapshot, UnknownKey
from .screenevents import (
    Bell,
    ClipboardWrite,
    CwdChanged,
    Notification,
    ProgramStatus,
    Progress,
    ProgressState,
    ScreenEvent,
    TitleChanged,
)
from .sgr import Rgb
from .size import clamped

if TYPE_CHECKING:
    from .emulator.frames import Source
    from .emulator.terminal import Terminal

__all__ = [
    "DEFAULT_COLOURS",
    "BadSnapshot",
    "Bell",
    "ClipboardWrite",
    "Colours",
    "Cursor",
    "CwdChanged",
    "Notification",
    "ProgramStatus",
    "Progress",
    "ProgressState",
    "Rows",
    "Screen",
    "ScreenEvent",
    "TitleChanged",
    "UnknownKey",
    "View",
]

SCROLLBACK = 10_000_000
"""Bytes of scrollback kept unless told otherwise: 13 700 rows of 80 columns, 5 400 of 200."""

KEPT = 1 << 16
"""Bytes of the last dump's two parts that are each kept while nothing changes: who comes then gets them again."""

_LOST_SEQUENCE = b"\x1b]9999;"  # stands in for the start of a string too long to be kept: terminals swallow the rest


class Colours(NamedTuple):
    """A terminal's own colours; ``palette`` is the first of its 256, perhaps none."""

    foreground: Rgb
    background: Rgb
    cursor: Rgb
    palette: tuple[Rgb, ...] = ()


DEFAULT_COLOURS = Colours((0xC0, 0xC0, 0xC0), (0x10, 0x10, 0x10), (0xC0, 0xC0, 0xC0))
"""What programs are told while no client's terminal has said otherwise: dark."""


class Cursor(NamedTuple):
    """Where the next character goes, counted from 0, and whether it is shown."""

    x: int
    y: int
    visible: bool


class Screen:
    """One pane's terminal: takes what the program writes, knows what a terminal would show and answer.

    ``on_reply`` gets the bytes to write to the program, ``on_event`` what else happened; both are called after the
    write or resize that caused them, never inside of it, and may use the screen.
    """

    def __init__(
        self,
        size: tuple[int, int],
        *,
        scrollback_bytes: int = SCROLLBACK,
        on_reply: Callable[[bytes], None] | None = None,
        on_event: Callable[[ScreenEvent], None] | None = None,
    ) -> None:
        from .emulator.terminal import Terminal

        self._start(Terminal.blank(clamped(size)), scrollback_bytes, on_reply, on_event)
        self.set_colours(*DEFAULT_COLOURS)

    @classmethod
    def restore(
        cls,
        blob: bytes,
        *,
        scrollback_bytes: int = SCROLLBACK,
        on_reply: Callable[[bytes], None] | None = None,
        on_event: Callable[[ScreenEvent], None] | None = None,
    ) -> Self:
        """Return the screen that ``snapshot`` described, in the size it had.

        Raises:
            BadSnapshot: damaged, cut, or from another build of the library. Start blank and replay the journal.
        """
        from .emulator import snapshot

        screen = cls.__new__(cls)
        screen._start(snapshot.restore(blob), scrollback_bytes, on_reply, on_event)
        screen._dark = screen._box.dark = _is_dark(screen._colour("BACKGROUND_DEFAULT") or DEFAULT_COLOURS.background)
        return screen

    def _start(
        self,
        terminal: "Terminal",
        scrollback_bytes: int,
        on_reply: Callable[[bytes], None] | None,
        on_event: Callable[[ScreenEvent], None] | None,
    ) -> None:
        from .emulator import callbacks, guard

        self._scrollback_bytes = scrollback_bytes
        self._on_reply = on_reply
        self._on_event = on_event
        self._source: Source | None = None
        self._drawn: bytes | None = None  # what draws the screen, while it is true
        self._above: tuple[int, bytes] | None = None  # likewise so many rows of the scrollback
        self._ahead = False
        self._generation = 0
        self._dark = True
        self._box = callbacks.Mailbox(terminal.size())
        self._terminal = terminal
        terminal.prepare(self._box, scrollback_bytes)
        self._size, self._ground = terminal.state()
        self._guard = guard.Guard(self.pending())

    def close(self) -> None:
        """Free the native terminal now; nothing else may be called afterwards."""
        if self._source is not None:
            self._generation = self._source.generation
            self._source.grid.close()
            self._source = None
        self._terminal.close()

    # Written to

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take what the program wrote, cut anywhere.

        A feed takes 4 to 15 ms a megabyte; hostile bytes take up to 50 us each, so keep chunks small where a loop
        must stay responsive.
        """
        if not isinstance(data, bytes):
            data = bytes(data)
        self._guard.feed(self._terminal, data, self._ground, self._size[0])
        size, self._ground = self._terminal.state()
        if size != self._size:  # DECCOLM: the program may not resize the pane
            self._resize_terminal(self._size)
        self._changed()

    def resize(self, size: tuple[int, int]) -> None:
        """Change the size in columns and rows, clamped as ``size.clamped`` has it. The primary screen reflows."""
        size = clamped(size)
        if size != self._size:
            self._size = self._box.size = size
            self._resize_terminal(size)
            self._changed()

    def _resize_terminal(self, size: tuple[int, int]) -> None:
        from .emulator.guard import Guard
        from .emulator.terminal import EmulatorError, Terminal

        try:
            self._terminal.resize(size)
        except EmulatorError:  # it is corrupt now: a blank screen is the best there is
            self.close()
            self._terminal = Terminal.blank(size)
            self._terminal.prepare(self._box, self._scrollback_bytes)
            self._ground, self._guard = True, Guard()

    def set_colours(self, foreground: Rgb, background: Rgb, cursor: Rgb, palette: Sequence[Rgb] = ()) -> None:
        """Set the colours the program is told when it asks for the terminal's own, and with them dark or light.

        ``palette`` is the first of the 256; the others keep their usual values. A program that asked for it (mode 2031)
        is told when dark becomes light or light dark.
        """
        colours = (("FOREGROUND", foreground), ("BACKGROUND", background), ("CURSOR", cursor))
        for name, colour in colours:
            self._terminal.set("COLOR_" + name, "GhosttyColorRgb", colour)
        if palette:
            self._terminal.set_palette(palette)
        dark = _is_dark(background)
        if dark != self._dark:
            self._dark = self._box.dark = dark
            if self._terminal.mode(2031):
                self._box.replies.append(b"\x1b[?997;%dn" % (1 if dark else 2))
        self._changed()

    def _changed(self) -> None:
        self._drawn = self._above = None
        self._ahead = False
        if self._source is not None:
            self._source.touch()
        box = self._box
        if box.replies:
            replies, box.replies = box.replies, []
            if self._on_reply is not None:
                self._on_reply(b"".join(replies))
        if box.events:
            events, box.events = box.events, []
            if self._on_event is not None:
                for event in events:
                    self._on_event(event)

    # Asked

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return self._size

    @property
    def title(self) -> str:
        """The title that the program gave, without what acts on a terminal."""
        return foreign.without(self._terminal.string("TITLE"))

    @property
    def cwd(self) -> str:
        """The folder the program last reported, "" if it never did. It may be on another machine."""
        from .emulator.callbacks import path_of

        return path_of(self._terminal.string("PWD"))

    @property
    def cursor(self) -> Cursor:
        return Cursor(*self._terminal.cursor(), self._terminal.cursor_visible())

    @property
    def alternate(self) -> bool:
        """Whether the alternate screen is shown, as full-screen programs use it."""
        return self._terminal.alternate()

    @property
    def at_ground(self) -> bool:
        """Whether the program's bytes so far end between sequences, so that ours may follow."""
        return self._ground

    @property
    def bracketed_paste(self) -> bool:
        return self._terminal.mode(2004)

    @property
    def focus_reporting(self) -> bool:
        return self._terminal.mode(1004)

    @property
    def synchronized(self) -> bool:
        """Whether the program is in the middle of an update (mode 2026). Nothing ends it but the program."""
        return self._terminal.mode(2026)

    @property
    def mouse_tracking(self) -> bool:
        return bool(self._terminal.get("MOUSE_TRACKING", "bool"))

    @property
    def mouse_pixels(self) -> tuple[int, int] | None:
        """The size of a cell in pixels if the program wants mouse reports in pixels (mode 1016), else None."""
        from .emulator.callbacks import CELL

        return CELL if self._terminal.mode(1016) else None

    @property
    def kitty_flags(self) -> int:
        """The kitty keyboard protocol's flags, 0 while it is off."""
        return self._terminal.kitty_flags()

    @property
    def history_rows(self) -> int:
        """Rows in the scrollback of the primary screen. Costs up to 1 ms while the alternate screen is shown."""
        from .emulator import history

        return history.rows_above(self._terminal)

    @property
    def modify_other_keys(self) -> int:
        """The level of xterm's modifyOtherKeys, 0 while it is off. Costs 40 us."""
        return 2 if self._terminal.extra("keyboard")[1] else 0

    def answer(self, question: bytes) -> bytes:
        """Return the reply to a query that the library does not answer as agents need it, b"" for none.

        ``question`` is a whole sequence that ``sieve.For.ANSWER`` stands for, and is not fed.
        """
        from .emulator import answers

        reply = answers.answer(question, self._ask, lambda: self.modify_other_keys)
        self._changed()
        return reply

    def _ask(self, query: bytes) -> bytes:
        """Feed a query and return the library's own reply to it, which then does not go to ``on_reply``."""
        before, self._box.replies = self._box.replies, []
        self._terminal.write(query)
        replies, self._box.replies = self._box.replies, before
        return b"".join(replies)

    def pending(self) -> bytes:
        """Return the bytes of the unfinished sequence: what a client must have got before the program's next ones."""
        if self._ground:
            return b""
        continuation = self._terminal.continuation()
        return _LOST_SEQUENCE if continuation is None else continuation

    def text_rows(self, start: int, stop: int, *, styled: bool = False, links: bool = False) -> list[str]:
        """Return rows ``start`` up to, not including, ``stop``; 0 is the first visible row, -1 the newest above it.

        Rows that do not exist are left out. Trailing blanks are too; with ``styled``, blanks with a background are
        not blank, and each row begins and ends at SGR 0; with ``links`` besides, hyperlinks are there as OSC 8.
        """
        from .emulator import history

        return history.text_rows(self._terminal, start, stop, styled=styled, links=links)

    def _colour(self, name: str) -> Rgb | None:
        colour = self._terminal.get("COLOR_" + name, "GhosttyColorRgb")
        return None if colour is None else (colour.r, colour.g, colour.b)

    # Shown

    def dump(self, *, history: int = 0, pending: bool = True) -> bytes:
        """Return what a client's terminal of the same size needs after ``reset.reset_client``, scrollback first.

        The bytes of an unfinished sequence come last, so that the program's next ones can simply follow; ``pending``
        says whether they shall. Takes 1 to 7 ms, up to 20 for a screen full of colours, and 10 to 50 for 10 000 rows
        of ``history``.
        """
        return self._rows_above(history) + self._picture() + (self.pending() if pending else b"")

    def draw_ahead(self, history: int) -> bool:
        """Make ``dump`` cost nothing until the screen changes, if it is not too large; return whether that was to do.

        For a screen that has been quiet for a while: who attaches then need not wait for it.
        """
        if self._ahead:
            return False
        self._ahead = True
        self._rows_above(history)
        self._picture()
        return True

    def _picture(self) -> bytes:
        from .emulator import dump

        drawn = dump.dump(self._terminal) if self._drawn is None else self._drawn
        self._drawn = drawn if len(drawn) <= KEPT else None
        return drawn

    def _rows_above(self, count: int) -> bytes:
        from .emulator import history

        if count <= 0:
            return b""
        if self._above is not None and self._above[0] == count:
            return self._above[1]
        drawn = history.above(self._terminal, count)
        self._above = (count, drawn) if len(drawn) <= KEPT else None
        return drawn

    def colours(self) -> bytes:
        """Return what gives a client's terminal the colours that the program set: palette, text, background, cursor."""
        from .emulator import dump

        return dump.colours(self._terminal)

    def input_modes(self) -> bytes:
        """Return what makes a client's terminal send keys, pastes and mouse as the program expects them now.

        For viewers of frames; clients that got a dump have these modes from there and from the program's own bytes.
        """
        from .emulator import dump

        return dump.input_modes(self._terminal)

    @property
    def generation(self) -> int:
        """A number that grows when the screen looks different, or a row was rewritten."""
        self._watched().refresh()
        return self._watched().generation

    def view(self, size: tuple[int, int], top: int = 0) -> "View":
        """Return a window on this screen for a viewer whose terminal has another size."""
        return View(self, size, top)

    def _watched(self) -> "Source":
        if self._source is None:
            from .emulator.frames import Source

            self._source = Source(self._terminal, self._generation)
        return self._source

    # Kept

    def snapshot(self) -> bytes | None:
        """Return everything ``restore`` needs but images, None while a string in progress prevents it; try later."""
        from .emulator import snapshot

        return snapshot.take(self._terminal)

    def compress(self) -> bool:
        """Give memory of the scrollback back, a tenth stays; whether there is more to do. A step takes 0.2 ms.

        For a screen that has been quiet for a while. Reading the scrollback inflates it again, printing does not.
        """
        return self._terminal.compress()

    # Typed into

    def keys(self, names: Sequence[str]) -> bytes:
        """Return what these keys send in the program's current modes. Names are tmux's: ``C-c``, ``Up``, ``M-S-F5``.

        Raises:
            UnknownKey: one of them is neither a name nor a single character.
        """
        from .emulator import keys

        return keys.keyboard.encode(self._terminal, [keys.split_name(name) for name in names])

    def paste(self, text: bytes) -> bytes:
        """Return what pasting ``text`` sends: without control characters, bracketed if the program asked for it."""
        from .emulator import keys

        return keys.paste(text, bracketed=self.bracketed_paste)


def load() -> None:
    """Load all of the emulator now: later its files may be another version's."""
    from .emulator import answers, dump, frames, guard, history, keys, snapshot  # noqa: F401


class View:
    """A window on a screen, for one viewer: smaller, larger, read-only, or a preview.

    It stands below ``top`` rows of the viewer's terminal. Nothing is drawn or erased in those, nor below the window.
    """

    def __init__(self, screen: Screen, size: tuple[int, int], top: int = 0) -> None:
        from .emulator.frames import Window

        self._screen = screen
        self._window = Window(clamped(size), top)

    @property
    def offset(self) -> tuple[int, int]:
        """The screen's column and row in the window's corner."""
        return self._window.left, self._window.top

    def frame(self) -> bytes:
        """Return what brings the viewer's terminal up to date, b"" if it is; the first frame draws everything.

        A frame leaves no pen, and puts the cursor where the program's is. The terminal must have no margins, origin or
        insert mode, as after ``reset.reset_client``.
        """
        return self._window.frame(self._screen._watched())

    def resize(self, size: tuple[int, int]) -> None:
        """Give the window another size; the next frame draws everything."""
        self._window.size = clamped(size)
        self._window.forget()

    def redraw(self) -> None:
        """Draw everything in the next frame: the viewer's terminal lost something."""
        self._window.forget()


class Rows:
    """The rows of a screen as text, for somebody who keeps them: each time only those that have changed.

    ``styled``: with SGR, as ``Screen.text_rows`` has it.
    """

    def __init__(self, *, styled: bool) -> None:
        from .emulator.frames import Rows

        self._rows = Rows(styled=styled)

    @property
    def all(self) -> list[str]:
        """What the rows were when it was asked what has changed."""
        return self._rows.lines

    def changed(self, screen: Screen) -> dict[int, str]:
        """Return the rows of ``screen`` that are not what they were; all at first, and when the size is another one."""
        return self._rows.changed(screen._watched())


def _is_dark(colour: Rgb) -> bool:
    red, green, blue = colour
    return 299 * red + 587 * green + 114 * blue < 128_000
