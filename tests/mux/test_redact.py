"""Secrets taken out of text, also where a stream was cut in them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.mux.redact import HOLD, MOST_HELD, Redaction, Redactor


def through(patterns: list[str], pieces: list[str]) -> list[str]:
    redactor: Redactor[int] = Redactor(Redaction(patterns))
    out = [known for index, piece in enumerate(pieces) for known in redactor.feed(index, piece)]
    out += redactor.flush()
    assert [index for index, _ in out] == list(range(len(pieces)))
    return [text for _, text in out]


def test_whole_texts() -> None:
    redaction = Redaction([r"sk-\w+", r"k-1\w+ and", "x*"])
    assert redaction.text("a sk-123 and more") == "a [redacted] more"
    assert redaction.text("none") == "none"
    assert not Redaction()
    with pytest.raises(re.error):
        Redaction(["("])


def test_a_secret_that_is_cut_between_pieces() -> None:
    assert through([r"sk-\w+"], ["one s", "k", "-12", "3 two"]) == ["one [redacted]", "", "", " two"]


def test_what_a_pattern_looks_back_at_may_have_gone() -> None:
    """The cut falls between the words before a secret and the secret."""
    pieces = ["." * (HOLD - 5) + "pass=" + "y" * HOLD, " zzz" + "." * 3 * HOLD]
    assert "y" not in "".join(through([r"(?<=pass=)\w+"], pieces))


@given(st.integers(0, 3 * HOLD), st.integers(1, HOLD), st.lists(st.integers(1, HOLD), max_size=20))
def test_the_longest_secret_wherever_it_stands_and_is_cut(before: int, length: int, cuts: list[int]) -> None:
    text = "." * before + "s" * length + "." * 3 * HOLD
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(text[at : at + cut])
        at += cut
    pieces.append(text[at:])
    assert "".join(through(["s+"], pieces)) == "." * before + "[redacted]" + "." * 3 * HOLD


def test_byte_by_byte() -> None:
    text = "." * HOLD + "s" * HOLD + "." * HOLD
    assert "".join(through(["s+"], list(text))) == "." * HOLD + "[redacted]" + "." * HOLD


def test_little_is_held_whatever_comes() -> None:
    redactor: Redactor[None] = Redactor(Redaction([r"(?s)s.*"]))
    given_back = 0
    for fed, piece in enumerate(["s" * 100] * 1000 + [""] * 3 * MOST_HELD, 1):
        given_back += len(list(redactor.feed(None, piece)))
        assert fed - given_back <= MOST_HELD
    assert given_back > 1000
