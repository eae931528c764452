"""The server process's entry: what the keeper starts. Gives the mux the command table."""

from __future__ import annotations

import sys

from agentmux.mux.server import serve

from .app import dispatch


def main() -> None:
    """Serve: the arguments are the socket's path and the number of the keeper's descriptor."""
    serve(sys.argv[1], int(sys.argv[2]), dispatch)
