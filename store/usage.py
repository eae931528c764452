"""What agents' models took: tokens and money, one row for each answer, and how far each agent's own log is read.

The store reads no clock: times are given, in Unix seconds, UTC.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from . import texts
from .database import Database


@dataclass(frozen=True, slots=True)
class Used:
    """What was taken. ``input`` has ``cached`` in it; ``cost`` is in US dollars, None where nobody told."""

    input: int = 0
    cached: int = 0
    output: int = 0
    cost: float | None = None

    def __add__(self, other: Used) -> Used:
        told = [one for one in (self.cost, other.cost) if one is not None]
        cost = sum(told) if told else None
        return Used(self.input + other.input, self.cached + other.cached, self.output + other.output, cost)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of a model, by the agent's name for it."""

    key: str
    at: float
    used: Used


@dataclass(frozen=True, slots=True)
class Place:
    """How far a log is read: ``offset`` bytes of the file that has ``inode``."""

    path: str
    inode: int
    offset: int


class Usage:
    """The tables of answers and places. Both go with their session."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._totals: dict[int, Used] = {}

    def add(self, session: int, answers: Iterable[Answer], place: Place | None = None) -> None:
        """Record answers, and the place in the session's log that they reach to; None if they are not from there.

        One that is there already is replaced.

        Raises:
            StoreFull: no room. Nothing was recorded.
        """
        self._totals.pop(session, None)
        with self._database.transaction():
            for one in answers:
                self._add(session, one)
            if place is not None:
                self._database.execute(
                    "INSERT INTO log_place (session, path, inode, offset) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (session) DO UPDATE SET path = excluded.path, inode = excluded.inode,"
                    " offset = excluded.offset",
                    (session, json.dumps(place.path), place.inode, place.offset),
                )

    def place(self, session: int) -> Place | None:
        """Return how far a session's log was read, None if it never was."""
        found = self._database.read(
            lambda row: Place(json.loads(row[0]), row[1], row[2]),
            "SELECT path, inode, offset FROM log_place WHERE session = ?",
            (session,),
        )
        return found[0] if found else None

    def total(self, session: int) -> Used:
        """Return all that a session has taken."""
        if session not in self._totals:
            sql = "SELECT total(input), total(cached), total(output), sum(cost) FROM usage WHERE session = ?"
            [self._totals[session]] = self._database.read(lambda row: _used(*row), sql, (session,))
        return self._totals[session]

    def by_day(self, since: float) -> list[tuple[int, str, Used]]:
        """Return what each session took on each day from ``since`` on: id, ISO date by the server's clock, and that."""
        return self._database.read(
            lambda row: (int(row[0]), str(row[1]), _used(*row[2:])),
            "SELECT session, date(at, 'unixepoch', 'localtime') AS day, total(input), total(cached), total(output),"
            " sum(cost) FROM usage WHERE at >= ? GROUP BY session, day ORDER BY day, session",
            (since,),
        )

    def _add(self, session: int, one: Answer) -> None:
        used = one.used
        self._database.execute(
            "INSERT INTO usage (session, key, at, input, cached, output, cost) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (session, key) DO UPDATE SET input = excluded.input, cached = excluded.cached,"
            " output = excluded.output, cost = excluded.cost",
            (session, texts.plain(one.key), one.at, used.input, used.cached, used.output, used.cost),
        )


def _used(input: float, cached: float, output: float, cost: float | None) -> Used:
    return Used(int(input), int(cached), int(output), cost)
