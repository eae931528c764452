"""What it costs to know what sessions do, and how soon a change is seen.

The same programs, which paint what an agent paints, run under two servers: one has a profile for them, the other does
not know them. 20 of 100 work, or none. A change is timed from the order to make it until an event says so.
"""

from __future__ import annotations

import json
import os
import random
import select
from time import monotonic, sleep

from ..contenders import Agentmux, Contender, Floor
from ..table import Line, against, below
from ..tools import Actor, Problem, Stage, busy, percentile, run_timed

SESSIONS, WORKING = 100, 20

PROFILES = os.path.join(os.path.dirname(__file__), "..", "..", "mux", "agents")


def profile(agent: str, command: str) -> str:
    """Return a profile of a program of the benchmark's with an agent's signs."""
    with open(os.path.join(PROFILES, f"{agent}.toml"), encoding="utf-8") as file:
        signs = file.read().partition("[signs]")[2]
    return f'title = "Benchmark"\n[recognise]\ncommands = ["{command}"]\n[signs]{signs}'


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Let them work, then rest, then change."""
    used: dict[str, dict[str, float]] = {"working": {}, "quiet": {}}
    late: list[float] = []
    floors = [one for one in contenders if isinstance(one, Floor)]
    for one in contenders:
        if not isinstance(one, Agentmux):
            continue
        for server in ("unknown", "known"):
            with stage.trying(one.name):
                mine = one.another(f"status-{server}")
                mine.env["XDG_CONFIG_HOME"] = stage.folder(f"config-{server}")
                if server == "known":
                    folder = stage.folder(f"config-{server}/agentmux/agents")
                    with open(os.path.join(folder, "bench.toml"), "w") as file:
                        file.write(profile("claude", "programs"))  # what is painted is what it paints
                actors = []
                for n in range(SESSIONS):
                    stage.say(f"{server} {n}/{SESSIONS}")
                    mine.new(f"s{n}", stage.program("agent", f"{server}{n}"))
                    actors.append(stage.actor(f"{server}{n}"))
                sleep(5)  # until all rest
                seconds = stage.numbers(5, 20)
                used["quiet"][server] = _used(mine, seconds)
                for actor in actors[:WORKING]:
                    actor.order(seconds=seconds + 4)
                sleep(2)
                used["working"][server] = _used(mine, seconds)
                for actor in actors[:WORKING]:
                    actor.answer()
                if server == "known":
                    late = _lateness(mine, actors, stage.numbers(40, 200))
                for actor in actors:
                    actor.close()
                mine.stop()
    lines = []
    for what, limit in (("quiet", 0.1), ("working", 5.0)):
        if len(used[what]) == 2:
            cost = max(0.0, used[what]["known"] - used[what]["unknown"])
            name = f"{SESSIONS} sessions, {WORKING if what == 'working' else 0} work"
            lines.append(below("status", name, "% of a core", {"agentmux": cost}, limit))
    if late:
        samples = {"agentmux": len(late)}
        lines.append(Line("status", "change to event, p50", "ms", {"agentmux": percentile(late, 0.5)}, samples=samples))
        bare = [run_timed(one.bare_argv(), one.env)[0] * 1000 for one in floors for _ in late]
        values = {"agentmux": percentile(late, 0.95)} | {one.name: percentile(bare, 0.95) for one in floors}
        lines.append(against("status", "change to event, p95", "ms", values, factor=10, of="floor"))
    return lines


def _used(one: Contender, seconds: float) -> float:
    """Return what keeper and server use for some time, in percent of a core."""
    pids = one.pids()
    sleep(0.2)  # asking is over
    return busy(pids, seconds)


def _lateness(one: Agentmux, actors: list[Actor], count: int) -> list[float]:
    """Return the milliseconds from each of some changes until an event tells of it, while others work."""
    for actor in actors[1:WORKING]:
        actor.order(seconds=count * 0.6 + 10)
    sleep(1)
    process = one.reading("events", "--json", "-t", "s0")
    assert process.stdout is not None
    late = []
    try:
        os.set_blocking(process.stdout.fileno(), False)
        sleep(0.5)
        for number in range(count):
            began = monotonic()
            actors[0].order(state=("working", "idle")[number % 2])
            _until_status(process.stdout.fileno(), began + 5)
            late.append((monotonic() - began) * 1000)
            sleep(random.uniform(0.1, 0.6))
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
    return late


def _until_status(fd: int, deadline: float) -> None:
    data = b""
    while monotonic() < deadline:
        select.select([fd], [], [], deadline - monotonic())
        data += os.read(fd, 1 << 16)
        whole = data.split(b"\n")[:-1]
        if any(json.loads(line)["event"] == "status" for line in whole):
            return
    raise Problem("no event tells of a change")
