"""The agent view in a real tmux, driven by keys, looked at as text; agents for it that are real or ours."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable

import dialogs
from agents import launch
from scripted_api import ScriptedApi
from terminal import Tmux
from world import AGENTMUX, World, wait_until

SLOW = 90.0


class Front:
    """A view on a terminal."""

    def __init__(self, world: World, *, size: tuple[int, int] = (100, 30), path: str = "") -> None:
        self.world = world
        env = {"PATH": f"{path}:{world.env['PATH']}"} if path else {}
        argv = ("sh", "-c", '"$0"; echo "ended with $?"', AGENTMUX)
        self.tmux: Tmux = world.tmux(argv=argv, size=size, env=env)
        self.shows(" agentmux ")

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self.tmux.keys(*keys)

    def type(self, text: str) -> None:
        """Type text."""
        self.tmux.type(text)

    def text(self) -> str:
        """Return the screen."""
        return "\n".join(self.tmux.rows())

    def shows(self, *texts: str, seconds: float = 20.0) -> list[str]:
        """Wait until all of ``texts`` are on the screen; return its rows."""
        for text in texts:
            self.tmux.shows(text, seconds)
        return self.tmux.rows()

    def until(self, probe: Callable[[str], bool], what: str, seconds: float = 20.0) -> None:
        """Wait until the screen's text is as wanted."""
        wait_until(lambda: probe(self.text()), seconds=seconds, what=lambda: f"{what} in\n{self.text()}")

    def lacks(self, text: str, seconds: float = 20.0) -> None:
        """Wait until a text is on the screen no more."""
        self.until(lambda screen: text not in screen, f"end of {text!r}", seconds)

    def line(self, name: str) -> str:
        """Return the line of a session in the list, "" if it has none."""
        return next((row for row in self.tmux.rows() if row[4:].startswith(name + " ")), "")

    def listed(self, name: str, *words: str, seconds: float = 20.0) -> None:
        """Wait until the list has a session with these words in its line."""
        self.until(lambda _: all(word in self.line(name) for word in (name, *words)), f"{name} {words}", seconds)

    def select(self, name: str) -> None:
        """Go to a session by filtering."""
        self.press("/")
        self.type(name)
        self.until(lambda screen: f"/{name}" in screen, f"the filter {name}")
        self.press("Enter")
        self.until(lambda _: self.line(name).startswith(">"), f"{name} selected")
        self.press("/", "Escape")
        self.until(lambda screen: f"/{name}" not in screen and self.line(name).startswith(">"), f"{name} among all")

    def prompt(self, text: str) -> None:
        """Write a prompt for the selected session, and send it."""
        self.press("p")
        self.shows("prompt for ")
        self.type(text)
        self.shows(text)
        self.press("Enter")
        self.lacks("prompt for ")

    def start(self, command: str, name: str, folder: str = "") -> None:
        """Start a session with the form."""
        self.press("n")
        self.shows("Start a session")
        self.type(command)
        self.press("Tab")
        if folder:
            self.press("C-u")
            self.type(folder)
        self.press("Tab")
        self.type(name)
        self.shows(name)
        self.press("Enter")
        self.lacks("Start a session")
        self.listed(name)


def installed(world: World, api: ScriptedApi, names: tuple[str, ...]) -> str:
    """Put real agents where a user has them: return a folder with a command for each, which takes it to our API."""
    folder = f"{world.root}/bin"
    os.makedirs(folder, exist_ok=True)
    for name in names:
        start = launch(name, f"{world.root}/{name}", api.url)
        env = " ".join(f"{key}={shlex.quote(value)}" for key, value in start.env.items())
        script = f'#!/bin/sh\nexport {env}\ncd {shlex.quote(start.cwd)}\nexec {shlex.join(start.argv)} "$@"\n'
        with open(os.open(f"{folder}/{name}", os.O_CREAT | os.O_WRONLY, 0o755), "w") as file:
            file.write(script)
    return folder


def ours(world: World) -> str:
    """Put an agent of ours, which opens dialogs, where a user has one; return its folder."""
    folder = f"{world.root}/bin"
    os.makedirs(folder, exist_ok=True)
    env = f"TRUTH={world.root}/truth OURS_LOG={world.root}"
    program = f'#!/bin/sh\n{env} exec {sys.executable} -I -S {dialogs.__file__} "$@"\n'
    path = world.agent(dialogs.PROFILE, program)
    os.rename(path, f"{folder}/ours")
    return folder
