"""Everything that is remembered below one data folder, opened together."""

from __future__ import annotations

import os
from collections.abc import Callable

from . import salvage
from .archive import Archive, Old, old_segments
from .blobs import Blobs
from .folders import private_folder
from .history import History
from .journal import LIMIT, Journal
from .ledger import Ledger
from .marks import Marks
from .messages import Messages
from .queue import Queue
from .search import Index
from .sessions import Sessions
from .usage import Usage


class Stores:
    """The stores of one server. They belong to the thread that opened them.

    Attributes:
        folder: the data folder.
        database: what most of them lie in.
        sessions: the manifests.
        messages: turns.
        history: prompts.
        search: the index of them, and of what was shown.
        ledger: what each session did when.
        usage: what agents' models took.
        queue: prompts to be delivered.
        blobs: large content. What it does with files may run in any thread.
        salvaged: what became of the database before, if that was damaged.
        found: sessions that had a folder and no record, and have one again that says nothing of their program.
    """

    def __init__(
        self, folder: str, on_broken: Callable[[], None] = lambda: None, clock: Callable[[], float] = lambda: 0.0
    ) -> None:
        """Open the stores in ``folder``; make what is missing, and save what can be read of a damaged database.

        ``on_broken`` is called when a part of it turns out to be damaged later. ``clock`` bounds how long the saving
        takes, in seconds.

        Raises:
            StoreError: see ``Database``.
        """
        self.folder = folder
        self.database, self.found, self.salvaged = salvage.opened(folder, on_broken, clock)
        try:
            private_folder(os.path.join(folder, "sessions"))
            self.blobs = Blobs(self.database, os.path.join(folder, "blobs"))
        except BaseException:
            self.database.close()
            raise
        self.sessions = Sessions(self.database)
        self.messages = Messages(self.database, self.blobs)
        self.history = History(self.database, self.blobs)
        self.search = Index(self.database)
        self.ledger = Ledger(self.database)
        self.usage = Usage(self.database)
        self.queue = Queue(self.database, self.blobs)

    def recording(self, session: int, limit: int = LIMIT) -> tuple[Journal, Marks]:
        """Return the journal of a session, and its marks.

        Raises:
            JournalError: its folder can't be made or read.
        """
        archive = Archive(self.database, self.blobs, session)
        folder = self.session_folder(session)
        return Journal(folder, archive=archive, limit=limit), Marks(folder, archive)

    def old_segments(self) -> list[Old]:
        """Return the segments that may go to make room, by their age."""
        return old_segments(self.database)

    def archive(self, session: int) -> Archive:
        """Return the closed segments of a session."""
        return Archive(self.database, self.blobs, session)

    def session_folder(self, session: int) -> str:
        """Return the folder of a session's journal."""
        return os.path.join(self.folder, "sessions", str(session))

    def close(self) -> None:
        """Close the database."""
        self.database.close()
