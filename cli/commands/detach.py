"""agentmux detach: take clients off a session."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking

from ..app import Option
from .options import Target


def run(
    asking: Asking,
    target: Target = None,
    everything: Annotated[bool, Option("-a", "--all", help="Detach the clients of every session.")] = False,
) -> int | None:
    """Detach the clients of a session; the program goes on."""
    sessions = asking.mux.live() if everything else [asking.session(target)]
    for session in sessions:
        for viewer in list(session.viewers):
            viewer.leave("detached")
    return None
