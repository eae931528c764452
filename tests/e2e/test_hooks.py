"""What agents' hooks call: it tells the server, and lets the agent go on whatever is wrong with us."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from profiles import NAMED
from world import World, wait_until

PROFILE = (
    NAMED
    + """
[conversation]
id = '[a-z][a-z0-9 ]*'
resume = ["--resume", "{id}"]
[hooks]
words = ["--hooks", '{hooks}']
unless = ["--hooks"]
conversation = "session_id"
[hooks.events]
Begin = "working"
Ask = "waiting approval"
End = "idle"
"""
)

AGENT = """#!/usr/bin/env python3
import json, subprocess, sys
hooks = json.loads(sys.argv[sys.argv.index("--hooks") + 1]) if "--hooks" in sys.argv else {}
print(sorted(hooks), flush=True)
for line in sys.stdin:
    event, _, told = line.strip().partition(" ")
    for one in hooks.get(event, ()):
        for hook in one["hooks"]:
            done = subprocess.run(hook["command"], shell=True, input=told.encode(), capture_output=True)
            print("hook", done.returncode, done.stdout, done.stderr, flush=True)
"""


def ours(world: World, name: str) -> None:
    """Start an agent with hooks."""
    world.new(name, world.agent(PROFILE, AGENT))
    world.shows(name, "[")


def test_hooks_tell_what_an_agent_does(world: World) -> None:
    ours(world, "one")
    world.shows("one", "['Ask', 'Begin', 'End']")
    for event, status in (("Begin", "working"), ("Ask", "waiting"), ("End", "idle")):
        world.run("send", "-t", "one", event + ' {"session_id": "c1", "message": "May I?"}').ok()
        world.does("one", status)
        if status == "waiting":
            info = world.info("one")
            assert (info["about"], info["asks"]) == ("approval", "May I?")
    world.shows("one", "hook 0 b'' b''")
    assert world.info("one")["conversation"] == "c1"
    assert "its hook says idle (hook End)" in world.run("why", "-t", "one").ok().out


def test_the_conversation_counts_and_not_the_environment(world: World) -> None:
    ours(world, "one")
    ours(world, "two")
    for name in ("one", "two"):
        world.run("send", "-t", name, f'End {{"session_id": "of {name}"}}').ok()
        world.does(name, "idle")
    world.run("send", "-t", "one", 'Begin {"session_id": "of two"}').ok()
    world.does("two", "working")
    assert world.info("one")["status"] == "idle"


@pytest.mark.parametrize("evil", ["--dangerously", "../../secrets", "c1\n", "c1;x", "\x1b]0;x\x07", "*", ""])
def test_what_is_no_id_of_a_conversation_names_none(world: World, evil: str) -> None:
    """It would stand on a command line and in the name of a file."""
    ours(world, "one")
    for told in ({"session_id": "c1"}, {"session_id": evil, "message": evil}):
        world.run("send", "-t", "one", f"Begin {json.dumps(told)}").ok()
        world.does("one", "working")
        world.run("send", "-t", "one", "End {}").ok()
        world.does("one", "idle")
    assert world.info("one")["conversation"] == "c1"


def test_hooks_find_a_server_whose_socket_has_an_odd_name(world: World) -> None:
    """The hooks' command is a shell's, inside JSON, on a command line."""
    path = f"{world.root}/o'\"x $(touch pwned)\n\\;`id`&/s {{hooks}}"
    world.sockets.append(path)
    agent = world.agent(PROFILE, AGENT)
    world.run("-S", path, "new", "-d", "-s", "one", "--", agent).ok()
    wait_until(lambda: "[" in world.run("-S", path, "capture", "-t", "one").ok().out, what="start")
    world.run("-S", path, "send", "-t", "one", 'Ask {"message": "May I?"}').ok()
    wait_until(lambda: world.run("-S", path, "info", "-t", "one", "--json").ok().json["asks"] == "May I?", what="hook")
    assert not os.path.exists(f"{world.home}/pwned")


def test_without_hooks_nothing_is_added(world: World) -> None:
    world.configure('agent-hooks = "off"\n')
    ours(world, "one")
    world.shows("one", "[]")


def hook(world: World, told: bytes, event: str = "End", session: int = 1) -> float:
    """Call a hook as an agent would; return how long it took."""
    inside = {"AGENTMUX": f"{world.socket},1", "AGENTMUX_SESSION": str(session)}
    began = time.monotonic()
    ran = world.run("hook", event, input=told, env=inside).ok()
    assert (ran.out, ran.err) == ("", "")
    return time.monotonic() - began


def test_what_can_not_be_given_to_a_program_is_no_conversation(world: World) -> None:
    ours(world, "one")
    for named in (b"c1", b"a\\u0000b", b"x" * 300):
        hook(world, b'{"session_id": "' + named + b'"}')
    hook(world, b"{}", "Ask")
    world.does("one", "waiting")
    assert world.info("one")["conversation"] == "c1"


def test_an_agent_goes_on_whatever_is_wrong_with_us(world: World) -> None:
    assert hook(world, b"{}") < 1.5, "there is no server"
    assert not world.pids()
    ours(world, "one")
    server = world.status()["server_pid"]
    for told in (b"", b"nonsense", b"[" * 100_000, b'{"session_id": "' + b"x" * 10_000_000, b"\xff\x00" * 5000):
        assert hook(world, told) < 1.5
    hook(world, json.dumps({"session_id": "c"}).encode(), "Unknown")
    hook(world, b"{}", session=999)
    os.kill(server, signal.SIGSTOP)
    try:
        assert hook(world, b"{}") < 1.5, "it is frozen"
    finally:
        os.kill(server, signal.SIGCONT)
    wait_until(lambda: world.info("one")["status"] == "idle", what="what was told is known")
    world.run("hook").ok()
