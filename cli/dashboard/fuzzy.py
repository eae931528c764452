"""How well something fits what is typed to find it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable


def fit(query: str, texts: Iterable[str]) -> int | None:
    """Return how far ``texts`` are from a query, 0 the nearest; None if they don't fit.

    Each word of the query must be in one of the texts: as it is, or letter by letter with others between, no more than
    it has itself: any few letters stand somewhere in a long path. Case does not count.
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
    found = re.search(".*?".join(map(re.escape, word)), text)
    between = len(word) + 1 if found is None else found.end() - found.start() - len(word)
    return None if between > len(word) else 3 + between
