"""A copy of everything that is remembered, while it is being written to: one tar file, to be unpacked elsewhere.

The database comes first, as one consistent copy, then the files that it may name. What is recorded meanwhile may be in
it or not; nothing that was there before is missing.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .database import copy
from .errors import NO_ROOM, StoreError, reason

FOLDERS = ("sessions", "blobs")
"""What there is besides the database. No segment may be put away meanwhile: see ``write``."""


@dataclass(frozen=True, slots=True)
class Written:
    """What is in a backup."""

    files: int
    size: int
    """Bytes of the tar file."""


def write(folder: str, path: str, progress: Callable[[float], object] = lambda part: None) -> Written:
    """Write what the data folder has into a new tar file at ``path``, mode 0600. Whole or not at all; for a thread.

    The caller sees to it that nothing goes from journals to the archive meanwhile.

    Raises:
        FileExistsError: there is one.
        StoreError: something can't be read or written.
    """
    partial = f"{path}.{secrets.token_hex(4)}.partial"
    try:
        if os.path.lexists(path):
            raise FileExistsError(path)
        with _new(partial) as fd, tempfile.TemporaryDirectory(dir=folder, prefix="backup-") as scratch:
            database = os.path.join(scratch, "store.db")
            copy(os.path.join(folder, "store.db"), database)
            files = 1
            with open(fd, "wb", closefd=False) as file, tarfile.open(fileobj=file, mode="w") as tar:
                tar.add(database, "store.db")
                names = list(_entries(folder))
                for number, name in enumerate(names, 1):
                    progress(number / len(names))
                    with contextlib.suppress(FileNotFoundError):  # put away or pruned since we looked
                        tar.add(os.path.join(folder, name), name, recursive=False)
                        files += os.path.isfile(os.path.join(folder, name))
            os.fsync(fd)
            size = os.fstat(fd).st_size
        os.link(partial, path)  # unlike a rename, never over another file
    except FileExistsError:
        raise
    except OSError as error:
        hint = "free some space, or choose another place" if error.errno in NO_ROOM else ""
        raise StoreError(f"no backup to {path}: {reason(error)}", hint) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(partial)
    return Written(files, size)


@contextlib.contextmanager
def _new(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def _entries(folder: str) -> Iterator[str]:
    """Yield folders and files of FOLDERS, named from ``folder`` on: what they are called there."""
    for top in FOLDERS:
        for place, _, names in os.walk(os.path.join(folder, top)):
            yield os.path.relpath(place, folder)
            for name in sorted(names):
                if not name.endswith(".tmp"):
                    yield os.path.relpath(os.path.join(place, name), folder)
