"""A client that is attached and never reads, while its session prints: who else notices?

Neither the program (its output goes on as with nobody attached), nor the server (its memory stays flat), nor the
user of another session (the echo comes as before) should.
"""

from __future__ import annotations

import select
import signal
from dataclasses import dataclass, field
from time import monotonic, sleep

from ..contenders import Contender
from ..table import Line
from ..tools import Actor, Problem, Stage, Terminal, percentile, resident, slope
from .echo import type_keys

TOO_MUCH = 400.0
"""Megabytes of growth at which a server's measurement ends, before it takes the machine."""

HINDERED = 0.85
"""Of the rate with nobody attached, what a stalled client must leave."""

FLAT = 2.0
"""Megabytes a minute of growth that pass for none: a page here and there."""


@dataclass(slots=True)
class _Seen:
    rate: float = 0.0
    echo: list[float] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Print with nobody attached, then with a client that does not read."""
    free: dict[str, _Seen] = {}
    stuck: dict[str, _Seen] = {}
    for one in (one.another("stalled") for one in contenders if one.detaches):
        with stage.trying(one.name):
            one.new("echo", stage.program("echo", f"{one.name}-typist"))
            stage.actor(f"{one.name}-typist").close()
            typist = one.attach("echo")
            typist.quiet(0.5)
            one.new("print", stage.program("produce", f"{one.name}-printer"))
            actor = stage.actor(f"{one.name}-printer")
            stage.say(f"{one.name}: nobody attached")
            _watch(one, actor, typist, stage.numbers(2, 10))  # buffers fill, arenas grow
            free[one.name] = _watch(one, actor, typist, stage.numbers(4, 20))
            stalled = one.attach("print")
            sleep(0.5)
            stage.say(f"{one.name}: a stalled client")
            stuck[one.name] = _watch(one, actor, typist, stage.numbers(10, 60))
            actor.close()
            stalled.close()
            typist.close()
            one.stop()
    both = [name for name in free if name in stuck]
    share = {name: stuck[name].rate / free[name].rate for name in both if free[name].rate}
    growth = {name: slope(_second_half(stuck[name].memory)) * 60 for name in both}
    before = {name: percentile(free[name].echo, 0.5) for name in both if free[name].echo}
    after = {name: percentile(stuck[name].echo, 0.5) for name in both if stuck[name].echo}
    worst_before = {name: percentile(free[name].echo, 0.99) for name in both if free[name].echo}
    worst = {name: percentile(stuck[name].echo, 0.99) for name in both if stuck[name].echo}
    us = "agentmux"
    ours = us in both
    return [
        Line("stalled", "output, nobody attached", "MB/s", {name: free[name].rate for name in both}),
        Line(
            "stalled",
            "output with a stalled client, of that",
            "ratio",
            share,
            f">= {HINDERED:g}",
            share[us] >= HINDERED if ours else None,
        ),
        Line(
            "stalled",
            "growth of the server",
            "MB/min",
            growth,
            f"<= {FLAT:g} MB/min",
            growth[us] <= FLAT if ours else None,
        ),
        Line("stalled", "echo elsewhere before, p50", "ms", before),
        Line(
            "stalled",
            "echo elsewhere, p50",
            "ms",
            after,
            "<= 1.25 x before + 0.5 ms",
            after[us] <= 1.25 * before[us] + 0.5 if ours else None,
        ),
        Line("stalled", "echo elsewhere before, p99", "ms", worst_before),
        Line(
            "stalled",
            "echo elsewhere, p99",
            "ms",
            worst,
            "<= 1.5 x before + 2 ms",
            worst[us] <= 1.5 * worst_before[us] + 2 if ours else None,
        ),
    ]


def _second_half(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return points[len(points) // 2 :]


def _watch(one: Contender, actor: Actor, typist: Terminal, seconds: int) -> _Seen:
    """Have the program print for ``seconds``; meanwhile type elsewhere and look at the server's memory."""
    seen = _Seen()
    pids = one.pids()
    actor.order(kind="ascii", seconds=seconds)
    start = monotonic()
    at_first = resident(pids)
    due = start
    while not select.select([actor], [], [], 0)[0]:
        now = monotonic()
        if now >= due:
            due = now + 0.25
            seen.memory.append((now - start, resident(pids)))
            if seen.memory[-1][1] - at_first > TOO_MUCH or now - start > seconds + 5:
                actor.signal(signal.SIGUSR1)
        try:
            seen.echo += type_keys(typist, 1)
        except Problem:
            seen.echo.append(5000.0)
            typist.quiet()
    done, took = actor.answer()
    seen.rate = done / 1e6 / took
    return seen
