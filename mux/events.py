"""What happened, for whoever follows: small records, bounded queues, slow readers told what they missed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

QUEUE = 1000
"""Events kept for one reader. An event says little; a reader that fell behind asks for the list again."""

FREQUENT = frozenset({"output-activity", "input", "missed"})
"""Kinds that come too often, or say too little, to run a command for each."""

KINDS = (
    "created",
    "started",
    "start-failed",
    "attached",
    "detached",
    "input",
    "output-activity",
    "bell",
    "title",
    "notification",
    "cwd",
    "branch",
    "progress",
    "clipboard",
    "command",
    "program-status",
    "status",
    "hook",
    "conversation",
    "message",
    "usage",
    "prompt",
    "queue",
    "answered",
    "notified",
    "unread",
    "limit-resume",
    "renamed",
    "labelled",
    "resized",
    "exited",
    "lost",
    "forgotten",
    "missed",
)
"""Every kind there is: agentmux(1) documents each."""


@dataclass(frozen=True, slots=True)
class Happened:
    """One event.

    Attributes:
        at: Unix seconds, UTC.
        kind: one of KINDS.
        session: id, 0 for the server itself.
        facts: what else there is to say, JSON values only.
    """

    at: float
    kind: str
    session: int
    name: str
    facts: Mapping[str, str | int | None] = field(default_factory=dict)

    def values(self) -> dict[str, str | int | float | None]:
        """Return it as JSON values."""
        return {"at": self.at, "event": self.kind, "session": self.session, "name": self.name, **self.facts}


class Subscription:
    """One reader's queue. ``wake`` is called when something was added to an empty one."""

    def __init__(self, wake: Callable[[], None], session: int | None) -> None:
        self._wake = wake
        self._session = session
        self._queue: deque[Happened] = deque()
        self._missed = 0

    def put(self, event: Happened) -> None:
        """Queue ``event``, or count it as missed when the reader is too slow."""
        if self._session not in (None, event.session):
            return
        if len(self._queue) >= QUEUE:
            self._missed += 1
            return
        if self._missed:
            self._queue.append(Happened(event.at, "missed", 0, "", {"count": self._missed}))
            self._missed = 0
        self._queue.append(event)
        self._wake()

    @property
    def empty(self) -> bool:
        """Whether nothing is queued."""
        return not self._queue

    def take(self) -> list[Happened]:
        """Return what is queued, oldest first."""
        taken = list(self._queue)
        self._queue.clear()
        return taken


class Bus:
    """Everyone who follows."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []

    @property
    def followed(self) -> bool:
        """Whether anybody listens: what is only told is not computed otherwise."""
        return bool(self._subscriptions)

    def subscribe(self, wake: Callable[[], None], session: int | None = None) -> Subscription:
        """Return a new queue for the events of ``session`` (None: all)."""
        subscription = Subscription(wake, session)
        self._subscriptions.append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """End it."""
        self._subscriptions.remove(subscription)

    def publish(self, event: Happened) -> None:
        """Tell everyone."""
        for subscription in self._subscriptions:
            subscription.put(event)
