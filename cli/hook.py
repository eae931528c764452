"""What an agent's hook runs: tell the server, and let the agent go on, whatever is wrong with us.

Nothing is printed, because what a hook prints decides things for the agent; the status is 0 and the end comes within a
second, also where the server hangs or is gone.
"""

import os
import signal

from agentmux.mux.client import Connection
from agentmux.mux.errors import AgentmuxError
from agentmux.mux.protocol import Kind

from .main import make_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

PATIENCE = 0.8
"""Seconds that it may take in all, besides the start of the interpreter."""

LONGEST = 1 << 18
"""Bytes of what the agent tells that are passed on. What matters stands at the beginning."""


def run(words: list[str], socket: str) -> int:
    """Pass on the event that ``words`` name and what the agent writes to our standard input. Always 0."""
    signal.signal(signal.SIGALRM, _leave)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    try:
        told = _told()
        connection = Connection.open(socket)
        connection.hello(0, make_request(["hook", *words[:1], "--", told]).pack())
        for kind, _ in connection.frames():
            if kind == Kind.EXIT:
                break
    except (AgentmuxError, OSError, ValueError):
        pass  # whoever waits for us is an agent at work
    return 0


def _told() -> str:
    """Return the beginning of what the agent writes, all of which is read: it might wait until that is taken."""
    kept = bytearray()
    while data := os.read(0, 1 << 16):
        kept += data[: LONGEST - len(kept)]
    return kept.replace(b"\0", b"").decode("utf-8", "replace")


def _leave(number: int, frame: "FrameType | None") -> "NoReturn":
    os._exit(0)
