"""Who looks on: clients, dashboards and readers of events, on terminals that are read as soon as something comes.

They live in a process of their own, so that reading them does not delay those who measure.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
from dataclasses import asdict, dataclass
from time import monotonic

from ..tools import PATIENCE, SIZE, Problem, Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


@dataclass(frozen=True, slots=True)
class Watcher:
    """One who looks on.

    Attributes:
        comes_back: whether he leaves at times and comes back at once.
    """

    name: str
    argv: Sequence[str]
    size: tuple[int, int] = SIZE
    comes_back: bool = False


class Crowd:
    """All of them, seen from the process that measures."""

    def __init__(self, watchers: Sequence[Watcher], env: Mapping[str, str], every: float) -> None:
        """Start them. One of those who come back leaves ``every`` so many seconds."""
        self._link, theirs = socket.socketpair()
        self._link.settimeout(PATIENCE * 3)
        self._lines = self._link.makefile("rb")
        self._pid = os.fork()
        if self._pid == 0:
            status = 1
            try:
                self._lines.close()
                self._link.close()
                _Reader(watchers, env, every, theirs).run()
                status = 0
            finally:
                os._exit(status)
        theirs.close()

    def _said(self, word: str) -> dict[str, Any]:
        try:
            self._link.sendall(word.encode() + b"\n")
            line = self._lines.readline()
        except (TimeoutError, BrokenPipeError):
            line = b""
        if not line:
            raise Problem("those who look on do not answer")
        said: dict[str, Any] = json.loads(line)
        return said

    def state(self) -> dict[str, Any]:
        """Return ``pids`` by name, who has ``died`` and with which last words, the ``bytes`` read, the ``visits``."""
        return self._said("state")

    def close(self) -> None:
        """Have all hang up."""
        with contextlib.suppress(Problem):
            self._said("leave")
        self._lines.close()
        self._link.close()
        os.waitpid(self._pid, 0)


@dataclass(slots=True)
class _State:
    pids: dict[str, int]
    died: dict[str, str]
    bytes: int = 0
    visits: int = 0


class _Reader:
    """The process that reads."""

    def __init__(self, watchers: Sequence[Watcher], env: Mapping[str, str], every: float, link: socket.socket) -> None:
        self._watchers = {one.name: one for one in watchers}
        self._env = env
        self._every = every
        self._link = link
        self._open: dict[str, Terminal] = {}
        self._state = _State({}, {})
        self._poll = select.poll()
        self._by_fd: dict[int, str] = {}

    def run(self) -> None:
        """Read until told to leave, or until who measures has gone."""
        self._poll.register(self._link, select.POLLIN)
        for one in self._watchers.values():
            self._come(one)
            self._read(0.1)
        turn, due = 0, monotonic() + self._every
        coming = [one for one in self._watchers.values() if one.comes_back]
        while self._read(max(0.0, due - monotonic())):
            if monotonic() >= due:
                due = monotonic() + self._every
                if coming:
                    one, turn = coming[turn % len(coming)], turn + 1
                    if self._leave(one.name):
                        self._come(one)
        for name in list(self._open):
            self._leave(name)
        with contextlib.suppress(BrokenPipeError):
            self._link.sendall(b"{}\n")

    def _come(self, one: Watcher) -> None:
        terminal = Terminal(one.argv, self._env, one.size)
        self._open[one.name] = terminal
        self._by_fd[terminal.master] = one.name
        self._state.pids[one.name] = terminal.pid
        self._state.visits += 1
        self._poll.register(terminal.master, select.POLLIN)

    def _leave(self, name: str) -> bool:
        """Hang up; return whether there was somebody."""
        terminal = self._open.pop(name, None)
        if terminal is None:
            return False
        self._poll.unregister(terminal.master)
        del self._by_fd[terminal.master], self._state.pids[name]
        terminal.close()
        return True

    def _read(self, seconds: float) -> bool:
        """Read what comes in so many seconds, or less; return False when told to leave."""
        for fd, _ in self._poll.poll(seconds * 1000):
            if fd == self._link.fileno():
                word = self._link.recv(100)
                if word != b"state\n":
                    return False
                self._link.sendall(json.dumps(asdict(self._state)).encode() + b"\n")
                continue
            name = self._by_fd[fd]
            try:
                self._state.bytes += len(self._open[name].read(0))
            except Problem as problem:
                self._state.died[name] = str(problem)
                self._leave(name)
        return True
