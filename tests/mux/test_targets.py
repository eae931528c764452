"""What ``-t`` means, in the order of its rules; and which names there can be."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentmux.mux.sessionerrors import AmbiguousTarget, BadName, UnknownSession
from agentmux.mux.targets import NAME_LIMIT, checked_name, find, free_name


@dataclass(frozen=True)
class Row:
    id: int
    name: str
    live: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)


ROWS = [
    Row(1, "api", live=False),
    Row(2, "api", live=False, labels={"issue": "old"}),
    Row(3, "web", labels={"issue": "7", "team": "blue"}),
    Row(4, "worker", labels={"issue": "9", "team": "red"}),
    Row(5, "build", live=False),
    Row(6, "builder", live=False),
    Row(7, "build-2", labels={"team": "red", "role": "review"}),
    Row(8, "web", live=False),
    Row(9, "zeta", labels={"empty": ""}),
    Row(10, "reviewer", live=False),
]


@pytest.mark.parametrize(
    ("target", "number"),
    [
        pytest.param("3", 3, id="id"),
        pytest.param("1", 1, id="id of an ended one"),
        pytest.param("web", 3, id="a live name before a newer ended one"),
        pytest.param("api", 2, id="the newest of the ended"),
        pytest.param("wor", 4, id="prefix"),
        pytest.param("build", 5, id="a whole name, even ended, before a live prefix"),
        pytest.param("build-", 7, id="prefix of a live one"),
        pytest.param("buil", 7, id="a live prefix before ended ones"),
        pytest.param("ap", 2, id="prefix of ended ones of one name: the newest"),
        pytest.param("issue=7", 3, id="label"),
        pytest.param("blue", 3, id="a label's value"),
        pytest.param("role=review", 7, id="label of another"),
        pytest.param("empty=", 9, id="empty value"),
        pytest.param("review", 10, id="a prefix, even ended, before a label"),
    ],
)
def test_find(target: str, number: int) -> None:
    assert find(target, ROWS).id == number
    assert find(target, ROWS[::-1]).id == number, "the order they are given in says nothing"


@pytest.mark.parametrize(
    ("target", "names"),
    [
        pytest.param("w", "web, worker", id="live prefix"),
        pytest.param("red", "build-2, worker", id="a label's value"),
        pytest.param("team=red", "build-2, worker", id="label"),
    ],
)
def test_ambiguous_names_all_that_match(target: str, names: str) -> None:
    with pytest.raises(AmbiguousTarget) as caught:
        find(target, ROWS)
    assert caught.value.hint == f"name one of: {names}"


def test_ended_prefixes_can_be_ambiguous_too() -> None:
    with pytest.raises(AmbiguousTarget):
        find("buil", [row for row in ROWS if not row.live])


@pytest.mark.parametrize(
    "target",
    ["nothing", "99", "issue=old", "issue=", "=7", "7=issue", "old", "Web", "²", "٣", "9" * 5000, "-1", "web*"],
)
def test_unknown(target: str) -> None:
    """Digits of other alphabets and very many of them raised ValueError."""
    with pytest.raises(UnknownSession):
        find(target, ROWS)


def test_nothing_is_no_target() -> None:
    with pytest.raises(UnknownSession):
        find("", ROWS)


@pytest.mark.parametrize(("target", "near"), [("wbe", "web"), ("workr", "worker"), ("qqqq", None)])
def test_unknown_guesses_what_was_meant(target: str, near: str | None) -> None:
    with pytest.raises(UnknownSession) as caught:
        find(target, ROWS)
    assert caught.value.hint == (f"did you mean {near!r}?" if near else "list them with: agentmux ls -a")


def test_no_sessions_at_all() -> None:
    with pytest.raises(UnknownSession):
        find("api", [])


# Names


@pytest.mark.parametrize("name", ["a", "api", "api-2", ".x", "_", "A.b_c-d", "x" * NAME_LIMIT, "2nd"])
def test_good_names(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "7", "٣", "-a", "a b", "a/b", "a:b", "a=b", "é", "a\n", "a\x1b", "x" * (NAME_LIMIT + 1)]
)
def test_bad_names(name: str) -> None:
    with pytest.raises(BadName):
        checked_name(name)


@pytest.mark.parametrize(
    ("wanted", "taken", "expected"),
    [
        ("/usr/bin/claude", [], "claude"),
        ("claude", ["claude"], "claude-2"),
        ("claude", ["claude", "claude-2", "claude-4"], "claude-3"),
        ("my tool!", [], "my-tool"),
        ("--x--", [], "x"),
        ("", [], "session"),
        ("/", [], "session"),
        ("42", [], "session-42"),
        ("écran", [], "cran"),
    ],
)
def test_free_name(wanted: str, taken: list[str], expected: str) -> None:
    assert free_name(wanted, taken) == expected


@given(st.text() | st.text("0123456789-x", min_size=50, max_size=70), st.integers(0, 3))
@example("1" * 70, 1)
def test_a_free_name_is_valid_and_free(wanted: str, others: int) -> None:
    taken: list[str] = []
    for _ in range(others + 1):
        name = free_name(wanted, taken)
        assert checked_name(name) not in taken
        taken.append(name)
