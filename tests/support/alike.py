"""Whether two screens are alike, by everything that can be seen or will matter later."""

from __future__ import annotations

import functools
import re
from array import array
from typing import Any

from agentmux.mux.emulator import clone, dump
from agentmux.mux.emulator.cells import HEAD, TAIL, WIDE, Grid, codepoint, tag, wide
from agentmux.mux.emulator.ffi import ffi, lib
from agentmux.mux.emulator.terminal import Terminal, check
from agentmux.mux.reset import ANSI_MODES, MODES
from agentmux.mux.screen import Screen

ASPECTS = ("text", "style", "wide", "link", "protected")
"""What of cells is compared, each under its own name."""

_PAINTED = re.compile(rb"(\x1b\[[0-9;:]*m) ")  # a blank, printed again where a wrap is pending

Cell = tuple[bytes, bytes, int, bytes, int]

_BLANK = (b"", b"", 0, b"", 0)
_ONE_BY_ONE = 1 << 43 | 1 << 45
"""Cells that only make sense where they stand: tails and heads, links."""


def cells(terminal: Terminal) -> list[list[Cell]]:
    """Return text, style, width, link, protection of every cell, as they look: a blank one's width can't be seen."""
    with Grid(terminal) as grid:
        return [_row(grid, y, row) for y, row in grid.each()]


def ends(terminal: Terminal) -> set[int]:
    """Return the rows whose last cell is empty because a double-width character did not fit into it."""
    with Grid(terminal) as grid:
        return {y for y, row in grid.each() if wide(row[-1]) == HEAD}


def _row(grid: Grid, y: int, row: array[int]) -> list[Cell]:
    distinct = set(row)
    if not any(cell & _ONE_BY_ONE or cell & 3 == 1 for cell in distinct):
        looks = {cell: _look(grid, row.index(cell), y, cell) for cell in distinct}
        return [looks[cell] for cell in row]
    found = []
    for x, cell in enumerate(row):
        if wide(cell) == TAIL and x:
            head = row[x - 1]
            if wide(head) == WIDE and tag(head) < 2 and codepoint(head) not in (0, 32):
                continue
        found.append(_look(grid, x, y, cell))
    return found


def _look(grid: Grid, x: int, y: int, cell: int) -> Cell:
    if not cell:
        return _BLANK
    text = style = b""
    if tag(cell) >= 2:
        value = cell >> 2 & 0xFFFFFF
        style = b"48;5;%d" % (value & 255) if tag(cell) == 2 else b"48;2;%06x" % value
    else:
        style = _background_only(grid.style(x)) if cell >> 26 & 0xFFFF else b""
        if wide(cell) != 2 and codepoint(cell) not in (0, 32):
            text = grid.cluster(x) if tag(cell) == 1 else chr(codepoint(cell)).encode("utf-8", "replace")
    link = _link(grid.terminal, x, y) if text and cell >> 45 & 1 else b""
    return text, style, wide(cell) if text else 0, link, cell >> 44 & 1 if text else 0


def _link(terminal: Terminal, x: int, y: int) -> bytes:
    length, memory = ffi.new("size_t*"), ffi.new("uint8_t[]", 4096)
    check(lib.ghostty_grid_ref_hyperlink_uri(terminal.ref(x, y), memory, len(memory), length), "hyperlink_uri")
    return bytes(ffi.buffer(memory, length[0]))


@functools.lru_cache(4096)
def _background_only(style: bytes) -> bytes:
    """Return a style in the words that a cell without text has for the same look."""
    only = re.fullmatch(rb"\x1b\[0;(?:(4|10)([0-7])|48;5;(\d+)|48;2;(\d+);(\d+);(\d+))m", style)
    if not only:
        return style
    if only[1]:
        return b"48;5;%d" % (int(only[2]) + 8 * (only[1] == b"10"))
    if only[3]:
        return b"48;5;" + only[3]
    red, green, blue = (int(value) for value in only.groups()[3:])
    return b"48;2;%06x" % (red | green << 8 | blue << 16)


def _charsets(pen: bytes) -> bytes:
    return re.sub(rb"\x1b[()*+]B", b"", pen)


def _place(terminal: Terminal, grid: Grid) -> tuple[Any, ...]:
    place = dump._place(terminal, grid)
    return place._replace(wrap=place.wrap and (place.wrap[0], _PAINTED.sub(_as_background, place.wrap[1])))


def _as_background(match: re.Match[bytes]) -> bytes:
    return _background_only(match[1]) + b" "


def state(terminal: Terminal) -> dict[str, Any]:
    """Return everything that can be seen or will matter later, by name."""
    found: dict[str, Any] = {"alternate": terminal.alternate(), "cells": cells(terminal)}
    with Grid(terminal) as grid:
        found["cursor"] = _place(terminal, grid)
        found["shape"] = grid.shape()
    found["modes"] = [number for number in [6, 69] + [number for number, _ in MODES] if terminal.mode(number)]
    found["ansi"] = [number for number, _ in (*ANSI_MODES, (4, 0)) if terminal.mode(number, ansi=True)]
    found["title"], found["colours"] = terminal.string("TITLE"), dump.colours(terminal)
    try:
        prefix = clone.at_ground(clone.encode_prefix(terminal))
    except clone.Unclonable:  # inside a string with a C1 byte in it, which a cancel ends without a trace
        terminal.write(b"\x18")
        prefix = clone.at_ground(clone.encode_prefix(terminal))
    with clone.decode_ready(prefix) as copy:
        found["tabs"], found["margins"] = copy.extra("tabstops", "scrolling_region")
        found["other keys"] = copy.extra("keyboard")[1]
        found["pen"] = _charsets(copy.extra("style", "hyperlink", "protection", "charsets")[1])
        found["kitty"] = dump._kitty_stack(copy)
        copy.write(b"\x1b8")
        with Grid(copy) as grid:
            found["saved cursor"] = _place(copy, grid)
        found["saved pen"] = _charsets(copy.extra("style", "protection", "charsets")[1])
    if found["alternate"]:
        with clone.decode_ready(prefix) as copy:
            copy.write(b"\x1b[?47l")
            found["primary cells"] = cells(copy)
            found["primary kitty"] = dump._kitty_stack(copy)
            copy.write(b"\x1b8")
            with Grid(copy) as grid:
                found["primary saved cursor"] = _place(copy, grid)
    return found


def differences(one: Screen, other: Screen) -> set[str]:
    """Return the names of what is different."""
    first, second = state(one._terminal), state(other._terminal)
    names = {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}
    for name in names & {"cells", "primary cells"}:
        names.remove(name)
        if first["alternate"] == second["alternate"] and only_ends(one._terminal, name, first[name], second[name]):
            names.add(name.replace("cells", "ends"))
            continue
        for index, aspect in enumerate(ASPECTS):
            if _aspect(first.get(name), index) != _aspect(second.get(name), index):
                names.add(name.replace("cells", aspect))
    return names


def only_ends(terminal: Terminal, name: str, one: list[list[Cell]], other: list[list[Cell]]) -> bool:
    """Return whether only last cells differ that are empty for want of room."""
    if name == "cells":
        rows = ends(terminal)
    else:
        with clone.decode_ready(clone.at_ground(clone.encode_prefix(terminal))) as copy:
            copy.write(b"\x1b[?47l")
            rows = ends(copy)
    return all(a[:-1] == b[:-1] and y in rows for y, (a, b) in enumerate(zip(one, other, strict=True)) if a != b)


def _aspect(rows: list[list[Cell]] | None, index: int) -> list[list[bytes | int]]:
    return [[cell[index] for cell in row] for row in rows or ()]
