"""Ends sessions with every process of theirs: signals to its groups, a grace period, then whatever has escaped."""

from __future__ import annotations

import asyncio
import signal
from typing import Protocol

from . import sweep
from .sessionerrors import NotRunning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .config import Config
    from .session import Session

ROUNDS = 20
"""How often it is looked again for processes that were forked while it was looked."""

AGAIN = 0.05
"""Seconds between two such looks: what was killed needs a moment to be gone."""

LAST_WORDS = 5.0
"""Most seconds from the end of its processes until a session has ended, too."""


class Owner(Protocol):
    """What is needed of the mux."""

    loop: asyncio.AbstractEventLoop
    socket: str

    def config(self) -> Config:
        """Return the configuration."""
        ...

    def signal(self, session: Session, *numbers: int) -> None:
        """Have the keeper send signals to a session's groups, in this order."""
        ...


class Killer:
    """Whoever ends the sessions of one server."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._loop = owner.loop
        self._looking: asyncio.Future[sweep.Look] | None = None

    async def kill(self, session: Session, *, now: bool = False) -> None:
        """End a session and every process of it; return when all are gone.

        HUP and TERM to its groups, a grace period, KILL, then whatever escaped
        to other groups and sessions. Goes on when the caller is cancelled.

        Raises:
            NotRunning: there is nothing to kill.
        """
        if not session.live:
            raise NotRunning(session.name, session.state.shown)
        await asyncio.shield(self._loop.create_task(self._kill(session, now)))

    async def kill_all(self, sessions: Sequence[Session], *, now: bool = False) -> None:
        """Kill several at once; each has its own grace period, so this takes one.

        Raises:
            NotRunning: the first of them that had ended; the others are killed.
        """
        results = await asyncio.gather(*(self.kill(s, now=now) for s in sessions), return_exceptions=True)
        for result in results:
            if result is not None:
                raise result

    async def _kill(self, session: Session, now: bool) -> None:
        session.killed = True
        leader = session.pid
        members = (await self._look()).members(leader, session.id)
        over = asyncio.Event()
        session.watchers.append(over.set)
        try:
            first = (signal.SIGKILL,) if now else (signal.SIGHUP, signal.SIGTERM, signal.SIGCONT)
            self._owner.signal(session, *first)
            sweep.kill(members, signal.SIGKILL if now else signal.SIGCONT)
            grace = 0.0 if now else self._owner.config().seconds("kill-grace")
            await self._until(lambda: not session.live, over, self._loop.time() + grace)
            if session.live:
                self._owner.signal(session, signal.SIGKILL)
            for _ in range(ROUNDS):
                members |= (await self._look()).members(leader, session.id)
                alive = {process for process in members if sweep.alive(process)}
                if not alive and not session.live:
                    break
                sweep.kill(alive)
                await self._until(lambda: False, over, self._loop.time() + AGAIN)
            await self._until(lambda: not session.live, over, self._loop.time() + LAST_WORDS)
        finally:
            session.watchers.remove(over.set)

    async def _look(self) -> sweep.Look:
        """Look at all processes: later than now, and once for all who want to before the loop's next turn."""
        if self._looking is None:
            self._looking = self._loop.create_future()
            self._loop.call_soon(self._have_looked, self._looking)
        return await asyncio.shield(self._looking)

    def _have_looked(self, looking: asyncio.Future[sweep.Look]) -> None:
        self._looking = None
        looking.set_result(sweep.Look(self._owner.socket))

    async def _until(self, done: Callable[[], bool], changed: asyncio.Event, deadline: float) -> None:
        """Wait until ``done()``, asked again whenever ``changed`` is set, or the deadline."""
        while not done():
            changed.clear()
            try:
                async with asyncio.timeout_at(deadline):
                    await changed.wait()
            except TimeoutError:
                return
