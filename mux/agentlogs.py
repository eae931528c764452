"""Reads what agents write down of their conversations, when their sessions do something: nothing is watched or polled.

What is read of a log is bounded at each turn of the loop, and how far it was read is remembered, so each line is taken
once. What was said before a session began is not its own: agents copy a conversation that is forked.
"""

from __future__ import annotations

import glob
import os
from typing import Protocol

from agentmux.store.errors import StoreError
from agentmux.store.usage import Answer, Place, Used

from . import files, sweep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable

    from agentmux.store.stores import Stores

    from .agentlog import Entry, Log
    from .profiles import Profile
    from .session import Session

STEP = 1 << 20
"""Bytes that are read of one log before everybody else has a turn: some milliseconds of JSON."""

LONGEST = 16 << 20
"""Bytes of a line that are waited for; a longer one is passed over."""

LATER = 0.25
"""Seconds from what a session shows to the look at its log: agents write down what they have shown."""

BEFORE = 2.0
"""Seconds by which an agent's clock may be behind the time at which its session was recorded."""


class Takes(Protocol):
    """Who wants to know what is new in a log."""

    def __call__(self, session: Session, entries: list[Entry]) -> None:
        """Take what a session's agent has written down since the last time."""
        ...


class AgentLogs:
    """The logs of all agents of one server.

    Args:
        profile: returns the profile of a session's agent.
        take: is told of all that is new.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        stores: Stores,
        *,
        profile: Callable[[Session], Profile | None],
        take: Takes,
        warn: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._stores = stores
        self._profile = profile
        self._take = take
        self._warn = warn
        self._places: dict[int, Place] = {}
        self._due: dict[int, TimerHandle] = {}

    def known(self, session: Session) -> bool:
        """Whether the log of a session's agent has been found: what was said is then known from there."""
        return self._place(session) is not None

    def soon(self, session: Session) -> None:
        """A session has shown something: look in a moment."""
        if session.id not in self._due:
            self._due[session.id] = self._loop.call_later(LATER, self._look, session)

    def read(self, session: Session) -> None:
        """Look whether a session's agent has written more."""
        profile, conversation = self._profile(session), session.row.conversation
        if profile is None or not profile.log.shapes or not conversation or not session.recorded:
            return
        place = self._place(session)
        if place is None or conversation[:8] not in place.path:
            path = self._found(session, profile.log, conversation)
            if path is None:
                return
            place = Place(path, 0, 0)
        self._read(session, profile.log, place)

    def drop(self, session: int) -> None:
        """Let go of a session that is forgotten."""
        self._places.pop(session, None)

    def _place(self, session: Session) -> Place | None:
        if session.id not in self._places:
            try:
                place = self._stores.usage.place(session.id)
            except StoreError as error:
                self._warn(f"session {session.name!r}: {error}")
                return None
            if place is None:
                return None
            self._places[session.id] = place
        return self._places[session.id]

    def _found(self, session: Session, log: Log, conversation: str) -> str | None:
        environment = sweep.variables(session.pid) if session.live else {}
        if not environment:
            environment = {"HOME": os.path.expanduser("~")}
        for pattern in log.paths(environment, conversation):
            for path in sorted(glob.iglob(pattern)):
                return path
        return None

    def _read(self, session: Session, log: Log, place: Place) -> None:
        try:
            data, place = _lines(place)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                session.warn(f"the log of its agent can't be read: {error}")
            return
        entries = [entry for line in data.split(b"\n") if (entry := log.entry(line)) is not None]
        own = [entry for entry in entries if entry.at >= session.row.created - BEFORE]
        known = self._places.get(session.id)
        if known == place:
            return
        taken = [
            Answer(one.usage.id, one.at, Used(one.usage.input, one.usage.cached, one.usage.output, one.usage.cost))
            for one in own
            if one.usage is not None
        ]
        try:
            self._stores.usage.read(session.id, place, taken)
        except StoreError as error:
            session.warn(f"the log of its agent is not read: {error}")
            return
        self._places[session.id] = place
        if own:
            self._take(session, own)
        if len(data) >= STEP // 2:  # the rest of a step is less than a line
            self._loop.call_soon(self.read, session)

    def _look(self, session: Session) -> None:
        del self._due[session.id]
        self.read(session)

    def close(self) -> None:
        """Read no more."""
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()


def _lines(place: Place) -> tuple[bytes, Place]:
    """Return the whole lines from a place on, STEP bytes or the first line, and the place behind them.

    A file that is another one now is read from its beginning.

    Raises:
        OSError: it is none of ours, or can't be read.
    """
    fd = files.opened(place.path, own=True)
    try:
        found = os.fstat(fd)
        offset = place.offset if found.st_ino == place.inode and found.st_size >= place.offset else 0
        size = STEP
        while True:
            data = os.pread(fd, size, offset)
            end = data.rfind(b"\n") + 1
            if end or len(data) < size:
                break
            if size >= LONGEST:
                end = size  # no line that matters is as long: what follows of it is no JSON
                break
            size *= 4
    finally:
        os.close(fd)
    return data[:end], Place(place.path, found.st_ino, offset + end)
