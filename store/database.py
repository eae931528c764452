"""The one door to SQLite.

Only the server writes to the database, so there is one writer and nobody waits.
Write-ahead logging with ``synchronous=NORMAL``: what was committed survives a
``kill -9`` at any moment; a power cut may take the last commits, never the
consistency of the file.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from . import schema
from .errors import NotUnique, StoreBroken, StoreError, StoreFull, StoreOld, StoreTooNew
from .folders import private_folder

T = TypeVar("T")
Value: TypeAlias = str | int | float | bytes | None
Row: TypeAlias = tuple[Any, ...]
"""What SQLite gave back. The tables are STRICT, so who knows the table knows the types."""

OLDEST_SQLITE = (3, 37, 0)
"""The first with STRICT tables."""

BUSY_TIMEOUT = 2000
"""Milliseconds to wait for a lock. There should be none: somebody has a shell open on the file."""


class Database:
    """An open database. It belongs to the thread that opened it."""

    def __init__(
        self,
        path: str,
        *,
        read_only: bool = False,
        as_it_is: bool = False,
        on_broken: Callable[[], None] = lambda: None,
    ) -> None:
        """Open the file at ``path``; make it and its folder if they are missing, unless it is only to be read.

        A reader may come beside the server, and keeps it from emptying its log meanwhile. ``as_it_is``: it reads any
        version. ``on_broken`` is called when a part of a file that could be opened turns out to be damaged.

        Raises:
            StoreUnsafe: the folder is not private.
            StoreOld: an older agentmux wrote the file, which is only to be read.
            StoreTooNew: a newer one did.
            StoreBroken: the file is damaged or something else.
            StoreError: it can't be opened.
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise StoreError(f"sqlite {sqlite3.sqlite_version} is too old, 3.37 is needed", hint="use a newer python")
        self.path = path
        self._on_broken: Callable[[], None] = lambda: None
        if not read_only:
            private_folder(os.path.dirname(path) or ".")
            _make_private_file(path)
        try:
            uri = f"file:{quote(path)}?mode={'ro' if read_only else 'rw'}"
            self._connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        except sqlite3.Error as error:
            raise self._explained(error) from error
        try:
            self._prepare(read_only, as_it_is)
        except BaseException:
            self._connection.close()
            raise
        self._on_broken = on_broken

    def _prepare(self, read_only: bool, as_it_is: bool) -> None:
        try:
            # Reads the header. Nothing may be written before the version is known to be ours.
            done = schema.version(self._connection)
            if as_it_is:
                return
            if done > len(schema.MIGRATIONS):
                raise StoreTooNew(self.path, done, len(schema.MIGRATIONS))
            if read_only:
                if done < len(schema.MIGRATIONS):
                    raise StoreOld(self.path, done, len(schema.MIGRATIONS))
                self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}").fetchall()
                return
            for pragma in (
                f"busy_timeout = {BUSY_TIMEOUT}",
                "journal_mode = WAL",
                "synchronous = NORMAL",
                "foreign_keys = ON",
                "secure_delete = ON",  # what is forgotten is overwritten, not only unlisted
            ):
                self._connection.execute(f"PRAGMA {pragma}").fetchall()
            schema.migrate(self._connection)
        except sqlite3.Error as error:
            raise self._explained(error) from error
        except UnicodeDecodeError as error:
            raise self.broken("a name in it is damaged") from error

    def execute(self, sql: str, parameters: Sequence[Value] = ()) -> list[Row]:
        """Run one statement and return all its rows; a change returns rows by RETURNING.

        Outside ``transaction()`` the statement is committed when this returns.

        Raises:
            NotUnique: a UNIQUE index or primary key forbids it.
            StoreFull: the disk is full.
            StoreBroken: the file turned out to be damaged.
            StoreError: it is locked or can't be read or written; or a number is larger than SQLite has them.
        """
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._explained(error) from error
        except UnicodeDecodeError as error:  # in what it says is wrong
            raise self.broken("a name in it is damaged") from error
        except OverflowError:
            raise StoreError("a number is too large") from None

    def read(self, make: Callable[[Row], T], sql: str, parameters: Sequence[Value] = ()) -> list[T]:
        """Return what ``make`` makes of each row of a query.

        Raises:
            StoreBroken: a row is not as it was written, so that ``make`` can't; else as ``execute``.
        """
        rows = self.execute(sql, parameters)
        try:
            return [make(row) for row in rows]
        except (LookupError, TypeError, ValueError) as error:
            raise self.broken(f"a row is damaged ({type(error).__name__})") from error

    def insert(self, table: str, columns: Sequence[str], row: Sequence[Value]) -> bool:
        """Insert a row of doubtful origin; return whether it fits, and was not there.

        Raises:
            StoreError: as ``execute``.
        """
        sql = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        try:
            return bool(self.execute(f"{sql} RETURNING 1", row))
        except (NotUnique, sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeEncodeError):
            return False

    @contextlib.contextmanager
    def transaction(self, *, synced: bool = False) -> Iterator[None]:
        """Make what is done inside happen whole or not at all. They do not nest.

        The write lock is taken at once: a transaction that starts by reading
        could be refused in its middle, where nobody expects it. With ``synced`` it is on the disk when this returns,
        and all that was committed before.
        """
        assert not self._connection.in_transaction, "transactions do not nest"
        if synced:
            self.execute("PRAGMA synchronous = FULL")
        try:
            self.execute("BEGIN IMMEDIATE")
            yield
            self.execute("COMMIT")
        except BaseException:
            # A full disk makes SQLite roll back by itself; then there is nothing left to do.
            self._connection.rollback()
            raise
        finally:
            if synced:
                self.execute("PRAGMA synchronous = NORMAL")

    def checkpoint(self) -> None:
        """Fold the log into the file and empty it: what was deleted is then in neither.

        Raises:
            StoreError: somebody else reads the file just now.
        """
        [(busy, *_)] = self.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if busy:
            raise StoreError(f"the database {self.path} is being read", hint="another program has it open: close that")

    def integrity_check(self) -> list[str]:
        """Return what is wrong with the file, one line each; nothing if all is well.

        Reads the whole file: for ``doctor``, not for start-up.
        """
        try:
            lines = [str(row[0]) for row in self.execute("PRAGMA integrity_check")]
            broken = self.execute("PRAGMA foreign_key_check")
        except StoreError as error:
            return [error.problem]
        problems = [] if lines == ["ok"] else lines
        return problems + [f"row {row[1]} of {row[0]} points to a missing {row[2]}" for row in broken]

    def close(self) -> None:
        """Close the file; the last one out folds the log into it. May be called again."""
        self._connection.close()

    def broken(self, reason: str) -> StoreBroken:
        """Return what to raise where something that was read can't have been written."""
        self._on_broken()
        return StoreBroken(self.path, reason)

    def _explained(self, error: sqlite3.Error) -> Exception:
        """Return what to raise for ``error``: itself if it is a bug of ours."""
        code = getattr(error, "sqlite_errorcode", None)
        if code in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
            return NotUnique(str(error).lower())
        # The low byte is the kind, the rest says which system call it was.
        kind = None if code is None else code & 0xFF
        if kind in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT) or _of_damage(str(error)):
            return self.broken(str(error)[:200])
        if kind == sqlite3.SQLITE_FULL:
            return StoreFull(self.path)
        if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StoreError(f"the database {self.path} is locked", hint="another program has it open: close that")
        if kind in (
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_PERM,
            sqlite3.SQLITE_READONLY,
        ):
            return StoreError(f"the database {self.path} can't be used: {error}", hint="check disk and rights")
        return error


