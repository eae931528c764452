"""Rows of a terminal, cell by cell, as VT bytes that draw them again.

The library's own formatter loses rows without text that have a background, links, and protected cells, and its
widths are not pinned; so rows are read from a render state, eight bytes a cell, and encoded here. It is long because
reading and encoding share the layout of a cell, and take whole runs at once to be fast.
"""

import functools
import json
import re
from array import array
from collections.abc import Iterator
from itertools import compress, pairwise
from typing import Any

from ..foreign import without
from .ffi import ffi, lib
from .terminal import Terminal, check, new_sized

RESET = b"\x1b[0m"
_NO_LINK = b"\x1b]8;;\x1b\\"
NARROW, WIDE, TAIL, HEAD = 0, 1, 2, 3
"""A cell's width: HEAD fills the last column when a wide character did not fit there."""

_LAYOUT = {
    "content_tag": (0, 2),
    "content": (2, 24),
    "style_id": (26, 16),
    "wide": (42, 2),
    "protected": (44, 1),
    "hyperlink": (45, 1),
}
_bits = json.loads(ffi.string(lib.ghostty_type_json()))["types"]["GhosttyCell"]["bits"]
if any((_bits[name]["lsb"], _bits[name]["width"]) != place for name, place in _LAYOUT.items()):
    raise ImportError("this libghostty-vt lays out cells in another way")

VISIBLE = (1 << 44) - 1
"""Contents, style and width: what makes a cell differ from a blank one."""

CHARACTER = 0x1FFFFF << 2
_FULL = (1 << 46) - 1  # contents, style, width, protection and link
_KIND = _FULL & ~((1 << 26) - 4)  # without the contents
_MORE_THAN_ASCII = _FULL & ~(0x7F << 2)
_CLUSTER, _BACKGROUND = 1, 2  # tags; 3 is a background of its own colour
_STYLE = lib.GHOSTTY_RENDER_STATE_ROW_CELLS_DATA_STYLE
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
width_of = functools.lru_cache(8192)(lib.ghostty_unicode_codepoint_width)


def tag(cell: int) -> int:
    return cell & 3


def wide(cell: int) -> int:
    return cell >> 42 & 3


def codepoint(cell: int) -> int:
    """Return a cell's character, 0 for none. Meaningless for a cell that is only background."""
    return cell >> 2 & 0x1FFFFF


def has_text(cell: int) -> bool:
    return tag(cell) < _BACKGROUND and codepoint(cell) != 0


_EARLIER = (("bold", "1"), ("faint", "2"), ("italic", "3"))
_LATER = (("blink", "5"), ("inverse", "7"), ("invisible", "8"), ("strikethrough", "9"), ("overline", "53"))


def sgr(style: Any) -> bytes:
    """Return the SGR sequence that turns a reset pen into ``style``."""
    parts = ["0"]
    parts += [code for name, code in _EARLIER if getattr(style, name)]
    if style.underline:
        parts.append("4" if style.underline == 1 else f"4:{style.underline}")
    parts += [code for name, code in _LATER if getattr(style, name)]
    for colour, base in ((style.fg_color, 3), (style.bg_color, 4), (style.underline_color, 5)):
        if colour.tag == lib.GHOSTTY_STYLE_COLOR_PALETTE:
            parts.append(_indexed(base, colour.value.palette))
        elif colour.tag == lib.GHOSTTY_STYLE_COLOR_RGB:
            rgb = colour.value.rgb
            parts.append(f"58:2::{rgb.r}:{rgb.g}:{rgb.b}" if base == 5 else f"{base}8;2;{rgb.r};{rgb.g};{rgb.b}")
    return f"\x1b[{';'.join(parts)}m".encode()


def _indexed(base: int, index: int) -> str:
    if base == 5:
        return f"58:5:{index}"
    if index < 8:
        return f"{base}{index}"
    if index < 16:
        return f"{base + 6}{index - 8}"
    return f"{base}8;5;{index}"


