"""Every error that the store raises on purpose.

The store knows no terminal and no protocol: whoever calls it turns these into
what a user sees. ``sqlite3.IntegrityError`` and ``AssertionError`` may come out
too; those are bugs of ours and keep their traceback.
"""

from __future__ import annotations

import errno

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a write says that found no room: disk, quota or file size limit."""


def reason(error: OSError) -> str:
    """Return what the system says, fit to end a ``problem``."""
    return (error.strerror or str(error)).lower()


class StoreError(Exception):
    """Something on disk is not as it should be.

    ``problem`` is one lower-case line with no full stop, fit to follow
    "agentmux: ". ``hint`` says what to do next, or is empty.
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


class StoreUnsafe(StoreError):
    """A folder that would hold private data is not ours, or is open to others."""


class StoreOld(StoreError):
    """An older agentmux wrote the database, and it may not be changed now."""

    def __init__(self, path: str, found: int, known: int) -> None:
        super().__init__(
            f"the database {path} has version {found}, not {known}",
            hint="an older agentmux wrote it; the next server brings it up to date",
        )


class StoreTooNew(StoreError):
    """A newer agentmux wrote the database. It was not touched."""

    def __init__(self, path: str, found: int, known: int) -> None:
        super().__init__(
            f"the database {path} has version {found}, this agentmux knows versions up to {known}",
            hint="a newer agentmux wrote it: install that version, or choose another data folder",
        )
        self.path = path
        self.found = found
        self.known = known


class StoreBroken(StoreError):
    """The database file is damaged, or never was a database. It was not touched."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"the database {path} can't be read: {reason}",
            hint="the next server saves what it can: agentmux server upgrade",
        )
        self.path = path
        self.reason = reason


class StoreFull(StoreError):
    """The disk has no room for a change to the database, or for a blob. Nothing was changed."""

    def __init__(self, path: str) -> None:
        super().__init__(f"no room on the disk to write to {path}", hint="free some space and try again")
        self.path = path


class NotUnique(StoreError):
    """A row with that key exists. Caught in the store, which knows what the key means."""


class NameTaken(StoreError):
    """A live session has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a session named {name!r} is running", hint="choose another name")
        self.name = name


class NoSuchSession(StoreError):
    """There is no record with that id; it may have been forgotten."""

    def __init__(self, session: int) -> None:
        super().__init__(f"no session with id {session} in the store")
        self.session = session


class StillLive(StoreError):
    """A session that is starting or running can't be started again."""

    def __init__(self, session: int) -> None:
        super().__init__(f"session {session} is still running", hint="kill it first")
        self.session = session


class NoSuchPrompt(StoreError):
    """There is no prompt with that id; its session may have been forgotten."""

    def __init__(self, prompt: int) -> None:
        super().__init__(f"no prompt with id {prompt} in the history", hint="list them with: agentmux history")
        self.prompt = prompt


class BlobMissing(StoreError):
    """The file of a blob is not there."""

    def __init__(self, path: str) -> None:
        super().__init__(f"the blob {path} is missing")
        self.path = path


class BlobBroken(StoreError):
    """The file of a blob is not as it was written. It was not touched."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"the blob {path} is damaged: {reason}")
        self.path = path


class JournalError(StoreError):
    """A journal could not be written or read. ``start`` and ``end`` are as before the call."""

    def __init__(self, path: str, reason: str, hint: str = "") -> None:
        super().__init__(f"the journal {path} failed: {reason}", hint)
        self.path = path


class JournalFull(JournalError):
    """No room: disk, quota or file size limit. Nothing of the failed write was kept."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason, hint="free some space; output is not recorded until then")


class OutsideJournal(StoreError):
    """The offset was pruned or never written. Go on from ``start`` or from ``end``."""

    def __init__(self, path: str, offset: int, start: int, end: int) -> None:
        super().__init__(f"the journal {path} holds the bytes {start} to {end}, not {offset}")
        self.offset = offset
        self.start = start
        self.end = end
