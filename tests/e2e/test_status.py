"""What sessions do, as people and scripts see it: shells, programs that speak for themselves, a user's own agent."""

from __future__ import annotations

import os
import signal
import time

import pytest
from profiles import NAMED, PERMISSION, PROMPT, SPINNER
from world import World, wait_until

AGENT = """
import sys, time
def show(*rows):
    sys.stdout.write("\\033[2J\\033[H" + "\\r\\n".join(rows)); sys.stdout.flush()
show("some text", "> ")
for line in sys.stdin:
    word = line.strip()
    if word == "work":
        show("busy with it", "spinning")
    elif word.startswith("tool"):
        show("busy with it", "spinning")
        import subprocess
        subprocess.run(["sleep", word[5:]])
    elif word == "ask":
        show("May I run this?", "  touch x", "1. Yes", "2. No", "press a key")
    elif word == "unseen":
        show("a dialog that nobody has seen before")
    elif word == "prose":
        show("I would ask: May I run this? spinning, press a key", "> ")
    else:
        show("some text", "> ")
"""

PROFILE = "stall = 2\n" + NAMED + PROMPT + PERMISSION + SPINNER


def ours(world: World, name: str = "one") -> None:
    """Start an agent of the user's own, with its profile."""
    world.new(name, world.agent(PROFILE, "#!/bin/sh\nexec python3 -I -S -u -c '" + AGENT.replace("'", '"') + "'\n"))
    world.does(name, "idle")


def test_a_shell_works_while_something_else_has_its_terminal(world: World) -> None:
    world.new("sh", "bash", "--norc")
    world.does("sh", "idle")
    world.run("send", "-t", "sh", "cat").ok()
    world.does("sh", "working")
    assert "cat has the terminal" in world.run("why", "-t", "sh").ok().out
    world.run("interrupt", "-t", "sh").ok()
    world.does("sh", "idle")
    world.run("send", "-t", "sh", "less /etc/passwd").ok()
    world.does("sh", "unknown")
    assert "less has the screen" in world.run("why", "-t", "sh").ok().out
    world.run("send", "-t", "sh", "-k", "q").ok()
    world.does("sh", "idle")


def test_a_program_that_nobody_knows_is_unknown_until_it_speaks(world: World) -> None:
    world.new("cat", "cat")
    assert world.info("cat")["status"] == "unknown"
    assert "no profile knows this program" in world.run("why", "-t", "cat").ok().out
    world.python("speaks", "import sys\nfor line in sys.stdin: print('\\033]7501;state=' + line.strip() + '\\a')")
    for said, status in (("working", "working"), ("blocked:kind=question", "waiting"), ("done", "idle")):
        world.run("send", "-t", "speaks", said).ok()
        world.does("speaks", status)
    world.run("kill", "-t", "speaks", "--now").ok()
    assert world.info("speaks")["status"] == "exited"


def test_an_agent_is_seen_through_what_it_does(world: World) -> None:
    ours(world)
    for word, status in (
        ("work", "working"),
        ("ask", "waiting"),
        ("", "idle"),
        ("unseen", "unknown"),
        ("prose", "idle"),
    ):
        world.run("send", "-t", "one", word).ok()
        world.does("one", status)
    history = world.run("why", "-t", "one", "--history", "--json").ok().json["history"]
    assert [entry["status"] for entry in history] == ["idle", "working", "waiting", "idle", "unknown", "idle"]
    world.run("send", "-t", "one", "ask").ok()
    world.does("one", "waiting")
    why = world.run("why", "-t", "one").ok().lines
    assert why[0].startswith("one: waiting for approval, for ")
    assert why[1:6] == [
        "  its screen says waiting for approval (permission)",
        "    May I run this?",
        "    touch x",
        "    1. Yes",
        "    2. No",
    ]
    row = world.run("ls", "--json").ok().json[0]
    assert (row["status"], row["about"], row["options"]) == ("waiting", "approval", ["Yes", "No"])


def test_who_waits_for_a_person_is_listed_first(world: World) -> None:
    world.new("shell", "bash", "--norc")
    ours(world)
    assert world.names() == ["shell", "one"]
    world.run("send", "-t", "one", "ask").ok()
    world.does("one", "waiting")
    assert world.names() == ["one", "shell"]
    assert "waiting approval" in world.run("ls").ok().lines[1]


def test_a_list_follows_what_changes(world: World) -> None:
    ours(world)
    watch = world.start("ls", "--watch", "-F", "{name} {status}")
    assert watch.stdout is not None
    seen: list[str] = []

    def sees(line: str) -> None:
        while line not in seen:
            assert watch.stdout is not None
            seen.append(watch.stdout.readline().decode().strip())
            assert seen[-1], seen

    sees("one idle")
    world.run("send", "-t", "one", "ask").ok()
    sees("one waiting")
    world.new("two", "cat")
    sees("two unknown")
    watch.send_signal(signal.SIGINT)
    assert world.ended(watch).status == 130
    terminal = world.terminal("ls", "--watch")
    terminal.shows("waiting approval")
    world.run("send", "-t", "one", "").ok()
    terminal.shows("idle")
    assert "waiting" not in terminal.text()
    terminal.type("\x03")
    assert terminal.ended() == 130


def test_it_is_known_again_after_the_server_was_killed(world: World) -> None:
    world.python("speaks", "print('\\033]7501;state=blocked:kind=permission:msg=cnVu\\a'); input()")
    world.does("speaks", "waiting")
    since = world.info("speaks")["since"]
    os.kill(world.status()["server_pid"], signal.SIGKILL)
    world.does("speaks", "waiting")
    assert world.info("speaks")["since"] == since
    history = world.run("why", "-t", "speaks", "--history", "--json").ok().json["history"]
    assert [(entry["status"], entry["text"]) for entry in history] == [("waiting", "run")]


