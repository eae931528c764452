"""Usage limits as people see them, and sessions that go on by themselves after one."""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import UTC, datetime

import pytest
from profiles import NAMED, PERMISSION, PROMPT, SPINNER
from world import World, wait_until

AGENT = """
import os, sys, tty
tty.setraw(0)
def show(*rows):
    os.write(1, ("\\033[2J\\033[H" + "\\r\\n".join(rows)).encode())
def limited(words):
    show("some text", "! limit reached, resets " + words, "", "> ")
show("some text", "> ")
line, words, dialog = "", "", False
while data := os.read(0, 1):
    key = data.decode("latin-1")
    with open(sys.argv[1], "a") as file:
        file.write(key.replace("\\r", "\\n").replace("\\033", "<Escape>"))
    if key == "\\033" and dialog:
        dialog = False
        limited(words)
    elif key != "\\r":
        line += key
    else:
        word, _, rest = line.partition(" ")
        line = ""
        if word == "limit":
            words = rest
            limited(words)
        elif word == "menu":
            words, dialog = rest, True
            show("What now? The limit resets " + words, "1. Wait", "2. Buy", "press a key")
        elif word == "stuck":
            words = rest
            show("What now? The limit resets " + words, "1. Wait", "2. Buy", "press a key")
        elif word == "ask":
            show("May I run this?", "1. Yes", "2. No", "press a key")
        elif word == "continue":
            show("busy with it", "spinning")
        else:
            show("some text", "> ")
"""

PROFILE = (
    NAMED
    + """
[limit]
resume = ["Escape"]
prompt = "continue"
margin = 1
"""
    + PROMPT
    + """
[[signs.rules]]
name = "limit"
says = "waiting"
about = "limit"
where = "above 3"
every = ['^! limit reached.*\\Z']
resets = '^! limit reached, resets (.*)$'
[[signs.rules]]
name = "menu"
says = "waiting"
about = "limit"
where = "bottom 6"
every = ['What now', 'press a key']
resets = 'The limit resets (.*)$'
"""
    + PERMISSION
    + SPINNER
)


class Limited:
    """An agent that says what it is told to, and a list of what becomes of its limits."""

    def __init__(self, world: World, *, label: str = "on") -> None:
        self.world = world
        self.typed = f"{world.home}/typed"
        options = ["--label", f"resume-at-limit={label}"] if label else []
        program = "#!/bin/sh\nexec python3 -I -S -u -c '" + AGENT.replace("'", '"') + f"' {self.typed}\n"
        world.configure(f"[hooks]\nlimit-resume = 'cat >> {world.home}/events'\n")
        world.new("one", world.agent(PROFILE, program), options=options)
        world.does("one", "idle")

    def say(self, *words: str) -> None:
        self.world.run("send", "-t", "one", *words).ok()

    def limited(self, how: str = "limit", seconds: float = 3) -> float:
        """Have it reach a limit; return when that ends."""
        at = float(int(time.time() + seconds + 1))
        self.say(how, datetime.fromtimestamp(at, UTC).isoformat())
        wait_until(lambda: self.world.info("one")["resets"] == at, what="limit")
        return at

    def events(self, count: int) -> list[tuple[str, float]]:
        """Return the first events once there are so many: what, and when it is or was to go on."""
        path = f"{self.world.home}/events"

        def listed() -> list[tuple[str, float]] | None:
            if not os.path.exists(path):
                return None
            with open(path) as file:
                found = [json.loads(line) for line in file.read().splitlines()]
            return [(one["what"], one["resumes"]) for one in found] if len(found) >= count else None

        found = wait_until(listed, what=f"{count} events")
        assert found is not None
        return found

    def read(self) -> str:
        with open(self.typed) as file:
            return file.read()


def test_a_limit_is_told_with_its_end_and_nothing_is_done(world: World) -> None:
    one = Limited(world, label="")
    at = one.limited(seconds=7500)
    found = world.info("one")
    assert (found["status"], found["about"], found["resets"], found["resumes"]) == ("waiting", "limit", at, None)
    assert "waiting limit" in world.run("ls").ok().out
    assert world.run("ls", "-F", "{resets}").ok().lines == [str(at)]
    why = world.run("why", "-t", "one").ok().out
    assert "resets at " in why and ", in 2h" in why and "by itself" not in why
    assert "limit reached, resets" in why
    since = found["since"]
    os.kill(world.status()["server_pid"], signal.SIGKILL)
    world.does("one", "waiting")
    assert (world.info("one")["resets"], world.info("one")["since"]) == (at, since)
    assert not os.path.exists(f"{world.home}/events")


