"""Everything a client's terminal needs to show what ours shows and to go on from there, as bytes.

The terminal is copied and the copies are taken apart: the other screen is read by leaving the active one, the saved
cursor by restoring it, the kitty keyboard stack by popping it. Verified by ``tests/mux/test_screen_dump.py``. Not
restorable with this library: images, link ids, old contents of an alternate screen that is not active, XTSAVEd
modes, and which of 47, 1047 and 1049 entered the alternate screen.
"""

import re
from typing import Any, NamedTuple

from ..foreign import without
from ..reset import ANSI_MODES, MODES, PRELUDE, mode
from . import clone
from .cells import RESET, Grid
from .ffi import ffi
from .terminal import Terminal

_ALTERNATE, _PRIMARY = b"\x1b[?1049h", b"\x1b[?47l"
_ORIGIN = b"\x1b[?6h"
_RESTORE_CURSOR = b"\x1b8"
_PROTECTED, _UNPROTECTED, _SPA, _EPA = b'\x1b[1"q', b'\x1b[0"q', b"\x1bV", b"\x1bW"
DEFAULT_SHAPE = 2
_STACK_DEPTH = 9  # of the kitty keyboard stack: eight and the current flags


class _Place(NamedTuple):
    """A cursor: its cell, what to print again for a pending wrap, and whether origin mode goes with it."""

    x: int
    y: int
    wrap: tuple[int, bytes] | None
    origin: bool

    def bytes(self, left: int = 0, top: int = 0) -> bytes:
        """Return the bytes that put the cursor, counted from the margins' corner where origin mode is on."""
        x, again = self.wrap or (self.x, b"")
        return b"\x1b[%d;%dH" % (self.y - top + 1, x - left + 1) + again


class _Margins(NamedTuple):
    sequence: bytes
    top: int
    bottom: int
    left: int
    right: int


class _State(NamedTuple):
    """What the library can only tell as bytes."""

    tabs: bytes
    margins: bytes
    other_keys: bytes
    pen: bytes


def dump(live: Terminal) -> bytes:
    """Return the bytes that rebuild both screens, cursors and modes in a terminal ``reset_client`` has prepared."""
    try:
        prefix = clone.at_ground(clone.encode_prefix(live))
    except clone.Unclonable:
        return _poor(live)
    out = [PRELUDE]
    if live.alternate():
        out.append(_primary(prefix))
    with clone.decode_ready(prefix) as copy, Grid(copy) as grid:
        drawn = grid.draw()
        # From the live terminal: a snapshot loses a pending wrap at a margin.
        cursor, shape = _place(live, grid), grid.shape()
        tabs, region, other_keys, pen = _state(copy)
        margins, left_right = _margins(copy, region), copy.mode(69)
        modes, kitty = _modes(copy), _kitty_stack(copy)
        saved = _saved_cursor(copy, grid)  # from here on the copy is taken apart
        spared = _spared(copy, drawn, pen)
        out += [drawn, b"" if tabs == _default_tabs(copy.size()[0]) else tabs, kitty, other_keys, saved]
    out += [_cursor(cursor, pen, margins, left_right), spared, modes]
    if shape != DEFAULT_SHAPE:
        out.append(b"\x1b[%d q" % shape)
    out += [colours(live), title(live)]
    return b"".join(out)


def _primary(prefix: bytes) -> bytes:
    """Draw the primary screen under an alternate one: what it shows, its saved cursor, its kitty stack."""
    with clone.decode_ready(prefix) as copy:
        copy.write(_PRIMARY)
        with Grid(copy) as grid:
            drawn = grid.draw()
        stack = _kitty_stack(copy)
        copy.write(_RESTORE_CURSOR)
        with Grid(copy) as grid:
            saved = _place(copy, grid)
        origin = _ORIGIN if saved.origin else b""
        pen = _state(copy).pen
        return drawn + origin + saved.bytes() + pen + _spared(copy, drawn, pen) + stack + _ALTERNATE + PRELUDE


def _saved_cursor(copy: Terminal, grid: Grid) -> bytes:
    """Return the bytes that save the saved cursor again, with full margins, so that every position can be reached."""
    copy.write(_RESTORE_CURSOR)
    grid.update()
    saved, pen = _place(copy, grid), _state(copy).pen
    if (saved, pen) == (_Place(0, 0, None, False), RESET):
        return b""
    return (_ORIGIN if saved.origin else b"") + saved.bytes() + pen + b"\x1b7" + PRELUDE


def _cursor(cursor: _Place, pen: bytes, margins: _Margins, left_right: bool) -> bytes:
    sided = b"\x1b[?69h" if left_right else b""
    inside = margins.top <= cursor.y <= margins.bottom and margins.left <= cursor.x <= margins.right
    if cursor.origin and not inside:  # only restoring a saved cursor gets there: it costs the saved one
        anywhere = b"\x1b[?69l\x1b[r" + _ORIGIN + cursor.bytes() + pen + b"\x1b7"
        return anywhere + sided + margins.sequence + _RESTORE_CURSOR
    if cursor.origin:
        return sided + margins.sequence + _ORIGIN + cursor.bytes(margins.left, margins.top) + pen
    return sided + margins.sequence + cursor.bytes() + pen


def _modes(terminal: Terminal) -> bytes:
    out = [mode(number, not default) for number, default in MODES if terminal.mode(number) != default]
    for number, default in (*ANSI_MODES, (4, False)):
        if terminal.mode(number, ansi=True) != default:
            out.append(b"\x1b[%d%c" % (number, b"hl"[default]))
    return b"".join(out)


