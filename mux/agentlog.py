"""What an agent writes down of its own conversation: lines of JSON in a file, read as its profile says. Pure.

In a profile::

    [log]
    files = ["$CLAUDE_CONFIG_DIR/projects/*/{id}.jsonl", "$HOME/.claude/projects/*/{id}.jsonl"]
                                 where it is, below a variable of the agent's environment; {id} is the conversation,
                                 {id:8} the first characters of that, * is anything; the first that there is counts

    [[log.entries]]              the first that fits a line says what it is
    says = "prompt"              prompt, reply, answer for what was chosen in a dialog, or usage for none of these
    when = { type = "user" }     keys, dotted where they lie deeper, 0 for the first of a list, and what must be there
    unless = { isMeta = true }   and what must not
    text = "message.content"     a string, parts that have a ``text``, or keys with such, of an answer
    ignore = '^<command-'        texts that nobody said
    unwrap = '<paste>(.*)</paste>'   what the agent puts around what was said: only the group is
    id = "uuid"
    at = "timestamp"             ISO 8601, or Unix seconds or milliseconds

    [log.entries.usage]          what it cost; numbers, several keys are added up
    id = "message.id"            lines with the same one tell of the same answer: the last counts
    input = ["message.usage.input_tokens", "message.usage.cache_read_input_tokens"]
    cached = ["message.usage.cache_read_input_tokens"]   what of that was read from a cache
    output = ["message.usage.output_tokens"]
    cost = ["cost.total"]        US dollars, where the agent says so
"""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass, field
from datetime import datetime

from .tables import BAD_PATTERN, Kind, check, quoted, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .tables import Wrong

KINDS = {"files": Kind.WORDS, "entries": Kind.TABLES}
ENTRY_KINDS = {
    **dict.fromkeys(("says", "text", "id", "at"), Kind.STRING),
    **dict.fromkeys(("when", "unless", "usage"), Kind.TABLE),
    **dict.fromkeys(("ignore", "unwrap"), Kind.PATTERN),
}
USAGE_KINDS = {"id": Kind.STRING, **dict.fromkeys(("input", "cached", "output", "cost"), Kind.WORDS)}

LONGEST = 16 << 20
"""Characters of a line that is looked at: agents write whole requests down, and pictures."""

MOST = 1 << 53
"""Of what is counted: above it a number is none."""

MILLISECONDS = 1e11
"""A number above that is no time in Unix seconds before the year 5000."""

LAST = 253402300799
"""Unix seconds of the end of the year 9999: no clock shows what comes after that."""


class Says(enum.Enum):
    """What an entry is."""

    PROMPT = "prompt"
    REPLY = "reply"
    ANSWER = "answer"
    USAGE = "usage"


@dataclass(frozen=True, slots=True)
class Usage:
    """What one answer of a model took. ``input`` has ``cached`` in it; ``cost`` is in US dollars, None for not told."""

    id: str
    input: int
    cached: int
    output: int
    cost: float | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that says something.

    Attributes:
        id: the agent's name for it, "" for none.
        at: Unix seconds, 0.0 where it has no time.
    """

    says: Says
    text: str
    id: str
    at: float
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Sums:
    """Where it stands what an answer took."""

    id: str
    input: tuple[str, ...]
    cached: tuple[str, ...]
    output: tuple[str, ...]
    cost: tuple[str, ...]

    def of(self, line: Mapping[str, object], id: str) -> Usage | None:
        """Return what ``line`` tells of it, None for nothing. ``id``: its name, where the line has none."""
        counts = [int(_sum(line, keys)) for keys in (self.input, self.cached, self.output)]
        cost = _sum(line, self.cost) if self.cost else None
        name = _string(value_at(line, self.id)) if self.id else id
        return Usage(name, counts[0], counts[1], counts[2], cost) if name and (any(counts) or cost) else None


@dataclass(frozen=True, slots=True)
class _Shape:
    """How one kind of line is recognised, and what it holds."""

    says: Says
    when: Mapping[str, object]
    unless: Mapping[str, object]
    text: str
    ignore: str
    unwrap: str
    id: str
    at: str
    usage: Sums | None

    def read(self, line: Mapping[str, object]) -> Entry | None:
        if any(value_at(line, key) != value for key, value in self.when.items()):
            return None
        if any(value_at(line, key) == value for key, value in self.unless.items()):
            return None
        id = _string(value_at(line, self.id))
        usage = self.usage.of(line, id) if self.usage else None
        found = value_at(line, self.text) if self.text else ""
        if self.says is Says.ANSWER and isinstance(found, dict):
            found = list(found.values())
        text = _text(found)
        if self.unwrap:
            text = re.sub(self.unwrap, lambda match: match[1] or "", text, flags=re.DOTALL)
        if self.says is not Says.USAGE and (not text or (self.ignore and re.search(self.ignore, text))):
            return Entry(Says.USAGE, "", id, seconds(value_at(line, self.at)), usage) if usage else None
        return Entry(self.says, text, id, seconds(value_at(line, self.at)), usage)


@dataclass(frozen=True, slots=True)
class Log:
    """What a profile says of its agent's log."""

    files: tuple[str, ...] = ()
    shapes: tuple[_Shape, ...] = field(default=())

    @property
    def answers(self) -> bool:
        """Whether the agent writes down what was answered to its questions."""
        return any(shape.says is Says.ANSWER for shape in self.shapes)

    def paths(self, environment: Mapping[str, str], conversation: str) -> Iterator[str]:
        """Yield where the log may be, the best first, as patterns for ``glob``."""
        for file in self.files:
            name, slash, rest = file.removeprefix("$").partition("/")
            folder = environment.get(name, "")
            if folder.startswith("/"):
                named = re.sub(r"\{id(?::([0-9]{1,3}))?\}", lambda m: _literal(conversation[: int(m[1] or 1000)]), rest)
                yield _literal(folder) + slash + named

    def entry(self, line: str | bytes) -> Entry | None:
        """Return what a line says, None for nothing that matters."""
        if not line or len(line) > LONGEST:
            return None
        try:
            values: object = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(values, dict):
            return None
        return next((found for shape in self.shapes if (found := shape.read(values))), None)


