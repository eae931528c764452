"""Has sessions go on after a usage limit, where a person asked for that: when is limits.py's matter, here it is done.

When a session goes on follows from what it does and from its label. What is kept is only which limits are dealt with:
by us, or by a person who typed. The ledger remembers that for the next server.
"""

from __future__ import annotations

from typing import Protocol

from agentmux.store.errors import StoreError

from . import limits
from .errors import AgentmuxError
from .screen import UnknownKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task, TimerHandle
    from collections.abc import Callable

    from .config import Config
    from .courier import Courier
    from .session import Session

LOOK = 60.0
"""Most seconds that a timer runs: the loop's clock stands still while the machine sleeps, the wall's does not."""

LEAVING = 10.0
"""Seconds within which a dialog must make room for a prompt after its keys."""

CATCH_UP = 0.05
"""Seconds before the look that decides: what the program has printed by then is to be read first."""


class Owner(Protocol):
    """What is needed of the mux."""

    loop: AbstractEventLoop
    courier: Courier

    def now(self) -> float:
        """Return Unix seconds."""
        ...

    def config(self) -> Config:
        """Return the configuration."""
        ...

    def publish(self, kind: str, session: Session, **facts: str | int | None) -> None:
        """Tell whoever follows."""
        ...


class Resumer:
    """What is to go on, of all sessions.

    Args:
        settled: a limit needs nothing any more: to be remembered for the next server.
    """

    def __init__(self, owner: Owner, settled: Callable[[Session], None]) -> None:
        self._owner = owner
        self._settled = settled
        self._due: dict[int, tuple[float, TimerHandle]] = {}
        self._over: dict[int, float] = {}  # by session, since when it waited for the limit that is dealt with
        self._acting: dict[int, Task[None]] = {}
        self._own = False

    def due(self, session: Session) -> float | None:
        """Return when a session goes on by itself (Unix seconds), None for not at all."""
        verdict = session.verdict
        # A list asks this of each session: where there is no limit the configuration's file is not looked at.
        if verdict.resets is None or not session.live or self._over.get(session.id) == verdict.since:
            return None
        return limits.due(verdict, session.resumption, session.labels, self._owner.config().text(limits.LABEL))

    def over(self, session: Session) -> bool:
        """Whether the limit that a session waits for is dealt with."""
        return self._over.get(session.id) == session.verdict.since

    def found(self, session: Session, *, over: bool) -> None:
        """A session outlived the server before us. ``over``: and that had dealt with its limit."""
        if over:
            self._over[session.id] = session.verdict.since
        self.changed(session)

    def changed(self, session: Session) -> None:
        """What a session does, or its label, is another one."""
        if session.id in self._acting:
            return
        at = self.due(session)
        before = self._due.get(session.id)
        if before is not None and before[0] == at:
            return
        if before is not None:
            self._forget(session)
        if at is not None:
            self._wait(session, at)
            self._tell(session, "scheduled", at)
        elif before is not None:
            self._tell(session, "cancelled", before[0])

    def typed(self, session: Session) -> None:
        """Somebody typed into a session: it is theirs."""
        if self._own or (session.id not in self._due and session.id not in self._acting):
            return
        if (task := self._acting.pop(session.id, None)) is not None:
            task.cancel()
        self._finish(session)
        self.changed(session)

    def ended(self, session: Session) -> None:
        """A session is over."""
        if (task := self._acting.pop(session.id, None)) is not None:
            task.cancel()
        self._over.pop(session.id, None)
        if (before := self._due.get(session.id)) is not None:
            self._forget(session)
            self._tell(session, "cancelled", before[0])

    def close(self) -> None:
        """Do nothing more; the next server goes on."""
        for task in self._acting.values():
            task.cancel()
        for _, timer in self._due.values():
            timer.cancel()

    def _wait(self, session: Session, at: float) -> None:
        left = max(0.0, at - self._owner.now())
        self._due[session.id] = at, self._owner.loop.call_later(min(left, LOOK), self._look, session, at)

    def _look(self, session: Session, at: float) -> None:
        if self.due(session) != at:
            self.changed(session)
        elif self._owner.now() < at:
            self._wait(session, at)
        else:
            self._acting[session.id] = self._owner.loop.create_task(self._act(session, at))

    async def _act(self, session: Session, at: float) -> None:
        """Leave the dialog, if there is one, and type the prompt; each only into what it is meant for."""
        try:
            verdict, how = session.verdict, session.resumption
            sent: list[bool] = []
            await self._until(session, lambda: False, CATCH_UP)
            done = limits.same(verdict, session.look()) and await self._leave(session, how)
            if done:
                self._type(lambda: sent.append(self._owner.courier.send_now(session, how.prompt)))
                done = sent == [True]
        except (AgentmuxError, StoreError, UnknownKey):
            done = False
        del self._acting[session.id]
        self._finish(session)
        self._forget(session)
        self._tell(session, "acted" if done else "cancelled", at)
        self.changed(session)

    async def _leave(self, session: Session, how: limits.Resumption) -> bool:
        """Have a place to type into; return whether there is one."""
        if not session.takes_prompt:
            if not how.keys:
                return False
            self._type(lambda: session.type_in(session.screen.keys(list(how.keys))))
            await self._until(session, lambda: session.takes_prompt, LEAVING)
        return session.takes_prompt and limits.harmless(session.look())

    def _type(self, doing: Callable[[], None]) -> None:
        self._own = True
        try:
            doing()
        finally:
            self._own = False

    async def _until(self, session: Session, holds: Callable[[], bool], seconds: float) -> None:
        """Wait until something holds, asked again when the session prints, or for so long."""
        loop = self._owner.loop
        done = loop.create_future()

        def wake() -> None:
            if not done.done() and holds():
                done.set_result(None)

        timer = loop.call_later(seconds, lambda: None if done.done() else done.set_result(None))
        session.watchers.append(wake)
        try:
            wake()
            await done
        finally:
            session.watchers.remove(wake)
            timer.cancel()

    def _finish(self, session: Session) -> None:
        """The limit that a session waits for needs nothing any more."""
        if session.verdict.about == "limit":
            self._over[session.id] = session.verdict.since
            self._settled(session)

    def _forget(self, session: Session) -> None:
        if (due := self._due.pop(session.id, None)) is not None:
            due[1].cancel()

    def _tell(self, session: Session, what: str, at: float) -> None:
        self._owner.publish("limit-resume", session, what=what, resumes=int(at))
