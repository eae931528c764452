"""A server that records, rotates and puts away, and is killed; run as a program by test_archive.py.

mortal_recorder.py FOLDER STRIDE    kill before every call that changes the disk (with stride 1) of two segments and
                                    more, with their marks; each time look at what is on disk
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from mortal_writer import killed_everywhere

from agentmux.store.archive import Archive, pack
from agentmux.store.blobs import Blobs, finished
from agentmux.store.database import Database
from agentmux.store.journal import Journal
from agentmux.store.marks import Marks, records
from agentmux.store.records import Kind
from agentmux.store.sessions import Sessions

TEXT = bytes(range(65, 123))
PIECE, SEGMENT, LIMIT = 7, 10, 40
"""Bytes: a piece of output may lie in two segments, and the oldest segments go."""


@dataclass
class Recording:
    """A store with one session, as a server has it open."""

    folder: str
    database: Database
    blobs: Blobs

    def __post_init__(self) -> None:
        self.path = f"{self.folder}/1"
        self.archive = Archive(self.database, self.blobs, 1)
        self.journal = Journal(self.path, archive=self.archive, segment=SEGMENT, limit=LIMIT)
        self.marks = Marks(self.path, self.archive)

    def print(self) -> None:
        """Record the next piece of TEXT; note what must be there from now on."""
        at = self.journal.end
        data = TEXT[at : at + PIECE]
        self.journal.append(data)
        with open(f"{self.folder}/acknowledged", "ab") as file:
            file.write(data)
        self.marks.add(self.journal, Kind.OUTPUT, 1.0 + at, at, data)

    def put_away(self) -> None:
        """Put away what is closed."""
        for start in self.journal.closed():
            packed = pack(self.blobs, self.path, start)
            self.archive.add(packed, 1.0)
            self.journal.put_away(start)

    def serve(self) -> None:
        """Go on to the end of TEXT; put away some segments at once and some later."""
        while self.journal.end < len(TEXT):
            self.print()
            if self.journal.end % 2:
                self.put_away()
        self.journal.close_segment()
        self.put_away()

    def output(self) -> bytes:
        """Return all output that is there, by way of the marks."""
        found = [record for record in records(self.journal, self.marks) if record.kind is Kind.OUTPUT]
        assert [record.at for record in found] == sorted(record.at for record in found)
        return b"".join(record.data for record in found)


@contextmanager
def opened(folder: str) -> Iterator[Recording]:
    with closing(Database(f"{folder}/agentmux.db")) as database:
        made = Recording(folder, database, Blobs(database, f"{folder}/blobs"))
        try:
            yield made
        finally:
            made.journal.release()
            made.marks.release()


def prepare(folder: str) -> None:
    """A session that has printed nothing yet."""
    with closing(Database(f"{folder}/agentmux.db")) as database:
        Sessions(database).add("api", ["sh"], "/", created=1.0, size=(80, 24))


def serve(folder: str) -> None:
    with opened(folder) as recording:
        recording.serve()


def acknowledged(folder: str) -> int:
    """Return how much output must be there."""
    path = f"{folder}/acknowledged"
    return os.path.getsize(path) if os.path.exists(path) else 0


def check(folder: str) -> bool:
    """Fail unless all that was acknowledged is there once and it goes on; return whether a blob had no row."""
    with opened(folder) as recording:
        journal = recording.journal
        assert recording.database.integrity_check() == []
        assert finished(recording.blobs.verifying()) == []
        assert journal.end >= acknowledged(folder), (journal.end, acknowledged(folder))
        assert journal.end - journal.start > min(journal.end - 1, LIMIT - 2 * SEGMENT), (journal.start, journal.end)
        assert recording.output() == TEXT[journal.start : journal.end]
        blobs = [name for _, _, names in os.walk(f"{folder}/blobs") for name in names if name.endswith(".zst")]
        without_row = len(blobs) > recording.blobs.total()[0]
        recording.serve()
        assert journal.closed() == []
    with opened(folder) as recording:
        journal = recording.journal
        assert recording.output() == TEXT[journal.start :], (journal.start, journal.end)
        assert not [name for name in os.listdir(recording.path) if name.endswith((".raw", ".marks"))]
        recording.blobs.gc(1e12)
        assert recording.output() == TEXT[journal.start :]
        assert finished(recording.blobs.verifying()) == []
        return without_row


if __name__ == "__main__":
    killed_everywhere(sys.argv[1], int(sys.argv[2]), prepare, serve, check)
