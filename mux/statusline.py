"""The optional line that says where one is: the session, its state, and which others wait for somebody. Pure."""

from __future__ import annotations

from .notes import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .size import Size

PLACES = ("off", "bottom", "top")


def pane_size(terminal: Size, place: str) -> Size:
    """Return the size of a pane that fills a terminal with the line at ``place``, where there is room for both."""
    return terminal[0], terminal[1] - (place != "off" and terminal[1] > 1)


def text(name: str, state: str, waiting: Sequence[str]) -> str:
    """Return the line for a session, with the names of others that wait."""
    parts = [f"[{clean(name)}] {state}"]
    if waiting:
        parts.append(f"waiting: {', '.join(clean(other) for other in waiting)}")
    return " | ".join(parts)


def drawn(line: str, columns: int, row: int) -> bytes:
    """Return the bytes that draw ``line`` in ``row`` (from 1), and leave cursor and pen as they were."""
    shown = line.ljust(columns).encode("utf-8", "replace")
    # Without wrapping the terminal itself cuts what is too wide, however it measures it.
    return b"\x1b7\x1b[?7l\x1b[%d;1H\x1b[0;7m" % row + shown + b"\x1b[0m\x1b[?7h\x1b8"
