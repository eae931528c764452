"""First use: start keeper and server, once, however many clients come at the same moment. Also finds lost ones."""

from __future__ import annotations

import fcntl
import json
import os
import time

from . import lease, paths
from .client import PATIENCE, Connection, launch_argv
from .errors import NoServer, ServedElsewhere, StartFailed


def start_server(path: str) -> Connection:
    """Return a connection to the server on ``path``, starting keeper and server if nobody listens.

    Everyone who finds no server queues for the lock and tries to connect again
    behind it: the first one started what the others then find. The keeper
    listens before it returns from its start, so there is nothing to wait for:
    the connection waits in the backlog until the server takes it.

    Raises:
        ServedElsewhere: the server of another socket has the data folder.
        StartFailed: keeper or folders can't be made.
    """
    paths.private_folder(os.path.dirname(path))
    log = paths.log_file(path)
    for folder in (os.path.dirname(os.path.dirname(log)), os.path.dirname(log)):
        os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
        paths.private_folder(folder)
    lock = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return find_server(path)
        except NoServer:
            if found := lease.holder(os.path.dirname(log)):
                raise ServedElsewhere(os.path.dirname(log), found.socket) from None
            _run_keeper(path, log)
        try:
            return Connection.open(path)
        except NoServer:
            raise StartFailed("the keeper does not listen", log) from None
    finally:
        os.close(lock)


def find_server(path: str) -> Connection:
    """Return a connection to the server of ``path``, also where its socket is gone: it then makes another.

    Raises:
        NoServer: there is no server.
        BadFolder: there is one, and no place for its socket.
    """
    data = paths.data_folder(path)
    asked: lease.Holder | None = None
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return Connection.open(path)
        except NoServer:
            found = lease.holder(data)
            if found is None or found.socket != path or time.monotonic() > deadline:
                raise
        if found != asked:
            paths.private_folder(os.path.dirname(path))
            found.ask_for_socket()
            asked = found
        time.sleep(0.01)


def _run_keeper(path: str, log: str) -> None:
    server, keeper = launch_argv()
    config = json.dumps({"socket": path, "server": [*server, path], "log": log})
    null = os.open(os.devnull, os.O_RDWR)
    try:
        # Not our standard error: the keeper's first words would come twice.
        reading, writing = os.pipe()
        pid = os.posix_spawn(
            keeper[0],
            [*keeper, config],
            _own_environment(),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, null, 0),
                (os.POSIX_SPAWN_DUP2, null, 1),
                (os.POSIX_SPAWN_DUP2, writing, 2),
            ],
        )
        os.close(writing)
        with os.fdopen(reading, "rb") as errors:
            _, status = os.waitpid(pid, 0)
            if os.waitstatus_to_exitcode(status):
                said = errors.read(4096).decode("utf-8", "replace").strip()
                detail = said.rpartition("\n")[2].removeprefix("agentmux: ")
                raise StartFailed(detail or f"the keeper ended with {status}", log)
    finally:
        os.close(null)


def _own_environment() -> dict[str, str]:
    """Return our environment without the marks of a session that we may run in: they name what dies with it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AGENTMUX")}
