"""agentmux new: start a session."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux import statusline
from agentmux.mux.asking import Asking
from agentmux.mux.errors import AgentmuxError, BadUsage
from agentmux.mux.mux import Spec

from ..app import Argument, Option
from ..output import facts
from . import options
from .options import Cwd, Detached, Env, JsonOfNew, Label, Print

TAKES_COMMAND = True


async def run(
    asking: Asking,
    command: Annotated[list[str] | None, Argument(metavar="[--] [CMD...]", help="Program and arguments.")] = None,
    detached: Detached = False,
    attach: Annotated[bool, Option("-A", help="Attach to the session named by -s if it runs.")] = False,
    name: Annotated[str, Option("-s", "--name", help="Name; default: the program's.")] = "",
    cwd: Cwd = "",
    env: Env = None,
    columns: Annotated[int, Option("-x", "--columns", help="Columns until somebody attaches.", show_default=False)] = 0,
    rows: Annotated[int, Option("-y", "--rows", help="Rows until somebody attaches.", show_default=False)] = 0,
    label: Label = None,
    no_record: Annotated[bool, Option("--no-record", help="Remember nothing of what it prints and is told.")] = False,
    show: Print = False,
    json: JsonOfNew = False,
) -> int | None:
    """Start a session and attach to it. Without CMD it runs your shell."""
    mux, request = asking.mux, asking.request
    if attach and not name:
        raise BadUsage("new: -A needs a name", hint="give one with -s")
    if not detached:
        asking.can_attach("use -d to start a session without attaching")
    for warning in mux.config().warnings:
        asking.err(warning)
    if attach and (running := [session for session in mux.live() if session.name == name]):
        if not detached:
            asking.attach(running[0])
        return None
    config = mux.config()
    here = config.text("default-size").split("x")
    given = (columns or int(here[0]), rows or int(here[1])) if columns or rows else None
    shown = None if detached or 0 in request.size else statusline.pane_size(request.size, config.text("status"))
    size = given or shown
    if columns < 0 or rows < 0:
        raise BadUsage("new: a size below 1x1", hint="give -x and -y as positive numbers")
    spec = Spec(
        tuple(command or ()),
        options.folder(request.cwd, cwd),
        request.env,
        name=name,
        extra=options.pairs(env, "-e"),
        size=size,
        labels=options.labels(label, "--label"),
        umask=request.umask,
        record="off" if no_record else "",
    )
    session = await mux.create(spec)
    if json:
        asking.json(facts(mux, session.row))
    elif show:
        asking.out(str(session.id))
    if not detached:
        if not session.live:
            raise AgentmuxError(
                f"session {session.name!r} has ended already", "see: agentmux capture -t " + session.name
            )
        asking.attach(session)
    return None
