"""Writes down what one session prints and what else happens to it; a disk that takes no more costs the record only."""

from __future__ import annotations

from typing import Protocol

from agentmux.store.errors import StoreError
from agentmux.store.journal import Journal
from agentmux.store.marks import Marks
from agentmux.store.records import Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

RETRY = 5.0
"""Seconds from when something could not be recorded until it is tried again."""

ROOM = 1 << 20
"""Bytes that there must be room for then: a full disk often takes a short line, and not the next."""


class Owner(Protocol):
    """What a recorder needs of its session."""

    journal: Journal
    marks: Marks

    @property
    def recorded(self) -> bool:
        """Whether anything is to be kept."""
        ...

    def checkpoint(self) -> None:
        """Save the screen: what follows is behind a gap."""
        ...

    def warn(self, text: str) -> None:
        """Write a line to the log."""
        ...

    def unrecorded(self, error: StoreError) -> None:
        """Hear that from now on nothing is kept."""
        ...


class Recorder:
    """The recording of one session."""

    __slots__ = ("_loop", "_now", "_owner", "_retry", "problem")

    def __init__(self, owner: Owner, loop: AbstractEventLoop, now: Callable[[], float]) -> None:
        """``now`` returns Unix seconds."""
        self._owner = owner
        self._loop = loop
        self._now = now
        self._retry = 0.0
        self.problem = ""  # why, while what it prints is lost to the record

    def record(self, data: bytes) -> None:
        """Append output to the journal, if it is to be kept; without room for it, say so once and go on."""
        owner = self._owner
        if not owner.recorded:
            return
        resumes = bool(self.problem)
        if resumes and not self._room_again():
            return
        offset = owner.journal.end
        try:
            owner.journal.append(data)
            self._mark(Kind.OUTPUT, offset, data)
        except StoreError as error:
            self._could_not(error)
            return
        if resumes:
            self.problem = ""
            owner.warn("recorded again")

    def note(self, kind: Kind, data: bytes) -> None:
        """Record something else that happened, as far as there is room."""
        if not self._owner.recorded:
            return
        try:
            self._mark(kind, self._owner.journal.end, data)
        except StoreError as error:
            self._could_not(error)

    def _room_again(self) -> bool:
        """Look now and then whether what failed works again; then begin behind the gap with a screen that is right."""
        now = self._loop.time()
        if now < self._retry:
            return False
        self._retry = now + RETRY
        if not self._owner.journal.has_room(ROOM):
            return False
        self.note(Kind.STATE, b"recorded again")
        self._owner.checkpoint()
        return True

    def _mark(self, kind: Kind, offset: int, data: bytes) -> None:
        marks = self._owner.marks
        marks.add(self._owner.journal, kind, self._now(), offset, data)
        if marks.damaged or marks.missing:
            lost = f"{marks.missing} bytes of output and {marks.damaged} of marks lost"
            self._owner.warn(f"its recording ended damaged: {lost}")
            marks.damaged = marks.missing = 0

    def _could_not(self, error: StoreError) -> None:
        self._retry = self._loop.time() + RETRY
        if not self.problem:
            self.problem = error.problem
            self._owner.warn(f"not recorded: {error}")
            self._owner.unrecorded(error)
