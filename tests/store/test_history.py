"""Prompts: recalled from anywhere, newest first, by what they say, where and to whom."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentmux.store.blobs import Blobs
from agentmux.store.database import Database
from agentmux.store.errors import NoSuchPrompt, NoSuchSession
from agentmux.store.history import LIMIT, History, Prompt
from agentmux.store.sessions import Sessions
from agentmux.store.texts import INLINE

LONG = "needle " * INLINE


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(str(tmp_path / "data" / "agentmux.db"))) as database:
        yield database


@pytest.fixture
def blobs(database: Database, tmp_path: Path) -> Blobs:
    return Blobs(database, str(tmp_path / "data" / "blobs"))


@pytest.fixture
def history(database: Database, blobs: Blobs) -> History:
    return History(database, blobs)


@pytest.fixture
def session(database: Database) -> int:
    return Sessions(database).add("api", ["sh"], "/", created=1.0, size=(80, 24)).id


def texts(found: list[Prompt]) -> list[str | None]:
    return [prompt.text for prompt in found]


@pytest.mark.parametrize("text", ["", "fix\0 the ü\n🙂", LONG], ids=["empty", "short", "long"])
@pytest.mark.parametrize("agent", [None, "claude"])
def test_what_was_sent_is_read(history: History, session: int, text: str, agent: str | None) -> None:
    id_ = history.add(session, 1234.5, "/work/\udcff", agent, text)
    expected = Prompt(id_, session, 1234.5, "/work/\udcff", agent, text)
    assert history.get(id_) == expected
    assert history.search() == history.after(0, 9) == [expected]


def test_lone_surrogates_are_replaced(history: History, session: int) -> None:
    id_ = history.add(session, 1.0, "/", None, "a\ud800b")
    assert history.get(id_).text == "a\ufffdb"
    assert texts(history.search("\udfff")) == ["a\ufffdb"]


def test_narrowing(history: History, session: int) -> None:
    for number in range(8):
        cwd, agent = ("/a", "/a/b")[number % 2], ("codex", "claude", None, None)[number // 2]
        history.add(session, 1.0, cwd, agent, f"prompt {number}")
    newest = [f"prompt {number}" for number in range(7, -1, -1)]
    assert texts(history.search()) == newest
    assert texts(history.search(limit=3)) == newest[:3]
    assert texts(history.search(cwd="/a")) == ["prompt 6", "prompt 4", "prompt 2", "prompt 0"]
    assert texts(history.search(agent="claude")) == ["prompt 3", "prompt 2"]
    assert texts(history.search("PROMPT", "/a", "codex")) == ["prompt 0"]
    assert texts(history.search("5", "/a/b")) == ["prompt 5"]
    assert history.search("5", "/a") == []
    ids = [prompt.id for prompt in history.search()]
    assert texts(history.after(ids[-1], 2)) == ["prompt 1", "prompt 2"]
    assert history.after(ids[0], 2) == []


def test_a_search_is_bounded_by_itself(history: History, session: int) -> None:
    for number in range(LIMIT + 1):
        history.add(session, 1.0, "/", None, f"{number}")
    assert len(history.search()) == LIMIT
    assert len(history.search(limit=LIMIT + 9)) == LIMIT + 1


@pytest.mark.parametrize(
    ("text", "needle", "found"),
    [
        ("Fix the Bug", "fix THE", True),
        ("100 % sure", "0 %", True),
        ("100 percent", "0 %", False),
        ("a_b", "A_B", True),
        ("axb", "a_b", False),
        ("a\\b", "\\", True),
        ("it's", "'", True),
        ("before\0after", "after", True),
        ("Über", "Über", True),
        ("Über", "über", False),
    ],
)
def test_a_text_is_searched_for_as_it_is(history: History, session: int, text: str, needle: str, found: bool) -> None:
    history.add(session, 1.0, "/", None, text)
    assert bool(history.search(needle)) == found


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(before=st.text(max_size=9), needle=st.text(min_size=1, max_size=9), after=st.text(max_size=9))
def test_every_part_of_a_prompt_finds_it(history: History, session: int, before: str, needle: str, after: str) -> None:
    id_ = history.add(session, 1.0, "/", None, before + needle + after)
    assert id_ in [prompt.id for prompt in history.search(needle, limit=10_000)]


def test_long_prompts_are_found_without_a_text_only(history: History, session: int) -> None:
    history.add(session, 1.0, "/", "claude", LONG)
    history.add(session, 1.0, "/", "claude", "needle")
    assert texts(history.search("needle")) == ["needle"]
    assert texts(history.search(agent="claude")) == ["needle", LONG]
    assert history.search(LONG) == []


def test_a_prompt_shares_its_blob_and_loses_only_its_own_text(
    history: History, blobs: Blobs, session: int, tmp_path: Path
) -> None:
    ids = [history.add(session, 1.0, "/", None, LONG) for _ in range(2)]
    assert blobs.total()[0] == 1
    history.add(session, 1.0, "/", None, "short")
    blobs.gc(1e12)
    assert history.get(ids[0]).text == LONG
    [path] = [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()]
    os.unlink(path)
    assert texts(history.search()) == ["short", None, None]


@pytest.mark.parametrize("text", ["short", LONG], ids=["short", "long"])
def test_a_session_without_a_record(history: History, blobs: Blobs, text: str) -> None:
    with pytest.raises(NoSuchSession):
        history.add(77, 1.0, "/", None, text)
    assert history.search() == []
    assert blobs.total()[0] == 0


def test_prompts_go_with_their_session(history: History, database: Database, session: int) -> None:
    id_ = history.add(session, 1.0, "/", None, "text")
    Sessions(database).forget(session)
    with pytest.raises(NoSuchPrompt):
        history.get(id_)
