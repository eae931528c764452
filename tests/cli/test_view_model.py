"""The list of the view: what is shown in what order, what is selected, what is found. No terminal, no server."""

from __future__ import annotations

from typing import Any

import pytest

from agentmux.api.model import Info, State, Status
from agentmux.cli.dashboard import fuzzy
from agentmux.cli.dashboard.model import Group, Grouping, Heading, Model, Order, group_of


def info(number: int, status: Status = Status.IDLE, **more: Any) -> Info:
    over = status in (Status.EXITED, Status.LOST)
    state = State(status.value) if over else State.RUNNING
    facts = {"name": f"s{number}", "since": 100.0 + number, "created": float(number), "cwd": "/w", "command": "sh"}
    return Info(id=number, state=state, status=status, **{**facts, **more})


def model(*infos: Info) -> Model:
    made = Model()
    made.replace(infos)
    return made


def shown(sessions: Model) -> list[str | int]:
    return [row.text if isinstance(row, Heading) else row.id for row in sessions.rows()]


def selected(sessions: Model) -> int | None:
    return None if sessions.selected is None else sessions.selected.id


ALL = (
    info(1),
    info(2, Status.WORKING),
    info(3, Status.WAITING),
    info(4, Status.EXITED),
    info(5, Status.UNKNOWN),
    info(6, Status.STALLED),
    info(7, Status.LOST),
    info(8, Status.STARTING),
)


def test_who_needs_somebody_comes_first_and_what_is_over_last() -> None:
    wanted = ["needs you", 3, 6, "working", 8, 2, "idle", 1, "running", 5, "ended", 7, 4]
    assert shown(model(*ALL)) == wanted


def test_who_waits_longest_comes_first() -> None:
    late, early = info(1, Status.WAITING, since=200.0), info(2, Status.WAITING, since=100.0)
    assert shown(model(late, early)) == ["needs you", 2, 1]


@pytest.mark.parametrize("status", Status)
def test_every_status_has_its_group(status: Status) -> None:
    """A status that only a newer server knows is one of which nothing is known, and never idle."""
    expected = {Status.UNKNOWN: Group.RUNNING, Status.OTHER: Group.RUNNING}
    assert group_of(info(1, status)) is expected.get(status, group_of(info(1, status)))
    assert (group_of(info(1, status)) is Group.IDLE) == (status is Status.IDLE)


def test_the_selection_stays_on_its_session_when_the_list_moves() -> None:
    sessions = model(*ALL)
    sessions.select(1)
    sessions.update([info(1, Status.WAITING, since=1.0)])
    assert selected(sessions) == 1
    assert shown(sessions)[:2] == ["needs you", 1]
    assert sessions.row_of_selected() == 1


def test_when_the_selected_one_goes_its_neighbour_is_selected() -> None:
    sessions = model(info(1), info(2), info(3))
    sessions.select(2)
    sessions.remove(2)
    assert shown(sessions) == ["idle", 3, 1]
    assert selected(sessions) == 1
    sessions.remove(1)
    assert selected(sessions) == 3
    sessions.remove(3)
    assert selected(sessions) is None
    sessions.move(1)
    assert selected(sessions) is None


def test_it_goes_no_further_than_the_ends() -> None:
    sessions = model(info(1), info(2), info(3))
    assert [selected(sessions)] == [3]
    for by, wanted in ((-1, 3), (1, 2), (5, 1), (1, 1), (-1 << 30, 3)):
        sessions.move(by)
        assert selected(sessions) == wanted


def test_the_next_that_needs_somebody_goes_round_and_ends_a_filter_that_hides_it() -> None:
    sessions = model(*ALL)
    sessions.query = "s1"
    found = [sessions.next_that_needs() for _ in range(3)]
    assert [one.id for one in found if one] == [3, 6, 3]
    assert sessions.query == ""
    assert model(info(1)).next_that_needs() is None


def test_a_filter_narrows_the_list_and_keeps_the_groups() -> None:
    sessions = model(info(1, name="api"), info(2, Status.WORKING, name="web"), info(3, name="apiary"))
    sessions.query = "api"
    assert shown(sessions) == ["idle", 3, 1]
    sessions.query = "working"
    assert shown(sessions) == ["working", 2]
    sessions.query = "nothing like it"
    assert shown(sessions) == []
    assert sessions.selected is None
    assert sessions.counts()[Group.IDLE] == 2, "the counts are those of all"


