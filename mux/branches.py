"""The git branch of each folder that sessions were started in: read from git's files, no oftener than it may change.

It is done in a thread, as a file system may hang: then the branches are old, and nobody waits for them.
"""

from __future__ import annotations

import os
import re
import stat
import threading
from dataclasses import dataclass

from . import files
from .notes import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future, TimerHandle
    from collections.abc import Callable, Iterable

FRESH = 1.0
"""Seconds for which what was read counts; also between two times that folders are looked at by themselves."""

WAIT = 0.2
"""Seconds that somebody who asks waits for it."""

LONGEST = 4096
"""Bytes that are read of a file of git's: those that matter have one line."""

SHOWN = 200
"""Characters of a branch's name that are kept."""

FOLDERS = 10_000
"""Folders that are remembered; above it all are read again, as sessions may be forgotten."""

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True)
class Known:
    """What was read: where, what that file looked like from outside, and the branch."""

    head: str = ""
    looks: tuple[int, int, int] = (0, 0, 0)
    branch: str | None = None


def read(folder: str, before: Known | None = None) -> Known:
    """Return the branch of ``folder``, or the short id of the commit; reading nothing again that has not changed."""
    head = _head(folder)
    if not head:
        return Known()
    try:
        found = os.stat(head)
        looks = (found.st_mtime_ns, found.st_ino, found.st_size)
        if before is not None and (before.head, before.looks) == (head, looks):
            return before
        text = files.whole(head, LONGEST).decode("utf-8", "replace").strip()
    except OSError:
        return Known()
    return Known(head, looks, _named(text))


def _head(folder: str) -> str:
    """Return the path of the file that names what is checked out in a folder; "" outside of git."""
    while os.path.isabs(folder):
        git = os.path.join(folder, ".git")
        try:
            kind = os.stat(git).st_mode
            if stat.S_ISDIR(kind):
                return os.path.join(git, "HEAD")
            if stat.S_ISREG(kind):  # of a worktree, or a submodule
                text = os.fsdecode(files.whole(git, LONGEST)).strip()
                return os.path.join(folder, text[8:].strip(), "HEAD") if text.startswith("gitdir: ") else ""
        except OSError:
            pass
        folder, name = os.path.split(folder)
        if not name:
            break
    return ""


def _named(text: str) -> str | None:
    if _COMMIT.fullmatch(text):
        return text[:7]
    if not text.startswith("ref: "):
        return None
    return clean(text.removeprefix("ref: ").removeprefix("refs/heads/"), SHOWN) or None


class Branches:
    """The branches of all folders of one server.

    Args:
        changed: is told of folders where it is another one than before.
    """

    def __init__(self, loop: AbstractEventLoop, changed: Callable[[set[str]], None]) -> None:
        self._loop = loop
        self._changed = changed
        self._known: dict[str, Known] = {}
        self._read_at: dict[str, float] = {}
        self._due: set[str] = set()
        self._began = float("-inf")
        self._reading = False
        self._late = False  # what is being read takes longer than anybody waits
        self._timer: TimerHandle | None = None
        self._waiting: list[Future[None]] = []

    def of(self, folder: str) -> str | None:
        """Return the branch as far as it is known."""
        known = self._known.get(folder)
        return known.branch if known is not None else None

    def soon(self, folder: str) -> None:
        """Something has happened in a folder: look again in a moment."""
        self._due.add(folder)
        self._plan()

    async def fresh(self, folders: Iterable[str]) -> None:
        """Wait until the branches of these are known as they were a moment ago, but not for long."""
        now = self._loop.time()
        stale = {folder for folder in folders if now - self._read_at.get(folder, float("-inf")) >= FRESH}
        if not stale:
            return
        self._due |= stale
        if not self._reading:
            self._begin()
        if self._late:
            return
        done: Future[None] = self._loop.create_future()
        self._waiting.append(done)
        timer = self._loop.call_later(WAIT, self._too_late)
        try:
            await done
        finally:
            timer.cancel()

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._due.clear()

    def _plan(self) -> None:
        if self._due and not self._reading and self._timer is None:
            self._timer = self._loop.call_at(self._began + FRESH, self._begin)

    def _begin(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = {folder: self._known.get(folder) for folder in self._due}
        self._due.clear()
        self._began = self._loop.time()
        self._reading = True
        threading.Thread(target=self._read, args=(due,), name="branches", daemon=True).start()

    def _read(self, due: dict[str, Known | None]) -> None:
        found = {folder: read(folder, before) for folder, before in due.items()}
        try:
            self._loop.call_soon_threadsafe(self._done, found)
        except RuntimeError:
            pass  # the server has ended meanwhile

    def _done(self, found: dict[str, Known]) -> None:
        self._reading = self._late = False
        changed = {folder for folder, known in found.items() if known.branch != self.of(folder)}
        if len(self._known) > FOLDERS:
            self._known.clear()
            self._read_at.clear()
        self._known.update(found)
        self._read_at.update(dict.fromkeys(found, self._loop.time()))
        if changed:
            self._changed(changed)
        if self._waiting and self._due:  # asked for while the thread was on its way
            self._begin()
            return
        self._wake()
        self._plan()

    def _too_late(self) -> None:
        self._late = True
        self._wake()

    def _wake(self) -> None:
        for one in self._waiting:
            if not one.done():
                one.set_result(None)
        self._waiting.clear()