def _poor(live: Terminal) -> bytes:
    """Dump a terminal that cannot be copied now: without the other screen, saved cursors and stacks below the top."""
    with Grid(live) as grid:
        drawn, cursor, shape = grid.draw(), _place(live, grid), grid.shape()
    flags = live.kitty_flags()
    state = _state(live)
    return b"".join(
        (
            PRELUDE + (_ALTERNATE + PRELUDE if live.alternate() else b"") + drawn,
            b"\x1b[>%du" % flags if flags else b"",
            state.other_keys,
            _cursor(cursor, state.pen, _margins(live, state.margins), live.mode(69)),
            _modes(live),
            b"\x1b[%d q" % shape if shape != DEFAULT_SHAPE else b"",
            colours(live) + title(live),
        )
    )


def input_modes(terminal: Terminal) -> bytes:
    """Return the bytes that set every mode that decides what keys and mouse send, whatever it was before.

    But for mouse reports in pixels: those of a terminal of another size mean nothing here. Cells come instead.
    """
    drawing = {5, 7, 12, 25, 45, 1045}
    modes = b"".join(mode(number, terminal.mode(number)) for number, _ in MODES if number not in drawing)
    if terminal.mode(1016):
        modes += mode(1016, False) + mode(1006, True)
    flags = terminal.kitty_flags()
    return modes + b"\x1b[>4;0m" + terminal.extra("keyboard")[1] + b"\x1b[=%d;1u" % flags


def _place(terminal: Terminal, grid: Grid) -> _Place:
    x, y = terminal.cursor()
    pending = terminal.get("CURSOR_PENDING_WRAP", "bool")
    return _Place(x, y, grid.wrapping_cell(x, y) if pending else None, terminal.mode(6))


_AFTER = re.compile(rb"((?:\x1b\[\d+;\d+[rs])*)((?:\x1b\[>4;\d+m)?)(.*)", re.DOTALL)


def _state(terminal: Terminal) -> _State:
    names = ("tabstops", "scrolling_region", "keyboard", "style", "hyperlink", "protection", "charsets")
    tabs, after = terminal.extra(*names)
    found = _AFTER.fullmatch(after)
    assert found is not None  # its last group takes anything
    return _State(tabs, *found.groups())


def _spared(copy: Terminal, drawn: bytes, pen: bytes) -> bytes:
    """Return the bytes that make every erasing spare protected cells, if it does. Erases ``copy``.

    DECSCA protects from selective erasing only, SPA from all; which of them was last cannot be asked, only tried.
    """
    if _PROTECTED not in drawn and _PROTECTED not in pen:
        return b""
    copy.write(PRELUDE.replace(_UNPROTECTED, b"") + b"\x1b[H" + b"x" * (_PROTECTED in pen) + b"\x1b[2J")
    with Grid(copy) as grid:
        if _PROTECTED not in grid.draw():
            return b""
    return _SPA if _PROTECTED in pen else _SPA + _EPA


def _kitty_stack(copy: Terminal) -> bytes:
    """Return the pushes that rebuild the kitty keyboard stack. Pops it off ``copy``."""
    flags = []
    for _ in range(_STACK_DEPTH):
        flags.append(copy.kitty_flags())
        copy.write(b"\x1b[<u")
    while flags and not flags[-1]:
        flags.pop()
    return b"".join(b"\x1b[>%du" % flag for flag in reversed(flags))


def _default_tabs(columns: int) -> bytes:
    return b"\x1b[3g" + b"".join(b"\x1b[%dG\x1bH" % (x + 1) for x in range(8, columns, 8)) + b"\x1b[H"


def _margins(terminal: Terminal, sequence: bytes) -> _Margins:
    columns, rows = terminal.size()
    vertical = re.search(rb"\x1b\[(\d+);(\d+)r", sequence)
    horizontal = re.search(rb"\x1b\[(\d+);(\d+)s", sequence)
    top, bottom = (int(vertical[1]) - 1, int(vertical[2]) - 1) if vertical else (0, rows - 1)
    left, right = (int(horizontal[1]) - 1, int(horizontal[2]) - 1) if horizontal else (0, columns - 1)
    return _Margins(sequence, top, bottom, left, right)


def colours(terminal: Terminal) -> bytes:
    """Return OSC 4, 10, 11 and 12 for what the program changed, and only that."""
    now, default = terminal.palette("COLOR_PALETTE"), terminal.palette("COLOR_PALETTE_DEFAULT")
    out = []
    if bytes(ffi.buffer(now)) != bytes(ffi.buffer(default)):
        changed = ((i, now[i]) for i in range(256) if _rgb(now[i]) != _rgb(default[i]))
        out += [b"\x1b]4;%d;%s\x1b\\" % (i, _rgb(colour)) for i, colour in changed]
    for number, name in ((10, "FOREGROUND"), (11, "BACKGROUND"), (12, "CURSOR")):
        colour = terminal.get(f"COLOR_{name}", "GhosttyColorRgb")
        default_colour = terminal.get(f"COLOR_{name}_DEFAULT", "GhosttyColorRgb")
        if colour is not None and (default_colour is None or _rgb(colour) != _rgb(default_colour)):
            out.append(b"\x1b]%d;%s\x1b\\" % (number, _rgb(colour)))
    return b"".join(out)


def _rgb(colour: Any) -> bytes:
    return b"rgb:%02x/%02x/%02x" % (colour.r, colour.g, colour.b)


def title(terminal: Terminal) -> bytes:
    text = without(terminal.string("TITLE"))
    return b"\x1b]2;" + text.encode() + b"\x1b\\" if text else b""
