"""A damaged database: what can be read of it goes into a new one, and it is put aside, never changed nor deleted.

What the search index holds is not read: it is made again from what was said and printed. Sessions whose record is lost
get one by the folder of their output. A kill at any moment leaves the damaged file in its place, or all done::

    store.db -> store.db.saving (being written) -> store.db.saved (whole)
    store.db-wal, store.db -> store.db.broken-1-wal, store.db.broken-1
    store.db.saved -> store.db
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import zstandard

from .blobs import REFERENCES, path_of
from .database import Database, Row, Value
from .errors import StoreBroken, StoreError, reason
from .folders import aside
from .sessions import Sessions

TABLES = ("session", "message", "prompt", "verdict", "queue", "log_place")
"""Those that are read by their rowid; what they refer to comes first."""

OF_SESSION = ("poison", "usage", "segment")
"""Those whose key begins with a session: they are read session by session."""

SECONDS = 15.0
"""How long it may take: the keeper waits 30 for a server, and programs wait for both."""

AGAIN = 3600.0
"""Seconds before it is done again: a disk that spoils everything is not to be filled with copies."""

STEPS = 100_000
"""Row numbers that are tried one by one where some can't be read, before it is given up."""

CHUNK = 256


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What became of a damaged database.

    Attributes:
        why: what was wrong with it.
        aside: where it is now.
        rows: how many could be read.
        lost: the tables of which something could not.
        found: sessions that have a record again, and lost what was in it.
    """

    why: str
    aside: str
    rows: int
    lost: tuple[str, ...]
    found: tuple[int, ...]

    def __str__(self) -> str:
        text = f"the database was damaged ({self.why}): {self.rows} rows are saved, the file is {self.aside}"
        if self.lost:
            text += f"; not all could be read of: {', '.join(self.lost)}"
        if self.found:
            text += f"; without their record: {', '.join(map(str, self.found))}"
        return text


def suspect(folder: str, now: float) -> bool:
    """Have the next server save what can be read; return False if that was done within the hour, and did not help.

    ``now`` is in Unix seconds.
    """
    newest = aside(folder)[-1:]
    with contextlib.suppress(OSError):
        if newest and 0 <= now - os.stat(newest[0]).st_ctime < AGAIN:
            return False
        os.close(os.open(_flag(folder), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return True
    return False


def _flag(folder: str) -> str:
    return os.path.join(folder, "store.db.suspect")


def opened(
    folder: str, on_broken: Callable[[], None], clock: Callable[[], float]
) -> tuple[Database, list[int], Salvaged | None]:
    """Open the database in ``folder``, or make it; if it is damaged, another one with what can be read of it.

    Returns also which sessions had a folder and no record, and have one again that says nothing of their program.
    ``clock`` returns seconds since whenever.

    Raises:
        StoreError: see ``Database``; or there is no room for another one.
    """
    try:
        return _opened(folder, os.path.join(folder, "store.db"), on_broken, clock)
    except OSError as error:
        problem = f"the data folder {folder} can't be used: {reason(error)}"
        raise StoreError(problem, hint="check disk and rights") from error


def _opened(
    folder: str, path: str, on_broken: Callable[[], None], clock: Callable[[], float]
) -> tuple[Database, list[int], Salvaged | None]:
    if os.path.lexists(f"{path}.saved"):  # a server before us was killed, when it was as good as done
        _put_in_place(folder, path)
    why = ""
    if os.path.lexists(_flag(folder)):
        why = "a part of it could not be read"
    elif _numbers(folder) and os.path.isfile(path) and not os.path.getsize(path):
        why = "it is empty"
    else:
        try:
            database = Database(path, on_broken=on_broken)
            try:
                # Reads every record, without which there is no server.
                return database, _find(folder, Sessions(database)), None
            except BaseException:
                database.close()
                raise
        except StoreBroken as error:
            why = error.reason
    salvaged = _salvage(folder, path, why, clock)
    return Database(path, on_broken=on_broken), [], salvaged


def _find(folder: str, sessions: Sessions) -> list[int]:
    """Give each session that has a folder and no record one; return which.

    A power cut may take the row of a new session and leave its folder, which is nobody else's.
    """
    known = {row.id for row in sessions.all()}
    found = [number for number in _numbers(folder) if number not in known]
    for number in found:
        made = os.stat(os.path.join(folder, "sessions", str(number))).st_mtime
        sessions.add_found(number, created=made)
    return found


def _numbers(folder: str) -> list[int]:
    """Return the sessions that have a folder."""
    try:
        return sorted(int(name) for name in os.listdir(os.path.join(folder, "sessions")) if name.isdecimal())
    except FileNotFoundError:
        return []


def _salvage(folder: str, path: str, why: str, clock: Callable[[], float]) -> Salvaged:
    saving = f"{path}.saving"
    _delete(saving)
    try:
        with contextlib.closing(Database(saving)) as target:
            rows, lost, found = _copy(folder, path, target, clock)
            target.checkpoint()
    except BaseException:
        _delete(saving)  # the disk may be full of it
        raise
    os.rename(saving, f"{path}.saved")
    return Salvaged(why, _put_in_place(folder, path), rows, lost, found)


def _put_in_place(folder: str, path: str) -> str:
    """Put the damaged database aside and the new one in its place; return where the damaged one is."""
    number = 1 + max((int(name.rpartition("-")[2]) for name in aside(folder)), default=0)
    kept = f"{path}.broken-{number}"
    for end in ("-wal", "-shm", ""):  # the log first: beside another database it would be taken for that one's
        with contextlib.suppress(FileNotFoundError):
            os.rename(path + end, kept + end)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_flag(folder))
    os.rename(f"{path}.saved", path)
    return kept


def _delete(path: str) -> None:
    for end in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + end)


def _copy(
    folder: str, path: str, target: Database, clock: Callable[[], float]
) -> tuple[int, tuple[str, ...], tuple[int, ...]]:
    """Copy what can be read; return how many rows, which tables are not whole, and the sessions without a record."""
    sessions = Sessions(target)
    deadline = clock() + SECONDS
    rows, lost = 0, []
    with contextlib.ExitStack() as stack:
        source: Database | None = None
        with contextlib.suppress(StoreError):  # not even its beginning can be read
            source = Database(path, read_only=True, as_it_is=True)
            stack.callback(source.close)
        stack.enter_context(target.transaction())
        blobs = _Blobs(folder, target)
        known: list[int] = []
        found: list[int] = []
        for table in (*TABLES, *OF_SESSION):
            reader = None if source is None else _Reader(source, table, lambda: clock() > deadline)
            if reader is not None:
                pieces = reader.rows() if table in TABLES else reader.rows_of(known)
                names = [name for name in reader.columns if name in _columns(target, table)]
                for row in pieces:
                    values = [value for name, value in zip(reader.columns, row, strict=True) if name in names]
                    blobs.add(table, names, values)
                    if target.insert(table, names, values):
                        rows += 1
                    else:
                        reader.whole = False
            if reader is None or not reader.whole:
                lost.append(table)
            if table == "session":
                found = _find(folder, sessions)
                known = [row.id for row in sessions.all()]
    return rows, tuple(lost), tuple(found)


def _columns(database: Database, table: str) -> list[str]:
    return [str(row[1]) for row in database.execute(f"PRAGMA table_info({table})")]


class _Blobs:
    """Makes the rows of blobs that are named, from their files."""

    def __init__(self, folder: str, target: Database) -> None:
        self._folder = os.path.join(folder, "blobs")
        self._target = target
        self._named = dict(REFERENCES)

    def add(self, table: str, names: Sequence[str], values: Sequence[Value]) -> None:
        digest = dict(zip(names, values, strict=True)).get(self._named.get(table, ""))
        if not isinstance(digest, bytes) or len(digest) != 32:
            return
        size = stored = 0
        made = 0.0
        with contextlib.suppress(OSError, zstandard.ZstdError), open(path_of(self._folder, digest), "rb") as file:
            status = os.fstat(file.fileno())
            stored, made = status.st_size, status.st_mtime
            size = max(0, zstandard.frame_content_size(file.read(18)))  # a header's length, the most
        self._target.insert("blob", ["digest", "size", "stored", "created"], [digest, size, stored, made])


class _Reader:
    """Reads a table as far as it goes.

    Attributes:
        whole: whether nothing was passed over.
    """

    def __init__(self, source: Database, table: str, late: Callable[[], bool]) -> None:
        self.whole = True
        self.columns: list[str] = []
        self._source = source
        self._table = table
        self._late = late
        try:
            self.columns = _columns(source, table)
        except StoreError:
            self.whole = False

    def rows(self) -> Iterator[Row]:
        """Yield the rows in the order of their numbers; step over those that can't be read."""
        last, limit, tried = -1, CHUNK, 0
        sql = f"SELECT rowid, * FROM {self._table} NOT INDEXED WHERE rowid > ? ORDER BY rowid LIMIT ?"
        while self.columns and not self._late():
            try:
                found = self._source.execute(sql, (last, limit))
            except StoreError:
                self.whole = False
                if limit > 1:
                    limit = 1
                    continue
                last, tried = last + 1, tried + 1
                if tried > STEPS:
                    break
                continue
            if not found:
                return
            for number, *row in found:
                last = number
                yield tuple(row)
            limit, tried = min(CHUNK, 2 * limit), 0
        self.whole = False

    def rows_of(self, sessions: Iterable[int]) -> Iterator[Row]:
        """Yield the rows of these sessions; where one can't be read, none of that session's."""
        for session in sessions:
            if not self.columns or self._late():
                self.whole = False
                return
            try:
                yield from self._source.execute(f"SELECT * FROM {self._table} WHERE session = ?", (session,))
            except StoreError:
                self.whole = False
