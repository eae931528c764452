"""Checks everything that a data folder remembers, beside a server that runs or without one. Changes nothing."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass

from agentmux.store.blobs import Blobs, finished
from agentmux.store.database import Database
from agentmux.store.errors import StoreError
from agentmux.store.folders import aside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found.

    Attributes:
        problems: one line each.
        hint: what to do about them.
        sessions: how many have a record.
        blobs: how many were read and proved.
        size: bytes of them on disk.
    """

    problems: list[str]
    hint: str = "take it from a backup, or forget the session that it belongs to"
    sessions: int = 0
    blobs: int = 0
    size: int = 0


def check(folder: str, progress: Callable[[float], object]) -> Checkup | None:
    """Read all of the database and every blob; return None where nothing is remembered yet."""
    path = os.path.join(folder, "store.db")
    if not os.path.lexists(path):
        return None
    try:
        with closing(Database(path, read_only=True)) as database:
            if problems := database.integrity_check():
                hint = f"the next server saves what it can: touch {path}.suspect && agentmux server upgrade"
                return Checkup(problems, hint)  # rows that are damaged prove nothing of files
            [(sessions,)] = database.execute("SELECT count(*) FROM session")
            blobs = Blobs(database, os.path.join(folder, "blobs"))
            count, _, stored = blobs.total()
            problems = finished(blobs.verifying(), progress)
            if not problems and (kept := aside(folder)):
                said = f"the database was damaged and is kept as {kept[-1]}; what could be read of it is in use"
                return Checkup([said], "if nothing is missed, delete it: rm " + " ".join(f"{path}*" for path in kept))
            return Checkup(problems, sessions=sessions, blobs=count, size=stored)
    except StoreError as error:
        return Checkup([error.problem], error.hint)
