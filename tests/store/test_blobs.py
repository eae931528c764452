"""Blobs: kept once, proved when read, never a row without its file, whatever moment the server is killed at."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentmux.store.blobs import Blobs, Swept, Written, finished
from agentmux.store.database import Database
from agentmux.store.errors import BlobBroken, BlobMissing, StoreError, StoreFull, StoreUnsafe
from agentmux.store.messages import Messages, Role, Source
from agentmux.store.sessions import Sessions

WRITER = Path(__file__).with_name("mortal_writer.py")
LATER = 1e12
"""Younger than every file: gc spares none."""
NOISE = os.urandom(100_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "blobs"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(str(tmp_path / "data" / "agentmux.db"))) as database:
        yield database


@pytest.fixture
def blobs(database: Database, folder: Path) -> Blobs:
    return Blobs(database, str(folder))


@pytest.fixture
def session(database: Database) -> int:
    return Sessions(database).add("api", ["sh"], "/", created=1.0, size=(80, 24)).id


def kept(blobs: Blobs, data: bytes) -> Written:
    """Write a blob and its row; nothing refers to it."""
    written = blobs.write(data)
    blobs.add(written, 1.0)
    return written


REFERENCES = {
    "segment.stream": "INSERT INTO segment VALUES (?, 0, 1, 1.0, 1.0, ?, x'')",
    "message.blob": "INSERT INTO message (session, role, at, source, proof, blob)"
    " VALUES (?, 'user', 1.0, 'send', '{}', ?)",
    "queue.blob": "INSERT INTO queue (session, place, at, state, blob, at_once, not_before)"
    " VALUES (?, 1, 1.0, 'queued', ?, 0, 0)",
    "prompt.blob": "INSERT INTO prompt (session, at, cwd, blob) VALUES (?, 1.0, '\"/\"', ?)",
}


def refer(database: Database, session: int, digest: bytes, column: str = "message.blob") -> None:
    database.execute(REFERENCES[column], (session, digest))


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def file_of(folder: Path, data: bytes) -> Path:
    name = hashlib.sha256(data).hexdigest()
    return folder / name[:2] / f"{name[2:]}.zst"


def rows(database: Database) -> int:
    [(count,)] = database.execute("SELECT count(*) FROM blob")
    return int(count)


class TestWriting:
    @settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(data=st.binary(max_size=300) | st.builds(lambda part, times: part * times, st.binary(), st.integers(0, 999)))
    def test_what_was_written_is_read(self, blobs: Blobs, folder: Path, data: bytes) -> None:
        written = kept(blobs, data)
        assert blobs.get(written.digest) == data
        assert (written.digest, written.size) == (hashlib.sha256(data).digest(), len(data))
        assert written.stored == file_of(folder, data).stat().st_size

    def test_the_file_is_what_zstd_itself_reads(self, blobs: Blobs, folder: Path) -> None:
        if not (zstd := shutil.which("zstd")):
            pytest.skip("zstd is not installed")
        blobs.write(b"hello " * 1000)
        shown = subprocess.run([zstd, "-lv", file_of(folder, b"hello " * 1000)], capture_output=True, check=True)
        assert b"XXH64" in shown.stdout
        out = subprocess.run([zstd, "-dc", file_of(folder, b"hello " * 1000)], capture_output=True, check=True)
        assert out.stdout == b"hello " * 1000

    def test_folders_and_files_are_private_whatever_the_umask(self, blobs: Blobs, folder: Path) -> None:
        before = os.umask(0)
        try:
            blobs.write(b"secret")
        finally:
            os.umask(before)
        [path] = files(folder)
        modes = [entry.stat().st_mode & 0o7777 for entry in (folder, path.parent, path)]
        assert modes == [0o700, 0o700, 0o600]

    def test_an_open_folder_is_refused(self, database: Database, folder: Path) -> None:
        folder.mkdir()
        folder.chmod(0o755)
        with pytest.raises(StoreUnsafe):
            Blobs(database, str(folder))

    def test_the_same_content_is_one_file_and_one_row(self, blobs: Blobs, database: Database, folder: Path) -> None:
        first = kept(blobs, NOISE)
        inode = file_of(folder, NOISE).stat().st_ino
        assert kept(blobs, NOISE) == first
        assert [path.stat().st_ino for path in files(folder)] == [inode]
        assert rows(database) == 1
        assert blobs.total() == (1, len(NOISE), first.stored)

    def test_a_damaged_file_is_mended_by_writing_its_content_again(self, blobs: Blobs, folder: Path) -> None:
        written = kept(blobs, NOISE)
        for damage in (b"", b"rubbish", file_of(folder, NOISE).read_bytes()[:-1]):
            file_of(folder, NOISE).write_bytes(damage)
            assert blobs.write(NOISE) == written
            assert blobs.get(written.digest) == NOISE

    def test_threads_may_write_at_the_same_time(self, blobs: Blobs, folder: Path) -> None:
        found: list[Written] = []
        barrier = threading.Barrier(8)

        def write(number: int) -> None:
            barrier.wait()
            found.extend(blobs.write(b"%d" % step * 10_000) for step in range(20))

        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 160 and len(set(found)) == 20
        assert files(folder) == sorted(file_of(folder, b"%d" % step * 10_000) for step in range(20))

    def test_what_is_synced_before_what(self, blobs: Blobs, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A power cut can't be had here, so the order is looked at: content, name, names of the folders."""
        done: list[tuple[str, int]] = []
        sync, replace = os.fsync, os.replace

        def fsync(fd: int) -> None:
            done.append(("sync", os.fstat(fd).st_ino))
            sync(fd)

        def rename(old: str, new: str) -> None:
            done.append(("name", os.stat(old).st_ino))
            replace(old, new)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "replace", rename)
        blobs.write(NOISE)
        [path] = files(folder)
        file, inner, outer = (entry.stat().st_ino for entry in (path, path.parent, folder))
        assert done == [("sync", file), ("name", file), ("sync", inner), ("sync", outer)]
        done.clear()
        blobs.write(NOISE)  # killed before the folders were synced, somebody may have left it
        assert done == [("sync", inner), ("sync", outer)]

    def test_a_vanished_folder_is_an_error(self, blobs: Blobs, folder: Path) -> None:
        folder.rmdir()
        folder.write_text("in the way")
        with pytest.raises(StoreError, match="not a directory"):
            blobs.write(NOISE)


