"""The crash-safe landing place of what is read from a terminal.

A byte that was read from a pty master is nowhere else any more. Killed between
the read and the write to the journal, a server would lose it for ever. So the
kernel puts it straight into a shared mapping of a file, whose pages outlive the
process, and a header says whose it is and what was already done with it.

One batch goes through these phases; whoever starts next finds out how far it got::

    IDLE --begin--> READING --written--> WRITTEN --done--> IDLE
                    read...              the emulator is fed
                    journal append

What to do with what :meth:`Inbox.recover` returns:

- READING: append :func:`unsaved` to the pane's journal, then go on as usual:
  ``written``, feed the emulator, ``done``.
- WRITTEN: the journal has it all, and the last server died while the emulator had
  this batch: perhaps because of it. Restore that pane before any other; ``done`` once its
  emulator is past the batch. If ``attempts`` says that this has been tried before, mark
  journal bytes offset..offset+len(data) as poison and skip them.

How the end of the data is known after a kill between the read and the store
that counts it: unused room is kept filled with 0xFF, which occurs nowhere in UTF-8, so
the data ends at the last byte that is something else. What this can lose is 0xFF bytes at the
very end of the one read that was not yet counted.

Put the file on a tmpfs (where the sockets are) if there is one: it need not
survive the machine, there is no write-back to wait for, and its pages never have
to be faulted in while the kernel copies (a kill during such a fault can cut a copy short).
"""

from __future__ import annotations

import contextlib
import enum
import mmap
import os
import struct
from dataclasses import dataclass

from .errors import StoreError, reason

CAPACITY = 64 << 10
"""Bytes in one batch. A pty gives at most about 4 KiB per read, so this is many reads, one journal write."""

# The header, little-endian, each field on its natural boundary:
#
#     0  magic     8 bytes   last to be written when the file is made
#     8  capacity  u32
#    16  pane      i64
#    24  offset    u64       the journal's end before this batch
#    32  filled    u32       bytes of data that are counted
#    36  attempts  u32       servers that died while the emulator had this batch
#    40  phase     u8
#    64  data, capacity bytes
#
# The process may be killed between any two machine instructions, and memory keeps exactly the
# stores before that. So every change that means something is one store: phase is one byte, and
# CPython packs an aligned word that has the machine's byte order with a single one. What takes
# several stores happens where nobody would look: pane, offset, filled and attempts change in
# phase IDLE, and the data beyond `filled` says by itself whether it is there.
_MAGIC = b"amuxbox1"
_HEAD = 64
_WORD = struct.Struct("<I")
_BATCH = struct.Struct("<qQII")
_CAPACITY_AT = 8
_BATCH_AT = 16
_FILLED_AT = 32
_ATTEMPTS_AT = 36
_PHASE_AT = 40
_SENTINEL = b"\xff"


class Phase(enum.IntEnum):
    """How far a batch got. The numbers are in the file."""

    IDLE = 0
    READING = 1
    WRITTEN = 2


_IDLE, _READING, _WRITTEN = int(Phase.IDLE), int(Phase.READING), int(Phase.WRITTEN)


@dataclass(frozen=True, slots=True)
class Recovered:
    """A batch that a server did not finish."""

    phase: Phase
    """READING or WRITTEN."""
    pane: int
    offset: int
    """The journal's end before this batch."""
    data: bytes
    """Never empty."""
    attempts: int
    """How many servers died while the emulator had this batch, with the last one. A count of
    deaths, not a proof: some other thing may have killed them."""


def unsaved(recovered: Recovered, journal_end: int) -> bytes:
    """Return what must be appended to the journal, which now ends at ``journal_end``.

    In phase READING the journal's write may have happened whole, in part (it keeps a
    prefix when it is cut short) or not at all; in phase WRITTEN nothing is missing. A
    journal that is shorter than that lost its end to something worse than a kill; what
    is here is then still the next thing known.
    """
    return recovered.data[max(0, journal_end - recovered.offset) :]


