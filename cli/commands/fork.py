"""agentmux fork: begin a second conversation from one."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking

from ..app import Option
from ..output import facts
from .options import Target


async def run(
    asking: Asking,
    target: Target = None,
    detached: Annotated[bool, Option("-d", "--detached", help="Do not attach.")] = False,
    name: Annotated[str, Option("-s", "--name", help="Name of the new session; default: the program's.")] = "",
    show: Annotated[bool, Option("-P", "--print", help="Print the new session's id.")] = False,
    json: Annotated[bool, Option("--json", help="Print the new session as JSON.")] = False,
) -> int | None:
    """Begin a second conversation from that of a session. In a new session; both then go their own ways."""
    if not detached:
        asking.can_attach()
    session = await asking.mux.fork(asking.session(target), name, asking.request.env, asking.request.umask)
    if json:
        asking.json(facts(asking.mux, session.row))
    elif show:
        asking.out(str(session.id))
    if not detached:
        asking.attach(session)
    return None