class TestRows:
    def test_no_row_for_a_file_that_is_gone(self, blobs: Blobs, database: Database, folder: Path) -> None:
        written = blobs.write(NOISE)
        assert blobs.gc(LATER) == Swept(rows=0, files=1, freed=written.stored)
        with pytest.raises(BlobMissing), database.transaction():
            blobs.add(written, 1.0)
        assert rows(database) == 0
        blobs.add(blobs.write(NOISE), 1.0)
        assert rows(database) == 1

    def test_a_row_is_part_of_the_callers_transaction(self, blobs: Blobs, database: Database) -> None:
        written = blobs.write(NOISE)
        with pytest.raises(ZeroDivisionError), database.transaction():
            blobs.add(written, 1.0)
            raise ZeroDivisionError
        assert blobs.total() == (0, 0, 0)
        with database.transaction():
            blobs.add(written, 5.0)
        assert database.execute("SELECT * FROM blob") == [(written.digest, len(NOISE), written.stored, 5.0)]

    def test_opening_and_adding_look_at_no_other_blob(
        self, blobs: Blobs, database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept(blobs, NOISE)

        def never(*_: object) -> None:
            raise AssertionError("a folder was listed")

        monkeypatch.setattr(os, "scandir", never)
        monkeypatch.setattr(os, "listdir", never)
        again = Blobs(database, str(folder))
        assert again.get(kept(again, b"new").digest) == b"new"


def cut(path: Path, content: bytes) -> None:
    path.write_bytes(content[: len(content) // 2])


def flip(path: Path, content: bytes) -> None:
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


def swap(path: Path, content: bytes) -> None:
    """Another blob's sound content under this one's name."""
    other = path.parent.parent / "other"
    with closing(Database(str(other / "agentmux.db"))) as database:
        Blobs(database, str(other / "blobs")).write(b"something else")
    os.replace(file_of(other / "blobs", b"something else"), path)
    shutil.rmtree(other)


DAMAGE: dict[str, Callable[[Path, bytes], object]] = {
    "missing": lambda path, content: path.unlink(),
    "empty": lambda path, content: path.write_bytes(b""),
    "cut": cut,
    "last byte": lambda path, content: path.write_bytes(content[:-1]),
    "one bit": flip,
    "checksum": lambda path, content: path.write_bytes(content[:-1] + bytes([content[-1] ^ 1])),
    "longer": lambda path, content: path.write_bytes(content + b"x"),
    "a huge size in the header": lambda path, content: path.write_bytes(
        content[:4] + b"\xe4" + b"\xff" * 7 + b"\x0f" + content[9:]
    ),
    "of other content": swap,
}


class TestDamage:
    @pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
    def test_is_found_by_get_and_by_verify(
        self, blobs: Blobs, folder: Path, damage: Callable[[Path, bytes], object]
    ) -> None:
        kept(blobs, b"sound")
        digest = kept(blobs, NOISE).digest
        assert finished(blobs.verifying()) == []
        path = file_of(folder, NOISE)
        damage(path, path.read_bytes())
        with pytest.raises((BlobMissing, BlobBroken)) as caught:
            blobs.get(digest)
        assert isinstance(caught.value, BlobBroken) == path.exists()
        assert finished(blobs.verifying()) == [caught.value.problem]
        assert str(path) in caught.value.problem

    @settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(data=st.data())
    def test_any_changed_byte_is_found_or_harmless(self, blobs: Blobs, folder: Path, data: st.DataObject) -> None:
        content = b"some text, some text, some more text" * 30
        digest = blobs.write(content).digest
        path = file_of(folder, content)
        stored = bytearray(path.read_bytes())
        stored[data.draw(st.integers(0, len(stored) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(stored)
        try:
            assert blobs.get(digest) == content
        except BlobBroken:
            pass

    def test_a_row_that_gives_another_size(self, blobs: Blobs, database: Database, folder: Path) -> None:
        kept(blobs, b"seven b")
        database.execute("UPDATE blob SET size = 8")
        path = file_of(folder, b"seven b")
        assert finished(blobs.verifying()) == [f"the blob {path} holds 7 bytes, its row says 8"]

    def test_the_first_and_the_last_row(self, blobs: Blobs, database: Database, folder: Path) -> None:
        for byte in (b"\0", b"\xff"):
            database.execute("INSERT INTO blob VALUES (?, 1, 1, 1.0)", (byte * 32,))
        names = (folder / "00" / f"{'00' * 31}.zst", folder / "ff" / f"{'ff' * 31}.zst")
        assert finished(blobs.verifying()) == [f"the blob {name} is missing" for name in names]

    @pytest.mark.parametrize("column", REFERENCES)
    def test_a_reference_without_a_row(
        self, blobs: Blobs, database: Database, folder: Path, session: int, column: str
    ) -> None:
        database.execute("PRAGMA foreign_keys = OFF")
        refer(database, session, hashlib.sha256(b"gone").digest(), column)
        path = file_of(folder, b"gone")
        assert finished(blobs.verifying()) == [f"{column} refers to the blob {path}, it has no row"]

    def test_a_short_text_needs_no_blob(self, blobs: Blobs, database: Database, session: int) -> None:
        Messages(database, blobs).add(session, Role.USER, 1.0, Source.SEND, {}, "short")
        assert blobs.total()[0] == 0  # NULL is in no empty set
        assert finished(blobs.verifying()) == []

    def test_progress(self, blobs: Blobs) -> None:
        for work in (blobs.verifying(), blobs.sweeping(LATER)):
            assert list(work) == [done / 256 for done in range(1, 257)]


class TestGc:
    @pytest.mark.parametrize("column", REFERENCES)
    def test_what_is_referred_to_stays(
        self, blobs: Blobs, database: Database, folder: Path, session: int, column: str
    ) -> None:
        used, unused = kept(blobs, NOISE), kept(blobs, NOISE[1:])
        refer(database, session, used.digest, column)
        assert blobs.gc(LATER) == Swept(rows=1, files=1, freed=unused.stored)
        assert files(folder) == [file_of(folder, NOISE)]
        assert blobs.total() == (1, len(NOISE), used.stored)
        Sessions(database).forget(session)
        assert blobs.gc(LATER) == Swept(rows=1, files=1, freed=used.stored)
        assert files(folder) == []
        assert blobs.gc(LATER) == Swept(0, 0, 0)

    def test_every_column_that_refers_to_blobs_is_known(self, database: Database) -> None:
        found = database.execute(
            """
            SELECT m.name || '.' || f."from" FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f
            WHERE m.type = 'table' AND f."table" = 'blob'
            """
        )
        assert {name for (name,) in found} == set(REFERENCES)

    def test_a_blob_of_two_sessions_stays_for_the_other(
        self, blobs: Blobs, database: Database, folder: Path, session: int
    ) -> None:
        other = Sessions(database).add("web", ["sh"], "/", created=1.0, size=(80, 24)).id
        for one in (session, other):
            refer(database, one, kept(blobs, NOISE).digest)
        Sessions(database).forget(session)
        assert blobs.gc(LATER) == Swept(0, 0, 0)
        assert blobs.get(hashlib.sha256(NOISE).digest()) == NOISE

    def test_young_files_stay(self, blobs: Blobs, folder: Path) -> None:
        for data, time in ((b"old", 999.0), (b"just", 1000.0), (b"young", 1001.0)):
            blobs.write(data)
            os.utime(file_of(folder, data), (time, time))
            temporary = file_of(folder, data).with_name(f"{file_of(folder, data).name}.0123456789abcdef.tmp")
            temporary.write_bytes(b"half")
            os.utime(temporary, (time, time))
        swept = blobs.gc(1000.0)
        assert (swept.rows, swept.files) == (0, 2)
        assert not file_of(folder, b"old").exists()
        assert len(files(folder)) == 4

    def test_a_file_that_is_wanted_again_is_young_again(self, blobs: Blobs, folder: Path) -> None:
        blobs.write(NOISE)
        os.utime(file_of(folder, NOISE), (1.0, 1.0))
        written = blobs.write(NOISE)
        assert blobs.gc(1000.0) == Swept(0, 0, 0)
        blobs.add(written, 1.0)

    def test_a_write_in_another_thread_is_spared(self, blobs: Blobs, database: Database, session: int) -> None:
        """What is written while gc runs without pause gets its row without a second attempt."""
        newest = 1000.0  # older than what is written now
        written: list[Written] = []
        writer = threading.Thread(target=lambda: written.extend(blobs.write(b"%d" % n * 999) for n in range(100)))
        writer.start()
        while writer.is_alive():
            assert blobs.gc(newest) == Swept(0, 0, 0)
        writer.join()
        assert len(written) == 100
        for one in written:
            blobs.add(one, 1.0)
        assert finished(blobs.verifying()) == []

    def test_foreign_files_stay(self, blobs: Blobs, folder: Path) -> None:
        blobs.write(NOISE)
        inner = file_of(folder, NOISE).parent
        foreign = [folder / "README", folder / "zz" / f"{'0' * 62}.zst", inner / "note", inner / f"{'0' * 61}.zst"]
        for path in foreign:
            path.parent.mkdir(exist_ok=True)
            path.write_text("mine")
        blobs.gc(LATER)
        assert files(folder) == sorted(foreign)

    def test_rows_are_durably_gone_before_the_first_file_is(
        self, blobs: Blobs, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A power cut takes the log that was not synced: what the main file says must do."""
        kept(blobs, NOISE)
        after_a_power_cut = tmp_path / "after.db"
        unlink = os.unlink
        seen: list[list[tuple[int]]] = []

        def watched(path: str) -> None:
            shutil.copy(database.path, after_a_power_cut)
            with closing(sqlite3.connect(after_a_power_cut)) as copy:
                seen.append(copy.execute("SELECT count(*) FROM blob").fetchall())
            unlink(path)

        database.execute("PRAGMA wal_checkpoint(FULL)")
        monkeypatch.setattr(os, "unlink", watched)
        assert blobs.gc(LATER).files == 1
        assert seen == [[(0,)]]

    def test_a_reader_of_the_old_state_stops_it_before_a_file_is_gone(
        self, blobs: Blobs, database: Database, folder: Path
    ) -> None:
        kept(blobs, NOISE)
        database.execute("PRAGMA busy_timeout = 10")
        with closing(sqlite3.connect(database.path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM blob").fetchall()
            with pytest.raises(StoreError, match="no file was deleted"):
                blobs.gc(LATER)
        assert len(files(folder)) == 1
        assert blobs.gc(LATER).files == 1

    def test_ten_thousand_blobs_among_many_rows(self, blobs: Blobs, database: Database, session: int) -> None:
        """Every reference is looked up in an index: a scan for each blob would take minutes."""
        with database.transaction():
            for number in range(10_000):
                digest = hashlib.sha256(b"%d" % number).digest()
                database.execute("INSERT INTO blob VALUES (?, 1, 1, 1.0)", (digest,))
                refer(database, session, digest, "message.blob")
                refer(database, session, digest, "prompt.blob")
            database.execute("DELETE FROM message")
            database.execute("DELETE FROM prompt WHERE id % 2 = 0")
        assert blobs.gc(LATER) == Swept(rows=5000, files=0, freed=0)


class TestFullDisk:
    def test_nothing_is_left_of_a_write_without_room(
        self, database: Database, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "none", str(disk)]
        if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("can't mount a tmpfs here")
        request.addfinalizer(lambda: subprocess.run(["umount", str(disk)], check=True))
        blobs = Blobs(database, str(disk))
        small = kept(blobs, NOISE[:20_000])
        with pytest.raises(StoreFull, match="no room on the disk"):
            blobs.write(NOISE)
        assert files(disk) == [file_of(disk, NOISE[:20_000])]
        assert blobs.get(small.digest) == NOISE[:20_000]
        blobs.gc(LATER)
        assert kept(blobs, NOISE[:40_000]).stored > 40_000

    def test_a_limit_of_the_kernel(self, blobs: Blobs, folder: Path) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN  # Python does that
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        try:
            with pytest.raises(StoreFull):
                blobs.write(NOISE)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert files(folder) == []
        blobs.write(NOISE)


@pytest.mark.parametrize("stride", [4, pytest.param(1, marks=pytest.mark.prove)])
def test_killed_before_any_change_of_the_disk(tmp_path: Path, stride: int) -> None:
    done = subprocess.run([sys.executable, str(WRITER), str(tmp_path), str(stride)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    changes, without_rows = map(int, done.stdout.split())
    assert changes > 60
    assert without_rows > 5  # killed between file and row
