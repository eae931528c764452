"""Hooks that an agent is started with, and what they tell: words for its command line, readings from its events. Pure.

In a profile::

    [hooks]
    words = ["--settings", '{"hooks": {hooks}}']   words that are added at its start; {hooks} is JSON: for each event
                                       the command to run, in the form that Claude Code, Codex and Gemini CLI share
    unless = ["--settings"]            words with which nothing is added
    conversation = "session_id"        the key of what they tell that names the conversation

    [hooks.events]                     what follows from each: a state, for waiting with what for, or nothing
    UserPromptSubmit = "working"
    PermissionRequest = "waiting approval"
    SessionStart = ""
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field

from .notes import clean
from .tables import Kind, check, quoted, words
from .verdict import ABOUT, SAYS, Reading, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .tables import Wrong

KINDS = {"words": Kind.WORDS, "unless": Kind.WORDS, "conversation": Kind.STRING, "events": Kind.TABLE}
TEXT = 300
"""Characters that are kept of what a hook says an agent asks."""

TEXTS = ("message", "tool_name")
"""Keys of what hooks tell that say what it is about, the best first."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a profile says of its agent's hooks."""

    words: tuple[str, ...] = ()
    unless: frozenset[str] = frozenset()
    conversation: str = ""
    events: Mapping[str, str] = field(default_factory=dict)

    def injected(self, words: Sequence[str], command: Sequence[str]) -> list[str]:
        """Return what to add to an agent's ``words`` so that its hooks run ``command EVENT``."""
        if not self.words or any(word.partition("=")[0] in self.unless for word in words):
            return []
        hooks = {
            event: [{"hooks": [{"type": "command", "command": shlex.join([*command, event])}]}] for event in self.events
        }
        return [word.replace("{hooks}", json.dumps(hooks)) for word in self.words]

    def reading(self, event: str, told: Mapping[str, str], at: float) -> Reading | None:
        """Return what follows from an event, None for nothing."""
        says, _, about = self.events.get(event, "").partition(" ")
        if says not in SAYS:
            return None
        text = next((clean(told[key], TEXT) for key in TEXTS if told.get(key)), "")
        return Reading(Source.HOOK, SAYS[says], f"hook {event}", at, about, text if about else "")


def told(text: str) -> dict[str, str]:
    """Return the strings that a hook's JSON has at its top; of JSON that is cut off, those that can be made out."""
    try:
        values: object = json.loads(text)
    except (ValueError, RecursionError):
        found = re.findall(r'"(\w{1,40})"\s*:\s*"((?:[^"\\]|\\.){0,500})"', text[: 1 << 16])
        return dict(reversed(found))  # the first of a key is the outermost
    if not isinstance(values, dict):
        return {}
    return {str(key): value for key, value in values.items() if isinstance(value, str)}


def check_says(table: Mapping[str, object], wrong: Wrong, *keys: str, also: Sequence[str] = ()) -> None:
    """Make sure that each value of a table says what follows: a state, for waiting with what for, nothing, or ``also``.

    Raises:
        Exception: what ``wrong`` made of the first that does not, and of the ``keys`` that lead to it.
    """
    for key, says in table.items():
        state, _, about = says.partition(" ") if isinstance(says, str) else ("", "", "")
        known = state in SAYS and (state == "waiting") == (about in ABOUT)
        if not known and says not in ("", *also):
            words = ", ".join(("working", "idle", "waiting ABOUT", *also))
            raise wrong(f"{quoted(key)} is none of {words}, or empty", *keys, key)


def parsed(table: Mapping[str, object], wrong: Wrong) -> Hooks:
    """Return what the table ``hooks`` of a profile says.

    Raises:
        Exception: what ``wrong`` made of what is wrong, and of the keys that lead to it.
    """
    check(table, KINDS, wrong, "hooks")
    events = table.get("events")
    events = events if isinstance(events, dict) else {}
    check_says(events, wrong, "hooks", "events")
    return Hooks(words(table, "words"), frozenset(words(table, "unless")), str(table.get("conversation", "")), events)
