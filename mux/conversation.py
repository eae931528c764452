"""How an agent's conversation is named, opened again and forked: command lines, as its profile says. Pure.

In a profile::

    [conversation]
    start = ["--session-id", "{new}"]   words that are added at its start; {new} is an id that is made
    resume = ["--resume", "{id}"]       words that open a conversation again
    fork = ["--resume", "{id}", "--fork-session", "--session-id", "{new}"]
    chosen = ["--resume", "-r"]         words by which a person chooses one: nothing is added then
    prompts = ["-i"]                    options whose value is the first prompt
    flags = ["--verbose"]               options that take no value; all others take the next word
    commands = ["mcp"]                  first words that make it something else than a conversation
    id = 'ses_[0-9A-Za-z]+'             what an id looks like, a UUID unless it is said
    file = 'rollout-[^/]*-({id})\\.jsonl$'   the name of a file that it has open
    shown = 'codex resume ({id})'       what it prints at its end
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .tables import BAD_PATTERN, Kind, check, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .tables import Wrong

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
KINDS = {
    **dict.fromkeys(("start", "resume", "fork", "chosen", "prompts", "flags", "commands"), Kind.WORDS),
    **dict.fromkeys(("id", "file", "shown"), Kind.PATTERN),
}


@dataclass(frozen=True, slots=True)
class Conversations:
    """What a profile says of its agent's conversations."""

    start: tuple[str, ...] = ()
    resume: tuple[str, ...] = ()
    fork: tuple[str, ...] = ()
    chosen: frozenset[str] = frozenset()
    prompts: frozenset[str] = frozenset()
    flags: frozenset[str] = frozenset()
    commands: frozenset[str] = frozenset()
    id: str = UUID
    file: str = ""
    shown: str = ""

    def started(self, words: Sequence[str], new: str) -> tuple[list[str], str | None]:
        """Return the words behind the program for a start, and the id of the conversation if that is known."""
        options, rest = self._parted(words)
        if self.other(words):
            return list(words), None
        chosen = [(name, value) for name, value in options if name in self.chosen]
        chosen += [(word, after) for word, after in zip(rest, [*rest[1:], ""], strict=False) if word in self.chosen]
        if chosen:
            ids = [value for _, value in chosen if self.names(value)]
            return list(words), ids[-1] if len(chosen) == 1 and ids else None
        if not self.start:
            return list(words), None
        return [*words, *_filled(self.start, new=new)], new

    def other(self, words: Sequence[str]) -> bool:
        """Whether the words make it something else than a conversation."""
        rest = self._parted(words)[1]
        return bool(rest) and rest[0] in self.commands

    def resumed(self, words: Sequence[str], conversation: str) -> list[str]:
        """Return the words behind the program that open a conversation again: the options, without the first prompt."""
        return [*self._kept(words), *_filled(self.resume, id=conversation)]

    def forked(self, words: Sequence[str], conversation: str, new: str) -> tuple[list[str], str | None]:
        """Return the words that begin another conversation from one, and its id if that is known."""
        named = new if any("{new}" in word for word in self.fork) else None
        return [*self._kept(words), *_filled(self.fork, id=conversation, new=new)], named

    def names(self, text: str) -> bool:
        """Whether ``text`` can be the id of a conversation."""
        return re.fullmatch(self.id, text) is not None

    def in_file(self, path: str) -> str | None:
        """Return the conversation that a file of the agent's belongs to."""
        return self._found(self.file, path)

    def on_screen(self, rows: Sequence[str]) -> str | None:
        """Return the conversation that the agent names at its end."""
        return self._found(self.shown, "\n".join(rows))

    def _found(self, pattern: str, text: str) -> str | None:
        if not pattern:
            return None
        found = re.findall(pattern.replace("{id}", self.id), text, re.MULTILINE)
        return str(found[-1]) if found else None

    def _kept(self, words: Sequence[str]) -> list[str]:
        kept: list[str] = []
        for name, value in self._parted(words)[0]:
            if name not in self.chosen | self.prompts:
                kept += [name, value] if value else [name]
        return kept

    def _parted(self, words: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
        """Return options with their values ("" for none), and the other words."""
        options: list[tuple[str, str]] = []
        rest: list[str] = []
        at = 0
        while at < len(words):
            word = words[at]
            at += 1
            if word == "--":
                rest += words[at:]
                break
            if not word.startswith("-") or word == "-":
                rest.append(word)
                continue
            name, equals, value = word.partition("=")
            if equals and name in self.chosen | self.prompts:
                options.append((name, value))
            elif equals or word in self.flags or at == len(words) or words[at].startswith("-"):
                options.append((word, ""))
            else:
                options.append((word, words[at]))
                at += 1
        return options, rest


def _filled(words: Sequence[str], **values: str) -> list[str]:
    return [re.sub(r"\{(id|new)\}", lambda match: values[match[1]], word) for word in words]


def parsed(table: Mapping[str, object], wrong: Wrong) -> Conversations:
    """Return what the table ``conversation`` of a profile says.

    Raises:
        Exception: what ``wrong`` made of what is wrong, and of the keys that lead to it.
    """
    check(table, KINDS, wrong, "conversation")
    strings = {key: str(table[key]) for key in ("id", "file", "shown") if key in table}
    for key, pattern in strings.items():
        try:
            groups = re.compile(pattern.replace("{id}", strings.get("id", UUID))).groups
        except BAD_PATTERN as error:
            raise wrong(f"'conversation.{key}' is no regular expression: {error}", "conversation", key) from None
        if key != "id" and groups != 1:
            raise wrong(f"'conversation.{key}' needs one group: the id", "conversation", key)
    return Conversations(
        start=words(table, "start"),
        resume=words(table, "resume"),
        fork=words(table, "fork"),
        chosen=frozenset(words(table, "chosen")),
        prompts=frozenset(words(table, "prompts")),
        flags=frozenset(words(table, "flags")),
        commands=frozenset(words(table, "commands")),
        **strings,
    )
