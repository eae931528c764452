"""A corpus to search: rendered output and messages of many sessions, with words as frequent as in life."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from itertools import accumulate

from agentmux.store.database import Database
from agentmux.store.search import Document, Index, Where
from agentmux.store.sessions import Sessions


def add_sessions(database: Database, count: int) -> None:
    sessions = Sessions(database)
    for number in range(1, count + 1):
        assert sessions.add(f"s{number}", ["sh"], "/", created=1.0, size=(80, 24)).id == number


class Corpus:
    """Text with words as frequent as in life: the second is half as frequent as the first, and so on."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        starts = [a + b for a in (*"bcdfghklmnprstv", "st", "tr") for b in (*"aeiou", "an", "er", "in")]
        words = dict.fromkeys(
            "".join(self.chance.choices(starts, k=self.chance.choice((1, 2, 3)))) for _ in range(60_000)
        )
        self.words = list(words)
        for place in range(50, len(self.words), 9):
            one, two = self.chance.sample(self.words, 2)
            self.words[place] = self.chance.choice(
                [f"{one}_{two}", f"src/{one}/{two}.py", f"--{one}-{two}", f"{one}()"]
            )
        weights = list(accumulate(1 / (place + 2) for place in range(len(self.words))))
        self.lines = [" ".join(self.chance.choices(self.words, cum_weights=weights, k=12)) for _ in range(100_000)]

    def documents(self, sessions: int, pieces: int, messages: int) -> Iterator[Document]:
        """Yield output and messages well mixed; each has a word of its own, ``only`` and its number."""
        kinds = [Where.OUTPUT] * pieces + [Where.PROMPTS, Where.REPLIES] * (messages // 2)
        self.chance.shuffle(kinds)
        for number, where in enumerate(kinds):
            lines = self.chance.choices(self.lines, k=72 if where is Where.OUTPUT else 7)
            session = 1 + number * sessions // len(kinds)
            yield Document(session, where, float(number), number, f"only{number}\n" + "\n".join(lines))

    def queries(self, total: int, count: int) -> Iterator[str]:
        """Yield rare words, common ones, both, phrases, and a few prefixes."""
        for number in range(count):
            line = self.chance.choice(self.lines).split()
            start = self.chance.randrange(9)
            common = self.chance.sample(self.words[:20], 3)
            yield (
                f"only{self.chance.randrange(total)}",
                " ".join(common),
                f"{self.chance.choice(self.words)} {common[0]}",
                '"' + " ".join(line[start : start + 3]) + '"',
                '"' + " ".join(common[:2]) + '"',
                self.chance.choice(self.words[100:3000]),
                " ".join(line[start : start + 2]),
                self.chance.choice([word for word in self.words[:5000] if len(word) > 5])[:5] + "*",
            )[number % 8]


def built(
    database: Database, corpus: Corpus, sessions: int, pieces: int, messages: int
) -> tuple[Index, list[float], int]:
    """Index a corpus; return also the seconds that each of its documents took, and the characters."""
    add_sessions(database, sessions)
    index = Index(database)
    took = []
    size = 0
    batch: list[Document] = []
    for document in corpus.documents(sessions, pieces, messages):
        batch.append(document)
        size += len(document.text)
        if len(batch) == (1 if len(took) % 2 else 32):
            start = time.perf_counter()
            index.add_all(batch)
            took.append(time.perf_counter() - start)
            batch = []
    index.add_all(batch)
    return index, took, size
