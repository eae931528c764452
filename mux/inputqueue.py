"""What was typed into a pane and its program has not taken: bounded, written without ever blocking.

A program that writes while we write, both directions full, would stop for ever
if we waited for it here. So the master is non-blocking and its output is read
on, whatever waits.
"""

from __future__ import annotations

import errno
import os
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

LIMIT = 1 << 23
"""Bytes queued for a program that does not read; the largest paste that fits."""

HIGH = 1 << 20
"""Above this, a viewer that pastes is not read from until the program has read."""


class InputQueue:
    """The bytes for one pane's master."""

    __slots__ = ("_loop", "_master", "_on_low", "_waiting", "_writing", "size")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._master = -1
        # Made when first needed: an empty deque takes 760 bytes. Views, lest the rest of a paste is copied each time.
        self._waiting: deque[memoryview] | None = None
        self._writing = False
        self._on_low: list[Callable[[], None]] = []
        self.size = 0

    @property
    def high(self) -> bool:
        """Whether whoever types a lot should wait."""
        return self.size > HIGH

    def open(self, master: int) -> None:
        """Write to ``master`` from now on. It must be non-blocking, and stays the caller's."""
        self._master = master

    def close(self) -> None:
        """Forget everything; whoever waits may go on. Call it before the master is closed."""
        if self._writing:
            self._loop.remove_writer(self._master)
            self._writing = False
        self._master = -1
        self._waiting = None
        self.size = 0
        self._tell()

    def put(self, data: bytes) -> None:
        """Queue ``data``, which the caller has checked against LIMIT, and write what goes out now."""
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append(memoryview(data))
        self.size += len(data)
        if not self._writing:
            self._write()

    def when_low(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` once, when the program has read enough."""
        self._on_low.append(resume)

    def _write(self) -> None:
        waiting = self._waiting
        assert waiting is not None  # there was something to write
        try:
            while waiting:
                data = waiting[0]
                count = os.write(self._master, data)
                self.size -= count
                if count < len(data):
                    waiting[0] = data[count:]
                else:
                    waiting.popleft()
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            waiting.clear()  # nobody has the terminal open: nobody will read it
            self.size = 0
        if bool(waiting) != self._writing:
            self._writing = bool(waiting)
            if self._writing:
                self._loop.add_writer(self._master, self._write)
            else:
                self._loop.remove_writer(self._master)
        if not self.high:
            self._tell()

    def _tell(self) -> None:
        waiting, self._on_low = self._on_low, []
        for resume in waiting:
            resume()
