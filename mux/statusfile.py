"""Reads the file in which one process publishes what it does: only when it has changed, and only if it is its own.

Who has the process's rights could write anything there; others must not be able to. So it has to be a plain file of
ours, in which process and start time are right. What a link or a FIFO in its place leads to is not looked at.
"""

from __future__ import annotations

import os

from . import files, sweep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .published import Published, Said

MOST = 1 << 14
"""Bytes that a file may have: Claude Code's have 0.7 KiB."""


class StatusFile:
    """The file of one process. Nothing is read where the system does not tell a process's environment."""

    __slots__ = ("_path", "_pid", "_published", "_said", "_seen", "_started")

    def __init__(self, published: Published, pid: int) -> None:
        self._published = published
        self._pid = pid
        self._started = sweep.started(pid)
        self._path = published.path(pid, sweep.variables(pid)) if published.file and self._started else ""
        self._seen: tuple[int, int, int] | None = None
        self._said: Said | None = None

    @property
    def there(self) -> bool:
        """Whether there may be one."""
        return bool(self._path)

    def read(self, at: float) -> Said | None:
        """Return what it says at ``at`` (Unix seconds), None for nothing."""
        if not self._path:
            return None
        try:
            found = os.lstat(self._path)
            seen = found.st_ino, found.st_size, found.st_mtime_ns
            if seen == self._seen:
                return self._said
            text = _text(self._path)
        except OSError:
            self._seen = None
            return None
        self._said = None if text is None else self._published.said(text, self._pid, self._started, at)
        self._seen = seen  # from before it was read: what was written since is another change
        return self._said


def _text(path: str) -> bytes | None:
    """Return what a plain file of ours holds, None where that is too much."""
    fd = files.opened(path, own=True)
    try:
        return os.read(fd, MOST) if os.fstat(fd).st_size <= MOST else None
    finally:
        os.close(fd)
