"""Takes what agents write down of their conversations: logs are read when their sessions do something, none is watched.

What is read of a log is bounded at each turn of the loop, and how far it was read is remembered, so each line is taken
once. What was said before a session began is not its own: agents copy a conversation that is forked. What an agent
tells of its messages in a stream of events comes by itself, and is the same to all who ask.
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

RECENT = 100
"""Messages that are known to the next server: a stream tells of one again for as long as it goes on."""


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
        self._streams: dict[int, bool] = {}  # those that are followed: whether what is said now is told there
        self._before: dict[int, set[str]] = {}  # messages that were taken from their streams by a server before us

    def known(self, session: Session) -> bool:
        """Whether a session's agent has a log, or a stream, that tells what is said: the screen is not asked."""
        return self._streams.get(session.id, False) or self._place(session) is not None

    def expected(self, session: Session) -> bool:
        """Whether a prompt that a session's agent has taken will be known from its log, or its stream."""
        if not session.recorded:
            return False
        profile = self._profile(session)
        return bool(profile and profile.log.shapes) or session.id in self._streams or self.known(session)

    def followed(self, session: Session, tells: bool | None) -> None:
        """The stream of a session's agent is followed.

        Args:
            tells: whether it is known to tell what is said now; None where it doesn't, or is not followed any more.
        """
        if tells is None:
            self._streams.pop(session.id, None)
        elif session.recorded:
            self._streams[session.id] = tells

    def told(self, session: Session, entries: list[Entry]) -> None:
        """The stream of a session's agent tells of messages that are complete."""
        own = _own(session, entries)
        if not own or not session.recorded:
            return
        try:
            self._stores.usage.add(session.id, _answers(own))
            if session.id not in self._before:
                recent = self._stores.messages.of(session.id, RECENT)
                self._before[session.id] = {str(one.proof.get("id", "")) for one in recent}
        except StoreError as error:
            session.warn(f"what its agent tells is not written down: {error}")
            return
        if new := [entry for entry in own if entry.id not in self._before[session.id]]:
            self._take(session, new)

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
        self._streams.pop(session, None)
        self._before.pop(session, None)

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
        own = _own(session, entries)
        known = self._places.get(session.id)
        if known == place:
            return
        try:
            self._stores.usage.add(session.id, _answers(own), place)
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


def _own(session: Session, entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.at >= session.row.created - BEFORE]


def _answers(entries: list[Entry]) -> list[Answer]:
    return [
        Answer(one.usage.id, one.at, Used(one.usage.input, one.usage.cached, one.usage.output, one.usage.cost))
        for one in entries
        if one.usage is not None
    ]


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
