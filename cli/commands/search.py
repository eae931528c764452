"""agentmux search: find what was said and shown, in all sessions."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking, Found, Where
from agentmux.mux.errors import BadUsage
from agentmux.mux.foreign import safe

from ..app import Argument, Option
from ..output import highlighted, when
from .options import Json, Since, Target, ago


def run(
    asking: Asking,
    query: Annotated[
        list[str] | None, Argument(metavar="QUERY...", help='Words; "a phrase"; beginnings as in word*.')
    ] = None,
    target: Target = None,
    since: Since = "",
    in_: Annotated[list[str] | None, Option("--in", metavar="W", help="Only in prompts, replies or output.")] = None,
    last: Annotated[int, Option("-n", "--last", metavar="N", min=1, max=200, help="At most so many.")] = 20,
    json: Json = False,
) -> int | None:
    """Find prompts, replies and output of all sessions. Ended ones too. Status 1: nothing was found."""
    words = {where.value: where for where in Where}
    if wrong := [word for word in in_ or () if word not in words]:
        raise BadUsage(f"search: nothing is called {wrong[0]!r}", hint="--in takes prompts, replies or output")
    if not query:
        raise BadUsage("search: name what to look for", hint="see: agentmux search --help")
    session = asking.session(target).id if target is not None else None
    found = asking.search(
        " ".join(query),
        session=session,
        since=asking.mux.now() - ago(since, "--since") if since else None,
        where=[words[word] for word in in_] if in_ else None,
        limit=last,
    )
    names = {row.id: row.name for row in asking.mux.all_rows()} if found else {}
    if json:
        asking.json(
            [
                {
                    "session": one.session,
                    "name": names.get(one.session),
                    "in": one.where.value,
                    "at": one.at,
                    "source": one.source,
                    "snippet": highlighted(one.snippet, "", ""),
                    "score": one.score,
                    "show": _jump(one),
                }
                for one in found
            ]
        )
    else:
        on, off = ("\x1b[1m", "\x1b[0m") if asking.request.ttys[1] else ("", "")
        for one in found:
            asking.out(f"{safe(names.get(one.session, '-'))}  {one.where.value}  {when(one.at)}  {_jump(one)}")
            asking.out(f"    {highlighted(one.snippet, on, off)}")
    return None if found else 1


def _jump(found: Found) -> str:
    """Return the command that shows where it was found."""
    if found.where is Where.PROMPTS:
        return f"agentmux send --history {found.source}"
    if found.where is Where.REPLIES:
        return f"agentmux messages -t {found.session}"
    return f"agentmux log -t {found.session} --from {max(0, found.source - 8192)}"
