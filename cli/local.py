"""What the client does by itself: help, completion, standard input, and commands that must work without a server."""

from __future__ import annotations

import os
import select
import sys
import time

from agentmux.mux.client import Connection
from agentmux.mux.errors import AgentmuxError
from agentmux.mux.protocol import Kind, Request

from . import commands

COMPLETE_WAIT = 1.0
"""Seconds that a completion waits for the server: a person is in the middle of a line."""


def show_help(words: list[str]) -> int:
    """Print the help of a command, or of all; return the exit status."""
    from . import app

    if words and (command := commands.find(words[0])) is not None:
        app.parse(command.name, ["--help"])
    else:
        app.whole().main(["--help"], prog_name="agentmux", standalone_mode=False)
    return 0


def run(words: list[str], socket: str) -> int:
    """Run a command of the client's own; return its exit status."""
    from . import app

    if words[:1] == ["server"]:
        from . import force

        return force.stop(socket)
    command = commands.find(words[0])
    assert command is not None
    call = app.parse(command.name, words[1:])
    result = call(socket) if callable(call) else call
    return int(result or 0)


def complete(socket: str) -> int:
    """Print completions, as the script of ``agentmux completion`` asks for them."""
    from . import app

    os.environ["AGENTMUX_COMPLETION_SOCKET"] = socket
    app.complete()
    return 0


def session_names() -> list[str]:
    """Return the names of running sessions, for completion; none where no server answers at once."""
    socket = os.environ.get("AGENTMUX_COMPLETION_SOCKET", "")
    try:
        return ask(socket, ["ls", "-F", "{name}"], COMPLETE_WAIT).split()
    except AgentmuxError:
        return []


def ask(socket: str, words: list[str], seconds: float) -> str:
    """Return what a command prints, from a server that runs already.

    Raises:
        AgentmuxError: no server, or none that answers within ``seconds``.
    """
    connection = Connection.open(socket)
    try:
        connection.sock.settimeout(seconds)
        connection.hello(1)
        connection.send(Kind.COMMAND, Request(words, "/", {}, (0, 0), (False, False, False)).pack())
        printed = b"".join(body for kind, body in connection.frames() if kind == Kind.STDOUT)
        return printed.decode("utf-8", "replace")
    finally:
        connection.close()


def pump_stdin(connection: Connection) -> None:
    """Send standard input until its end, or until the server has something to say."""
    sock = connection.sock
    while True:
        ready, _, _ = select.select([0, sock.fileno()], [], [])
        if sock.fileno() in ready:
            return
        data = os.read(0, 65536)
        if not data:
            connection.send(Kind.STDIN_END)
            return
        connection.send(Kind.STDIN, data)


def wait_for(pid: int) -> None:
    """Return when process ``pid`` of ours has ended, without polling where the system can tell."""
    if sys.platform == "linux":
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        select.select([handle], [], [])
        os.close(handle)
    else:
        while _lives(pid):
            time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
