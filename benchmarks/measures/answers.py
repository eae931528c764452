"""How long a program waits for what it asks its terminal, with nobody attached. dtach has no terminal to ask."""

from __future__ import annotations

from ..contenders import Contender
from ..table import Line, below
from ..tools import Actor, Stage, percentile

LATE = 10.0
"""Milliseconds: agents that ask at their start give up soon, and some paint in the wrong colours then."""

COUNT = 20
"""Questions at a turn."""


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Have programs ask, in turns."""
    servers: list[tuple[Contender, Actor]] = []
    for one in (one.another("answers") for one in contenders if one.detaches and one.restores):
        with stage.trying(one.name):
            one.new("ask", stage.program("ask", f"{one.name}-ask"))
            servers.append((one, stage.actor(f"{one.name}-ask")))
    times: dict[str, list[float]] = {}
    rounds = stage.numbers(5, 20)
    for number in range(rounds):
        stage.say(f"{number}/{rounds}")
        for one, actor in servers:
            if stage.takes_part(one.name):
                with stage.trying(one.name):
                    actor.order(count=COUNT)
                    took = actor.said(timeout=10.0)["times"]
                    times.setdefault(one.name, []).extend(took)
    for one, actor in servers:
        actor.close()
        with stage.trying(one.name):
            one.stop()
    counts = {name: len(got) for name, got in times.items()}
    half, tail = ({name: percentile(got, part) for name, got in times.items()} for part in (0.5, 0.95))
    return [
        Line("answers", "nobody attached, p50", "ms", half, samples=counts),
        below("answers", "nobody attached, p95", "ms", tail, LATE),
    ]
