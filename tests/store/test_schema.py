"""Files written by every past version must open."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agentmux.store import schema
from agentmux.store.database import Database
from agentmux.store.schema import MIGRATIONS, migrate, version
from agentmux.store.sessions import Sessions

MIGRANT = Path(__file__).with_name("mortal_migrant.py")


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


def write_version(connection: sqlite3.Connection, number: int) -> None:
    for step in MIGRATIONS[:number]:
        connection.executescript(step)
    connection.execute(f"PRAGMA user_version = {number}")


def tables(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()


@pytest.mark.parametrize("start", range(len(MIGRATIONS) + 1))
def test_every_past_version_arrives_at_the_same_schema(db: sqlite3.Connection, start: int) -> None:
    write_version(db, start)
    migrate(db)
    assert version(db) == len(MIGRATIONS)
    with closing(sqlite3.connect(":memory:")) as fresh:
        write_version(fresh, len(MIGRATIONS))
        assert tables(db) == tables(fresh)


@pytest.mark.parametrize("start", range(1, len(MIGRATIONS) + 1))
def test_what_a_past_version_wrote_is_still_read(tmp_path: Path, start: int) -> None:
    """The row is spelled out as version 1 wrote it: it must not follow later code."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    with closing(sqlite3.connect(folder / "x.db", isolation_level=None)) as old:
        write_version(old, start)
        old.execute(
            "INSERT INTO session (id, name, argv, cwd, env, columns, rows, labels, state, created, starts)"
            """ VALUES (7, 'api', '["claude", "-c"]', '"/src"', '{"A": "1"}', 80, 24, '{"team": "x"}',"""
            " 'running', 12.5, 3)"
        )
    with closing(Database(str(folder / "x.db"))) as database:
        row = Sessions(database).get(7)
        assert (row.name, row.argv, row.cwd, row.env) == ("api", ("claude", "-c"), "/src", {"A": "1"})
        assert (row.size, row.labels, row.state, row.created, row.starts) == (
            (80, 24),
            {"team": "x"},
            "running",
            12.5,
            3,
        )


def test_a_step_that_fails_leaves_no_trace(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = "CREATE TABLE half (id INTEGER); CREATE TABLE session (id INTEGER);"
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, broken))
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(db)
    assert not db.in_transaction
    assert version(db) == len(MIGRATIONS)
    assert "half" not in dict(tables(db))


@pytest.mark.parametrize("stride", [97, pytest.param(3, marks=pytest.mark.prove)])
def test_killed_anywhere_in_a_migration_whole_steps_are_done(tmp_path: Path, stride: int) -> None:
    done = subprocess.run([sys.executable, str(MIGRANT), str(tmp_path), str(stride)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    instructions, versions = map(int, done.stdout.split())
    assert instructions > 1000
    assert versions == len(MIGRATIONS)  # killed in each step after the first, and once not at all


def test_every_table_is_strict(db: sqlite3.Connection) -> None:
    migrate(db)
    kinds = db.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'").fetchall()
    assert [name for name, strict in kinds if not strict and not name.startswith("sqlite_")] == []
