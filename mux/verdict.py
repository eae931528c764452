"""What a program is doing: readings from several sources, and one verdict that names its evidence. Pure.

A reading is what one source says now. Sources differ in how far they can be trusted, and in how they fail:

- what a program publishes about itself, on its terminal (OSC 7501), in a file or as a stream of events, is exact as
  long as it is the newest: each may come a moment late, so of several the one that was said last counts;
- a hook tells when something began and may miss its end: nothing fires on Esc, on a denial, on an API error;
- a title or a progress report tells work from rest, and mostly not rest from a question;
- the screen shows a dialog that nobody told of, and whether there is a place to type a prompt into.

So a dialog on the screen outranks everything that denies it, and rest needs a place to type into. What nothing speaks
for is unknown, never idle.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from .lifecycle import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Status(enum.Enum):
    """What a session does. The values are what users see."""

    STARTING = "starting"
    WORKING = "working"
    WAITING = "waiting"  # a person must answer
    IDLE = "idle"
    STALLED = "stalled"  # it was working, and has shown no sign of life for long
    UNKNOWN = "unknown"
    EXITED = "exited"
    LOST = "lost"


ABOUT = ("approval", "question", "trust", "login", "limit", "update", "error", "dialog")
"""What a session can wait for: ``dialog`` is one that is none of the others."""


SAYS = {"working": Status.WORKING, "waiting": Status.WAITING, "idle": Status.IDLE}
"""What a profile's rules can say, in its words."""


class Source(enum.Enum):
    """Where a reading comes from, in the order in which people are told. ``judge`` says who is believed."""

    PROCESS = "process"
    PUBLISHED = "published"
    FILE = "file"
    STREAM = "stream"
    HOOK = "hook"
    TITLE = "title"
    PROGRESS = "progress"
    SCREEN = "screen"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source says.

    Attributes:
        says: UNKNOWN where the source looked and found nothing that it knows.
        rule: by what: words that a person can look up in the profile.
        at: since when, Unix seconds.
        about: for WAITING, one of ABOUT.
        text: what the program wants to know, or what it works on.
        options: the answers that a dialog offers, in order.
        resets: for a limit, when it ends (Unix seconds), None where that is not known.
    """

    source: Source
    says: Status
    rule: str
    at: float
    about: str = ""
    text: str = ""
    options: tuple[str, ...] = ()
    resets: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a session does, and why.

    Attributes:
        since: Unix seconds.
        reason: the reading that decided, None where there was none.
        against: readings that say otherwise.
    """

    status: Status
    since: float
    reason: Reading | None = None
    against: tuple[Reading, ...] = ()

    @property
    def about(self) -> str:
        """What it waits for, one of ABOUT; "" otherwise."""
        return self.reason.about if self.reason is not None and self.status is Status.WAITING else ""

    @property
    def resets(self) -> float | None:
        """When the limit ends that it waits for (Unix seconds), None where there is none or that is not known."""
        return self.reason.resets if self.reason is not None and self.status is Status.WAITING else None

    def same(self, other: Verdict) -> bool:
        """Whether ``other`` tells people nothing new."""

        def told(verdict: Verdict) -> tuple[object, ...]:
            reason = verdict.reason
            waits = reason is not None and verdict.status is Status.WAITING
            asked = (reason.about, reason.text, reason.options, reason.resets) if reason and waits else ()
            return (verdict.status, *asked)

        return told(self) == told(other)


OWN = (Source.PUBLISHED, Source.STREAM, Source.FILE)
"""What a program publishes about itself, the best first where two were said at the same moment."""

_TOLD = (Source.PROCESS, Source.TITLE, Source.PROGRESS, Source.HOOK)
"""What tells of work where nothing is published, the best first."""


def over(state: State, since: float) -> Verdict:
    """Return the verdict of a session without a program, whose lifecycle says all."""
    status = {State.STARTING: Status.STARTING, State.LOST: Status.LOST}.get(state, Status.EXITED)
    return Verdict(status, since)


