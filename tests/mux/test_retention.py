"""When the clock on the wall is believed, so that a wrong one deletes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.mux.retention import DAY, EVEN, STEADY, Steadiness

NOW = 1.8e9
YEARS = 3650.0 * DAY
WHOLE = st.integers(1, int(STEADY))
JUMPS = st.just(0) | st.integers(int(EVEN) + 1, 10**9) | st.integers(-(10**9), -int(EVEN) - 1)


def test_a_clock_that_goes_evenly_is_believed_after_a_while() -> None:
    steadiness = Steadiness()
    assert steadiness.wait(NOW, 50.0) == STEADY
    assert steadiness.wait(NOW + 60, 110.0) == STEADY - 60
    assert steadiness.wait(NOW + STEADY, 50.0 + STEADY) == 0
    assert steadiness.wait(NOW + 100 * DAY + 30, 50.0 + 100 * DAY) == 0, "it drifts"


@pytest.mark.parametrize("jump", [YEARS, -YEARS, 2 * EVEN])
def test_a_clock_that_jumps_is_not_believed_nor_is_it_at_once_when_it_jumps_back(jump: float) -> None:
    steadiness = Steadiness()
    steadiness.wait(NOW, 0.0)
    assert steadiness.wait(NOW + DAY, DAY) == 0
    assert steadiness.wait(NOW + DAY + 60 + jump, DAY + 60) == STEADY
    assert steadiness.wait(NOW + DAY + 90 + jump, DAY + 90) == STEADY - 30
    assert steadiness.wait(NOW + DAY + 120, DAY + 120) == STEADY
    assert steadiness.wait(NOW + DAY + 120 + STEADY, DAY + 120 + STEADY) == 0


def test_after_a_sleep_in_which_the_other_clock_stood_still_it_is_believed_again() -> None:
    steadiness = Steadiness()
    steadiness.wait(NOW, 0.0)
    assert steadiness.wait(NOW + 8 * 3600 + 60, 60.0) == STEADY
    assert steadiness.wait(NOW + 8 * 3600 + 60 + STEADY, 60.0 + STEADY) == 0


@given(st.lists(st.tuples(WHOLE, JUMPS), min_size=1, max_size=9))
def test_whoever_waits_as_long_as_told_is_believed(steps: list[tuple[int, int]]) -> None:
    """However the clock went before, and never before an hour of the other clock has gone since it was set."""
    steadiness, wall, monotonic, seen = Steadiness(), NOW, 0.0, 0.0
    for number, (after, jump) in enumerate(steps):
        wall, monotonic = wall + after + jump, monotonic + after
        if jump or not number:
            seen = monotonic
        wait = steadiness.wait(wall, monotonic)
        assert (wait == 0) == (monotonic - seen >= STEADY)
    assert steadiness.wait(wall + wait, monotonic + wait) == 0
