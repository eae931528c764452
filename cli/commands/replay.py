"""agentmux replay: play a session's recording in the terminal."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.recording import played
from agentmux.mux.sessionerrors import NeedsTerminal

from ..app import Option
from .options import Target


async def run(
    asking: Asking,
    target: Target = None,
    speed: Annotated[float, Option("--speed", metavar="N", min=0.1, max=64, help="So many times as fast.")] = 1.0,
    idle_limit: Annotated[
        float | None, Option("--idle-limit", metavar="S", min=0, help="No pause is longer than S seconds.")
    ] = None,
) -> int | None:
    """Play the recording of a session. Space pauses, arrows seek and change the speed, q ends it."""
    session = asking.session(target)
    if not (asking.request.ttys[0] and asking.request.ttys[1]):
        raise NeedsTerminal
    size = None
    for at, event in played(asking.mux, session):
        if size is None:
            size = event if isinstance(event, tuple) else session.size
        asking.play(at, event)
        await asking.drained()
        await asking.turn()
    asking.play_all(size or session.size, speed, idle_limit)
    return None
