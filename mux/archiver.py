"""Puts closed segments of journals away, compressed, one at a time: in a thread, and only the rows in the loop.

A segment is closed when it is full, when its session has ended, and when it is large and nothing came for a while.
What is not put away when the server goes is still in its files: the next server goes on.
"""

from __future__ import annotations

import os
from itertools import islice

from agentmux.store.archive import Packed, pack
from agentmux.store.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, TimerHandle
    from collections.abc import Callable, Iterable

    from agentmux.store.stores import Stores

    from .session import Session

IDLE = 600.0
"""Seconds without output after which a large segment is closed."""

LARGE = 1 << 18
"""Bytes of such a segment: a blob has a row and a file, which should be worth it."""

LOOK = 50
"""Folders of ended sessions that are looked into at a turn of the loop: about a millisecond."""

LOOK_PAUSE = 0.02
"""Seconds between two such turns, for everybody else."""


class Archiver:
    """The one queue of segments to put away. At most one thread works for it.

    Args:
        index: called with a session that has more output to be indexed; ``indexed`` is to follow.
        grown: called when there is more on the disk.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        stores: Stores,
        now: Callable[[], float],
        warn: Callable[[str], None],
        index: Callable[[Session], None],
        grown: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._stores = stores
        self._now = now
        self._warn = warn
        self._index = index
        self._grown = grown
        self._waiting: dict[int, tuple[Session, int]] = {}
        self._busy: tuple[Session, int] | None = None  # and where the segment starts
        self._resting: dict[int, tuple[Session, float, int]] = {}
        self._timer: TimerHandle | None = None
        self._over: list[Callable[[], None]] = []
        self._failed = False
        self._closed = False
        self._held = 0

    def hold(self) -> None:
        """Begin nothing new until ``go_on``: somebody copies the files."""
        self._held += 1

    def go_on(self) -> None:
        """Undo one ``hold``."""
        self._held -= 1
        if self._busy is None:
            self._next()

    def indexed(self, session: Session, end: int) -> None:
        """That session's output is indexed up to offset ``end``: put away what is closed of it."""
        self._waiting[session.id] = session, end
        if self._busy is None:
            self._next()

    def ended(self, session: Session) -> None:
        """No more output will come from that session."""
        self._resting.pop(session.id, None)
        self._close(session)

    def rests(self, session: Session) -> None:
        """That session has been quiet for a moment. If it stays so, what it printed is put away."""
        journal = session.journal
        if journal.end - journal.segment_start < LARGE:
            return
        self._resting[session.id] = session, self._loop.time() + IDLE, journal.end
        if self._timer is None:
            self._timer = self._loop.call_later(IDLE, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        for session, due, end in list(self._resting.values()):
            if due <= now:
                del self._resting[session.id]
                if session.journal.end == end:
                    self._close(session)
        if self._resting:
            first = min(due for _, due, _ in self._resting.values())
            self._timer = self._loop.call_at(first, self._look)

    def _close(self, session: Session) -> None:
        try:
            session.journal.close_segment()
        except StoreError as error:
            self._warn(f"session {session.name!r}: not put away: {error}")
            return
        self._index(session)

    def forget(self, session: Session) -> None:
        """Put nothing of that session away any more."""
        self._waiting.pop(session.id, None)
        self._resting.pop(session.id, None)

    def left_over(self, ended: Iterable[int], find: Callable[[int], Session]) -> None:
        """Put away what servers before us left in files, looking at a few sessions at a time."""
        waiting = iter(ended)

        def look() -> None:
            numbers = list(islice(waiting, LOOK))
            for number in numbers:
                if not self._closed and self._has_output(number):
                    self.ended(find(number))
            if numbers and not self._closed:
                self._loop.call_later(LOOK_PAUSE, look)

        look()

    def _has_output(self, session: int) -> bool:
        try:
            return any(name.endswith(".raw") for name in os.listdir(self._stores.session_folder(session)))
        except OSError:
            return False

    def when_idle(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` when nothing waits any more, or may be begun."""
        if self._busy is None:
            self._loop.call_soon(callback)
        else:
            self._over.append(callback)

    def _next(self) -> None:
        while self._waiting and not (self._closed or self._held):
            number, (session, end) = next(iter(self._waiting.items()))
            if starts := session.journal.closed(end):
                folder = session.journal.path
                try:
                    future = self._loop.run_in_executor(None, pack, self._stores.blobs, folder, starts[0])
                except RuntimeError as error:  # no thread is to be had; it stays until another segment is closed
                    self._refused(session, error)
                    break
                self._busy = session, starts[0]
                future.add_done_callback(self._packed)
                return
            del self._waiting[number]
            if not session.live:
                session.release()
        self._busy = None
        over, self._over = self._over, []
        for callback in over:
            self._loop.call_soon(callback)

    def _packed(self, future: Future[Packed]) -> None:
        assert self._busy is not None
        (session, start), self._busy = self._busy, None
        if self._closed:
            future.exception()
            return
        try:
            packed = future.result()
            self._stores.archive(session.id).add(packed, self._now())
            session.journal.put_away(packed.start)
            self._failed = False
            self._grown()
        except StoreError as error:  # it stays in its file, and the next segment that is closed tries again
            if start in session.journal.closed():  # else it was deleted meanwhile, to make room
                self._refused(session, error)
                self._waiting.pop(session.id, None)
        self._next()

    def _refused(self, session: Session, error: Exception) -> None:
        if not self._failed:
            self._warn(f"session {session.name!r}: not put away: {error}")
        self._failed = True

    def close(self) -> None:
        """Begin nothing new, and record nothing any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