def test_a_report_is_a_test_and_names_nobody(world: World) -> None:
    world.configure("redact = 'hunter[0-9]'\n")
    ours(world)
    world.run("send", "-t", "one", "ask").ok()
    world.does("one", "waiting")
    report = world.run("report", "-t", "one").ok()
    assert report.lines[:3] == ["agent: ours", "expected: waiting approval", "title: "]
    assert "|May I run this?" in report.lines
    assert "reading: its screen says waiting for approval (permission)" in report.lines
    secrets = f"print {world.home}/x hunter2 sk-ant-api03-abcdefghijklmnop"
    world.new("sh", "cat")
    world.run("send", "-t", "sh", secrets).ok()
    world.shows("sh", "hunter2")
    assert "|print ~/x [redacted] [redacted]" in world.run("report", "-t", "sh").ok().lines
    assert f"|{secrets}" in world.run("report", "-t", "sh", "--private").ok().lines


def test_silence_at_work_is_a_stall_unless_a_tool_runs(world: World) -> None:
    ours(world)
    began = time.monotonic()
    world.run("send", "-t", "one", "tool 4").ok()
    world.does("one", "working")
    world.does("one", "stalled")
    assert time.monotonic() - began > 4, "not while its tool ran"
    assert "its output says stalled (nothing for " in world.run("why", "-t", "one").ok().out
    world.run("send", "-t", "one", "").ok()
    world.does("one", "idle")


def test_waiting_for_what_it_does(world: World) -> None:
    ours(world)
    ours(world, "two")
    waits = world.start("wait", "-t", "one", "-t", "two", "--until", "working")
    world.run("send", "-t", "one", "work").ok()
    world.does("one", "working")
    assert waits.poll() is None
    world.run("send", "-t", "two", "work").ok()
    world.ended(waits).ok()
    world.run("wait", "-t", "one", "-t", "two", "--until", "idle", "--until", "working").ok()
    idle = world.start("wait", "-t", "one", "-t", "two", "--until", "idle", "--any")
    world.run("send", "-t", "two", "").ok()
    world.ended(idle).ok()
    needed = world.start("wait", "-t", "one", "--until", "idle")
    world.run("send", "-t", "one", "ask").ok()
    world.ended(needed).failed("session 'one' waits for a person: approval", status=8)
    world.run("wait", "-t", "one", "--until", "waiting").ok()
    gone = world.start("wait", "-t", "one", "--until", "idle", "--until", "waiting", "--until", "output=^never$")
    world.ended(gone).ok()
    world.run("wait", "-t", "one", "--until", "working", "--until", "output=zzz", "--timeout", "0.3").failed(
        "not seen within 0.3 s", status=5
    )
    ends = world.start("wait", "-t", "two", "--until", "waiting")
    wait_until(lambda: world.run("send", "-t", "two", "-k", "C-d").ok(), what="end")
    assert world.ended(ends).status == 6
    killed = world.start("wait", "-t", "one", "--until", "working")
    world.run("kill", "-t", "one", "--now").ok()
    assert world.ended(killed).status in (7, 8)
    world.run("wait", "-t", "one", "--until", "later").failed(
        "wait: can't wait until 'later'", "there are: idle, waiting, working, exit and output=REGEX", status=2
    )


def test_a_wait_goes_on_with_the_next_server(world: World) -> None:
    ours(world)
    waits = world.start("wait", "-t", "one", "--until", "working")
    wait_until(lambda: World.connected(waits.pid), what="connection")
    os.kill(world.status()["server_pid"], signal.SIGKILL)
    world.run("send", "-t", "one", "work").ok()
    world.ended(waits).ok()


def test_a_wait_is_no_longer_for_another_server(world: World) -> None:
    ours(world)
    began = time.monotonic()
    waits = world.start("wait", "-t", "one", "--until", "working", "--timeout", "3")
    wait_until(lambda: World.connected(waits.pid), what="connection")
    wait_until(lambda: time.monotonic() - began > 2, what="most of the time")
    os.kill(world.status()["server_pid"], signal.SIGKILL)
    world.ended(waits).failed("not seen within 3 s", status=5)
    assert 3 <= time.monotonic() - began < 5, "a new server would have begun anew"


def silent_claude(world: World) -> str:
    """Make a program that is taken for Claude Code, has nothing on its screen and ends with a line."""
    with open(os.open(f"{world.home}/claude", os.O_CREAT | os.O_WRONLY, 0o755), "w") as file:
        file.write("#!/usr/bin/env python3\nprint('\\033[2J\\033[H-'); input()\n")
    return f"{world.home}/claude"


def test_an_agent_that_was_started_in_a_shell_is_watched_as_that_agent(world: World) -> None:
    world.new("sh", "bash", "--norc")
    ours(world)
    world.run("send", "-t", "sh", silent_claude(world)).ok()
    world.does("sh", "unknown")
    assert "no place to type into" in world.run("why", "-t", "sh").ok().out
    world.run("send", "-t", "sh", "-k", "Enter").ok()
    world.does("sh", "idle")


@pytest.mark.parametrize(
    "words", [("sh", "-c", 'read line; eval "$line"'), ("bash", "--norc")], ids=["a script", "a shell at its prompt"]
)
def test_an_agent_that_takes_the_place_of_what_started_it_is_watched_as_that_agent(
    world: World, words: tuple[str, ...]
) -> None:
    world.new("one", *words)
    world.run("send", "-t", "one", f"exec {silent_claude(world)}").ok()
    wait_until(lambda: "no place to type into" in world.run("why", "-t", "one").ok().out, what="the agent")
    world.does("one", "unknown")
