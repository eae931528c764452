"""Whatever is killed and wherever a file ends, what was recorded is all there, once."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from typing import Any

import pytest
from programs import Counters, insist_on_every_line, server_pid
from terminal import signal_and_wait
from world import World, wait_until

from agentmux.store.journal import SEGMENT

MOMENTS = 0.15
"""Seconds in which a session of a round starts, prints, ends and is put away: a kill comes at any time of it."""

BURST = """
import os, sys
first, count = int(sys.argv[1]), int(sys.argv[2])
lines = [b"line %d\\x1b[0;3%dm\\n" % (n, n % 8) for n in range(first, first + count)]
out = open(1, "wb", 1 << 16, closefd=False)
out.writelines(lines)
out.write(b"\\x1b[1;3Hdone")
"""
"""Print so many coloured lines with numbers that nobody else prints, and end."""

PAINT = """
import os, random, sys, time
end, count = sys.argv[1], int(sys.argv[2])
dice, n = random.Random(5), 0
while n < count if count else not os.path.exists(end):
    n += 1
    place, colour, style = (dice.randint(1, 20), dice.randint(1, 70)), dice.randint(0, 7), dice.choice((1, 3, 4, 7, 9))
    os.write(1, b"\\x1b[%d;%dH\\x1b[%d;3%dm<%d>\\x1b[m" % (*place, style, colour, n))
    if not count: time.sleep(0.005)
if not count:
    with open(f"{end}.painted", "w") as file: file.write(str(n))
"""
"""Draw styled cells anywhere: so many at once, or one after the other until a file appears; then say how many."""


@dataclass(frozen=True)
class Burst:
    """A session of one round."""

    name: str
    first: int
    count: int

    def start(self, world: World, name: str = "") -> int:
        """Start it, perhaps under another name; return its id."""
        return world.python(name or self.name, BURST, str(self.first), str(self.count))

    @property
    def output(self) -> bytes:
        """What it prints, as a terminal gets it."""
        numbers = range(self.first, self.first + self.count)
        return b"".join(b"line %d\x1b[0;3%dm\r\n" % (n, n % 8) for n in numbers) + b"\x1b[1;3Hdone"


def shown(world: World, name: str) -> dict[str, Any]:
    """Return the styled screen of a session, and where its cursor is."""
    return dict(world.run("capture", "-t", name, "--escapes", "--json").ok().json)


def exported(world: World, name: str) -> bytes:
    """Return what is recorded of a session."""
    return world.run("export", "-t", name, "--format", "raw").ok().raw


def folder_of(world: World, session: int) -> str:
    """Return the folder of a session's journal."""
    return os.path.join(world.data, "sessions", str(session))


def segments(world: World, session: int) -> dict[str, int]:
    """Return the names and sizes of a session's segments that are not put away."""
    found = {}
    folder = folder_of(world, session)
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if name.endswith(".raw"):
            try:
                found[name] = os.stat(f"{folder}/{name}").st_size
            except FileNotFoundError:
                continue
    return found


def insist_on_a_sound_store(world: World) -> None:
    """Insist that gc can do its work, and that doctor finds all that is remembered whole."""
    world.run("gc").ok()
    [memory] = [line for line in world.run("doctor").lines if "  memory: " in line]
    assert memory.startswith("ok  ") and " 0 blobs" not in memory, memory


@pytest.mark.parametrize(
    "rounds", [pytest.param(3, id="three"), pytest.param(200, id="two hundred", marks=pytest.mark.prove)]
)
def test_a_server_killed_at_any_moment_loses_nothing_that_it_recorded(world: World, rounds: int) -> None:
    dice = random.Random(rounds)
    counters = Counters(world)
    counters.start("steady", 0.01)
    counters.start("flood", 0.01, lines=100)
    world.python("painter", PAINT, counters.end, "0")
    bursts: dict[int, Burst] = {}
    number = 1
    for turn in range(rounds):
        over_the_edge = turn % 50 == 1
        count = SEGMENT // 15 if over_the_edge else dice.choice((1, 100, 2000, 8000))
        burst = Burst(f"burst-{turn}", number, count)
        number += count
        session = burst.start(world)
        bursts[session] = burst
        if over_the_edge:
            close = SEGMENT - dice.randrange(1 << 18)
            wait_until(
                lambda session=session, close=close: sum(segments(world, session).values()) > close,
                what="a segment that is almost full",
            )
        elif dice.random() < 0.4:
            world.exited(burst.name)  # what it printed is about to be put away
        pid = server_pid(world)
        time.sleep(dice.random() * (0.01 if over_the_edge else MOMENTS))
        signal_and_wait(pid)
        if dice.random() < 0.2:
            pid = server_pid(world)
            time.sleep(dice.random() * MOMENTS)
            signal_and_wait(pid)  # and the next one, while it takes over
    for burst in bursts.values():
        assert world.exited(burst.name) == 0
    counts = counters.check()
    assert world.exited("painter") == 0
    if rounds > 20:  # else it is not worth the time until a server looks for what others left
        wait_until(
            lambda: not any(sum(segments(world, session).values()) for session in bursts),
            seconds=300,
            what=lambda: f"end of {[(session, left) for session in bursts if (left := segments(world, session))]}",
        )
    for name, count in counts.items():
        insist_on_every_line(exported(world, name), count)
        rows = world.screen(name)
        assert rows == [f"line {n}" for n in range(count - len(rows) + 1, count + 1)] and len(rows) > 20
    with open(f"{counters.end}.painted") as file:
        painted = file.read()
    world.python("calm", PAINT, counters.end, painted)
    assert world.exited("calm") == 0
    assert exported(world, "painter") == exported(world, "calm")
    assert shown(world, "painter") == shown(world, "calm")
    for burst in bursts.values():
        burst.start(world, f"{burst.name}-calm")
        assert world.exited(f"{burst.name}-calm") == 0
        for name in (burst.name, f"{burst.name}-calm"):
            assert exported(world, name) == burst.output, name
        assert shown(world, burst.name) == shown(world, f"{burst.name}-calm"), burst
    insist_on_a_sound_store(world)
