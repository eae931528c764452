"""Real agents in sessions, given a prompt now and then: whether the model's API sees each exactly once."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from time import monotonic

from ..contenders import ROOT, Agentmux
from ..tools import Stage, run_timed
from .players import PAST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SUPPORT = os.path.join(ROOT, "tests", "support")

NAMES = ("claude", "codex", "opencode", "gemini", "pi")
"""The agents, in turns, as far as they are there."""

NEEDED = 500
"""Megabytes of memory for each of them, with some room."""

READY = 300.0
"""Seconds until the last of them rests after its start."""

TIMEOUT = 120
"""Seconds for one turn."""

WORDS = ("", "slow 8 ", "", "long 60 ")
"""What the scripted API answers differently."""

VARIABLE = "AGENTMUX_TEST_AGENTS"


def available() -> int:
    """Return how many agents there is memory for; 0 without AGENTMUX_TEST_AGENTS."""
    if not os.environ.get(VARIABLE):
        return 0
    with open("/proc/meminfo") as file:
        free = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable"))
    return min(30, free // 1024 // 2 // NEEDED)


@dataclass(slots=True)
class _Turn:
    """A prompt on its way, and who sends it."""

    text: str
    process: subprocess.Popen[bytes]


class Prompting:
    """The agents, the API that they talk to, and their prompts."""

    def __init__(self, stage: Stage, ours: Agentmux, every: float) -> None:
        """Start the API. Each ``every`` so many seconds one of the agents is to get a prompt."""
        sys.path.append(SUPPORT)
        from scripted_api import ScriptedApi

        self._stage = stage
        self._ours = ours
        self._every = every
        self._api = ScriptedApi()
        self._api.keep = False
        self.wrong: list[str] = []
        self.names: list[str] = []
        self._turns: dict[str, _Turn] = {}
        self._due: dict[str, float] = {}
        self.sent: list[str] = []
        self.answered = 0

    def start(self, count: int) -> None:
        """Start the agents, each behind so many lines that its scrollback is full."""
        from agents import launch, missing

        names = [name for name in NAMES if not missing(name)]
        for number in range(count if names else 0):
            agent = names[number % len(names)]
            name = f"{agent}{number}"
            start = launch(agent, os.path.join(self._stage.folder("agents", lasting=True), name), self._api.url)
            script = os.path.join(self._stage.folder(f"scripts/{name}", lasting=True), agent)
            with open(script, "w") as file:
                file.write(f"#!/bin/sh\nseq {PAST[1]}\nexec {shlex.join(start.argv)}\n")
            os.chmod(script, 0o700)
            run_timed(self._ours.new_argv(name, [script], *start.options), self._ours.env)
            self.names.append(name)

    def ready(self) -> None:
        """Wait until all of them rest. They get their first prompts one after the other."""
        for name in self.names:
            self._ours.command("wait", "-t", name, "--until", "idle", "--timeout", f"{READY:g}")
        now = monotonic()
        self._due = {name: now + self._every * n for n, name in enumerate(self.names)}

    def step(self) -> None:
        """See who has answered, and prompt those whose time has come."""
        now = monotonic()
        for name, turn in list(self._turns.items()):
            if turn.process.poll() is not None:
                self._over(name, turn)
                self._due[name] = now + self._every * len(self.names)
        for name in self.names:
            if name not in self._turns and now >= self._due[name]:
                number = len(self.sent)
                text = f"{WORDS[number % len(WORDS)]}question {number} to {name}"
                process = subprocess.Popen(
                    self._ours.argv("send", "-t", name, "--wait", "--timeout", str(TIMEOUT), text),
                    env=self._ours.env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
                self._turns[name] = _Turn(text, process)
                self.sent.append(text)

    def _over(self, name: str, turn: _Turn) -> None:
        del self._turns[name]
        _, said = turn.process.communicate(timeout=TIMEOUT + 10)
        if turn.process.returncode:
            words = said.decode(errors="replace").strip()[-300:]
            self.wrong.append(f"the prompt {turn.text!r} ended with {turn.process.returncode}: {words}")
        else:
            self.answered += 1

    def finish(self) -> list[str]:
        """Wait for the turns that are under way; return what is wrong with what the API has seen."""
        for name, turn in list(self._turns.items()):
            self._over(name, turn)
        return [*self.wrong, *miscounted(self.sent, self._api.prompts)]

    def close(self) -> None:
        """End the API. The agents end with the server."""
        for turn in self._turns.values():
            turn.process.kill()
            turn.process.communicate()
        self._api.close()


def miscounted(sent: Sequence[str], seen: Sequence[str]) -> list[str]:
    """Return a line for each prompt that was not seen exactly once."""
    counts = {text: sum(text == one.strip() for one in seen) for text in sent}
    return [f"the API saw the prompt {text!r} {count} times" for text, count in counts.items() if count != 1]
