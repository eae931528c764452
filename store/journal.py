"""The raw output of a session on disk: one byte stream, addressed by offset.

Offset 0 is the first byte that the session ever wrote. The stream lies in files
that are each named after the offset of their first byte::

    00000000000000000000.raw   00000000000008388608.raw   00000000000016777216.raw
    00000000000016000000.snap  (the emulator's state after the first 16000000 bytes)

There is no index and no header, so nothing can disagree with the files: where
the stream starts and ends follows from names and sizes. Offsets stay valid when old
segments are deleted; they only become too small. Closed segments may be put away in an
archive; they are read from there, and where it has one its file does not count.

Written data survives the death of the process at any moment, because the kernel
has it; it is not synced, so a power cut may take the last seconds. A journal
belongs to one process and one thread. The file is long because writing, undoing, pruning and
finding again have to agree on what a kill at any moment leaves.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from bisect import bisect_right
from itertools import pairwise
from typing import TypeAlias

from .archive import Archive, delete_files, file_of
from .errors import NO_ROOM, JournalError, JournalFull, OutsideJournal, reason

SEGMENT = 8 << 20
"""Bytes in a full segment: what is replayed at most after the snapshot made at its end."""

LIMIT = 256 << 20
"""Bytes kept per session."""

SNAPSHOTS = 2
"""Snapshots kept: the newest, and one to fall back on if it turns out damaged."""

Chunk: TypeAlias = bytes | bytearray | memoryview
"""Bytes to append. A memoryview must be one of bytes (format B), contiguous."""

_SEGMENT_NAME = re.compile(r"(\d{20})\.raw", re.ASCII)
_SNAPSHOT_NAME = re.compile(r"(\d{20})\.snap", re.ASCII)


class Journal:
    """The journal in one folder.

    ``start`` and ``end`` bound what can be read: start <= offset < end.
    ``segment_start`` is where the segment that is now written to began. When an
    ``append`` changes it, a segment was closed: a good moment for a snapshot.
    All three are plain attributes because they are read for every chunk of
    output; only the journal sets them.
    """

    __slots__ = (
        "_archive",
        "_archived",
        "_fd",
        "_limit",
        "_segment",
        "_stale",
        "_starts",
        "end",
        "path",
        "segment_start",
        "start",
    )

    def __init__(
        self, path: str, *, archive: Archive | None = None, limit: int = LIMIT, segment: int = SEGMENT
    ) -> None:
        """Open the folder at ``path``, or make it (mode 0700; its parent must exist).

        At most ``limit`` bytes are kept. Segments are ``segment`` bytes, less if
        the limit is so small that a full one could not be kept beside the current one.

        Raises:
            JournalError: the folder can't be made or read.
        """
        assert limit >= 2 and segment >= 1, (limit, segment)
        self.path = path
        self._limit = limit
        self._segment = min(segment, limit // 2)
        self._fd = -1
        self._starts: list[int] = []
        self._stale: list[int] = []
        self._archive = archive
        self._archived = {} if archive is None else dict(archive.segments())
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(path, 0o700)
            self._find()
        except OSError as error:
            raise self._failed(error) from error

    def _find(self) -> None:
        """Work out start and end from the files; put away what an unlucky moment left behind."""
        sizes: dict[int, int] = {}
        snapshots: list[int] = []
        with os.scandir(self.path) as entries:
            for entry in entries:
                if found := _SEGMENT_NAME.fullmatch(entry.name):
                    if entry.is_file(follow_symlinks=False):
                        sizes[int(found[1])] = entry.stat(follow_symlinks=False).st_size
                elif found := _SNAPSHOT_NAME.fullmatch(entry.name):
                    snapshots.append(int(found[1]))
                elif entry.name.endswith(".tmp"):
                    os.unlink(entry.path)
        for start, stop in self._archived.items():
            if sizes.pop(start, None) is not None:
                delete_files(self.path, start)  # we died between putting it away and deleting it here
            sizes[start] = stop - start
        filled = sorted(start for start, size in sizes.items() if size)
        run: list[int] = []
        while filled and (not run or filled[-1] + sizes[filled[-1]] == run[0]):
            run.insert(0, filled.pop())
        # Older runs, before a gap. No offset reaches them, but they may be all that a power
        # cut left of something: they go when pruning gets there, not now.
        self._stale = filled
        empty = sorted(start for start, size in sizes.items() if not size)
        if run:
            self.end = run[-1] + sizes[run[-1]]
            if self.end in empty or run[-1] in self._archived:
                run.append(self.end)  # we died between making a segment and writing to it
        else:
            run = empty[-1:] or [0]
            self.end = run[0]
        for start in empty:
            if start != run[-1]:
                os.unlink(self._file(start))  # it could be in the way of a later segment
        self._starts = run
        self.start = run[0]
        self.segment_start = run[-1]
        for offset in snapshots:
            # The bytes before it are gone, and others will come to have their offsets:
            # left here, it would then pass for the state after those.
            if offset > self.end:
                os.unlink(self._snapshot(offset))

    def append(self, data: Chunk) -> int:
        """Write ``data`` at the end and return the new ``end``: one system call, mostly.

        A chunk that does not fit into the current segment is split. All of it is
        kept or, when this raises, none.

        Raises:
            JournalFull: no room. The journal stays as it was and can be used on.
            JournalError: any other failure, likewise.
        """
        size = len(data)
        fd = self._fd
        if fd >= 0 and self.end + size - self.segment_start <= self._segment:
            try:
                written = os.write(fd, data)
            except OSError as error:
                raise self._undone(self.end, error) from error
            if written == size:
                self.end += size
                return self.end
            self._append_rest(data, written)
        elif size:
            self._append_rest(data, 0)
        return self.end

    def _append_rest(self, data: Chunk, done: int) -> None:
        """Write what ``data`` has after its first ``done`` bytes, over as many segments as it takes."""
        before = self.end
        try:
            self.end += done
            with memoryview(data) as view:
                while done < len(view):
                    if self.end - self.segment_start >= self._segment:
                        self._roll()
                    if self._fd < 0:
                        self._fd = self._open_segment()
                    room = self._segment - (self.end - self.segment_start)
                    written = os.write(self._fd, view[done : done + room])
                    done += written
                    self.end += written
        except OSError as error:
            raise self._undone(before, error) from error

    def _undone(self, end: int, error: OSError) -> JournalError:
        """Go back to ``end`` after a failed write, and return what to raise."""
        # What can't be cut off now is cut off when the segment is next opened.
        with contextlib.suppress(OSError):
            self._cut(end)
        return self._failed(error)

    def _open_segment(self) -> int:
        """Open the current segment for writing, cut to the length that ``end`` says."""
        expected = self.end - self.segment_start
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | (0 if expected else os.O_CREAT)
        fd = os.open(self._file(self.segment_start), flags, 0o600)
        try:
            found = os.fstat(fd).st_size
            if found < expected:
                raise OSError(errno.EIO, "a segment lost its end while the journal was open")
            if found > expected:
                os.ftruncate(fd, expected)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _roll(self) -> None:
        """Begin a new segment at ``end``; delete so many old ones that it may become full."""
        while self._stale:
            self._delete(self._stale[0])
            del self._stale[0]
        # Oldest first and one by one: killed in between, what is left is contiguous. The
        # room is made before it is needed, so that a full disk can still be written to. One
        # stays in any case, for only the files remember the offset.
        while len(self._starts) > 1 and self.end + self._segment - self._starts[0] > self._limit:
            self.drop_oldest()
        self.release()
        self._starts.append(self.end)
        self.segment_start = self.end

    def drop_oldest(self) -> None:
        """Delete the oldest segment, if it is closed.

        Raises:
            JournalError: its file can't be deleted.
        """
        if len(self._starts) > 1:
            self._delete(self._starts[0])
            del self._starts[0]
            self.start = self._starts[0]

    def _delete(self, start: int) -> None:
        if self._archive is not None and self._archived.pop(start, None) is not None:
            self._archive.drop(start)
        else:
            self._unlink(self._file(start))

    def close_segment(self) -> None:
        """Close the segment that is written to, if there is anything in it; what comes next begins another.

        Raises:
            JournalError: room could not be made for it.
        """
        if self.end > self.segment_start:
            try:
                self._roll()
            except OSError as error:
                raise self._failed(error) from error

    def closed(self, end: int | None = None) -> list[int]:
        """Return where the closed segments start that are not put away, oldest first: those that stop by ``end``."""
        most = self.end if end is None else end
        return [start for start, stop in pairwise(self._starts) if stop <= most and start not in self._archived]

    def put_away(self, start: int) -> None:
        """Read the segment and its marks from the archive from now on. Called when they are there."""
        if start in self._starts[:-1]:
            self._archived[start] = self._starts[self._starts.index(start) + 1]
            with contextlib.suppress(OSError):  # the next one that opens the journal deletes it
                delete_files(self.path, start)

    def read(self, offset: int, limit: int) -> bytes:
        """Return up to ``limit`` bytes from ``offset`` on; less only at the end, nothing at ``end``.

        An offset outside the journal is an error and not moved to the next valid
        one, because the caller must know that bytes are missing.

        Raises:
            OutsideJournal: ``offset`` is below ``start`` or over ``end``.
            JournalError: the files can't be read or are shorter than they were.
        """
        if not self.start <= offset <= self.end:
            raise OutsideJournal(self.path, offset, self.start, self.end)
        stop = min(offset + limit, self.end)
        parts: list[bytes] = []
        index = bisect_right(self._starts, offset) - 1
        try:
            while offset < stop:
                start = self._starts[index]
                segment_end = self._starts[index + 1] if index + 1 < len(self._starts) else self.end
                until = min(stop, segment_end)
                index += 1
                if self._archive is not None and start in self._archived:
                    parts.append(self._archive.output(start)[offset - start : until - start])
                    offset = until
                    continue
                if self._archive is not None:
                    self._archive.release()  # whoever reads on has come to the end of it
                # No descriptor is kept: there may be a thousand journals, and few are read.
                fd = os.open(self._file(start), os.O_RDONLY | os.O_CLOEXEC)
                try:
                    while offset < until:
                        part = os.pread(fd, until - offset, offset - start)
                        if not part:
                            raise OSError(errno.EIO, "a segment lost its end while the journal was open")
                        parts.append(part)
                        offset += len(part)
                finally:
                    os.close(fd)
        except OSError as error:
            raise self._failed(error) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def has_room(self, size: int) -> bool:
        """Whether so many bytes can be written: they are, and deleted. What the system calls free knows no quotas."""
        path = f"{self.path}/room.tmp"
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                return os.write(fd, bytes(size)) == size
            finally:
                os.close(fd)
                os.unlink(path)
        except OSError:
            return False

    def _cut(self, end: int) -> None:
        """Make the journal end at ``end``: first as we know it, then the files.

        Newest file first: killed in between, what is left is contiguous.
        """
        self.release()
        gone: list[int] = []
        while self._starts and (self._starts[-1] > end or (self._starts[-1] == end and len(self._starts) > 1)):
            gone.append(self._starts.pop())
        nothing_left = not self._starts
        if nothing_left:  # the chunk that failed was so long that all before it was pruned
            self._starts.append(end)
        self.start = self._starts[0]
        self.segment_start = self._starts[-1]
        self.end = end
        if nothing_left:
            os.close(self._open_segment())  # at every moment some file must say where we are
        for start in gone:
            self._unlink(self._file(start))
        os.close(self._open_segment())

    def save_snapshot(self, offset: int, blob: bytes) -> None:
        """Keep ``blob``, the emulator's state after the first ``offset`` bytes; drop all but the newest two.

        It replaces one for the same offset whole or not at all. Whether the bytes
        are sound after a power cut is for the caller's digest to say.

        Raises:
            JournalFull, JournalError: it was not kept; the older ones still are.
        """
        assert self.start <= offset <= self.end, (self.start, offset, self.end)
        path = self._snapshot(offset)
        temporary = path + ".tmp"
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                with memoryview(blob) as view:
                    done = 0
                    while done < len(view):
                        done += os.write(fd, view[done:])
            finally:
                os.close(fd)
            os.replace(temporary, path)
            for old in self._snapshots()[:-SNAPSHOTS]:
                self._unlink(self._snapshot(old))
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise self._failed(error) from error

    def load_snapshot(self) -> tuple[int, bytes] | None:
        """Return (offset, blob) of the newest snapshot from which the journal can go on, or None.

        If the blob turns out damaged, ``drop_snapshot`` it and ask again.

        Raises:
            JournalError: it can't be read.
        """
        try:
            for offset in reversed(self._snapshots()):
                if self.start <= offset <= self.end:
                    with open(self._snapshot(offset), "rb") as file:
                        return offset, file.read()
        except OSError as error:
            raise self._failed(error) from error
        return None

    def drop_snapshot(self, offset: int) -> None:
        """Delete the snapshot for ``offset``, if there is one."""
        try:
            self._unlink(self._snapshot(offset))
        except OSError as error:
            raise self._failed(error) from error

    def release(self) -> None:
        """Close the descriptor, if one is open. The next ``append`` opens it again."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
        if self._archive is not None:
            self._archive.release()

    @property
    def held(self) -> bool:
        """Whether the journal holds a descriptor now."""
        return self._fd >= 0

    def remove(self) -> None:
        """Delete the folder with all that is in it. The journal must not be used after that."""
        self.release()
        try:
            shutil.rmtree(self.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._failed(error) from error

    def _file(self, start: int) -> str:
        return file_of(self.path, start, "raw")

    def _snapshot(self, offset: int) -> str:
        return file_of(self.path, offset, "snap")

    def _snapshots(self) -> list[int]:
        """Return the offsets that there are snapshots for, ascending."""
        return sorted(int(found[1]) for name in os.listdir(self.path) if (found := _SNAPSHOT_NAME.fullmatch(name)))

    @staticmethod
    def _unlink(path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def _failed(self, error: OSError) -> JournalError:
        if error.errno in NO_ROOM:
            return JournalFull(self.path, reason(error))
        return JournalError(self.path, reason(error))
