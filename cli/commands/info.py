"""agentmux info: everything known of one session."""

from __future__ import annotations

from agentmux.mux.asking import Asking

from ..output import facts, safe, shown
from .options import Json, Target


def run(asking: Asking, target: Target = None, json: Json = False) -> int | None:
    """Show what is known of a session."""
    session = asking.session(target)
    values = facts(asking.mux, session.row)
    values["title"] = session.screen.title
    values["recorded_bytes"] = session.journal.end
    if not session.live:
        session.release()
    if json:
        asking.json(values)
        return None
    width = max(map(len, values))
    asking.out("\n".join(f"{key.ljust(width)}  {safe(shown(key, value))}" for key, value in values.items()))
    return None
