"""A server that brings an old database to the newest schema and is killed; run as a program by test_schema.py.

mortal_migrant.py FOLDER STRIDE    kill before every instruction of SQLite's virtual machine (with stride 1) of
                                   every step since the first; each time look at what is on disk
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing

from mortal_reader import child, status

from agentmux.store.database import Database
from agentmux.store.schema import MIGRATIONS, migrate, version
from agentmux.store.sessions import Sessions


def prepare(folder: str) -> None:
    """A database of version 1 with a session."""
    os.mkdir(folder, 0o700)
    with closing(sqlite3.connect(f"{folder}/agentmux.db", isolation_level=None)) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.executescript(MIGRATIONS[0])
        old.execute("PRAGMA user_version = 1")
        old.execute(
            "INSERT INTO session (name, argv, cwd, env, columns, rows, labels, state, created, starts)"
            """ VALUES ('api', '["sh"]', '"/"', '{}', 80, 24, '{}', 'running', 1.0, 1)"""
        )


def migrate_killed(folder: str, number: int) -> None:
    """Migrate and die just before instruction ``number``."""
    left = number

    def tick() -> int:
        nonlocal left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return 0

    with closing(sqlite3.connect(f"{folder}/agentmux.db", isolation_level=None)) as database:
        database.set_progress_handler(tick, 1)
        migrate(database)


def schema(database: sqlite3.Connection) -> list[tuple[str, str]]:
    return database.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()


def check(folder: str) -> int:
    """Fail unless whole steps were done and the rest follows; return how many were done."""
    with closing(sqlite3.connect(f"{folder}/agentmux.db")) as found, closing(sqlite3.connect(":memory:")) as whole:
        done = version(found)
        for step in MIGRATIONS[:done]:
            whole.executescript(step)
        assert schema(found) == schema(whole), done
    with closing(Database(f"{folder}/agentmux.db")) as database:
        assert database.integrity_check() == []
        assert [row.name for row in Sessions(database).all()] == ["api"]
        assert database.execute("PRAGMA user_version") == [(len(MIGRATIONS),)]
    return done


def main(folder: str, stride: int) -> None:
    prepare(f"{folder}/prepared")
    found = set()
    for number in itertools.count(0, stride):
        place = f"{folder}/{number}"
        shutil.copytree(f"{folder}/prepared", place)

        def run(number: int = number, place: str = place) -> None:
            migrate_killed(place, number)

        death = status(child(run))
        if death not in (0, -signal.SIGKILL):
            sys.exit(f"instruction {number}: it failed")
        try:
            found.add(check(place))
        except AssertionError as error:
            sys.exit(f"instruction {number}: {error!r}")
        shutil.rmtree(place)
        if death == 0:
            os.write(1, b"%d %d\n" % (number, len(found)))
            return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
