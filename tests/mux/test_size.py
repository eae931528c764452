"""Sizes: which one a pane gets, and what counts as one."""

import pytest

from agentmux.mux.size import CEILING, FLOOR, LARGEST, Size, agreed_size, bounded, clamped, parsed, usable


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((80, 24), (80, 24)),
        ((0, 0), (1, 1)),
        ((-5, 24), (1, 24)),
        (CEILING, CEILING),
        ((CEILING[0] + 1, CEILING[1] + 1), CEILING),
        ((80, 10**20), (80, CEILING[1])),
    ],
)
def test_clamped(size: Size, expected: Size) -> None:
    assert clamped(size) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [((80, 24), (80, 24)), ((0, 0), (0, 0)), ((-5, 10**19), (0, LARGEST)), ((1200, 600), (1200, 600))],
)
def test_bounded(size: Size, expected: Size) -> None:
    """Larger than any pane is no reason to be called smaller: what is written raw must be of the same size."""
    assert bounded(size) == expected
    assert min(CEILING) > 1 and max(CEILING) < LARGEST


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        pytest.param([], None, id="nobody"),
        pytest.param([(0, 0)], None, id="a client without a size"),
        pytest.param([(19, 24), (80, 4)], None, id="too small in either way"),
        pytest.param([FLOOR], FLOOR, id="just large enough"),
        pytest.param([(100, 30), (80, 24)], (100, 30), id="the most recently active leads"),
        pytest.param([(2, 1), (80, 24)], (80, 24), id="the first usable one"),
        pytest.param([(5000, 5000)], CEILING, id="clamped"),
    ],
)
def test_the_size_of_who_typed_last(sizes: list[Size], expected: Size | None) -> None:
    assert agreed_size(sizes, "latest") == expected
    assert agreed_size(sizes, "manual") is None


def test_a_size_that_fits_all() -> None:
    assert agreed_size([(100, 30), (80, 40), (2, 1)], "smallest") == (80, 30)
    assert agreed_size([(0, 0)], "smallest") is None


def test_usable_is_the_floor() -> None:
    assert usable(FLOOR)
    assert not usable((FLOOR[0] - 1, FLOOR[1]))
    assert not usable((FLOOR[0], FLOOR[1] - 1))


@pytest.mark.parametrize(("text", "expected"), [("120x40", (120, 40)), ("1x1", (1, 1)), ("9999x9999", CEILING)])
def test_parsed(text: str, expected: Size) -> None:
    assert parsed(text) == expected


@pytest.mark.parametrize("text", ["", "x", "80", "80x", "x24", "0x24", "80x-1", "80x24x2", "80X24", "80,24", "axb"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parsed(text)
