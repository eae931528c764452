"""agentmux fork: begin a second conversation from one."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking

from ..app import Option
from ..output import facts
from .options import Detached, JsonOfNew, Print, Target


async def run(
    asking: Asking,
    target: Target = None,
    detached: Detached = False,
    name: Annotated[str, Option("-s", "--name", help="Name of the new session; default: the program's.")] = "",
    show: Print = False,
    json: JsonOfNew = False,
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
