"""What an agent's stream of events tells of its messages, as the entries that other agents write into a log. Pure.

In a profile, in the table ``events``::

    [events.messages]
    message = "message.updated"   the kind of event that tells of a message, and in that the keys of:
    id = "info.id"                its name
    role = "info.role"            whose it is
    prompt = "user"               the role of who prompts
    reply = "assistant"           and of who replies
    at = "info.time.created"      when it was begun
    complete = "info.time.completed"   when it was complete; not there before
    part = "message.part.updated"      the kind that tells of a part of a message, and in that the keys of:
    of = "part.messageID"         that message
    number = "part.id"            the part's name
    text = "part.text"            all of its text so far
    when = { "part.type" = "text" }    keys in a part, and what must be there
    unless = { "info.summary" = true } keys in either, and what makes it something that nobody said

    [events.messages.usage]       what a message took, as in a log
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .agentlog import Entry, Says, Sums, seconds, summed, value_at
from .published import LONGEST_ID
from .tables import Kind, check

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .agentlog import Usage
    from .tables import Wrong

_KEYS = ("message", "id", "role", "prompt", "reply", "at", "complete", "part", "of", "number", "text")
KINDS = {
    **dict.fromkeys(_KEYS, Kind.STRING),
    **dict.fromkeys(("when", "unless", "usage"), Kind.TABLE),
}

MOST_OPEN = 64
"""Messages that are not complete, the newest: those of parts of a conversation are among them, and never told."""

MOST_PARTS = 256
"""Parts of a message: the model's texts between the tools that it calls in one answer."""

MOST_TEXT = 4 << 20
"""Characters of all messages that are not complete: a model's longest answer has some 500,000."""

MOST_TOLD = 256
"""Messages that are known to be told, the newest: agents tell of one again when it is complete."""


@dataclass(frozen=True, slots=True)
class Messages:
    """What a profile says of the messages in its agent's stream."""

    message: str
    id: str
    role: str
    prompt: str
    reply: str
    at: str
    complete: str
    part: str
    of: str
    number: str
    text: str
    when: Mapping[str, object] = field(default_factory=dict)
    unless: Mapping[str, object] = field(default_factory=dict)
    usage: Sums | None = None

    def nobodys(self, values: Mapping[str, object]) -> bool:
        """Whether an event is about something that nobody said."""
        return any(value_at(values, key) == value for key, value in self.unless.items())


@dataclass(slots=True)
class _Message:
    """One that is not told. It is complete at a time over 0."""

    conversation: str
    role: str = ""
    at: float = 0.0
    complete: float = 0.0
    said: bool = True
    usage: Usage | None = None
    parts: dict[str, str] = field(default_factory=dict)

    def size(self) -> int:
        return sum(map(len, self.parts.values()))


class Heard:
    """The messages of one stream. Each is told once: a prompt when there is text of it, a reply when it is complete."""

    __slots__ = ("_open", "_table", "_text", "_told")

    def __init__(self, table: Messages) -> None:
        self._table = table
        self._open: dict[str, _Message] = {}
        self._text = 0
        self._told: dict[str, None] = {}

    def take(self, kind: str, values: Mapping[str, object], conversation: str, since: float | None) -> list[Entry]:
        """Take an event; return what is told by it.

        Args:
            since: when that conversation of the agent with its user was begun: older messages are copies from one that
                was forked. None where it is not known to be such a one: what is said is held back until it is, for an
                agent may tell so after the first prompt.
        """
        table = self._table
        if kind == table.message:
            names = [self._message(values, conversation)]
        elif kind == table.part:
            names = [self._part(values, conversation)]
        elif since is not None and self._open:
            names = [name for name, one in self._open.items() if one.conversation == conversation]
        else:
            return []
        if since is None:
            return []
        return [entry for name in names if (entry := self._tell(name, since)) is not None]

    def _message(self, values: Mapping[str, object], conversation: str) -> str:
        table = self._table
        name = _name(values, table.id)
        message = self._opened(name, conversation)
        if message is not None:
            message.role = _name(values, table.role)
            message.at = seconds(value_at(values, table.at))
            message.complete = seconds(value_at(values, table.complete))
            message.said = not table.nobodys(values)
            message.usage = table.usage.of(values, name) if table.usage else None
        return name

    def _part(self, values: Mapping[str, object], conversation: str) -> str:
        table = self._table
        name, number, text = _name(values, table.of), _name(values, table.number), value_at(values, table.text)
        if not isinstance(text, str) or any(value_at(values, key) != value for key, value in table.when.items()):
            return ""
        if table.nobodys(values):
            return ""
        message = self._opened(name, conversation)
        if message is not None and number and (number in message.parts or len(message.parts) < MOST_PARTS):
            self._text += len(text) - len(message.parts.get(number, ""))
            message.parts[number] = text
            while self._text > MOST_TEXT:
                self._drop(next(iter(self._open)))
        return name

    def _opened(self, name: str, conversation: str) -> _Message | None:
        """Return a message that is not told, None for one that is, or has no name."""
        if not name or name in self._told:
            return None
        if name not in self._open:
            self._open[name] = _Message(conversation)
            if len(self._open) > MOST_OPEN:
                self._drop(next(iter(self._open)))
        return self._open[name]

    def _tell(self, name: str, since: float) -> Entry | None:
        message = self._open.get(name)
        if message is None:
            return None
        prompt = message.role == self._table.prompt
        if not prompt and not (message.role == self._table.reply and message.complete):
            return None
        text = "\n".join(text for text in message.parts.values() if text) if message.said else ""
        if prompt and not text:
            return None
        says = Says.PROMPT if prompt else Says.REPLY if text else Says.USAGE
        entry = Entry(says, text, name, message.at if prompt else message.complete, None if prompt else message.usage)
        self._drop(name)
        self._told[name] = None
        if len(self._told) > MOST_TOLD:
            del self._told[next(iter(self._told))]
        return entry if message.at >= since and (entry.text or entry.usage) else None

    def _drop(self, name: str) -> None:
        self._text -= self._open.pop(name).size()


def _name(values: object, key: str) -> str:
    found = value_at(values, key)
    return found if isinstance(found, str) and len(found) <= LONGEST_ID else ""


def parsed(table: Mapping[str, object], wrong_: Wrong) -> Messages:
    """Return what the table ``events.messages`` of a profile says.

    Raises:
        Exception: what ``wrong_`` made of what is wrong, and of the keys that lead to it.
    """

    def wrong(what: str, *key: str) -> Exception:
        return wrong_(what, "events", "messages", *key)

    check(table, KINDS, wrong, of=" of messages")
    if not all(table.get(key) for key in _KEYS):
        raise wrong(f"'events.messages' needs {', '.join(_KEYS[:-1])} and {_KEYS[-1]}")
    tables = (table.get(key, {}) for key in ("when", "unless", "usage"))
    when, unless, usage = (value if isinstance(value, dict) else {} for value in tables)
    keys = {key: str(table[key]) for key in _KEYS}
    sums = summed(usage, lambda what, *key: wrong(what, "usage", *key))
    return Messages(when=when, unless=unless, usage=sums, **keys)
