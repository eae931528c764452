"""The bounds of what is recorded: a disk without room, what two sessions print alike, a day of a busy agent."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import sys
import time

import pytest
from disk import Disk
from programs import server_pid
from terminal import Terminal, signal_and_wait
from world import World, wait_until

# A disk that is full, or may not be written to

LINES = """
import sys
n = 0
print("ready", flush=True)
for order in sys.stdin:
    for n in range(n + 1, n + 1 + int(order)): print("line", n, "." * 60)
    print("that was", n, flush=True)
"""
"""Print so many numbered lines as are asked for."""

DOTS = "." * 60


def printed(world: World, terminal: Terminal, count: int, upto: int) -> None:
    """Have the session print more lines, up to ``upto``, and see them on an attached client."""
    world.run("send", "-t", "api", str(count)).ok()
    terminal.shows(f"that was {upto}")


def recorded_again(world: World) -> int:
    """Have the session print a line now and then until that is recorded; return the last line's number."""

    def again() -> bool:
        world.run("send", "-t", "api", "1").ok()
        return world.info("api")["not_recorded"] is None

    wait_until(again, what="recording")
    return max(int(number) for number in re.findall(r"that was (\d+)", world.run("capture", "-t", "api").out))


@pytest.mark.parametrize("log_too", [False, True], ids=["", "log-too"])
def test_a_full_disk_stops_the_recording_and_nothing_else(world: World, disk: Disk, log_too: bool) -> None:
    world.python("api", LINES)
    world.shows("api", "ready")
    client = world.attach("api")
    printed(world, client, 3, 3)
    before = world.run("log", "-t", "api").ok().raw
    if log_too:
        with open(f"{world.data}/server.log", "a") as file:
            file.write("\n" * (-file.tell() % 4096))
    disk.fill()
    printed(world, client, 20_000, 20_003)
    for upto in range(20_004, 20_010):  # each would fit somewhere
        printed(world, client, 1, upto)
    told = world.info("api")["not_recorded"]
    assert told.endswith("no space left on device")
    assert client.everything().count(b"session 'api' is not recorded") == 1, "a notification of the terminal"
    assert world.log.count("not recorded") == (0 if log_too else 1)
    world.run("new", "-d", "--", "cat").failed("no room on the disk", "free some space")
    at_stop = world.run("log", "-t", "api").ok().raw
    assert at_stop.startswith(before)

    disk.make_room()
    last = recorded_again(world)
    printed(world, client, 1000, last + 1000)
    assert world.log.count("not recorded") == (0 if log_too else 1)
    assert world.log.count("recorded again") == 1
    log = world.run("log", "-t", "api").ok().raw
    assert log.startswith(at_stop)
    numbers = [int(number) for number in re.findall(rb"^line (\d+) \.+\r$", log[len(at_stop) :], re.MULTILINE)]
    assert numbers[-1000:] == list(range(last + 1, last + 1001))
    assert world.run("export", "-t", "api", "--format", "raw").ok().raw == log
    text = world.run("export", "-t", "api", "--format", "text").ok().lines
    assert text[:2] == ["ready", "3"] and text[-2:] == [f"line {last + 1000} {DOTS}", f"that was {last + 1000}"]
    assert "recorded again" in world.run("export", "-t", "api").ok().out, "the gap is marked"
    screen = world.screen("api")
    signal_and_wait(server_pid(world), signal.SIGKILL)
    assert world.screen("api") == screen
    world.new("other", "cat")
    world.run("kill", "-t", "api").ok()
    assert world.info("api")["state"] == "exited"


def test_a_folder_that_becomes_read_only_stops_the_recording_and_nothing_else(world: World, disk: Disk) -> None:
    world.configure("journal-bytes = 16777216")
    world.python("api", LINES)
    world.shows("api", "ready")
    client = world.attach("api")
    printed(world, client, 3, 3)
    with disk.read_only("sessions"):
        printed(world, client, 130_000, 130_003)  # what is open may be written to, up to the segment's end
        assert world.info("api")["not_recorded"].endswith("read-only file system")
        log = world.run("log", "-t", "api").ok().raw
        assert len(log) <= 8 << 20
        assert world.log.count("not recorded") == 1
        world.run("new", "-d", "-s", "other", "--", "cat").failed("the journal")
        printed(world, client, 1, 130_004)
    last = recorded_again(world)
    printed(world, client, 10, last + 10)
    now = world.run("log", "-t", "api").ok().raw
    assert now.startswith(log)
    assert now.endswith(f"line {last + 10} {DOTS}\r\nthat was {last + 10}\r\n".encode())
    assert world.log.count("not recorded") == 1


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_a_server_on_a_read_only_folder_says_so_in_a_line(world: World, disk: Disk, used: bool) -> None:
    if used:
        world.new("api", "cat")
        world.run("kill-server").ok()
        wait_until(lambda: not world.pids(), what="end of the server")
    with disk.read_only():
        failed = world.run("new", "-d", "--", "cat").failed("cannot start the server: cannot open ", "its log is ")
        assert "read-only file system" in failed.err
        assert not world.pids()
    world.new("other", "cat")