@pytest.mark.parametrize(
    "query", ["lab=x", "claude", "/w/deep", "feature", "approval", "aprvl", "needs", "CLAUDE lab", "npm test"]
)
def test_what_a_filter_finds(query: str) -> None:
    one = info(
        1,
        Status.WAITING,
        agent="claude",
        labels={"lab": "x"},
        cwd="/w/deep",
        branch="feature/y",
        about="approval",
        command="npm test",
    )
    sessions = model(one, info(2))
    sessions.query = query
    assert shown(sessions) == ["needs you", 1]


def test_grouping_and_order() -> None:
    one = info(1, name="b", cwd="/x", agent="claude", labels={"p": "1"})
    two = info(2, Status.WORKING, name="a", cwd="/y", agent="codex", labels={"p": "1"})
    over = info(3, Status.EXITED, name="c", cwd="/x")
    sessions = model(one, two, over)
    wanted = {
        Grouping.FOLDER: ["/x", 1, "/y", 2, "/x (ended)", 3],
        Grouping.AGENT: ["claude", 1, "codex", 2, "no agent (ended)", 3],
        Grouping.LABEL: ["p=1", 2, 1, "no label (ended)", 3],
    }
    for grouping, rows in wanted.items():
        sessions.grouping = grouping
        assert shown(sessions) == rows
    sessions.grouping = Grouping.LABEL
    for order, first in ((Order.NAME, [2, 1]), (Order.CREATED, [2, 1]), (Order.CHANGED, [2, 1])):
        sessions.order = order
        assert shown(sessions)[1:3] == first
    sessions.update([info(1, name="A", labels={"p": "1"}, created=99.0)])
    sessions.order = Order.CREATED
    assert shown(sessions)[1:3] == [1, 2]


def test_marks_are_what_is_done_to_and_outlive_a_filter() -> None:
    sessions = model(info(1), info(2), info(3))
    assert [one.id for one in sessions.chosen()] == [3]
    sessions.mark()
    sessions.select(1)
    sessions.mark()
    assert [one.id for one in sessions.chosen()] == [3, 1]
    sessions.query = "s1"
    assert [one.id for one in sessions.chosen()] == [1, 3]
    sessions.mark()
    assert sessions.marked == {3}
    sessions.replace([info(1)])
    assert not sessions.marked


@pytest.mark.parametrize(
    ("query", "nearer", "farther"),
    [("ki", "kill", "mark it"), ("fo", "fork", "info"), ("int", "interrupt", "print"), ("it", "is it", "edit")],
)
def test_what_begins_with_it_is_nearer(query: str, nearer: str, farther: str) -> None:
    near, far = fuzzy.fit(query, [nearer]), fuzzy.fit(query, [farther])
    assert near is not None and far is not None and near < far


def test_what_does_not_fit() -> None:
    assert fuzzy.fit("", ["x"]) == 0
    assert fuzzy.fit("ba", ["ab"]) is None
    assert fuzzy.fit("a.b", ["axb"]) is None
    assert fuzzy.fit("one two", ["one", "three"]) is None
    assert fuzzy.fit("two", ["/tmp/am-w3/home"]) is None
    assert fuzzy.fit("aprvl", ["approval"]) is not None
    assert fuzzy.fit("one two", ["one", "two"]) == 0
    assert fuzzy.fit("api", ["/home/anna/projects/billing"]) is None, "too far from each other"
    assert fuzzy.fit("fxprs", ["fix-parser"]) is not None


def test_what_fits_best_is_selected_and_of_those_that_fit_as_well_the_selected_one() -> None:
    sessions = model(info(1, name="app-one"), info(2, name="one"), info(3, name="one-more"))
    sessions.select(1)
    sessions.query = "one"
    sessions.select_nearest()
    assert selected(sessions) == 3, "the first that begins so, as they are listed"
    sessions.select(2)
    sessions.select_nearest()
    assert selected(sessions) == 2
    sessions.query = "nothing"
    sessions.select_nearest()
    assert selected(sessions) is None
