"""The journal: exact offsets, a bound, and no harm from a full disk or an unlucky moment."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agentmux.store.errors import JournalError, JournalFull, OutsideJournal
from agentmux.store.journal import LIMIT, SEGMENT, Journal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "7"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def segment(start: int) -> str:
    return f"{start:020d}.raw"


def whole(journal: Journal) -> bytes:
    return journal.read(journal.start, journal.end)


class FullDisk:
    """Stands in for ``os.write``: after ``room`` bytes the disk is full. Writes what fits first."""

    def __init__(self, room: int, code: int = errno.ENOSPC) -> None:
        self.room = room
        self.code = code
        self._write = os.write

    def __call__(self, fd: int, data: bytes | memoryview) -> int:
        if not self.room:
            raise OSError(self.code, os.strerror(self.code))
        count = self._write(fd, memoryview(data)[: self.room])
        self.room -= count
        return count


@contextmanager
def after_each_unlink(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int]]]:
    """Give (start, end) as a journal opened at each of those moments would find them."""
    found: list[tuple[int, int]] = []
    unlink = os.unlink

    def unlink_and_look(path: str) -> None:
        unlink(path)
        copy = shutil.copytree(folder, folder.parent / f"copy {len(found)}")
        with monkeypatch.context() as inner:
            inner.setattr(os, "unlink", unlink)
            journal = Journal(str(copy))
            found.append((journal.start, journal.end))

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", unlink_and_look)
        yield found


def test_the_defaults_are_documented() -> None:
    assert (SEGMENT, LIMIT) == (8 * 1024 * 1024, 256 * 1024 * 1024)


def test_a_new_journal_is_empty_and_private_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        journal = Journal(str(folder))
        assert (journal.start, journal.end, journal.segment_start) == (0, 0, 0)
        assert journal.append(b"hello") == 5
        journal.save_snapshot(5, b"state")
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o7777 == 0o700
    assert {path.stat().st_mode & 0o7777 for path in folder.iterdir()} == {0o600}
    journal.release()


def test_a_chunk_is_split_at_the_boundary(folder: Path) -> None:
    journal = Journal(str(folder), segment=10, limit=100)
    journal.append(b"0123456")
    assert journal.segment_start == 0
    journal.append(memoryview(b"789abc"))
    assert journal.segment_start == 10
    journal.append(b"d" * 25)
    assert names(folder) == [segment(start) for start in (0, 10, 20, 30)]
    assert [path.stat().st_size for path in sorted(folder.iterdir())] == [10, 10, 10, 8]
    assert whole(journal) == b"0123456789abc" + b"d" * 25
    journal.release()


def test_old_segments_go_and_offsets_stay(folder: Path) -> None:
    journal = Journal(str(folder), segment=10, limit=30)
    for number in range(100):
        journal.append(b"%03d" % number)
        assert journal.end - journal.start <= 30
    assert (journal.start, journal.end, journal.segment_start) == (270, 300, 290)
    assert journal.read(285, 6) == b"095096"
    journal.release()
    assert names(folder) == [segment(start) for start in (270, 280, 290)]
    again = Journal(str(folder), segment=10, limit=30)
    assert (again.start, again.end, again.segment_start) == (270, 300, 290)


@pytest.mark.parametrize("offset", [-1, 269, 301])
def test_reading_outside_is_an_error_that_says_what_there_is(folder: Path, offset: int) -> None:
    journal = Journal(str(folder), segment=10, limit=30)
    for _ in range(100):
        journal.append(b"abc")
    with pytest.raises(OutsideJournal) as caught:
        journal.read(offset, 1)
    assert (caught.value.start, caught.value.end) == (270, 300)
    assert journal.read(300, 10) == b""
    journal.release()


def test_a_smaller_limit_takes_effect_without_losing_the_place(folder: Path) -> None:
    journal = Journal(str(folder), segment=100, limit=1000)
    journal.append(b"x" * 95)
    journal.release()
    journal = Journal(str(folder), segment=100, limit=20)
    for _ in range(10):
        journal.append(b"yyy")
    assert (journal.end, journal.end - journal.start <= 20) == (125, True)
    journal.release()
    assert Journal(str(folder)).end == 125


def test_a_released_journal_holds_no_descriptor(folder: Path) -> None:
    journal = Journal(str(folder))
    assert not journal.held
    journal.append(b"a")
    assert journal.held
    journal.release()
    journal.release()
    assert not journal.held
    journal.append(b"b")
    assert whole(journal) == b"ab"
    journal.release()


def test_an_empty_chunk_makes_no_file(folder: Path) -> None:
    assert Journal(str(folder)).append(b"") == 0
    assert names(folder) == []


class TestOpening:
    def make(self, folder: Path, files: dict[str, bytes]) -> None:
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)

    def test_foreign_files_are_ignored(self, folder: Path) -> None:
        foreign = {"notes.txt": b"x", "5.raw": b"x", "0" * 20 + ".raw~": b"x", "x" + segment(9): b"x"}
        self.make(folder, {segment(0): b"abc", **foreign})
        (folder / segment(3)).mkdir()
        (folder / segment(70)).symlink_to(folder / segment(0))
        journal = Journal(str(folder))
        assert (journal.start, journal.end) == (0, 3)
        assert set(foreign) < set(names(folder))

    def test_after_a_gap_the_newest_run_wins(self, folder: Path) -> None:
        self.make(folder, {segment(0): b"aaa", segment(3): b"bb", segment(9): b"cc", segment(11): b"d"})
        journal = Journal(str(folder), segment=2, limit=4)
        assert (journal.start, journal.end, journal.segment_start) == (9, 12, 11)
        assert len(names(folder)) == 4
        journal.append(b"eee")
        assert whole(journal) == b"deee"
        assert names(folder) == [segment(11), segment(13)]
        journal.release()

    def test_overlapping_segments_are_a_gap_too(self, folder: Path) -> None:
        self.make(folder, {segment(0): b"aaaa", segment(3): b"bb"})
        assert whole(Journal(str(folder))) == b"bb"

    def test_a_segment_made_but_not_written_to_is_the_current_one(self, folder: Path) -> None:
        self.make(folder, {segment(4): b"abc", segment(7): b""})
        journal = Journal(str(folder))
        assert (journal.start, journal.end, journal.segment_start) == (4, 7, 7)

    def test_only_an_empty_segment_still_says_where_we_are(self, folder: Path) -> None:
        self.make(folder, {segment(3): b"", segment(7): b""})
        journal = Journal(str(folder))
        assert (journal.start, journal.end) == (7, 7)
        assert names(folder) == [segment(7)]

    def test_an_empty_segment_after_a_lost_tail_is_not_the_newest_run(self, folder: Path) -> None:
        self.make(folder, {segment(0): b"abc", segment(10): b""})
        journal = Journal(str(folder), segment=10, limit=100)
        assert (journal.start, journal.end) == (0, 3)
        journal.append(b"x" * 9)
        assert whole(journal) == b"abc" + b"x" * 9
        journal.release()

    def test_a_snapshot_of_bytes_that_are_gone_is_deleted(self, folder: Path) -> None:
        """Else it would pass for the state after other bytes, once those reach its offset."""
        self.make(folder, {segment(0): b"abc", f"{5:020d}.snap": b"wrong", f"{9:020d}.snap.tmp": b"half"})
        journal = Journal(str(folder))
        journal.append(b"defgh")
        assert journal.load_snapshot() is None
        assert names(folder) == [segment(0)]
        journal.release()

    def test_a_missing_parent_is_an_error(self, folder: Path) -> None:
        with pytest.raises(JournalError, match="no such file"):
            Journal(str(folder / "x"))


class TestFailedWrites:
    @pytest.mark.parametrize("room", range(26))
    @pytest.mark.parametrize("held", [True, False])
    def test_a_failed_chunk_leaves_nothing(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, room: int, held: bool
    ) -> None:
        journal = Journal(str(folder), segment=10, limit=100)
        journal.append(b"before")
        if not held:
            journal.release()
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        with monkeypatch.context() as patch, pytest.raises(JournalFull, match="no space"):
            patch.setattr(os, "write", FullDisk(room))
            journal.append(b"x" * 26)
        assert (journal.start, journal.end, journal.segment_start) == (0, 6, 0)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == files
        assert journal.append(b" and after") == 16
        assert whole(journal) == b"before and after"
        journal.release()

    @pytest.mark.parametrize("room", range(0, 90, 7))
    def test_a_failed_chunk_longer_than_all_that_is_kept(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, room: int
    ) -> None:
        journal = Journal(str(folder), segment=10, limit=30)
        journal.append(b"before")
        with monkeypatch.context() as patch, pytest.raises(JournalFull):
            patch.setattr(os, "write", FullDisk(room))
            journal.append(b"x" * 90)
        assert journal.end == 6
        assert whole(journal) == b"before"[journal.start :]
        journal.append(b"after")
        assert whole(journal).endswith(b"after")
        journal.release()
        again = Journal(str(folder), segment=10, limit=30)
        assert (again.start, again.end, again.segment_start) == (
            journal.start,
            journal.end,
            journal.segment_start,
        )

    def test_killed_while_undoing_it_the_place_is_still_known(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        journal = Journal(str(folder), segment=10, limit=30)
        journal.append(b"x" * 105)
        with after_each_unlink(folder, monkeypatch) as found, pytest.raises(JournalFull):
            monkeypatch.setattr(os, "write", FullDisk(85))
            journal.append(b"x" * 90)
        assert (journal.start, journal.end) == (105, 105)
        assert len(found) > 10
        assert min(end for _, end in found) >= 105

    def test_killed_while_undoing_it_there_is_no_gap(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        journal = Journal(str(folder), segment=10, limit=100)
        journal.append(b"x" * 15)
        with after_each_unlink(folder, monkeypatch) as found, pytest.raises(JournalFull):
            monkeypatch.setattr(os, "write", FullDisk(40))
            journal.append(b"x" * 50)
        assert found == [(0, 50), (0, 40), (0, 30), (0, 20)]

    @pytest.mark.parametrize("held", [True, False])
    def test_a_failed_write_that_did_write_is_undone(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, held: bool
    ) -> None:
        """POSIX says it can't be; network and user-space file systems may say otherwise."""
        write = os.write

        def lie(fd: int, data: bytes) -> int:
            write(fd, data[:3])
            raise OSError(errno.EIO, "broken")

        journal = Journal(str(folder))
        journal.append(b"before")
        if not held:
            journal.release()
        with monkeypatch.context() as patch, pytest.raises(JournalError, match="broken"):
            patch.setattr(os, "write", lie)
            journal.append(b"xxxxxx")
        assert (folder / segment(0)).read_bytes() == b"before"
        journal.release()

    def test_a_short_write_is_completed(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        journal = Journal(str(folder))
        journal.append(b"a")
        write = os.write
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", lambda fd, data: write(fd, memoryview(data)[:3]))
            assert journal.append(b"bcdefghij") == 10
        assert whole(journal) == b"abcdefghij"
        journal.release()

    def test_what_could_not_be_cut_off_is_cut_off_later(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(fd: int, length: int) -> None:
            raise OSError(errno.EIO, "broken")

        journal = Journal(str(folder))
        journal.append(b"before")
        with monkeypatch.context() as patch, pytest.raises(JournalError):
            patch.setattr(os, "write", FullDisk(3, errno.EIO))
            patch.setattr(os, "ftruncate", fail)
            journal.append(b"xxxxxx")
        assert (folder / segment(0)).read_bytes() == b"beforexxx"
        journal.append(b"after")
        assert (folder / segment(0)).read_bytes() == b"beforeafter"
        journal.release()

    def test_a_real_limit_of_the_kernel(self, folder: Path) -> None:
        code = """
import resource, signal, sys
from agentmux.store.errors import JournalFull
from agentmux.store.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
journal = Journal(sys.argv[1])
failed = 0
for number in range(30):
    try:
        journal.append(b"%03d" % number * 300)
    except JournalFull:
        failed += 1
print(journal.end, failed)
"""
        done = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["9900", "19"]
        assert whole(Journal(str(folder))) == b"".join(b"%03d" % number * 300 for number in range(11))

    def test_a_vanished_folder_is_an_error_and_not_made_again(self, folder: Path) -> None:
        journal = Journal(str(folder))
        journal.append(b"abc")
        journal.release()
        shutil.rmtree(folder)
        with pytest.raises(JournalError):
            journal.append(b"def")
        with pytest.raises(JournalError):
            journal.read(0, 3)
        assert journal.end == 3
        assert not folder.exists()

    def test_a_vanished_segment_is_an_error_and_not_made_again(self, folder: Path) -> None:
        journal = Journal(str(folder))
        journal.append(b"abc")
        journal.release()
        (folder / segment(0)).unlink()
        with pytest.raises(JournalError):
            journal.append(b"def")
        assert names(folder) == []

    @pytest.mark.parametrize("held", [True, False])
    def test_a_segment_that_became_shorter_is_an_error(self, folder: Path, held: bool) -> None:
        journal = Journal(str(folder))
        journal.append(b"abc")
        os.truncate(folder / segment(0), 1)
        with pytest.raises(JournalError, match="lost its end"):
            journal.read(0, 3)
        journal.release()
        with pytest.raises(JournalError, match="lost its end"):
            journal.append(b"d")


class TestSnapshots:
    def test_the_newest_two_are_kept(self, folder: Path) -> None:
        journal = Journal(str(folder))
        assert journal.load_snapshot() is None
        journal.append(b"x" * 40)
        for offset in (10, 20, 30):
            journal.save_snapshot(offset, b"state %d" % offset)
        assert names(folder)[1:] == [f"{offset:020d}.snap" for offset in (20, 30)]
        assert journal.load_snapshot() == (30, b"state 30")
        journal.drop_snapshot(30)
        journal.drop_snapshot(30)
        assert journal.load_snapshot() == (20, b"state 20")
        journal.save_snapshot(20, b"better")
        assert Journal(str(folder)).load_snapshot() == (20, b"better")
        journal.release()

    def test_one_from_before_the_start_is_of_no_use(self, folder: Path) -> None:
        journal = Journal(str(folder), segment=10, limit=20)
        journal.append(b"x" * 5)
        journal.save_snapshot(5, b"old")
        journal.append(b"x" * 30)
        assert journal.start > 5
        assert journal.load_snapshot() is None
        journal.release()

    def test_a_failed_one_leaves_the_older_ones(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        journal = Journal(str(folder))
        journal.append(b"x" * 20)
        journal.save_snapshot(10, b"good")
        before = names(folder)
        with monkeypatch.context() as patch, pytest.raises(JournalFull):
            patch.setattr(os, "write", FullDisk(3))
            journal.save_snapshot(20, b"never whole")
        assert names(folder) == before
        assert journal.load_snapshot() == (10, b"good")
        journal.release()


def test_remove_takes_the_whole_folder(folder: Path) -> None:
    journal = Journal(str(folder))
    journal.append(b"abc")
    journal.save_snapshot(3, b"state")
    journal.remove()
    assert not folder.exists()
    journal.remove()


class JournalMachine(RuleBasedStateMachine):
    """Any order of calls against a bytes object. Segments of a few bytes, so that all the edges come up."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.model = b""
        self.snapshots: dict[int, bytes] = {}
        self.cut = False

    @initialize(segment=st.integers(1, 12), more=st.integers(0, 40))
    def open(self, segment: int, more: int) -> None:
        self.segment, self.limit = segment, 2 * segment + more
        self.reopen()

    @rule()
    def reopen(self) -> None:
        if hasattr(self, "journal"):
            self.journal.release()
        self.journal = Journal(f"{self.folder}/1", limit=self.limit, segment=self.segment)

    @rule()
    def release(self) -> None:
        self.journal.release()

    @rule(data=st.binary(max_size=30))
    def append(self, data: bytes) -> None:
        before = self.journal.segment_start
        self.model += data
        assert self.journal.append(data) == len(self.model)
        assert (self.journal.segment_start != before) == (self.journal.segment_start > before)

    @rule(data=st.binary(min_size=1, max_size=30), room=st.integers(0, 29))
    def append_to_a_full_disk(self, data: bytes, room: int) -> None:
        if room >= len(data):
            return
        with pytest.MonkeyPatch.context() as patch, pytest.raises(JournalFull):
            patch.setattr(os, "write", FullDisk(room))
            self.journal.append(data)
        self.cut = True

    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(self.journal.start, self.journal.end))
        limit = data.draw(st.integers(0, 50))
        assert self.journal.read(offset, limit) == self.model[offset : offset + limit]

    @precondition(lambda self: len(self.model) > 0)
    @rule(data=st.data())
    def snapshot(self, data: st.DataObject) -> None:
        offset = data.draw(st.integers(self.journal.start, self.journal.end))
        self.journal.save_snapshot(offset, self.model[:offset])

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "journal"):
            return
        journal = self.journal
        assert journal.end == len(self.model)
        assert journal.start <= journal.segment_start <= journal.end
        assert journal.end - journal.start <= self.limit
        if journal.start and not self.cut:
            assert journal.end - journal.start > self.limit - 2 * self.segment
        assert whole(journal) == self.model[journal.start :]
        if found := journal.load_snapshot():
            assert found[1] == self.model[: found[0]]
        fresh = Journal(journal.path, limit=self.limit, segment=self.segment)
        assert (fresh.start, fresh.end) == (journal.start, journal.end)

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.release()
        shutil.rmtree(self.folder)


JournalMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestAnyOrderOfCalls = JournalMachine.TestCase
