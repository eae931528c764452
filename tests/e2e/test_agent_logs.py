"""What an agent writes down of its conversation: turns and tokens from its own log, each once, whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest
from said import answered, turns
from world import World, wait_until

PROFILE = """
title = "Scribe"
[recognise]
commands = ["ours"]
[conversation]
start = ["--session-id", "{new}"]
[log]
files = ["$HOME/scribe/*/{id}.jsonl"]
[[log.entries]]
says = "prompt"
when = { kind = "user" }
text = "text"
id = "id"
at = "at"
[[log.entries]]
says = "reply"
when = { kind = "agent" }
text = "text"
id = "id"
at = "at"
[log.entries.usage]
input = ["used.in"]
output = ["used.out"]
cost = ["used.cost"]
[signs]
composer = '^>.*\\Z'
"""

SCRIBE = """#!/bin/sh
exec python3 -I -S -u -c '
import json, os, sys, time
folder = os.environ["HOME"] + "/scribe/x"
os.makedirs(folder, exist_ok=True)
log = open(folder + "/" + sys.argv[-1] + ".jsonl", "a")
def write(**line):
    log.write(json.dumps(line) + "\\n"); log.flush()
write(kind="user", id="old", at=1.0, text="of another session")
count = 0
print("> ", end="")
for line in sys.stdin:
    count += 1
    write(kind="user", id="u%d" % count, at=time.time(), text=line.strip())
    text = "reply to " + line.strip()
    write(kind="agent", id="a%d" % count, at=time.time(), text=text, used={"in": 10, "out": 2, "cost": 0.25})
    print(text + "\\n> ", end="")
' "$@"
"""


def scribe(world: World) -> str:
    world.new("one", world.agent(PROFILE, SCRIBE), options=["-e", f"HOME={world.home}", "--label", "project=x"])
    world.does("one", "idle")
    return str(world.info("one")["conversation"])


def test_turns_are_those_of_its_log(world: World) -> None:
    scribe(world)
    world.run("send", "-t", "one", "first").ok()
    wait_until(lambda: turns(world) == answered("first"), what=lambda: turns(world))
    world.run("send", "-t", "one", "--no-enter", "typed").ok()
    world.run("send", "-t", "one", "-k", "Enter").ok()
    wait_until(lambda: turns(world) == answered("first", "typed"), what=lambda: turns(world))
    history = world.run("history", "--json").ok().json
    assert [one["text"] for one in history] == ["first", "typed"]
    assert world.run("last", "-t", "one").ok().out == "reply to typed\n"


def test_what_it_took_is_summed(world: World) -> None:
    scribe(world)
    for text in ("first", "second"):
        world.run("send", "-t", "one", text).ok()
        world.shows("one", f"reply to {text}")
    wait_until(lambda: world.info("one")["tokens_in"] == 20, what="usage")
    info = world.info("one")
    assert (info["tokens_out"], info["tokens_cached"], info["cost"]) == (4, 0, 0.5)
    assert world.run("ls", "-F", "{tokens_in} {cost}").ok().lines == ["20 0.5000"]
    today = time.strftime("%Y-%m-%d")
    sums: dict[str, Any] = {"tokens_in": 20, "tokens_cached": 0, "tokens_out": 4, "cost": 0.5}
    assert world.run("usage", "--json").ok().json == [{"day": today, **sums}]
    by = ["--by", "session", "--by", "label:project", "--by", "label:none"]
    [row] = world.run("usage", *by, "--json").ok().json
    assert row == {"session": "one", "label:project": "x", "label:none": None, **sums}
    assert world.run("usage").ok().lines[1].split() == [today, "20", "0", "4", "0.5000"]
    assert world.run("usage", "--since", "0s", "--json").ok().json == []
    world.run("usage", "--by", "moon").failed("usage: can't sum by 'moon'", "there are: day", status=2)


def test_each_line_is_taken_once_whoever_is_killed(world: World) -> None:
    scribe(world)
    world.run("send", "-t", "one", "first").ok()
    wait_until(lambda: turns(world) == answered("first"), what=lambda: turns(world))
    os.kill(world.status()["server_pid"], signal.SIGKILL)
    world.run("send", "-t", "one", "second").ok()
    wait_until(lambda: turns(world) == answered("first", "second"), what=lambda: turns(world))
    assert world.info("one")["tokens_in"] == 20


def test_what_it_says_last_is_remembered_when_it_ends(world: World) -> None:
    scribe(world)
    world.run("send", "-t", "one", "--no-enter", "last").ok()
    world.run("send", "-t", "one", "-k", "Enter", "C-d").ok()
    world.exited("one")
    assert turns(world) == answered("last")


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_no_file_of_its_own_is_not_read(world: World, kind: str) -> None:
    conversation = scribe(world)
    path = f"{world.home}/scribe/x/{conversation}.jsonl"
    os.rename(path, f"{world.home}/elsewhere")
    if kind == "link":
        os.symlink(f"{world.home}/elsewhere", path)
    else:
        os.mkfifo(path)
    world.run("send", "-t", "one", "first").ok()
    world.shows("one", "reply to first")
    world.expected_in_log.append("the log of its agent can't be read")
    wait_until(lambda: "the log of its agent" in world.run("server", "log").ok().out, what="a warning")
    assert ("user", "transcript", "first") not in turns(world)


def test_a_session_that_is_not_recorded_is_not_read(world: World) -> None:
    world.new("one", world.agent(PROFILE, SCRIBE), options=["-e", f"HOME={world.home}", "--no-record"])
    world.does("one", "idle")
    world.run("send", "-t", "one", "first").ok()
    world.shows("one", "reply to first")
    world.does("one", "idle")
    assert turns(world) == [] and world.info("one")["tokens_in"] == 0
    assert json.loads(world.run("usage", "--json").ok().out) == []
