"""After a kill no process of the session lives, whatever it did to survive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from programs import keeper_pid, server_pid
from terminal import signal_and_wait, stopped
from world import World, cpu_seconds, wait_until

IGNORES = "trap '' HUP TERM INT; echo ready; while :; do sleep 1; done"
SETSID = "setsid sh -c 'sleep 600' & echo ready; wait"
STOPPED = "sleep 600 & kill -STOP $!; echo ready; wait"
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in (0, 1, 2): os.close(fd)
        os.chdir("/")
        time.sleep(600)
    os._exit(0)
os.wait()
print("ready", flush=True)
time.sleep(600)
"""
GROUP = "set -m; sleep 600 & sleep 601 & echo ready; wait"
ORPHAN = "(trap '' HUP; sleep 600 & echo ready)"
BARE = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    os.execve("/bin/sleep", ["sleep", "600"], {})
print("ready", flush=True)
time.sleep(600)
"""

CASES = {
    "ignores": ["sh", "-c", IGNORES],
    "setsid": ["sh", "-c", SETSID],
    "stopped": ["sh", "-c", STOPPED],
    "daemon": [sys.executable, "-I", "-S", "-c", DAEMON],
    "group": ["bash", "-c", GROUP],
    "no-environment": [sys.executable, "-I", "-S", "-c", BARE],
}


MANY = 100
FOR_EACH = 0.005
"""Seconds of CPU; a look at the processes of this many sessions takes more."""


def tree(world: World, name: str) -> set[int]:
    """Return the processes of a session: by the mark in their environment, and the children of those."""
    info = world.info(name)
    found = world.session_pids(info["id"])
    assert info["pid"] in found
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    if int(file.read().rpartition(")")[2].split()[1]) in found:
                        found.add(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("options", [(), ("--now",)], ids=["kill", "now"])
def test_nothing_of_a_session_lives_after_its_kill(world: World, options: tuple[str, ...]) -> None:
    world.configure("kill-grace = 0.5\n")
    pids = {}
    for name, command in CASES.items():
        world.new(name, *command)
    world.new("bystander", "sh", "-c", "sleep 600 & echo ready; wait")
    for name in (*CASES, "bystander"):
        world.shows(name, "ready")
        pids[name] = tree(world, name)
        assert len(pids[name]) >= 2 - (name == "ignores"), name
    (halted,) = [pid for pid in pids["stopped"] if stopped(pid)]
    for name in CASES:
        assert world.run("kill", "-t", name, *options).ok().out == ""
        left = {pid for pid in pids[name] if lives(pid)}
        assert not left, (name, {pid: world.pids().get(pid) for pid in left})
        assert not world.session_pids(world.info(name)["id"]), name
    assert not lives(halted)
    assert all(lives(pid) for pid in pids["bystander"])
    assert world.names() == ["bystander"]
    assert {row["state"] for row in world.run("ls", "-a", "--json").ok().json if row["name"] in CASES} == {"exited"}


def test_what_a_program_leaves_behind_when_it_ends_by_itself_lives_until_everything_is_forced_to_stop(
    world: World,
) -> None:
    world.new("orphan", "sh", "-c", ORPHAN)
    assert world.exited("orphan") == 0
    assert world.screen("orphan") == ["ready"]
    (left,) = world.session_pids(1)
    assert world.names() == []
    ran = world.run("server", "stop", "--force")
    assert (ran.status, ran.err) == (0, "")
    wait_until(lambda: not lives(left) and not world.pids(), what="end of what was killed last")


def test_kill_takes_several_targets_and_all(world: World) -> None:
    for name in ("a", "b", "c", "d"):
        world.new(name, "cat")
    world.run("kill", "-t", "a", "-t", "b").ok()
    assert world.names() == ["c", "d"]
    world.run("kill", "-t", "a").failed("session 'a' is not running (exited)", "start it again with: agentmux restart")
    world.run("kill", "-t", "nobody").failed("no session named 'nobody'", "list them with: agentmux ls -a")
    world.run("kill", "-t", "c", "-t", "nobody").failed("no session named 'nobody'", "list them with: agentmux ls -a")
    assert world.names() == ["c", "d"]
    world.run("kill", "-a").ok()
    assert world.names() == []
    assert world.run("ls", "-a", "-q").ok().lines == ["1", "2", "3", "4"]


def test_a_program_gets_its_grace_to_end_well(world: World) -> None:
    code = "import signal, sys, time\n"
    code += "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), print('saved', flush=True), sys.exit(5)))\n"
    code += "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nprint('ready', flush=True)\nwhile True: time.sleep(9)"
    world.python("editor", code)
    world.shows("editor", "ready")
    world.run("kill", "-t", "editor").ok()
    assert world.info("editor")["exit_status"] == 5
    assert world.screen("editor") == ["ready", "saved"]


def test_kill_goes_on_when_its_client_is_gone(world: World) -> None:
    world.configure("kill-grace = 1.0\n")
    world.new("hard", "sh", "-c", IGNORES)
    world.shows("hard", "ready")
    killing = world.start("kill", "-t", "hard")
    wait_until(lambda: world.connected(killing.pid), what="the client")
    world.run("ls").ok()
    killing.kill()
    assert world.exited("hard") == -signal.SIGKILL


def test_a_stopped_session_leader_is_continued(world: World) -> None:
    world.new("api", "sh", "-c", "echo ready; kill -STOP $$; echo again; exec cat")
    world.shows("api", "again")


def test_killing_a_session_of_an_adopted_program_works(world: World) -> None:
    world.new("hard", "sh", "-c", IGNORES)
    world.new("set", "sh", "-c", SETSID)
    for name in ("hard", "set"):
        world.shows(name, "ready")
    pids = tree(world, "hard") | tree(world, "set")
    signal_and_wait(keeper_pid(world))
    world.run("ls").ok()
    signal_and_wait(server_pid(world))
    world.run("kill", "-a", "--now").ok()
    assert not [pid for pid in pids if lives(pid)]


def test_the_end_of_a_program_whose_child_holds_the_terminal_is_told(world: World) -> None:
    began = time.monotonic()
    world.new("api", "sh", "-c", "trap '' HUP; (sleep 600; echo late) & echo first; exit 3")
    assert world.exited("api") == 3
    assert time.monotonic() - began < 10
    assert world.screen("api") == ["first"]
    world.kill_all(world.session_pids(1))


def test_a_session_can_kill_itself_and_the_server(world: World) -> None:
    world.new("suicide", "sh", "-c", "sleep 600 & agentmux kill; echo never; sleep 600")
    assert world.run("wait", "-t", "suicide", "--timeout", "20").status == 7
    assert not world.session_pids(1)
    world.new("all", "sh", "-c", "trap '' HUP TERM; agentmux kill-server; sleep 600")
    wait_until(lambda: not world.pids(), what=lambda: f"end of everything: {world.pids()}\n{world.log}")
    assert not os.path.lexists(world.socket)


def test_killing_a_client_in_a_pipeline_is_no_error_in_the_log(world: World) -> None:
    world.new("api", "sh", "-c", "while :; do seq 1000; done")
    for _ in range(5):
        following = subprocess.Popen(
            ["sh", "-c", "agentmux log -f -t api | head -100 > /dev/null"], env=world.env, cwd=world.home
        )
        assert following.wait(20) == 0
    world.run("kill", "-t", "api").ok()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it looks at /proc")
def test_killing_many_sessions_takes_one_look_at_the_processes_and_not_one_for_each(world: World) -> None:
    """A look for each blocks the server: with hundreds of them so long that the keeper takes it for dead."""
    for number in range(MANY):
        world.new(f"s{number}", "sleep", "600")
    pid = server_pid(world)
    before = cpu_seconds(pid)
    world.run("kill", "--all").ok()
    assert server_pid(world) == pid
    assert cpu_seconds(pid) - before < MANY * FOR_EACH
    assert world.names() == []
