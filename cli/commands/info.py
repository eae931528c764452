"""agentmux info: everything known of one session."""

from __future__ import annotations

from agentmux.mux.asking import Asking
from agentmux.mux.foreign import safe

from ..output import facts, shown
from .options import Json, Target


async def run(asking: Asking, target: Target = None, json: Json = False) -> int | None:
    """Show what is known of a session."""
    session = asking.session(target)
    await asking.mux.branches.fresh([session.row.cwd])
    session.screen  # noqa: B018 - its title is a fact
    values = facts(asking.mux, session.row)
    values["program_cwd"] = session.screen.cwd or None
    progress, status = session.progress, session.status
    values["progress"] = progress and {"state": progress.state.name.lower(), "percent": progress.value}
    values["program_status"] = status and {
        "state": status.state,
        "app": status.app,
        "about": status.kind,
        "message": status.message,
    }
    values["waits"] = session.waits
    values["recorded_bytes"] = session.journal.end
    values["not_recorded"] = session.not_recorded or None
    if not session.live:
        session.release()
    if json:
        asking.json(values)
        return None
    width = max(map(len, values))
    asking.out("\n".join(f"{key.ljust(width)}  {safe(shown(key, value))}" for key, value in values.items()))
    return None
