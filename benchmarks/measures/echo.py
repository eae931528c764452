"""From a key typed on an attached client's terminal until its echo is there; idle, and beside floods.

The contenders take turns in slices of a second or so, so that whatever else the machine does hits all of them.
Floods of those who are not being measured are stopped.
"""

from __future__ import annotations

import random
import signal
from time import sleep

from ..contenders import Contender
from ..table import Line, against
from ..tools import Actor, Stage, Terminal, percentile, rotated

KEYS = (b"x", b"z", b"q", b"w", b"j")
"""Bytes that no control sequence on the way contains."""

FLOODS = 4


def type_keys(terminal: Terminal, count: int) -> list[float]:
    """Return the milliseconds that each of ``count`` keys took."""
    times = []
    for n in range(count):
        times.append(terminal.echo(KEYS[n % len(KEYS)]) * 1000)
        sleep(random.uniform(0.002, 0.006))
    return times


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Type."""
    servers = [one.another("echo") for one in contenders]
    terminals: dict[str, Terminal] = {}
    for one in servers:
        with stage.trying(one.name):
            one.new("echo", stage.program("echo", f"{one.name}-echo"))
            stage.actor(f"{one.name}-echo").close()
            terminals[one.name] = one.attach("echo")
            terminals[one.name].quiet(0.5)
            type_keys(terminals[one.name], 10)
    idle = _slices(stage, terminals, {})
    floods: dict[str, list[Actor]] = {}
    for one in servers:
        if one.detaches and stage.takes_part(one.name):
            with stage.trying(one.name):
                for n in range(FLOODS):
                    one.new(f"flood{n}", stage.program("flood", f"{one.name}-flood{n}"))
                    floods.setdefault(one.name, []).append(actor := stage.actor(f"{one.name}-flood{n}"))
                    sleep(0.2)  # until it is ``yes``
                    actor.signal(signal.SIGSTOP)
    flooded = _slices(stage, {name: terminal for name, terminal in terminals.items() if name in floods}, floods)
    for actor in (actor for actors in floods.values() for actor in actors):
        actor.signal(signal.SIGCONT)
        actor.signal(signal.SIGKILL)
        actor.close()
    for terminal in terminals.values():
        terminal.close()
    for one in servers:
        with stage.trying(one.name):
            one.stop()
    half, tail = _parts(idle, 0.5), _parts(idle, 0.99)
    under, worst = _parts(flooded, 0.5), _parts(flooded, 0.99)
    calm = {name: len(got) for name, got in idle.items()}
    counts = {name: len(got) for name, got in flooded.items()}
    return [
        against("echo", "idle, p50", "ms", half, factor=3, samples=calm),
        against("echo", "idle, p99", "ms", tail, factor=3, samples=calm),
        against("echo", f"{FLOODS} floods, p50", "ms", under, samples=counts),
        against("echo", f"{FLOODS} floods, p99", "ms", worst, samples=counts),
    ]


def _parts(times: dict[str, list[float]], part: float) -> dict[str, float]:
    return {name: percentile(got, part) for name, got in times.items() if got}


def _slices(stage: Stage, terminals: dict[str, Terminal], floods: dict[str, list[Actor]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in terminals}
    slices = stage.numbers(5, 16)
    for number in range(slices):
        for name in rotated(list(terminals), number):
            stage.say(f"{'flooded' if floods else 'idle'} {number}/{slices} {name}")
            if not stage.takes_part(name):
                continue
            with stage.trying(name):
                for actor in floods.get(name, ()):
                    actor.signal(signal.SIGCONT)
                type_keys(terminals[name], 10)
                times[name] += type_keys(terminals[name], stage.numbers(60, 100))
            for actor in floods.get(name, ()):
                actor.signal(signal.SIGSTOP)
            if floods:
                sleep(0.3)  # until what was flooded is handled
    return times
