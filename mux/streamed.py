"""What an agent's stream of events says: words for its command line, readings and conversations from its events. Pure.

The agent serves it by HTTP on loopback, as server-sent events whose data are JSON objects. In a profile::

    [events]
    words = ["--port", "{port}"]       words that are added at its start; {port} is one that is free
    unless = ["--port"]                words with which nothing is added
    path = "/event"                    where the stream is
    user = "OPENCODE_SERVER_USERNAME"  the variables of its environment that hold who may read it
    password = "OPENCODE_SERVER_PASSWORD"
    type = "type"                      the keys of: what kind of event it is
    values = "properties"              what it tells
    conversation = "sessionID"         and in that the keys of: the conversation
    parent = "info.parentID"           that which it is a part of
    since = "info.time.created"        when it was begun: older messages in it are copies
    asked = "id"                       what is asked
    answered = "requestID"             what is answered
    texts = ["questions.0.question"]   what it asks, the best first

    [events.kinds]                     what follows from a kind of event, or from one with a value
    "session.created" = "conversation"       there is this one
    "session.status status.type=busy" = "working"
    "session.status status.type=idle" = "idle"
    "permission.asked" = "waiting approval"  it asks, also for a part of the conversation
    "permission.replied" = "answered"

What it tells of its messages, the table ``events.messages``, is streamlog.py's matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from . import streamlog
from .agentlog import seconds, value_at
from .hooks import TEXT, check_says
from .notes import clean
from .published import LONGEST_ID
from .tables import Kind, check, words
from .verdict import SAYS, Reading, Source, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .tables import Wrong

_KEYS = ("path", "user", "password", "type", "values", "conversation", "parent", "since", "asked", "answered")
KINDS = {
    **dict.fromkeys(("words", "unless", "texts"), Kind.WORDS),
    **dict.fromkeys(_KEYS, Kind.STRING),
    **dict.fromkeys(("kinds", "messages"), Kind.TABLE),
}

CONVERSATION, ANSWERED = "conversation", "answered"

MOST_ASKED = 32
"""Questions that are open at once; the oldest are forgotten, and seen on the screen."""

MOST_KNOWN = 256
"""Conversations that are known not to be parts of others, the newest."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """What a profile says of its agent's stream of events."""

    words: tuple[str, ...] = ()
    unless: frozenset[str] = frozenset()
    path: str = ""
    user: str = ""
    password: str = ""
    type: str = ""
    values: str = ""
    conversation: str = ""
    parent: str = ""
    since: str = ""
    asked: str = ""
    answered: str = ""
    texts: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    messages: streamlog.Messages | None = None

    def injected(self, words: Sequence[str], port: int) -> list[str]:
        """Return what to add to an agent's ``words`` so that it serves its events at ``port``."""
        if any(word.partition("=")[0] in self.unless for word in words):
            return []
        return [word.replace("{port}", str(port)) for word in self.words]

    def port(self, argv: Sequence[str]) -> int | None:
        """Return the port that such words in a command line name, None where they are not there."""
        places = [at for at, word in enumerate(self.words) if word == "{port}"]
        for at in range(len(argv) - len(self.words) + 1 if places else 0):
            found = argv[at : at + len(self.words)]
            port = found[places[0]]
            if port.isascii() and port.isdecimal() and list(found) == self.injected((), int(port)):
                return int(port)
        return None

    def follows(self, kind: str, values: Mapping[str, object]) -> str:
        """Return what follows from an event, "" for nothing."""
        for name, follows in self.kinds.items():
            wanted, _, condition = name.partition(" ")
            key, _, value = condition.partition("=")
            if wanted == kind and (not condition or _text(values, key) == value):
                return follows
        return ""


