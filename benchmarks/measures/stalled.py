"""A client that is attached and never reads, while its session prints: who else notices?

Neither the program (its output goes on as that of a session with nobody attached), nor the server (its memory stays
flat), nor the user of another session (the echo comes as before) should.
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
    bytes: int = 0
    seconds: float = 0.0
    echo: list[float] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.bytes / 1e6 / self.seconds if self.seconds else 0.0


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Let two sessions print in turns: one with a client that does not read, one with nobody attached."""
    free: dict[str, _Seen] = {}
    stuck: dict[str, _Seen] = {}
    for one in (one.another("stalled") for one in contenders if one.detaches):
        with stage.trying(one.name):
            one.new("echo", stage.program("echo", f"{one.name}-typist"))
            stage.actor(f"{one.name}-typist").close()
            typist = one.attach("echo")
            typist.quiet(0.5)
            printers = []
            for name in ("free", "stuck"):
                one.new(name, stage.program("produce", f"{one.name}-{name}"))
                printers.append(actor := stage.actor(f"{one.name}-{name}"))
                _watch(one, _Seen(), actor, typist, stage.numbers(2, 5))  # scrollbacks fill, arenas grow
            stalled = one.attach("stuck")
            sleep(0.5)
            without, with_it = free.setdefault(one.name, _Seen()), stuck.setdefault(one.name, _Seen())
            slices = stage.numbers(5, 12) if one.name == "agentmux" else stage.numbers(2, 4)
            for number in range(slices):
                stage.say(f"{one.name} {number}/{slices}")
                _watch(one, with_it, printers[1], typist, stage.numbers(2, 5))
                _watch(one, without, printers[0], typist, stage.numbers(2, 3))
                if len(with_it.memory) > 1 and with_it.memory[-1][1] - with_it.memory[0][1] > TOO_MUCH:
                    break
            for actor in printers:
                actor.close()
            stalled.close()
            typist.close()
            one.stop()
    both = [name for name in free if free[name].seconds and stuck[name].seconds]
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
        Line("stalled", "echo elsewhere without, p50", "ms", before),
        Line(
            "stalled",
            "echo elsewhere, p50",
            "ms",
            after,
            "<= 1.25 x without + 0.5 ms",
            after[us] <= 1.25 * before[us] + 0.5 if ours else None,
        ),
        Line("stalled", "echo elsewhere without, p99", "ms", worst_before),
        Line(
            "stalled",
            "echo elsewhere, p99",
            "ms",
            worst,
            "<= 1.5 x without + 2 ms",
            worst[us] <= 1.5 * worst_before[us] + 2 if ours else None,
        ),
    ]


def _second_half(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return points[len(points) // 2 :]


def _watch(one: Contender, seen: _Seen, actor: Actor, typist: Terminal, seconds: int) -> None:
    """Have the program print for ``seconds``; meanwhile type elsewhere and look at the server's memory."""
    pids = one.pids()
    before = seen.seconds
    actor.order(kind="ascii", seconds=seconds)
    start = due = monotonic()
    while not select.select([actor], [], [], 0)[0]:
        now = monotonic()
        if now >= due:
            due = now + 0.25
            seen.memory.append((before + now - start, resident(pids)))
            if now - start > seconds + 5 or seen.memory[-1][1] - seen.memory[0][1] > TOO_MUCH:
                actor.signal(signal.SIGUSR1)
        try:
            seen.echo += type_keys(typist, 1)
        except Problem:
            seen.echo.append(5000.0)
            typist.quiet()
    done, took = actor.answer()
    seen.bytes += done
    seen.seconds += took