def test_a_server_that_can_not_come_back_says_why_and_comes_when_it_can(world: World, disk: Disk) -> None:
    world.python("api", LINES)
    world.shows("api", "ready")
    with disk.read_only():
        signal_and_wait(server_pid(world), signal.SIGKILL)
        failed = world.run("ls").failed("can't open ", "check disk and rights")
        assert "read-only file system" in failed.err
    wait_until(lambda: world.run("ls").status == 0, what="server")
    assert world.names() == ["api"]
    world.run("send", "-t", "api", "3").ok()
    world.shows("api", "that was 3")


# What two sessions print alike

ALIKE = """
import hashlib, sys
left = int(sys.argv[1])
while left > 0:
    line = hashlib.sha256(b"%d" % left).hexdigest()
    print(line)
    left -= len(line) + 2
"""


def blobs(world: World) -> list[str]:
    """Return the files of blobs."""
    return [name for _, _, names in os.walk(f"{world.data}/blobs") for name in names]


def rows(world: World, table: str) -> int:
    """Return how many rows a table has."""
    with contextlib.closing(sqlite3.connect(f"file:{world.data}/store.db?mode=ro", uri=True)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.mark.parametrize("size", [1 << 18, pytest.param(5 << 20, marks=pytest.mark.prove)], ids=["256-KB", "5-MB"])
def test_what_two_sessions_print_alike_is_kept_once(world: World, size: int) -> None:
    for name in ("one", "two"):
        world.python(name, ALIKE, str(size))
    for name in ("one", "two"):
        assert world.exited(name) == 0
    exported = world.run("export", "-t", "one", "--format", "raw").ok().raw
    assert len(exported) >= size
    wait_until(lambda: rows(world, "segment") == 2, seconds=120, what="two segments put away")
    assert rows(world, "blob") == len(blobs(world)) == 1
    assert not [
        n for _, _, names in os.walk(f"{world.data}/sessions") for n in names if os.path.splitext(n)[1] == ".raw"
    ]
    world.run("forget", "-t", "one").ok()
    assert rows(world, "blob") == len(blobs(world)) == 1
    assert world.run("export", "-t", "two", "--format", "raw").ok().raw == exported
    world.run("forget", "-t", "two").ok()
    assert world.run("gc").ok().out == "removed 0 files, 0 B\n"
    assert rows(world, "blob") == len(blobs(world)) == 0


# A day of a busy agent

JOURNAL = 16 << 20
"""Bytes of raw output that the server may keep of a session here, the least that can be set."""

BUSY = """
import gzip, os, sys
recording, size, counter = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with gzip.open(recording) as file: day = file.read()
out = open(1, "wb", 1 << 16, closefd=False)
done = turn = 0
while done < size:
    turn += 1
    done += out.write(day.replace(b"hello", b"hello %d" % turn))
    out.flush()
    with open(counter + ".new", "w") as file: file.write(str(done))
    os.rename(counter + ".new", counter)
print("that was the day", flush=True)
sys.stdin.read()
"""
"""Print what a real agent did, over and over, with a word that is never the same."""


def stored(folder: str, *ends: str) -> int:
    """Return the bytes on disk of the files with such an end."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith(ends):
                with contextlib.suppress(FileNotFoundError):
                    total += os.stat(os.path.join(place, name)).st_blocks * 512
    return total


def memory(pid: int) -> int:
    """Return the bytes that a process has in memory."""
    with open(f"/proc/{pid}/status") as file:
        found = re.search(r"VmRSS:\s+(\d+) kB", file.read())
    assert found
    return int(found[1]) << 10


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("size", [60 << 20, pytest.param(1700 << 20, marks=pytest.mark.prove)], ids=["hour", "day"])
def test_a_day_of_a_busy_agent_stays_within_the_bounds(world: World, size: int) -> None:
    """24 hours at 10 frames of 2 KB a second are 1.7 GB, here as fast as they are taken."""
    world.configure(f"journal-bytes = {JOURNAL}\nstore-bytes = 1000000")
    recording = os.path.join(os.path.dirname(__file__), "..", "recordings", "gemini.raw.gz")
    counter = os.path.join(world.home, "counter")
    world.python("api", BUSY, recording, str(size), counter, options=["-x", "120", "-y", "40"])
    pid = server_pid(world)
    wait_until(lambda: os.path.exists(counter), what="output")
    early: list[int] = []
    late: list[int] = []
    done = 0
    while done < size:
        time.sleep(0.05)
        with open(counter) as file:
            done = int(file.read())
        journal, database = stored(f"{world.data}/sessions", ".raw"), stored(world.data, ".db", ".db-wal")
        assert journal <= JOURNAL + (1 << 16), f"{journal} bytes of raw output after {done}"
        assert stored(f"{world.data}/sessions", "") - journal < 4 << 20, f"marks and snapshots after {done}"
        assert database < 32 << 20, f"{database} bytes of database after {done}"
        if done > size // 10:
            (early if done < size // 5 else late).append(memory(pid))
    assert early and late
    world.shows("api", "that was the day")
    assert max(late) < max(early) + (6 << 20), (early, late[-10:])
    assert memory(pid) < 100 << 20
    assert server_pid(world) == pid
    log = world.run("log", "-t", "api").ok().raw
    assert len(log) <= JOURNAL and log.endswith(b"that was the day\r\n")
