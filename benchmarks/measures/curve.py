"""What a server costs as its sessions get more: memory, CPU idle and busy, a list, an echo; tmux beside it, in turns.

Each server has 1, then 10, 100 and 300 sessions. They hold what an agent's screen holds; a tenth of them, one at least,
paints ten times a second where "a tenth works".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from time import monotonic, sleep

from ..contenders import Agentmux, Contender, Tmux
from ..table import Line, against
from ..tools import Actor, Stage, Terminal, busy, memory, percentile, rotated, run_timed
from .echo import type_keys

STEPS = (1, 10, 100, 300)
QUICK = (1, 10, 50)

REST = 3.0
"""Seconds after the last start until nothing of it is left to do."""

ROUNDS = 3

AT_WORK = 100
"""Sessions from which on the work of a tenth of them is more than what a server does anyhow."""


@dataclass(slots=True)
class _Server:
    """One contender's server, and what was found at one number of sessions."""

    one: Contender
    typist: Terminal
    before: tuple[int, float]
    """How many sessions there were at the last step, and the private memory in KiB: at first only the typist's."""
    actors: list[Actor] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)
    idle: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    lists: list[float] = field(default_factory=list)
    echoes: list[float] = field(default_factory=list)


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Start more and more."""
    servers: list[_Server] = []
    for one in (one.another("curve") for one in contenders if isinstance(one, Agentmux | Tmux)):
        with stage.trying(one.name):
            one.new("typist", stage.program("echo", f"{one.name}-typist"))
            stage.actor(f"{one.name}-typist").close()
            typist = one.attach("typist")
            typist.quiet(0.5)
            type_keys(typist, 50)
            sleep(1.0)
            servers.append(_Server(one, typist, (0, memory(one.pids())[2])))
    lines: list[Line] = []
    for count in QUICK if stage.numbers.quick else STEPS:
        for server in servers:
            with stage.trying(server.one.name):
                _grow(stage, server, count)
        sleep(REST)
        seconds = stage.numbers(2, 3)
        for number in range(ROUNDS):
            for server in rotated(servers, number):
                if stage.takes_part(server.one.name):
                    stage.say(f"{count} sessions, {number}/{ROUNDS} {server.one.name}")
                    with stage.trying(server.one.name):
                        _look(stage, server, seconds)
        lines += _lines(count, [server for server in servers if stage.takes_part(server.one.name)])
    for server in servers:
        server.typist.close()
        for actor in server.actors:
            actor.close()
        with stage.trying(server.one.name):
            server.one.stop()
    return lines


def _grow(stage: Stage, server: _Server, count: int) -> None:
    for number in range(len(server.actors), count):
        stage.say(f"{server.one.name} {number}/{count}")
        name = f"{server.one.name}-curve{number}"
        server.one.new(f"s{number}", stage.program("agent", name))
        server.actors.append(stage.actor(name))
    server.pids = server.one.pids()
    server.idle, server.busy, server.lists, server.echoes = [], [], [], []


def _look(stage: Stage, server: _Server, seconds: int) -> None:
    """Watch it idle, list, let a tenth work, and type meanwhile."""
    server.idle.append(busy(server.pids, seconds))
    server.lists += [run_timed(server.one.list_argv(), server.one.env)[0] * 1000 for _ in range(stage.numbers(5, 10))]
    working = server.actors[: max(1, len(server.actors) // 10)]
    for actor in working:
        actor.order(seconds=2 * seconds)
    sleep(0.3)
    server.busy.append(busy(server.pids, seconds))
    until = monotonic() + seconds * 0.6
    type_keys(server.typist, 10)
    while monotonic() < until:
        server.echoes += type_keys(server.typist, 10)
    for actor in working:
        actor.answer()


def _lines(count: int, servers: list[_Server]) -> list[Line]:
    def values(figure: str) -> dict[str, float]:
        return {server.one.name: median(getattr(server, figure)) for server in servers}

    def part(share: float) -> dict[str, float]:
        return {server.one.name: percentile(server.echoes, share) for server in servers}

    each = {}
    for server in servers:
        last, held = server.before
        server.before = count, memory(server.pids)[2]
        each[server.one.name] = (server.before[1] - held) / (count - last)
    working = f"{count} sessions, CPU, a tenth works"
    used = "% of a core", values("busy")
    title = f"{count} sessions"
    samples = {server.one.name: len(server.echoes) for server in servers}
    return [
        Line("curve", f"{title}, memory of each added", "KiB", each),
        Line("curve", f"{title}, CPU, none works", "% of a core", values("idle")),
        against("curve", working, *used) if count >= AT_WORK else Line("curve", working, *used),
        Line("curve", f"{title}, ls", "ms", values("lists")),
        Line("curve", f"{title}, echo p50", "ms", part(0.5), samples=samples),
        against("curve", f"{title}, echo p95", "ms", part(0.95), factor=2, samples=samples),
    ]
