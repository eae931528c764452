"""The visible screen as frames for viewers of any size, each only what changed since the viewer's last one.

A viewer's terminal shows a window of the screen. It moves as little as keeps the cursor inside, hidden or not: an
agent that hides the cursor still leaves it where it writes.
"""

from array import array
from typing import NamedTuple

from .cells import VISIBLE, Grid
from .dump import DEFAULT_SHAPE
from .reset import mode
from .terminal import Terminal

_REVERSE = 5


class Look(NamedTuple):
    """What a frame shows besides rows."""

    size: tuple[int, int]
    x: int
    y: int
    visible: bool
    shape: int
    reverse: bool


class Source:
    """Watches one terminal for all its viewers: the library's dirty flags can be taken only once.

    ``generation`` counts states that look different from the one before. Rewriting a row with the same text counts.
    """

    def __init__(self, terminal: Terminal, generation: int = 0) -> None:
        self.grid = Grid(terminal)
        self.generation = generation
        self.changed: list[int] = []  # the generation each row was last changed in
        self.look = Look((0, 0), 0, 0, False, 0, False)
        self._stale = True

    def touch(self) -> None:
        """Say that the terminal was written to or resized."""
        self._stale = True

    def refresh(self) -> None:
        if not self._stale:
            return
        self._stale = False
        dirty, look = self.grid.update(), self._read_look()
        if not dirty and look == self.look:
            return
        self.generation += 1
        if dirty == 2 or look.size != self.look.size or len(self.changed) != look.size[1]:
            self.changed = [self.generation] * look.size[1]
        elif dirty:
            for y in self.grid.dirty_rows():
                self.changed[y] = self.generation
        self.look = look
        self.grid.clean()

    def _read_look(self) -> Look:
        terminal = self.grid.terminal
        x, y = terminal.get("CURSOR_X", "uint16_t"), terminal.get("CURSOR_Y", "uint16_t")
        visible = bool(terminal.get("CURSOR_VISIBLE", "bool"))
        return Look(terminal.size(), x, y, visible, self.grid.shape(), terminal.mode(_REVERSE))


class Window:
    """One viewer's window: where it stands, and what its terminal has been sent."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.left = self.top = 0
        self._seen = -1
        self._look: Look | None = None
        self._lines: dict[int, bytes] = {}

    def forget(self) -> None:
        """Draw everything in the next frame: the viewer's terminal was cleared, or lost some bytes."""
        self._seen = -1
        self._look = None
        self._lines.clear()

    def frame(self, source: Source) -> bytes:
        """Return the bytes that bring the viewer's terminal up to date, b"" if it is.

        They start with SGR 0 and a hidden cursor, and expect no margins, origin or insert mode.
        """
        source.refresh()
        if source.generation == self._seen:
            return b""
        look, before = source.look, self._look
        left = _moved(self.left, self.size[0], look.x, look.size[0])
        top = _moved(self.top, self.size[1], look.y, look.size[1])
        whole = before is None or before.size != look.size or (left, top) != (self.left, self.top)
        self.left, self.top = left, top
        if before is None or before.size != look.size:
            self._lines.clear()
        columns, rows = min(self.size[0], look.size[0]), min(self.size[1], look.size[1])
        wanted = {y for y in range(top, top + rows) if whole or source.changed[y] > self._seen}
        out = [b"\x1b[0m\x1b[?25l"]
        for y, cells, _ in source.grid.each(wanted):
            line = self._line(source.grid, y, cells, columns)
            if self._lines.get(y - top) != line:
                self._lines[y - top] = line
                out.append(b"\x1b[%dH" % (y - top + 1) + line)
        if rows < self.size[1] and (before is None or before.size != look.size):
            out.append(b"\x1b[%dH\x1b[J" % (rows + 1))
        if before is None or before.reverse != look.reverse:
            out.append(mode(_REVERSE, look.reverse))
        if before is None or before.shape != look.shape:
            out.append(b"\x1b[%d q" % (look.shape if look.shape != DEFAULT_SHAPE else 0))  # the viewer's own
        out.append(b"\x1b[%d;%dH" % (look.y - top + 1, look.x - left + 1))
        if look.visible:
            out.append(b"\x1b[?25h")
        self._seen, self._look = source.generation, look
        return b"".join(out)

    def _line(self, grid: Grid, y: int, cells: "array[int]", columns: int) -> bytes:
        stop = self.left + columns
        line = grid.encode(y, cells, self.left, stop, solid=True, protect=False)
        end = min(stop, len(cells))
        while end > self.left and not cells[end - 1] & VISIBLE:
            end -= 1
        # Behind the last column the cursor waits for its wrap, and erasing there takes the character with it.
        return line + b"\x1b[K" if end - self.left < self.size[0] else line


def _moved(offset: int, window: int, cursor: int, total: int) -> int:
    """Return where a window over ``total`` starts so that ``cursor`` is in it, as near to ``offset`` as can be."""
    window = min(window, total)
    offset = max(min(offset, cursor), cursor - window + 1)
    return max(0, min(offset, total - window))
