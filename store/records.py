"""What a session's journal says besides the output itself: marks, each with kind, time, place and checksums. Pure.

Output lies in files of its own, byte for byte as the program wrote it. Beside each lies a file of marks,
one after the other, which are small::

    +------+-------+----------------+--------------+----------------+-------------+-------------+---------+
    | kind | 0 0 0 | length (u32le) | time (i64le) | offset (u64le) | sum (u32le) | own (u32le) | payload |
    +------+-------+----------------+--------------+----------------+-------------+-------------+---------+

Time is in microseconds since 1970, UTC; offset is how much output came before, in all the session's life. sum is the
CRC-32 of ``length`` bytes: the payload, which for OUTPUT lies in the file of output, at the offset. own is
that of the header before it. A file of marks that was cut anywhere, or in which anything changed, is sound up to the
first one that does not add up.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

_HEAD = struct.Struct("<B3xIqQI")
_SUM = struct.Struct("<I")
HEADER = _HEAD.size + _SUM.size
"""Bytes of a mark without its payload."""

LONGEST = 1 << 16
"""Bytes of payload that a mark may have; more is damage. A longer prompt is cut: the history has all of it."""

_SIZE = struct.Struct("<HH")


class Kind(enum.IntEnum):
    """What a mark tells. The numbers are on disk: none is ever used again."""

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
        data: the output, or the payload.
    """

    kind: Kind
    at: float
    offset: int
    data: bytes

    @property
    def size(self) -> tuple[int, int]:
        """The columns and rows of a RESIZE."""
        return decode_size(self.data)


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark as it is on disk.

    Attributes:
        length: bytes of output, or of payload.
        sum: their CRC-32.
        data: the payload, empty for OUTPUT.
    """

    kind: Kind
    at: float
    offset: int
    length: int
    sum: int
    data: bytes

    @property
    def size(self) -> tuple[int, int]:
        """The columns and rows of a RESIZE."""
        return decode_size(self.data)

    def encoded(self) -> bytes:
        """Return it as it is on disk."""
        head = _HEAD.pack(self.kind, self.length, round(self.at * 1_000_000), self.offset, self.sum)
        return head + _SUM.pack(crc32(head)) + self.data


def mark(kind: Kind, at: float, offset: int, data: bytes | bytearray | memoryview) -> Mark:
    """Return the mark of ``data``: of output, which goes elsewhere, or of a payload, which is in it."""
    return Mark(kind, at, offset, len(data), crc32(data), b"" if kind is Kind.OUTPUT else bytes(data))


def encode_size(size: tuple[int, int]) -> bytes:
    """Return the payload of a RESIZE."""
    return _SIZE.pack(*size)


def decode_size(payload: bytes) -> tuple[int, int]:
    """Return the columns and rows in the payload of a RESIZE."""
    columns, rows = _SIZE.unpack_from(payload)
    return columns, rows


@dataclass(slots=True)
class Scan:
    """Walks over the sound marks of a file.

    Attributes:
        sound: bytes that are whole, true marks so far; less than all at the end of the walk: the rest is damaged.
    """

    data: bytes
    sound: int = 0

    def __iter__(self) -> Iterator[Mark]:
        while len(self.data) - self.sound >= HEADER:
            number, length, time, offset, told = _HEAD.unpack_from(self.data, self.sound)
            (own,) = _SUM.unpack_from(self.data, self.sound + _HEAD.size)
            if crc32(self.data[self.sound : self.sound + _HEAD.size]) != own:
                return
            start = self.sound + HEADER
            payload = b""
            if number != Kind.OUTPUT:
                payload = self.data[start : start + length]
                if length > LONGEST or len(payload) < length or crc32(payload) != told:
                    return
            self.sound = start + len(payload)
            try:
                kind = Kind(number)
            except ValueError:
                continue  # a newer version's
            if kind is Kind.RESIZE and length < _SIZE.size:
                continue  # nobody wrote that
            yield Mark(kind, time / 1_000_000, offset, length, told, payload)
