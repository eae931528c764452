"""The view's line to the server: the list kept true by events, commands asked, screens watched.

Nothing is polled. What an event says of a session is asked for once for all that changed within a moment.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

from agentmux.api import calls, model
from agentmux.api.aio import AsyncStream, ask
from agentmux.api.calls import Call, Follow
from agentmux.api.exchange import Answer
from agentmux.api.model import Event
from agentmux.mux.errors import AgentmuxError, NoServer

from .model import Model

TOGETHER = 0.05
"""Seconds in which changes are gathered before the server is asked about them."""

BETWEEN = 0.15
"""Least seconds between two such questions, however much happens."""

AGAIN = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between tries to find a server that went away and has no successor; the last one again and again."""

UNKNOWN = 1
"""Exit status of a list that lacks one of those asked for: it was forgotten meanwhile, and an event says so."""

LOCAL = frozenset({"output-activity", "input", "hook", "notified", "clipboard", "bell", "notification", "command"})
"""Events after which nothing that the list shows is another one."""

Start = Callable[[Coroutine[None, None, None]], asyncio.Task[None]]
"""Begins a task of the view, which ends with it."""

STARTING = frozenset({"new", "restart", "resume", "fork", "run"})
"""Commands that start a program: it gets this environment."""


class Link:
    """One server, for one view. Its tasks run in the view's loop.

    Attributes:
        away: why there is no list; "" while there is one.
    """

    def __init__(
        self,
        socket: str,
        sessions: Model,
        changed: Callable[[], None],
        told: Callable[[Event], None],
        start: Start,
    ) -> None:
        self.socket = socket
        self.away = ""
        self._sessions = sessions
        self._changed = changed
        self._told = told
        self._dirty: set[int] = set()
        self._start = start
        self._wake: asyncio.Event

    async def ask(self, *words: str, stdin: bytes = b"") -> Answer:
        """Run a command; return how it ended, errors and all."""
        return await ask(self.socket, Call(words, lambda answer: answer, starts=words[0] in STARTING, stdin=stdin))

    async def done(self, *words: str, stdin: bytes = b"") -> str:
        """Run a command; return what it printed.

        Raises:
            AgentmuxError: what the command said.
        """
        answer = await self.ask(*words, stdin=stdin)
        answer.check()
        return answer.out.decode("utf-8", "replace")

    async def json(self, *words: str) -> Any:
        """Run a command with ``--json``; return what it printed.

        Raises:
            AgentmuxError: what the command said.
        """
        return json.loads(await self.done(words[0], "--json", *words[1:]))

    # -- the list

    async def follow(self) -> None:
        """Keep the list true, for ever."""
        self._wake = asyncio.Event()
        self._start(self._refresh())
        tries = 0
        while True:
            try:
                async with AsyncStream(self.socket, calls.events(None)) as events:
                    await self._list()
                    tries = 0
                    async for event in events:
                        await self._take(event)
            except AgentmuxError as error:
                gone = isinstance(error, NoServer)
                self.away = error.problem if gone else f"{error.problem}: connecting to its successor"
                self._changed()
            await asyncio.sleep(AGAIN[min(tries, len(AGAIN) - 1)])
            tries += 1

    async def _list(self) -> None:
        self._sessions.replace([model.info(facts) for facts in await self.json("ls", "-a")])
        self.away = ""
        self._dirty.clear()
        self._changed()

    async def _take(self, event: Event) -> None:
        self._told(event)
        if event.kind == "missed":
            await self._list()
        elif event.kind == "forgotten":
            self._sessions.remove(event.session)
            self._changed()
        elif event.session and event.kind not in LOCAL:
            self._dirty.add(event.session)
            self._wake.set()

    async def _refresh(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(TOGETHER)
            self._wake.clear()
            asked, self._dirty = self._dirty, set()
            try:
                words = [word for number in sorted(asked) for word in ("-t", str(number))]
                answer = await self.ask("ls", "--json", *words)
                answer.check(UNKNOWN)
                self._sessions.update(model.info(facts) for facts in json.loads(answer.out))
                self._changed()
            except AgentmuxError:
                continue  # the server went away: the list is asked for again when another is there
            await asyncio.sleep(BETWEEN)

    # -- screens

    async def screens(self, session: int) -> AsyncIterator[Mapping[str, Any]]:
        """Yield what a session shows, now and whenever that changes, until it ends.

        Raises:
            AgentmuxError: it can't be shown; the server went away.
        """
        follow = Follow(("capture", "-t", str(session), "--watch", "--json", "-e"), _frames)
        async with AsyncStream(self.socket, follow) as frames:
            async for frame in frames:
                yield frame


def _frames(out: bytearray) -> list[Mapping[str, Any]]:
    end = out.rfind(b"\n") + 1
    lines = bytes(out[:end]).split(b"\n")[:-1]
    del out[:end]
    return [json.loads(line) for line in lines]
