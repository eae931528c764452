"""agentmux wait: block until something happens in a session."""

from __future__ import annotations

import re
from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.errors import BadUsage
from agentmux.mux.lifecycle import State
from agentmux.mux.session import Session
from agentmux.mux.sessionerrors import TimedOut

from ..app import Option
from .options import Target, Timeout

LOST, ENDED, KILLED = 4, 6, 7
"""Exit statuses: the session went down with keeper and server; it ended before the output was seen; it was killed."""


async def run(
    asking: Asking,
    target: Target = None,
    exit_: Annotated[bool, Option("--exit", help="Until the program has ended (the default).")] = False,
    output: Annotated[str, Option("--output", metavar="REGEX", help="Until a row shows a match.")] = "",
    timeout: Timeout = 0,  # noqa: ASYNC109 - a user's option
) -> int | None:
    """Wait until a session ends or shows something. Status: 0 reached, 5 timeout, 6 ended before, 7 killed, 4 lost."""
    session = asking.session(target)
    try:
        pattern = re.compile(output)
    except re.error as error:
        raise BadUsage(f"wait: {output!r} is no regular expression: {error}") from None
    if output and exit_:
        raise BadUsage("wait: --exit and --output exclude each other")
    seen = _Seen(session, pattern) if output else None
    deadline = asking.loop.time() + timeout if timeout > 0 else None
    while True:
        if seen is not None and seen.matches():
            return 0
        if not session.live:
            break
        if not await asking.changed(session, deadline):
            raise TimedOut(timeout)
    if session.state is State.LOST:
        return LOST
    if session.killed:
        return KILLED
    return ENDED if output else 0


class _Seen:
    """What a waiter has looked at: rows that scrolled out are looked at once, the screen each time."""

    def __init__(self, session: Session, pattern: re.Pattern[str]) -> None:
        self._session = session
        self._pattern = pattern
        self._history = session.screen.history_rows

    def matches(self) -> bool:
        """Whether a row shows it."""
        screen = self._session.screen
        new = max(0, screen.history_rows - self._history)
        self._history = screen.history_rows
        return any(self._pattern.search(row) for row in screen.text_rows(-new, screen.size[1]))