def judge(readings: Mapping[Source, Reading], now: float) -> Verdict:
    """Return the verdict that ``readings``, one of each source at most, allow at ``now``."""
    status, reason = _decide(readings)
    against = tuple(
        one
        for one in sorted(readings.values(), key=lambda one: list(Source).index(one.source))
        if one is not reason and one.says not in (status, Status.UNKNOWN) and not _weak(one, status)
    )
    return Verdict(status, reason.at if reason is not None else now, reason, against)


def _weak(reading: Reading, status: Status) -> bool:
    """Whether a reading does not contradict: a place to type into is there while a program works, too."""
    return reading.source is Source.SCREEN and reading.says is Status.IDLE and status is Status.WORKING


def _decide(readings: Mapping[Source, Reading]) -> tuple[Status, Reading | None]:
    screen = readings.get(Source.SCREEN)
    own = [readings[source] for source in OWN if source in readings]
    if screen is not None and screen.says is Status.WAITING:
        # What is published may know better what it is about, but has neither its text nor the answers.
        return Status.WAITING, screen
    if own:
        published = max(own, key=lambda one: one.at)
        return _rest(published, screen) if published.says is Status.IDLE else (published.says, published)
    told = [readings[source] for source in _TOLD if source in readings]
    hook = readings.get(Source.HOOK)
    seen = [screen] if screen is not None and screen.says in (Status.WORKING, Status.IDLE) else []
    if hook is not None and any(one.at > hook.at for one in (*told, *seen)):
        told.remove(hook)  # it tells of a moment, and something was seen since
    for status in (Status.WAITING, Status.WORKING):
        for one in (*told, *([screen] if screen is not None else [])):
            if one.says is status:
                return status, one
    for one in told:
        if one.says is Status.IDLE:
            return _rest(one, screen)
    if screen is not None and screen.says is Status.IDLE:
        return Status.IDLE, screen
    return Status.UNKNOWN, screen or readings.get(Source.PROCESS)


def _rest(told: Reading, screen: Reading | None) -> tuple[Status, Reading]:
    """Return idle, unless the screen is looked at and shows no place to type into."""
    if screen is not None and screen.says is Status.UNKNOWN:
        return Status.UNKNOWN, screen
    return Status.IDLE, told


SURE = frozenset({Source.PROCESS, *OWN, Source.HOOK, Source.TITLE})
"""Sources whose word counts at once. A screen is seen while it is being drawn."""

HOLD = {Status.IDLE: 0.25, Status.UNKNOWN: 0.4}
"""Seconds that a verdict must stand before it counts, where it rests on the screen; others count at once."""


START_HOLD = 0.3
"""Likewise for the first rest of a program, whoever says so: some cover the place to type into with a dialog then."""


class Settling:
    """Hysteresis: what flickers is held until it has stood for a moment. Told the time, in any one unit of seconds."""

    __slots__ = ("_candidate", "_since", "verdict")

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self._candidate: Verdict | None = None
        self._since = 0.0

    def take(self, candidate: Verdict, now: float) -> float | None:
        """Take a new verdict; return when to ask again with the same one, None if it counts or nothing changed."""
        if candidate.status is self.verdict.status:
            self._candidate = None
            since = self.verdict.since if candidate.same(self.verdict) else candidate.since
            self.verdict = replace(candidate, since=since)
            return None
        if self._candidate is None or self._candidate.status is not candidate.status:
            self._since = now
        self._candidate = candidate
        hold = HOLD.get(candidate.status, 0.0)
        if candidate.status is Status.IDLE and candidate.reason is not None and candidate.reason.source in SURE:
            hold = 0.0
        if candidate.status is Status.IDLE and self.verdict.status is Status.STARTING:
            hold = START_HOLD
        if now < self._since + hold:
            return self._since + hold
        self.verdict, self._candidate = candidate, None
        return None
