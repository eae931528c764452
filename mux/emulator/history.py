"""Rows as text, from the newest of the scrollback to the last of the screen, and scrollback for a client's terminal."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from . import clone
from .cells import RESET, codepoint, sgr, tag
from .ffi import ffi, lib
from .reset import PRELUDE
from .terminal import Terminal, check, new_sized

_LEAVE_ALTERNATE = b"\x18\x1b[?47l"
_ROWS_PER_PAGE = 200  # the fewest a history page holds at a usual width
_SAMPLE = 4  # columns: a patch of colour narrower than this, in a row without text, may be missed
_BLANK_END = re.compile(rb"((?:\A|\x1b\[0m)[^\x1b]*?) +\Z")
_SGR = re.compile(rb"\x1b\[[0-9;:]*m")


def rows_above(terminal: Terminal) -> int:
    """Return how many rows the scrollback of the primary screen has, whichever screen is active."""
    if not terminal.alternate():
        return int(terminal.get("SCROLLBACK_ROWS", "size_t"))
    try:
        return clone.primary_history_rows(terminal)
    except clone.Unclonable:
        return 0


@contextmanager
def _with_history(terminal: Terminal, rows: int) -> Iterator[tuple[Terminal, int]]:
    """Yield a terminal whose primary screen is active, and how many of its newest scrollback rows are asked for.

    The library hides the scrollback while the alternate screen is active, so a copy leaves it.
    """
    if not terminal.alternate():
        yield terminal, min(rows, int(terminal.get("SCROLLBACK_ROWS", "size_t")))
        return
    # Pages of a wide terminal hold fewer rows; asking for more of them than there are is free.
    pages = 2 + rows * max(1, terminal.size()[0] // 200) // _ROWS_PER_PAGE
    try:
        copy = clone.decode_with_history(clone.encode_prefix(terminal, pages), rows)
    except clone.Unclonable:
        yield terminal, 0
        return
    with copy:
        copy.write(_LEAVE_ALTERNATE)
        yield copy, min(rows, int(copy.get("SCROLLBACK_ROWS", "size_t")))


def text_rows(terminal: Terminal, start: int, stop: int, *, styled: bool) -> list[str]:
    """Return rows ``start`` up to ``stop``; 0 is the first visible row, -1 the newest of the scrollback."""
    stop = min(stop, terminal.size()[1])
    out: list[str] = []
    if start < 0:
        with _with_history(terminal, -start) as (source, rows):
            total = int(source.get("SCROLLBACK_ROWS", "size_t"))
            last = total + min(stop, 0)
            out += _rows(source, total - rows, last, "HISTORY", styled)
    return out + _rows(terminal, max(start, 0), stop, "ACTIVE", styled)


def _rows(terminal: Terminal, first: int, stop: int, where: str, styled: bool) -> list[str]:
    if first >= stop:
        return []
    selection = terminal.rows(first, stop - 1, where)
    if not styled:
        lines = terminal.plain(selection).split(b"\n")
    else:
        lines = [_trim(line) for line in terminal.styled(selection).split(b"\r\n")]
        lines += [b""] * (stop - first - len(lines))
        for index, line in enumerate(lines):
            if not line:
                lines[index] = _background(terminal, first + index, where)
    lines += [b""] * (stop - first - len(lines))
    return [line.decode("utf-8", "replace") for line in lines[: stop - first]]


def _trim(line: bytes) -> bytes:
    """Cut blanks off a row's end that have no style to show."""
    line = _BLANK_END.sub(rb"\1", line)
    return b"" if not line.strip() or not _SGR.sub(b"", line) else line


def _background(terminal: Terminal, y: int, where: str) -> bytes:
    """Return a row without text by its backgrounds, which the library's formatter leaves out."""
    columns = terminal.size()[0]
    sample = (columns - 1, *range(0, columns, _SAMPLE))
    if all(_cell_background(terminal, x, y, where) == RESET for x in sample):
        return b""
    out, pen, width = [], RESET, 0
    for x in range(columns):
        colour = _cell_background(terminal, x, y, where)
        if colour != pen:
            out.append(colour)
            pen = colour
        out.append(b" ")
        if pen != RESET:
            width = len(out)
    return b"".join(out[:width]) + RESET if width else b""


def _cell_background(terminal: Terminal, x: int, y: int, where: str) -> bytes:
    ref = terminal.ref(x, y, where)
    cell = ffi.new("GhosttyCell*")
    check(lib.ghostty_grid_ref_cell(ref, cell), "grid_ref_cell")
    value = codepoint(cell[0]) if tag(cell[0]) < 2 else cell[0] >> 2 & 0xFFFFFF
    if tag(cell[0]) == 2:
        return b"\x1b[0;48;5;%dm" % (value & 255)
    if tag(cell[0]) == 3:
        return b"\x1b[0;48;2;%d;%d;%dm" % (value & 255, value >> 8 & 255, value >> 16)
    style = new_sized("GhosttyStyle")
    check(lib.ghostty_grid_ref_style(ref, style), "grid_ref_style")
    return sgr(style)


def above(terminal: Terminal, rows: int) -> bytes:
    """Return the bytes that fill a blank terminal's scrollback with up to ``rows`` rows of ours."""
    with _with_history(terminal, rows) as (source, count):
        if not count:
            return b""
        total = int(source.get("SCROLLBACK_ROWS", "size_t"))
        selection = source.rows(total - count, total - 1, "HISTORY")
        row, wraps = ffi.new("GhosttyRow*"), ffi.new("bool*")
        lib.ghostty_grid_ref_row(source.ref(0, total - 1, "HISTORY"), row)
        lib.ghostty_row_get(row[0], lib.GHOSTTY_ROW_DATA_WRAP, wraps)
        shown = source.plain(selection).count(b"\n") + 1  # up to the last row with text
        # Joined, soft wraps stay soft; but the last row must not run into the screen below.
        text = source.styled(selection, joined=not wraps[0]) + b"\r\n" * (count - shown)
    height = terminal.size()[1]
    scrolled = b"\x1b[%d;1H" % height + b"\n" * min(count, height - 1)
    return PRELUDE + b"\x1b[H" + text + b"\r\n" + scrolled
