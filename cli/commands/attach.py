"""agentmux attach: show a session on this terminal."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.sessionerrors import NotRunning

from ..app import Option
from .options import Target


def run(
    asking: Asking,
    target: Target = None,
    read_only: Annotated[bool, Option("-r", "--read-only", help="Watch: nothing typed reaches the program.")] = False,
    alone: Annotated[bool, Option("-d", "--detach-others", help="Detach the session's other clients.")] = False,
    again: Annotated[bool, Option("--again", hidden=True)] = False,
    in_view: Annotated[bool, Option("--in-view", hidden=True)] = False,  # the client's matter, as the next
    line_fd: Annotated[int, Option("--line-fd", hidden=True)] = -1,
) -> int | None:
    """Attach to a session; without -t to the last one used. Leave with C-b d."""
    session = asking.mux.latest() if target is None else asking.session(target)
    if again and not session.live:
        asking.last_line = session.end_line
        return 0
    if not session.live:
        raise NotRunning(session.name, session.state.shown)
    others = list(session.viewers)
    asking.attach(session, read_only=read_only, again=again)
    if alone:
        for viewer in others:
            viewer.leave("detached")
    for warning in asking.mux.config().warnings if not again else ():
        asking.mux.warn(warning)
    return None
