"""Processes are stopped, all of them as when a machine sleeps, or ended as at a log-out."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from programs import Counters, insist_on_new_lines, keeper_pid, server_pid
from world import World, wait_until


def test_sessions_go_on_while_the_keeper_is_stopped(world: World) -> None:
    """Without the keeper programs print, are typed into and watched; what needs it is done when it goes on."""
    counters = Counters(world)
    counters.start("steady", 0.01)
    world.new("typed", "cat")
    client = world.attach("typed")
    keeper = keeper_pid(world)
    os.kill(keeper, signal.SIGSTOP)
    client.type("without a keeper\r")
    client.shows("without a keeper")
    starting = world.start("new", "-d", "-s", "late", "--", "cat")
    world.run("send", "-t", "typed", "and sent").ok()
    client.shows("and sent")
    assert world.info("steady")["not_recorded"] is None
    os.kill(keeper, signal.SIGCONT)
    ran = world.ended(starting)
    assert (ran.status, ran.err) == (0, "")
    assert "late" in world.names()
    assert keeper_pid(world) == keeper
    counters.check()


def test_a_program_that_stops_itself_or_is_stopped_goes_on(world: World) -> None:
    """Nobody could say ``fg`` to it: a program that gets SIGSTOP or SIGTSTP in a session goes on at once."""
    counters = Counters(world)
    counters.start("steady", 0.01)
    world.shows("steady", "line")
    client = world.attach("steady")
    for number in (signal.SIGSTOP, signal.SIGTSTP):
        shown = insist_on_new_lines(client, 1, time.monotonic())
        os.kill(world.info("steady")["pid"], number)
        assert shown >= 0
        insist_on_new_lines(client, 1, time.monotonic())
    counters.check()


@pytest.mark.parametrize("seconds", [3, pytest.param(45, marks=pytest.mark.prove)], ids=["3-s", "45-s"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_machine_that_sleeps_loses_nothing(world: World, seconds: int, order: int) -> None:
    """All processes stop and go on in any order: same keeper, same programs, all output, and the client still shows."""
    counters = Counters(world)
    counters.start("steady", 0.01)
    counters.start("slow", 0.1)
    client = world.attach("steady")
    insist_on_new_lines(client, 1, time.monotonic())
    keeper, pids = keeper_pid(world), {name: world.info(name)["pid"] for name in ("steady", "slow")}
    everybody = list(world.pids())
    shuffled = random.Random(order)
    shuffled.shuffle(everybody)
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > until, seconds=seconds + 5, what="end of the sleep")
    shuffled.shuffle(everybody)
    for pid in everybody:
        os.kill(pid, signal.SIGCONT)
    insist_on_new_lines(client, 1, time.monotonic())
    assert sorted(world.names()) == ["slow", "steady"]
    assert {name: world.info(name)["pid"] for name in pids} == pids
    assert keeper_pid(world) == keeper
    assert "the keeper died" not in world.log
    counters.check()


def test_a_terminal_that_hangs_up_takes_no_session_along(world: World) -> None:
    """The shell's end, and SIGHUP to all that it started, leaves keeper, server and sessions, and frees the viewer."""
    shell = world.terminal(argv=["sh", "-i"])
    shell.shows("$")
    shell.type("agentmux new -s api -- cat\r")
    shell.attached()
    shell.type("typed\r")
    world.shows("api", "typed")
    shell.hang_up()
    wait_until(lambda: world.info("api")["attached"] == 0, what="end of the viewer")
    assert world.info("api")["state"] == "running"
    assert world.screen("api")[0] == "typed"


@pytest.mark.parametrize("rounds", [1, pytest.param(12, marks=pytest.mark.prove)], ids=["once", "twelve-times"])
@pytest.mark.parametrize("kindly", [True, False], ids=["TERM-first", "KILL"])
def test_a_log_out_that_ends_everything_leaves_sessions_to_restart(world: World, rounds: int, kindly: bool) -> None:
    """Where the system ends all processes at once, output is kept, records say so, and each session starts again."""
    world.new("api", "sh", "-c", "echo begun; exec cat")
    world.shows("api", "begun")
    for number in range(rounds):
        world.run("send", "-t", "api", f"round {number}").ok()
        world.shows("api", f"round {number}")
        everybody = list(world.pids())
        random.Random(number).shuffle(everybody)
        for pid in everybody if kindly else ():
            os.kill(pid, signal.SIGTERM)
        while left := world.pids():  # whoever finds the other gone has begun another
            world.kill_all(left)
        row = world.run("ls", "-a", "--json").ok().json[0]
        assert row["state"] in ("lost", "exited")
        assert world.run("log", "-t", "api").ok().out.count(f"round {number}") == 2
        world.run("restart", "-t", "api").ok()
        wait_until(lambda: world.run("log", "-t", "api").out.count("begun") == number + 2, what="new beginning")  # noqa: B023
    assert {row["what"]: row["ok"] for row in world.run("doctor", "--json").json}["memory"]


def test_an_attached_client_that_is_stopped_costs_the_server_no_memory(world: World) -> None:
    """Whatever is printed meanwhile, the server keeps a bounded backlog for it, and the program is not slowed."""
    world.python(
        "flood", "import sys\nfor n in range(400000): print('line', n, '.' * 60)\nprint('done')\nsys.stdin.read()"
    )
    client = world.attach("flood")
    os.kill(client.process.pid, signal.SIGSTOP)
    pid = server_pid(world)
    with open(f"/proc/{pid}/statm") as file:
        before = int(file.read().split()[1])
    world.shows("flood", "done", seconds=60)
    with open(f"/proc/{pid}/statm") as file:
        assert (int(file.read().split()[1]) - before) * os.sysconf("SC_PAGE_SIZE") < 48 << 20
    os.kill(client.process.pid, signal.SIGCONT)
    client.shows("done")
