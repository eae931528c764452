"""How fast a program gets its output out, as it sees it itself, with nobody attached and with somebody.

Also what recording costs: the same output in turns from a session that is recorded and from one that is not.
"""

from __future__ import annotations

from statistics import median
from time import monotonic, perf_counter

from ..contenders import Agentmux, Contender
from ..programs import END
from ..table import Line, against
from ..tools import Actor, Problem, Stage, Terminal, rotated, run_timed

KINDS = {"ascii": "plain lines", "rgb": "RGB colours", "ink": "Ink-like frames", "cjk": "CJK"}
LONGEST = 60.0
"""Seconds for one order."""

RECORDED = 0.9
"""Of the rate without recording, what a recorded session should have."""

WARM_UP = 16 << 20
"""Bytes that nobody counts, after which every scrollback is full."""


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Order output of every kind from a program in each contender's session, in turns."""
    servers = [one.another("throughput") for one in contenders]
    actors: dict[str, Actor] = {}
    terminals: dict[str, Terminal] = {}
    for one in servers:
        with stage.trying(one.name):
            one.new("produce", stage.program("produce", f"{one.name}-produce"))
            actors[one.name] = stage.actor(f"{one.name}-produce")
            if one.detaches:
                stage.say(f"warming up {one.name}")
                actors[one.name].order(kind="ascii", bytes=WARM_UP)
                actors[one.name].answer(LONGEST)
    lines: list[Line] = []
    for one in servers:
        if isinstance(one, Agentmux) and one.name in actors:
            with stage.trying(one.name):
                lines += _recording(stage, one, actors[one.name])
    for attached in (False, True):
        if attached:
            for one in servers:
                with stage.trying(one.name):
                    terminals[one.name] = one.attach("produce")
                    terminals[one.name].quiet()
        for kind, title in KINDS.items():
            lines += _measure(stage, servers, actors, terminals, kind, title, attached=attached)
    for terminal in terminals.values():
        terminal.close()
    for one in servers:
        with stage.trying(one.name):
            one.stop()
    for actor in actors.values():
        actor.close()
    return lines


def _recording(stage: Stage, ours: Agentmux, recorded: Actor) -> list[Line]:
    other = ours.another("unrecorded")  # on the same server it would wait while the other's output is indexed
    run_timed(other.unrecorded_argv("produce", stage.program("produce", "unrecorded")), other.env)
    unrecorded = stage.actor("unrecorded")
    unrecorded.order(kind="ascii", bytes=WARM_UP)
    unrecorded.answer(LONGEST)
    lines: list[Line] = []
    rounds = stage.numbers(5, 15)
    size = stage.numbers(4, 16) << 20
    for kind in ("ascii", "ink"):
        ratios: list[float] = []
        for number in range(1, rounds + 1):
            stage.say(f"{KINDS[kind]} recorded and not {number}/{rounds}")
            rates: dict[Actor, float] = {}
            for actor in (recorded, unrecorded) if number % 2 else (unrecorded, recorded):
                actor.order(kind=kind, bytes=size)
                done, took = actor.answer(LONGEST)
                rates[actor] = done / took
            ratios.append(rates[recorded] / rates[unrecorded])
        ratio = median(ratios)
        name = f"{KINDS[kind]}, detached, recorded / not"
        samples = {ours.name: len(ratios)}
        lines.append(Line("throughput", name, "", {ours.name: ratio}, f">= {RECORDED:g}", ratio >= RECORDED, samples))
    other.stop()
    unrecorded.close()
    return lines


def _measure(
    stage: Stage,
    servers: list[Contender],
    actors: dict[str, Actor],
    terminals: dict[str, Terminal],
    kind: str,
    title: str,
    *,
    attached: bool,
) -> list[Line]:
    written: dict[str, list[float]] = {}
    seen: dict[str, list[float]] = {}
    rounds = stage.numbers(2, 5)
    for number in range(1, rounds + 1):
        for one in rotated(servers, number):
            if not stage.takes_part(one.name) or (not attached and not one.detaches):
                continue
            stage.say(f"{title} {'attached' if attached else 'detached'} {number}/{rounds} {one.name}")
            with stage.trying(one.name):
                actor = actors[one.name]
                size = stage.numbers(4, 16) << 20
                start = perf_counter()
                if attached:
                    actor.order(kind=kind, bytes=size, number=number)
                    _drain(terminals[one.name], END % number)
                    seen.setdefault(one.name, []).append(size / 1e6 / (perf_counter() - start))
                else:
                    actor.order(kind=kind, bytes=size)
                done, took = actor.answer(LONGEST)
                written.setdefault(one.name, []).append(done / 1e6 / took)
    how = "attached" if attached else "detached"
    values = {name: median(got) for name, got in written.items()}
    counts = {name: len(got) for name, got in written.items()}
    lines = [against("throughput", f"{title}, {how}", "MB/s", values, factor=2, least=True, samples=counts)]
    if attached:
        values = {name: median(got) for name, got in seen.items()}
        lines.append(Line("throughput", f"{title}, until the end is seen", "MB/s", values))
    return lines


def _drain(terminal: Terminal, end: bytes) -> None:
    """Read until ``end`` has come."""
    until = monotonic() + LONGEST
    tail = b""
    while end not in tail:
        if monotonic() > until:
            raise Problem(f"{end!r} did not appear within {LONGEST:g} s")
        tail = tail[-64:] + terminal.read(1.0)
