"""How much room text takes in a terminal: columns of characters and of texts. Pure."""

from __future__ import annotations

import re
import unicodedata

_UNSTEADY = re.compile(
    "[\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\u20e3\ufeff\ufe00-\ufe0f\U000e0020-\U000e007f\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]"
)
_FLAG, _WIDE_A, _SKIN = 0x1F1E6, 0xFF21, "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"


def char_width(char: str) -> int:
    """Return the columns of one character: 0, 1 or 2."""
    if char < "\u0300":
        return 1
    if unicodedata.category(char) in ("Mn", "Me", "Cf", "Zl", "Zp"):
        return 0
    if "\u115f" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7ff" or char in "\u3164\uffa0":  # within a Hangul cell
        return 0
    if "\U0001f1e6" <= char <= "\U0001f1ff" or unicodedata.east_asian_width(char) in "WF":  # half a flag, wide
        return 2
    return 1


def starts(text: str) -> range | list[int]:
    """Return the column where each character begins, and where the last one ends."""
    if text.isascii():
        return range(len(text) + 1)
    columns = [0]
    for char in text:
        columns.append(columns[-1] + char_width(char))
    return columns


def width(text: str) -> int:
    """Return the columns that a text takes."""
    return starts(text)[-1]


def cut(text: str, columns: int) -> str:
    """Return as much of a text as fits."""
    begins = starts(text)
    return text[: next(at for at in range(len(text), -1, -1) if begins[at] <= columns)]


def fitted(text: str, columns: int) -> str:
    """Return a text that takes exactly so many columns: padded, or cut with a sign that there was more."""
    room = width(text)
    if room > columns:
        text = cut(text, columns - 1) + "~" if columns > 0 else ""
        room = width(text)
    return text + " " * (columns - room)


def wrapped(text: str, columns: int) -> list[str]:
    """Return a line as several that fit, broken at blanks where there are any."""
    lines = []
    while width(text) > columns > 0:
        piece = cut(text, columns) or text[:1]
        blank = piece.rfind(" ")
        if blank > 0 and text[len(piece) : len(piece) + 1] != " ":
            piece = piece[: blank + 1]
        lines.append(piece.rstrip(" "))
        text = text[len(piece) :].lstrip(" ")
    return [*lines, text]


def steady(text: str) -> str:
    """Return a text of the same width that takes as many columns in every terminal.

    Some draw what belongs together (families, flags, skins, keycaps) in fewer columns than its characters have, some
    don't: whoever draws what is beside it would have to know. So each is drawn by itself, a flag as its letters. What
    is not seen, and may turn round what is beside it, is left out.
    """
    return text if text.isascii() else _UNSTEADY.sub(_alone, text)


def _alone(match: re.Match[str]) -> str:
    char = match[0]
    if _FLAG <= ord(char) < _FLAG + 26:
        return chr(_WIDE_A + ord(char) - _FLAG)
    return "  " if char in _SKIN else ""