def _literal(text: str) -> str:
    """Return a pattern for ``glob`` that only ``text`` matches."""
    return re.sub(r"([*?[])", r"[\1]", text)


def value_at(values: object, path: str) -> object:
    """Return what lies at a dotted path, in a list by its number; None for nothing."""
    for key in path.split("."):
        if isinstance(values, list) and key.isdecimal():
            values = values[int(key)] if int(key) < len(values) else None
            continue
        if not isinstance(values, dict):
            return None
        values = values.get(key)
    return values


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _sum(values: object, paths: tuple[str, ...]) -> float:
    found = [value_at(values, path) for path in paths]
    counts = [value for value in found if isinstance(value, int | float) and not isinstance(value, bool)]
    return min(sum(count for count in counts if 0 <= count <= MOST), MOST)


def _text(value: object) -> str:
    """Return the text of a message: a string, or all its parts that are text."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    parts = [one if isinstance(one, str) else _part(one) for one in value]
    return "\n".join(part for part in parts if part)


def _part(value: object) -> str:
    if not isinstance(value, dict) or not str(value.get("type", "text")).lower().endswith("text"):
        return ""
    return _string(value.get("text"))


def seconds(value: object) -> float:
    """Return a time in Unix seconds, 0.0 for what is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 <= value <= LAST * 1000:  # an integer may be too large for a float
            return 0.0
        return value / 1000 if value > MILLISECONDS else float(value)
    try:
        return max(datetime.fromisoformat(_string(value)).timestamp(), 0.0)
    except (ValueError, OverflowError):
        return 0.0


def parsed(table: Mapping[str, object], wrong: Wrong) -> Log:
    """Return what the table ``log`` of a profile says.

    Raises:
        Exception: what ``wrong`` made of what is wrong, and of the keys that lead to it.
    """
    check(table, KINDS, wrong, "log")
    entries = table.get("entries", [])
    assert isinstance(entries, list)
    shapes = [_shape(entry, at, wrong) for at, entry in enumerate(entries)]
    for file in words(table, "files"):
        if not re.fullmatch(r"\$\w+/.*\{id(?::\d+)?\}.*", file):
            raise wrong("'log.files' needs paths as '$NAME/...{id}...'", "log", "files")
    if shapes and not table.get("files"):
        raise wrong("'log.entries' without 'log.files'", "log")
    return Log(words(table, "files"), tuple(shapes))


def _shape(table: Mapping[str, object], at: int, wrong_: Wrong) -> _Shape:
    def wrong(what: str, *key: str) -> Exception:
        return wrong_(what, "log", "entries", at, *key)

    check(table, ENTRY_KINDS, wrong, of=" of an entry")
    says = table.get("says")
    if says not in {one.value for one in Says}:
        raise wrong(f"'says' must be one of {', '.join(one.value for one in Says)}", *(["says"] if says else []))
    tables = {key: table.get(key, {}) for key in ("when", "unless", "usage")}
    when, unless, usage = (value if isinstance(value, dict) else {} for value in tables.values())
    if not when:
        raise wrong("an entry needs 'when'")
    if (says != Says.USAGE.value) != ("text" in table):
        raise wrong("an entry that is a prompt, a reply or an answer needs 'text', and no other")
    for key in ("ignore", "unwrap"):
        try:
            groups = re.compile(str(table.get(key, ""))).groups
        except BAD_PATTERN as error:
            raise wrong(f"{quoted(table[key])} is no regular expression: {error}", key) from None
        if key == "unwrap" and key in table and groups != 1:
            raise wrong("'unwrap' needs one group: what was said", key)
    text, ignore, unwrap, id, time = (str(table.get(key, "")) for key in ("text", "ignore", "unwrap", "id", "at"))
    return _Shape(Says(says), when, unless, text, ignore, unwrap, id, time, summed(usage, wrong))


def summed(table: Mapping[str, object], wrong: Wrong) -> Sums | None:
    """Return what a table ``usage`` says, None for an empty one.

    Raises:
        Exception: what ``wrong`` made of what is wrong, and of the keys that lead to it.
    """
    check(table, USAGE_KINDS, wrong, of=" of usage")
    lists = (words(table, key) for key in ("input", "cached", "output", "cost"))
    return Sums(str(table.get("id", "")), *lists) if table else None
