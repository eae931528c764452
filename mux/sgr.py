"""Rows with colours and links, as ``Screen.text_rows(styled=True)`` gives them, taken apart. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

Rgb = tuple[int, int, int]
Colour = int | Rgb
"""One of the palette's 256, or a colour of its own."""


@dataclass(frozen=True, slots=True)
class Style:
    """How text looks; None is the terminal's own colour.

    Attributes:
        underline: 0 none, 1 single, 2 double, 3 curly, 4 dotted, 5 dashed.
        link: where it leads, as the program gave it: not to be trusted. Empty for nowhere.
    """

    foreground: Colour | None = None
    background: Colour | None = None
    underline_colour: Colour | None = None
    underline: int = 0
    bold: bool = False
    faint: bool = False
    italic: bool = False
    blink: bool = False
    inverse: bool = False
    invisible: bool = False
    strike: bool = False
    overline: bool = False
    link: str = ""


PLAIN = Style()

_SEQUENCE = re.compile(
    r"\x1b\[(?P<sgr>[0-9;:]*)m"
    r"|\x1b\]8;[^;\x07\x1b]*;(?P<link>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])?"  # no text, whatever it is
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")

_SIMPLE: dict[int, dict[str, bool | int | None]] = {
    1: {"bold": True},
    2: {"faint": True},
    3: {"italic": True},
    4: {"underline": 1},
    5: {"blink": True},
    6: {"blink": True},
    7: {"inverse": True},
    8: {"invisible": True},
    9: {"strike": True},
    21: {"underline": 2},
    22: {"bold": False, "faint": False},
    23: {"italic": False},
    24: {"underline": 0},
    25: {"blink": False},
    27: {"inverse": False},
    28: {"invisible": False},
    29: {"strike": False},
    39: {"foreground": None},
    49: {"background": None},
    53: {"overline": True},
    55: {"overline": False},
    59: {"underline_colour": None},
    **{30 + index: {"foreground": index} for index in range(8)},
    **{40 + index: {"background": index} for index in range(8)},
    **{90 + index: {"foreground": 8 + index} for index in range(8)},
    **{100 + index: {"background": 8 + index} for index in range(8)},
}
_COLOURS = {38: "foreground", 48: "background", 58: "underline_colour"}


def runs(row: str) -> Iterator[tuple[Style, str]]:
    """Yield a row's text in order, as pieces of one style each. Control characters but tabs are left out."""
    style, at = PLAIN, 0
    for match in _SEQUENCE.finditer(row):
        if text := _CONTROL.sub("", row[at : match.start()]):
            yield style, text
        at = match.end()
        if match["sgr"] is not None:
            style = styled(style, match["sgr"])
        elif match["link"] is not None:
            style = replace(style, link=match["link"])
    if text := _CONTROL.sub("", row[at:]):
        yield style, text


@lru_cache(1024)
def styled(style: Style, parameters: str) -> Style:
    """Return ``style`` after an SGR with these parameters. Unknown ones change nothing; a link stays."""
    groups = parameters.split(";")
    while groups:
        parts = groups.pop(0).split(":")
        code = _number(parts[0])
        if code == 0:
            style = replace(PLAIN, link=style.link)
        elif code in _COLOURS:
            if len(parts) == 1:  # the older form has its values in the parameters that follow
                length = {5: 2, 2: 4}.get(_number(groups[0]) if groups else 0, 0)
                parts, groups = [parts[0], *groups[:length]], groups[length:]
            elif len(parts) > 5 and parts[1] == "2":
                del parts[2]  # the colour space
            colour = _colour(parts[1:])
            if colour is not None:
                style = _changed(style, {_COLOURS[code]: colour})
        elif code == 4 and len(parts) > 1:
            style = replace(style, underline=min(_number(parts[1]), 5))
        else:
            style = _changed(style, _SIMPLE.get(code, {}))
    return style


def _changed(style: Style, changes: dict[str, bool | int | None] | dict[str, Colour]) -> Style:
    return replace(style, **changes)


def _number(digits: str) -> int:
    return int(digits) if digits.isdecimal() and len(digits) < 6 else 0


def _colour(values: Sequence[str]) -> Colour | None:
    """Return what the parameters behind 38, 48 or 58 name, None if they name nothing."""
    numbers = [min(_number(value), 255) for value in values]
    match numbers:
        case [5, index]:
            return index
        case [2, red, green, blue]:
            return red, green, blue
        case _:
            return None


_LEVELS = (0, 95, 135, 175, 215, 255)
BASIC: tuple[Rgb, ...] = (
    *((0x1C, 0x1C, 0x1C), (0xD7, 0x4E, 0x4E), (0x5F, 0xB3, 0x5F), (0xD0, 0xA8, 0x45)),
    *((0x5C, 0x8D, 0xE0), (0xB8, 0x72, 0xD0), (0x45, 0xB0, 0xB8), (0xC8, 0xC8, 0xC8)),
    *((0x70, 0x70, 0x70), (0xFF, 0x78, 0x78), (0x87, 0xDF, 0x87), (0xF5, 0xD0, 0x6F)),
    *((0x87, 0xB0, 0xFF), (0xDD, 0x9C, 0xF0), (0x70, 0xDC, 0xE4), (0xFF, 0xFF, 0xFF)),
)
"""The first 16 of the palette, readable on a dark background."""


def rgb(colour: Colour) -> Rgb:
    """Return a colour's red, green and blue; of the palette as xterm has it but for its first 16."""
    if isinstance(colour, tuple):
        return colour
    if colour < 16:
        return BASIC[colour]
    if colour < 232:
        red, rest = divmod(colour - 16, 36)
        return _LEVELS[red], _LEVELS[rest // 6], _LEVELS[rest % 6]
    grey = 8 + 10 * (colour - 232)
    return grey, grey, grey
