"""agentmux ls: list sessions."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.errors import AgentmuxError
from agentmux.mux.mux import Mux, Record
from agentmux.mux.sessionerrors import AmbiguousTarget, UnknownSession

from ..app import Option
from ..output import age, facts, formatted, matches, shown, table
from ..watching import again_and_again
from .options import Json, Targets

COLUMNS = ("id", "name", "status", "since", "age", "attached", "size", "command", "cwd")

NEED = {"waiting": 0, "stalled": 1}
"""What a session does that needs a person, the most urgent first; all else comes after."""


async def run(
    asking: Asking,
    target: Targets = None,
    everything: Annotated[bool, Option("-a", "--all", help="Ended and lost sessions too.")] = False,
    json: Json = False,
    template: Annotated[str, Option("-F", "--format", help="Print each by a format such as '{name}\\t{state}'.")] = "",
    condition: Annotated[str, Option("-f", "--filter", help="Only those with KEY=VALUE, KEY!=VALUE, KEY~REGEX.")] = "",
    quiet: Annotated[bool, Option("-q", "--quiet", help="Print ids only.")] = False,
    watch: Annotated[bool, Option("--watch", help="List them again whenever something changes.")] = False,
) -> int | None:
    """List running sessions. Those that wait for a person come first."""

    missing = 0

    async def show() -> None:
        nonlocal missing
        mux = asking.mux
        rows, wrong = _rows(mux, target, everything)
        for error in wrong:
            asking.err(error.problem)
        missing = len(wrong)
        if rows and (json or template or condition):
            await mux.branches.fresh({row.cwd for row in rows})
        found = sorted((facts(mux, row) for row in rows), key=lambda values: NEED.get(str(values["status"]), len(NEED)))
        if condition:
            found = [values for values in found if matches(condition, values)]
        if json:
            asking.json(found)
        elif quiet:
            asking.write("".join(f"{values['id']}\n" for values in found).encode())
        elif template:
            asking.write("".join(formatted(template, values) + "\n" for values in found).encode("utf-8", "replace"))
        elif found:
            now = mux.now()
            body = [[_cell(key, values, now) for key in COLUMNS] for values in found]
            asking.out(table([key.upper() for key in COLUMNS], body))

    if watch:
        await again_and_again(asking, show)
    else:
        await show()
    return 1 if missing else None


def _rows(mux: Mux, targets: list[str] | None, everything: bool) -> tuple[list[Record], list[AgentmuxError]]:
    """Return what is to be listed, and what is wrong with targets: the others are listed all the same."""
    if targets is None:
        return mux.all_rows() if everything else [session.row for session in mux.live()], []
    found: dict[int, Record] = {}
    wrong: list[AgentmuxError] = []
    for one in targets:
        try:
            row = mux.row(one)
        except (UnknownSession, AmbiguousTarget) as error:
            wrong.append(error)
        else:
            found[row.id] = row
    return [found[number] for number in sorted(found)], wrong


def _cell(key: str, values: dict[str, object], now: float) -> str:
    text = shown(key, values[key])
    if key == "status":
        more = values["exit_status"] if values["exit_status"] is not None else values["about"]
        return text if more is None else f"{text} {more}"
    if key == "since":
        return age(max(0, int(now - float(str(values[key])))))
    return text
