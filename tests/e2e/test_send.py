"""Prompts that provably arrive: what an agent was given, beside what its sender was told."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

import composing
import pytest
from world import World, wait_until


def ours(world: World, name: str = "one", *options: str, log: bool = True) -> None:
    """Start an agent that writes down what it is given."""
    program = f'#!/bin/sh\nexec {sys.executable} -I -S {composing.__file__} "$@"\n'
    env = [f"TRUTH={world.root}/{name}", f"OURS_LOG={world.root}", *([] if log else ["NO_LOG=1"]), *options]
    pairs = [word for one in env for word in ("-e", one)]
    world.new(name, world.agent(composing.PROFILE, program), options=pairs)
    world.does(name, "idle")


def given(world: World, name: str = "one") -> list[Any]:
    """Return what the agent was given: prompts, and answers as ``(answer,)``."""
    try:
        with open(f"{world.root}/{name}") as file:
            lines = [json.loads(line) for line in file]
    except FileNotFoundError:
        return []
    return [line["prompt"] if "prompt" in line else (line["answer"],) for line in lines]


def send(world: World, *words: str, status: int = 0) -> Any:
    ran = world.run("send", "-t", "one", "--json", *words)
    assert ran.status == status, ran
    return ran.json


@pytest.mark.parametrize("log", [True, False])
def test_a_prompt_is_accepted_with_its_proof(world: World, log: bool) -> None:
    ours(world, log=log)
    receipt = send(world, "echo", "hello")
    assert (receipt["state"], receipt["proof"]) == ("accepted", "record u1" if log else "screen")
    assert given(world) == ["echo hello"]
    assert world.run("send", "-t", "one", "plain").ok().out == ""
    history = [one["text"] for one in world.run("history", "--json").ok().json]
    assert history == ["echo hello", "plain"]


TEXTS = [
    "x",
    "two\nlines",
    "\nleading",
    "  blanks ",
    "ä € 漢字 \U0001f389 e\u0301",
    "tab\there",
    "x" * 5000,
    "\n".join(f"line {number}" for number in range(1000)),
    "end \x1b[201~ and \x03 more",
    "z" * 200_000,
]


def test_each_arrives_byte_for_byte_and_once(world: World) -> None:
    ours(world)
    for text in TEXTS:
        path = f"{world.home}/text"
        with open(path, "w") as file:
            file.write(text)
        assert send(world, "-f", path)["state"] == "accepted"
        assert world.run("send", "-t", "one", "-", input=text.encode()).status == 0
    clean = [text.replace("\x1b", "").replace("\x03", "") for text in TEXTS]
    assert given(world) == [text for text in clean for _ in range(2)]


def test_what_is_busy_gets_it_when_it_rests_in_order(world: World) -> None:
    ours(world)
    send(world, "work 1")
    world.does("one", "working")
    for text in ("first", "second", "third"):
        receipt = send(world, text, status=9)
        assert receipt["state"] == "queued" and receipt["why"]
    queued = world.run("queue", "-t", "one", "--json").ok().json
    assert [one["text"] for one in queued["prompts"]] == ["first", "second", "third"]
    wait_until(lambda: len(given(world)) == 4, what=lambda: str(given(world)))
    assert given(world) == ["work 1", "first", "second", "third"]
    wait_until(lambda: world.run("queue", "-t", "one").out == "", what="an empty queue")
    states = [one["state"] for one in world.run("queue", "-t", "one", "-a", "--json").ok().json["prompts"]]
    assert states == ["accepted"] * 4


def test_the_queue_can_be_changed(world: World) -> None:
    ours(world)
    world.run("queue", "-t", "one", "pause").ok()
    for text in ("first", "second", "third", "fourth"):
        send(world, text, status=9)
    assert send(world, "--when", "now", "at once", status=10)["why"] == "the queue is paused"
    ids = [str(one["id"]) for one in world.run("queue", "-t", "one", "--json").ok().json["prompts"]]
    world.run("queue", "-t", "one", "drop", ids[1]).ok()
    world.run("queue", "-t", "one", "edit", ids[2], "third,", "edited").ok()
    world.run("queue", "-t", "one", "move", ids[3], ids[0]).ok()
    world.run("queue", "-t", "one", "move", ids[0]).ok()
    listed = world.run("queue", "-t", "one")
    assert "is paused" in listed.err and "the queue is paused" in listed.out
    assert given(world) == []
    world.run("queue", "-t", "one", "resume").ok()
    wait_until(lambda: len(given(world)) == 3, what=lambda: str(given(world)))
    assert given(world) == ["fourth", "third, edited", "first"]
    world.run("queue", "-t", "one", "drop", ids[1]).failed(f"prompt {ids[1]} is not queued any more: it is dropped")
    world.run("queue", "-t", "one", "drop", "77").failed("there is no prompt 77", "see: agentmux queue")
    world.run("queue", "-t", "one", "dance").failed("queue: 'dance' is none of", status=2)


def test_into_a_dialog_nothing_is_typed(world: World) -> None:
    ours(world)
    send(world, "ask")
    world.does("one", "waiting")
    assert send(world, "now", "--when", "now", status=10)["why"] == "waits for approval"
    assert send(world, "then", status=9)["why"] == "waits for approval"
    assert given(world) == ["ask"]
    world.run("send", "-t", "one", "-k", "2").ok()
    wait_until(lambda: len(given(world)) == 3, what=lambda: str(given(world)))
    assert given(world) == ["ask", ("no",), "then"]


def test_a_draft_is_left_alone(world: World) -> None:
    ours(world)
    world.run("send", "-t", "one", "--no-enter", "half a thought").ok()
    world.shows("one", "> half a thought")
    assert send(world, "hello", status=9)["why"] == "a draft is there"
    assert send(world, "hello", "--when", "now", status=10)["why"] == "a draft is there"
    assert world.screen("one")[1] == "> half a thought" and given(world) == []
    world.run("send", "-t", "one", "-k", "Enter").ok()
    wait_until(lambda: len(given(world)) == 2, what=lambda: str(given(world)))
    assert given(world) == ["half a thought", "hello"]


def test_who_types_in_an_attached_terminal_is_not_disturbed(world: World) -> None:
    world.configure("typing-pause = 2.5\n")
    ours(world)
    terminal = world.terminal("attach", "-t", "one")
    terminal.shows("> type here")
    terminal.type("abc")
    terminal.shows("> abc")
    terminal.type("\x15")
    terminal.shows("> type here")
    receipt = send(world, "hello", status=9)
    assert receipt["why"] == "somebody types"
    wait_until(lambda: given(world) == ["hello"], what=lambda: str(given(world)))


def test_an_enter_that_is_swallowed_is_pressed_again(world: World) -> None:
    ours(world, "one", "SWALLOW=2")
    assert send(world, "hello")["state"] == "accepted"
    assert given(world) == ["hello"]


@pytest.mark.prove
def test_what_is_not_taken_is_uncertain_and_left_as_it_is(world: World) -> None:
    ours(world, "one", "SWALLOW=1000")
    receipt = send(world, "hello", status=11)
    assert receipt["state"] == "uncertain" and receipt["why"]
    assert world.screen("one")[1] == "> hello" and given(world) == []


def test_wait_prints_the_reply_and_says_how_the_turn_ended(world: World) -> None:
    ours(world)
    assert world.run("send", "-t", "one", "--wait", "hello").ok().out == "you said hello\n"
    assert world.run("send", "-t", "one", "--wait", "work 0.5").ok().out == "worked\n"
    assert send(world, "--wait", "ask", status=8)["state"] == "needs a person"
    world.run("send", "-t", "one", "-k", "1").ok()
    world.does("one", "idle")
    assert send(world, "--wait", "--timeout", "1", "work 30", status=5)["why"] == "the turn goes on"
    waiting = world.start("send", "-t", "one", "--wait", "--json", "after it")
    world.run("interrupt", "-t", "one", "--wait").ok()
    world.run("queue", "-t", "one", "resume").ok()
    out, _ = waiting.communicate(timeout=20)
    assert json.loads(out)["reply"] == "you said after it"


def test_an_interrupted_turn_is_told_and_what_is_queued_waits(world: World) -> None:
    ours(world)
    waiting = world.start("send", "-t", "one", "--wait", "--json", "work 60")
    world.does("one", "working")
    send(world, "queued", status=9)
    world.run("interrupt", "-t", "one", "--wait").ok()
    out, _ = waiting.communicate(timeout=20)
    assert json.loads(out)["state"] == "interrupted" and waiting.returncode == 13
    assert world.run("queue", "-t", "one", "--json").ok().json["paused"]
    assert given(world) == ["work 60"]
    world.run("interrupt", "-t", "one").ok()  # at rest: its key would mean something else
    world.run("queue", "-t", "one", "resume").ok()
    wait_until(lambda: given(world) == ["work 60", "queued"], what=lambda: str(given(world)))


def began(world: World, how: str) -> None:
    """Have a shell start the agent, or become it."""
    with open(composing.__file__) as file:
        path = world.agent(composing.PROFILE, f"#!{sys.executable} -IS\n{file.read()}")
    words, typed = {
        "in a shell": (("bash", "--norc"), path),
        "in a shell's place": (("bash", "--norc"), f"exec {path}"),
        "in a script's place": (("sh", "-c", 'read line; eval "$line"'), f"exec {path}"),
    }[how]
    world.new("one", *words, options=["-e", f"TRUTH={world.root}/one"])
    world.run("send", "-t", "one", typed).ok()
    wait_until(lambda: "composer" in world.run("why", "-t", "one").ok().out, what="the agent")
    world.does("one", "idle")


@pytest.mark.parametrize("how", ["in a shell", "in a shell's place", "in a script's place"])
def test_an_agent_that_a_shell_began_gets_prompts_as_any_other(world: World, how: str) -> None:
    began(world, how)
    assert send(world, "echo hello\nand more")["proof"] == "screen"
    assert send(world, "work 60")["state"] == "accepted"
    world.does("one", "working")
    os.kill(world.status()["server_pid"], signal.SIGKILL)
    assert send(world, "after it", status=9)["state"] == "queued"
    world.run("interrupt", "-t", "one", "--wait").ok()
    world.run("queue", "-t", "one", "resume").ok()
    wanted = ["echo hello\nand more", "work 60", "after it"]
    wait_until(lambda: given(world) == wanted, what=lambda: str(given(world)))
    assert send(world, "ask")["state"] == "accepted"
    world.does("one", "waiting")
    assert send(world, "into the dialog", status=9)["why"] == "waits for approval"
    assert given(world) == [*wanted, "ask"]


def test_what_waits_for_an_agent_is_not_typed_into_the_shell_behind_it(world: World) -> None:
    began(world, "in a shell")
    send(world, "work 60")
    world.does("one", "working")
    prompt = send(world, f"touch {world.home}/typed", status=9)["prompt"]
    world.run("send", "-t", "one", "-k", "C-d").ok()
    wait_until(lambda: "the shell has the terminal" in world.run("why", "-t", "one").ok().out, what="the shell")

    def why() -> str:
        prompts = world.run("queue", "-t", "one", "--json").ok().json["prompts"]
        return str(next(one["why"] for one in prompts if one["id"] == prompt))

    wait_until(lambda: why() == "no place to type into", what=why)
    world.run("send", "-t", "one", f"echo x >> {world.home}/shell").ok()
    wait_until(lambda: os.path.exists(f"{world.home}/shell"), what="the shell's command")
    assert not os.path.exists(f"{world.home}/typed")
    world.run("send", "-t", "one", f"{world.home}/ours").ok()
    wait_until(lambda: given(world)[1:] == [f"touch {world.home}/typed"], what=lambda: str(given(world)))


def test_the_end_of_a_session_is_the_end_of_its_queue(world: World) -> None:
    ours(world)
    waiting = world.start("send", "-t", "one", "--wait", "--json", "work 60")
    world.does("one", "working")
    queued = send(world, "queued", status=9)["prompt"]
    world.run("kill", "-t", "one", "--now").ok()
    out, _ = waiting.communicate(timeout=20)
    assert json.loads(out)["state"] == "killed" and waiting.returncode == 7
    states = {one["id"]: one["state"] for one in world.run("queue", "-t", "one", "-a", "--json").ok().json["prompts"]}
    assert states[queued] == "refused"
    world.run("send", "-t", "one", "more").failed("session 'one' is not running", "start it again with")


def test_several_get_a_receipt_each(world: World) -> None:
    ours(world)
    ours(world, "two")
    world.run("label", "-t", "two", "team=x").ok()
    receipts = world.run("send", "-t", "one", "-t", "two", "--json", "hello").ok().json
    assert [(one["name"], one["state"]) for one in receipts] == [("one", "accepted"), ("two", "accepted")]
    assert send(world, "--label", "team=x", "only two")
    assert given(world)[-1:] == ["only two"] and given(world, "two") == ["hello", "only two"]


def test_it_can_wait_for_a_time_and_for_another(world: World) -> None:
    ours(world)
    ours(world, "two")
    world.run("send", "-t", "two", "work 1").ok()
    world.does("two", "working")
    send(world, "after two", "--after", "two", status=9)
    send(world, "soon", "--at", "+1s", status=9)
    assert send(world, "at once")["state"] == "accepted"
    wait_until(lambda: len(given(world)) == 3, what=lambda: str(given(world)))
    assert given(world)[0] == "at once" and set(given(world)) == {"at once", "after two", "soon"}
    world.run("send", "-t", "one", "--at", "noon", "x").failed("--at 'noon' is no time", "write 14:30", status=2)


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.prove)])
@pytest.mark.parametrize("how", ["", "in a script's place"])
def test_a_server_that_is_killed_types_nothing_twice(world: World, how: str, rounds: int) -> None:
    began(world, how) if how else ours(world)
    sent: list[str] = []
    for number in range(rounds):
        texts = [f"prompt {number}.{part}" for part in range(3)]
        sent += texts
        senders = [world.start("send", "-t", "one", "--json", text) for text in texts]
        time.sleep((number * 37 % 100) / 400)
        os.kill(world.status()["server_pid"], signal.SIGKILL)
        for sender in senders:
            sender.communicate(timeout=30)
        over = wait_until(
            lambda: all_over(world), seconds=40, what=lambda: world.run("queue", "-t", "one", "-a").out[-900:]
        )
        if over[-1]["state"] == "uncertain" and world.screen("one")[1] != "> type here":
            world.run("send", "-t", "one", "-k", "C-u").ok()
    prompts = world.run("queue", "-t", "one", "-a", "--json").ok().json["prompts"]
    got = given(world)
    assert len(got) == len(set(got)), "something was delivered twice"
    for one in prompts:
        if one["state"] == "accepted":
            assert one["text"] in got
        elif one["state"] != "uncertain":
            assert one["text"] not in got
    assert {one["state"] for one in prompts} <= {"accepted", "uncertain", "queued"}
    accepted = [one["text"] for one in prompts if one["state"] == "accepted"]
    assert len(accepted) >= len(prompts) * 0.8


def all_over(world: World) -> list[Any]:
    """Return all prompts if none is under way, or those behind one that stands there unsubmitted."""
    prompts: list[Any] = world.run("queue", "-t", "one", "-a", "--json").ok().json["prompts"]
    open_ones = [one for one in prompts if one["state"] in ("queued", "typing")]
    if open_ones and all(one["why"] == "a draft is there" for one in open_ones):
        world.run("send", "-t", "one", "-k", "C-u").ok()
        return []
    return [] if open_ones else prompts
