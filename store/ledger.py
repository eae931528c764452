"""The ledger: what each session did when, and how that was known.

What stands in an entry as evidence is the caller's: JSON values. The newest KEEP entries of a session are kept, some
days of an agent that is busy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from .database import Database, Row

KEEP = 2000
"""Entries of one session."""

SPARE = 100
"""Entries, of whatever session, after which those of one that are too many go: not at each."""

NOTE = "note"
"""The status of an entry that tells of something done, and says nothing of what the session does."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a session did from ``at`` on (Unix seconds)."""

    id: int
    session: int
    at: float
    status: str
    evidence: Mapping[str, object]


class Ledger:
    """The table of entries. They go with their session."""

    def __init__(self, database: Database, keep: int = KEEP, spare: int = SPARE) -> None:
        self._database = database
        self._keep = keep
        self._spare = spare

    def add(self, session: int, at: float, status: str, evidence: Mapping[str, object]) -> None:
        """Write what a session does from now on."""
        [(number,)] = self._database.execute(
            "INSERT INTO verdict (session, at, status, evidence) VALUES (?, ?, ?, ?) RETURNING id",
            (session, at, status, json.dumps(evidence)),
        )
        if int(number) % self._spare == 0:
            self._database.execute(
                "DELETE FROM verdict WHERE session = ? AND id <= (SELECT id FROM verdict WHERE session = ?"
                " ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (session, session, self._keep),
            )

    def of(self, session: int, limit: int) -> list[Entry]:
        """Return the newest entries of a session, oldest first."""
        sql = "SELECT id, session, at, status, evidence FROM verdict WHERE session = ? ORDER BY id DESC LIMIT ?"
        return self._database.read(_entry, sql, (session, limit))[::-1]

    def has(self, session: int, status: str) -> bool:
        """Whether a session ever had that status, as far as is kept."""
        sql = "SELECT 1 FROM verdict WHERE session = ? AND status = ? LIMIT 1"
        return bool(self._database.execute(sql, (session, status)))

    def last(self, session: int) -> Entry | None:
        """Return the newest entry of what a session does."""
        rows = self._database.read(
            _entry,
            "SELECT id, session, at, status, evidence FROM verdict WHERE session = ? AND status <> ?"
            " ORDER BY id DESC LIMIT 1",
            (session, NOTE),
        )
        return rows[0] if rows else None


def _entry(row: Row) -> Entry:
    (number, session, at, status, evidence) = row
    return Entry(number, session, at, status, json.loads(evidence))
