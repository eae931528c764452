"""Turns: recorded whole, long ones too, and read without reading all others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentmux.store.blobs import Blobs
from agentmux.store.database import Database
from agentmux.store.errors import BlobMissing, NoSuchSession, StoreError
from agentmux.store.messages import Message, Messages, Role, Source
from agentmux.store.sessions import Sessions
from agentmux.store.texts import INLINE

LONG = "é" * INLINE


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(str(tmp_path / "data" / "agentmux.db"))) as database:
        yield database


@pytest.fixture
def blobs(database: Database, tmp_path: Path) -> Blobs:
    return Blobs(database, str(tmp_path / "data" / "blobs"))


@pytest.fixture
def messages(database: Database, blobs: Blobs) -> Messages:
    return Messages(database, blobs)


@pytest.fixture
def session(database: Database) -> int:
    return new_session(database, "api")


def new_session(database: Database, name: str) -> int:
    return Sessions(database).add(name, ["sh"], "/", created=1.0, size=(80, 24)).id


def say(messages: Messages, session: int, text: str, role: Role = Role.AGENT) -> int:
    return messages.add(session, role, 5.0, Source.HOOK, {}, text)


def blob_files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "data" / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("source", Source)
@pytest.mark.parametrize("text", ["", "hello\0\n\x1b[1m ü 🙂", LONG], ids=["empty", "short", "long"])
def test_what_was_recorded_is_read(messages: Messages, session: int, role: Role, source: Source, text: str) -> None:
    proof = {"event": "Stop", "line": 7, "path": "/a\udcff", "more": [1.5, None, {"a": True}]}
    id_ = messages.add(session, role, 1234.5, source, proof, text)
    assert messages.of(session) == [Message(id_, session, role, 1234.5, source, proof, text)]


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(st.characters()))
def test_lone_surrogates_are_replaced_one_by_one(messages: Messages, session: int, text: str) -> None:
    say(messages, session, text)
    found = messages.last(session, Role.AGENT)
    expected = "".join("\ufffd" if 0xD800 <= ord(letter) <= 0xDFFF else letter for letter in text)
    assert found is not None and found.text == expected


def test_lone_surrogates_in_a_long_text(messages: Messages, session: int) -> None:
    say(messages, session, LONG + "\ud800")
    assert [message.text for message in messages.of(session)] == [LONG + "\ufffd"]


def test_only_what_is_too_long_is_a_blob(messages: Messages, blobs: Blobs, session: int, tmp_path: Path) -> None:
    say(messages, session, "x" * INLINE)
    say(messages, session, "é" * (INLINE // 2))
    assert blobs.total()[0] == len(blob_files(tmp_path)) == 0
    say(messages, session, "x" * (INLINE + 1))
    say(messages, session, "é" * (INLINE // 2) + "x")
    assert blobs.total()[0] == len(blob_files(tmp_path)) == 2


def test_two_sessions_share_a_long_text(
    messages: Messages, database: Database, blobs: Blobs, session: int, tmp_path: Path
) -> None:
    other = new_session(database, "web")
    for one in (session, session, other):
        say(messages, one, LONG)
    assert blobs.total()[0] == len(blob_files(tmp_path)) == 1
    Sessions(database).forget(session)
    blobs.gc(1e12)
    assert [message.text for message in messages.of(other)] == [LONG]
    Sessions(database).forget(other)
    blobs.gc(1e12)
    assert blob_files(tmp_path) == []


def test_listing(messages: Messages, database: Database, session: int) -> None:
    other = new_session(database, "web")
    ids = [say(messages, (session, other)[number % 2], f"{number}", list(Role)[number % 3]) for number in range(12)]

    def texts(found: list[Message]) -> list[str | None]:
        return [message.text for message in found]

    assert ids == sorted(set(ids))
    assert texts(messages.of(session)) == ["0", "2", "4", "6", "8", "10"]
    assert texts(messages.of(session, last=2)) == ["8", "10"]
    assert texts(messages.of(session, last=0)) == []
    assert texts(messages.of(session, last=99)) == texts(messages.of(session))
    assert texts(messages.after(0, 3)) == ["0", "1", "2"]
    assert texts(messages.after(ids[9], 99)) == ["10", "11"]
    assert messages.after(ids[-1], 99) == []
    assert messages.count(session) == 6
    for role, text in ((Role.USER, "6"), (Role.AGENT, "10"), (Role.SYSTEM, "8")):
        found = messages.last(session, role)
        assert found is not None and (found.role, found.text) == (role, text)
    empty = new_session(database, "empty")
    assert messages.last(empty, Role.USER) is None
    assert messages.of(empty) == [] and messages.count(empty) == 0


def test_no_other_long_text_is_read(messages: Messages, session: int, tmp_path: Path) -> None:
    say(messages, session, LONG)
    for path in blob_files(tmp_path):
        path.unlink()
        path.mkdir()  # reading it would be an error
    newest = say(messages, session, "short")
    assert [message.id for message in messages.of(session, last=1)] == [newest]
    assert messages.after(newest - 1, 1)[0].id == newest
    found = messages.last(session, Role.AGENT)
    assert found is not None and found.id == newest
    with pytest.raises(StoreError, match="is a directory"):
        messages.of(session)


@pytest.mark.parametrize("damage", [os.unlink, lambda path: path.write_bytes(b"rubbish")], ids=["missing", "damaged"])
def test_a_lost_blob_costs_its_own_text_only(
    messages: Messages, session: int, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    say(messages, session, "before")
    say(messages, session, LONG)
    say(messages, session, "after")
    [path] = blob_files(tmp_path)
    damage(path)
    assert [message.text for message in messages.of(session)] == ["before", None, "after"]
    say(messages, session, LONG)
    assert [message.text for message in messages.of(session)] == ["before", LONG, "after", LONG]


@pytest.mark.parametrize("text", ["short", LONG], ids=["short", "long"])
def test_a_session_without_a_record(messages: Messages, blobs: Blobs, text: str) -> None:
    with pytest.raises(NoSuchSession):
        say(messages, 77, text)
    assert messages.after(0, 9) == []
    assert blobs.total()[0] == 0


def test_no_turn_without_its_blob(
    messages: Messages, blobs: Blobs, session: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file vanishes after it was written and before the transaction."""
    write = blobs.write

    def write_and_lose(data: bytes) -> object:
        written = write(data)
        blobs.gc(1e12)
        return written

    monkeypatch.setattr(blobs, "write", write_and_lose)
    with pytest.raises(BlobMissing):
        say(messages, session, LONG)
    assert messages.count(session) == 0
