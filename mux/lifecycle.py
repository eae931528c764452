"""The life of a session as a table: which event leads from which state to which.

Everything that changes a session's state goes through :func:`next_state`, so
that an impossible order of events is an error at once and not a wrong word in
a list later. The end has an order of its own: the keeper reports the exit
first, then the pane's last output is read, and only then the session is
``exited``. The other way round, "exited" appears before the last words.
"""

from __future__ import annotations

import enum


class State(enum.Enum):
    """Where a session is in its life. The values are what users see, but for DRAINING."""

    STARTING = "starting"  # its manifest is written, the keeper was asked, exec not yet confirmed
    RUNNING = "running"
    DRAINING = "draining"  # exit status known, output may still be unread
    EXITED = "exited"  # output drained, status known (or known to be unknowable)
    LOST = "lost"  # it ran when keeper and server both died, or the machine did

    @property
    def live(self) -> bool:
        """Whether there may be a process."""
        return self in (State.STARTING, State.RUNNING, State.DRAINING)

    @property
    def shown(self) -> str:
        """The word in lists: a draining session still runs, as far as anyone can see."""
        return "running" if self is State.DRAINING else self.value


class Event(enum.Enum):
    """What can happen to a session."""

    EXEC_OK = "exec confirmed"
    EXEC_FAILED = "exec failed"
    EXITED = "exit reported"
    DRAINED = "output drained"
    VANISHED = "process unknown to the keeper"
    RESTARTED = "restart asked for"


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.STARTING, Event.EXEC_OK): State.RUNNING,
    (State.STARTING, Event.EXEC_FAILED): State.EXITED,
    (State.STARTING, Event.VANISHED): State.LOST,
    (State.RUNNING, Event.EXITED): State.DRAINING,
    (State.RUNNING, Event.VANISHED): State.LOST,
    (State.DRAINING, Event.DRAINED): State.EXITED,
    (State.EXITED, Event.RESTARTED): State.STARTING,
    (State.LOST, Event.RESTARTED): State.STARTING,
}


def next_state(state: State, event: Event) -> State:
    """Return the state after ``event``.

    Raises:
        AssertionError: the pair can't happen. Not an AgentmuxError: no user
            can act on it, and hiding it would only move the symptom.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise AssertionError(f"{event.value!r} while {state.value}") from None
