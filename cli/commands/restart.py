"""agentmux restart: run an ended session's command again."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking

from ..app import Option
from .options import Target


async def run(
    asking: Asking,
    target: Target = None,
    kill: Annotated[bool, Option("-k", "--kill", help="Kill it first if it runs.")] = False,
    afresh: Annotated[bool, Option("--afresh", help="Begin a new conversation with its agent.")] = False,
) -> int | None:
    """Start an ended or lost session again. Its id, name and record stay, and its agent's conversation goes on."""
    session = asking.session(target)
    if kill and session.live:
        await asking.mux.killer.kill(session)
    await asking.mux.restart(session, asking.request.env, None, asking.request.umask, afresh=afresh)
    return None
