"""What goes along with a call: folder, environment and umask of this process, where they matter."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence

from agentmux.cli.main import here
from agentmux.mux import paths
from agentmux.mux.errors import BadUsage
from agentmux.mux.protocol import Request

VIEWER = {"TERM": "xterm-256color"}
"""The environment of a viewer. Not ours: it is no terminal of ours, and must not bring our SSH agent along."""

_UMASK = threading.Lock()


def packed(words: Sequence[str], *, starts: bool = False, size: tuple[int, int] | None = None) -> bytes:
    """Return the body of a COMMAND.

    Environment and umask go along with what starts a program, and with nothing else: the umask can be read only by
    changing it, for all threads.

    Args:
        size: of the terminal, None for none.
    """
    env = dict(os.environ) if starts else VIEWER
    terminal = size is not None
    ttys = (terminal, terminal, False)
    mask = umask() if starts else None
    return Request(list(words), here(), env, size or (0, 0), ttys, mask, int(time.monotonic() * 1e6)).pack()


def umask() -> int:
    """Return the umask of this process."""
    with _UMASK:  # two at a time would set that of the other for good
        os.umask(mask := os.umask(0o077))
    return mask


def socket_of(socket: str | os.PathLike[str] | None, name: str | None) -> str:
    """Return the path of the socket that ``-S socket`` or ``-L name`` means.

    Raises:
        BadUsage: it is both, or no name.
        PathTooLong.
    """
    if socket is not None and name is not None:
        raise BadUsage("a server has a socket or a name, not both")
    if name is not None and "/" in name:
        raise BadUsage(f"{name!r} can't be a server name: it has a '/'", hint="give a path as socket")
    return paths.socket_path(os.environ, name or "", "" if socket is None else os.fspath(socket))
