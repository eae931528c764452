"""One prompt on its way into an agent, as a machine: told what is seen, it says what to do next. Pure.

It never presses Enter but on a place for prompts that holds the whole prompt and nothing else, and it is never typed
twice. A prompt counts as taken when the agent has written it down itself, or has emptied that place after Enter; what
can't be told in time is uncertain, and left as it is.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .verdict import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .composer import Composer

ECHO = 5.0
"""Seconds for which a typed prompt may not show: an agent that is busy draws late."""

ALIEN = 1.0
"""Seconds for which something else may show there: a place that is being drawn."""

AGAIN = 0.7
"""Seconds from Enter, and from all that was shown since, until it is pressed again if the prompt still stands there."""

PRESSES = 4
"""How often Enter is pressed at most."""

PROOF = 15.0
"""Seconds from Enter until it is not waited for proof any more."""

RECORD = 2.5
"""Seconds from when the place is empty for which the agent's own record is waited for, before that counts as proof."""


class Stage(enum.Enum):
    """How far a prompt is."""

    WAITS = "waits"  # nothing was typed
    TYPED = "typed"
    SUBMITTED = "submitted"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen at one moment.

    Attributes:
        now: seconds of a clock that stands still never.
        composer: what stands in the place for prompts, None where there is none.
        shown: when the screen changed last.
        hands: until when somebody who has typed is left alone.
        rests: since when the agent has been idle.
        record: the agent's own name for the prompt, if it has written it down since it was typed; "" if not.
        recorded: whether the agent is known to write prompts down.
    """

    now: float
    live: bool
    status: Status
    about: str
    composer: str | None
    shown: float
    hands: float
    rests: float
    record: str = ""
    recorded: bool = False

    @property
    def asks(self) -> bool:
        """Whether keys would be an answer: not where a limit is told of above a place for prompts."""
        return self.status is Status.WAITING and (self.about != "limit" or self.composer is None)


class Do(enum.Enum):
    """What to do."""

    WAIT = "wait"
    TYPE = "type"
    SUBMIT = "submit"
    ACCEPT = "accept"
    REFUSE = "refuse"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class Next:
    """What to do now.

    Attributes:
        why: in words: what is waited for, the proof, or what was seen.
        at: when to look again at the latest, None for whenever something changes.
    """

    do: Do
    why: str = ""
    at: float | None = None


class Delivery:
    """One prompt.

    Attributes:
        composer: where it is typed, and how it is submitted.

    Args:
        at_once: into an agent that works, too, and refused where it can't be typed now.
    """

    def __init__(self, text: str, composer: Composer, *, at_once: bool) -> None:
        self.stage = Stage.WAITS
        self._text = text
        self.composer = composer
        self._at_once = at_once
        self._since = 0.0  # when the stage began
        self._alien: float | None = None
        self._pressed = 0.0
        self._presses = 0
        self._emptied: float | None = None

    def resume(self, now: float) -> None:
        """It was typed, or begun to be, before this machine was: type nothing."""
        self.stage, self._since = Stage.TYPED, now

    def next(self, seen: Seen) -> Next:
        """Return what to do. TYPE and SUBMIT are taken as done."""
        if seen.record and self.stage is not Stage.WAITS:
            return Next(Do.ACCEPT, "record")
        if not seen.live:
            return Next(Do.REFUSE, "exited") if self.stage is Stage.WAITS else Next(Do.DOUBT, "its program has ended")
        return {Stage.WAITS: self._waits, Stage.TYPED: self._typed, Stage.SUBMITTED: self._submitted}[self.stage](seen)

    def _waits(self, seen: Seen) -> Next:
        hurdle, until = self._hurdle(seen)
        if not hurdle:
            self.stage, self._since = Stage.TYPED, seen.now
            return Next(Do.TYPE)
        if self._at_once and until is None:
            return Next(Do.REFUSE, hurdle)
        return Next(Do.WAIT, hurdle, until)

    def _hurdle(self, seen: Seen) -> tuple[str, float | None]:
        """Return what is in the way, "" for nothing, and when that may be over by itself."""
        if seen.asks or (seen.status is Status.WAITING and not self._at_once):
            return f"waits for {seen.about or 'an answer'}", None
        free = (Status.IDLE, Status.WORKING, Status.STALLED, Status.WAITING) if self._at_once else (Status.IDLE,)
        if seen.status not in free:
            return seen.status.value, None
        if seen.composer is None:
            return "no place to type into", None
        if seen.composer:
            return "a draft is there", None
        if seen.now < seen.hands:
            return "somebody types", seen.hands
        if seen.status is Status.IDLE and seen.now < seen.rests + self.composer.rests:
            return "it has just started", seen.rests + self.composer.rests
        return "", None

    def _typed(self, seen: Seen) -> Next:
        if seen.asks:
            return Next(Do.DOUBT, f"it began to wait for {seen.about or 'an answer'} while the prompt was typed")
        if seen.composer and self.composer.holds(seen.composer, self._text):
            ready = seen.shown + self.composer.settle
            if seen.now < ready:
                return Next(Do.WAIT, "typed", ready)
            self._press(seen)
            return Next(Do.SUBMIT)
        if seen.composer:
            self._alien = self._alien or seen.now
            if seen.now >= self._alien + ALIEN:
                return Next(Do.DOUBT, "something else stands there, too; nothing was submitted")
            return Next(Do.WAIT, "typed", self._alien + ALIEN)
        self._alien = None
        if seen.now >= self._since + ECHO:
            return Next(Do.DOUBT, "it does not show what was typed")
        return Next(Do.WAIT, "typed", self._since + ECHO)

    def _press(self, seen: Seen) -> None:
        if self.stage is not Stage.SUBMITTED:
            self.stage, self._since = Stage.SUBMITTED, seen.now
        self._pressed, self._presses = seen.now, self._presses + 1

    def _submitted(self, seen: Seen) -> Next:
        if seen.composer and self.composer.holds(seen.composer, self._text):
            self._emptied = None
            again = max(self._pressed, seen.shown) + AGAIN
            if seen.now >= again and not seen.asks and self._presses < PRESSES:
                self._press(seen)
                return Next(Do.SUBMIT)
            return self._until(seen, "submitted", again if again > seen.now else None)
        if seen.composer == "" or (seen.composer is None and seen.status in (Status.WORKING, Status.WAITING)):
            self._emptied = self._emptied or seen.now
            over = self._emptied + (RECORD if seen.recorded else 0.0)
            if seen.now >= over:
                return Next(Do.ACCEPT, "screen")
            return self._until(seen, "submitted", over)
        return self._until(seen, "submitted", None)

    def _until(self, seen: Seen, why: str, at: float | None) -> Next:
        end = self._since + PROOF
        if seen.now >= end:
            return Next(Do.DOUBT, "nothing shows that it was taken")
        return Next(Do.WAIT, why, min(at, end) if at is not None else end)


def deliverable(text: str, newline: str) -> str:
    """Return ``text`` as a terminal can carry it: without control characters but tabs and line ends.

    Raises:
        ValueError: nothing is left.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    clean = "".join(letter for letter in lines if letter in "\n\t" or not _control(letter))
    if not clean.strip():
        raise ValueError
    return clean.replace("\n", newline)


def _control(letter: str) -> bool:
    return letter < " " or "\x7f" <= letter <= "\x9f"


def same(texts: Sequence[str], text: str) -> int | None:
    """Return which of ``texts``, that an agent has written down, is the prompt ``text``; None for none."""
    wanted = "".join(text.split())
    return next((at for at, one in enumerate(texts) if "".join(one.split()) == wanted), None)
