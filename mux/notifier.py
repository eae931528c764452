"""Tells people that a session needs them: what is worth a notification, and several of them as one.

Nobody is told of a session that somebody looks at, of one with the label ``notify=off``, or in the quiet hours. Another
value of that label says what is told of the session in place of the configuration. What comes within a moment is told
together, and only if it is still so then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from .verdict import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable, Mapping

    from .config import Config
    from .verdict import Verdict

TOGETHER = 1.0
"""Seconds for which a notification waits for others, and for whether it is still true."""

SINGLY = 2
"""Sessions that are told of one by one; of more at once there is one notification."""

LABEL = "notify"
"""The label that mutes a session, when it is ``off``; other values are the kinds that are told of it."""

OFF = "off"

KINDS = ("waiting", "stalled", "done", "exited")
"""What can be told."""

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class Watched(Protocol):
    """Who looks at a session."""

    @property
    def focused(self) -> bool:
        """Whether anybody does."""
        ...


class Subject(Protocol):
    """What is told of: a session."""

    killed: bool

    @property
    def id(self) -> int:
        """Its number."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        ...

    @property
    def viewers(self) -> Watched:
        """Who looks at it."""
        ...

    @property
    def verdict(self) -> Verdict:
        """What it does."""
        ...

    @property
    def end_line(self) -> str:
        """How it ended."""
        ...


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification: ``kind`` is one of KINDS, ``sessions`` are ids."""

    kind: str
    title: str
    body: str
    sessions: tuple[int, ...]


def kind_of(before: Status, verdict: Verdict) -> str:
    """Return what a change is to people, "" for nothing."""
    if verdict.status is Status.WAITING:
        return "waiting"
    if verdict.status is Status.STALLED:
        return "stalled"
    return "done" if verdict.status is Status.IDLE and before is Status.WORKING else ""


def quiet(hours: str, minute: int) -> bool:
    """Whether a minute of the day is in ``hours``, such as ``22:00-07:30``; "" is never."""
    found = _HOURS.fullmatch(hours)
    if found is None:
        return False
    begin, end = (int(found[n]) * 60 + int(found[n + 1]) for n in (1, 3))
    return begin <= minute < end if begin <= end else minute >= begin or minute < end


def quiet_hours_wrong(hours: object) -> str:
    """Return what is wrong with a value of ``quiet-hours``, "" for nothing."""
    return "" if hours == "" or _HOURS.fullmatch(str(hours)) else "is not HH:MM-HH:MM, such as '22:00-07:30'"


def kinds_wrong(kinds: object) -> str:
    """Return what is wrong with a value of ``notify``, "" for nothing."""
    unknown = [word for word in _words(str(kinds)) if word not in KINDS]
    return f"has {unknown[0]!r}, which is none of {', '.join(KINDS)}" if unknown else ""


def label_wrong(value: str) -> str:
    """Return what is wrong with a value of the label, "" for nothing."""
    if value == OFF:
        return ""
    return kinds_wrong(value) if _words(value) else f"says nothing: give {OFF}, or some of {', '.join(KINDS)}"


def _words(kinds: str) -> list[str]:
    return kinds.replace(",", " ").split()


class Notifier:
    """What is to be told, of all sessions.

    Args:
        tell: takes a notice that is due.
        minute: returns the minute of the day here.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        *,
        config: Callable[[], Config],
        minute: Callable[[], int],
        tell: Callable[[Notice], None],
    ) -> None:
        self._loop = loop
        self._config = config
        self._minute = minute
        self._tell = tell
        self._due: dict[int, tuple[str, Subject]] = {}
        self._timer: TimerHandle | None = None

    def changed(self, session: Subject, before: Status, verdict: Verdict) -> None:
        """A session does something else."""
        self._due.pop(session.id, None)  # whatever it was, it is not so any more
        self._add(kind_of(before, verdict), session)

    def ended(self, session: Subject) -> None:
        """A session's program has ended; if somebody killed it, that is known."""
        self._due.pop(session.id, None)
        if not session.killed:
            self._add("exited", session)

    def close(self) -> None:
        """Tell nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _add(self, kind: str, session: Subject) -> None:
        if not self._wanted(kind, session):
            return
        self._due[session.id] = kind, session
        if self._timer is None:
            self._timer = self._loop.call_later(TOGETHER, self._pay)

    def _wanted(self, kind: str, session: Subject) -> bool:
        kinds = _words(session.labels.get(LABEL) or self._config().text("notify"))
        return kind in kinds and not session.viewers.focused

    def _pay(self) -> None:
        self._timer = None
        due, self._due = list(self._due.values()), {}
        if quiet(self._config().text("quiet-hours"), self._minute()):
            return
        due = [(kind, session) for kind, session in due if self._wanted(kind, session)]
        if len(due) <= SINGLY:
            for kind, session in due:
                self._tell(Notice(kind, f"agentmux: {session.name}", said(kind, session), (session.id,)))
            return
        names = ", ".join(session.name for _, session in due)
        kind = min((kind for kind, _ in due), key=KINDS.index)
        sessions = tuple(session.id for _, session in due)
        self._tell(Notice(kind, f"agentmux: {len(due)} sessions", names[:300], sessions))


def said(kind: str, session: Subject) -> str:
    """Return what there is to say of a session, in one line."""
    verdict = session.verdict
    if kind == "waiting":
        text = verdict.reason.text.replace("\n", " ") if verdict.reason is not None else ""
        return f"waits for {verdict.about}{': ' if text else ''}{text}"[:300]
    if kind == "exited":
        return f"ended {session.end_line}"
    return {"stalled": "has stalled", "done": "is done"}[kind]
