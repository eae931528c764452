"""Stops what programs do, as a person would: with their agents' own keys, else with Ctrl-C."""

from __future__ import annotations

from typing import Protocol

from .verdict import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Sequence

    from .courier import Courier
    from .session import Session

BETWEEN_KEYS = 0.1
"""Seconds between two keys of ours."""

KEYS = 64
"""Bytes of a few keys, the most."""


class Owner(Protocol):
    """What is needed of the mux."""

    loop: AbstractEventLoop
    courier: Courier


class Interrupter:
    """Whoever interrupts the programs of one server."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    def interrupt(self, session: Session) -> bool:
        """Stop what the program does now. What is queued waits from then on.

        Returns False for an agent at rest: its keys then mean something else.

        Raises:
            NotRunning, InputFull.
        """
        profile = session.runs
        keys = profile.composer.interrupt if profile is not None else ()
        if keys and session.live and not self.works(session):
            return False
        session.check_room(KEYS)
        session.interrupts += 1
        self._owner.courier.interrupted(session)
        self.press(session, keys or ("C-c",))
        return True

    def works(self, session: Session) -> bool:
        """Whether a session may be at work, or asks something: it was not seen to rest since it took a prompt."""
        if not session.live:
            return False
        rests = session.verdict.status is Status.IDLE and session.look().status not in (Status.WORKING, Status.WAITING)
        return not rests or self._owner.courier.begins(session) > 0

    def press(self, session: Session, keys: Sequence[str]) -> None:
        """Press keys one after another: two that come together can be another one."""
        if session.master is not None:
            session.type_in(session.screen.keys(keys[:1]))
            if keys[1:]:
                self._owner.loop.call_later(BETWEEN_KEYS, self.press, session, keys[1:])
