"""Take secrets out of text before it leaves: what regular expressions find becomes ``[redacted]``. Pure.

A stream is cut anywhere, so its end is held back until what follows is known. A secret of up to HOLD characters is
found wherever the stream was cut; of a longer one, at least what had come by then goes. Escape sequences are
characters like others: a secret with a colour change in its middle is found only where text was rendered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

HOLD = 4096
"""Characters at the end of a stream that may be the start of a secret. A private key in PEM has 3300 at most."""

CONTEXT = 256
"""Characters before what is searched that lookbehinds and word boundaries see."""

MOST_HELD = 4 * HOLD
"""Pieces of a stream that wait for what follows. More than that are nearly all empty, and are no longer waited for."""

REDACTED = "[redacted]"

K = TypeVar("K")
Span = tuple[int, int]


class Redaction:
    """Patterns of what shall not be shown, as ``re`` knows them.

    Raises:
        re.error: one of them is no regular expression.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._patterns = [re.compile(pattern) for pattern in patterns]

    def __bool__(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._patterns)

    def spans(self, text: str, start: int = 0) -> list[Span]:
        """Return from where to where secrets stand at or behind ``start``, in order; those that touch are one."""
        found = sorted(match.span() for one in self._patterns for match in one.finditer(text, start) if match[0])
        merged: list[Span] = []
        for first, end in found:
            if merged and first <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(end, merged[-1][1])
            else:
                merged.append((first, end))
        return merged

    def text(self, text: str) -> str:
        """Return a whole text without its secrets."""
        return replaced(text, self.spans(text), 0, len(text))


NOTHING = Redaction()


def replaced(text: str, spans: Sequence[Span], start: int, stop: int) -> str:
    """Return ``text[start:stop]`` with the spans that begin there replaced, and without what the others cover."""
    out = []
    at = start
    for first, end in spans:
        if end <= start or first >= stop:
            continue
        out.append(text[at : max(at, first)])
        if first >= start:
            out.append(REDACTED)
        at = min(end, stop)
    out.append(text[at:stop])
    return "".join(out)


class Redactor(Generic[K]):
    """Takes the secrets out of a stream of pieces, each with a key of the caller's, also those cut between pieces.

    What replaces a secret is in the piece in which it began.
    """

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._before = ""  # the last characters that were searched, as they came
        self._held: list[tuple[K, str, str]] = []  # of each piece what is settled, and what is still to be searched
        self._unsearched = 0  # characters

    def feed(self, key: K, text: str) -> Iterator[tuple[K, str]]:
        """Take a piece; yield those of which all is known. A piece without text stays in its place."""
        if not self._redaction:
            yield key, text
            return
        self._held.append((key, "", text))
        self._unsearched += len(text)
        if len(self._held) > MOST_HELD:
            yield from self.flush()
        elif self._unsearched >= 2 * HOLD:  # not for each piece: many are short
            self._search(self._unsearched - HOLD)
            yield from self._settled()

    def flush(self) -> Iterator[tuple[K, str]]:
        """Yield the rest, as if nothing followed."""
        self._search(self._unsearched)
        yield from self._settled()

    def _settled(self) -> Iterator[tuple[K, str]]:
        count = next((index for index, (_, _, text) in enumerate(self._held) if text), len(self._held))
        settled, self._held = self._held[:count], self._held[count:]
        for key, done, _ in settled:
            yield key, done

    def _search(self, cut: int) -> None:
        """Settle the first ``cut`` characters, or some less or more where a secret stands across the cut."""
        text = self._before + "".join(text for _, _, text in self._held)
        start = at = len(self._before)
        stop = start + cut
        spans = self._redaction.spans(text, start)
        for first, end in spans:
            if first < stop < end:
                stop = first if end - first <= HOLD and first > start else end
        for index, (key, done, piece) in enumerate(self._held):
            if at >= stop:
                break
            end = min(at + len(piece), stop)
            self._held[index] = key, done + replaced(text, spans, at, end), piece[end - at :]
            at = end
        self._unsearched -= at - start
        self._before = text[max(0, at - CONTEXT) : at]
