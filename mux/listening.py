"""The listening socket, made again where nobody finds it any more: its folder is cleaned by hand, or at log-out."""

from __future__ import annotations

import errno
import os

from . import paths
from .errors import AgentmuxError
from .keeper import listen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def again(path: str, log: Callable[[str], None]) -> int:
    """Return a new listening socket if nobody answers on ``path``, else -1. It is the caller's."""
    try:
        paths.private_folder(os.path.dirname(path))
        fd = listen(path)
    except (AgentmuxError, OSError) as error:
        if getattr(error, "errno", None) != errno.EADDRINUSE:
            log(f"can't listen on {path!r}: {error}")
        return -1
    log(f"nobody could reach {path!r}: listening again")
    return fd
