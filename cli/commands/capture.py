"""agentmux capture: print what a session shows."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking, Facts, Picture
from agentmux.mux.errors import BadUsage
from agentmux.mux.foreign import coloured, safe
from agentmux.mux.session import Session

from ..app import Option
from .options import Json, Target


async def run(
    asking: Asking,
    target: Target = None,
    styled: Annotated[bool, Option("-e", "--escapes", help="With colours and attributes (SGR).")] = False,
    start: Annotated[
        str, Option("-S", "--start", metavar="N", help="First row: 0 is the top, -1 above it, - the oldest.")
    ] = "0",
    end: Annotated[str, Option("-E", "--end", metavar="N", help="Last row, counted likewise; - is the bottom.")] = "-",
    watch: Annotated[bool, Option("--watch", help="Print the screen again whenever it changes.")] = False,
    seen: Annotated[bool, Option("--seen", help="Count as somebody who has looked: it is not unread then.")] = False,
    json: Json = False,
) -> int | None:
    """Print the screen of a session, or a range of its scrollback."""
    session = asking.session(target)
    if watch and (start, end) != ("0", "-"):
        raise BadUsage("capture: --watch shows the screen, without -S and -E")
    if seen:
        session.seen()
    try:
        if watch:
            show = _line if json else _in_place if asking.request.ttys[1] else _whole
            async for picture in asking.pictures(session, styled=styled, seen=seen):
                show(asking, picture)
        else:
            await _print(asking, session, start, end, styled=styled, json=json)
    finally:
        if not session.live:
            session.release()
    return None


async def _print(asking: Asking, session: Session, start: str, end: str, *, styled: bool, json: bool) -> None:
    screen = session.screen
    rows = screen.size[1]
    first = -screen.history_rows if start == "-" else max(_row(start, "-S"), -screen.history_rows)
    last = rows - 1 if end == "-" else min(_row(end, "-E"), rows - 1)
    lines = screen.text_rows(first, last + 1, styled=styled) if first <= last else []
    if json:
        shown = Facts(screen.size, screen.cursor, screen.title, screen.alternate)
        asking.json({"rows": lines, "first": first, **_values(shown)})
    else:
        harmless = coloured if styled else safe
        for at in range(0, len(lines), 1000):
            asking.write("".join(harmless(line) + "\n" for line in lines[at : at + 1000]).encode())
            await asking.drained()


def _values(shown: Facts) -> dict[str, object]:
    x, y, visible = shown.cursor
    return {
        "cursor": [x, y],
        "cursor_visible": visible,
        "size": list(shown.size),
        "title": shown.title,
        "alternate": shown.alternate,
    }


def _line(asking: Asking, picture: Picture) -> None:
    rows = {str(row): text for row, text in sorted(picture.changed.items())}
    asking.json({"rows": rows, **_values(picture.facts)})


def _whole(asking: Asking, picture: Picture) -> None:
    asking.out("\n".join(picture.rows))


def _in_place(asking: Asking, picture: Picture) -> None:
    """Draw over what was shown before; what does not fit on the terminal is left out."""
    rows = picture.rows[: asking.request.size[1] or None]
    below = b"\r\n\x1b[J" if len(rows) < asking.request.size[1] else b""
    text = "\r\n".join(f"\x1b[2K{row}" for row in rows).encode("utf-8", "replace")
    asking.write(b"\x1b[?7l\x1b[H" + text + below + b"\x1b[?7h")


def _row(text: str, option: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BadUsage(f"capture: {option} {text!r} is not a row number", hint="see: agentmux capture --help") from None
