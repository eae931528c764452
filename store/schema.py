"""The tables, as a list of steps that is only added to.

A step that was released is frozen: users' files have been through it. To change
a table, append a step. The number of steps done is the file's ``user_version``.
"""

from __future__ import annotations

import sqlite3

MIGRATIONS: tuple[str, ...] = (
    # 1: sessions. Times are Unix seconds, UTC. argv, cwd, env and labels are ASCII JSON,
    # because a path or an argument need not be UTF-8 and SQLite's TEXT must be.
    # AUTOINCREMENT: journals are named after the id, so an id must never come back.
    """
    CREATE TABLE session (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL CHECK (name <> ''),
        argv TEXT NOT NULL CHECK (json_valid(argv) AND json_type(argv) = 'array'),
        cwd TEXT NOT NULL CHECK (json_valid(cwd) AND json_type(cwd) = 'text'),
        env TEXT NOT NULL CHECK (json_valid(env) AND json_type(env) = 'object'),
        columns INTEGER NOT NULL CHECK (columns > 0),
        rows INTEGER NOT NULL CHECK (rows > 0),
        labels TEXT NOT NULL CHECK (json_valid(labels) AND json_type(labels) = 'object'),
        state TEXT NOT NULL CHECK (state IN ('starting', 'running', 'exited', 'lost')),
        exit_status INTEGER CHECK (exit_status IS NULL OR state = 'exited'),
        created REAL NOT NULL,
        started REAL,
        ended REAL CHECK ((ended IS NULL) = (state IN ('starting', 'running'))),
        parent INTEGER REFERENCES session (id) ON DELETE SET NULL,
        starts INTEGER NOT NULL CHECK (starts > 0),
        agent TEXT,
        conversation TEXT
    ) STRICT;
    CREATE UNIQUE INDEX session_live_name ON session (name) WHERE state IN ('starting', 'running');
    CREATE INDEX session_name ON session (name);
    CREATE INDEX session_parent ON session (parent);
    """,
    # 2: output that once crashed the emulator, as journal offsets start <= x < stop.
    """
    CREATE TABLE poison (
        session INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
        start INTEGER NOT NULL CHECK (start >= 0),
        stop INTEGER NOT NULL CHECK (stop > start),
        PRIMARY KEY (session, start, stop)
    ) STRICT, WITHOUT ROWID;
    """,
    # 3: large content, in files named after its SHA-256. A row says that the file is whole.
    """
    CREATE TABLE blob (
        digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
        size INTEGER NOT NULL CHECK (size >= 0),
        stored INTEGER NOT NULL CHECK (stored >= 0),
        created REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    # 4: closed parts of journals, as output offsets start <= x < stop. stream is that output; marks are the records
    # without it, compressed: see archive.py.
    """
    CREATE TABLE segment (
        session INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
        start INTEGER NOT NULL CHECK (start >= 0),
        stop INTEGER NOT NULL CHECK (stop > start),
        first REAL NOT NULL,
        last REAL NOT NULL,
        stream BLOB NOT NULL REFERENCES blob (digest),
        marks BLOB NOT NULL,
        PRIMARY KEY (session, start)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX segment_stream ON segment (stream);
    CREATE INDEX segment_last ON segment (last);
    """,
    # 5: turns. proof is JSON: what the source had to show for it. The text is here or, if it is large, in a blob.
    """
    CREATE TABLE message (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
        role TEXT NOT NULL CHECK (role IN ('user', 'agent', 'system')),
        at REAL NOT NULL,
        source TEXT NOT NULL CHECK (source IN ('send', 'hook', 'transcript', 'screen')),
        proof TEXT NOT NULL CHECK (json_valid(proof) AND json_type(proof) = 'object'),
        text TEXT,
        blob BLOB REFERENCES blob (digest),
        CHECK ((text IS NULL) <> (blob IS NULL))
    ) STRICT;
    CREATE INDEX message_session ON message (session, id);
    CREATE INDEX message_blob ON message (blob) WHERE blob IS NOT NULL;
    """,
    # 6: prompts as they were sent, to be recalled. cwd is ASCII JSON, as in session.
    """
    CREATE TABLE prompt (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
        at REAL NOT NULL,
        cwd TEXT NOT NULL CHECK (json_valid(cwd) AND json_type(cwd) = 'text'),
        agent TEXT,
        text TEXT,
        blob BLOB REFERENCES blob (digest),
        CHECK ((text IS NULL) <> (blob IS NULL))
    ) STRICT;
    CREATE INDEX prompt_session ON prompt (session, id);
    CREATE INDEX prompt_cwd ON prompt (cwd, id);
    CREATE INDEX prompt_blob ON prompt (blob) WHERE blob IS NOT NULL;
    """,
    # 7: what can be searched. text is zstd; search is an index without the text, its rowid is the document's id and its
    # tags are made from session and kind: see search.py. Deleting a session must not leave its words in the index, so
    # there is no CASCADE: its documents go first. Merging is done by add and settle, in small steps.
    """
    CREATE TABLE document (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session INTEGER NOT NULL REFERENCES session (id),
        kind TEXT NOT NULL CHECK (kind IN ('prompts', 'replies', 'output')),
        source INTEGER NOT NULL CHECK (source >= 0),
        at REAL NOT NULL,
        text BLOB NOT NULL,
        UNIQUE (session, kind, source)
    ) STRICT;
    CREATE INDEX document_source ON document (kind, source) WHERE kind <> 'output';
    CREATE INDEX document_at ON document (at);
    CREATE VIRTUAL TABLE search USING fts5 (text, tags, content = '', tokenize = 'unicode61 remove_diacritics 2');
    INSERT INTO search (search, rank) VALUES ('automerge', 0);
    INSERT INTO search (search, rank) VALUES ('usermerge', 16);
    INSERT INTO search (search, rank) VALUES ('crisismerge', 64);
    """,
    # 8: how much of a session is recorded.
    """
    ALTER TABLE session ADD COLUMN record TEXT NOT NULL DEFAULT 'all' CHECK (record IN ('all', 'screen', 'off'));
    """,
    # 9: what each session did, and how that was known, as JSON: see ledger.py.
    """
    CREATE TABLE verdict (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
        at REAL NOT NULL,
        status TEXT NOT NULL,
        evidence TEXT NOT NULL CHECK (json_valid(evidence) AND json_type(evidence) = 'object')
    ) STRICT;
    CREATE INDEX verdict_session ON verdict (session, id);
    """,
    # 10: what the answers of agents' models took, and how far each session's log, a file of its agent's, was read.
    # path is ASCII JSON, as cwd in session.
    """
    CREATE TABLE usage (
        session INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
        key TEXT NOT NULL,
        at REAL NOT NULL,
        input INTEGER NOT NULL CHECK (input >= 0),
        cached INTEGER NOT NULL CHECK (cached >= 0),
        output INTEGER NOT NULL CHECK (output >= 0),
        cost REAL,
        PRIMARY KEY (session, key)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX usage_at ON usage (at);
    CREATE TABLE log_place (
        session INTEGER PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
        path TEXT NOT NULL,
        inode INTEGER NOT NULL,
        offset INTEGER NOT NULL CHECK (offset >= 0)
    ) STRICT;
    """,
    # 11: prompts to be delivered and what became of them, see queue.py; and whether a session's queue is paused.
    """
    CREATE TABLE queue (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session INTEGER NOT NULL REFERENCES session (id) ON DELETE CASCADE,
        place REAL NOT NULL,
        at REAL NOT NULL,
        state TEXT NOT NULL
            CHECK (state IN ('queued', 'typing', 'accepted', 'refused', 'uncertain', 'dropped')),
        text TEXT,
        blob BLOB REFERENCES blob (digest),
        at_once INTEGER NOT NULL,
        not_before REAL NOT NULL,
        after INTEGER REFERENCES session (id) ON DELETE SET NULL,
        typed REAL CHECK (typed IS NOT NULL OR state IN ('queued', 'refused', 'dropped')),
        ended REAL,
        why TEXT NOT NULL DEFAULT '',
        proof TEXT NOT NULL DEFAULT '',
        CHECK ((text IS NULL) <> (blob IS NULL))
    ) STRICT;
    CREATE INDEX queue_session ON queue (session, id);
    CREATE INDEX queue_open ON queue (session, place) WHERE state IN ('queued', 'typing');
    CREATE INDEX queue_blob ON queue (blob) WHERE blob IS NOT NULL;
    ALTER TABLE session ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
    """,
    # 12: whether something is there that nobody has looked at.
    """
    ALTER TABLE session ADD COLUMN unread INTEGER NOT NULL DEFAULT 0;
    """,
)


def version(db: sqlite3.Connection) -> int:
    """Return how many of the steps the file has been through, without changing it."""
    (done,) = db.execute("PRAGMA user_version").fetchone()
    return int(done)


def migrate(db: sqlite3.Connection) -> None:
    """Bring ``db`` to the newest schema. Each step commits whole or not at all.

    The caller has made sure that the file is not newer than ``MIGRATIONS``.
    """
    done = version(db)
    assert done <= len(MIGRATIONS), done
    for number, step in enumerate(MIGRATIONS[done:], start=done + 1):
        try:
            db.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
        except sqlite3.Error:
            db.rollback()
            raise
