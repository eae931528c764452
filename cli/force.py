"""End a server that does not answer: by process, not by asking it."""

from __future__ import annotations

import json
import os
import signal
import time

from agentmux.mux import sweep
from agentmux.mux.errors import NoServer

from .main import write_all

WAIT = 3.0
"""Seconds that the keeper gets to end in order, before it is killed."""


def stop(socket: str) -> int:
    """End keeper, server and every session's processes of ``socket``; return the exit status.

    Raises:
        NoServer: nothing of it runs.
    """
    own = processes(socket)
    programs = sweep.marked(socket)
    if not own and not programs:
        raise NoServer(socket)
    keepers = {process for process, words in own.items() if _is_keeper(words)}
    sweep.kill(own, signal.SIGCONT)
    sweep.kill(keepers, signal.SIGTERM)
    deadline = time.monotonic() + WAIT
    while any(map(sweep.alive, own)) and time.monotonic() < deadline:
        time.sleep(0.02)  # other people's children: there is nothing to wait on
    sweep.kill(process for process in own if sweep.alive(process))
    sweep.kill(programs | sweep.marked(socket))
    try:
        os.unlink(socket)
    except FileNotFoundError:
        pass
    write_all(1, f"stopped {len(own)} processes of the server and {len(programs)} of sessions\n".encode())
    return 0


def processes(socket: str) -> dict[sweep.Process, list[str]]:
    """Return keeper and server of ``socket`` with their command lines."""
    named = f'"socket": {json.dumps(socket)}'  # as start.py and keeper.py write it
    found = {}
    for process in sweep.everything():
        words = sweep.command_line(process.pid)
        keeper = _is_keeper(words) and any(named in word for word in words)
        server = socket in words and any("agentmux.cli.serve" in word for word in words)
        if keeper or server:
            found[process] = words
    return found


def _is_keeper(words: list[str]) -> bool:
    return any(word.endswith("keeper.py") for word in words)
