"""agentmux usage: what agents' models took."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking, Used
from agentmux.mux.errors import BadUsage
from agentmux.mux.foreign import safe
from agentmux.mux.mux import Record

from ..app import Option
from ..output import shown, table, used
from .options import Json, Since, Targets, ago

BY = ("day", "session", "agent", "label:KEY")
"""What can be summed by."""


def run(
    asking: Asking,
    target: Targets = None,
    by: Annotated[
        list[str] | None,
        Option("--by", metavar="WHAT", help="Sum by day (the default), session, agent or label:KEY; or by several."),
    ] = None,
    since: Since = "",
    json: Json = False,
) -> int | None:
    """Sum the tokens, and the US dollars where agents tell them."""
    wanted = by or ["day"]
    for word in wanted:
        if word not in BY[:3] and not (word.startswith("label:") and word != "label:"):
            raise BadUsage(f"usage: can't sum by {word!r}", hint=f"there are: {', '.join(BY)}")
    rows = {row.id: row for row in asking.mux.all_rows()}
    only = {asking.session(one).id for one in target} if target else rows.keys()
    begin = asking.mux.now() - ago(since, "--since") if since else 0.0
    sums: dict[tuple[str | None, ...], Used] = {}
    for session, day, taken in asking.usage.by_day(begin):
        if session in only:
            key = tuple(_part(word, day, rows[session]) for word in wanted)
            sums[key] = sums.get(key, Used()) + taken
    found = sorted(sums.items(), key=lambda one: tuple(part or "" for part in one[0]))
    if json:
        asking.json([{**dict(zip(wanted, key, strict=True)), **used(taken)} for key, taken in found])
    elif found:
        if len(found) > 1:
            found.append((("total", *["-"] * (len(wanted) - 1)), sum((taken for _, taken in found), Used())))
        head = [*(safe(word.removeprefix("label:").upper()) for word in wanted), "IN", "CACHED", "OUT", "COST"]
        body = [
            [*(safe(part or "-") for part in key), *(shown(name, value) for name, value in used(taken).items())]
            for key, taken in found
        ]
        asking.out(table(head, body))
    return None


def _part(word: str, day: str, row: Record) -> str | None:
    if word == "day":
        return day
    if word == "session":
        return row.name
    return row.agent if word == "agent" else row.labels.get(word.removeprefix("label:"))
