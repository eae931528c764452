"""A client that does not read hinders nobody but itself."""

from __future__ import annotations

import os
import signal
import time

import pytest
from programs import server_pid
from terminal import signal_and_wait
from world import World, wait_until

FLOOD = """
import os, sys, time
end, count, began = sys.argv[1], 0, time.monotonic()
line = b"x" * 78 + b"\\n"
slowest = 0.0
while not os.path.exists(end):
    before = time.monotonic()
    os.write(1, line * 50)
    slowest = max(slowest, time.monotonic() - before)
    count += 50
    with open(end + ".count", "r+b" if os.path.exists(end + ".count") else "wb") as file:
        file.write(b"%012d %012.6f" % (count, slowest))
    time.sleep(0.001)
print("over", flush=True)
"""
"""Print some megabytes a second; note how many lines, and how long the slowest write took."""


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def counted(end: str) -> tuple[int, float]:
    try:
        with open(f"{end}.count") as file:
            count, slowest = file.read().split()
            return int(count), float(slowest)
    except (FileNotFoundError, ValueError):
        return 0, 0.0


@pytest.mark.parametrize("seconds", [pytest.param(8, id="8s"), pytest.param(60, id="60s", marks=pytest.mark.prove)])
def test_a_client_that_never_reads_hinders_neither_program_nor_server_nor_others(world: World, seconds: float) -> None:
    end = f"{world.home}/end"
    world.python("flood", FLOOD, end)
    world.new("other", "cat")
    stalled = world.terminal("attach", "-t", "flood", reading=False)
    wait_until(lambda: world.info("flood")["attached"] == 1, what="the stalled client")
    other = world.attach("other")
    pid = server_pid(world)
    wait_until(lambda: counted(end)[0] > 20_000, what="the flood to have filled every buffer")
    before, begin, lines = resident(pid), time.monotonic(), counted(end)[0]
    echoes = []
    number = 0
    while time.monotonic() - begin < seconds:
        number += 1
        typed = time.monotonic()
        other.type(f"echo {number}\r")
        other.shows(f"echo {number}")
        echoes.append(time.monotonic() - typed)
    took, (count, slowest) = time.monotonic() - begin, counted(end)
    after = resident(pid)
    rate = (count - lines) / took
    assert rate > 3_000, f"the program printed {rate:.0f} lines a second"
    assert slowest < 2, f"a write of the program took {slowest} s"
    # The first segment that is indexed and compressed takes 8 MiB once; a backlog would be 28 MiB after 8 s.
    assert after - before < 16 << 20, f"the server grew by {(after - before) >> 10} KiB"
    assert sorted(echoes)[len(echoes) // 2] < 0.1, sorted(echoes)
    assert max(echoes) < 2, max(echoes)
    open(end, "w").close()
    stalled.go_on_reading()  # one redraw is owed, and then its end
    assert stalled.ended() == 0
    assert "over" in stalled.text()
    assert "[exited 0]" in stalled.text()
    stalled.assert_as_before()
    assert world.exited("flood") == 0
    data = world.run("log", "-t", "flood").ok().raw
    assert data.count(b"\n") == counted(end)[0] + 1 or len(data) > 1 << 27


def test_a_client_that_was_stopped_shows_the_present_when_it_goes_on(world: World) -> None:
    world.new("api", "sh", "-c", "read x; seq 600000; exec cat")
    terminal = world.attach("api")
    terminal.stop_reading()
    world.run("send", "-t", "api", "x").ok()
    world.shows("api", "600000")
    terminal.go_on_reading()
    terminal.shows("600000")
    rows = [row for row in terminal.rows() if row]
    assert rows == [str(n) for n in range(600_000 - len(rows) + 1, 600_001)]
    assert len(terminal.everything()) < 3_000_000  # not all of the 4.7 MB: the middle was dropped
    terminal.type("typed\r")
    terminal.shows("typed")


def test_a_stalled_terminal_lets_its_client_be_killed_and_the_session_go_on(world: World) -> None:
    world.new("api", "sh", "-c", "exec seq 100000000")
    stalled = world.terminal("attach", "-t", "api", reading=False)
    wait_until(lambda: world.info("api")["attached"] == 1, what="the client")
    stalled.process.kill()
    stalled.process.wait()
    wait_until(lambda: world.info("api")["attached"] == 0, what="the end of the client")
    world.run("kill", "-t", "api").ok()


def test_a_reader_of_events_or_a_log_that_stalls_grows_nothing(world: World) -> None:
    world.new("api", "sh", "-c", "exec seq 100000000")
    following, events = world.start("log", "-f", "-t", "api"), world.start("events", "--json")
    pid = server_pid(world)
    wait_until(lambda: world.info("api")["recorded_bytes"] > 3_000_000, what="output")
    before, at = resident(pid), world.info("api")["recorded_bytes"]
    wait_until(lambda: world.info("api")["recorded_bytes"] > at + 20_000_000, seconds=60, what="more output")
    assert resident(pid) - before < 14 << 20
    for process in (following, events):
        process.kill()
    world.run("kill", "-t", "api").ok()


def test_a_stalled_client_is_no_obstacle_for_an_upgrade_or_a_crash(world: World) -> None:
    world.new("api", "sh", "-c", "exec seq 100000000")
    world.terminal("attach", "-t", "api", reading=False)
    wait_until(lambda: world.info("api")["attached"] == 1, what="the client")
    wait_until(lambda: world.info("api")["recorded_bytes"] > 3_000_000, what="output")
    world.run("server", "upgrade").ok()
    world.run("ls").ok()
    signal_and_wait(server_pid(world))
    assert world.names() == ["api"]
    world.run("kill", "-t", "api").ok()


def test_a_small_client_sees_the_last_words_too(world: World) -> None:
    world.new("api", "sh", "-c", "read x; echo last words; exit 3", options=["-x", "80", "-y", "24"])
    leader, small = world.attach("api"), world.attach("api", "-r", size=(40, 10))
    leader.type("x\r")
    for terminal in (leader, small):
        assert terminal.ended() == 0
        assert "last words" in terminal.text()
        assert "[exited 3]" in terminal.text()
        terminal.assert_as_before()


@pytest.mark.parametrize("way", ["detach", "SIGTERM"])
def test_a_terminal_that_takes_nothing_does_not_hold_its_client(world: World, way: str) -> None:
    world.new("api", "sh", "-c", "exec seq 100000000")
    terminal = world.terminal("attach", "-t", "api", reading=False).attached()
    wait_until(lambda: world.info("api")["recorded_bytes"] > 5_000_000, what="output")
    if way == "detach":
        terminal.type("\x02d")
    else:
        os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.process.wait(10) == (0 if way == "detach" else 128 + signal.SIGTERM)
    terminal.go_on_reading()
    terminal.shows("[detached from api]")
    terminal.assert_as_before()
    world.run("kill", "-t", "api").ok()