def _of_damage(problem: str) -> bool:
    """Whether SQLite, which has no code for that, says that a file is damaged: it lacks what our schema has."""
    if problem.startswith(
        ("Could not decode to UTF-8", "unsupported file format", "invalid fts5 file format", "SQL logic error")
    ):
        return True
    found = re.match(r"no such (?:table|column): (?:\w+\.)?(\w+)|table (\w+) already exists", problem)
    names = [re.escape(name) for name in found.groups() if name] if found else []
    return any(re.search(rf"\b{name}\b", step) for name in names for step in schema.MIGRATIONS)


def copy(path: str, target: str) -> None:
    """Make a consistent copy of a database that may be open and written to, in any thread.

    Raises:
        StoreError: it can't be read, or the copy can't be written.
    """
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)) as source:
            source.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT}")
            with contextlib.closing(sqlite3.connect(target)) as into:
                source.backup(into)
    except sqlite3.Error as error:
        raise StoreError(f"the database {path} can't be copied: {error}", hint="check disk and rights") from error


def _make_private_file(path: str) -> None:
    """Make an empty file of mode 0600, or narrow the one that is there.

    SQLite gives ``-wal`` and ``-shm`` the mode of the main file, so there is no
    need to change the umask, which belongs to the whole process. An existing
    file is not opened: closing any descriptor of it would drop the locks that another
    connection of this process holds (POSIX locks are per process).
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if os.stat(path).st_mode & 0o077:
            os.chmod(path, 0o600)
    except OSError as error:
        raise StoreError(f"can't make the database {path}: {error.strerror}") from error
