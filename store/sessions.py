"""Session manifests: what was started, how, and what became of it.

A record is committed before its program is spawned and stays when the spawn
fails or the program ends, until it is forgotten. The store reads no clock: times
are given, in Unix seconds, UTC.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .database import Database, Row, Value
from .errors import NameTaken, NoSuchSession, NotUnique, StillLive

STARTING = "starting"
RUNNING = "running"
EXITED = "exited"
LOST = "lost"

UNKNOWN = ("unknown",)
"""The command line of a session whose record was lost."""

_COLUMNS = (
    "id, name, argv, cwd, env, columns, rows, labels, state, exit_status,"
    " created, started, ended, parent, starts, agent, conversation, record, paused, unread"
)
_LIVE = "state IN ('starting', 'running')"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session as it was when read. It does not follow later changes."""

    id: int
    """Never used again, not even after ``forget``."""
    name: str
    """Exclusive among live sessions only."""
    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]
    """The variables given with ``-e``: a restart needs the values. Never show them."""
    size: tuple[int, int]
    """(columns, rows)."""
    labels: Mapping[str, str]
    state: str
    """starting, running, exited or lost."""
    exit_status: int | None
    """The exit code, or minus the signal that ended it; None unless exited."""
    created: float
    started: float | None
    """When the exec of the newest incarnation was confirmed."""
    ended: float | None
    parent: int | None
    """The session that asked for this one; None if it was a person or is forgotten."""
    starts: int
    """Which incarnation this is, from 1; counts those whose spawn failed."""
    agent: str | None
    conversation: str | None
    """The agent's own id of the conversation, for resuming it."""
    record: str
    """How much is remembered of what it prints and is told: all, screen (what it shows last) or off."""
    paused: bool = False
    """Nothing of its queue is delivered."""
    unread: bool = False
    """It has done or asked something since somebody looked."""

    @property
    def env_names(self) -> tuple[str, ...]:
        """The names of the variables given with ``-e``, fit to be shown."""
        return tuple(self.env)

    @property
    def live(self) -> bool:
        return self.state in (STARTING, RUNNING)


