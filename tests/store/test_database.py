"""The database file: private, refused when it is not ours to touch, whole after any death."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agentmux.store.database import Database
from agentmux.store.errors import StoreBroken, StoreError, StoreTooNew, StoreUnsafe
from agentmux.store.schema import MIGRATIONS
from agentmux.store.sessions import Sessions


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "agentmux.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(str(path))) as database:
        yield database


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_folder_and_files_are_private_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        with closing(Database(str(path))) as database:
            Sessions(database).add("api", ["sh"], "/", created=1.0, size=(80, 24))
            names = sorted(entry.name for entry in path.parent.iterdir())
            assert names == ["agentmux.db", "agentmux.db-shm", "agentmux.db-wal"]
            assert {mode(entry) for entry in path.parent.iterdir()} == {0o600}
            assert mode(path.parent) == 0o700
    finally:
        os.umask(before)


def test_a_database_that_others_may_read_is_narrowed(path: Path) -> None:
    Database(str(path)).close()
    path.chmod(0o644)
    Database(str(path)).close()
    assert mode(path) == 0o600


def test_an_open_folder_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o755)
    with pytest.raises(StoreUnsafe):
        Database(str(path))


def test_settings(database: Database) -> None:
    def pragma(name: str) -> object:
        return database.execute(f"PRAGMA {name}")[0][0]

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 1
    assert pragma("foreign_keys") == 1
    assert pragma("busy_timeout") == 2000


GARBAGE = {
    "two bytes": b"hi",
    "text": b"this is no database\n" * 500,
    "zeros": bytes(8192),
    "noise": os.urandom(8192),
    "header and noise": b"SQLite format 3\0" + os.urandom(8176),
}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_named_and_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700)
    path.write_bytes(content)
    with pytest.raises(StoreBroken) as caught:
        Database(str(path))
    assert str(path) in caught.value.problem
    assert caught.value.hint == "the next server saves what it can: agentmux server upgrade"
    assert path.read_bytes() == content


def test_a_newer_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("CREATE TABLE future (x)")
        newer.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    content = path.read_bytes()
    with pytest.raises(StoreTooNew) as caught:
        Database(str(path))
    assert (caught.value.found, caught.value.known) == (len(MIGRATIONS) + 1, len(MIGRATIONS))
    assert path.read_bytes() == content


def test_a_folder_in_the_place_of_the_file_is_an_error(path: Path) -> None:
    path.mkdir(parents=True, mode=0o700)
    path.parent.chmod(0o700)
    with pytest.raises(StoreError, match=r"agentmux\.db"):
        Database(str(path))


def test_damage_inside_is_found(path: Path) -> None:
    with closing(Database(str(path))) as database:
        assert database.integrity_check() == []
        sessions = Sessions(database)
        for number in range(200):
            sessions.add(f"s{number}", ["sh"] * 50, "/", created=1.0, size=(80, 24))
    whole = bytearray(path.read_bytes())
    whole[20000:24000] = os.urandom(4000)
    path.write_bytes(whole)
    with closing(Database(str(path))) as database:
        assert database.integrity_check() != []


def test_a_transaction_is_whole_or_not_at_all(database: Database) -> None:
    sessions = Sessions(database)
    with pytest.raises(ZeroDivisionError), database.transaction():
        sessions.add("api", ["sh"], "/", created=1.0, size=(80, 24))
        raise ZeroDivisionError
    assert sessions.all() == []
    with database.transaction():
        sessions.add("api", ["sh"], "/", created=1.0, size=(80, 24))
        sessions.add("web", ["sh"], "/", created=1.0, size=(80, 24))
    assert len(sessions.all()) == 2


def test_transactions_do_not_nest(database: Database) -> None:
    with pytest.raises(AssertionError, match="do not nest"), database.transaction(), database.transaction():
        pass


def test_a_lock_held_by_somebody_else_is_said(database: Database, path: Path) -> None:
    database.execute("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is locked"):
            Sessions(database).set_lost([1], 1.0)


def test_what_lacks_a_part_of_the_schema_is_damaged(database: Database) -> None:
    database.execute("ALTER TABLE session RENAME TO sessiom")
    with pytest.raises(StoreBroken, match="no such table"):
        Sessions(database).all()


def test_a_row_that_is_not_as_it_was_written_is_damage(database: Database) -> None:
    sessions = Sessions(database)
    sessions.add("api", ["sh"], "/", created=1.0, size=(80, 24))
    database.execute("PRAGMA ignore_check_constraints = on")
    database.execute("UPDATE session SET argv = '{'")
    with pytest.raises(StoreBroken, match="a row is damaged"):
        sessions.all()


def test_a_number_that_sqlite_does_not_have_is_an_error(database: Database) -> None:
    with pytest.raises(StoreError, match="a number is too large"):
        Sessions(database).get(1 << 70)


def test_a_bug_of_ours_keeps_its_own_error(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        database.execute("SELECT * FROM absent")
    with pytest.raises(sqlite3.IntegrityError):
        Sessions(database).add("", ["sh"], "/", created=1.0, size=(80, 24))


WRITER = """
import os, sys
from agentmux.store.database import Database
from agentmux.store.sessions import Sessions
sessions = Sessions(Database(sys.argv[1]))
for number in range(1_000_000):
    row = sessions.add(f"{os.getpid()}-{number}", ["sh"], "/", created=1.0, size=(80, 24))
    sessions.set_exited(row.id, 0, 2.0)
    print(row.id, flush=True)
"""


def test_what_was_committed_survives_kill_9(path: Path) -> None:
    committed: list[int] = []
    for lines in (1, 7, 60, 400):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            committed += [int(writer.stdout.readline()) for _ in range(lines)]
            os.kill(writer.pid, signal.SIGKILL)
            committed += [int(line) for line in writer.stdout.read().split(b"\n")[:-1]]
        assert writer.returncode == -signal.SIGKILL
        with closing(Database(str(path))) as database:
            assert database.integrity_check() == []
            exited = {row.id for row in Sessions(database).all() if row.state == "exited"}
            assert set(committed) <= exited
