"""A timer that is asked for more than once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from clocked import Loop, strict

from agentmux.mux.alarm import Alarm


@pytest.fixture
def loop() -> Iterator[Loop]:
    with strict() as made:
        yield made


def test_it_rings_once_at_the_earliest_of_the_times(loop: Loop) -> None:
    rung: list[float] = []
    alarm = Alarm(loop, lambda: rung.append(loop.clock))
    for due in (1003.0, 1001.0, 1002.0):
        alarm.at(due)
    for _ in range(5):
        loop.advance(1.0)
    assert rung == [1001.0]


def test_it_can_be_asked_again_while_it_rings_and_later_than_before(loop: Loop) -> None:
    rung: list[float] = []

    def ring() -> None:
        rung.append(loop.clock)
        if len(rung) < 3:
            alarm.at(loop.clock + len(rung))

    alarm = Alarm(loop, ring)
    alarm.at(1001.0)
    for _ in range(9):
        loop.advance(1.0)
    assert rung == [1001.0, 1002.0, 1004.0]


def test_it_rings_no_more_when_it_was_stopped(loop: Loop) -> None:
    rung: list[float] = []
    alarm = Alarm(loop, lambda: rung.append(loop.clock))
    alarm.stop()
    alarm.at(1001.0)
    alarm.stop()
    loop.advance(2.0)
    assert rung == []
    alarm.at(1003.0)
    loop.advance(1.0)
    assert rung == [1003.0]
