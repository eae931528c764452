"""The closed segments of a journal: their output is a blob each, their marks lie in the database.

What two sessions printed alike in a segment is then kept once.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from dataclasses import dataclass

import zstandard

from .blobs import Blobs, Written
from .database import Database
from .errors import StoreBroken, StoreError
from .records import Scan

_LEVEL = 3
MARKS_LIMIT = 1 << 26
"""Bytes of marks of one segment: more than its file ever has."""


def file_of(folder: str, offset: int, kind: str) -> str:
    """Return the path of a file of a journal's: ``raw`` and ``marks`` begin at that offset, ``snap`` was made there."""
    return f"{folder}/{offset:020d}.{kind}"


@dataclass(frozen=True, slots=True)
class Packed:
    """A segment whose blob is written and whose row is missing."""

    start: int
    output: Written
    marks: bytes
    """Compressed."""
    first: float
    """The time of its first mark, 0 without any."""
    last: float


def pack(blobs: Blobs, folder: str, start: int) -> Packed:
    """Write the blob of the segment that begins at ``start``. Leaves the database and the journal alone: for a thread.

    Raises:
        StoreError: a file can't be read, or there is no room.
    """
    try:
        marks = b""
        if os.path.exists(path := file_of(folder, start, "marks")):
            with open(path, "rb") as file:
                marks = file.read()
        with (
            open(file_of(folder, start, "raw"), "rb") as file,
            mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped,
        ):
            output = blobs.write(mapped)
    except OSError as error:
        raise StoreError(f"a segment of {folder} can't be read: {error.strerror}") from error
    times = [mark.at for mark in Scan(marks)] or [0.0]
    compressed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(marks)
    return Packed(start, output, compressed, min(times), max(times))


def delete_files(folder: str, start: int) -> None:
    """Delete the files of the segment that begins at ``start``, which has its row.

    That of the output goes last: as long as it is there, whoever opens the journal calls this again.

    Raises:
        OSError: one can't be deleted.
    """
    for kind in ("marks", "raw"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file_of(folder, start, kind))


@dataclass(frozen=True, slots=True)
class Old:
    """A segment that may go, because its session has a newer one."""

    session: int
    start: int
    last: float
    stored: int
    """Bytes on disk that only it needs; 0 where others have the same output."""


def old_segments(database: Database) -> list[Old]:
    """Return the segments of all sessions but the newest of each, by their age."""
    rows = database.execute(
        """
        SELECT s.session, s.start, s.last, CASE WHEN others.count = 1 THEN blob.stored ELSE 0 END
        FROM segment s JOIN blob ON blob.digest = s.stream
            JOIN (SELECT stream, count(*) AS count FROM segment GROUP BY stream) others ON others.stream = s.stream
        WHERE EXISTS (SELECT 1 FROM segment newer WHERE newer.session = s.session AND newer.start > s.start)
        ORDER BY s.last, s.session, s.start
        """
    )
    return [Old(*row) for row in rows]


class Archive:
    """The closed segments of one session, as far as they were put away."""

    __slots__ = ("_blobs", "_database", "_last", "_session")

    def __init__(self, database: Database, blobs: Blobs, session: int) -> None:
        self._database = database
        self._blobs = blobs
        self._session = session
        self._last: tuple[int, bytes] | None = None  # who reads one piece mostly reads the next, too

    def segments(self) -> list[tuple[int, int]]:
        """Return where each starts and stops, oldest first."""
        rows = self._database.execute(
            "SELECT start, stop FROM segment WHERE session = ? ORDER BY start", (self._session,)
        )
        return [(start, stop) for start, stop in rows]

    def add(self, packed: Packed, created: float) -> None:
        """Record a segment whose blob is written, so that no power cut takes it: its files may go. Twice is once.

        Raises:
            BlobMissing: the blob was removed meanwhile; pack it again.
        """
        with self._database.transaction(synced=True):
            self._blobs.add(packed.output, created)
            self._database.execute(
                "INSERT INTO segment (session, start, stop, first, last, stream, marks)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    self._session,
                    packed.start,
                    packed.start + packed.output.size,
                    packed.first,
                    packed.last,
                    packed.output.digest,
                    packed.marks,
                ),
            )

    def drop(self, start: int) -> None:
        """Forget a segment; its blob goes at the next ``Blobs.gc`` if nobody else has it."""
        self._database.execute("DELETE FROM segment WHERE session = ? AND start = ?", (self._session, start))
        self.release()

    def output(self, start: int) -> bytes:
        """Return the output of the segment that begins there.

        Raises:
            StoreError: it can't be read any more.
        """
        if self._last is None or self._last[0] != start:
            (digest,) = self._row("stream", start)
            self._last = start, self._blobs.get(digest)
        return self._last[1]

    def marks(self, start: int) -> bytes:
        """Return the marks of the segment that begins there.

        Raises:
            StoreError: likewise.
        """
        (compressed,) = self._row("marks", start)
        try:
            return zstandard.ZstdDecompressor().decompress(compressed, max_output_size=MARKS_LIMIT)
        except zstandard.ZstdError as error:
            raise StoreBroken(self._database.path, f"marks of session {self._session}: {error}") from error

    def release(self) -> None:
        """Let go of the output that was read last."""
        self._last = None

    def _row(self, column: str, start: int) -> tuple[bytes]:
        found = self._database.execute(
            f"SELECT {column} FROM segment WHERE session = ? AND start = ?", (self._session, start)
        )
        if not found:
            raise StoreError(f"session {self._session} has no segment at {start}")
        return (found[0][0],)
