"""The file in which an agent publishes what it does: where it is, and what it says. Pure.

In a profile::

    [published]
    file = ["$CLAUDE_CONFIG_DIR/sessions/{pid}.json", "$HOME/.claude/sessions/{pid}.json"]
                                       the first whose variable the agent's environment has; a JSON object in it
    pid = "pid"                        the keys of: the process
    started = "procStart"              when that started, as /proc says: another process may have had its number
    status = "status"                  what it does
    about = "waitingFor"               what that is about
    at = "statusUpdatedAt"             since when, Unix milliseconds
    conversation = "sessionId"         the conversation that it has open

    [published.states]                 what follows from a status, or from one with what it is about: a state, for
    busy = "working"                   waiting with what for, or nothing
    waiting = "waiting dialog"
    "waiting permission prompt" = "waiting approval"
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from .hooks import check_says
from .tables import Kind, check, words
from .verdict import SAYS, Reading, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .tables import Wrong

_KEYS = ("pid", "started", "status", "about", "at", "conversation")
KINDS = {"file": Kind.WORDS, **dict.fromkeys(_KEYS, Kind.STRING), "states": Kind.TABLE}

LONGEST_ID = 200
"""Characters that the id of a conversation may have."""


class Said(NamedTuple):
    """What a file says: what its agent does, None for nothing that is known; and its conversation, "" likewise."""

    reading: Reading | None
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """What a profile says of the file in which its agent publishes what it does."""

    file: tuple[str, ...] = ()
    pid: str = ""
    started: str = ""
    status: str = ""
    about: str = ""
    at: str = ""
    conversation: str = ""
    states: Mapping[str, str] = field(default_factory=dict)

    def path(self, pid: int, environment: Mapping[str, str]) -> str:
        """Return where the file of a process with that environment is, "" for nowhere."""
        for file in self.file:
            name, slash, rest = file.removeprefix("$").partition("/")
            folder = environment.get(name, "")
            if folder.startswith("/"):
                return f"{folder}{slash}{rest}".replace("{pid}", str(pid))
        return ""

    def said(self, text: bytes, pid: int, started: str, at: float) -> Said | None:
        """Return what a file says that was found at ``at``, None where it is not that process's, or is none."""
        try:
            values: object = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(values, dict) or values.get(self.pid) != pid or str(values.get(self.started)) != started:
            return None
        status, about, since, conversation = (
            values.get(key) for key in (self.status, self.about, self.at, self.conversation)
        )
        named = conversation if isinstance(conversation, str) and len(conversation) <= LONGEST_ID else ""
        name = f"{status} {about}" if f"{status} {about}" in self.states else str(status)
        says, _, what = self.states.get(name, "").partition(" ")
        if says not in SAYS:
            return Said(None, named)
        if isinstance(since, int) and 0 < since < at * 1000:
            at = since / 1000
        return Said(Reading(Source.FILE, SAYS[says], f"{self.status} {name}", at, what), named)


def parsed(table: Mapping[str, object], wrong: Wrong) -> Published:
    """Return what the table ``published`` of a profile says.

    Raises:
        Exception: what ``wrong`` made of what is wrong, and of the keys that lead to it.
    """
    check(table, KINDS, wrong, "published")
    for file in words(table, "file"):
        if not re.fullmatch(r"\$\w+/.*\{pid\}.*", file):
            raise wrong("'published.file' needs paths as '$NAME/...{pid}...'", "published", "file")
    if table and not all(table.get(key) for key in ("file", "pid", "started", "status")):
        raise wrong("'published' needs file, pid, started and status", "published")
    states = table.get("states")
    states = states if isinstance(states, dict) else {}
    check_says(states, wrong, "published", "states")
    keys = {key: str(table.get(key, "")) for key in _KEYS}
    return Published(words(table, "file"), states=states, **keys)
