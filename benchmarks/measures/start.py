"""The first session, with no server running and no data yet, and the next ones."""

from __future__ import annotations

from statistics import median

from ..contenders import Contender, Floor
from ..table import Line, against
from ..tools import Stage, run_timed

COLD, WARM = 30, 2
"""Bare interpreters: what the first session may take, with keeper, server and a new database, and what the next."""


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Start servers and sessions."""
    cold: dict[str, list[float]] = {}
    warm: dict[str, list[float]] = {}
    rounds = stage.numbers(3, 8)
    for number in range(rounds):
        stage.say(f"{number}/{rounds}")
        for one in contenders:
            if isinstance(one, Floor):
                bare = run_timed(one.bare_argv(), one.env)[0] * 1000
                for values in (cold, warm):
                    values.setdefault(one.name, []).append(bare)
            if not one.detaches or not stage.takes_part(one.name):
                continue
            with stage.trying(one.name):
                fresh = one.another(f"start{number}")
                cold.setdefault(one.name, []).append(fresh.new("first", ["cat"]) * 1000)
                for n in range(4):
                    took = fresh.new(f"next{n}", ["cat"])
                    if n:
                        warm.setdefault(one.name, []).append(took * 1000)
                fresh.stop()
    first, later = ({name: median(got) for name, got in values.items()} for values in (cold, warm))
    return [
        against("start", "first new -d, no server", "ms", first, factor=COLD, of="floor"),
        against("start", "new -d", "ms", later, factor=WARM, of="floor"),
    ]
