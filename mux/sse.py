"""Server-sent events out of the body of an HTTP response, as it comes: chunks off, lines, events. Pure.

(WHATWG HTML, 9.2; RFC 9112, 7.1)
"""

from __future__ import annotations

import re

LONGEST = 1 << 20
"""Bytes of one event: opencode sends what a tool printed, 30 KiB, and whole messages. A longer one is left out."""

_SIZE = re.compile(rb"[0-9a-fA-F]{1,8}")
_SIZE_LINE = 256
"""Bytes of the line before a chunk: its size, and extensions that nobody uses."""

_END = re.compile(rb"\r\n|\n|\r")


class BadChunk(Exception):
    """The body is not in chunks as it should be."""


class Chunks:
    """Takes a body in chunks, gives it without them.

    Attributes:
        over: whether the last chunk has come.
    """

    __slots__ = ("_head", "_left", "over")

    def __init__(self) -> None:
        self.over = False
        self._left = 0  # bytes of a chunk, with the line's end behind it, that are to come
        self._head = b""

    def feed(self, data: bytes) -> bytes:
        """Return what ``data`` brings of the body.

        Raises:
            BadChunk: there is a line that is no chunk's size.
        """
        body = []
        at = 0
        while at < len(data) and not self.over:
            if self._left:
                taken = data[at : at + self._left]
                body.append(taken[: max(self._left - 2, 0)])
                self._left -= len(taken)
                at += len(taken)
                continue
            end = data.find(b"\n", at)
            self._head += data[at : end if end >= 0 else len(data)]
            if len(self._head) > _SIZE_LINE:
                raise BadChunk
            if end < 0:
                break
            at = end + 1
            found = _SIZE.match(self._head)
            if found is None:
                raise BadChunk
            size = int(found[0], 16)
            self._head, self.over, self._left = b"", size == 0, size + 2
        return b"".join(body)


class Events:
    """Takes the body, gives the data of each event that is complete. Names, ids and times to retry are left out."""

    __slots__ = ("_data", "_rest", "_size", "_skips")

    def __init__(self) -> None:
        self._rest = bytearray()  # a line that has not ended
        self._data: list[bytes] = []
        self._size = 0
        self._skips = False  # the line that has not ended is too long, and so is its event

    def feed(self, data: bytes) -> list[str]:
        """Return the data of the events that end in ``data``."""
        whole = self._rest.endswith(b"\r") or _END.search(data) is not None
        self._rest += data
        if not whole and len(self._rest) <= LONGEST and not self._skips:
            return []  # a long line may come a byte at a time
        data = bytes(self._rest)
        held = data[-1:] if data.endswith(b"\r") else b""  # a line feed may follow
        *lines, rest = _END.split(data[: len(data) - len(held)])
        found = []
        for line in lines:
            if line:
                self._line(line)
                continue
            if self._skips:  # the end of a long line whose beginning is gone
                self._skips = False
                self._size = LONGEST + 1
            elif self._data and self._size <= LONGEST:
                found.append(b"\n".join(self._data).decode("utf-8", "replace"))
                self._data, self._size = [], 0
            else:
                self._data, self._size = [], 0
        if len(rest) > LONGEST or self._skips:
            self._skips, rest = True, b""
            self._data, self._size = [], LONGEST + 1
        self._rest[:] = rest + held
        return found

    def _line(self, line: bytes) -> None:
        if self._skips:
            self._skips = False
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._size += len(value) + 1
            if self._size <= LONGEST:
                self._data.append(value.removeprefix(b" "))
            else:
                self._data = []
