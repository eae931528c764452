"""agentmux interrupt: stop what a program does now."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.sessionerrors import TimedOut
from agentmux.mux.verdict import Status

from ..app import Option
from .options import Target

PATIENCE = 5.0
"""Seconds for which a turn's end is waited for unless told otherwise."""

AGAIN = 1.0
"""Seconds until the keys are pressed again: an agent that has just begun may not have been listening."""


async def run(
    asking: Asking,
    target: Target = None,
    wait: Annotated[bool, Option("--wait", help="Until the turn has stopped; status 5 if it has not.")] = False,
    hard: Annotated[bool, Option("--hard", help="If the turn goes on after a second or two: Ctrl-C, too.")] = False,
    timeout: Annotated[  # noqa: ASYNC109 - a user's option
        float, Option("--timeout", metavar="S", min=0, help="How long to wait, with --wait or --hard.")
    ] = PATIENCE,
) -> int | None:
    """Stop what a program does. With its agent's own key, else with Ctrl-C; attached or not, at once."""
    session = asking.session(target)
    pressed = asking.mux.interrupter.interrupt(session)
    if not pressed or not (wait or hard):
        return None
    deadline = asking.loop.time() + timeout
    harder = asking.loop.time() + AGAIN
    tried = 0
    while session.verdict.status is not Status.WAITING and asking.mux.interrupter.works(session):
        now = asking.loop.time()
        if now >= deadline:
            raise TimedOut(timeout)
        if now >= harder:
            tried, harder = tried + 1, now + AGAIN
            if hard and tried > 1:
                asking.mux.interrupter.press(session, ["C-c"])
            else:
                asking.mux.interrupter.interrupt(session)
        await asking.changed([session], min(deadline, harder))
    return None
