"""The visible screen as frames for viewers of any size, each only what changed since the viewer's last one.

A viewer's terminal shows a window of the screen. It moves as little as keeps the cursor inside, hidden or not: an
agent that hides the cursor still leaves it where it writes.

Rows are drawn by the library's formatter, all in one call, and only those it gets wrong cell by cell: with links,
clusters, colours without text, gaps behind a style, or characters of a width that is not sure.
"""

import re
from array import array
from itertools import compress
from typing import NamedTuple

from ..reset import mode
from .cells import CHARACTER, TAIL, VISIBLE, WIDE, Grid, decoded, every, narrow, wide, width_of
from .dump import DEFAULT_SHAPE
from .history import as_text, text_rows
from .terminal import Terminal

_REVERSE = 5
_LINK = 1 << 45
_STYLE = 0xFFFF << 26
_CONTENT = (1 << 26) - 1  # with the tag
_NOT_ASCII = CHARACTER & ~(0x7F << 2)
_UNTAGGED = bytes(range(0, 256, 4))  # values of a cell's first byte
_UNMARKED = bytes(value for value in range(256) if not value & 0b101111)  # and of its sixth: no style, width, link
_INVERTED = b"\1\0" + bytes(254)
_FIRST_COLOUR = re.compile(rb"\x1b\[([34])8;5;([0-7])m")
_UNDERLINE = re.compile(rb"\x1b\[58;([0-9;]+)m")


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
        x, y = terminal.cursor()
        return Look(terminal.size(), x, y, terminal.cursor_visible(), self.grid.shape(), terminal.mode(_REVERSE))


class Window:
    """One viewer's window: where it stands, and what its terminal has been sent.

    ``above``: rows of the viewer's terminal above the window. Those and the rows below it are never touched.
    """

    def __init__(self, size: tuple[int, int], above: int = 0) -> None:
        self.size = size
        self.above = above
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
        resized = before is None or before.size != look.size
        whole = resized or (left, top) != (self.left, self.top)
        self.left, self.top = left, top
        if resized:
            self._lines.clear()
        columns, rows = min(self.size[0], look.size[0]), min(self.size[1], look.size[1])
        wanted = {y for y in range(top, top + rows) if whole or source.changed[y] > self._seen}
        drawn = {y - top: line for y, line in self._drawn(source.grid, wanted, columns).items()}
        if resized:
            drawn.update((row, b"\x1b[K") for row in range(rows, self.size[1]))
        out = [b"\x1b[0m\x1b[?25l"]
        for row, line in sorted(drawn.items()):
            if self._lines.get(row) != line:
                self._lines[row] = line
                out.append(b"\x1b[%dH" % (self.above + row + 1) + line)
        if before is None or before.reverse != look.reverse:
            out.append(mode(_REVERSE, look.reverse))
        if before is None or before.shape != look.shape:
            out.append(b"\x1b[%d q" % (look.shape if look.shape != DEFAULT_SHAPE else 0))  # the viewer's own
        out.append(b"\x1b[%d;%dH" % (self.above + look.y - top + 1, look.x - left + 1))
        if look.visible:
            out.append(b"\x1b[?25h")
        self._seen, self._look = source.generation, look
        return b"".join(out)

    def _drawn(self, grid: Grid, wanted: set[int], columns: int) -> dict[int, bytes]:
        """Return the bytes that draw each wanted row, from its first column to the end of the viewer's line."""
        lines, filled = _lines(grid, wanted, self.left, columns)
        if columns < self.size[0]:
            filled.clear()
        # Behind the last column the cursor waits for its wrap, and erasing there takes the character with it.
        return {y: line if y in filled else line + b"\x1b[K" for y, line in lines.items()}


class Rows:
    """The rows of the whole screen as text, for somebody who keeps them.

    ``lines`` is what they were when they were asked for last; ``styled`` as in ``history.text_rows``.
    """

    def __init__(self, *, styled: bool) -> None:
        self.lines: list[str] = []
        self._styled = styled
        self._source: Source | None = None
        self._seen = -1
        self._size = (0, 0)

    def changed(self, source: Source) -> dict[int, str]:
        """Return the rows that are others than the last time, all when the size is another one."""
        source.refresh()
        if source is not self._source:
            self._source, self._seen = source, -1
        if source.generation == self._seen:
            return {}
        if source.look.size != self._size:
            self._size, self._seen, self.lines = source.look.size, -1, []
        columns, rows = self._size
        wanted = {y for y in range(rows) if source.changed[y] > self._seen}
        self._seen = source.generation
        found = {}
        if not self._styled and wanted:
            first, stop = min(wanted), max(wanted) + 1
            texts = text_rows(source.grid.terminal, first, stop, styled=False)
            found = {y: texts[y - first] for y in wanted}
        elif wanted:
            drawn, _ = _lines(source.grid, wanted, 0, columns)
            found = {y: as_text(line) for y, line in drawn.items()}
        if not self.lines:
            self.lines = [found[y] for y in range(rows)]
            return found
        found = {y: line for y, line in found.items() if self.lines[y] != line}
        for y, line in found.items():
            self.lines[y] = line
        return found


