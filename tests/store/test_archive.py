"""Segments that were put away: read as before, shared, and never lost or twice, whenever the server dies."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agentmux.store import archive as archive_file
from agentmux.store.archive import Archive, old_segments, pack
from agentmux.store.blobs import Blobs, Written
from agentmux.store.database import Database
from agentmux.store.errors import BlobMissing, StoreError
from agentmux.store.journal import Journal
from agentmux.store.marks import Marks, records
from agentmux.store.records import Kind, Record
from agentmux.store.sessions import Sessions

SEGMENT = 10
RECORDER = Path(__file__).with_name("mortal_recorder.py")


@dataclass
class Store:
    """A store with one session's journal open."""

    folder: Path
    database: Database
    blobs: Blobs
    session: int = 1

    def __post_init__(self) -> None:
        self.open()

    @property
    def path(self) -> str:
        return str(self.folder / str(self.session))

    def open(self, limit: int = 1 << 20) -> None:
        self.archive = Archive(self.database, self.blobs, self.session)
        self.journal = Journal(self.path, archive=self.archive, segment=SEGMENT, limit=limit)
        self.marks = Marks(self.path, self.archive)

    def output(self, at: float, data: bytes) -> None:
        offset = self.journal.end
        self.journal.append(data)
        self.marks.add(self.journal, Kind.OUTPUT, at, offset, data)

    def put_away(self, start: int) -> None:
        self.archive.add(pack(self.blobs, self.path, start), 99.0)
        self.journal.put_away(start)

    def records(self) -> list[Record]:
        return list(records(self.journal, self.marks))

    def files(self) -> set[str]:
        return {path.name.lstrip("0") for path in (self.folder / str(self.session)).iterdir()}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    database = Database(str(tmp_path / "data" / "store.db"))
    for name in ("api", "web"):
        Sessions(database).add(name, ["cat"], "/", created=1.0, size=(80, 24))
    (tmp_path / "data" / "sessions").mkdir()
    made = Store(tmp_path / "data" / "sessions", database, Blobs(database, str(tmp_path / "data" / "blobs")))
    yield made
    made.journal.release()
    made.marks.release()
    database.close()


