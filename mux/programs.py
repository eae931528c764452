"""What a command line runs, and whether it would: the paths are the user's, the answers one line each."""

from __future__ import annotations

import asyncio
import os
import shutil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

DRY_RUN = 20.0
"""Seconds that a dry run may take."""


def is_folder(path: str) -> bool:
    """Whether ``path`` is a folder that we may look at."""
    return os.path.isdir(path)


def find(word: str, cwd: str, path: str) -> str | None:
    """Return the absolute path of what ``word`` runs from ``cwd`` with this PATH."""
    if "/" in word:
        return os.path.normpath(os.path.join(cwd, word))
    folders = os.pathsep.join(os.path.join(cwd, folder) for folder in path.split(os.pathsep))
    return shutil.which(word, path=folders)


async def dry_run(argv: Sequence[str]) -> str:
    """Return why ``argv`` starts no server, "" if it does: once the keeper has begun there is no way back."""
    null = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*argv, stdin=null, stdout=null, stderr=asyncio.subprocess.PIPE)
    except OSError as error:
        return f"cannot run {argv[0]!r}: {(error.strerror or str(error)).lower()}"
    try:
        async with asyncio.timeout(DRY_RUN):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        return f"the new server does not start within {DRY_RUN:g} s"
    if process.returncode:
        last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return f"the new server does not start: {last or process.returncode}"
    return ""
