"""What much to remember costs: a server's first answer with a thousand ended sessions, and a search of a gigabyte.

The others remember nothing that ended. Searching is done by the interpreter of agentmux, as the server does it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import closing
from statistics import median
from time import perf_counter

from ..contenders import ROOT, Agentmux, Contender
from ..table import Line, below
from ..tools import Stage, percentile, run_timed

ENDED = 1000
"""Sessions that have ended."""

MORE = 50.0
"""Milliseconds that these may add to a server's first answer."""

PIECES, MESSAGES = 60_000, 100_000
"""Of output, 300 MB of text, which is what a gigabyte that agents print comes to; and prompts and replies."""

SOUGHT = 100.0
"""Milliseconds in which 95 of 100 searches are to have answered."""

QUERIES = 200


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Ask new servers, in turns, and search."""
    lines = []
    for one in contenders:
        if isinstance(one, Agentmux):
            with stage.trying(one.name):
                added = _opened(stage, one)
                lines.append(below("remembered", f"first ls, {ENDED} ended sessions more", "ms", added, MORE))
                stage.say("indexing")
                part = stage.numbers(10, 1)
                took = one.within("remembered", "search", str(PIECES // part), str(MESSAGES // part), timeout=900)
                much = f"{PIECES // part} pieces of output, {MESSAGES // part} messages"
                half, tail = ({one.name: percentile(took, share)} for share in (0.5, 0.95))
                lines.append(Line("remembered", f"search, p50: {much}", "ms", half, samples={one.name: len(took)}))
                lines.append(below("remembered", "search, p95", "ms", tail, SOUGHT))
    return lines


def _opened(stage: Stage, ours: Agentmux) -> dict[str, float]:
    """Return by how much longer the first answer of a server takes that has a past."""
    took: dict[str, list[float]] = {"new": [], "old": []}
    servers = {name: ours.another(f"remembered-{name}") for name in took}
    for name, server in servers.items():
        server.new("first", ["true"])
        folder = os.path.dirname(server.facts()["log"])
        server.stop()
        if name == "old":
            ours.within("remembered", "fill", folder, timeout=60)
    rounds = stage.numbers(3, 10)
    for number in range(rounds):
        stage.say(f"{number}/{rounds} first answers")
        for name, server in servers.items():
            took[name].append(run_timed([*server.list_argv(), "-q"], server.env)[0] * 1000)
            server.stop()
    return {ours.name: median(took["old"]) - median(took["new"])}


def main() -> None:
    """Do one part and print what it found, as JSON."""
    what, *words = sys.argv[1:]
    sys.path.append(os.path.join(ROOT, "tests", "support"))
    json.dump(_fill(*words) if what == "fill" else _searched(*map(int, words)), sys.stdout)


def _fill(folder: str) -> int:
    """Record sessions that ended; return how many."""
    from agentmux.store.stores import Stores

    with closing(Stores(folder)) as stores:
        for number in range(ENDED):
            row = stores.sessions.add(f"old{number}", ["sh"], "/", created=1.0 + number, size=(80, 24))
            stores.sessions.set_running(row.id, 1.0 + number)
            stores.sessions.set_exited(row.id, 0, 2.0 + number)
    return ENDED


def _searched(pieces: int, messages: int) -> list[float]:
    """Return the milliseconds that searches of all kinds took."""
    from corpus import Corpus, built

    from agentmux.store.database import Database

    corpus = Corpus(2)
    took = []
    with tempfile.TemporaryDirectory() as folder, closing(Database(f"{folder}/store.db")) as database:
        index = built(database, corpus, 1000, pieces, messages)[0]
        for query in corpus.queries(pieces + messages, QUERIES):
            start = perf_counter()
            index.search(query)
            took.append((perf_counter() - start) * 1000)
    return took
