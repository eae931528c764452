"""Large pastes in a prompt: one character each while it is written, shown as a chip, whole again when sent. Pure.

A chip is one character of Unicode's private use area, so that it is deleted, moved over and undone as one.
"""

from __future__ import annotations

FIRST = 0xF0000
"""Of the supplementary private use area, which no font and no agent gives a meaning."""

MOST = 4096
"""Chips in one view; then pastes stay text."""

LINES = 8
"""Lines of a paste above which it becomes a chip."""

CHARACTERS = 1000
"""Characters above which it does."""


class Chips:
    """The pastes of one view."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def put(self, text: str) -> str:
        """Return what stands for a pasted text: a chip, or the text itself where it is short."""
        text = without(text)
        large = text.count("\n") >= LINES or len(text) > CHARACTERS
        if not large or len(self._texts) >= MOST:
            return text
        self._texts.append(text)
        return chr(FIRST + len(self._texts) - 1)

    def label(self, char: str) -> str | None:
        """Return what a chip is shown as; None for any other character."""
        text = self._text(char)
        if text is None:
            return None
        lines = text.count("\n") + 1
        return f"[pasted {lines} lines]" if lines > 1 else f"[pasted {len(text)} characters]"

    def whole(self, text: str) -> str:
        """Return a text with what its chips stand for."""
        return "".join(char if (found := self._text(char)) is None else found for char in text)

    def _text(self, char: str) -> str | None:
        at = ord(char) - FIRST
        return self._texts[at] if 0 <= at < len(self._texts) else None


def without(text: str) -> str:
    """Return a text without characters that would pass for chips."""
    return "".join(char for char in text if not FIRST <= ord(char) < FIRST + MOST)
