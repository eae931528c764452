"""The marks beside a journal's output: when each piece of it came, and what else happened.

They lie in the journal's folder, in a file per segment that is named like it, and are put away with it::

    00000000000008388608.raw   00000000000008388608.marks

A mark is written behind the output that it is about. Killed in between, or without room on the disk, output has
no mark, and its time is a guess; nothing else depends on them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, zip_longest
from zlib import crc32

from .archive import Archive, file_of
from .errors import JournalError, reason
from .journal import Chunk, Journal
from .records import HEADER, Kind, Mark, Record, Scan, mark

MERGED = 0.05
"""Seconds of output in one mark. Twice as much with each MiB of a file: what a program prints letter by letter for days
then fills 25 MiB at most."""

PIECE = 1 << 16
"""Bytes of output in one mark that was merged, and in a record."""

_NOTHING = (-1, 0, 0)
_NAME = re.compile(r"(\d{20})\.marks", re.ASCII)


class Marks:
    """The marks of one journal. Opens nothing until something is added or read.

    Attributes:
        damaged: bytes of a file's end that did not add up and were cut off.
        missing: bytes of output that marks told of and the journal had lost; those marks were cut off, too.
    """

    __slots__ = ("_archive", "_fd", "_found", "_last", "_path", "_segment", "_size", "damaged", "missing")

    def __init__(self, path: str, archive: Archive | None = None) -> None:
        """``path`` is the journal's folder."""
        self.damaged = 0
        self.missing = 0
        self._archive = archive
        self._path = path
        self._fd = -1
        self._segment = -1
        self._size = 0
        self._last: Mark | None = None  # ends the file, and more output may be merged into it
        # Segment, output offset and place of the mark that was read first: whoever reads on need not begin before it.
        self._found = _NOTHING

    def add(self, journal: Journal, kind: Kind, at: float, offset: int, data: Chunk) -> None:
        """Write a mark of output at ``offset``, or of something else that happened behind so much of it.

        Raises:
            JournalError: it was not written.
        """
        try:
            if self._fd < 0 or self._segment != journal.segment_start:
                self._open(journal, offset)
            if kind is Kind.OUTPUT and (last := self._merging(at, offset, len(data))) is not None:
                made = replace(last, length=last.length + len(data), sum=crc32(data, last.sum))
                position = self._size - HEADER
            else:
                made = mark(kind, at, offset, data)
                position = self._size
            encoded = made.encoded()
            self._write(encoded, position)
            self._size = position + len(encoded)
            self._last = made if kind is Kind.OUTPUT else None
        except OSError as error:
            raise JournalError(self._path, reason(error)) from error

    def _merging(self, at: float, offset: int, length: int) -> Mark | None:
        """Return the last mark if more output may go into it."""
        last = self._last
        if last is None or offset != last.offset + last.length or last.length + length > PIECE:
            return None
        return last if 0 <= at - last.at < MERGED * 2 ** (self._size >> 20) else None

    def _write(self, data: bytes, position: int) -> None:
        while data:
            count = os.pwrite(self._fd, data, position)
            data, position = data[count:], position + count

    def _open(self, journal: Journal, offset: int) -> None:
        """Open the file of the current segment. Output ends at ``offset``: what tells of more than that goes."""
        self.release()
        path = self._file(journal.segment_start)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._segment = journal.segment_start
        with open(self._fd, "rb", closefd=False) as file:
            scan = Scan(file.read())
        told, sound = offset, 0
        for found in scan:
            told = max(told, _end(found))
            if told == offset:
                sound = scan.sound
        self._size = scan.sound if told == offset else sound
        self.missing += told - offset
        self.damaged += len(scan.data) - scan.sound
        if self._size < len(scan.data):
            os.ftruncate(self._fd, self._size)
            self._found = _NOTHING
        for start, following in pairwise(self._files()):
            if following <= journal.start:  # all of it is about output that was deleted
                self._unlink(start)

    def read(self, offset: int) -> Iterator[Mark]:
        """Yield the marks of what was from ``offset`` on, in the order written; those of damaged parts are missing.

        Raises:
            JournalError: a file can't be read.
        """
        try:
            archived = {} if self._archive is None else dict(self._archive.segments())
            starts = sorted({*self._files(), *archived})
            for start, following in zip_longest(starts, starts[1:]):
                if following is not None and following <= offset:
                    continue
                if start in archived:
                    scan = Scan(self._archive.marks(start) if self._archive is not None else b"")
                    yield from (found for found in scan if _end(found) >= offset)
                else:
                    yield from self._written(start, offset)
        except OSError as error:
            raise JournalError(self._path, reason(error)) from error

    def _written(self, start: int, offset: int) -> Iterator[Mark]:
        """Yield what the file of a segment has from output ``offset`` on."""
        segment, known, place = self._found
        skipped = place if segment == start and known <= offset else 0
        try:
            with open(self._file(start), "rb") as file:
                file.seek(skipped)
                scan = Scan(file.read())
        except FileNotFoundError:  # deleted since we looked
            return
        before, first = 0, True
        for found in scan:
            if _end(found) >= offset:
                if first:
                    self._found, first = (start, offset, skipped + before), False
                yield found
            before = scan.sound

    def release(self) -> None:
        """Close the descriptor, if one is open."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            self._last = None
            os.close(fd)

    def _unlink(self, start: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._file(start))

    def _file(self, start: int) -> str:
        return file_of(self._path, start, "marks")

    def _files(self) -> list[int]:
        return sorted(int(found[1]) for name in os.listdir(self._path) if (found := _NAME.fullmatch(name)))


def _end(found: Mark) -> int:
    """Return up to which output offset a mark tells."""
    return found.offset + found.length * (found.kind is Kind.OUTPUT)


def records(journal: Journal, marks: Marks, start: int | None = None, stop: int | None = None) -> Iterator[Record]:
    """Yield everything that is remembered from output offset ``start`` (None: the first that is kept) to ``stop``.

    Each byte of output comes once and in order, with the time of its mark. Output without one, because a server died or
    the mark was damaged, has the time of what came before it. Times never go backwards.

    Raises:
        JournalError: a file can't be read.
        OutsideJournal: ``start`` is not in the journal, or so much was printed meanwhile that it is not any more.
    """
    at = journal.start if start is None else start
    end = journal.end if stop is None else min(stop, journal.end)
    ahead = _Ahead(journal, end)
    time = 0.0
    for found in marks.read(at):
        if found.offset > end:
            break
        if found.offset > at:  # without a mark
            yield from ahead.records(at, found.offset, time or found.at)
            at = found.offset
        time = max(time, found.at)
        if found.kind is not Kind.OUTPUT:
            yield Record(found.kind, time, at, found.data)
        elif (until := min(found.offset + found.length, end)) > at:
            yield from ahead.records(at, until, time)
            at = until
    yield from ahead.records(at, end, time)


class _Ahead:
    """Reads a journal's output in order, a piece at a time: of what is typed each letter has a mark."""

    __slots__ = ("_at", "_data", "_end", "_journal")

    def __init__(self, journal: Journal, end: int) -> None:
        self._journal, self._end = journal, end
        self._at, self._data = 0, b""

    def records(self, start: int, stop: int, time: float) -> Iterator[Record]:
        while start < stop:
            until = min(stop, start + PIECE)
            if not self._at <= start < until <= self._at + len(self._data):
                self._at, self._data = start, self._journal.read(start, min(PIECE, self._end - start))
            data = self._data[start - self._at : until - self._at]
            if not data:
                return
            yield Record(Kind.OUTPUT, time, start, data)
            start += len(data)
