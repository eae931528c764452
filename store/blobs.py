"""Large content, kept once: in files that are named after what is in them.

The name is the SHA-256 of the content, which is compressed with zstd::

    ab/cdef0123....zst
    ab/cdef0123....zst.0123456789abcdef.tmp   (being written)

A row says that a file is there, whole and synced. So the file comes first, and
its row comes in the same transaction as the row that refers to it. On the way out
the rows go first. What a crash or a power cut leaves behind is a file without a
row, which ``gc`` removes; never a row without a file.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import mmap
import os
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import zstandard

from .database import Database
from .errors import NO_ROOM, BlobBroken, BlobMissing, StoreError, StoreFull, reason
from .folders import aside, private_folder

T = TypeVar("T")

Content: TypeAlias = bytes | mmap.mmap

Work: TypeAlias = Generator[float, None, T]
"""Work on all blobs, a folder at each step: yields the part that is done, up to 1, and returns what came of it."""

REFERENCES = (("segment", "stream"), ("message", "blob"), ("prompt", "blob"), ("queue", "blob"))
"""Every column that may name a blob."""

_FOLDERS = 256
"""One for each first byte of a digest. Work on all blobs goes by folder: what is in memory is a 256th of them."""

_LEVEL = 3
_PIECE = 1 << 18  # bytes that are compressed at once: the server's memory shall not grow by what it puts away
_NAME = re.compile(r"([0-9a-f]{62})\.zst(\.[0-9a-f]{16}\.tmp)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is on disk and may lack its row."""

    digest: bytes
    """SHA-256 of the content, 32 bytes."""
    size: int
    """Bytes of content."""
    stored: int
    """Bytes on disk."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What ``gc`` removed."""

    rows: int
    files: int
    """Temporary ones too."""
    freed: int
    """Bytes on disk."""


