"""How well something fits what is typed to find it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

BETWEEN = 3
"""Letters that may be between two: with any number, three letters are in nearly every path."""


def fit(query: str, texts: Iterable[str]) -> int | None:
    """Return how far ``texts`` are from a query, 0 the nearest; None if they don't fit.

    Each word of the query must be in one of the texts: as it is, or letter by letter with some others between. Case
    does not count.
    """
    lowered = [text.lower() for text in texts]
    total = 0
    for word in query.lower().split():
        found = [distance for text in lowered if (distance := _distance(word, text)) is not None]
        if not found:
            return None
        total += min(found)
    return total


def _distance(word: str, text: str) -> int | None:
    at = text.find(word)
    if at == 0:
        return 0
    if at > 0:
        return 1 if not text[at - 1].isalnum() else 2
    found = re.search(f".{{0,{BETWEEN}}}?".join(map(re.escape, word)), text)
    return None if found is None else 3 + found.end() - found.start() - len(word)
