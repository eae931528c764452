"""agentmux history: prompts that were sent."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.foreign import safe

from ..app import Argument, Option
from ..output import first_line, table, when
from .options import Json


def run(
    asking: Asking,
    search: Annotated[list[str] | None, Argument(metavar="[TEXT...]", help="Only those that contain it.")] = None,
    here: Annotated[bool, Option("--here", help="Only those of sessions in this folder.")] = False,
    agent: Annotated[str | None, Option("--agent", metavar="P", help="Only those to that agent.")] = None,
    last: Annotated[int, Option("-n", "--last", metavar="N", min=1, help="At most so many, the newest.")] = 50,
    json: Json = False,
) -> int | None:
    """List prompts that were sent to any session, the newest last. Send one again with send --history N."""
    text = " ".join(search or ())
    found = asking.history.search(text, asking.request.cwd if here else None, agent, last)[::-1]
    names = {row.id: row.name for row in asking.mux.all_rows()} if found else {}
    if json:
        asking.json(
            [
                {
                    "id": one.id,
                    "session": one.session,
                    "name": names.get(one.session),
                    "at": one.at,
                    "cwd": one.cwd,
                    "agent": one.agent,
                    "text": one.text,
                }
                for one in found
            ]
        )
    elif found:
        body = [[str(one.id), when(one.at), safe(names.get(one.session, "-")), first_line(one.text)] for one in found]
        asking.out(table(["ID", "TIME", "SESSION", "PROMPT"], body))
    return None
