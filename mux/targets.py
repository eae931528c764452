"""What a user means by ``-t``: an id, a name, a unique prefix, or a label. Pure."""

from __future__ import annotations

import difflib
import re

from .sessionerrors import AmbiguousTarget, BadName, UnknownSession

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Protocol

    class Named(Protocol):
        """What a target is matched against."""

        @property
        def id(self) -> int: ...
        @property
        def name(self) -> str: ...
        @property
        def live(self) -> bool: ...
        @property
        def labels(self) -> Mapping[str, str]: ...


_NAME = re.compile(r"[\w.][\w.-]*", re.ASCII)
NAME_LIMIT = 64


def checked_name(name: str) -> str:
    """Return ``name``.

    Raises:
        BadName: a target could not name it, or a list could not show it.
    """
    if not name:
        raise BadName(name, "it is empty")
    if len(name) > NAME_LIMIT:
        raise BadName(name[:NAME_LIMIT] + "...", f"it is longer than {NAME_LIMIT}")
    if name.isdigit():
        raise BadName(name, "it looks like an id")
    if not _NAME.fullmatch(name):
        raise BadName(name, "it has a character that is not allowed, or starts with '-'")
    return name


def free_name(wanted: str, taken: Collection[str]) -> str:
    """Return a valid name made from ``wanted`` (a program's path, say) that nobody in ``taken`` has."""
    base = re.sub(r"[^\w.-]+", "-", wanted.rpartition("/")[2], flags=re.ASCII).strip("-")[: NAME_LIMIT - 16]
    if not base or base.isdigit():
        base = f"session-{base}".rstrip("-")
    if base not in taken:
        return base
    return next(name for n in range(2, len(taken) + 3) if (name := f"{base}-{n}") not in taken)


def find(target: str, sessions: Collection[Named]) -> Named:
    """Return the session that ``target`` means.

    In this order: the id; the name of a live session; the name of an ended one
    (the newest); a unique prefix of a live name, then of an ended one; a label,
    ``KEY=VALUE`` or just its value, that one live session has.

    Raises:
        UnknownSession: nothing matches.
        AmbiguousTarget: more than one does.
    """
    if not target:
        raise UnknownSession(target)
    newest_first = sorted(sessions, key=lambda s: -s.id)
    live = [s for s in newest_first if s.live]
    ended = [s for s in newest_first if not s.live]
    if target.isdigit():
        if same_id := [s for s in newest_first if str(s.id) == target]:
            return same_id[0]
        raise UnknownSession(target[:NAME_LIMIT])
    for group in (live, ended):
        if named := [s for s in group if s.name == target]:
            return named[0]
    for group in (live, ended):
        starting = [s for s in group if s.name.startswith(target)]
        if len({s.name for s in starting}) > 1:
            raise AmbiguousTarget(target, {s.name for s in starting})
        if starting:
            return starting[0]
    key, equals, value = target.partition("=")
    labelled = [s for s in live if (s.labels.get(key) == value if equals else target in s.labels.values())]
    if len(labelled) > 1:
        raise AmbiguousTarget(target, (s.name for s in labelled))
    if labelled:
        return labelled[0]
    near = difflib.get_close_matches(target, [s.name for s in newest_first], n=1, cutoff=0.6)
    raise UnknownSession(target, near[0] if near else "")