def fill(store: Store) -> list[Record]:
    for number in range(4):
        store.output(float(number), b"%d23456" % number)
        store.marks.add(store.journal, Kind.STATE, number + 0.5, store.journal.end, b"state %d" % number)
    return store.records()


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("which", [[0], [10], [0, 10], [10, 0]], ids=str)
def test_what_was_put_away_is_read_as_before(store: Store, which: list[int], reopened: bool) -> None:
    before = fill(store)
    assert store.journal.closed() == [0, 10]
    for start in which:
        store.put_away(start)
    if reopened:
        store.open()
    assert store.journal.closed() == [start for start in (0, 10) if start not in which]
    assert store.records() == before
    assert [store.journal.read(at, 99) for at in (0, 7, 10, 19, 23)] == [
        b"".join(record.data for record in before if record.kind is Kind.OUTPUT)[at:] for at in (0, 7, 10, 19, 23)
    ]
    names = {f"{start or ''}.{kind}" for start in (0, 10, 20) if start not in which for kind in ("raw", "marks")}
    assert store.files() == names
    store.output(9.0, b"more")
    assert store.records()[-1] == Record(Kind.OUTPUT, 9.0, 24, b"more")


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.prove)])
def test_killed_before_any_change_of_the_disk_nothing_is_lost_or_twice(tmp_path: Path, stride: int) -> None:
    """In a rotation, between blob and row, between row and the files that it replaces."""
    done = subprocess.run([sys.executable, str(RECORDER), str(tmp_path), str(stride)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    changes, without_rows = map(int, done.stdout.split())
    assert changes > 200
    assert without_rows > 3


@pytest.mark.parametrize("deleted", range(3))
def test_killed_while_its_files_are_deleted_the_rest_goes_later(
    store: Store, monkeypatch: pytest.MonkeyPatch, deleted: int
) -> None:
    before = fill(store)
    store.archive.add(pack(store.blobs, store.path, 0), 9.0)
    unlink, left = os.unlink, deleted

    def dying(path: str) -> None:
        nonlocal left
        if not left:
            raise OSError(errno.EIO, path)
        left -= 1
        unlink(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", dying)
        store.journal.put_away(0)
    store.open()
    assert store.files() == {"10.raw", "10.marks", "20.raw", "20.marks"}
    assert store.records() == before


def test_the_row_is_on_the_disk_before_the_files_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut takes a log that was not synced, and the files may have gone before: SQLite is asked what it does."""
    fill(store)
    synced: list[object] = []
    add = store.blobs.add

    def watched(written: Written, created: float) -> None:
        synced.append(store.database.execute("PRAGMA synchronous"))
        add(written, created)

    monkeypatch.setattr(store.blobs, "add", watched)
    store.put_away(0)
    assert synced == [[(2,)]]
    assert store.database.execute("PRAGMA synchronous") == [(1,)]


def test_what_ends_behind_a_place_is_not_among_the_closed_yet(store: Store) -> None:
    fill(store)
    assert [store.journal.closed(end) for end in (9, 10, 19, 20)] == [[], [0], [0], [0, 10]]


def test_all_put_away_the_place_is_still_known(store: Store) -> None:
    store.output(1.0, b"abc")
    store.journal.close_segment()
    store.put_away(0)
    store.open()
    assert (store.journal.start, store.journal.end, store.journal.segment_start) == (0, 3, 3)
    store.journal.close_segment()
    assert store.journal.closed() == []
    store.output(2.0, b"de")
    store.open()
    assert store.journal.read(0, 99) == b"abcde"


def test_the_same_output_is_kept_once(store: Store) -> None:
    fill(store)
    store.put_away(0)
    store.session = 2
    store.open()
    fill(store)
    store.put_away(0)
    assert store.database.execute("SELECT count(*) FROM segment") == [(2,)]
    assert store.blobs.total()[0] == 1


def test_old_segments_go_from_the_archive_too(store: Store) -> None:
    store.open(limit=30)
    for number in range(9):
        store.output(float(number), b"%d12345678\n" % number)
        for start in store.journal.closed():
            store.put_away(start)
    assert store.journal.start == store.archive.segments()[0][0] > 0
    assert store.journal.read(store.journal.start, 99).endswith(b"812345678\n")
    kept = store.blobs.total()[0]
    store.blobs.gc(newest=1e12)
    assert store.blobs.total()[0] == len(store.archive.segments()) < kept
    store.journal.drop_oldest()
    assert store.journal.start == store.archive.segments()[0][0]


def test_the_last_of_all_is_not_dropped(store: Store) -> None:
    store.output(1.0, b"abc")
    store.journal.drop_oldest()
    assert store.journal.read(0, 9) == b"abc"


def test_a_lost_blob_is_an_error_that_says_so(store: Store) -> None:
    fill(store)
    store.put_away(0)
    for path in (store.folder.parent / "blobs").rglob("*.zst"):
        path.unlink()
    store.archive.release()
    with pytest.raises(BlobMissing):
        store.journal.read(0, 5)
    packed = pack(store.blobs, store.path, 10)
    for path in (store.folder.parent / "blobs").rglob("*.zst"):
        path.unlink()
    with pytest.raises(BlobMissing):
        store.archive.add(packed, 1.0)
    assert store.archive.segments() == [(0, 10)]


def test_damaged_marks_are_an_error_that_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store)
    store.put_away(0)
    store.database.execute("UPDATE segment SET marks = x'00'")
    with pytest.raises(StoreError, match="marks of session 1"):
        store.records()
    assert archive_file.MARKS_LIMIT > 1 << 25


def test_its_times_are_those_of_its_marks(store: Store) -> None:
    fill(store)
    packed = pack(store.blobs, store.path, 0)
    assert (packed.first, packed.last) == (0.0, 0.5)
    store.journal.append(b"x" * SEGMENT * 2)
    assert (pack(store.blobs, store.path, 30).first, store.archive.segments()) == (0.0, [])


def test_all_but_the_newest_segment_of_a_session_may_go_the_oldest_first(store: Store) -> None:
    fill(store)
    for start in (0, 10):
        store.put_away(start)
    store.session = 2
    store.open()
    store.output(0.25, b"0123456")  # as in the other session, up to here
    store.output(0.3, b"more and more and more")
    for start in store.journal.closed():
        store.put_away(start)
    old = old_segments(store.database)
    assert [(one.session, one.start, one.last) for one in old] == [(2, 0, 0.25), (1, 0, 0.5)]
    assert all(one.stored > 0 for one in old)
    store.session = 1
    store.open()
    store.journal.drop_oldest()
    assert [(one.session, one.start) for one in old_segments(store.database)] == [(2, 0)]
