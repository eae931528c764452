"""Who has a data folder: its lock, and in it the server's and the keeper's process, for those who find no socket.

A server is reached through its socket only. Where that is gone, because somebody cleaned up or the system did at
log-out, server and keeper live on, and all their sessions. Whoever comes then finds them by this file.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
from dataclasses import dataclass

from . import sweep
from .sessionerrors import StoreFailed

LONGEST = 1 << 14
"""Bytes of the file that are read."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a data folder. ``server`` is None between two servers: the keeper starts the next."""

    socket: str
    server: sweep.Process | None
    keeper: sweep.Process | None

    def ask_for_socket(self) -> None:
        """Have the server listen where its socket was, if nobody does."""
        if self.server is not None:
            sweep.kill([self.server], signal.SIGUSR1)


def _path(data: str) -> str:
    return os.path.join(data, "lock")


def take(data: str) -> int:
    """Return a descriptor that holds the data folder for this server: two writers would spoil each other's records.

    Raises:
        StoreFailed: another server has it, that of a socket of the same name in another runtime folder; or nothing
            can be written there.
    """
    path = _path(data)
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StoreFailed(f"can't open {path!r}: {reason}", "check disk and rights") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise StoreFailed(f"the data folder {data!r} is in use by another server", "name another with -L") from None
    return fd


def sign(fd: int, socket: str, keeper: int) -> None:
    """Write down that we serve ``socket``, and for which keeper.

    Raises:
        OSError: there is no room.
    """
    processes = {"server": sweep.process(os.getpid()), "keeper": sweep.process(keeper)}
    said = {"socket": socket} | {who: [process.pid, process.started] for who, process in processes.items()}
    data = json.dumps(said).encode("ascii")
    os.pwrite(fd, data, 0)
    os.ftruncate(fd, len(data))


def holder(data: str) -> Holder | None:
    """Return who has the data folder; None if nobody lives who said so."""
    try:
        with open(_path(data), "rb") as file:
            said = json.loads(file.read(LONGEST))
        socket = str(said["socket"])
        server, keeper = (_living(*said[who]) for who in ("server", "keeper"))
    except (OSError, ValueError, LookupError, TypeError):
        return None  # none, or one that an older server made, or half of it: nothing that could be relied on
    return Holder(socket, server, keeper) if server or keeper else None


def _living(pid: int, started: str) -> sweep.Process | None:
    process = sweep.Process(pid, started)
    return process if sweep.alive(process) else None
