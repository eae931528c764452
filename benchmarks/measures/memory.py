"""What a session costs the server in memory, and what fifty that do nothing cost in CPU."""

from __future__ import annotations

import subprocess
from time import sleep

from ..contenders import Contender, Floor
from ..table import Line, against
from ..tools import Stage, cpu, memory

FIRST = 20
"""Sessions before the first look: they pay for what is loaded and allocated once."""

SESSIONS = 50

PRINTED = 20
"""Sessions of another server, each of which has printed LINES lines and so has a screen and a scrollback."""

ANCHORS = 3
"""Sessions of that server before its first look, which have printed as well."""

LINES = 1000

BASE = 7
"""Bare interpreters: what keeper and server may hold."""


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Look at the servers with twenty sessions, with fifty more, and then for a while."""
    servers = [one.another("memory") for one in contenders if one.detaches]
    before: dict[str, tuple[float, float, float]] = {}
    after: dict[str, tuple[float, float, float]] = {}
    pids: dict[str, set[int]] = {}
    for one in servers:
        with stage.trying(one.name):
            for n in range(FIRST):
                one.new(f"first{n}", ["cat"])
            before[one.name] = _settled(one)
            for n in range(SESSIONS):
                stage.say(f"{one.name} {n}/{SESSIONS}")
                one.new(f"s{n}", ["cat"])
            after[one.name] = _settled(one)
            pids[one.name] = one.pids()
    seconds = stage.numbers(5, 10)
    stage.say(f"watching for {seconds} s")
    sleep(2.0)  # what a burst of starts leaves to do
    start = {name: cpu(found) for name, found in pids.items()}
    sleep(seconds)
    ticks: dict[str, float] = {}
    used: dict[str, float] = {}
    for name, found in pids.items():
        end = cpu(found)
        ticks[name] = end[0] - start[name][0]
        used[name] = (end[1] - start[name][1]) / seconds
    for one in servers:
        with stage.trying(one.name):
            one.stop()
    printed = {}
    for one in (one.another("printed") for one in servers):
        with stage.trying(one.name):
            for n in range(ANCHORS):
                one.new(f"first{n}", _printing())
            empty = _settled(one)[2]
            for n in range(PRINTED):
                stage.say(f"{one.name} {n}/{PRINTED} that have printed")
                one.new(f"s{n}", _printing())
            printed[one.name] = (_settled(one)[2] - empty) / PRINTED
            one.stop()
    each = {name: (after[name][1] - before[name][1]) / SESSIONS for name in after}
    private = {name: (after[name][2] - before[name][2]) / SESSIONS for name in after}
    good = ticks["agentmux"] == 0 if "agentmux" in ticks else None
    rss = {name: found[0] / 1024 for name, found in before.items()}
    pss = {name: found[1] / 1024 for name, found in before.items()}
    rss |= {one.name: _bare(one) for one in contenders if isinstance(one, Floor)}
    return [
        against("memory", f"server with {FIRST} sessions, RSS", "MiB", rss, factor=BASE, of="floor"),
        Line("memory", f"server with {FIRST} sessions, PSS", "MiB", pss),
        against("memory", f"each of {SESSIONS} more", "KiB", private),
        Line("memory", f"each of {SESSIONS} more, PSS", "KiB", each),
        against("memory", f"each of {PRINTED} that printed {LINES} lines", "KiB", printed, factor=3),
        Line("memory", f"idle with {SESSIONS}, {seconds} s of CPU", "ticks", ticks, "0 ticks", good),
        Line("memory", f"idle with {SESSIONS}, CPU per second", "ms", used),
    ]


def _bare(floor: Floor) -> float:
    """Return the RSS in MiB of an interpreter that does nothing."""
    code = "print(flush=True); input()"
    with subprocess.Popen(
        [floor.program, "-I", "-c", code], env=floor.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = memory([process.pid])[0] / 1024
        process.communicate(b"\n")
    return found


def _printing() -> list[str]:
    return ["/bin/sh", "-c", f"seq -f 'line %g of what was said before' {LINES}; exec cat"]


def _settled(one: Contender) -> tuple[float, float, float]:
    """Return what its servers hold, once that has not changed for a second (5 s at most)."""
    found = memory(one.pids())
    for _ in range(5):
        sleep(1.0)
        last, found = found, memory(one.pids())
        if found[2] == last[2]:
            break
    return found