class Inbox:
    """The inbox of one server. One batch at a time, one thread."""

    __slots__ = ("_file", "_room", "_wipe", "capacity", "filled", "path")

    def __init__(self, path: str, capacity: int = CAPACITY) -> None:
        """Open the file at ``path``, or make it (mode 0600; its folder must exist); "" for none, which outlives nobody.

        A file that is damaged or has another size is made anew: what it held can't be told.

        Raises:
            StoreError: it can't be made.
        """
        assert 0 < capacity < 1 << 32, capacity
        self.path = path
        self.capacity = capacity
        try:
            fd = self._open_valid() if path else -1
            if fd < 0 and path:
                fd = self._make()
            try:
                self._file = mmap.mmap(fd, _HEAD + capacity, mmap.MAP_SHARED)
            finally:
                if fd >= 0:
                    os.close(fd)
        except OSError as error:
            raise StoreError(f"can't make the inbox {path}: {reason(error)}") from error
        self._room = memoryview(self._file)[_HEAD:]
        self._wipe = memoryview(_SENTINEL * capacity)
        self.filled = 0
        if self._file[_PHASE_AT] == _IDLE:
            # done() may have been cut short. This also brings every page into memory.
            self._room[:] = self._wipe

    def _open_valid(self) -> int:
        """Return a descriptor of the file, or -1 if there is none that we could use."""
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return -1
        try:
            head = os.pread(fd, _HEAD, 0)
            if (
                os.fstat(fd).st_size == _HEAD + self.capacity
                and head.startswith(_MAGIC)
                and _WORD.unpack_from(head, _CAPACITY_AT)[0] == self.capacity
                and _WORD.unpack_from(head, _FILLED_AT)[0] <= self.capacity
                and head[_PHASE_AT] in (_IDLE, _READING, _WRITTEN)
            ):
                os.fchmod(fd, 0o600)
                return fd
        except OSError:
            pass
        os.close(fd)
        return -1

    def _make(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # Written, not just made longer: on a full disk this fails, where a store into a hole
            # would be a SIGBUS in the middle of a batch.
            head = bytearray(_HEAD)
            _WORD.pack_into(head, _CAPACITY_AT, self.capacity)
            whole = memoryview(bytes(head) + _SENTINEL * self.capacity)
            while whole:
                whole = whole[os.write(fd, whole) :]
            os.pwrite(fd, _MAGIC, 0)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def recover(self) -> Recovered | None:
        """Return the batch that the last server left unfinished, or None. Call it before the first ``begin``.

        It is then the current batch: carry it on with ``written`` and ``done``. In
        phase WRITTEN its ``attempts`` go up by one, in the file, before this returns.
        """
        phase = self._file[_PHASE_AT]
        if phase == _IDLE:
            return None
        pane, offset, filled, attempts = _BATCH.unpack_from(self._file, _BATCH_AT)
        if phase == _READING:
            filled = max(filled, len(bytes(self._room).rstrip(_SENTINEL)))
            _WORD.pack_into(self._file, _FILLED_AT, filled)
        else:
            attempts = min(attempts + 1, (1 << 32) - 1)  # a damaged file may say anything
            _WORD.pack_into(self._file, _ATTEMPTS_AT, attempts)
        self.filled = filled
        if not filled:
            self.done()
            return None
        return Recovered(Phase(phase), pane, offset, bytes(self._room[:filled]), attempts)

    def begin(self, pane: int, offset: int) -> None:
        """Begin a batch for ``pane``, whose journal now ends at ``offset``."""
        assert self._file[_PHASE_AT] == _IDLE, "the last batch is not done, or was not recovered"
        _BATCH.pack_into(self._file, _BATCH_AT, pane, offset, 0, 0)
        self.filled = 0
        self._file[_PHASE_AT] = _READING

    def read(self, fd: int, limit: int = CAPACITY) -> int:
        """Read once from ``fd``, up to ``limit`` bytes and the room left; return how many came.

        0 is the end of the file. There must be room (``filled < capacity``).

        Raises:
            BlockingIOError: nothing to read now. The batch stays as it is.
            OSError: as ``read`` gives it; EIO from a pty on Linux is its end.
        """
        filled = self.filled
        assert filled < self.capacity and limit > 0, "no room in the batch"
        count = os.readv(fd, [self._room[filled : filled + limit]])
        self.filled = filled + count
        _WORD.pack_into(self._file, _FILLED_AT, filled + count)
        return count

    def put(self, data: bytes) -> None:
        """Add bytes that the journal has already: a replay, guarded like the first time.

        Then ``written`` and so on as usual. The bytes must fit (``capacity - filled``).
        """
        filled = self.filled + len(data)
        self._room[self.filled : filled] = data
        self.filled = filled
        _WORD.pack_into(self._file, _FILLED_AT, filled)

    def data(self) -> memoryview:
        """Return what was read in this batch, in place: copy what must live longer than ``done``."""
        return self._room[: self.filled]

    def written(self) -> None:
        """The journal has the batch. A death from here to ``done`` speaks against its bytes."""
        assert self._file[_PHASE_AT] == _READING, "no batch is being read"
        self._file[_PHASE_AT] = _WRITTEN

    def done(self) -> None:
        """End the batch, in whatever phase. Not written to the journal, its bytes are given up."""
        # In this order: wiped first, a kill in between would leave a batch whose data is gone.
        self._file[_PHASE_AT] = _IDLE
        filled = self.filled
        self._room[:filled] = self._wipe[:filled]
        self.filled = 0

    def close(self) -> None:
        """Unmap the file; no ``data`` may be held any more. An unfinished batch stays in it."""
        self._room.release()
        self._file.close()
