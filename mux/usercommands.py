"""Runs the user's commands when something happens: beside everything else, a few at a time, with an end."""

from __future__ import annotations

import json
from collections import deque

from . import programs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Callable, Mapping

RUNNING = 4
"""Commands that run at once."""

WAITING = 100
"""Commands that wait for their turn; above that an event has none, and the log says so."""

SECONDS = 30.0
"""How long one may take; then it is killed."""


class UserCommands:
    """The commands of ``[hooks]``: each gets its event as JSON on standard input."""

    def __init__(self, loop: AbstractEventLoop, log: Callable[[str], None]) -> None:
        self._loop = loop
        self._log = log
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._running: set[Task[None]] = set()
        self._full = False

    def run(self, command: str, event: Mapping[str, object]) -> None:
        """Run a shell command for an event, now or when others have ended."""
        if len(self._waiting) >= WAITING:
            if not self._full:
                self._log(f"hook: {WAITING} commands wait, events are left out: {command}")
            self._full = True
            return
        self._full = False
        self._waiting.append((command, json.dumps(event).encode() + b"\n"))
        self._next()

    def close(self) -> None:
        """Kill what runs, and begin nothing more."""
        self._waiting.clear()
        for task in self._running:
            task.cancel()

    def _next(self) -> None:
        while self._waiting and len(self._running) < RUNNING:
            task = self._loop.create_task(self._run(*self._waiting.popleft()))
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def _run(self, command: str, data: bytes) -> None:
        if problem := await programs.fed(command, data, SECONDS):
            self._log(f"hook: {problem}: {command}")

    def _ended(self, task: Task[None]) -> None:
        self._running.discard(task)
        self._next()