def _lines(grid: Grid, wanted: set[int], left: int, columns: int) -> tuple[dict[int, bytes], set[int]]:
    """Return the bytes that draw so many columns of each wanted row, and the rows that fill the last of them."""
    right = left + columns
    lines: dict[int, bytes] = {}
    plain: dict[tuple[int, int], list[list[int]]] = {}
    edges: dict[int, tuple[bytes, bytes]] = {}
    filled = set()
    for y, cells in grid.raw(wanted):
        first, last = cells[left], cells[right - 1]
        if last & VISIBLE:
            filled.add(y)
        # Half a wide character at the window's edge is a blank.
        start, stop = left + (wide(first) == TAIL), right - (wide(last) == WIDE)
        part = cells[start:stop]
        if not part or not _plain(part):
            grid.open()
            lines[y] = grid.encode(y, cells, left, right, solid=True, protect=False)
            continue
        # A row with the blank before a wide character that did not fit comes out as none: nothing is drawn across rows.
        runs = plain.setdefault((start, stop), [])
        if runs and runs[-1][-1] == y - 1:
            runs[-1].append(y)
        else:
            runs.append([y])
        if len(part) < columns:
            grid.open()
            before = grid.encode(y, cells, left, start, solid=True)
            after = grid.encode(y, cells, stop, right, solid=True)
            edges[y] = before, b"\x1b[K\x1b[%dG" % columns + after if after else b""
    for (start, stop), runs in plain.items():
        for rows in runs:
            for y, line in zip(rows, _formatted(grid, rows[0], rows[-1], start, stop), strict=False):
                before, after = edges.get(y, (b"", b""))
                lines[y] = before + line + after
    return lines, filled


def _formatted(grid: Grid, first: int, last: int, left: int, right: int) -> list[bytes]:
    """Return what the library's formatter makes of these columns of rows ``first`` to ``last``."""
    selection = grid.terminal.rows(first, last)
    selection.start.x, selection.end.x, selection.rectangle = left, right - 1, True
    text = grid.terminal.styled(selection)
    if b"8;5;" in text:
        text = _FIRST_COLOUR.sub(b"\x1b[\\1\\2m", text)  # terminals may brighten only these when bold
    if b"\x1b[58;" in text:  # with colons, or terminals without coloured underlines take the numbers for styles
        text = _UNDERLINE.sub(_colons, text)
    lines = text.split(b"\r\n")
    return lines + [b""] * (last - first + 1 - len(lines))


def _colons(found: re.Match[bytes]) -> bytes:
    return b"\x1b[58:" + found[1].replace(b";", b":").replace(b"2:", b"2::", 1) + b"m"


def _plain(cells: "array[int]") -> bool:
    """Return whether the formatter draws these cells as they are.

    A cell's first three bytes are its tag and character, the sixth has its width and whether it has a link.
    """
    count, raw = len(cells), cells.tobytes()
    first, second = raw[0::8], raw[1::8]
    if not (
        first.translate(None, _UNTAGGED)
        or second.strip(b"\0\1")  # 0 and 1: the character is ASCII if the third byte is 0, too
        or raw[2::8].strip(b"\0")
        or raw[5::8].translate(None, _UNMARKED)
    ):
        text = first[: max(len(first.rstrip(b"\0")), len(second.rstrip(b"\0")))]
        if (text and b"\0" not in text) or not (raw[3::8] + raw[4::8]).strip(b"\0"):  # no gaps, or no styles
            return True
    row, one = int.from_bytes(raw, "little"), every(1, count)
    coloured = row >> 1 & one  # cells that are only background: their content is no character
    if row & one & ~coloured or row & every(_LINK, count):
        return False
    written = row & ~(coloured * _CONTENT) & every(CHARACTER, count)
    heads, tails = row >> 42 & one, row >> 43 & one
    if not written or heads << 64 != tails:
        return False
    # A carry tells what is more than 0. Blank cells behind a style come out in that style.
    styled = (row & every(_STYLE, count)) + every(_STYLE, count) >> 42 & one | coloured
    seen = (row & every(VISIBLE, count)) + every(VISIBLE, count) >> 44 & one
    if (styled << 64) & ~seen & (1 << seen.bit_length()) - 1 & one:
        return False
    if not (written & every(_NOT_ASCII, count) or heads):
        return True
    characters = decoded(written, count)
    if not heads:
        return narrow(characters)
    doubled = heads.to_bytes(8 * count, "little")[::8]
    return narrow("".join(compress(characters, doubled.translate(_INVERTED)))) and all(
        character > "~" and width_of(ord(character)) == 2 for character in set(compress(characters, doubled))
    )


def _moved(offset: int, window: int, cursor: int, total: int) -> int:
    """Return where a window over ``total`` starts so that ``cursor`` is in it, as near to ``offset`` as can be."""
    window = min(window, total)
    offset = max(min(offset, cursor), cursor - window + 1)
    return max(0, min(offset, total - window))
