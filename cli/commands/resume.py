"""agentmux resume: open the conversation of an ended session again."""

from __future__ import annotations

from agentmux.mux.asking import Asking
from agentmux.mux.sessionerrors import NoConversation

from .options import Detached, Target


async def run(
    asking: Asking,
    target: Target = None,
    detached: Detached = False,
) -> int | None:
    """Go on with the conversation of an ended session. In the same session; one that runs is attached to."""
    session = asking.session(target)
    if not detached:
        asking.can_attach()
    if not session.live:
        if problem := asking.mux.not_resumable(session):
            raise NoConversation(session.name, problem)
        await asking.mux.restart(session, asking.request.env, None, asking.request.umask)
    if not detached:
        asking.attach(session)
    return None
