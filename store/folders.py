"""The private folder that everything in the store lives in."""

from __future__ import annotations

import os
import re
import stat

from .errors import StoreError, StoreUnsafe

_ASIDE = re.compile(r"store\.db\.broken-(\d+)")


def private_folder(path: str) -> None:
    """Make ``path`` a folder of mode 0700 if it is missing; check it if it is there.

    A folder with a wider mode is refused rather than narrowed: a mistyped
    setting could name ``/tmp`` or a home folder, and changing those is worse than
    an error. Missing parents get the mode that the umask gives.

    Raises:
        StoreUnsafe: another user owns it, or others may enter it.
        StoreError: it can't be made, or is not a folder.
    """
    try:
        os.makedirs(path, 0o700, exist_ok=True)
        found = os.stat(path)
    except OSError as error:
        raise StoreError(
            f"can't make the folder {path}: {error.strerror}", hint="choose another data folder"
        ) from error
    if found.st_uid != os.geteuid():
        raise StoreUnsafe(
            f"the folder {path} belongs to user {found.st_uid}, not to user {os.geteuid()}",
            hint="choose another data folder",
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise StoreUnsafe(f"others may enter the folder {path}: mode {mode:04o}", hint=f"chmod 700 {path}")


def aside(folder: str) -> list[str]:
    """Return the paths of the databases that were put aside, oldest first."""
    try:
        found = [(int(match[1]), name) for name in os.listdir(folder) if (match := _ASIDE.fullmatch(name))]
    except OSError:
        return []
    return [os.path.join(folder, name) for _, name in sorted(found)]
