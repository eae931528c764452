"""Reads files that others name: whole and bounded, and never waiting for one that is something else."""

from __future__ import annotations

import os
import stat


def opened(path: str, *, own: bool = False) -> int:
    """Return a descriptor of a regular file, which is the caller's to close.

    ``own``: it must be this user's, and no link.

    Raises:
        OSError: it can't be read, or is something else.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_NOFOLLOW if own else 0))
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode) or (own and found.st_uid != os.getuid()):
        os.close(fd)
        raise OSError(0, "is no regular file" if not stat.S_ISREG(found.st_mode) else "is somebody else's", path)
    return fd


def whole(path: str, most: int) -> bytes:
    """Return what a file holds, its first ``most`` bytes.

    Raises:
        OSError: as ``opened``.
    """
    with open(opened(path), "rb") as file:
        return file.read(most)