def test_words_that_count_from_when_they_were_said_survive_the_server(world: World) -> None:
    one = Limited(world, label="")
    one.say("limit in 2 hours")
    world.does("one", "waiting")
    at = world.info("one")["resets"]
    assert 7100 < at - time.time() <= 7200
    os.kill(world.status()["server_pid"], signal.SIGKILL)
    world.does("one", "waiting")
    assert world.info("one")["resets"] == at


def test_a_session_goes_on_after_its_limit(world: World) -> None:
    one = Limited(world)
    at = one.limited()
    assert world.info("one")["resumes"] == at + 1
    assert "goes on by itself at " in world.run("why", "-t", "one").ok().out
    world.does("one", "working")
    assert time.time() >= at + 1, "not before"
    assert one.events(2) == [("scheduled", at + 1), ("acted", at + 1)]
    assert one.read().endswith("\ncontinue\n") and "<Escape>" not in one.read()
    history = world.run("why", "-t", "one", "--history", "--json").ok().json["history"]
    assert [entry["status"] for entry in history] == ["idle", "waiting", "working"]
    turns = world.run("messages", "-t", "one", "--json").ok().out
    assert "continue" in turns


def test_a_dialog_about_a_limit_is_left_first(world: World) -> None:
    one = Limited(world)
    one.limited("menu")
    world.does("one", "working")
    assert one.read().endswith("\n<Escape>continue\n")


def test_it_goes_on_under_the_next_server(world: World) -> None:
    one = Limited(world)
    at = one.limited(seconds=4)
    os.kill(world.status()["server_pid"], signal.SIGKILL)
    wait_until(lambda: world.info("one")["resumes"] == at + 1, what="schedule")
    world.does("one", "working")
    assert one.read().count("continue") == 1


def test_without_a_place_to_type_into_nothing_is_typed(world: World) -> None:
    """The dialog does not go with its keys."""
    one = Limited(world)
    at = one.limited("stuck", seconds=1)
    assert one.events(2) == [("scheduled", at + 1), ("cancelled", at + 1)]
    assert one.read().endswith("<Escape>")
    assert world.info("one")["resumes"] is None


def cancelled_by_label(one: Limited) -> None:
    one.world.run("label", "-t", "one", "resume-at-limit=").ok()


def cancelled_by_typing(one: Limited) -> None:
    one.world.run("send", "-t", "one", "--no-enter", "hm").ok()


def cancelled_by_a_change(one: Limited) -> None:
    one.say("ask")


@pytest.mark.parametrize("cancel", [cancelled_by_label, cancelled_by_typing, cancelled_by_a_change])
def test_it_is_cancelled(world: World, cancel: object) -> None:
    assert callable(cancel)
    one = Limited(world)
    at = one.limited(seconds=2)
    cancel(one)
    assert one.events(2) == [("scheduled", at + 1), ("cancelled", at + 1)]
    assert world.info("one")["resumes"] is None
    os.kill(world.status()["server_pid"], signal.SIGKILL)
    world.run("wait", "-t", "one", "--until", "working", "--until", "output=^never$", "--timeout", "4").failed(
        "not seen within 4 s", status=5
    )
    assert world.info("one")["resumes"] is None
    assert "continue" not in one.read()


def test_another_dialog_is_never_typed_into(world: World) -> None:
    """It comes at the last moment: the server is stopped when it is due, and must look again before it types."""
    one = Limited(world)
    at = one.limited(seconds=3)
    server = world.status()["server_pid"]
    os.kill(server, signal.SIGSTOP)
    tty = os.readlink(f"/proc/{_pid(one)}/fd/0")
    wait_until(lambda: time.time() > at + 1.2, what="the moment at which it was due")
    with open(tty, "w") as terminal:
        terminal.write("\033[2J\033[HMay I run this?\r\n1. Yes\r\n2. No\r\npress a key")
    os.kill(server, signal.SIGCONT)
    assert one.events(2) == [("scheduled", at + 1), ("cancelled", at + 1)]
    world.does("one", "waiting")
    assert world.info("one")["about"] == "approval"
    assert "continue" not in one.read() and "<Escape>" not in one.read()


def _pid(one: Limited) -> int:
    """Return the agent's pid: the one that has its file's name."""
    found = [pid for pid, line in one.world.pids().items() if one.typed in line]
    assert len(found) == 1, found
    return found[0]


def test_the_configuration_is_for_all_and_a_label_says_otherwise(world: World) -> None:
    one = Limited(world, label="")
    world.configure("resume-at-limit = 'on'\n")
    at = one.limited(seconds=100)
    assert world.info("one")["resumes"] == at + 1
    world.run("label", "-t", "one", "resume-at-limit=off").ok()
    assert world.info("one")["resumes"] is None
    world.run("label", "-t", "one", "resume-at-limit=maybe").failed(
        "label 'resume-at-limit=maybe' is none of on, off", status=2
    )
