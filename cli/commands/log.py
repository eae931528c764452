"""agentmux log: the raw output of a session."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking

from ..app import Option
from .options import Target

CHUNK = 1 << 16


async def run(
    asking: Asking,
    target: Target = None,
    follow: Annotated[bool, Option("-f", "--follow", help="Go on with what comes, until the session ends.")] = False,
    begin: Annotated[int, Option("--from", metavar="N", min=0, help="From byte N on, as search tells it.")] = 0,
) -> int | None:
    """Print all that a session has printed, as far as it is kept. With its escape sequences."""
    session = asking.session(target)
    at = min(max(begin, session.journal.start), session.journal.end)
    while True:
        at = max(at, session.journal.start)
        data = session.journal.read(at, CHUNK)
        if data:
            at += len(data)
            asking.write(data)
            await asking.drained()
        elif follow and session.live:
            await asking.changed([session], None)
        else:
            return None
