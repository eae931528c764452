"""The server process's entry: what the keeper starts. Gives the mux the command table."""

from __future__ import annotations

import sys

from agentmux.mux.screen import Screen
from agentmux.mux.server import serve

from .app import dispatch, loading


def main() -> None:
    """Serve: the arguments are the socket's path and the number of the keeper's descriptor.

    With ``--check`` instead: fail if that could not work, and leave.
    """
    if sys.argv[1] == "--check":
        Screen((2, 2)).close()
        return
    serve(sys.argv[1], int(sys.argv[2]), dispatch, loading())
