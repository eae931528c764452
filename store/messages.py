"""Turns: what was said in each session, by whom, and how we know.

The store reads no clock: times are given, in Unix seconds, UTC.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import texts
from .blobs import Blobs
from .database import Database, Row, Value
from .errors import NoSuchSession

_COLUMNS = "id, session, role, at, source, proof, text, blob"

LINE = 200
"""Characters of a reply's first line that ``said`` returns."""


class Role(enum.Enum):
    """Who said it."""

    USER = "user"
    AGENT = "agent"
    SYSTEM = "system"


class Source(enum.Enum):
    """How we know of it."""

    SEND = "send"
    HOOK = "hook"
    TRANSCRIPT = "transcript"
    SCREEN = "screen"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn."""

    id: int
    """Ascending in the order of recording, over all sessions. Never used again."""
    session: int
    role: Role
    at: float
    """When it was said: a transcript may be read much later."""
    source: Source
    proof: Mapping[str, Any]
    """What the source had to show for it, as JSON values."""
    text: str | None
    """None if it was in a blob that is missing or damaged; ``agentmux doctor`` says which."""


class Messages:
    """The table of turns. A call that returns messages reads all their texts: ask for as many as you need."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs
        self._said: dict[int, str] = {}  # by session, as far as it was asked for

    def add(self, session: int, role: Role, at: float, source: Source, proof: Mapping[str, Any], text: str) -> int:
        """Record a turn and return its id. Not inside a transaction.

        Lone surrogates in ``text`` become U+FFFD; in ``proof`` they survive.

        Raises:
            NoSuchSession: the session has no record.
            StoreFull: no room. Nothing was recorded.
        """
        inline, blob = texts.written(self._blobs, text)
        self._said.pop(session, None)
        with self._database.transaction():
            if blob:
                self._blobs.add(blob, at)
            added = self._database.execute(
                """
                INSERT INTO message (session, role, at, source, proof, text, blob)
                SELECT id, ?, ?, ?, ?, ?, ? FROM session WHERE id = ? RETURNING id
                """,
                (
                    role.value,
                    at,
                    source.value,
                    json.dumps(dict(proof)),
                    inline,
                    blob.digest if blob else None,
                    session,
                ),
            )
            if not added:
                raise NoSuchSession(session)
        return int(added[0][0])

    def prove(self, message: int, source: Source, proof: Mapping[str, Any]) -> None:
        """Say how else a turn is known that was recorded: that counts from now on."""
        self._database.execute(
            "UPDATE message SET source = ?, proof = ? WHERE id = ?", (source.value, json.dumps(dict(proof)), message)
        )

    def of(self, session: int, last: int | None = None) -> list[Message]:
        """Return the turns of a session in the order of recording: all, or the ``last`` so many."""
        limit = -1 if last is None else last
        return self._select("WHERE session = ? ORDER BY id DESC LIMIT ?", session, limit)[::-1]

    def last(self, session: int, role: Role) -> Message | None:
        """Return the newest turn of that role."""
        found = self._select("WHERE session = ? AND role = ? ORDER BY id DESC LIMIT 1", session, role.value)
        return found[0] if found else None

    def said(self, session: int) -> str:
        """Return how the newest reply of a session begins, its first line; "" where there is none.

        It is known without a look into the database until there is another one.
        """
        known = self._said.get(session)
        if known is None:
            last = self.last(session, Role.AGENT)
            lines = ((last.text or "") if last else "").strip().split("\n", 1)
            known = self._said[session] = lines[0][:LINE]
        return known

    def after(self, message: int, limit: int) -> list[Message]:
        """Return up to ``limit`` turns of any session with ids over ``message``, ascending: for going through all."""
        return self._select("WHERE id > ? ORDER BY id LIMIT ?", message, limit)

    def count(self, session: int) -> int:
        """Return how many turns a session has."""
        [(count,)] = self._database.execute("SELECT count(*) FROM message WHERE session = ?", (session,))
        return int(count)

    def _select(self, rest: str, *values: Value) -> list[Message]:
        return self._database.read(self._message, f"SELECT {_COLUMNS} FROM message {rest}", values)

    def _message(self, row: Row) -> Message:
        id_, session, role, at, source, proof, text, blob = row
        return Message(
            id_, session, Role(role), at, Source(source), json.loads(proof), texts.read(self._blobs, text, blob)
        )
