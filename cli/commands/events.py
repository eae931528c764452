"""agentmux events: follow what happens."""

from __future__ import annotations

from datetime import UTC, datetime

from agentmux.mux.asking import Asking
from agentmux.mux.events import Happened
from agentmux.mux.foreign import safe

from .options import Json, Target


async def run(asking: Asking, target: Target = None, json: Json = False) -> int | None:
    """Print events as they happen, until interrupted. With -t only those of one session, until it ends."""
    session = None if target is None else asking.session(target)
    async for event in asking.events(session):
        if json:
            asking.json(event.values())
        else:
            asking.out(_line(event))
        await asking.drained()
        if session is not None and event.kind in ("exited", "lost") and not session.live:
            break
    return None


def _line(event: Happened) -> str:
    at = datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    facts = " ".join(f"{key}={safe(str(value))}" for key, value in event.facts.items())
    return f"{at} {event.kind} {event.session} {safe(event.name)} {facts}".rstrip()
