"""How the turn ends that a prompt has begun, and what was replied."""

from __future__ import annotations

import enum

from agentmux.store.messages import Role

from .lifecycle import State
from .verdict import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from agentmux.store.messages import Message, Messages

    from .courier import Courier
    from .memory import Memory
    from .session import Session

WRITES = 1.0
"""Seconds for which an agent that rests may still be writing its reply down."""


class End(enum.Enum):
    """How a turn ended."""

    DONE = "done"
    NEEDED = "needs a person"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    EXITED = "exited"
    KILLED = "killed"
    LOST = "lost"


class TurnEnd:
    """Watches one turn of a session, from when its prompt was taken.

    Args:
        after: the id of the newest message before the prompt: what comes later is the turn's.
    """

    def __init__(
        self,
        session: Session,
        courier: Courier,
        memory: Memory,
        messages: Messages,
        loop: AbstractEventLoop,
        *,
        after: int,
    ) -> None:
        self._session = session
        self._courier = courier
        self._memory = memory
        self._messages = messages
        self._loop = loop
        self._after = after
        self._interrupts = session.interrupts
        self._worked = False
        self._rested: float | None = None

    def look(self) -> tuple[End | None, float | None]:
        """Return how the turn has ended, None if it goes on, and then when to look again at the latest."""
        session = self._session
        if not session.live:
            self._memory.logs.read(session)
            over = {State.LOST: End.LOST}.get(session.state, End.KILLED if session.killed else End.EXITED)
            return over, None
        verdict, now = session.verdict, self._loop.time()
        if verdict.status is Status.WAITING:
            return (End.FAILED if verdict.about == "error" else End.NEEDED), None
        if verdict.status is not Status.IDLE:
            self._worked, self._rested = True, None
            return None, None
        if not self._worked and (left := self._courier.begins(session)):
            return None, now + left
        if session.look().status in (Status.WORKING, Status.WAITING):
            return None, None  # which will be its verdict in a moment
        self._rested = self._rested or now
        self._memory.logs.read(session)
        self._memory.turns.rested(session)
        if session.interrupts != self._interrupts:
            return End.INTERRUPTED, None
        if self.reply() is None and now < self._rested + WRITES:
            return None, min(now + WRITES / 8, self._rested + WRITES)
        return End.DONE, None

    def reply(self) -> Message | None:
        """Return the last that the agent has said in this turn, None for nothing so far."""
        last = self._messages.last(self._session.id, Role.AGENT)
        return last if last is not None and last.id > self._after else None
