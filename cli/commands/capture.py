"""agentmux capture: print what a session shows."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.errors import BadUsage

from ..app import Option
from ..output import coloured, safe
from .options import Json, Target


async def run(
    asking: Asking,
    target: Target = None,
    styled: Annotated[bool, Option("-e", "--escapes", help="With colours and attributes (SGR).")] = False,
    start: Annotated[
        str, Option("-S", "--start", metavar="N", help="First row: 0 is the top, -1 above it, - all.")
    ] = "0",
    end: Annotated[str, Option("-E", "--end", metavar="N", help="Last row, counted likewise; - is the bottom.")] = "-",
    json: Json = False,
) -> int | None:
    """Print the screen of a session, or a range of its scrollback."""
    session = asking.session(target)
    screen = session.screen
    rows = screen.size[1]
    first = -screen.history_rows if start == "-" else max(_row(start, "-S"), -screen.history_rows)
    last = rows - 1 if end == "-" else min(_row(end, "-E"), rows - 1)
    lines = screen.text_rows(first, last + 1, styled=styled) if first <= last else []
    if json:
        x, y, visible = screen.cursor
        facts = {"rows": lines, "first": first, "cursor": [x, y], "cursor_visible": visible}
        facts |= {"size": list(screen.size), "title": screen.title, "alternate": screen.alternate}
        asking.json(facts)
    else:
        harmless = coloured if styled else safe
        for at in range(0, len(lines), 1000):
            asking.write("".join(harmless(line) + "\n" for line in lines[at : at + 1000]).encode())
            await asking.drained()
    if not session.live:
        session.release()
    return None


def _row(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadUsage(f"capture: {option} {text!r} is not a row number", hint="see: agentmux capture --help") from None