class Blobs:
    """The blobs in one folder, and their table.

    ``write`` and ``get`` leave the database alone and may run in any thread. The
    others belong to the thread of the database.
    """

    def __init__(self, database: Database, folder: str) -> None:
        """Make ``folder`` if it is missing; read nothing, however many blobs there are.

        Raises:
            StoreUnsafe: the folder is not private.
            StoreError: it can't be made.
        """
        private_folder(folder)
        self._database = database
        self._folder = folder

    def write(self, data: Content) -> Written:
        """Put ``data`` into its file; if that is there and whole, only make it young, so that ``gc`` spares it.

        Raises:
            StoreFull: no room; nothing is left of it.
            StoreError: any other failure, likewise.
        """
        digest = hashlib.sha256(data).digest()
        path = self._path(digest)
        stored = self._renew(digest)
        temporary = f"{path}.{os.urandom(8).hex()}.tmp"
        try:
            if stored is None:
                stored = _write_file(temporary, data)
                os.replace(temporary, path)
            # In any case: whoever made an existing file may not have come that far.
            _sync(os.path.dirname(path))
            _sync(self._folder)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            if isinstance(error, OSError):
                raise _failed(path, error) from error
            raise
        return Written(digest, len(data), stored)

    def _renew(self, digest: bytes) -> int | None:
        """Set a file's time to now and return its bytes on disk; None if it is not there whole."""
        path = self._path(digest)
        try:
            os.utime(path)
            return self._read(digest)[1]
        except (FileNotFoundError, BlobMissing, BlobBroken):
            return None
        except OSError as error:
            raise _failed(path, error) from error

    def add(self, written: Written, created: float) -> None:
        """Insert the row, in the transaction that also inserts the row that refers to it. Twice is once.

        Raises:
            BlobMissing: a ``gc`` has removed the file since it was written: write it again.
        """
        path = self._path(written.digest)
        if not os.path.isfile(path):
            raise BlobMissing(path)
        self._database.execute(
            "INSERT INTO blob (digest, size, stored, created) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (written.digest, written.size, written.stored, created),
        )

    def get(self, digest: bytes) -> bytes:
        """Return the content, proved by its digest.

        Raises:
            BlobMissing: there is no such file.
            BlobBroken: it is not as it was written.
            StoreError: it can't be read now.
        """
        return self._read(digest)[0]

    def _read(self, digest: bytes) -> tuple[bytes, int]:
        """Return the content, and how many bytes it takes on disk."""
        path = self._path(digest)
        try:
            with open(path, "rb") as file:
                stored = file.read()
        except FileNotFoundError as error:
            raise BlobMissing(path) from error
        except OSError as error:
            if error.errno == errno.EIO:
                raise BlobBroken(path, "the disk can't read it") from error
            raise _failed(path, error) from error
        # Not decompress(): it would ask for as much memory as a damaged header says.
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            data = frame.decompress(stored)
        except zstandard.ZstdError as error:
            raise BlobBroken(path, "it does not decompress") from error
        if not frame.eof:
            raise BlobBroken(path, "its end is missing")
        if frame.unused_data:
            raise BlobBroken(path, "something follows its end")
        if hashlib.sha256(data).digest() != digest:
            raise BlobBroken(path, "its content is not what its name says")
        return data, len(stored)

    def gc(self, newest: float) -> Swept:
        """Do all of ``sweeping`` at once."""
        return finished(self.sweeping(newest))

    def sweeping(self, newest: float) -> Work[Swept]:
        """Delete the rows that nothing refers to, then the files that have no row.

        A file whose time is ``newest`` (Unix seconds) or later stays: its row may be on the way. So does one that never
        had a row, while there is a damaged database that may name it. Not inside a transaction.

        Raises:
            StoreError: somebody else has the database open and reads it, or a file can't be deleted.
        """
        unnamed = " AND ".join(
            f"NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.{column} = blob.digest)" for table, column in REFERENCES
        )
        gone = {digest for (digest,) in self._database.execute(f"DELETE FROM blob WHERE {unnamed} RETURNING digest")}
        only = gone if aside(os.path.dirname(self._database.path)) else None
        # A commit alone is not synced. A power cut that brought rows back would find their files gone.
        [(busy, _, _)] = self._database.execute("PRAGMA wal_checkpoint(FULL)")
        if busy:
            raise StoreError(
                f"the database {self._database.path} is being read, so no file was deleted",
                hint="another program has it open: close that",
            )
        files = freed = 0
        for number in range(_FOLDERS):
            for size in self._sweep(number, newest, only):
                files += 1
                freed += size
            yield (number + 1) / _FOLDERS
        return Swept(len(gone), files, freed)

    def _sweep(self, number: int, newest: float, only: set[bytes] | None) -> list[int]:
        """Delete the old files of one folder that have no row; return their sizes.

        ``only``: of those with a content no others, None for all.
        """
        path = f"{self._folder}/{number:02x}"
        sizes: list[int] = []
        try:
            with os.scandir(path) as scan:
                entries = list(scan)
            rows = self._rows(number)
            for entry in entries:
                found = _NAME.fullmatch(entry.name)
                if found is None:
                    continue
                digest = bytes.fromhex(f"{number:02x}{found[1]}")
                if not found[2] and (digest in rows or (only is not None and digest not in only)):
                    continue
                # A temporary file may come to its real name at any moment.
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    if status.st_mtime < newest:
                        os.unlink(entry.path)
                        sizes.append(status.st_size)
        except FileNotFoundError:
            pass  # no digest ever began with this byte
        except OSError as error:
            raise _failed(path, error) from error
        return sizes

    def verifying(self) -> Work[list[str]]:
        """Find what is wrong, one line each; nothing if every row has its file and every reference its row.

        Reads and decompresses every blob: for ``doctor``, not for start-up.
        """
        problems: list[str] = []
        for number in range(_FOLDERS):
            for digest, size in self._rows(number).items():
                try:
                    found = len(self.get(digest))
                except StoreError as error:
                    if digest in self._rows(number):  # else a server has swept it meanwhile
                        problems.append(error.problem)
                    continue
                if found != size:
                    problems.append(f"the blob {self._path(digest)} holds {found} bytes, its row says {size}")
            yield (number + 1) / _FOLDERS
        for table, column in REFERENCES:
            rows = self._database.execute(
                f"SELECT DISTINCT {column} FROM {table}"
                f" WHERE {column} IS NOT NULL AND {column} NOT IN (SELECT digest FROM blob)"
            )
            problems += [
                f"{table}.{column} refers to the blob {self._path(digest)}, it has no row" for (digest,) in rows
            ]
        return problems

    def _rows(self, number: int) -> dict[bytes, int]:
        """Return digest and size of the blobs whose digest begins with that byte."""
        first = bytes([number])
        rows = self._database.execute(
            "SELECT digest, size FROM blob WHERE digest BETWEEN ? AND ?", (first, first + b"\xff" * 32)
        )
        return dict(rows)

    def total(self) -> tuple[int, int, int]:
        """Return how many blobs have a row, their bytes, and the bytes that they take on disk."""
        [(count, size, stored)] = self._database.execute(
            "SELECT count(*), coalesce(sum(size), 0), coalesce(sum(stored), 0) FROM blob"
        )
        return count, size, stored

    def _path(self, digest: bytes) -> str:
        return path_of(self._folder, digest)


def path_of(folder: str, digest: bytes) -> str:
    """Return where the blob with that digest is, in the folder of all blobs."""
    name = digest.hex()
    return f"{folder}/{name[:2]}/{name[2:]}.zst"


def finished(work: Work[T], progress: Callable[[float], object] = lambda part: None) -> T:
    """Do all of it at once; return what came of it."""
    while True:
        try:
            progress(next(work))
        except StopIteration as end:
            result: T = end.value
            return result


def _write_file(path: str, data: Content) -> int:
    """Write ``data`` compressed and synced to a new file, make its folder if need be; return the bytes on disk."""
    frame = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj(size=len(data))
    stored = 0
    with contextlib.suppress(FileExistsError):
        os.mkdir(os.path.dirname(path), 0o700)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with memoryview(data) as view:
            for start in range(0, len(view), _PIECE):
                stored += _write(fd, frame.compress(view[start : start + _PIECE]))
        stored += _write(fd, frame.flush())
        os.fsync(fd)
    finally:
        os.close(fd)
    return stored


def _write(fd: int, data: bytes) -> int:
    done = 0
    while done < len(data):
        done += os.write(fd, data[done:])
    return done


def _sync(folder: str) -> None:
    """Make the names in ``folder`` survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _failed(path: str, error: OSError) -> StoreError:
    if error.errno in NO_ROOM:
        return StoreFull(path)
    return StoreError(f"the blob {path} failed: {reason(error)}", hint="check disk and rights")
