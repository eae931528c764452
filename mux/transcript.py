"""The rows that a recording showed, from its first to its last, each once, in bounded memory.

Rows come when they have scrolled off, when the program clears the screen or the scrollback, and at the end; those of a
full-screen program when it leaves, so they stand above the rows that were still on the screen behind it. A program
that clears everything and prints it again, as some agents do after a resize, is told twice. Rows are as wide as the
session was: a longer line is several.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from agentmux.store.records import Kind, Record

from .occurs import occurs
from .screen import Screen
from .size import Size

SCROLLBACK = 32_000_000
"""Bytes of the emulator's scrollback."""

_CELL = 20
"""Bytes of scrollback reckoned for a column: twice what it takes, a row of one byte counting as all its columns."""

_SOON = 256
"""Bytes that are fed before it is looked again whether a long string has ended, in which nothing else may be fed."""

_CLEARS = rb"\x1b\[[23]J|\x1b\[H\x1b\[0?J|\x1bc"
_LEAVES = rb"\x1b\[\?(?:[0-9;]*;)?(?:47|1047|1049)(?:;[0-9;]*)?l"
_WATCHED = re.compile(rb"(?P<clears>" + _CLEARS + rb")|" + _LEAVES)
_UNFINISHED = re.compile(rb"(?:(?:\x1b\[H)?(?:\x1b(?:\[[?0-9;]{0,32})?)|\x1b\[H|[\xc0-\xff][\x80-\xbf]{0,2})\Z")
_LONGEST_UNFINISHED = 40
_LINKS = b"\x1b]8;"
_CLEAR_SCROLLBACK = b"\x1b[3J"
_LEAVE_ALTERNATE = b"\x18\x1b[?47l"


def rows(size: Size, records: Iterable[Record], *, styled: bool = False) -> Iterator[str]:
    """Yield the rows, without blanks at their ends; with ``styled`` as ``Screen.text_rows`` gives them, links and all.

    Rows are lost only to a program that scrolls blank ones by the thousand, with sequences that are short for it.

    Args:
        size: what the pane had before the first record.
    """
    transcript = _Transcript(size, styled)
    try:
        for record in records:
            if record.kind is Kind.OUTPUT:
                yield from transcript.printed(record.data)
            elif record.kind is Kind.RESIZE:
                yield from transcript.resized(record.size)
        yield from transcript.ended()
    finally:
        transcript.close()


class _Transcript:
    def __init__(self, size: Size, styled: bool) -> None:
        self._styled = styled
        self._screen = Screen(size, scrollback_bytes=SCROLLBACK)
        self._links = False  # were there any: looking for them takes a while for each row
        self._before = b""  # the last bytes, in which that may have begun
        self._unfed = b""  # what may be the start of a sequence that is looked for, or of a character
        self._room = self._most()

    def close(self) -> None:
        self._screen.close()

    def _most(self) -> int:
        """Return how many bytes may be fed at once: were all of them line feeds, no row would leave the scrollback."""
        return max(1, SCROLLBACK // (_CELL * self._screen.size[0]))

    def printed(self, data: bytes) -> Iterator[str]:
        seen = self._before + data
        self._links = self._links or occurs(_LINKS, seen)
        self._before = seen[1 - len(_LINKS) :]
        at = 0
        while at < len(data):
            piece = data[at : at + self._room]
            at += len(piece)
            self._room -= len(piece)
            piece = self._unfed + piece
            unfinished = _UNFINISHED.search(piece, max(0, len(piece) - _LONGEST_UNFINISHED))
            end = unfinished.start() if unfinished else len(piece)
            self._unfed = piece[end:]
            yield from self._feed(piece[:end])
            if self._room <= 0:
                self._room = self._most() if self._screen.at_ground else _SOON
                yield from self._scrolled()

    def _feed(self, data: bytes) -> Iterator[str]:
        screen, at = self._screen, 0
        for match in _WATCHED.finditer(data):
            screen.feed(data[at : match.start()])
            at = match.start()  # its ESC ends whatever is unfinished, so that what is fed in between changes nothing
            if screen.alternate:
                if match["clears"] in (None, b"\x1bc"):
                    yield from self._shown()
            elif match["clears"]:
                yield from self._above()
                if match["clears"] != _CLEAR_SCROLLBACK:
                    yield from self._shown()
        screen.feed(data[at:])

    def resized(self, size: Size) -> Iterator[str]:
        yield from self._scrolled()
        self._screen.resize(size)
        self._room = self._most()

    def ended(self) -> Iterator[str]:
        screen = self._screen
        yield from self._feed(self._unfed)
        if screen.alternate:
            yield from self._shown()
        screen.feed(_LEAVE_ALTERNATE)
        yield from self._above()
        yield from self._shown()

    def _scrolled(self) -> Iterator[str]:
        """Yield what has scrolled off, if it can be taken now: the alternate screen hides it, and nothing is added."""
        if self._screen.at_ground and not self._screen.alternate:
            yield from self._above()

    def _above(self) -> Iterator[str]:
        """Yield what has scrolled off, and take it out of the scrollback. Ends an unfinished sequence."""
        screen = self._screen
        if above := screen.history_rows:
            yield from screen.text_rows(-above, 0, styled=self._styled, links=self._links)
            screen.feed(_CLEAR_SCROLLBACK)

    def _shown(self) -> Iterator[str]:
        """Yield what is on the screen, down to the last row that is not blank."""
        shown = self._screen.text_rows(0, self._screen.size[1], styled=self._styled, links=self._links)
        while shown and not shown[-1]:
            shown.pop()
        yield from shown
