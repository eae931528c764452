"""What is known of each agent, as data: TOML files of ours in ``agents``, and the user's own, which come before them.

::

    title = "Claude Code"              what people call it
    tested = "2.1.330"                 the versions that this was tested with
    version = ["claude", "--version"]  what prints the installed one
    record = "all"                     how much is remembered of it: all, screen or off
    stall = 300                        seconds of silence at work that are not normal, 0 for never

    [recognise]
    commands = ["claude"]              names of its commands
    packages = ["@anthropic-ai/claude-code"]  of what npx, uvx and their like run

    [conversation]                     how to open one again: see conversation.py

    [hooks]                            what to start it with, and what that tells: see hooks.py

    [published]                        the file in which it says what it does: see published.py

    [events]                           its stream of events: see streamed.py

    [log]                              what it writes down of what is said: see agentlog.py

    [prompt]                           where a prompt is typed, and how: see composer.py

    [answer]                           how its dialogs are answered: see answer.py

    [signs]                            what its title and screen say: see signs.py

    [limit]                            how it goes on after a usage limit: see limits.py

The file's name is the agent's.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass

from . import agentlog, answer, composer, conversation, hooks, limits, published, signs, streamed
from .config import LONGEST, RECORD, line_of, lower
from .errors import AgentmuxError
from .recognise import Marks, recognised
from .tables import Kind, check

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "agents")

KINDS = {
    "title": Kind.STRING,
    "tested": Kind.STRING,
    "version": Kind.WORDS,
    "record": Kind.STRING,
    "stall": Kind.NUMBER,
    "recognise": Kind.TABLE,
    "conversation": Kind.TABLE,
    "hooks": Kind.TABLE,
    "published": Kind.TABLE,
    "events": Kind.TABLE,
    "log": Kind.TABLE,
    "prompt": Kind.TABLE,
    "answer": Kind.TABLE,
    "signs": Kind.TABLE,
    "limit": Kind.TABLE,
}
RECOGNISE = {"commands": Kind.WORDS, "packages": Kind.WORDS}


class BadProfile(AgentmuxError):
    """A profile is not as it should be."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}", hint="see: man agentmux.conf, PROFILES")


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of one agent.

    Attributes:
        tested: the versions it was tested with, "" for none.
        version: the words of the command that prints the installed version, none where there is no such thing.
        record: how much is remembered of its sessions, "" for what the configuration says.
        stall: seconds of silence at work after which a session counts as stalled, 0 for never.
        path: the file that says so.
    """

    name: str
    title: str
    tested: str
    version: tuple[str, ...]
    record: str
    stall: float
    marks: Marks
    conversations: conversation.Conversations
    hooks: hooks.Hooks
    published: published.Published
    events: streamed.Streamed
    log: agentlog.Log
    composer: composer.Composer
    answer: answer.Ways
    signs: signs.Signs
    limit: limits.Resumption
    path: str


def parse(text: str, path: str, *, ours: bool = False) -> Profile:
    """Return the profile that a file's ``text`` gives. ``ours``: its patterns are known to be good.

    Raises:
        BadProfile: it is none; the first thing that is wrong is named with its line.
    """
    if len(text) > LONGEST:
        raise BadProfile(path, f"is longer than {LONGEST}")
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadProfile(path, lower(str(error))) from None

    def wrong(what: str, *key: str | int) -> BadProfile:
        return BadProfile(path, f"line {line_of(text, key)}: {what}")

    check(table, KINDS, wrong)
    recognise = table.get("recognise", {})
    check(recognise, RECOGNISE, wrong, "recognise")
    if table.get("record", "all") not in RECORD:
        raise wrong(f"'record' must be one of {', '.join(RECORD)}", "record")
    if not table.get("title"):
        raise BadProfile(path, "'title' is missing")
    if not recognise.get("commands"):
        raise BadProfile(path, "'recognise.commands' is missing: what is it started with?")
    return Profile(
        os.path.basename(path).removesuffix(".toml"),
        table["title"],
        table.get("tested", ""),
        tuple(table.get("version", ())),
        table.get("record", ""),
        float(table.get("stall", 0)),
        Marks(frozenset(recognise["commands"]), frozenset(recognise.get("packages", ()))),
        conversation.parsed(table.get("conversation", {}), wrong),
        hooks.parsed(table.get("hooks", {}), wrong),
        published.parsed(table.get("published", {}), wrong),
        streamed.parsed(table.get("events", {}), wrong),
        agentlog.parsed(table.get("log", {}), wrong),
        composer.parsed(table.get("prompt", {}), wrong),
        answer.parsed(table.get("answer", {}), wrong),
        signs.parsed(table.get("signs", {}), wrong, compiled=not ours),
        limits.parsed(table.get("limit", {}), wrong),
        path,
    )


def read(path: str) -> Profile:
    """Return the profile in a file.

    Raises:
        BadProfile: it can't be read, or is none.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return parse(file.read(LONGEST + 1), path, ours=os.path.dirname(path) == FOLDER)
    except OSError as error:
        raise BadProfile(path, (error.strerror or str(error)).lower()) from None
    except UnicodeDecodeError:
        raise BadProfile(path, "is not UTF-8") from None


class Profiles:
    """All profiles, read again when a file of the user's changed: a look at the folder for each question.

    Attributes:
        warnings: what is wrong with those of the user's files that are left out, one line each.
    """

    def __init__(self, own: str) -> None:
        """Ours, and the user's in the folder ``own``, which need not exist."""
        self._own = own
        self._seen: list[tuple[str, int]] | None = None
        self._profiles: dict[str, Profile] = {}
        self.warnings: list[str] = []

    def all(self) -> list[Profile]:
        """Return the profiles, the user's first."""
        found = _files(self._own)
        if found != self._seen:
            self._seen, self._profiles, self.warnings = found, {}, []
            for path, _ in (*found, *_files(FOLDER)):
                try:
                    profile = read(path)
                except BadProfile as error:
                    self.warnings.append(error.problem)
                    continue
                self._profiles.setdefault(profile.name, profile)
        return list(self._profiles.values())

    def of(self, argv: Sequence[str]) -> Profile | None:
        """Return the profile of the agent that a command line starts, None where it is none that is known."""
        name = recognised(argv, ((one.name, one.marks) for one in self.all()))
        return None if name is None else self._profiles[name]


def _files(folder: str) -> list[tuple[str, int]]:
    """Return path and time of each profile in a folder, by name."""
    try:
        with os.scandir(folder) as entries:
            return sorted((one.path, one.stat().st_mtime_ns) for one in entries if one.name.endswith(".toml"))
    except OSError:
        return []
