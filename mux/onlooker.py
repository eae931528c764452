"""One who looks at a session's screen without being attached: what has changed of it, and no more than it can take."""

from __future__ import annotations

from dataclasses import dataclass

from .screen import Rows
from .viewer import FRAME, SYNC_WAIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from .screen import Cursor
    from .session import Session
    from .size import Size

PACE = 1 / 15
"""Least seconds between two pictures: as smooth as a preview needs to be, a quarter of what a client gets."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a picture shows besides rows."""

    size: Size
    cursor: Cursor
    title: str
    alternate: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """A screen at one moment.

    Attributes:
        changed: the rows that are not as in the picture before, from 0; all in the first, and in another size.
        rows: all of them.
    """

    changed: Mapping[int, str]
    rows: Sequence[str]
    facts: Facts


class Onlooker:
    """Looks at one session, until that ends. ``seen``: meanwhile nothing of it is unread."""

    def __init__(self, session: Session, loop: AbstractEventLoop, *, styled: bool, seen: bool = False) -> None:
        self._session = session
        self._loop = loop
        self._seen = seen
        self._rows = Rows(styled=styled)
        self._facts: Facts | None = None
        self._last: Picture | None = None  # what it showed last of all, if that was not seen
        self._over = not session.live
        self._woken: Future[bool] | None = None
        self._at_end_only = False  # nothing else wakes

    async def pictures(self, drained: Callable[[], Awaitable[None]]) -> AsyncIterator[Picture]:
        """Yield the screen now and whenever it has changed. Of an ended session, what it showed last.

        Args:
            drained: returns when the one before was taken: what changes meanwhile is seen in the next.
        """
        if self._over:
            self._last = self._taken()
        self._session.watchers.append(self._changed)
        self._session.onlookers += self._seen
        due = float("-inf")
        try:
            while not self._over:
                if (picture := self._taken()) is not None:
                    yield picture
                    await drained()
                    due = self._loop.time() + PACE
                else:
                    await self._wait(None)
                    due = max(due, self._loop.time() + FRAME)  # what follows at once belongs to it
                await self._wait(due, at_end_only=True)
                held = self._loop.time() + SYNC_WAIT
                while not self._over and self._session.screen.synchronized and await self._wait(held):
                    pass
        finally:
            self._session.watchers.remove(self._changed)
            self._session.onlookers -= self._seen
        if self._last is not None:
            yield self._last

    def _changed(self) -> None:
        if not self._over and not self._session.live:
            self._over = True
            self._last = self._taken()  # its screen is let go of in a moment
        if self._woken is not None and not self._woken.done() and (self._over or not self._at_end_only):
            self._woken.set_result(True)

    async def _wait(self, until: float | None, *, at_end_only: bool = False) -> bool:
        """Wait for a change, or the session's end only; False if there is none until then (loop time)."""
        if self._over:
            return True
        self._at_end_only = at_end_only
        woken: Future[bool] = self._loop.create_future()
        self._woken = woken
        timer = None if until is None else self._loop.call_at(until, _expire, woken)
        try:
            return await woken
        finally:
            if timer is not None:
                timer.cancel()

    def _taken(self) -> Picture | None:
        """Return the screen as it is, None if it is as it was."""
        screen = self._session.screen
        changed = self._rows.changed(screen)
        facts = Facts(screen.size, screen.cursor, screen.title, screen.alternate)
        if not changed and facts == self._facts:
            return None
        self._facts = facts
        return Picture(changed, list(self._rows.all), facts)


def _expire(woken: Future[bool]) -> None:
    if not woken.done():
        woken.set_result(False)