_styles: dict[bytes, bytes] = {}  # what ``sgr`` has made of a style's bytes


def _made(kind: str) -> Any:
    ctype = {
        "render_state": "GhosttyRenderState",
        "render_state_row_iterator": "GhosttyRenderStateRowIterator",
        "render_state_row_cells": "GhosttyRenderStateRowCells",
    }[kind]
    out = ffi.new(ctype + "*")
    check(getattr(lib, f"ghostty_{kind}_new")(ffi.NULL, out), f"{kind}_new")
    return ffi.gc(out[0], getattr(lib, f"ghostty_{kind}_free"))


class Grid:
    """The active area of a terminal, as it was at the last ``update``.

    One per terminal that is watched: a second render state takes the dirty flags away from the first.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._state = _made("render_state")
        self._iterator = _made("render_state_row_iterator")
        self._cells = _made("render_state_row_cells")
        self._iterator_out = ffi.new("GhosttyRenderStateRowIterator*", self._iterator)
        self._cells_out = ffi.new("GhosttyRenderStateRowCells*", self._cells)
        self._dirty = ffi.new("GhosttyRenderStateDirty*")
        self._y = ffi.new("uint16_t*")
        self._view = ffi.new("GhosttyCellsView*")
        self._row = ffi.new("GhosttyRow*")
        self._flag = ffi.new("bool*")
        self._cursor = new_sized("GhosttyRenderStateCursor")
        self._style = new_sized("GhosttyStyle")
        self._style_bytes = ffi.buffer(self._style)
        self._text = ffi.new("GhosttyBuffer*")
        self._memory = ffi.new("uint8_t[]", 1024)
        self._length = ffi.new("size_t*")
        self.terminal = terminal  # last: attributes are dropped in order, and the terminal must go after its readers
        self.columns, self.rows = terminal.size()

    def close(self) -> None:
        for native in (self._cells, self._iterator, self._state):
            ffi.release(native)

    def __enter__(self) -> "Grid":
        self.update()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self) -> int:
        """Read the terminal; return 0 if nothing is dirty, 1 for some rows, 2 for all."""
        check(lib.ghostty_render_state_update(self._state, self.terminal.h), "render_state_update")
        lib.ghostty_render_state_get(self._state, lib.GHOSTTY_RENDER_STATE_DATA_DIRTY, self._dirty)
        self.columns, self.rows = self.terminal.size()
        return int(self._dirty[0])

    def clean(self) -> None:
        lib.ghostty_render_state_clean(self._state)

    def dirty_rows(self) -> list[int]:
        self._rewind()
        found = []
        while lib.ghostty_render_state_row_iterator_next_dirty(self._iterator, self._y):
            found.append(int(self._y[0]))
        return found

    def shape(self) -> int:
        """Return the cursor's shape as DECSCUSR numbers it, 1 to 6."""
        kind = lib.GHOSTTY_RENDER_STATE_DATA_CURSOR
        check(lib.ghostty_render_state_get(self._state, kind, self._cursor), "cursor")
        block = {
            lib.GHOSTTY_RENDER_STATE_CURSOR_VISUAL_STYLE_UNDERLINE: 3,
            lib.GHOSTTY_RENDER_STATE_CURSOR_VISUAL_STYLE_BAR: 5,
        }.get(self._cursor.visual_style, 1)
        return block + (not self._cursor.blinking)

    def _rewind(self) -> None:
        which = lib.GHOSTTY_RENDER_STATE_DATA_ROW_ITERATOR
        lib.ghostty_render_state_get(self._state, which, self._iterator_out)

    def raw(self, wanted: set[int] | None = None) -> Iterator[tuple[int, "array[int]"]]:
        """Yield row number and cells; ``open`` the row just yielded before anything else is asked of it."""
        self._rewind()
        iterator, view = self._iterator, self._view
        following, get = lib.ghostty_render_state_row_iterator_next, lib.ghostty_render_state_row_get
        which = lib.GHOSTTY_RENDER_STATE_ROW_DATA_CELLS_RAW
        y = -1
        while following(iterator):
            y += 1
            if wanted is None or y in wanted:
                get(iterator, which, view)
                cells = array("Q")
                cells.frombytes(ffi.buffer(view.ptr, view.len * 8))
                yield y, cells

    def open(self) -> None:
        """Let ``encode``, ``style`` and ``cluster`` work on the row that ``raw`` has just yielded."""
        which = lib.GHOSTTY_RENDER_STATE_ROW_DATA_CELLS
        lib.ghostty_render_state_row_get(self._iterator, which, self._cells_out)

    def _wraps(self) -> bool:
        """Return whether the row that ``raw`` has just yielded soft-wraps."""
        lib.ghostty_render_state_row_get(self._iterator, lib.GHOSTTY_RENDER_STATE_ROW_DATA_RAW, self._row)
        lib.ghostty_row_get(self._row[0], lib.GHOSTTY_ROW_DATA_WRAP, self._flag)
        return bool(self._flag[0])

    def each(self, wanted: set[int] | None = None) -> Iterator[tuple[int, "array[int]"]]:
        """Yield row number and cells; ``encode`` works on the row just yielded."""
        for y, cells in self.raw(wanted):
            self.open()
            yield y, cells

    def style(self, x: int) -> bytes:
        """Return the SGR of a cell of the current row."""
        cells = self._cells
        lib.ghostty_render_state_row_cells_select(cells, x)
        code = lib.ghostty_render_state_row_cells_get(cells, _STYLE, self._style)
        if code:
            check(code, "style")
        key = self._style_bytes[:]
        value = _styles.get(key)
        if value is None:
            if len(_styles) > 4096:
                _styles.clear()
            value = _styles[key] = sgr(self._style)
        return value

    def cluster(self, x: int) -> bytes:
        """Return the text of a cell of the current row that has more than one code point."""
        lib.ghostty_render_state_row_cells_select(self._cells, x)
        which = lib.GHOSTTY_RENDER_STATE_ROW_CELLS_DATA_GRAPHEMES_UTF8
        out = self._text
        out.ptr, out.cap, out.len = self._memory, len(self._memory), 0
        code = lib.ghostty_render_state_row_cells_get(self._cells, which, out)
        if code == lib.GHOSTTY_OUT_OF_SPACE:
            self._memory = ffi.new("uint8_t[]", out.len)
            return self.cluster(x)
        check(code, "cluster")
        return bytes(ffi.buffer(out.ptr, out.len))

    def link(self, x: int, y: int, row: Any = None) -> bytes:
        """Return the target of a cell's link, fit to stand in an OSC 8.

        ``row``: a reference to any cell of the row, which saves looking it up. It is moved to ``x``.
        """
        ref, length = row or self.terminal.ref(x, y), self._length
        ref.x = x
        code = lib.ghostty_grid_ref_hyperlink_uri(ref, self._memory, len(self._memory), length)
        if code == lib.GHOSTTY_OUT_OF_SPACE:
            self._memory = ffi.new("uint8_t[]", length[0])
            return self.link(x, y, ref)
        if code:
            check(code, "hyperlink_uri")
        target: bytes = ffi.buffer(self._memory, length[0])[:]
        if target.isascii():
            return _CONTROL.sub(b"", target)
        return without(target.decode("utf-8", "ignore")).encode()

    def encode(
        self,
        y: int,
        cells: "array[int]",
        first: int = 0,
        stop: int | None = None,
        *,
        solid: bool = False,
        protect: bool = True,
    ) -> bytes:
        """Return the bytes that draw cells ``first`` to ``stop`` of the current row; the pen starts and ends reset.

        The cursor stands in the column of cell 0, shifted by ``-first``. Blank cells are skipped, so the row must
        be blank; with ``solid`` they are printed up to the last one that is not. ``protect`` keeps DECSCA.
        """
        out: list[bytes] = []
        put = out.append
        pen, link, protected, style_id = RESET, b"", 0, 0
        row: Any = None
        stop = len(cells) if stop is None else min(stop, len(cells))
        stop = min(stop, len(cells.tobytes().rstrip(b"\0")) + 7 >> 3)
        while stop > first and not cells[stop - 1] & VISIBLE:
            stop -= 1
        if first >= stop:
            return b""
        letters = _letters(cells[first:stop])
        if letters is not None and (solid or b"\0" not in letters):
            return letters.replace(b"\0", b" ")
        text, ends = _runs(cells[first:stop])
        sure = narrow(text)
        x, skipped = first, 0
        while x < stop:
            cell = cells[x]
            if not cell & VISIBLE and not solid:
                skipped += 1
                x += 1
                continue
            if skipped:
                put(b"\x1b[%dC" % skipped)
                skipped = 0
            kind = cell & 3
            if kind >= _BACKGROUND:
                end = x + 1
                while end < stop and cells[end] & VISIBLE == cell & VISIBLE:
                    end += 1
                value = cell >> 2 & 0xFFFFFF
                if kind == _BACKGROUND:
                    colour = b"\x1b[0;48;5;%dm" % (value & 255)
                else:
                    colour = b"\x1b[0;48;2;%d;%d;%dm" % (value & 255, value >> 8 & 255, value >> 16)
                if colour != pen:
                    put(colour)
                    pen = colour
                style_id = -1
                if solid:
                    put((_NO_LINK if link else b"") + b" " * (end - x))
                    link = b""
                else:
                    put(b"\x1b[%dX" % (end - x))
                    skipped = end - x
                x = end
                continue
            if cell >> 26 & 0xFFFF != style_id:
                style_id = cell >> 26 & 0xFFFF
                style = self.style(x) if style_id else RESET
                if style != pen:
                    put(style)
                    pen = style
            target = b""
            if cell >> 45 & 1:
                row = row or self.terminal.ref(x, y)
                target = self.link(x, y, row)
            if target != link:
                put(b"\x1b]8;;" + target + b"\x1b\\")
                link = target
            if protect and cell >> 44 & 1 != protected:
                protected = cell >> 44 & 1
                put(b'\x1b[%d"q' % protected)
            width = cell >> 42 & 3
            end = ends.get(x - first, 0)
            if end and not kind | width | cell >> 45 & 1:
                run = text[x - first : end]
                if (sure or narrow(run)) and (solid or "\0" not in run):
                    put(run.replace("\0", " ").encode())
                    x = first + end
                    continue
            if width >= TAIL or (width == WIDE and x + 1 >= stop):  # without its other half here: blank
                if width == HEAD and not solid:  # printing here would end the soft wrap
                    if pen != RESET:
                        put(b"\x1b[X")
                    skipped += 1
                else:
                    put(b" ")
                x += 1
                continue
            character = cell >> 2 & 0x1FFFFF
            # A space or letter that became double-width is printed as two cells: no client has such characters.
            columns = 2 if width == WIDE and character > 0x7E else 1
            unsure = kind == _CLUSTER or (character > 0x7E and width_of(character) != columns)
            if unsure and solid:
                put(b"\x1b[%dX" % columns)  # or half of what was there may stay
            if kind == _CLUSTER:
                put(self.cluster(x))
            else:
                put(chr(character).encode("utf-8", "replace") if character else b" ")
            x += columns
            if unsure and x < stop:
                put(b"\x1b[%dG" % (x - first + 1))  # the client may measure it differently: say where we are
        if pen != RESET:
            put(RESET)
        if link:
            put(_NO_LINK)
        if protected:
            put(b'\x1b[0"q')
        return b"".join(out)

    def draw(self) -> bytes:
        """Return the bytes that draw the whole active area on a blank screen after PRELUDE.

        A row that soft-wraps runs into the next one without a cursor movement, so that the client's terminal knows
        it as one line too, for its own reflow and copying.
        """
        rows = [(cells, bool(cells[-1]) and self._wraps()) for _, cells in self.raw()]
        drawn = _text_rows([cells for cells, _ in rows])
        if missing := {y for y, line in enumerate(drawn) if line is None}:
            for y, cells in self.each(missing):
                drawn[y] = self.encode(y, cells)
        out: list[bytes] = []
        before: int | None = None  # the width of the cell that fills the end of a wrapped row
        for y, ((cells, wrapped), line) in enumerate(zip(rows, drawn, strict=True)):
            goes_on = wide(cells[0]) == WIDE if before == HEAD else has_text(cells[0])
            if line and not (before is not None and goes_on):
                out.append(b"\x1b[%dH" % (y + 1))
            out.append(line or b"")
            before = _filled_end(cells) if wrapped else None
        return b"".join(out)

    def wrapping_cell(self, x: int, y: int) -> tuple[int, bytes]:
        """Return the column of the character that ends at ``x``, and it: printed again, it leaves a pending wrap."""
        for _, cells in self.each({y}):
            start = x - 1 if x and wide(cells[x]) == TAIL else x
            return start, self.encode(y, cells, start, x + 1, solid=True) or b" "
        raise IndexError(y)