class Sessions:
    """The table of sessions. Each call is one statement, committed when it returns.

    Inside ``Database.transaction()`` several calls commit together instead.
    Strings may hold lone surrogates (``os.fsdecode``) in argv, cwd, env and
    labels; a name, agent or conversation must be plain text (UnicodeEncodeError).
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        name: str,
        argv: Sequence[str],
        cwd: str,
        *,
        created: float,
        size: tuple[int, int],
        env: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        parent: int | None = None,
        agent: str | None = None,
        conversation: str | None = None,
        record: str = "all",
    ) -> SessionRow:
        """Record a session that is about to be spawned, in state starting.

        Raises:
            NameTaken: a live session has that name.
        """
        sql = f"""
            INSERT INTO session (name, argv, cwd, env, columns, rows, labels, state, created, parent,
                                 starts, agent, conversation, record)
            VALUES (?, ?, ?, ?, ?, ?, ?, 'starting', ?, ?, 1, ?, ?, ?) RETURNING {_COLUMNS}
        """
        columns, rows = size
        values = (
            name,
            json.dumps(list(argv)),
            json.dumps(cwd),
            json.dumps(dict(env or {})),
            columns,
            rows,
            json.dumps(dict(labels or {})),
            created,
            parent,
            agent,
            conversation,
            record,
        )
        try:
            return _session(self._database.execute(sql, values)[0])
        except NotUnique:
            raise NameTaken(name) from None

    def add_found(
        self,
        session: int,
        *,
        created: float,
        argv: Sequence[str] = UNKNOWN,
        cwd: str = "/",
        agent: str | None = None,
    ) -> SessionRow:
        """Record a session that is there and has no record, or one that says nothing of its program, in state lost."""
        sql = f"""
            INSERT INTO session (id, name, argv, cwd, env, columns, rows, labels, state, created, ended, starts, agent)
            VALUES (?, ?, ?, ?, '{{}}', 80, 24, '{{}}', 'lost', ?, ?, 1, ?)
            ON CONFLICT (id) DO UPDATE SET argv = excluded.argv, cwd = excluded.cwd, agent = excluded.agent
            RETURNING {_COLUMNS}
        """
        name = f"found-{session}"
        values = (session, name, json.dumps(list(argv)), json.dumps(cwd), created, created, agent)
        return _session(self._database.execute(sql, values)[0])

    def get(self, session: int) -> SessionRow:
        """Return the record with that id.

        Raises:
            NoSuchSession: there is none.
        """
        found = self._select("WHERE id = ?", session)
        if not found:
            raise NoSuchSession(session)
        return found[0]

    def all(self) -> list[SessionRow]:
        """Return every record, oldest first."""
        return self._select("ORDER BY id")

    def running(self) -> list[SessionRow]:
        """Return the live sessions, starting ones too, oldest first."""
        return self._select(f"WHERE {_LIVE} ORDER BY id")

    def set_running(self, session: int, started: float) -> None:
        """The exec was confirmed.

        Raises:
            NameTaken: the session had been given up for lost, and its name was given away.
            NoSuchSession: there is no such record; so for all that follow.
        """
        try:
            self._update(
                session,
                "state = 'running', started = ?, ended = NULL, exit_status = NULL",
                started,
            )
        except NotUnique:
            raise NameTaken(self.get(session).name) from None

    def set_exited(self, session: int, status: int | None, ended: float) -> None:
        """The program ended, or its spawn failed. ``status`` is the exit code or minus the signal."""
        self._update(session, "state = 'exited', exit_status = ?, ended = ?", status, ended)

    def set_lost(self, sessions: Iterable[int], ended: float) -> None:
        """Nobody holds these any more and nobody knows how they ended.

        Ids that are not live, or not there, are left alone: their end is known.
        """
        self._database.execute(
            f"UPDATE session SET state = 'lost', ended = ? WHERE {_LIVE} AND id IN (SELECT value FROM json_each(?))",
            (ended, json.dumps(list(sessions))),
        )

    def rename(self, session: int, name: str) -> None:
        """Give a session another name.

        Raises:
            NameTaken: both this session and another one with that name are live.
        """
        try:
            self._update(session, "name = ?", name)
        except NotUnique:
            raise NameTaken(name) from None

    def set_labels(self, session: int, labels: Mapping[str, str]) -> None:
        """Replace all labels."""
        self._update(session, "labels = ?", json.dumps(dict(labels)))

    def set_size(self, session: int, size: tuple[int, int]) -> None:
        self._update(session, "columns = ?, rows = ?", *size)

    def set_conversation(self, session: int, conversation: str | None) -> None:
        """Say which conversation of the agent's it is about now."""
        self._update(session, "conversation = ?", conversation)

    def set_unread(self, session: int, unread: bool) -> None:
        """Something is there that nobody has looked at, or somebody has looked."""
        self._update(session, "unread = ?", unread)

    def restarting(self, session: int, *, size: tuple[int, int] | None = None) -> SessionRow:
        """Record that an ended session is about to be spawned again, in state starting.

        The record stays the same one; ``starts`` goes up by one and the times and
        the exit status of the last incarnation are cleared.

        Raises:
            NameTaken: its name was given to a session that is live now.
            StillLive: it has not ended.
            NoSuchSession: there is no such record.
        """
        sql = f"""
            UPDATE session SET state = 'starting', exit_status = NULL, started = NULL, ended = NULL,
                               starts = starts + 1, columns = coalesce(?, columns), rows = coalesce(?, rows)
            WHERE id = ? AND NOT {_LIVE} RETURNING {_COLUMNS}
        """
        columns, rows = size or (None, None)
        try:
            changed = self._database.execute(sql, (columns, rows, session))
        except NotUnique:
            raise NameTaken(self.get(session).name) from None
        if not changed:
            raise StillLive(self.get(session).id)
        return _session(changed[0])

    def forget(self, session: int) -> None:
        """Delete the record and its poison. Its journal is the caller's to remove, before this."""
        if not self._database.execute("DELETE FROM session WHERE id = ? RETURNING id", (session,)):
            raise NoSuchSession(session)

    def add_poison(self, session: int, start: int, stop: int) -> None:
        """Record that the journal's bytes start <= x < stop crash the emulator. Twice is once."""
        self._database.execute(
            "INSERT INTO poison (session, start, stop) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (session, start, stop),
        )

    def poison(self, session: int) -> list[tuple[int, int]]:
        """Return the byte ranges that must not be fed again, by start. They may overlap."""
        rows = self._database.execute(
            "SELECT start, stop FROM poison WHERE session = ? ORDER BY start, stop", (session,)
        )
        return [(start, stop) for start, stop in rows]

    def _select(self, rest: str, *values: Value) -> list[SessionRow]:
        return self._database.read(_session, f"SELECT {_COLUMNS} FROM session {rest}", values)

    def _update(self, session: int, changes: str, *values: Value) -> None:
        changed = self._database.execute(f"UPDATE session SET {changes} WHERE id = ? RETURNING id", (*values, session))
        if not changed:
            raise NoSuchSession(session)


def _session(row: Row) -> SessionRow:
    (id_, name, argv, cwd, env, columns, rows, labels, *rest) = row
    return SessionRow(
        id_,
        name,
        tuple(json.loads(argv)),
        json.loads(cwd),
        _mapping(env),
        (columns, rows),
        _mapping(labels),
        *rest[:-2],
        *map(bool, rest[-2:]),
    )


def _mapping(text: str) -> Mapping[str, str]:
    """Return what is mostly empty, and read for every session that is listed."""
    found: Mapping[str, str] = {} if text == "{}" else json.loads(text)
    return found
