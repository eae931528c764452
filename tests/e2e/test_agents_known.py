"""The agents that are known: listed, told by the command line, and profiles of the user's own."""

from __future__ import annotations

import os

from world import World

OWN = 'title = "Ours"\ntested = "3"\nversion = ["ours", "--version"]\n\n[recognise]\ncommands = ["ours"]\n'


def installed(world: World) -> str:
    """Put an agent of the user's own on PATH, and its profile in its place; return the folder of the program."""
    folder = f"{world.home}/bin"
    os.mkdir(folder)
    with open(os.open(f"{folder}/ours", os.O_CREAT | os.O_WRONLY, 0o755), "w") as file:
        file.write('#!/bin/sh\n[ "$1" = --version ] && echo "ours 3.1.4-beta (build 5)" || exec cat\n')
    profiles = f"{world.home}/config/agentmux/agents"
    os.makedirs(profiles)
    with open(f"{profiles}/ours.toml", "w") as file:
        file.write(OWN)
    return folder


def test_all_are_listed_with_where_they_are(world: World) -> None:
    path = installed(world) + os.pathsep + os.environ["PATH"]
    rows = world.run("agents", "--versions", "--json", env={"PATH": path}).ok().json
    known = {row["name"]: row for row in rows}
    assert {"aider", "claude", "codex", "copilot", "gemini", "opencode", "ours", "pi", "qwen", "shell"} == set(known)
    ours = known["ours"]
    assert (ours["title"], ours["tested"], ours["version"]) == ("Ours", "3", "3.1.4-beta")
    assert ours["installed"] == f"{world.home}/bin/ours"
    shown = world.run("agents", env={"PATH": path}).ok().lines
    assert shown[0].split() == ["NAME", "TITLE", "TESTED", "INSTALLED"]
    assert [line.split()[0] for line in shown[1:]] == sorted(known)
    assert not world.pids(), "no server was needed"


def test_a_session_and_what_it_was_told_know_the_agent(world: World) -> None:
    program = installed(world) + "/ours"
    world.new("one", "env", "A=1", program)
    world.new("two", "cat")
    assert world.info("one")["agent"] == "ours"
    assert world.info("two")["agent"] is None
    assert world.run("ls", "-f", "agent=ours", "-F", "{name}").ok().lines == ["one"]
    world.run("send", "-t", "one", "to ours").ok()
    world.run("send", "-t", "two", "to cat").ok()
    found = world.run("history", "--agent", "ours", "--json").ok().json
    assert [(one["text"], one["agent"]) for one in found] == [("to ours", "ours")]


def test_a_profile_is_checked(world: World) -> None:
    installed(world)
    folder = f"{world.home}/config/agentmux/agents"
    assert world.run("agents", "check", f"{folder}/ours.toml").ok().out.endswith("ours.toml: agent 'ours', Ours\n")
    with open(f"{folder}/bad.toml", "w") as file:
        file.write('title = "Bad"\n\n[recognise]\ncomands = []\n')
    problem = f"{folder}/bad.toml: line 4: no key 'recognise.comands'; there are: commands, packages"
    world.run("agents", "check", f"{folder}/bad.toml").failed(problem, "see: man agentmux.conf, PROFILES")
    ran = world.run("agents")
    assert ran.status == 1 and problem in ran.err and "ours" in ran.out
    ran = world.run("agents", "check")
    assert ran.status == 2 and "agents check FILE" in ran.err
