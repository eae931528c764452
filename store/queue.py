"""The input queue of each session: prompts that were given to us, in the order of delivery, and what became of each.

A prompt that was begun to be typed is never queued again: what a crash leaves of it is uncertain. The store reads no
clock: times are given, in Unix seconds, UTC.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from . import texts
from .blobs import Blobs
from .database import Database, Row, Value
from .errors import NoSuchSession

_COLUMNS = "id, session, place, at, state, text, blob, at_once, not_before, after, typed, ended, why, proof"

KEEP = 1000
"""Prompts of one session that are over and kept: messages and history have their texts for ever."""


class Phase(enum.Enum):
    """What became of a prompt."""

    QUEUED = "queued"
    TYPING = "typing"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCERTAIN = "uncertain"
    DROPPED = "dropped"

    @property
    def over(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self not in (Phase.QUEUED, Phase.TYPING)


@dataclass(frozen=True, slots=True)
class Queued:
    """One prompt.

    Attributes:
        place: the order of delivery, ascending.
        text: None if it was in a blob that is missing or damaged.
        at_once: not only when the agent rests.
        not_before: Unix seconds, 0.0 for any time.
        after: the session that must have come to rest or ended first, None for none.
        typed: when typing began, None while it has not.
        why: what it waits for, why it was refused, or what was seen.
        proof: what shows that it was taken, "" for nothing.
    """

    id: int
    session: int
    place: float
    at: float
    phase: Phase
    text: str | None
    at_once: bool
    not_before: float
    after: int | None
    typed: float | None
    ended: float | None
    why: str
    proof: str


class Queue:
    """The table of prompts to deliver. They go with their session."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs
        self._lengths: dict[int, int] | None = None

    def length(self, session: int) -> int:
        """Return how many prompts are queued or being typed in a session. Costs nothing while no queue changes."""
        if self._lengths is None:
            rows = self._database.execute(
                "SELECT session, count(*) FROM queue WHERE state IN ('queued', 'typing') GROUP BY session"
            )
            self._lengths = {int(number): int(count) for number, count in rows}
        return self._lengths.get(session, 0)

    def add(
        self, session: int, at: float, text: str, *, at_once: bool, not_before: float = 0.0, after: int | None = None
    ) -> Queued:
        """Put a prompt at the end of a session's queue. Not inside a transaction.

        Raises:
            NoSuchSession: the session has no record.
            StoreFull: no room. Nothing was queued.
        """
        inline, blob = texts.written(self._blobs, text)
        self._lengths = None
        with self._database.transaction():
            if blob:
                self._blobs.add(blob, at)
            added = self._database.execute(
                "INSERT INTO queue (session, place, at, state, text, blob, at_once, not_before, after)"
                " SELECT id, (SELECT coalesce(max(place), 0) + 1 FROM queue), ?, 'queued', ?, ?, ?, ?, ?"
                " FROM session WHERE id = ? RETURNING id",
                (at, inline, blob.digest if blob else None, at_once, not_before, after, session),
            )
            if not added:
                raise NoSuchSession(session)
            self._database.execute(
                "DELETE FROM queue WHERE session = ? AND state NOT IN ('queued', 'typing') AND id <= "
                "(SELECT id FROM queue WHERE session = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                (session, session, KEEP),
            )
        return self.get(int(added[0][0]))

    def get(self, number: int) -> Queued:
        """Return a prompt by its number.

        Raises:
            KeyError: there is none.
        """
        found = self._select("WHERE id = ?", number)
        if not found:
            raise KeyError(number)
        return found[0]

    def waiting(self, session: int) -> list[Queued]:
        """Return what is queued or being typed in a session, in the order of delivery."""
        return self._select("WHERE session = ? AND state IN ('queued', 'typing') ORDER BY place, id", session)

    def of(self, session: int, last: int) -> list[Queued]:
        """Return the newest prompts of a session, over or not, oldest first."""
        return self._select("WHERE session = ? ORDER BY id DESC LIMIT ?", session, last)[::-1]

    def sessions(self) -> list[int]:
        """Return the sessions in which something is queued or being typed."""
        rows = self._database.execute("SELECT DISTINCT session FROM queue WHERE state IN ('queued', 'typing')")
        return [int(row[0]) for row in rows]

    def counts(self) -> dict[int, int]:
        """Return how many prompts are queued in each session that has any."""
        rows = self._database.execute("SELECT session, count(*) FROM queue WHERE state = 'queued' GROUP BY session")
        return {int(session): int(count) for session, count in rows}

    def typing(self, number: int, at: float) -> None:
        """A prompt is about to be typed. On the disk before a byte of it is."""
        with self._database.transaction():
            self._database.execute("UPDATE queue SET state = 'typing', typed = ?, why = '' WHERE id = ?", (at, number))

    def end(self, number: int, phase: Phase, at: float, why: str, proof: str = "") -> None:
        """Write what became of a prompt."""
        self._lengths = None
        self._database.execute(
            "UPDATE queue SET state = ?, ended = ?, why = ?, proof = ? WHERE id = ?",
            (phase.value, at, why, texts.plain(proof), number),
        )

    def waits(self, number: int, why: str) -> None:
        """Write what a queued prompt waits for."""
        self._database.execute("UPDATE queue SET why = ? WHERE id = ?", (why, number))

    def edit(self, number: int, at: float, text: str) -> bool:
        """Replace the text of a prompt that is queued; False if it is not any more. Not inside a transaction."""
        inline, blob = texts.written(self._blobs, text)
        with self._database.transaction():
            if blob:
                self._blobs.add(blob, at)
            changed = self._database.execute(
                "UPDATE queue SET text = ?, blob = ? WHERE id = ? AND state = 'queued' RETURNING id",
                (inline, blob.digest if blob else None, number),
            )
        return bool(changed)

    def move(self, number: int, before: int | None) -> bool:
        """Put a queued prompt before another of its session, or at the end; False if it is not queued any more."""
        one = self.get(number)
        places = [row.place for row in self.waiting(one.session) if row.id != number]
        if before is None:
            place = (places[-1] if places else 0.0) + 1
        else:
            mark = self.get(before).place
            lower = [other for other in places if other < mark]
            place = ((lower[-1] if lower else mark - 2) + mark) / 2
        sql = "UPDATE queue SET place = ? WHERE id = ? AND state = 'queued' RETURNING id"
        return bool(self._database.execute(sql, (place, number)))

    def paused(self, session: int) -> bool:
        """Whether nothing is delivered to a session."""
        return bool(self._database.execute("SELECT 1 FROM session WHERE id = ? AND paused", (session,)))

    def pause(self, session: int, paused: bool) -> None:
        """Deliver nothing to a session any more, or go on."""
        self._database.execute("UPDATE session SET paused = ? WHERE id = ?", (paused, session))

    def doubtful(self, session: int, last: int) -> list[Queued]:
        """Return the newest prompts of a session of which it is not known whether they were taken, oldest first."""
        return self._select("WHERE session = ? AND state = 'uncertain' ORDER BY id DESC LIMIT ?", session, last)[::-1]

    def _select(self, rest: str, *values: Value) -> list[Queued]:
        return self._database.read(self._queued, f"SELECT {_COLUMNS} FROM queue {rest}", values)

    def _queued(self, row: Row) -> Queued:
        number, session, place, at, state, text, blob, at_once, not_before, after, typed, ended, why, proof = row
        return Queued(
            number,
            session,
            place,
            at,
            Phase(state),
            texts.read(self._blobs, text, blob),
            bool(at_once),
            not_before,
            after,
            typed,
            ended,
            why,
            proof,
        )
