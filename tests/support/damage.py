"""What a test needs to damage files: nobody who writes to them, and all in them."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
from collections.abc import Iterator

from terminal import signal_and_wait
from world import World


@contextlib.contextmanager
def without_a_server(world: World) -> Iterator[None]:
    """Kill the server, and keep the keeper from starting another for a moment."""
    status = world.status()
    keeper, server = status["keeper_pid"], status["server_pid"]
    os.kill(keeper, signal.SIGSTOP)
    signal_and_wait(server)
    yield
    os.kill(keeper, signal.SIGCONT)


def settle(world: World) -> None:
    """Have all in the one file of the database, as after a day."""
    with contextlib.closing(sqlite3.connect(f"{world.data}/store.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
