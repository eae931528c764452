"""Rows as text, from the newest of the scrollback to the last of the screen, and scrollback for a client's terminal."""

import re
from array import array
from collections.abc import Iterator, Set
from contextlib import contextmanager

from ..reset import PRELUDE
from . import clone
from .cells import TAIL, Grid, has_text, wide
from .ffi import ffi, lib
from .terminal import Terminal, check

_LEAVE_ALTERNATE = b"\x18\x1b[?47l"
_VIEWPORT = 400  # rows
_ALL = 1 << 30  # bytes: more than any scrollback has
_ROWS_PER_PAGE = 200  # the fewest a history page holds at a usual width
_BLANK_END = re.compile(rb"((?:\A|\x1b\[0m)[^\x1b]*?) +\Z")
_NO_TEXT = re.compile(rb"(?:(?:\x1b\[[0-9;:]*m)*|\s*)\Z")
_SEEN_ON_BLANKS = re.compile(rb"\x1b\[(?:[^m]*;)?(?:4|7|9|21|53|48|10[0-7]|4[0-7])[;:m]")
_LINK = re.compile(rb"\x1b\]8;[^\x1b]*\x1b\\")
_FOR_TERMINALS = re.compile(rb"\x1b\[\d*[GKX]")
# It takes a struct that holds a union, which cffi cannot pass by value; one of the same layout it can.
_scroll_viewport = ffi.cast(
    "void(*)(GhosttyTerminal, GhosttyPointS)", ffi.addressof(lib, "ghostty_terminal_scroll_viewport")
)
if ffi.sizeof("GhosttyTerminalScrollViewport") != ffi.sizeof("GhosttyPointS"):
    raise ImportError("this libghostty-vt lays out GhosttyTerminalScrollViewport in another way")


def rows_above(terminal: Terminal) -> int:
    """Return how many rows the scrollback of the primary screen has, whichever screen is active."""
    if not terminal.alternate():
        return terminal.scrollback_rows()
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
        yield terminal, min(rows, terminal.scrollback_rows())
        return
    try:
        copy = _copied(terminal, rows)
    except clone.Unclonable:
        yield terminal, 0
        return
    with copy:
        copy.write(_LEAVE_ALTERNATE)
        yield copy, min(rows, copy.scrollback_rows())


