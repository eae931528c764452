"""Server and keeper are replaced under running sessions, by the same version, a newer or a broken one."""

from __future__ import annotations

import os
import re
import time

import pytest
from programs import Counters, insist_on_new_lines, keeper_pid, server_pid
from trees import tree
from world import World, wait_until


def own_version() -> str:
    from agentmux.mux import VERSION

    return VERSION


def test_an_upgrade_under_load_loses_nothing(world: World) -> None:
    counters = Counters(world)
    counters.start("steady", 0.01)
    counters.start("flood", 0)
    world.new("typed", "cat")
    pids = {name: world.info(name)["pid"] for name in ("steady", "flood", "typed")}
    watching, typing = world.attach("steady"), world.attach("typed")
    for number in range(3):
        keeper, server = keeper_pid(world), server_pid(world)
        begin = time.monotonic()
        world.run("server", "upgrade").ok()
        typing.type(f"round {number}\r")
        assert insist_on_new_lines(watching, 1, begin) < 6
        status = world.status()
        assert status["keeper_pid"] == keeper  # it executes its successor in place
        assert status["server_pid"] not in (server, 0)
    typing.type("last\r")
    typing.shows("last")
    assert {name: world.info(name)["pid"] for name in pids} == pids
    counters.check()
    assert watching.ended() == 0
    typing.type("\x02d")
    assert typing.ended() == 0
    typing.assert_as_before()


def test_statuses_are_true_after_an_upgrade(world: World) -> None:
    world.new("code", "sh", "-c", "read x; exit 7")
    world.new("signal", "sleep", "600")
    world.new("done", "sh", "-c", "exit 3")
    assert world.exited("done") == 3
    world.run("server", "upgrade").ok()
    world.run("send", "-t", "code", "x").ok()
    assert world.exited("code") == 7
    os.kill(world.info("signal")["pid"], 15)
    assert world.exited("signal") == -15
    assert world.info("done")["exit_status"] == 3
    assert world.new("next", "cat") == 4


def test_a_newer_client_upgrades_an_older_server_by_itself(world: World) -> None:
    counters = Counters(world)
    counters.start("steady", 0.01)
    pid = world.info("steady")["pid"]
    newer = tree(world, "newer", "99.0.1")
    watching = world.attach("steady")
    server, keeper = server_pid(world), keeper_pid(world)
    ran = world.run("ls", "-F", "{name}", argv=newer).ok()
    assert ran.lines == ["steady"]
    status = world.run("server", "status", "--json", argv=newer).ok().json
    assert status["version"] == "99.0.1"
    assert status["keeper_pid"] == keeper
    assert status["server_pid"] != server
    assert world.info("steady")["pid"] == pid
    assert f"{world.root}/newer" in world.pids()[keeper]
    insist_on_new_lines(watching, 1, time.monotonic())
    # An older client with the newer server just works, and does not take it back.
    assert world.names() == ["steady"]
    assert world.status()["version"] == "99.0.1"
    again = world.attach("steady")
    insist_on_new_lines(again, 1, time.monotonic())
    again.type("\x02d")
    assert again.ended() == 0
    counters.check()
    assert world.run("-V").ok().out == f"agentmux {own_version()}\n"


def test_several_newer_clients_at_once_make_one_upgrade(world: World) -> None:
    world.new("api", "cat")
    newer = tree(world, "newer", "99.0.1")
    starting = [world.start("send", "-t", "api", f"n{number}", argv=newer) for number in range(8)]
    assert [(ran.status, ran.err) for ran in map(world.ended, starting)] == [(0, "")] * 8
    log = world.run("log", "-t", "api").ok().out
    assert sorted(re.findall(r"n\d", log)) == sorted([f"n{number}" for number in range(8)] * 2)
    assert world.log.count("is now version") == 1


def test_a_newer_client_attaches_and_its_command_with_input_succeeds(world: World) -> None:
    world.new("api", "cat")
    newer = tree(world, "newer", "99.0.1")
    world.run("send", "-t", "api", "-", input=b"from standard input\n", argv=newer).ok()
    world.shows("api", "from standard input")
    newest = tree(world, "newest", "99.0.2")
    terminal = world.terminal("attach", "-t", "api", argv=[*newest]).attached()
    terminal.shows("from standard input")
    terminal.type("\x02d")
    assert terminal.ended() == 0


@pytest.mark.parametrize("broken", ["keeper.py", "server.py"])
def test_a_newer_version_that_does_not_run_is_refused_and_all_goes_on(world: World, broken: str) -> None:
    counters = Counters(world)
    counters.start("steady", 0.01)
    pid, keeper = world.info("steady")["pid"], keeper_pid(world)
    newer = tree(world, "newer", "99.0.1")
    with open(f"{world.root}/newer/agentmux/mux/{broken}", "w") as file:
        file.write("raise SystemExit('broken on purpose')\n")
    world.run("ls", argv=newer)  # whatever it says: it must end
    ran = world.run("server", "upgrade", argv=newer)
    assert ran.status != 0, ran
    assert world.names() == ["steady"]
    status = world.status()
    assert status["version"] == own_version()
    assert status["keeper_pid"] == keeper
    assert world.info("steady")["pid"] == pid
    counters.check()


def test_upgrade_is_said_to_be_done_when_it_is(world: World) -> None:
    world.new("api", "cat")
    before = server_pid(world)
    world.run("server", "upgrade").ok()
    after = world.status()["server_pid"]
    assert after != before
    wait_until(lambda: before not in world.pids(), what="end of the server before")
    assert "upgrading" in world.log
