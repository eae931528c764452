"""The manifests of sessions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.store.database import Database
from agentmux.store.errors import NameTaken, NoSuchSession, StillLive
from agentmux.store.sessions import SessionRow, Sessions


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "data" / "agentmux.db")


@pytest.fixture
def sessions(path: str) -> Iterator[Sessions]:
    with closing(Database(path)) as database:
        yield Sessions(database)


def add(sessions: Sessions, name: str = "api") -> SessionRow:
    return sessions.add(name, ["claude"], "/src", created=10.0, size=(80, 24))


def test_a_record_is_committed_before_its_program_is_spawned(sessions: Sessions, path: str) -> None:
    row = sessions.add(
        "api",
        ["claude", "--model", "x"],
        "/src",
        created=10.5,
        size=(120, 40),
        env={"TOKEN": "secret", "A": ""},
        labels={"team": "blue"},
        agent="claude",
        conversation="c-1",
    )
    assert row == SessionRow(
        id=1,
        name="api",
        argv=("claude", "--model", "x"),
        cwd="/src",
        env={"TOKEN": "secret", "A": ""},
        size=(120, 40),
        labels={"team": "blue"},
        state="starting",
        exit_status=None,
        created=10.5,
        started=None,
        ended=None,
        parent=None,
        starts=1,
        agent="claude",
        conversation="c-1",
        record="all",
    )
    assert row.env_names == ("TOKEN", "A")
    with closing(Database(path)) as other:
        assert Sessions(other).get(1) == row


def test_the_life_of_a_session(sessions: Sessions) -> None:
    session = add(sessions).id
    sessions.set_running(session, 11.0)
    row = sessions.get(session)
    assert (row.state, row.started, row.ended, row.live) == ("running", 11.0, None, True)
    sessions.set_exited(session, -9, 12.0)
    row = sessions.get(session)
    assert (row.state, row.exit_status, row.ended, row.live) == ("exited", -9, 12.0, False)
    row = sessions.restarting(session, size=(100, 30))
    assert (row.id, row.state, row.starts, row.size) == (session, "starting", 2, (100, 30))
    assert (row.exit_status, row.started, row.ended, row.created) == (None, None, None, 10.0)
    sessions.set_lost([session], 13.0)
    row = sessions.get(session)
    assert (row.state, row.exit_status, row.ended) == ("lost", None, 13.0)
    assert sessions.restarting(session).size == (100, 30)


def test_one_given_up_for_lost_may_turn_up_again(sessions: Sessions) -> None:
    session = add(sessions).id
    sessions.set_lost([session], 11.0)
    sessions.set_running(session, 12.0)
    assert sessions.get(session).ended is None
    sessions.set_lost([session], 13.0)
    add(sessions)
    with pytest.raises(NameTaken):
        sessions.set_running(session, 14.0)


def test_only_live_sessions_hold_a_name(sessions: Sessions) -> None:
    first = add(sessions).id
    with pytest.raises(NameTaken, match="'api'"):
        add(sessions)
    sessions.set_running(first, 11.0)
    with pytest.raises(NameTaken):
        add(sessions)
    sessions.set_exited(first, 0, 12.0)
    second = add(sessions).id
    sessions.set_lost([second], 13.0)
    third = add(sessions).id
    assert len({first, second, third}) == 3
    with pytest.raises(NameTaken):
        sessions.restarting(first)
    assert sessions.get(first).starts == 1


def test_rename(sessions: Sessions) -> None:
    first, second = add(sessions).id, add(sessions, "web").id
    with pytest.raises(NameTaken, match="'web'"):
        sessions.rename(first, "web")
    sessions.rename(first, "api")
    sessions.set_exited(first, 0, 11.0)
    sessions.rename(first, "web")
    assert [row.name for row in sessions.all()] == ["web", "web"]
    assert [row.id for row in sessions.running()] == [second]


def test_a_live_session_is_not_started_again(sessions: Sessions) -> None:
    with pytest.raises(StillLive):
        sessions.restarting(add(sessions).id)


def test_set_lost_leaves_known_ends_alone(sessions: Sessions) -> None:
    done, live, other = (add(sessions, name).id for name in ("a", "b", "c"))
    sessions.set_exited(done, 3, 11.0)
    sessions.set_lost([done, live, 999], 12.0)
    assert [row.state for row in sessions.all()] == ["exited", "lost", "starting"]
    assert sessions.get(done).exit_status == 3
    assert [row.id for row in sessions.running()] == [other]


def test_small_changes(sessions: Sessions) -> None:
    session = add(sessions).id
    sessions.set_labels(session, {"x": "1"})
    sessions.set_labels(session, {"y": "ü"})
    sessions.set_size(session, (132, 50))
    sessions.set_conversation(session, "conv")
    row = sessions.get(session)
    assert (row.labels, row.size, row.conversation) == ({"y": "ü"}, (132, 50), "conv")


def test_an_unknown_id_is_an_error_everywhere(sessions: Sessions) -> None:
    for call in (
        lambda: sessions.get(5),
        lambda: sessions.set_running(5, 1.0),
        lambda: sessions.set_exited(5, 0, 1.0),
        lambda: sessions.rename(5, "x"),
        lambda: sessions.set_labels(5, {}),
        lambda: sessions.set_size(5, (1, 1)),
        lambda: sessions.set_conversation(5, None),
        lambda: sessions.restarting(5),
        lambda: sessions.forget(5),
    ):
        with pytest.raises(NoSuchSession, match="id 5"):
            call()


def test_a_forgotten_id_never_comes_back(sessions: Sessions, path: str) -> None:
    parent = add(sessions, "parent").id
    child = sessions.add("child", ["sh"], "/", created=1.0, size=(80, 24), parent=parent).id
    assert sessions.get(child).parent == parent
    sessions.add_poison(child, 0, 5)
    sessions.forget(parent)
    assert sessions.get(child).parent is None
    sessions.forget(child)
    assert sessions.poison(child) == []
    with closing(Database(path)) as other:
        assert add(Sessions(other)).id == child + 1


def test_poison_is_listed_in_order_and_once(sessions: Sessions) -> None:
    first, second = add(sessions, "a").id, add(sessions, "b").id
    for start, stop in ((90, 95), (3, 10), (90, 95)):
        sessions.add_poison(first, start, stop)
    assert sessions.poison(first) == [(3, 10), (90, 95)]
    assert sessions.poison(second) == []


ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.binary().map(os.fsdecode)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sessions]:
    with closing(Database(str(tmp_path_factory.mktemp("shared") / "data" / "x.db"))) as database:
        yield Sessions(database)


@given(st.lists(ANY_TEXT, max_size=4), ANY_TEXT, st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3))
def test_arguments_paths_and_variables_need_not_be_unicode(
    shared: Sessions, argv: list[str], cwd: str, pairs: dict[str, str]
) -> None:
    row = shared.add("x", argv, cwd, created=1.0, size=(80, 24), env=pairs, labels=pairs)
    try:
        read = shared.get(row.id)
        assert (read.argv, read.cwd, read.env, read.labels) == (tuple(argv), cwd, pairs, pairs)
    finally:
        shared.forget(row.id)
