"""No command prints what a terminal would act on, whoever wrote it: names, labels, titles, messages, prompts, options.

The calls are checked against the table of commands, so none can be forgotten: a new one fails until it has calls here.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from dataclasses import dataclass

import hostile
import pytest
from hostile import EVIL, FOLDER, MARK, SHOWN, acts
from world import Ran, World, wait_until

from agentmux.cli import app
from agentmux.cli.commands import COMMANDS

NAMES = [command.name for command in COMMANDS]
OPTIONS = {name: {word for param in app.parser(name).params for word in param.opts} for name in NAMES}


@dataclass(frozen=True)
class Call:
    """One command line.

    Attributes:
        shows: whether hostile text is in what it prints, so that the call proves something.
        colours: whether it prints colours of our own.
    """

    words: tuple[str, ...]
    shows: bool = True
    colours: bool = False


def call(*words: str, shows: bool = True, colours: bool = False) -> Call:
    return Call(words, shows, colours)


CALLS: dict[str, list[Call]] = {
    "new": [call("-d", "-P", "-c", EVIL, EVIL), call("-d", "-s", EVIL, "cat"), call("-d", "-e", EVIL, "cat")],
    "ls": [
        call("-a"), call("-a", "-F", "{command} {labels} {argv} {env_names} {asks} {options} {cwd}"),
        call("-a", "-F", "{branch} {title} {said}"),
        call("-f", EVIL), call("-F", "{pwn}"), call("-a", "-F", "{labels.k}"),
    ],
    "dashboard": [call("--select", EVIL), call(EVIL)],
    "attach": [call("-t", "ended", shows=False), call("-t", EVIL)],
    "detach": [call("-t", "plain", shows=False)],
    "resize": [call("-t", "plain", EVIL)],
    "rename": [call("-t", "plain", EVIL)],
    "label": [call("-t", "plain"), call("-t", "plain", EVIL.replace("=", "")), call("-t", "plain", f"notify={EVIL}")],
    "has": [call("-t", EVIL, shows=False)],
    "info": [call("-t", "plain"), call("-t", "agent"), call("-t", "teller"), call("-t", "ended")],
    "kill": [call("-t", EVIL)],
    "send": [
        call("-t", "ended", EVIL, shows=False), call("-t", "plain", "-k", EVIL), call("-t", "plain", "-f", EVIL),
        call("-t", "plain", "--at", EVIL, "x"), call("-t", "agent", "--now", EVIL, shows=False),
    ],
    "queue": [call("-t", "agent", "-a"), call("-t", "agent", "drop", EVIL), call("-t", "agent", EVIL)],
    "run": [call("--agent", EVIL, "x"), call("--agent", f"'{EVIL}", "x"), call("-f", EVIL)],
    "inbox": [call()],
    "answer": [call("-t", "agent", EVIL), call("-t", "agent", "--text", EVIL, shows=False)],
    "interrupt": [call("-t", EVIL)],
    "history": [call()],
    "messages": [call("-t", "agent")],
    "last": [call("-t", "agent")],
    "search": [call("pwn*"), call("--in", EVIL, "x"), call("--since", EVIL, "x"), call(EVIL, shows=False)],
    "usage": [call("--by", "label:k"), call("--by", EVIL), call("--by", f"label:{EVIL}", shows=False)],
    "export": [
        *(call("-t", "agent", "--format", form) for form in ("asciicast", "asciicast-v3", "text", "html", "json")),
        call("--format", EVIL), call("-t", "agent", "-o", EVIL, shows=False), call("-t", "agent", "-o", f"/no/{EVIL}"),
    ],
    "replay": [call("-t", EVIL)],
    "forget": [call("--older", EVIL), call("-t", "agent", shows=False)],
    "gc": [call(shows=False)],
    "backup": [call(EVIL), call(f"/no/{EVIL}")],
    "capture": [call("-t", "agent"), call("-t", "agent", "-e", colours=True), call("-t", "agent", "-S", EVIL)],
    "wait": [call("-t", "agent", "--until", "idle", shows=False), call("--until", EVIL), call("--output", f"({EVIL}")],
    "why": [call("-t", "agent", "--history"), call("-t", "hooked", "--history")],
    "report": [call("-t", "agent"), call("-t", "agent", "--private"), call("-t", "hooked")],
    "log": [call("-t", EVIL)],
    "events": [call("-t", EVIL)],
    "restart": [call("-t", EVIL), call("-t", "ended", shows=False)],
    "resume": [call("-d", "-t", "ended", shows=False), call("-d", "-t", EVIL)],
    "fork": [call("-d", "-t", EVIL), call("-d", "-t", "agent", "-s", EVIL, shows=False)],
    "agents": [call(), call("check", EVIL)],
    "hook": [call("Notice", shows=False)],
    "server": [call("log"), call("status", shows=False), call(EVIL)],
    "kill-server": [call(EVIL)],
    "doctor": [call()],
    "reset": [call(EVIL)],
    "completion": [call(EVIL), call("bash", shows=False)],
}  # fmt: skip
"""What is asked of each; of the view what needs no terminal, see below.

