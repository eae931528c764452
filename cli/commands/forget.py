"""agentmux forget: remove every trace of sessions."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.errors import BadUsage
from agentmux.mux.forgetting import forget

from ..app import Option
from ..output import size
from .options import Targets, ago


async def run(
    asking: Asking,
    target: Targets = None,
    older: Annotated[str, Option("--older", metavar="AGO", help="All that ended so long ago: 12h, 30d, 8w.")] = "",
) -> int | None:
    """Remove every trace of ended sessions. Record, output, messages, history and search."""
    mux = asking.mux
    if bool(target) == bool(older):
        raise BadUsage("forget: name what to forget", hint="give -t T, or --older 30d")
    if older:
        before = mux.now() - ago(older, "--older")
        rows = [row for row in mux.all_rows() if not row.live and row.ended is not None and row.ended < before]
        sessions = [mux.find(str(row.id)) for row in rows]
    else:
        sessions = list(dict.fromkeys(asking.session(one) for one in target or ()))
    done = await forget(asking, sessions)
    asking.out(
        f"forgot {done.sessions} session{'s' * (done.sessions != 1)}: {size(done.output)} of output,"
        f" {done.messages} message{'s' * (done.messages != 1)}; {size(done.freed)} of disk freed"
    )
    return None
