"""The row that says how far long work is."""

import pytest

from agentmux.mux.progress import PATIENCE, PAUSE, Progress, row


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("part", "columns", "shown"),
    [
        (0.0, 40, "copying [" + "." * 23 + "]   0 %"),
        (0.5, 40, "copying [" + "#" * 11 + "." * 12 + "]  50 %"),
        (1.0, 40, "copying [" + "#" * 23 + "] 100 %"),
        (7.0, 40, "copying [" + "#" * 23 + "] 100 %"),
        (-1.0, 21, "copying   0 %"),
        (0.999, 21, "copying  99 %"),
        (0.5, 8, "copying"),
        (0.5, 1, ""),
    ],
)
def test_a_row_fits(part: float, columns: int, shown: str) -> None:
    assert row("copying", part, columns) == shown
    assert len(shown) < columns


def test_a_wide_terminal_gets_no_wider_bar() -> None:
    assert len(row("copying", 0.5, 500)) < 60


def test_short_work_says_nothing() -> None:
    said: list[bytes] = []
    clock = Clock()
    with Progress("copying", 80, said.append, clock) as progress:
        progress.at(0.1)
        clock.now += PATIENCE * 0.9
        progress.at(0.9)
    assert said == []


def test_long_work_is_drawn_now_and_then_and_cleared_also_after_an_error() -> None:
    said: list[bytes] = []
    clock = Clock()
    with pytest.raises(ZeroDivisionError), Progress("copying", 80, said.append, clock) as progress:
        clock.now += PATIENCE
        for step in range(100):
            clock.now += PAUSE / 10
            progress.at(step / 100)
        raise ZeroDivisionError
    assert 8 <= len(said) - 1 <= 12
    assert all(drawn.startswith(b"\rcopying [") for drawn in said[:-1])
    assert said[-1] == b"\r\x1b[K"


def test_without_a_terminal_nothing_is_drawn() -> None:
    said: list[bytes] = []
    clock = Clock()
    with Progress("copying", 0, said.append, clock) as progress:
        clock.now += 10
        progress.at(0.5)
    assert said == []
