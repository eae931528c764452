"""The records that a session's journal is made of: one after the other, each with its time and checksum. Pure.

A record is a header and a payload::

    +------+------+-----------------+------------------+------------------+-----------+
    | kind | 0 0 0| length (u32le)  | time (i64le)     | checksum (u32le) | payload   |
    +------+------+-----------------+------------------+------------------+-----------+

Time is in microseconds since 1970, UTC. The checksum is CRC-32 of what stands before it and of the payload. A file
of records that was cut anywhere, or in which anything changed, is sound up to the first one that does not add up.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

_HEAD = struct.Struct("<B3xIq")
_SUM = struct.Struct("<I")
HEADER = _HEAD.size + _SUM.size
"""Bytes before a payload."""

LONGEST = 1 << 20
"""Bytes of payload that a record may have; more is damage. Longer output is several records, longer prompts blobs."""

_SIZE = struct.Struct("<HH")


class Kind(enum.IntEnum):
    """What a record tells. The numbers are on disk: none is ever used again."""

    OUTPUT = 1
    """Bytes that the program wrote."""
    RESIZE = 2
    """The pane has another size from here on: columns and rows, u16le each."""
    STATE = 3
    """What became of the program, in words: ``started 2``, ``exited 0``, ``lost``."""
    ATTACH = 4
    """How many viewers there are from here on, as decimal digits."""
    PROMPT = 5
    """What was sent through agentmux on purpose, as it was given; never keystrokes."""


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened in a session.

    Attributes:
        at: when, in Unix seconds.
        offset: how many bytes of output came before it, in all the session's life.
        data: the payload.
    """

    kind: Kind
    at: float
    offset: int
    data: bytes

    @property
    def size(self) -> tuple[int, int]:
        """The columns and rows of a RESIZE."""
        columns, rows = _SIZE.unpack(self.data)
        return columns, rows


def encode(kind: Kind, at: float, payload: bytes | memoryview) -> bytes:
    """Return the header for ``payload``, which follows it."""
    head = _HEAD.pack(kind, len(payload), int(at * 1_000_000))
    return head + _SUM.pack(crc32(payload, crc32(head)))


def encode_size(size: tuple[int, int]) -> bytes:
    """Return the payload of a RESIZE."""
    return _SIZE.pack(*size)


@dataclass(slots=True)
class Scan:
    """Walks over the sound records of a buffer.

    Attributes:
        offset: output bytes before the next record.
        sound: bytes of the buffer that are whole, true records so far. Less than all when the walk is over: the rest
            is torn or damaged.
    """

    buffer: bytes | memoryview
    offset: int = 0
    sound: int = 0

    def __iter__(self) -> Iterator[Record]:
        view = memoryview(self.buffer)
        end = len(view)
        while end - self.sound >= HEADER:
            start = self.sound + HEADER
            number, length, time = _HEAD.unpack_from(view, self.sound)
            if length > LONGEST or start + length > end:
                return
            payload = view[start : start + length]
            (told,) = _SUM.unpack_from(view, self.sound + _HEAD.size)
            if crc32(payload, crc32(view[self.sound : self.sound + _HEAD.size])) != told:
                return
            self.sound = start + length
            before = self.offset
            if number == Kind.OUTPUT:
                self.offset += length
            try:
                kind = Kind(number)
            except ValueError:
                continue  # a newer version's
            yield Record(kind, time / 1_000_000, before, bytes(payload))