class Followed:
    """What the events so far say.

    Attributes:
        reading: None for nothing.
        conversation: the one that the agent has open, "" if that is not known.
    """

    __slots__ = ("_asked", "_does", "_known", "_streamed", "conversation", "reading")

    def __init__(self, streamed: Streamed, conversation: str) -> None:
        self._streamed = streamed
        self._known = {conversation: 0.0} if conversation else {}
        self._does: Reading | None = None
        self._asked: dict[str, Reading] = {}
        self.conversation = conversation
        self.reading: Reading | None = None

    def speaker(self, values: Mapping[str, object]) -> tuple[str, float | None]:
        """Return the conversation that an event tells of, and since when there is that: None if that is not known, and
        for a part of another one."""
        conversation = _text(values, self._streamed.conversation)[:LONGEST_ID]
        return conversation, self._known.get(conversation)

    def take(self, kind: str, values: Mapping[str, object], at: float) -> bool:
        """Take an event; return whether it changed anything."""
        table = self._streamed
        says, _, about = table.follows(kind, values).partition(" ")
        if not says:
            return False
        conversation, _ = self.speaker(values)
        before = self.reading, self.conversation
        if says == CONVERSATION:
            since = seconds(value_at(values, table.since)) if table.since else 0.0
            self._learn(conversation, _text(values, table.parent), since)
        elif says == ANSWERED:
            self._answered(_text(values, table.answered), at)
        elif SAYS[says] is Status.WAITING:
            text = next((clean(text, TEXT) for key in table.texts if (text := _text(values, key))), "")
            self._asked[_text(values, table.asked)] = Reading(
                Source.STREAM, Status.WAITING, f"event {kind}", at, about, text
            )
            if len(self._asked) > MOST_ASKED:
                del self._asked[next(iter(self._asked))]
        elif self._is_of(conversation, SAYS[says]):
            self._do(Reading(Source.STREAM, SAYS[says], f"event {kind}", at))
        self.reading = next(iter(self._asked.values()), self._does)
        return (self.reading, self.conversation) != before

    def _learn(self, conversation: str, parent: str, since: float) -> None:
        """Know a conversation, unless it is a part of another one: it does not speak for the agent."""
        if conversation and not parent:
            self._known[conversation] = max(self._known.pop(conversation, 0.0), since)
            if len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]
            if not self.conversation:
                self.conversation = conversation

    def _answered(self, asked: str, at: float) -> None:
        self._asked.pop(asked, None)
        if not self._asked and self._does is not None:
            self._does = replace(self._does, at=at)

    def _is_of(self, conversation: str, says: Status) -> bool:
        """Whether what a conversation does is what the agent does: another one begins where this one rests."""
        if conversation == self.conversation:
            return bool(conversation)
        working = self._does is not None and self._does.says is Status.WORKING
        if conversation not in self._known or says is not Status.WORKING or working:
            return False
        self.conversation = conversation
        return True

    def _do(self, reading: Reading) -> None:
        if reading.says is Status.IDLE:
            self._asked.clear()  # whoever rests asks nothing any more, also where no answer was told
        if self._does is None or (self._does.says, self._does.rule) != (reading.says, reading.rule):
            self._does = reading


def _text(values: object, key: str) -> str:
    """Return the text at a key, or at keys in one another, "" for none."""
    for part in key.split("."):
        if isinstance(values, dict):
            values = values.get(part)
        elif isinstance(values, list) and part.isascii() and part.isdecimal() and int(part) < len(values):
            values = values[int(part)]
        else:
            return ""
    return values if isinstance(values, str) else ""


def parsed(table: Mapping[str, object], wrong: Wrong) -> Streamed:
    """Return what the table ``events`` of a profile says.

    Raises:
        Exception: what ``wrong`` made of what is wrong, and of the keys that lead to it.
    """
    check(table, KINDS, wrong, "events")
    if table and not all(table.get(key) for key in ("words", "path", "user", "password", "type", "values")):
        raise wrong("'events' needs words, path, user, password, type and values", "events")
    if table and words(table, "words").count("{port}") != 1:
        raise wrong("'events.words' needs one word '{port}'", "events", "words")
    kinds = table.get("kinds")
    kinds = kinds if isinstance(kinds, dict) else {}
    check_says(kinds, wrong, "events", "kinds", also=(ANSWERED, CONVERSATION))
    keys = {key: str(table.get(key, "")) for key in _KEYS}
    added, unless, texts = (words(table, key) for key in ("words", "unless", "texts"))
    messages = table.get("messages")
    told = streamlog.parsed(messages, wrong) if isinstance(messages, dict) else None
    return Streamed(added, frozenset(unless), texts=texts, kinds=kinds, messages=told, **keys)
