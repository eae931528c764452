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

    Args:
        changed: called when the list is another one.
        listed: called when all of it was asked for, as at another server.
        told: called with each event.

    Attributes:
        away: why there is no list; "" while there is one.
    """

    def __init__(
        self,
        socket: str,
        sessions: Model,
        changed: Callable[[], None],
        listed: Callable[[], None],
        told: Callable[[Event], None],
        start: Start,
    ) -> None:
        self.socket = socket
        self.away = ""
        self._sessions = sessions
        self._changed = changed
        self._listed = listed
        self._told = told
        self._dirty: set[int] = set()
        self._gone: set[int] = set()  # forgotten while the server was asked
        self._lists = 0  # counts the lists of all sessions
        self._start = start
        self._wake: asyncio.Event

    async def ask(self, *words: str, stdin: bytes = b"") -> Answer:
        """Run a command; return how it ended, errors and all.

        Raises:
            AgentmuxError: there was no answer.
        """
        try:
            return await ask(self.socket, Call(words, lambda answer: answer, starts=words[0] in STARTING, stdin=stdin))
        except OSError as error:
            raise _told(error) from None

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
        return loaded(await self.done(words[0], "--json", *words[1:]))

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
            except NoServer as error:
                self.away = error.problem
                self._changed()
            except (AgentmuxError, OSError, ValueError) as error:  # also: no descriptor left, no JSON
                self.away = f"{_told(error).problem}: connecting to its successor"
                self._changed()
            await asyncio.sleep(AGAIN[min(tries, len(AGAIN) - 1)])
            tries += 1

    async def _list(self) -> None:
        self._sessions.replace([model.info(facts) for facts in await self.json("ls", "-a")])
        self.away = ""
        self._lists += 1
        self._dirty.clear()
        self._changed()
        self._listed()

    async def _take(self, event: Event) -> None:
        self._told(event)
        if event.kind == "missed":
            await self._list()
        elif event.kind == "forgotten":
            self._gone.add(event.session)
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
            self._gone.clear()
            lists = self._lists
            try:
                words = [word for number in sorted(asked) for word in ("-t", str(number))]
                answer = await self.ask("ls", "--json", *words)
                answer.check(UNKNOWN)
                found = [model.info(facts) for facts in loaded(answer.out)]
            except AgentmuxError:
                # Of a server that went away the list is asked for anew; this one may have been slow only.
                await asyncio.sleep(AGAIN[-1])
                self._again(asked)
                continue
            if lists == self._lists:
                self._sessions.update(info for info in found if info.id not in self._gone)
                self._changed()
            else:
                self._again(asked)  # the list may know more than this answer
            await asyncio.sleep(BETWEEN)

    def _again(self, asked: set[int]) -> None:
        self._dirty |= asked - self._gone
        if self._dirty:
            self._wake.set()

    # -- screens

    async def screens(self, session: int) -> AsyncIterator[Mapping[str, Any]]:
        """Yield what a session shows, now and whenever that changes, until it ends.

        Raises:
            AgentmuxError: it can't be shown; the server went away.
        """
        follow = Follow(("capture", "-t", str(session), "--watch", "--json", "-e"), _frames)
        try:
            async with AsyncStream(self.socket, follow) as frames:
                async for frame in frames:
                    yield frame
        except (OSError, ValueError) as error:
            raise _told(error) from None


def _frames(out: bytearray) -> list[Mapping[str, Any]]:
    end = out.rfind(b"\n") + 1
    lines = bytes(out[:end]).split(b"\n")[:-1]
    del out[:end]
    return [json.loads(line) for line in lines]


def loaded(out: str | bytes) -> Any:
    """Return what a command printed as JSON.

    Raises:
        AgentmuxError: it is none.
    """
    try:
        return json.loads(out)
    except ValueError as error:
        raise _told(error) from None


def _told(error: AgentmuxError | OSError | ValueError) -> AgentmuxError:
    if isinstance(error, AgentmuxError):
        return error
    if isinstance(error, OSError):
        return AgentmuxError(f"no connection: {(error.strerror or str(error)).lower()}", "see: agentmux doctor")
    return AgentmuxError("the server's answer is not understood", "see: agentmux doctor")
