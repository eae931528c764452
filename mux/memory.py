"""What becomes of what sessions print and are told: it is written down as turns, indexed, put away, kept within bounds.

Each of these is a file of its own; here they meet.
"""

from __future__ import annotations

from agentmux.store import backup
from agentmux.store.errors import StoreError

from .agentlogs import AgentLogs
from .archiver import Archiver
from .indexer import Indexer
from .redact import NOTHING, Redaction
from .retention import SPARED, Steadiness, trim
from .turns import Turns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable, Iterable

    from agentmux.store.blobs import Swept, Work
    from agentmux.store.messages import Role
    from agentmux.store.stores import Stores

    from .agentlog import Entry
    from .config import Config
    from .profiles import Profile
    from .session import Session

LEFT_OVER_AFTER = 10.0
"""Seconds after which a new server looks for recordings of ended sessions that are not put away yet."""

TRIM_AFTER = 60.0
"""Seconds from when more was put away until it is looked whether that is too much."""


class Memory:
    """The memory of one server.

    Args:
        now: returns Unix seconds.
        opened: returns a session by its id if its journal is open.
        profile: returns the profile of a session's agent.
        said: is told of each turn that was written down, and who said it.
        logged: is told what a session's agent has written down.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        stores: Stores,
        *,
        now: Callable[[], float],
        config: Callable[[], Config],
        opened: Callable[[int], Session | None],
        profile: Callable[[Session], Profile | None],
        said: Callable[[Session, Role], None],
        logged: Callable[[Session, list[Entry]], None],
        log: Callable[[str], None],
    ) -> None:
        self.archiver = Archiver(loop, stores, now, log, lambda session: self.indexer.printed(session), self._trim_soon)
        self.indexer = Indexer(loop, stores, self.redaction, log, self.archiver.indexed)
        self.logs = AgentLogs(loop, stores, profile=profile, take=self._logged, warn=log)
        self.turns = Turns(stores, now, log, self.logs.known, said)
        self._loop = loop
        self._stores = stores
        self._now = now
        self._config = config
        self._opened = opened
        self._tell_logged = logged
        self._log = log
        self._trim: TimerHandle | None = None
        self._steadiness = Steadiness()
        self._aged: TimerHandle | None = None

    def redaction(self) -> Redaction:
        """Return what is neither to be found nor exported."""
        pattern = self._config().text("redact")
        return Redaction([pattern]) if pattern else NOTHING

    def rests(self, session: Session) -> None:
        """A session has printed, and now nothing for a moment."""
        self.logs.read(session)
        self.turns.rested(session)
        self.archiver.rests(session)
        self.indexer.printed(session)
        self.indexer.said()

    def ended(self, session: Session) -> None:
        """A session is over."""
        self.logs.read(session)
        self.turns.ended(session)
        self.indexer.said()
        self.archiver.ended(session)

    def _logged(self, session: Session, entries: list[Entry]) -> None:
        self.turns.logged(session, entries)
        self.indexer.said()
        self._tell_logged(session, entries)

    def drop(self, session: Session) -> None:
        """An ended session is about to be forgotten."""
        self.logs.drop(session.id)
        self.archiver.forget(session)
        self.indexer.forget(session.id)

    def begin(
        self, live: Callable[[], Iterable[Session]], ended: Callable[[], Iterable[int]], find: Callable[[int], Session]
    ) -> None:
        """Make up for what servers before us left out, in a while."""

        def catch_up() -> None:
            self._trim_soon()
            self.indexer.said()
            for session in live():
                self.turns.rested(session)
                self.indexer.printed(session)
            self.archiver.left_over(ended(), find)

        self._loop.call_later(LEFT_OVER_AFTER, catch_up)

    async def backup(self, path: str, progress: Callable[[float], object]) -> backup.Written:
        """Copy the data folder into a new tar file.

        Raises:
            FileExistsError: there is one.
            StoreError: it can't be written.
        """
        self.archiver.hold()  # or output could go from a file that is not copied yet to a blob that has no row there
        try:
            idle = self._loop.create_future()
            self.archiver.when_idle(lambda: idle.set_result(None))
            await idle

            def said(part: float) -> None:
                self._loop.call_soon_threadsafe(progress, part)

            return await self._loop.run_in_executor(None, backup.write, self._stores.folder, path, said)
        finally:
            self.archiver.go_on()

    def collecting_garbage(self) -> Work[Swept]:
        """Remove blobs that nothing names. What was written in the last hour is left alone: its row may be on its way.

        Raises:
            StoreError: something can't be deleted.
        """
        return self._stores.blobs.sweeping(self._now() - SPARED)

    def close(self) -> None:
        """Begin nothing new, and record nothing any more."""
        for timer in (self._trim, self._aged):
            if timer is not None:
                timer.cancel()
        self.logs.close()
        self.archiver.close()
        self.indexer.close()

    def _trim_soon(self) -> None:
        if self._trim is None:
            self._trim = self._loop.call_later(TRIM_AFTER, self._trim_now)

    def _trim_now(self) -> None:
        self._trim = None
        config = self._config()
        most, days, now = config.number("store-bytes"), config.number("keep-days"), self._now()
        wait = self._steadiness.wait(now, self._loop.time())
        if days and wait and self._aged is None:
            self._aged = self._loop.call_later(wait, self._trim_aged)
        try:
            trim(self._stores, now, most, 0 if wait else days, self._drop_segment)
        except StoreError as error:
            self._log(f"recordings are over their bounds: {error}")

    def _trim_aged(self) -> None:
        self._aged = None
        self._trim_soon()

    def _drop_segment(self, session: int, start: int) -> None:
        found = self._opened(session)
        archive = self._stores.archive(session)
        if found is not None and found.journal.start == start:
            found.journal.drop_oldest()
        else:
            archive.drop(start)
        if left := archive.segments():
            self.indexer.dropped(session, left[0][0])
