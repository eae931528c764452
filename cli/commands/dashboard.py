"""agentmux dashboard: the agent view. Its client runs it without this file, which is for help and completion."""

from __future__ import annotations

from typing import Annotated

from ..app import Option


def run(
    socket: str,
    select: Annotated[int, Option("--select", metavar="ID", help="Begin with that session.", show_default=False)] = 0,
    choose: Annotated[int, Option("--choose-fd", hidden=True)] = -1,
) -> int | None:
    """Open the view. All sessions, what they do and show, and one key to act."""
    from .. import dashboard

    words = ["--select", str(select)] if select else []
    return dashboard.run([*words, *(["--choose-fd", str(choose)] if choose >= 0 else [])], socket)
