"""What starts an agent, opens its conversation again or forks it; and which conversation a process has open."""

from __future__ import annotations

import os
import uuid
from typing import NamedTuple

from .recognise import place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentmux.store.sessions import SessionRow

    from .profiles import Profile


class Opening(NamedTuple):
    """What to execute, and the id of the conversation that it then is, None if that is not known."""

    argv: list[str]
    conversation: str | None = None


def started(profile: Profile | None, argv: Sequence[str]) -> Opening:
    """Return what to execute for ``argv``."""
    at = _place(profile, argv)
    if profile is None or at is None:
        return Opening(list(argv))
    words, conversation = profile.conversations.started(argv[at:], str(uuid.uuid4()))
    return Opening([*argv[:at], *words], conversation)


def hooked(profile: Profile | None, argv: Sequence[str], command: Sequence[str]) -> list[str]:
    """Return ``argv`` with the agent's hooks, which run ``command EVENT``. Not where it begins no conversation."""
    at = _place(profile, argv)
    if profile is None or at is None or profile.conversations.other(argv[at:]):
        return list(argv)
    return [*argv[:at], *profile.hooks.injected(argv[at:], command), *argv[at:]]


def streamed(profile: Profile | None, argv: Sequence[str], port: int) -> list[str]:
    """Return ``argv`` with what makes the agent serve its events at ``port``. Not where it begins no conversation."""
    at = _place(profile, argv)
    if profile is None or at is None or profile.conversations.other(argv[at:]):
        return list(argv)
    return [*argv[:at], *profile.events.injected(argv[at:], port), *argv[at:]]


def resumed(profile: Profile | None, row: SessionRow) -> Opening | None:
    """Return what opens a session's conversation again; None where it is not known, or can't be opened."""
    at = _place(profile, row.argv)
    if profile is None or at is None or row.conversation is None or not profile.conversations.resume:
        return None
    words = profile.conversations.resumed(row.argv[at:], row.conversation)
    return Opening([*row.argv[:at], *words], row.conversation)


def forked(profile: Profile | None, row: SessionRow) -> Opening | None:
    """Return what begins another conversation from a session's; None where that can't be."""
    at = _place(profile, row.argv)
    if profile is None or at is None or row.conversation is None or not profile.conversations.fork:
        return None
    words, conversation = profile.conversations.forked(row.argv[at:], row.conversation, str(uuid.uuid4()))
    return Opening([*row.argv[:at], *words], conversation)


def learned(profile: Profile, pid: int, rows: Callable[[], Sequence[str]]) -> str | None:
    """Return the conversation that an agent has open now, or names at its end; None if it can't be told."""
    if profile.conversations.file:
        return next((found for path in _open_files(pid) if (found := profile.conversations.in_file(path))), None)
    return profile.conversations.on_screen(rows()) if not profile.conversations.start else None


def _place(profile: Profile | None, argv: Sequence[str]) -> int | None:
    return None if profile is None else place(argv, profile.marks)


def _open_files(pid: int) -> list[str]:
    """Return the files that a process has open, those opened last first; none where the system does not tell."""
    folder = f"/proc/{pid}/fd"
    found = []
    try:
        for number in sorted(map(int, os.listdir(folder)), reverse=True):
            found.append(os.readlink(f"{folder}/{number}"))
    except OSError:
        pass
    return found
