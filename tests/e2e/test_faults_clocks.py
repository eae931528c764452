"""The clock jumps by hours, forth and back: nothing is negative, nothing is lost, nothing waits for the other time."""

from __future__ import annotations

import json
import os
import re
import sys
import time

import composing
import pytest
from programs import server_pid
from trees import tree
from world import World, wait_until

from agentmux.mux import VERSION

HOUR = 3600.0


class Skewed:
    """A server whose wall clock is set by a file; its other clock goes on, as when a machine slept."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.path = f"{world.root}/skew"
        self.set(0)
        argv = tree(world, "skewed", VERSION)
        self._replace(
            "mux/mux.py",
            "        return time.time()\n",
            f"        return time.time() + float(open({self.path!r}).read())\n",
        )
        self._replace("mux/post.py", "LOOK = 60.0\n", "LOOK = 0.2\n")
        world.run("ls", argv=argv).ok()
        assert f"{world.root}/skewed" in world.pids()[server_pid(world)]

    def _replace(self, name: str, old: str, new: str) -> None:
        path = f"{self.world.root}/skewed/agentmux/{name}"
        with open(path) as file:
            text = file.read()
        assert text.count(old) == 1, old
        with open(path, "w") as file:
            file.write(text.replace(old, new))

    def set(self, seconds: float) -> None:
        """Be so much ahead of the real time from now on."""
        with open(f"{self.path}.new", "w") as file:
            file.write(str(seconds))
        os.rename(f"{self.path}.new", self.path)


@pytest.fixture
def skewed(world: World) -> Skewed:
    return Skewed(world)


def ours(world: World) -> None:
    """Start an agent that can be watched and given prompts."""
    program = f'#!/bin/sh\nexec {sys.executable} -I -S {composing.__file__} "$@"\n'
    pairs = [word for one in (f"TRUTH={world.root}/one", f"OURS_LOG={world.root}") for word in ("-e", one)]
    world.new("one", world.agent(composing.PROFILE, program), options=pairs)
    world.does("one", "idle")


def quick(world: World, *words: str) -> str:
    """Run a command that must not wait for anything; return what it prints."""
    began = time.monotonic()
    out = world.run(*words).ok().out
    assert time.monotonic() - began < 10, words
    return out


JUMPS = pytest.mark.parametrize("hours", [5.0, -5.0, pytest.param(2e4, marks=pytest.mark.prove)])


@JUMPS
def test_what_is_listed_is_never_negative_and_comes_at_once(world: World, skewed: Skewed, hours: float) -> None:
    """After a jump every list comes at once, no age is below 0, and a session's output is recorded in order."""
    world.new("api", "cat")
    ours(world)
    world.run("send", "-t", "one", "before").ok()
    world.run("send", "-t", "api", "before").ok()
    skewed.set(hours * HOUR)
    world.run("send", "-t", "api", "after").ok()
    world.shows("api", "after")
    for words in (
        ("ls",),
        ("ls", "-a"),
        ("info", "-t", "one"),
        ("why", "-t", "one", "--history"),
        ("inbox",),
        ("usage",),
    ):
        assert not re.search(r"(^|\s)-\d", quick(world, *words)), words
    for row in json.loads(quick(world, "ls", "--json")):
        assert row["age"] >= 0
    quick(world, "history")
    quick(world, "messages", "-t", "one")
    assert quick(world, "log", "-t", "api").split() == ["before"] * 2 + ["after"] * 2
    cast = [json.loads(line) for line in quick(world, "export", "-t", "api").splitlines()[1:]]
    assert all(event[0] >= 0 for event in cast)
    skewed.set(0)
    assert "api" in quick(world, "ls")


@JUMPS
def test_prompts_arrive_and_statuses_are_seen_after_a_jump(world: World, skewed: Skewed, hours: float) -> None:
    """An agent's work is seen and a prompt delivered as quickly as ever, whichever way the clock went."""
    ours(world)
    world.run("send", "-t", "one", "echo before").ok()
    for number, ahead in enumerate((hours * HOUR, 0.0, -hours * HOUR / 2)):
        skewed.set(ahead)
        quick(world, "send", "-t", "one", f"echo number {number}")
        world.does("one", "idle")
    with open(f"{world.root}/one") as file:
        assert [json.loads(line)["prompt"] for line in file][-3:] == [f"echo number {number}" for number in range(3)]


def test_a_prompt_for_later_goes_when_the_clock_says_so(world: World, skewed: Skewed) -> None:
    """``send --at`` waits for its time by the clock on the wall, also over a machine's sleep, and not less."""
    ours(world)
    assert world.run("send", "-t", "one", "--at", "+2h", "echo later").status == 9
    skewed.set(-3 * HOUR)
    world.run("send", "-t", "one", "echo now").ok()
    assert "echo later" in world.run("queue", "-t", "one").ok().out
    skewed.set(3 * HOUR)

    def arrived() -> bool:
        with open(f"{world.root}/one") as file:
            return "echo later" in file.read()

    wait_until(arrived, what="the prompt")


def test_a_list_that_is_watched_goes_on_after_the_clock_was_set_back(world: World, skewed: Skewed) -> None:
    """``ls --watch`` shows what changes after the jump."""
    world.new("api", "cat")
    terminal = world.terminal("ls", "--watch")
    terminal.shows("api")
    skewed.set(-5 * HOUR)
    world.new("afterwards", "cat")
    terminal.shows("afterwards")
    terminal.type("\x03")
    terminal.ended()


def test_a_question_is_shown_after_the_clock_was_set_back(world: World, skewed: Skewed) -> None:
    """``inbox`` does not wait for a time that was."""
    ours(world)
    skewed.set(5 * HOUR)
    world.run("send", "-t", "one", "ask").ok()
    world.does("one", "waiting")
    skewed.set(0)
    assert "one" in quick(world, "inbox")
