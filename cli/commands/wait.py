"""agentmux wait: block until sessions do something."""

from __future__ import annotations

import re
from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.errors import BadUsage
from agentmux.mux.lifecycle import State
from agentmux.mux.session import Session
from agentmux.mux.sessionerrors import TimedOut
from agentmux.mux.tables import BAD_PATTERN
from agentmux.mux.verdict import Status

from ..app import Option
from ..receipts import EXITED, KILLED, LOST, NEEDED
from .options import Targets, Timeout

STATUSES = {"idle": Status.IDLE, "waiting": Status.WAITING, "working": Status.WORKING}
"""What can be waited for by one word, besides ``exit``."""


async def run(
    asking: Asking,
    target: Targets = None,
    until: Annotated[
        list[str] | None,
        Option(
            "--until", metavar="WHAT", help="Until: idle, waiting, working, exit or output=REGEX; or one of several."
        ),
    ] = None,
    any_: Annotated[bool, Option("--any", help="Until one of several sessions does, not all.")] = False,
    exit_: Annotated[bool, Option("--exit", help="The same as --until exit, the default.")] = False,
    output: Annotated[str, Option("--output", metavar="REGEX", help="The same as --until output=REGEX.")] = "",
    timeout: Timeout = 0,  # noqa: ASYNC109 - a user's option
) -> int | None:
    """Wait until sessions do something. Status: 0 done, 8 needs a person, 6 ended, 7 killed, 4 lost, 5 timeout."""
    if output and exit_:
        raise BadUsage("wait: --exit and --output exclude each other")
    wanted = [*(until or ()), *(["exit"] if exit_ else []), *([f"output={output}"] if output else [])] or ["exit"]
    sessions = [asking.session(one) for one in target] if target else [asking.session(None)]
    waits = [_Wait(session, wanted) for session in sessions]
    deadline = asking.began + timeout if timeout > 0 else None
    while True:
        left = [wait for wait in waits if not wait.reached()]
        if not left or (any_ and len(left) < len(waits)):
            return 0
        over = [(wait, status) for wait in left if (status := wait.hopeless()) is not None]
        if over and (not any_ or len(over) == len(waits)):
            wait, status = over[0]
            if status == NEEDED:
                about = wait.session.verdict.about
                asking.err(f"session {wait.session.name!r} waits for a person: {about}")
            return status
        if not await asking.changed(sessions, deadline):
            raise TimedOut(timeout)


class _Wait:
    """What is waited for in one session. What it has reached once, it has."""

    def __init__(self, session: Session, wanted: list[str]) -> None:
        self.session = session
        self._exit = False
        self._statuses: set[Status] = set()
        self._seen: list[_Seen] = []
        self._reached = False
        for word in wanted:
            kind, equals, pattern = word.partition("=")
            if word == "exit":
                self._exit = True
            elif word in STATUSES:
                self._statuses.add(STATUSES[word])
            elif kind == "output" and equals:
                try:
                    self._seen.append(_Seen(session, re.compile(pattern)))
                except BAD_PATTERN as error:
                    raise BadUsage(f"wait: {pattern!r} is no regular expression: {error}") from None
            else:
                words = ", ".join([*STATUSES, "exit"])
                raise BadUsage(f"wait: can't wait until {word!r}", hint=f"there are: {words} and output=REGEX")

    def reached(self) -> bool:
        """Whether it has come."""
        session = self.session
        if not self._reached:
            matched = [seen.matches() for seen in self._seen]  # each: what scrolls out is looked at once
            self._reached = any(matched) or (session.live and session.verdict.status in self._statuses)
        ended = self._exit and not session.live and session.state is not State.LOST and not session.killed
        return self._reached or ended

    def hopeless(self) -> int | None:
        """Return the exit status if it can't come any more, or not without a person; None if it can."""
        session = self.session
        if session.live:
            if self._statuses and session.verdict.status is Status.WAITING and not self._exit and not self._seen:
                return NEEDED
            return None
        if session.state is State.LOST:
            return LOST
        return KILLED if session.killed else EXITED


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
