"""Whatever is killed and wherever a file ends, what was recorded is all there, once."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from dataclasses import dataclass
from typing import Any

import pytest
from programs import Counters, insist_on_every_line, keeper_pid, server_pid
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


HEARD = "echo ready; while read line; do echo heard $line; done"


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


def insist_on_a_sound_store(world: World, *, blobs: bool = True) -> None:
    """Insist that gc can do its work, and that doctor finds all that is remembered whole."""

    def memory() -> str:
        [line] = [line for line in world.run("doctor").lines if "  memory: " in line]
        assert line.startswith("ok  "), line
        return line

    world.run("gc").ok()
    wait_until(lambda: (" 0 blobs" in memory()) != blobs, seconds=60, what="blobs that doctor reads")


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
        over_the_edge = turn % 100 == 1
        count = SEGMENT // 16 if over_the_edge else dice.choice((1, 100, 2000, 8000))
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
    if rounds > 20:  # else it is not worth the time until a server has found what others left
        wait_until(
            lambda: not any(sum(segments(world, session).values()) for session in bursts),
            seconds=900,  # nothing is put away before it is indexed, and that takes a tenth of the time at most
            what=lambda: f"end of {[(session, left) for session in bursts if (left := segments(world, session))]}",
        )
        for burst in bursts.values():
            assert exported(world, burst.name) == burst.output, burst
    insist_on_a_sound_store(world)


def talk(world: World) -> list[dict[str, object]]:
    """Have a session that was told two things; return the messages of the first."""
    session = world.new("api", "sh", "-c", HEARD)
    world.shows("api", "ready")

    def messages() -> list[dict[str, object]]:
        return list(world.run("messages", "-t", "api", "--json").ok().json)

    for count, text in enumerate(("first", "second"), 1):
        world.run("send", "-t", "api", text).ok()
        wait_until(lambda count=count: len(messages()) == 2 * count, what="reply")
    wait_until(lambda: len(world.run("search", "second", "--json").json) == 3, what="prompt, reply and output found")
    assert len(segments(world, session)) == 1
    return messages()[:2]


def cut(path: str, count: int) -> None:
    """Cut that many bytes off a file."""
    os.truncate(path, os.path.getsize(path) - count)


OUTPUT = b"ready\r\nfirst\r\nheard first\r\nsecond\r\nheard second\r\n"


RAW, MARKS, LOG = f"sessions/1/{0:020d}.raw", f"sessions/1/{0:020d}.marks", "store.db-wal"


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param([(RAW, 14), (MARKS, 1), (LOG, 1)], id="one of each"),
        pytest.param(
            [(RAW, 1), (RAW, len(OUTPUT)), (MARKS, 10), (MARKS, 35), (LOG, 24), (LOG, 4119), (LOG, 4120)],
            id="more of each",
            marks=pytest.mark.prove,
        ),
    ],
)
def test_what_a_power_cut_took_is_told_of_and_all_before_it_is_there(world: World, cuts: list[tuple[str, int]]) -> None:
    """Whether the database's log was cut can't be known: it ends with the last change that is whole."""
    before = talk(world)
    world.kill_all(world.pids())
    saved = os.path.join(world.root, "saved")
    shutil.copytree(world.data, saved)
    for file, count in cuts:
        shutil.rmtree(os.path.dirname(world.socket))
        shutil.rmtree(world.data)
        shutil.copytree(saved, world.data)
        cut(os.path.join(world.data, file), count)
        output = OUTPUT[:-count] if file == RAW else OUTPUT
        assert world.run("ls", "-a", "-F", "{name} {state}").ok().lines == ["api lost"]
        assert exported(world, "api") == output
        assert world.screen("api") == output.decode().splitlines()
        assert world.run("messages", "-t", "api", "--json").ok().json[:2] == before
        assert {prompt["text"] for prompt in world.run("history", "--json").ok().json} == {"first", "second"}
        [told] = re.findall("ended damaged: (.*) lost", world.log) or [""]
        lost = len(OUTPUT) - len(output)
        assert told.startswith(f"{lost} bytes of output") if file != LOG else not told, (file, count, told)
        assert (file == MARKS) == bool(re.search(" [1-9]\\d* of marks", told)), (file, count, told)
        world.run("restart", "-t", "api").ok()
        world.run("send", "-t", "api", "third").ok()
        world.shows("api", "heard third")
        after = exported(world, "api")
        assert after.startswith(output) and after.endswith(b"ready\r\nthird\r\nheard third\r\n")
        insist_on_a_sound_store(world, blobs=False)
        world.kill_all(world.pids())


def test_a_session_runs_on_behind_output_that_was_lost(world: World) -> None:
    before = talk(world)
    keeper = keeper_pid(world)
    os.kill(keeper, signal.SIGSTOP)
    signal_and_wait(server_pid(world))
    cut(f"{folder_of(world, 1)}/{0:020d}.raw", 14)
    os.kill(keeper, signal.SIGCONT)
    world.run("send", "-t", "api", "third").ok()
    world.shows("api", "heard third")
    assert exported(world, "api") == OUTPUT[:-14] + b"third\r\nheard third\r\n"
    assert "'api': its recording ended damaged: 14 bytes of output" in world.log
    assert world.run("messages", "-t", "api", "--json").ok().json[:2] == before
