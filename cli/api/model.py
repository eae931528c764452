"""What a server tells, as values: frozen, and lenient towards servers that are newer or older. Pure.

A key that has no field here is in ``facts``, with all others; a field whose key did not come has its default; a word
that is not known here is ``OTHER``. Times are Unix seconds.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

Facts = Mapping[str, Any]
"""JSON values by their keys, as ``--json`` prints them."""


class _Word(enum.StrEnum):
    """One of several words; what a newer server says besides is ``OTHER``."""

    @classmethod
    def _missing_(cls, value: object) -> _Word | None:
        return None if value == "other" else cls("other")


class State(_Word):
    """Where a session is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    EXITED = "exited"
    LOST = "lost"
    OTHER = "other"


class Status(_Word):
    """What a session does."""

    STARTING = "starting"
    WORKING = "working"
    WAITING = "waiting"  # a person must answer
    IDLE = "idle"
    STALLED = "stalled"
    UNKNOWN = "unknown"
    EXITED = "exited"
    LOST = "lost"
    OTHER = "other"


class Delivery(_Word):
    """What became of a prompt, and of its turn if that was waited for."""

    QUEUED = "queued"
    TYPING = "typing"
    TYPED = "typed"  # into a program of which nothing more can be known
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    DROPPED = "dropped"
    DONE = "done"
    NEEDED = "needs a person"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    EXITED = "exited"
    KILLED = "killed"
    LOST = "lost"
    TIMEOUT = "timeout"
    OTHER = "other"


class Outcome(enum.Enum):
    """How a wait ended. The values are exit statuses."""

    REACHED = 0
    LOST = 4
    EXITED = 6
    KILLED = 7
    NEEDED = 8


class Role(_Word):
    """Who said it."""

    USER = "user"
    AGENT = "agent"
    SYSTEM = "system"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Info:
    """A session at one moment. The fields are those of agentmux(1), FORMATS.

    Attributes:
        facts: all that the server said, also what has no field here.
    """

    id: int
    name: str = ""
    state: State = State.OTHER
    status: Status = Status.UNKNOWN
    since: float = 0.0
    about: str | None = None
    asks: str | None = None
    options: tuple[str, ...] = ()
    resets: float | None = None
    resumes: float | None = None
    exit_status: int | None = None
    command: str = ""
    argv: tuple[str, ...] = ()
    cwd: str = ""
    env_names: tuple[str, ...] = ()
    size: tuple[int, int] = (0, 0)
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    pid: int | None = None
    attached: int = 0
    age: int = 0
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    starts: int = 0
    record: str = ""
    title: str | None = None
    branch: str | None = None
    unread: bool = False
    said: str | None = None
    queued: int = 0
    paused: bool = False
    agent: str | None = None
    conversation: str | None = None
    parent: int | None = None
    tokens_in: int = 0
    tokens_cached: int = 0
    tokens_out: int = 0
    cost: float | None = None
    facts: Facts = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one prompt.

    Attributes:
        prompt: its number in the queue; None where the program takes none that way.
        why: what it waits for, why it was refused, what was seen.
        proof: what shows that it was accepted.
        reply: what the agent said; None where it was not waited for.
    """

    session: int
    prompt: int | None = None
    state: Delivery = Delivery.OTHER
    why: str | None = None
    proof: str | None = None
    reply: str | None = None
    facts: Facts = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt in a session's queue.

    Attributes:
        when: ``now`` or ``idle``.
        not_before: None for any time.
        after: id of the session that must be done first.
        text: None if what held it is damaged.
    """

    id: int
    at: float = 0.0
    state: Delivery = Delivery.OTHER
    why: str | None = None
    proof: str | None = None
    when: str = "idle"
    not_before: float | None = None
    after: int | None = None
    typed: float | None = None
    ended: float | None = None
    text: str | None = None
    facts: Facts = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Queue:
    """The prompts that wait for a session, the next first."""

    session: int
    paused: bool = False
    prompts: tuple[Prompt, ...] = ()
    facts: Facts = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: a prompt or a reply.

    Attributes:
        source: how it is known: ``send``, ``hook``, ``transcript`` or ``screen``.
        text: None if what held it is damaged.
    """

    id: int
    session: int = 0
    role: Role = Role.OTHER
    at: float = 0.0
    source: str = ""
    proof: Facts = field(default_factory=dict, hash=False)
    text: str | None = None
    facts: Facts = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        kind: one of agentmux(1), EVENTS, or of a newer server's.
        session: id, 0 for the server itself.
        facts: all that the server said, what only this kind has as well.
    """

    kind: str
    at: float = 0.0
    session: int = 0
    name: str = ""
    facts: Facts = field(default_factory=dict, repr=False, compare=False)


D = TypeVar("D", Info, Receipt, Prompt, Queue, Message, Event)


def _made(kind: type[D], facts: Facts, **make: Callable[[Any], object]) -> D:
    values: dict[str, Any] = {"facts": facts}
    for one in fields(kind):
        value = facts.get(one.name)
        if value is not None:
            values[one.name] = make[one.name](value) if one.name in make else value
    return kind(**values)


def info(facts: Facts) -> Info:
    """Return what ``info`` and ``ls`` say of a session."""
    return _made(Info, facts, state=State, status=Status, options=tuple, argv=tuple, env_names=tuple, size=tuple)


def receipt(facts: Facts) -> Receipt:
    """Return what ``send`` says of a prompt."""
    return _made(Receipt, facts, state=Delivery)


def queue(facts: Facts) -> Queue:
    """Return what ``queue`` says."""
    return _made(Queue, facts, prompts=lambda listed: tuple(_made(Prompt, one, state=Delivery) for one in listed))


def message(facts: Facts) -> Message:
    """Return one of the turns that ``messages`` lists."""
    return _made(Message, facts, role=Role)


def event(facts: Facts) -> Event:
    """Return a line of ``events``."""
    return replace(_made(Event, {**facts, "kind": facts["event"]}), facts=facts)
