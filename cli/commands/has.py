"""agentmux has: does a session run?"""

from __future__ import annotations

from agentmux.mux.asking import Asking
from agentmux.mux.errors import AgentmuxError

from .options import Target


def run(asking: Asking, target: Target = None) -> int | None:
    """Exit with 0 if the session runs, else with 1. Prints nothing."""
    try:
        return 0 if asking.session(target).live else 1
    except AgentmuxError:
        return 1
