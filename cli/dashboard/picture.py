"""A session's screen as the server sends it, frame by frame, and as pieces of styled text. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from agentmux.mux.foreign import without
from agentmux.mux.sgr import Colour, Style, rgb, runs

from .lines import Piece

_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "gray")
_BRIGHT = ("brightblack", *(f"bright{name}" for name in _NAMES[1:-1]), "white")
BASIC = tuple(f"ansi{name}" for name in (*_NAMES, *_BRIGHT))
"""The toolkit's names for the first 16 colours, which are the terminal's own."""

_ATTRIBUTES = ("bold", "italic", "blink", "strike")


class Picture:
    """What a session shows.

    Attributes:
        cursor: column and row, from 0; None where it is hidden.
    """

    def __init__(self) -> None:
        self.size = (0, 0)
        self.cursor: tuple[int, int] | None = None
        self._rows: dict[int, list[Piece]] = {}

    def take(self, frame: Mapping[str, Any]) -> None:
        """Take in a frame: all rows, or those that have changed."""
        columns, rows = frame["size"]
        if (columns, rows) != self.size:
            self.size = columns, rows
            self._rows.clear()
        for number, row in frame["rows"].items():
            self._rows[int(number)] = pieces(row)
        x, y = frame["cursor"]
        self.cursor = (x, y) if frame["cursor_visible"] else None

    def row(self, number: int) -> list[Piece]:
        """Return a row."""
        return self._rows.get(number, [])

    def top(self, height: int) -> int:
        """Return the first row to show where only ``height`` fit: those that are in use, with the cursor."""
        used = max((number + 1 for number, row in self._rows.items() if row), default=0)
        if self.cursor is not None:
            used = max(used, self.cursor[1] + 1)
        top = max(0, used - height)
        return min(top, self.cursor[1]) if self.cursor is not None else top


def pieces(row: str) -> list[Piece]:
    """Return a row with SGR as pieces, without what would turn the text round: it has no cell of its own."""
    return [(_look(style), without(text)) for style, text in runs(row)]


@lru_cache(4096)
def _look(style: Style) -> str:
    words = [name for name in _ATTRIBUTES if getattr(style, name)]
    if style.faint:
        words.append("dim")
    if style.underline:
        words.append("underline")
    if style.inverse:
        words.append("reverse")
    if style.invisible:
        words.append("hidden")
    if style.foreground is not None:
        words.append(f"fg:{_colour(style.foreground)}")
    if style.background is not None:
        words.append(f"bg:{_colour(style.background)}")
    return " ".join(words)


def _colour(colour: Colour) -> str:
    if isinstance(colour, int) and colour < len(BASIC):
        return BASIC[colour]
    return "#{:02x}{:02x}{:02x}".format(*rgb(colour))