Of attach, log and replay only errors: they show a program's own bytes, which is what they are
for; so does export --format raw."""


def planted(world: World) -> None:
    """Start sessions in which everything that somebody else controls is hostile."""
    here = os.path.join(world.home, FOLDER)
    os.makedirs(f"{here}/.git")
    with open(f"{here}/.git/HEAD", "w", errors="surrogateescape") as file:
        file.write(f"ref: refs/heads/{EVIL}\n")
    world.configure(f"[hooks]\nrenamed = {toml(f'exit 3 # {EVIL}')}\n")
    program = f'#!/bin/sh\nexec {sys.executable} -I -S {hostile.__file__} "$@"\n'
    path = world.agent(hostile.PROFILE, program)
    config = os.path.join(world.home, "config", "agentmux", "agents")
    with open(os.path.join(config, "evil.toml"), "w") as file:
        file.write(f"title = {toml(EVIL)}\n[recognise]\ncommands = [{toml(EVIL)}]\n")
    options = ["-e", f"OURS_LOG={world.root}", "-e", f"{EVIL}=1"]
    options += ["--label", f"k={EVIL}", "--label", f"{EVIL.replace('=', '')}=v"]
    world.new("ended", "sh", "-c", f": {EVIL}", options=["-c", here, *options])
    world.new("plain", "sh", "-c", f"stty raw -echo; cat > /dev/null; : {EVIL}", options=["-c", here, *options])
    teller(world)
    world.new("agent", path, options=options)
    world.new("hooked", path, options=options)
    for name in ("agent", "hooked"):
        world.does(name, "idle")
        world.run("send", "-t", name, "hello").ok()
        wait_until(lambda name=name: len(world.run("messages", "-t", name, "--json").ok().json) > 1, what="reply")
        world.does(name, "idle")
    world.run("send", "-t", "plain", EVIL).ok()
    world.run("send", "-t", "agent", "ask")
    world.does("agent", "waiting")
    world.run("send", "-t", "agent", EVIL)
    world.run("send", "-t", "hooked", "hook")
    world.does("hooked", "waiting")
    world.exited("ended")
    world.run("rename", "-t", "ended", "other").ok()
    world.run("rename", "-t", "other", "ended").ok()
    wait_until(lambda: "hook: ended with 3" in world.log, what="line in the log")


def teller(world: World, name: str = "teller") -> None:
    """Start a session that has told its terminal hostile things; it ends when it gets a line."""
    world.new(name, sys.executable, "-I", "-S", hostile.__file__, "teller", options=["--label", f"k={EVIL}"])


def toml(text: str) -> str:
    """Return a text, less its lone surrogates, as a string of TOML."""
    return '"' + "".join(f"\\U{ord(letter):08x}" for letter in text if not "\ud800" <= letter <= "\udfff") + '"'


def wrong(ran: Ran, one: Call) -> list[str]:
    """Return what is wrong with what a call has printed."""
    found = []
    for what, printed in (("out", ran.raw), ("err", ran.err.encode("utf-8", "surrogateescape"))):
        printed = re.sub(rb"\x1b\[[0-9;:]*m", b"", printed) if one.colours else printed
        if act := acts(printed):
            found.append(f"{str(ran.words)[:60]} {what}: {sorted(set(act))[:5]} in {printed[:200]!r}")
    if one.shows and (ran.status == 0 or "--json" not in ran.words) and MARK not in ran.out + ran.err:
        found.append(f"{str(ran.words)[:60]} shows nothing hostile: {ran.out[-300:]!r} {ran.err[-300:]!r}")
    return found


def test_every_command_has_its_calls() -> None:
    assert sorted(CALLS) == sorted(NAMES)
    silent = {name for name, calls in CALLS.items() if not any(one.shows for one in calls)}
    assert silent == {"detach", "has", "gc", "hook"}, "these print nothing of anybody else's"


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.prove)])
def test_no_command_prints_what_acts_on_a_terminal(world: World, every: bool) -> None:
    """Each command's calls, as JSON too; besides, wrong ones of each: a few kinds, or every kind."""
    planted(world)
    world.configure(f"{toml(EVIL)} = 1\n[hooks]\n{toml(EVIL)} = {toml(EVIL)}\n")
    last = ["forget", "backup", "kill", "kill-server", "restart", "resume"]
    found = []
    for name in sorted(NAMES, key=lambda name: last.index(name) + 1 if name in last else 0):
        calls = [*CALLS[name], call(f"--{EVIL}", shows=name != "hook")]  # which never complains
        if every:
            calls += [call(*words, shows=False) for words in (("-t", EVIL), (f"-{EVIL}",), ("--json", f"-{EVIL}"))]
        if every and name not in ("new", "send", "run", "label"):
            calls.append(call(EVIL, shows=False))
        for one in calls:
            found += wrong(world.run(name, *one.words), one)
            if "--json" in OPTIONS[name]:
                found += wrong(world.run(name, "--json", *one.words), one)
    for words in ((EVIL,), (f"-{EVIL}",), ("-L", EVIL, "ls"), ("-L", f"/{EVIL}", "ls"), ("-S", EVIL, "ls")):
        found += wrong(world.run(*words), call())
    assert not found, "\n".join(found)


