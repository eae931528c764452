"""Every prompt that was sent to any agent, to be recalled from anywhere.

The store reads no clock: times are given, in Unix seconds, UTC.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from . import texts
from .blobs import Blobs
from .database import Database, Row, Value
from .errors import NoSuchPrompt, NoSuchSession

LIMIT = 100
"""Prompts that a search returns unless told otherwise: more than anybody reads."""

_COLUMNS = "id, session, at, cwd, agent, text, blob"


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt as it was sent."""

    id: int
    """Ascending in the order of sending, over all sessions. Never used again."""
    session: int
    at: float
    cwd: str
    agent: str | None
    """The profile; None if what runs in the session was not recognised."""
    text: str | None
    """None if it was in a blob that is missing or damaged; ``agentmux doctor`` says which."""


class History:
    """The table of prompts."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def add(self, session: int, at: float, cwd: str, agent: str | None, text: str) -> int:
        """Record a prompt and return its id. Not inside a transaction.

        Lone surrogates in ``text`` become U+FFFD; in ``cwd`` they survive.

        Raises:
            NoSuchSession: the session has no record.
            StoreFull: no room. Nothing was recorded.
        """
        inline, blob = texts.written(self._blobs, text)
        with self._database.transaction():
            if blob:
                self._blobs.add(blob, at)
            added = self._database.execute(
                """
                INSERT INTO prompt (session, at, cwd, agent, text, blob)
                SELECT id, ?, ?, ?, ?, ? FROM session WHERE id = ? RETURNING id
                """,
                (at, json.dumps(cwd), agent, inline, blob.digest if blob else None, session),
            )
            if not added:
                raise NoSuchSession(session)
        return int(added[0][0])

    def get(self, prompt: int) -> Prompt:
        """Return the prompt with that id.

        Raises:
            NoSuchPrompt: there is none.
        """
        found = self._select("WHERE id = ?", prompt)
        if not found:
            raise NoSuchPrompt(prompt)
        return found[0]

    def search(
        self, text: str = "", cwd: str | None = None, agent: str | None = None, limit: int = LIMIT
    ) -> list[Prompt]:
        """Return up to ``limit`` prompts that contain ``text``, newest first; only those of a directory or agent.

        Upper and lower case are the same for ASCII letters only, as SQLite has it.
        Prompts in blobs (over ``texts.INLINE`` bytes) are found without a
        ``text`` only: looking into them would read a file for each.
        """
        conditions = ["TRUE"]
        values: list[Value] = []
        if text:
            # Not LIKE: it stops at a NUL, and at 50,000 bytes of pattern.
            conditions.append("instr(lower(text), lower(?)) > 0")
            values.append(texts.plain(text))
        if cwd is not None:
            conditions.append("cwd = ?")
            values.append(json.dumps(cwd))
        if agent is not None:
            conditions.append("agent = ?")
            values.append(agent)
        return self._select(f"WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?", *values, limit)

    def after(self, prompt: int, limit: int) -> list[Prompt]:
        """Return up to ``limit`` prompts with ids over ``prompt``, ascending: for going through all."""
        return self._select("WHERE id > ? ORDER BY id LIMIT ?", prompt, limit)

    def _select(self, rest: str, *values: Value) -> list[Prompt]:
        return self._database.read(self._prompt, f"SELECT {_COLUMNS} FROM prompt {rest}", values)

    def _prompt(self, row: Row) -> Prompt:
        id_, session, at, cwd, agent, text, blob = row
        return Prompt(id_, session, at, json.loads(cwd), agent, texts.read(self._blobs, text, blob))
