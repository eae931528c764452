"""Notifications: what is worth one, several as one, and who is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agentmux.mux.config import DEFAULT, Config
from agentmux.mux.notifier import (
    TOGETHER,
    Notice,
    Notifier,
    kind_of,
    kinds_wrong,
    label_wrong,
    quiet,
    quiet_hours_wrong,
)
from agentmux.mux.verdict import Reading, Source, Status, Verdict

WAITING = Verdict(
    Status.WAITING, 1.0, Reading(Source.SCREEN, Status.WAITING, "r", 1.0, "approval", "Run\nls?", ("Yes", "No"))
)
IDLE = Verdict(Status.IDLE, 1.0)


class Clock:
    """A loop whose timers a test fires."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Any:
        assert delay == TOGETHER
        self.due.append(callback)
        return SimpleNamespace(cancel=lambda: self.due.remove(callback))

    def fire(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()


class Told:
    """A notifier with its surroundings."""

    def __init__(self, **values: str) -> None:
        self.clock = Clock()
        self.notices: list[Notice] = []
        self.minute = 12 * 60
        config = Config({**DEFAULT.values, **values}, {})
        self.notifier = Notifier(
            cast(asyncio.AbstractEventLoop, self.clock),
            config=lambda: config,
            minute=lambda: self.minute,
            tell=self.notices.append,
        )

    def waits(self, session: Subject) -> None:
        self.notifier.changed(session, Status.WORKING, WAITING)


@dataclass
class Viewers:
    """Who looks."""

    focused: bool = False


@dataclass
class Subject:
    """A session, as far as it is told of."""

    id: int
    killed: bool = False
    labels: dict[str, str] = field(default_factory=dict)
    viewers: Viewers = field(default_factory=Viewers)
    verdict: Verdict = WAITING
    end_line: str = "[exited 3]"

    @property
    def name(self) -> str:
        return f"s{self.id}"


@pytest.mark.parametrize(
    ("before", "verdict", "kind"),
    [
        (Status.WORKING, WAITING, "waiting"),
        (Status.IDLE, WAITING, "waiting"),
        (Status.WORKING, Verdict(Status.STALLED, 1.0), "stalled"),
        (Status.WORKING, IDLE, "done"),
        (Status.STARTING, IDLE, ""),
        (Status.WAITING, IDLE, ""),
        (Status.IDLE, Verdict(Status.WORKING, 1.0), ""),
        (Status.IDLE, Verdict(Status.UNKNOWN, 1.0), ""),
    ],
)
def test_what_is_worth_telling(before: Status, verdict: Verdict, kind: str) -> None:
    assert kind_of(before, verdict) == kind


def test_who_waits_is_told_after_a_moment_and_once() -> None:
    told = Told()
    told.waits(Subject(1))
    assert not told.notices
    told.clock.fire()
    assert told.notices == [Notice("waiting", "agentmux: s1", "waits for approval: Run ls?", (1,))]
    told.clock.fire()
    assert len(told.notices) == 1


def test_what_is_over_at_once_is_not_told() -> None:
    told, one = Told(), Subject(1)
    told.waits(one)
    told.notifier.changed(one, Status.WAITING, Verdict(Status.WORKING, 2.0))
    told.clock.fire()
    assert not told.notices


def test_many_at_once_are_one() -> None:
    told = Told()
    for number in range(1, 31):
        told.waits(Subject(number))
    told.clock.fire()
    assert [notice.title for notice in told.notices] == ["agentmux: 30 sessions"]
    assert told.notices[0].body.startswith("s1, s2, s3") and len(told.notices[0].body) <= 300


@pytest.mark.parametrize("changes", [{"viewers": Viewers(focused=True)}, {"labels": {"notify": "off"}}])
def test_who_is_looked_at_or_muted_is_left_alone(changes: dict[str, Any]) -> None:
    told = Told()
    told.waits(Subject(1, **changes))
    told.clock.fire()
    assert not told.notices and not told.clock.due


@pytest.mark.parametrize(("label", "told_of"), [("waiting,exited", [1, 2]), ("exited", [2]), (" exited  done ", [2])])
def test_a_label_says_what_is_told_of_one_session(label: str, told_of: list[int]) -> None:
    told = Told(notify="waiting stalled")
    told.waits(Subject(1, labels={"notify": label}))
    told.notifier.ended(Subject(2, labels={"notify": label}))
    told.notifier.ended(Subject(3))
    told.clock.fire()
    assert [number for notice in told.notices for number in notice.sessions] == told_of


def test_a_label_that_changes_meanwhile_counts() -> None:
    told, one = Told(), Subject(1)
    told.waits(one)
    one.labels["notify"] = "exited"
    told.clock.fire()
    assert not told.notices


def test_ends_are_told_if_asked_for_and_not_when_killed() -> None:
    told = Told(notify="exited")
    told.notifier.ended(Subject(1))
    told.notifier.ended(Subject(2, killed=True))
    told.clock.fire()
    assert [(notice.kind, notice.body) for notice in told.notices] == [("exited", "ended [exited 3]")]


def test_quiet_hours() -> None:
    told = Told(**{"quiet-hours": "22:00-07:30"})
    told.minute = 23 * 60
    told.waits(Subject(1))
    told.clock.fire()
    assert not told.notices
    for minute, expected in ((22 * 60, True), (7 * 60 + 29, True), (7 * 60 + 30, False), (12 * 60, False)):
        assert quiet("22:00-07:30", minute) is expected
    assert quiet("09:00-10:00", 9 * 60) and not quiet("09:00-10:00", 10 * 60) and not quiet("", 5)


def test_what_is_wrong_with_values_is_said() -> None:
    assert quiet_hours_wrong("") == quiet_hours_wrong("22:00-07:30") == ""
    assert quiet_hours_wrong("25:00-01:00") and quiet_hours_wrong("night")
    assert kinds_wrong("") == kinds_wrong("waiting done exited stalled") == ""
    assert label_wrong("off") == label_wrong("waiting,exited") == label_wrong("done stalled") == ""
    assert label_wrong("of") == "has 'of', which is none of waiting, stalled, done, exited"
    assert label_wrong("off,done") and label_wrong(" , ") and label_wrong("waiting exited on")
    assert kinds_wrong("waiting,done") == ""
    assert kinds_wrong("waiting idle") == "has 'idle', which is none of waiting, stalled, done, exited"


def test_nothing_comes_after_the_end() -> None:
    told = Told()
    told.waits(Subject(1))
    told.notifier.close()
    assert not told.clock.due
