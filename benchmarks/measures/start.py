"""The first session, with no server running and no data yet, and the next ones."""

from __future__ import annotations

from ..contenders import Contender
from ..table import Line, below
from ..tools import Stage, median

LIMIT = 800
"""Milliseconds for the first session."""


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Start servers and sessions."""
    cold: dict[str, list[float]] = {}
    warm: dict[str, list[float]] = {}
    rounds = stage.numbers(3, 8)
    for number in range(rounds):
        stage.say(f"{number}/{rounds}")
        for one in contenders:
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
    return [
        below("start", "first new -d, no server", "ms", {name: median(got) for name, got in cold.items()}, LIMIT),
        Line("start", "new -d", "ms", {name: median(got) for name, got in warm.items()}),
    ]
