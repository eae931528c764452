"""A server that can't open its store: tell every client why, and leave the sessions to the keeper.

Whatever is wrong with the store (a newer version wrote it, it is damaged), the
programs run on. The keeper starts another server in a while, which tries again.
"""

from __future__ import annotations

import os
import select
import socket
import time

from . import listening
from .errors import AgentmuxError
from .keeperlink import KeeperGone, KeeperLink, Listener, Pane, Ping
from .protocol import Kind, encode, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECONDS = 10.0
"""How long clients are told before the store is tried again. Under the keeper's patience with a start, 30 s."""


def refuse(link: KeeperLink, error: AgentmuxError, server: Sequence[str], log: Callable[[str], None]) -> None:
    """Answer each client with ``error`` for a while. Owns nothing afterwards."""
    text = "".join(f"agentmux: {line}\n" for line in (error.problem, error.hint) if line)
    answer = encode(Kind.STDERR, text.encode("utf-8", "backslashreplace"))
    answer += encode(Kind.EXIT, pack([b"%d" % error.status, b""]))
    listener: socket.socket | None = None
    link.hello(server)
    link.flush()
    deadline = time.monotonic() + SECONDS
    while (left := deadline - time.monotonic()) > 0:
        watched = [link.fileno(), *([listener.fileno()] if listener else [])]
        ready, _, _ = select.select(watched, [], [], left)
        if link.fileno() in ready:
            try:
                events = link.receive()
            except KeeperGone:
                return
            for event in events:
                if isinstance(event, Listener):
                    listener = socket.socket(fileno=event.fd)
                    if (fd := listening.again(event.path, log)) >= 0:
                        link.listener(fd, event.path)
                        listener.close()
                        listener = socket.socket(fileno=fd)
                elif isinstance(event, Pane):
                    os.close(event.fd)
                elif isinstance(event, Ping):
                    link.pong(event.n)
            link.flush()
        if listener is not None and listener.fileno() in ready:
            with listener.accept()[0] as client:
                client.settimeout(1)
                try:
                    client.recv(65536)  # closing with unread data would cut off the answer
                    client.sendall(answer)
                except OSError:
                    continue