def test_what_goes_on_printing_prints_nothing_that_acts(world: World) -> None:
    planted(world)
    watched = (["events"], ["events", "--json"], ["inbox", "--watch"], ["ls", "--watch"])
    followers = [world.start(*words) for words in watched]
    wait_until(lambda: all(world.connected(one.pid) for one in followers), what="followers")
    teller(world, "another")
    world.run("label", "-t", "plain", f"k={EVIL}2").ok()
    world.shows("another", "linked")
    world.run("send", "-t", "another", "-k", "Enter").ok()
    world.exited("another")
    for one in followers:
        one.send_signal(signal.SIGINT)
        out, err = one.communicate(timeout=20)
        assert MARK.encode() in out
        assert not acts(out), acts(out)[:20]
        assert not acts(err), acts(err)[:20]


@pytest.mark.parametrize("place", ["top", pytest.param("off", marks=pytest.mark.prove)])
def test_what_is_drawn_for_a_terminal_of_another_size_stays_in_its_cells(world: World, place: str) -> None:
    """The program's own bytes never get there: what is drawn anew has no sequence that its text began."""
    planted(world)
    world.configure(f'status = "{place}"\nwindow-size = "manual"\nset-clipboard = "off"\n')
    world.run("resize", "-t", "teller", "100x30").ok()
    terminal = world.attach("teller", size=(80, 24))
    terminal.shows("linked")
    terminal.type("\x02s")
    terminal.shows(" agentmux ")
    terminal.shows("hooked")
    terminal.type("q")
    wait_until(lambda: "linked" in terminal.text() and not terminal.screen.alternate, what="the session")
    terminal.type("\x02[")
    terminal.shows("q quit")
    terminal.type("q")
    everything = terminal.everything()
    text = everything.decode("utf-8", "surrogateescape")
    assert not re.findall(r"[\x80-\x9f\ud800-\udfff]", text)
    for evil in (b"\x1b[31m", b"0;pwned\x07", b"\x1b]52;", b"\x1bP$qm"):
        assert evil not in everything, everything[max(0, everything.find(evil) - 200) :][:400]
    titles = re.findall(rb"\x1b\]2;([^\x1b]*)\x1b", everything)
    assert any(MARK.encode() in title for title in titles)
    assert not [title for title in titles if acts(title)]


def test_the_view_draws_nothing_that_others_began(world: World) -> None:
    """Lists, screens, words, reasons, queues, questions and forms of sessions in which everything is hostile."""
    planted(world)
    terminal = world.terminal("dashboard", size=(150, 40)).attached()
    for name in ("ended", "plain", "teller", "agent", "hooked"):
        terminal.shows(f"{name} ")
    for keys in ("1", "2", "3", "4", "1", "l", "\x1b", "r", "\x1b", "a", "\x1b", "\x1b", "n", "\x1b"):
        for _ in range(5):
            terminal.type(keys)
            if keys in "1234":
                terminal.type("j")
            terminal.shows(" agentmux ")
        for _ in range(5):
            terminal.type("k" if keys in "1234" else "\x1b")
    terminal.type("\x1b")
    terminal.type("q")
    drawn = terminal.everything().decode("utf-8", "surrogateescape")
    assert MARK in drawn
    assert not re.findall(r"[\x80-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", drawn)
    for evil in ("0;pwned\x07", "\x1b]52;", "\x1bP$qm", "\x1b]2;"):
        assert evil not in drawn, drawn[max(0, drawn.find(evil) - 200) :][:400]


def test_the_screen_of_the_test_is_hostile() -> None:
    assert acts(SHOWN.encode())
    assert acts(EVIL.encode("utf-8", "surrogateescape"))
