"""agentmux interrupt: stop what a program does now."""

from __future__ import annotations

from agentmux.mux.asking import Asking

from .options import Target


def run(asking: Asking, target: Target = None) -> int | None:
    """Interrupt the program in a session, as a typed Ctrl-C would. Attached or not, at once."""
    asking.mux.interrupt(asking.session(target))
    return None
