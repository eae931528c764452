"""What is due when a recording is played."""

import pytest

from agentmux.mux.playback import FASTEST, SLOWEST, Playback

TIMES = [100.0, 101.0, 103.0, 133.0, 132.0, 134.0]
"""Also a long pause, and a clock that was set back."""


def playing(speed: float = 1.0, idle_limit: float | None = None) -> Playback:
    playback = Playback(TIMES, speed=speed, idle_limit=idle_limit)
    playback.start(50.0)
    return playback


def test_each_event_is_due_once_at_its_time() -> None:
    playback = playing()
    assert playback.length == 35.0
    assert playback.next_at(50.0) == 50.0
    assert playback.due(50.0) == range(1)
    assert playback.due(50.9) == range(1, 1)
    assert playback.next_at(50.9) == 51.0
    assert playback.due(51.0) == range(1, 2)
    assert playback.due(83.0) == range(2, 5)
    assert not playback.ended
    assert playback.next_at(83.0) == 85.0
    assert playback.due(1000.0) == range(5, 6)
    assert playback.ended
    assert playback.next_at(1000.0) is None
    assert playback.position(1000.0) == 35.0


def test_no_pause_is_longer_than_the_idle_limit() -> None:
    playback = playing(idle_limit=1.5)
    assert playback.length == 1.0 + 1.5 + 1.5 + 0.0 + 1.5
    assert playback.due(52.5) == range(3)
    assert playback.due(54.0) == range(3, 5)


def test_speed() -> None:
    playback = playing(speed=2.0)
    playback.due(50.5)
    assert playback.shown == 2
    assert playback.next_at(50.5) == 51.5
    playback.accelerate(51.0, 0.25)
    assert playback.position(51.0) == 2.0
    assert playback.next_at(51.0) == 53.0
    for _ in range(20):
        playback.accelerate(51.0, 2)
    assert playback.speed == FASTEST
    for _ in range(20):
        playback.accelerate(51.0, 0.5)
    assert playback.speed == SLOWEST
    assert playback.position(51.0) == 2.0
    assert playing(speed=0.0).speed == SLOWEST


def test_pause_and_step() -> None:
    playback = playing()
    playback.due(50.5)
    playback.toggle(50.5)
    assert playback.next_at(60.0) is None
    assert playback.position(60.0) == 0.5
    assert not playback.due(60.0)
    playback.step(60.0)
    assert playback.due(60.0) == range(1, 2)
    assert playback.position(70.0) == 1.0
    playback.toggle(70.0)
    assert playback.next_at(70.0) == 72.0
    playback.step(70.5)
    assert playback.paused
    assert playback.due(70.5) == range(2, 3)
    for _ in range(9):
        playback.step(71.0)
        playback.due(71.0)
    assert playback.ended and playback.position(71.0) == 35.0


def test_seeking() -> None:
    playback = playing()
    assert playback.due(50.0) == range(1)
    assert not playback.seek(50.0, 3.0)
    assert playback.due(50.0) == range(1, 3)
    assert playback.seek(50.0, 1.0)
    assert playback.due(50.0) == range(2)
    assert playback.seek(50.0, -5.0)
    assert playback.due(50.0) == range(1)
    assert not playback.seek(50.0, 999.0)
    assert playback.due(50.0) == range(1, 6)
    assert playback.ended


def test_what_was_stepped_to_is_not_played_again_when_it_goes_back_to_the_same_place() -> None:
    playback = playing()
    playback.toggle(50.0)
    playback.due(50.0)
    assert not playback.seek(50.0, 0.0)
    assert not playback.due(50.0)


@pytest.mark.parametrize("times", [[], [5.0]])
def test_next_to_nothing(times: list[float]) -> None:
    playback = Playback(times)
    playback.start(0.0)
    playback.seek(0.0, 3.0)
    playback.step(0.0)
    assert len(playback.due(0.0)) == len(times)
    assert playback.ended and playback.length == 0.0
