"""Reads files that others name: whole and bounded, and never waiting for one that is something else."""

from __future__ import annotations

import os
import stat


def opened(path: str, *, follow: bool = True) -> int:
    """Return a descriptor of a regular file, which is the caller's to close.

    Raises:
        OSError: it can't be read, or is a pipe, a device, or, without ``follow``, a link.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    fd = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(0, "is no regular file", path)
    return fd


def whole(path: str, most: int) -> bytes:
    """Return what a file holds, its first ``most`` bytes.

    Raises:
        OSError: as ``opened``.
    """
    with open(opened(path), "rb") as file:
        return file.read(most)
