"""The README's first five minutes, typed as they are written."""

from __future__ import annotations

import os
import re
import shlex

import pytest
from agents import skip_without
from scripted_api import ScriptedApi
from terminal import Tmux
from viewing import SLOW, installed, ours
from world import World, wait_until

README = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(__file__))), "README.md")

KEYS = {"Enter", "Escape", "C-b"}


def steps() -> list[str]:
    """Return the left column of the README's block."""
    with open(README, encoding="utf-8") as file:
        section = file.read().partition("## The first five minutes\n")[2].partition("\n## ")[0]
    lines = [line[4:] for line in section.split("\n") if line.startswith("    ")]
    assert len(lines) > 8
    return [re.split(r" {2,}", line)[0] for line in lines]


def expected(step: str, first: str, second: str) -> list[str]:
    """Return what the screen shows then."""
    return {
        "$ agentmux": [" agentmux "],
        f'n "{first}" Enter': [f"started {first}", "idle"],
        f'n "{second}" Enter': [f"started {second}", "2 idle"],
        "i": ["waiting", "1  "],
        "1": [": answered"],
        "C-b d": [" agentmux ", "idle"],
    }.get(step, [])


def follow(world: World, path: str, renamed: dict[str, str], prompts: dict[str, str]) -> None:
    """Do what is written, with other agents and prompts in place of those named there."""
    first, second = (renamed.get(name, name) for name in ("claude", "codex"))
    env = {"PATH": f"{path}:{world.env['PATH']}"}
    tmux: Tmux | None = None
    for step in steps():
        for old, new in {**renamed, **prompts}.items():
            step = step.replace(f'"{old}"', f'"{new}"')
        if step.startswith("$ "):
            tmux = world.tmux(argv=shlex.split(step[2:]), size=(110, 32), env=env)
        elif step.startswith("("):
            assert tmux is not None
            tmux.close()
            assert sorted(world.names()) == sorted([first, second])
            continue
        else:
            assert tmux is not None
            for word in re.findall(r'"[^"]*"|\S+', step):
                if word.startswith('"'):
                    tmux.type(word.strip('"'))
                    tmux.shows(word.strip('"'))
                else:
                    tmux.keys(word)
            if step.startswith("p "):
                tmux.shows("accepted", SLOW)
            if step.startswith("j p"):
                tmux.shows("needs you", SLOW)
        for text in expected(step, first, second):
            tmux.shows(text, SLOW)
    assert tmux is not None
    wait_until(lambda: tmux.run("display", "-p", "#{pane_dead}").strip() == "1", what="end of the view")
    assert sorted(world.names()) == sorted([first, second])


def test_with_an_agent_of_ours(world: World) -> None:
    path = ours(world)
    os.symlink(f"{path}/ours", f"{path}/other")
    profile = f"{world.home}/config/agentmux/agents/ours.toml"
    with open(profile) as file:
        text = file.read().replace('commands = ["ours"]', 'commands = ["ours", "other"]')
    with open(profile, "w") as file:
        file.write(text)
    prompts = {"fix the tests": "hello", "tidy the docs": "ask plain Yes,No"}
    follow(world, path, {"claude": "ours", "codex": "other"}, prompts)


@pytest.mark.prove
def test_with_the_agents_that_are_named(world: World, api: ScriptedApi) -> None:
    for name in ("claude", "codex"):
        skip_without(name)
    path = installed(world, api, ("claude", "codex"))
    follow(world, path, {}, {"fix the tests": "hello", "tidy the docs": "tool"})
