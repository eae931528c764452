"""People are told of sessions that need them, and commands are run at events."""

from __future__ import annotations

import base64
import json
import os
import sys
import time

import pytest
from hostile import CORPUS, acts
from world import World, wait_until

WAITS = "print('\\033]7501;state=' + input() + '\\a', end='', flush=True); input()"


def lines(path: str) -> list[dict[str, object]]:
    try:
        with open(path) as file:
            return [json.loads(line) for line in file.read().splitlines()]
    except FileNotFoundError:
        return []


def test_a_command_gets_each_event_that_it_is_for(world: World) -> None:
    world.configure(f"[hooks]\nnotified = 'cat >> {world.home}/notified'\nexited = 'cat >> {world.home}/exited'\n")
    world.python("one", WAITS)
    world.python("mute", WAITS, options=["--label", "notify=off"])
    for name in ("one", "mute"):
        world.run("send", "-t", name, "blocked:kind=permission:msg=cnVuIGxz").ok()
    wait_until(lambda: lines(f"{world.home}/notified"), what="notification")
    world.run("send", "-t", "one", "").ok()
    world.exited("one")
    wait_until(lambda: lines(f"{world.home}/exited"), what="end")
    [told] = lines(f"{world.home}/notified")
    assert (told["event"], told["name"], told["about"]) == ("notified", "one", "waiting")
    assert (told["title"], told["body"]) == ("agentmux: one", "waits for approval: run ls")
    [ended] = lines(f"{world.home}/exited")
    assert (ended["event"], ended["name"], ended["exit_status"]) == ("exited", "one", 0)


def test_a_label_that_means_nothing_is_refused(world: World) -> None:
    world.new("one", "cat")
    problem = "label 'notify=exitd' has 'exitd', which is none of waiting, stalled, done, exited"
    world.run("label", "-t", "one", "notify=exitd").failed(problem, status=2)
    assert world.info("one")["labels"] == {}
    world.run("new", "-d", "--label", "notify=exitd", "cat").failed(f"--{problem}", status=2)
    world.run("run", "--label", "notify=exitd", "hello").failed(f"--{problem}", status=2)
    world.run("label", "-t", "one", "notify=waiting,exited").ok()
    world.run("label", "-t", "one", "notify=").ok()
    assert world.info("one")["labels"] == {}


def test_the_terminal_of_a_client_that_looks_elsewhere_hears_of_it(world: World) -> None:
    world.python("one", WAITS)
    world.new("two", "cat")
    looks = world.attach("two", env={"TERM_PROGRAM": "ghostty"})
    world.run("send", "-t", "one", "blocked:kind=question:msg=V2hpY2g_").ok()
    wait_until(lambda: b"waits for question" in looks.everything(), what="notification")
    there = world.attach("one")
    world.run("send", "-t", "one", "").ok()
    assert there.ended() == 0


def test_commands_that_fail_or_hang_harm_nobody(world: World) -> None:
    world.new("one", "cat")
    world.configure("[hooks]\nrenamed = 'exit 3'\nlabelled = 'sleep 1000'\nno-such = 'x'\n")
    for number in range(20):
        world.run("label", "-t", "one", f"n={number}").ok()
    world.run("rename", "-t", "one", "other").ok()
    began = time.monotonic()
    world.info("other")
    assert time.monotonic() - began < 2
    assert "no event 'no-such' to run a command at" in world.run("doctor").out
    world.run("kill-server").ok()
    wait_until(lambda: not [pid for pid, line in world.pids().items() if "sleep 1000" in line], what="end of commands")
    assert os.path.exists(world.home)


def test_a_command_that_fails_is_in_the_log(world: World) -> None:
    world.configure("[hooks]\nrenamed = 'exit 3'\n")
    world.new("one", "cat")
    world.run("rename", "-t", "one", "other").ok()
    wait_until(lambda: "hook: ended with 3: exit 3" in world.log, what="line in the log")


@pytest.mark.skipif(sys.platform == "darwin", reason="osascript shows a text as it is")
def test_the_desktop_shows_what_others_wrote_as_text(world: World) -> None:
    """notify-send takes backslashes in a body for escapes, and what shows it takes it for markup."""
    folder = os.path.join(world.home, "bin")
    os.mkdir(folder)
    with open(os.open(f"{folder}/notify-send", os.O_CREAT | os.O_WRONLY, 0o755), "w") as file:
        file.write(f'#!/bin/sh\ncd {world.home}\nfor word; do printf "%s\\0" "$word"; done > new\nmv new got\n')
    world.env["PATH"] = f"{folder}:{world.env['PATH']}"
    world.configure('notify-desktop = "on"\n')
    world.python("one", WAITS)
    evil = "--icon=x '; touch pwned; $(touch pwned) `touch pwned` \\033[31m <b>&amp;</b>" + "".join(CORPUS.values())
    message = base64.b64encode(evil.encode("utf-8", "surrogateescape")).decode()
    world.run("send", "-t", "one", f"blocked:kind=permission:msg={message}").ok()
    wait_until(lambda: os.path.exists(f"{world.home}/got"), what="notification")
    with open(f"{world.home}/got", "rb") as got:
        words = got.read().split(b"\0")[:-1]
    assert words[:3] == [b"--app-name=agentmux", b"--", b"agentmux: one"]
    [body] = words[3:]
    assert body.startswith(b"waits for approval: --icon=x '; touch pwned; $(touch pwned)")
    assert b"\\\\033[31m &lt;b&gt;&amp;amp;&lt;/b&gt;" in body
    assert not acts(body)
    assert "pwned" not in os.listdir(world.home) + os.listdir("/")
    world.run("send", "-t", "one", "").ok()
    world.exited("one")