def _text_rows(rows: "list[array[int]]") -> list[bytes | None]:
    """Return what draws those rows of a screen that are one run of ASCII, None for the others.

    Most screens of a shell have no others. They are told by one look at all cells; where that fails, by none.
    """
    columns = len(rows[0])
    letters = _letters(array("Q", b"".join(rows)))
    if letters is None:
        return [None] * len(rows)
    lines = (letters[start : start + columns].rstrip(b"\0") for start in range(0, len(letters), columns))
    return [None if b"\0" in line else line for line in lines]


def _letters(cells: "array[int]") -> bytes | None:
    """Return the characters of cells that are ASCII and nothing else, NUL where there is none; None for other cells."""
    count, row = len(cells), int.from_bytes(cells, "little")
    if row & every(_MORE_THAN_ASCII, count):
        return None
    return (row >> 2).to_bytes(8 * count, "little")[::8]


def _runs(cells: "array[int]") -> tuple[str, dict[int, int]]:
    """Return a character for each cell, and where runs start and end that differ in nothing but that.

    All cells are worked on at once, as one long number.
    """
    count, row = len(cells), int.from_bytes(cells, "little")
    differs = (row ^ row << 64) & every(_KIND, count)
    begins = differs + every(_FULL, count) >> _FULL.bit_length() & every(1, count)  # the carry: is it more than 0?
    starts = [0, *compress(range(1, count), begins.to_bytes(8 * count, "little")[8::8]), count]
    return decoded(row & every(CHARACTER, count), count), dict(pairwise(starts))


@functools.lru_cache(256)
def every(bits: int, count: int) -> int:
    """Return a row of ``count`` cells that all are ``bits``."""
    return int.from_bytes(bits.to_bytes(8, "little") * count, "little")


def decoded(characters: int, count: int) -> str:
    """Return the characters of a row of which nothing else is left, NUL where there is none."""
    units = memoryview((characters >> 2).to_bytes(8 * count, "little")).cast("I")
    return units[::2].tobytes().decode("utf-32-le", "replace")


def narrow(text: str) -> bool:
    """Return whether every terminal gives each of these characters one column."""
    return text.isascii() or all(width_of(ord(character)) == 1 for character in set(text) if character > "~")


def _filled_end(cells: "array[int]") -> int | None:
    last = cells[-1]
    if wide(last) == HEAD:
        return HEAD
    if wide(last) == NARROW and has_text(last):
        return NARROW
    if wide(last) == TAIL and len(cells) > 1 and wide(cells[-2]) == WIDE and codepoint(cells[-2]) > 127:
        return WIDE
    return None
