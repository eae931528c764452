"""agentmux last: the last reply of a session."""

from __future__ import annotations

from agentmux.mux.asking import Asking
from agentmux.mux.foreign import printable
from agentmux.mux.sessionerrors import NoReply

from .options import Target


def run(asking: Asking, target: Target = None) -> int | None:
    """Print the last reply of a session: its text and nothing else."""
    session = asking.session(target)
    reply = asking.last_reply(session)
    if reply is None or reply.text is None:
        raise NoReply(session.name)
    asking.out(printable(reply.text))
    return None
