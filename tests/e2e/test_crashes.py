"""Whatever is killed, no session and no byte of it is lost."""

from __future__ import annotations

import os
import signal
import time

import pytest
from programs import Counters, consecutive, insist_on_new_lines, keeper_pid, server_pid
from terminal import signal_and_wait
from world import World, wait_until

WITHIN = 2.0
"""Seconds after which an attached client shows the right screen again, on a machine that is not overloaded."""

STILL = r"printf '\033[2J\033[Habove\033[5;3H\033[1;31mred\033[0m\033[7mreverse\033[m\033[10;20Hhere'; exec sleep 600"

rounds_of = pytest.mark.parametrize(
    "rounds", [pytest.param(3, id="three"), pytest.param(20, id="twenty", marks=pytest.mark.prove)]
)


def crash(world: World, rounds: int, *victims: str) -> None:
    counters = Counters(world)
    counters.start("steady", 0.01)
    counters.start("flood", 0)
    counters.start("slow", 0.1)
    world.new("still", "sh", "-c", STILL, options=["-x", "80", "-y", "24"])
    world.new("typed", "cat")
    world.shows("still", "here")
    pids = {name: world.info(name)["pid"] for name in ("steady", "flood", "slow", "still", "typed")}
    watching, still = world.attach("steady"), world.attach("still")
    insist_on_new_lines(watching, 1, time.monotonic())
    still.shows("here")
    picture = still.styled()
    took = []
    for number in range(rounds):
        victim = victims[number % len(victims)]
        pid = server_pid(world) if victim == "server" else keeper_pid(world)
        shown = consecutive(watching.rows())
        begin = time.monotonic()
        signal_and_wait(pid)
        meanwhile = [
            world.start("ls", "-q"),
            world.start("send", "-t", "typed", f"round {number}"),
            world.start("new", "-d", "-s", f"new-{number}", "--", "cat"),
        ]
        took.append(insist_on_new_lines(watching, shown, begin))
        for process in meanwhile:
            ran = world.ended(process)
            assert (ran.status, ran.err) == (0, ""), (number, ran)
        assert f"new-{number}" in world.names()
        wait_until(lambda: still.styled() == picture, what=lambda: f"the picture again in\n{still.text()}")
        assert world.run("has", "-t", "steady").status == 0
    assert sorted(took)[len(took) // 2] < WITHIN, took
    assert max(took) < 3 * WITHIN, took
    assert {name: world.info(name)["pid"] for name in pids} == pids
    world.shows("typed", f"round {rounds - 1}")
    typed = world.run("log", "-t", "typed").ok().raw
    assert typed == b"".join(b"round %d\r\n" % (n // 2) for n in range(2 * rounds))
    counters.check()
    assert watching.ended() == 0
    for pid in (server_pid(world), keeper_pid(world)):
        assert pid in world.pids()
    still.type("\x02d")
    assert still.ended() == 0
    still.assert_as_before()
    watching.assert_as_before()


@rounds_of
def test_a_server_that_is_killed_again_and_again_loses_nothing(world: World, rounds: int) -> None:
    crash(world, rounds, "server")


@rounds_of
def test_a_keeper_that_is_killed_again_and_again_loses_nothing(world: World, rounds: int) -> None:
    crash(world, rounds, "keeper")


@pytest.mark.prove
def test_server_and_keeper_killed_in_turn_lose_nothing(world: World) -> None:
    crash(world, 20, "server", "keeper")


def test_an_attached_client_says_that_the_server_went_and_goes_on_with_the_next(world: World) -> None:
    world.new("api", "sh", "-c", STILL)
    terminal = world.attach("api")
    terminal.shows("here")
    picture = terminal.styled()
    seen = len(terminal.everything())
    signal_and_wait(server_pid(world))
    wait_until(lambda: b"the server went away" in terminal.everything()[seen:], what="notice")
    wait_until(lambda: terminal.styled() == picture, what="the same picture as before")
    terminal.type("\x02d")
    assert terminal.ended() == 0
    terminal.assert_as_before()


def test_what_is_typed_right_after_the_crash_is_typed_or_refused_but_never_kills_the_client(world: World) -> None:
    world.new("api", "cat")
    terminal = world.attach("api")
    world.run("ls").ok()
    signal_and_wait(server_pid(world))
    terminal.type("lost or not\r")
    world.run("ls").ok()
    terminal.type("certainly\r")
    terminal.shows("certainly")
    terminal.type("\x02d")
    assert terminal.ended() == 0


def test_a_server_that_hangs_is_replaced_under_an_attached_client(world: World) -> None:
    world.new("api", "cat")
    terminal = world.attach("api")
    terminal.type("before\r")
    terminal.shows("before")
    pid = server_pid(world)
    os.kill(pid, signal.SIGSTOP)
    waiting = world.start("send", "-t", "api", "after")
    ran = world.ended(waiting)
    assert (ran.status, ran.err) == (0, "")
    assert server_pid(world) != pid
    terminal.shows("after")
    terminal.type("\x02d")
    assert terminal.ended() == 0


def test_a_hung_server_never_traps_the_user(world: World) -> None:
    world.new("api", "cat")
    terminal = world.attach("api")
    terminal.type("x\r")
    terminal.shows("x")
    pid = server_pid(world)
    os.kill(pid, signal.SIGSTOP)
    terminal.type("\x02d")
    assert terminal.ended(3) == 0
    terminal.assert_as_before()
    os.kill(pid, signal.SIGCONT)


def test_an_exit_while_the_server_is_down_is_reported_with_its_true_status(world: World) -> None:
    code = """
import os, signal
signal.signal(signal.SIGUSR1, lambda *_: (print("last words", flush=True), os._exit(42)))
print("ready", flush=True)
while True: signal.pause()
"""
    world.python("code", code)
    world.new("signal", "sleep", "600")
    world.shows("code", "ready")
    pids = [world.info(name)["pid"] for name in ("code", "signal")]
    server = server_pid(world)
    os.kill(server, signal.SIGSTOP)  # nobody else takes its place yet
    os.kill(pids[0], signal.SIGUSR1)
    os.kill(pids[1], signal.SIGSEGV)
    wait_until(lambda: not set(pids) & set(world.pids()), what="end of both programs")
    signal_and_wait(server)
    rows = {row["name"]: row for row in world.run("ls", "-a", "--json").ok().json}
    assert world.exited("code") == 42
    assert world.exited("signal") == -signal.SIGSEGV
    assert {row["id"] for row in rows.values()} == {1, 2}
    assert world.screen("code") == ["ready", "last words"]


def test_when_both_die_the_session_is_lost_and_can_be_restarted(world: World) -> None:
    world.new("api", "sh", "-c", "echo started; exec cat", options=["--label", "team=red"])
    world.shows("api", "started")
    world.new("done", "sh", "-c", "exit 3")
    assert world.exited("done") == 3
    pid = world.info("api")["pid"]
    keeper, server = keeper_pid(world), server_pid(world)
    os.kill(keeper, signal.SIGSTOP)
    signal_and_wait(server)
    signal_and_wait(keeper)
    wait_until(lambda: pid not in world.pids(), what="hang-up of the program")
    assert world.names() == []
    rows = {row["name"]: row for row in world.run("ls", "-a", "--json").ok().json}
    assert rows["api"]["state"] == "lost"
    assert rows["api"]["command"] == "sh -c 'echo started; exec cat'"
    assert rows["api"]["exit_status"] is None
    assert (rows["done"]["state"], rows["done"]["exit_status"]) == ("exited", 3)
    assert world.run("has", "-t", "api").status == 1
    assert world.run("wait", "-t", "api").status == 4
    world.run("attach", "-t", "api").failed("session 'api' is not running (lost)", "start it again with: agentmux")
    world.run("restart", "-t", "api").ok()
    assert world.info("api")["state"] == "running"
    assert world.info("api")["labels"] == {"team": "red"}
    world.shows("api", "started")
    assert world.run("log", "-t", "api").ok().out.count("started") == 2


def test_a_client_that_is_killed_leaves_the_session_and_the_other_client_alone(world: World) -> None:
    world.new("api", "cat")
    first, second = world.attach("api"), world.attach("api")
    for terminal in (first, second):
        terminal.type("x")
    second.shows("xx")
    first.process.kill()
    first.process.wait()
    second.type("y\r")
    second.shows("xxy")
    wait_until(lambda: world.info("api")["attached"] == 1, what="one client less")


def test_commands_that_wait_go_on_over_a_crash(world: World) -> None:
    world.new("api", "cat")
    waiting = [world.start("wait", "-t", "api", "--output", "needle"), world.start("wait", "-t", "api", "--exit")]
    wait_until(lambda: all(world.connected(process.pid) for process in waiting), what="waiting clients")
    world.run("ls").ok()
    signal_and_wait(server_pid(world))
    world.run("send", "-t", "api", "needle").ok()
    assert world.ended(waiting[0]).status == 0
    world.run("send", "-t", "api", "--keys", "C-d").ok()
    assert world.ended(waiting[1]).status == 0


def test_a_command_that_was_running_and_may_not_be_repeated_says_so(world: World) -> None:
    world.new("api", "sh", "-c", "trap '' HUP TERM; echo ready; while :; do sleep 1; done")
    world.shows("api", "ready")
    killing = world.start("kill", "-t", "api")
    wait_until(lambda: world.connected(killing.pid), what="the client")
    world.run("ls").ok()
    signal_and_wait(server_pid(world))
    world.ended(killing).failed(
        "the server went away while it ran the command", "it may have taken effect: check with agentmux ls", status=4
    )


def test_more_commands_than_the_backlog_holds_wait_for_the_next_server(world: World) -> None:
    world.new("api", "cat")
    pid = server_pid(world)
    os.kill(pid, signal.SIGSTOP)
    waiting = [world.start("has", "-t", "api") for _ in range(150)]
    wait_until(lambda: sum(world.connected(p.pid) for p in waiting) >= 128, seconds=60, what="a full backlog")
    signal_and_wait(pid)
    assert [world.ended(process).status for process in waiting] == [0] * 150
