"""agentmux kill: end sessions and every process of theirs."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.errors import BadUsage

from ..app import Option
from .options import Targets


async def run(
    asking: Asking,
    target: Targets = None,
    everything: Annotated[bool, Option("-a", "--all", help="All running sessions.")] = False,
    now: Annotated[bool, Option("--now", help="SIGKILL at once, without HUP, TERM and grace.")] = False,
) -> int | None:
    """End sessions and every process of theirs. HUP and TERM, after a grace period KILL; their records stay."""
    if not (everything or target or asking.own_session):
        raise BadUsage("kill: name what to kill", hint="give -t T, or -a for all")
    sessions = asking.mux.live() if everything else [asking.session(t) for t in target or (None,)]
    await asking.mux.killer.kill_all(list(dict.fromkeys(sessions)), now=now)
    return None
