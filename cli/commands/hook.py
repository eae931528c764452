"""agentmux hook: what the hooks call that an agent is started with."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking

from ..app import Argument


def run(
    asking: Asking,
    event: Annotated[str, Argument(metavar="EVENT", help="The hook's event.")] = "",
    told: Annotated[str, Argument(metavar="[JSON]", help="What the agent tells.")] = "",
) -> int | None:
    """Take what an agent's hook tells. From standard input; it always lets the agent go on."""
    asking.mux.statuses.hooked(asking.own_session, event, told)
    return None
