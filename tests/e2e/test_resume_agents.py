"""Conversations of real agents: gone on with after everything was killed, and forked."""

from __future__ import annotations

import json
import os
import signal
import time

import pytest
from agents import launch, prompt, skip_without
from scripted_api import ScriptedApi
from world import World, wait_until

SLOW = 90.0


def opens(world: World, name: str) -> None:
    """Wait until an agent has been at rest for a moment, or asks; Copilot may ask whether it is in use."""

    def opened() -> str:
        info = world.info(name)
        return str(info["status"]) if info["status"] in ("idle", "waiting") and time.time() - info["since"] > 1 else ""

    status = wait_until(opened, seconds=SLOW, what=lambda: world.run("why", "-t", name).out)
    if status == "waiting":
        world.shows(name, "Session in use")
        world.run("send", "-t", name, "--keys", "Enter").ok()


def say(world: World, api: ScriptedApi, name: str, agent: str, text: str) -> None:
    """Send a prompt to an agent at rest, and wait for the end of its turn."""
    wait_until(
        lambda: world.info(name)["status"] == "idle", seconds=SLOW, what=lambda: world.run("why", "-t", name).out
    )
    count = len(api.turns)
    prompt(world, name, agent, text)
    wait_until(lambda: len(api.turns) > count and api.turns[count][1], seconds=SLOW, what="answer")
    wait_until(
        lambda: world.info(name)["status"] == "idle", seconds=SLOW, what=lambda: world.run("why", "-t", name).out
    )


def saved(home: str, text: str) -> bool:
    """Whether the agent has written a reply down: an agent that is killed before that has lost it by itself."""
    for folder, _, files in os.walk(home):
        for file in files:
            if file.endswith((".json", ".jsonl", ".db", ".db-wal")):
                with open(os.path.join(folder, file), "rb") as opened:
                    if text.encode() in opened.read():
                        return True
    return False


def texts(body: object) -> str:
    return json.dumps(body)


@pytest.mark.prove
@pytest.mark.parametrize("name", ["claude", "codex", "copilot", "gemini", "opencode", "pi", "qwen"])
def test_a_conversation_goes_on_after_everything_was_killed(world: World, api: ScriptedApi, name: str) -> None:
    skip_without(name)
    start = launch(name, f"{world.root}/{name}", api.url)
    world.new("one", *start.argv, options=[*start.options, "-x", "100", "-y", "30"])
    say(world, api, "one", name, "the first prompt")
    conversation = world.info("one")["conversation"]
    assert conversation
    home = f"{world.root}/{name}/home"
    wait_until(lambda: saved(home, "Hello from the script."), what="the conversation on disk")
    status = world.status()
    pids = {*world.session_pids(1), status["server_pid"], status["keeper_pid"]}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not pids & set(world.pids()), what="end of all")
    assert world.info("one")["status"] == "lost"
    world.run("resume", "-t", "one", "-d").ok()
    if name == "copilot":
        opens(world, "one")
    say(world, api, "one", name, "the second prompt")
    body = texts(api.bodies[-1])
    assert "the first prompt" in body and "Hello from the script." in body and "the second prompt" in body
    info = world.info("one")
    assert (info["conversation"], info["starts"]) == (conversation, 2)
    if name in ("copilot", "gemini", "qwen"):  # have no way to fork one
        assert "no way to fork" in world.run("fork", "-t", "one", "-d").err
        return
    world.run("fork", "-t", "one", "-s", "two", "-d").ok()
    if name == "opencode":  # which shows an empty conversation first, and drops what is typed into that
        world.shows("two", "Hello from the script.", seconds=SLOW)
        world.does("two", "idle", SLOW)
    say(world, api, "two", name, "the third prompt")
    body = texts(api.bodies[-1])
    assert "the first prompt" in body and "the third prompt" in body
    other = world.info("two")
    assert other["parent"] == info["id"] and other["conversation"] not in (None, conversation)
    say(world, api, "one", name, "the fourth prompt")
    assert "the third prompt" not in texts(api.bodies[-1])