def _copied(terminal: Terminal, rows: int) -> Terminal:
    """Return a copy that has so many rows of history, or all that there are.

    Raises:
        Unclonable: see ``clone``.
    """
    pages = 2 + rows * max(1, terminal.size()[0] // 200) // _ROWS_PER_PAGE  # those of a wide terminal hold fewer
    before = -1
    while True:
        prefix = clone.encode_prefix(terminal, pages)
        copy, enough = clone.decode_with_history(clone.at_ground(prefix), rows)
        if enough or len(prefix) == before:
            return copy
        copy.close()
        before, pages = len(prefix), pages * 4  # a page of many styles or links holds few rows


def text_rows(terminal: Terminal, start: int, stop: int, *, styled: bool, links: bool = False) -> list[str]:
    """Return rows ``start`` up to ``stop``; 0 is the first visible row, -1 the newest of the scrollback."""
    stop = min(stop, terminal.size()[1])
    out: list[str] = []
    if start < 0:
        with _with_history(terminal, -start) as (source, rows):
            total = source.scrollback_rows()
            last = total + min(stop, 0)
            out += _rows(source, total - rows, last, "HISTORY", styled, links)
    return out + _rows(terminal, max(start, 0), stop, "ACTIVE", styled, links)


def _rows(terminal: Terminal, first: int, stop: int, where: str, styled: bool, links: bool) -> list[str]:
    if first >= stop:
        return []
    if styled:
        linked = _with_links(terminal, first, stop, where) if links else set()
        lines = [_trim(line) for line in _styled_rows(terminal, first, stop, where, linked)[0]]
    else:
        lines = terminal.plain(terminal.rows(first, stop - 1, where)).split(b"\n")
        lines += [b""] * (stop - first - len(lines))
    return [line.decode("utf-8", "replace") for line in lines[: stop - first]]


def _with_links(terminal: Terminal, first: int, stop: int, where: str) -> set[int]:
    """Return which of these rows have a hyperlink."""
    row, has = ffi.new("GhosttyRow*"), ffi.new("bool*")
    found = set()
    for y in range(first, stop):
        check(lib.ghostty_grid_ref_row(terminal.ref(0, y, where), row), "grid_ref_row")
        lib.ghostty_row_get(row[0], lib.GHOSTTY_ROW_DATA_HYPERLINK, has)
        if has[0]:
            found.add(y)
    return found


def _styled_rows(
    terminal: Terminal, first: int, stop: int, where: str, linked: Set[int] = frozenset()
) -> tuple[list[bytes], bool]:
    """Return rows with their styles, those of ``linked`` also with their links, and whether some had to be corrected.

    The library's formatter is fast, but leaves out links and rows without text that have a background, and runs a
    style on over untouched cells.
    """
    lines = terminal.styled(terminal.rows(first, stop - 1, where)).split(b"\r\n")
    lines += [b""] * (stop - first - len(lines))
    doubtful = [i for i, line in enumerate(lines) if not line or (b" " in line and _SEEN_ON_BLANKS.search(line))]
    corrected = False
    if doubtful or linked:
        wanted = sorted({first + index for index in doubtful} | linked)
        for y, line in _exact(terminal, wanted, where, linked):
            lines[y - first] = line
            corrected = True
    return lines, corrected


def _exact(terminal: Terminal, wanted: list[int], where: str, linked: Set[int]) -> Iterator[tuple[int, bytes]]:
    """Yield those of the rows that the formatter gets wrong, and the ``linked`` with their links, from their cells.

    Only what stands in the viewport can be read as cells, so a copy is scrolled.
    """
    total = terminal.scrollback_rows()
    above = total - wanted[0] if where == "HISTORY" else 0
    try:
        copy = _copied(terminal, above) if above else clone.decode_ready(clone.at_ground(clone.encode_prefix(terminal)))
    except clone.Unclonable:
        return
    with copy, Grid(copy) as grid:
        kept = copy.scrollback_rows()
        start = kept - total if above else kept  # of these rows, counted in the copy's
        columns, height = terminal.size()
        if above and height < _VIEWPORT:  # the more of them can be read at once
            height = _VIEWPORT
            copy.set("SCROLLBACK_MAX_BYTES", "size_t", _ALL)  # a resize would cut the copy's to a limit of its own
            copy.resize((columns, height))
            kept = copy.scrollback_rows()
        wanted = [y for y in wanted if 0 <= y + start < kept + height]  # what the copy lacks stays as it is
        while wanted:
            top = min(wanted[0] + start, kept)
            window = {y + start - top: y for y in wanted[:height] if y + start < top + height}
            wanted = wanted[len(window) :]
            _scroll_to(copy, top)
            grid.update()
            for row, cells in grid.each(set(window)):
                if window[row] in linked or _has_gap(cells):
                    line = grid.encode(row, cells, solid=True, protect=False)
                    yield window[row], _FOR_TERMINALS.sub(b"", line if window[row] in linked else _LINK.sub(b"", line))


def _scroll_to(terminal: Terminal, top: int) -> None:
    scroll = ffi.new("GhosttyTerminalScrollViewport*")
    scroll.tag, scroll.value.row = lib.GHOSTTY_SCROLL_VIEWPORT_ROW, top
    _scroll_viewport(terminal.h, ffi.cast("GhosttyPointS*", scroll)[0])


def _has_gap(cells: "array[int]") -> bool:
    """Return whether an untouched cell stands before one that is not, or there is no text at all."""
    raw = cells.tobytes().rstrip(b"\0")
    shown = len(raw) + 7 >> 3
    if bytes(8) in raw and 0 in cells[:shown]:  # the first is fast, the second looks at whole cells
        return True
    return shown > 0 and not any(has_text(cell) for cell in cells[:shown])


def as_text(line: bytes) -> str:
    """Return what draws a whole row on a terminal as text with SGR, as ``text_rows`` has it."""
    if b"\x1b]" in line:
        line = _LINK.sub(b"", line)
    return _trim(_FOR_TERMINALS.sub(b"", line)).decode("utf-8", "replace")


def _trim(line: bytes) -> bytes:
    """Cut blanks off a row's end that have no style to show."""
    if line.endswith(b" "):
        line = _BLANK_END.sub(rb"\1", line)
    return b"" if _NO_TEXT.match(line) else line


def above(terminal: Terminal, rows: int) -> bytes:
    """Return the bytes that fill a blank terminal's scrollback with up to ``rows`` rows of ours."""
    with _with_history(terminal, rows) as (source, count):
        if not count:
            return b""
        total = source.scrollback_rows()
        text = _joined(source, total - count, total)
    height = terminal.size()[1]
    scrolled = b"\x1b[%d;1H" % height + b"\n" * min(count, height - 1)
    return PRELUDE + b"\x1b[H" + text + b"\r\n" + scrolled


def _joined(terminal: Terminal, first: int, stop: int) -> bytes:
    """Return rows of the scrollback as one text in which soft wraps stay soft, but for the last row's.

    That one must not run into the screen below.
    """
    row, wraps, cell = ffi.new("GhosttyRow*"), ffi.new("bool*"), ffi.new("GhosttyCell*")

    def wrapped(y: int) -> bool:
        ref = terminal.ref(terminal.size()[0] - 1, y, "HISTORY")
        check(lib.ghostty_grid_ref_row(ref, row), "grid_ref_row")
        check(lib.ghostty_grid_ref_cell(ref, cell), "grid_ref_cell")
        lib.ghostty_row_get(row[0], lib.GHOSTTY_ROW_DATA_WRAP, wraps)
        return bool(wraps[0]) and (has_text(cell[0]) or wide(cell[0]) >= TAIL)

    selection = terminal.rows(first, stop - 1, "HISTORY")
    text = terminal.styled(selection, joined=not wrapped(stop - 1))
    if _is_sure(text) and terminal.plain(terminal.rows(stop - 1, stop - 1, "HISTORY")):
        return text
    lines, corrected = _styled_rows(terminal, first, stop, "HISTORY")
    if not corrected:
        shown = terminal.plain(selection).count(b"\n") + 1  # up to the last row with text
        return text + b"\r\n" * (stop - first - shown)
    ends = (b"" if wrapped(y) else b"\r\n" for y in range(first, stop - 1))
    return b"".join(line + end for line, end in zip(lines, [*ends, b""], strict=True))


def _is_sure(text: bytes) -> bool:
    """Return whether the formatter got none of these rows wrong: all have text, and no style that blanks show."""
    return not (text.startswith(b"\r\n") or b"\r\n\r\n" in text or _SEEN_ON_BLANKS.search(text))
