"""agentmux inbox: the sessions that need a person, and what they ask."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux import dialog, evidence
from agentmux.mux.asking import Asking
from agentmux.mux.foreign import safe
from agentmux.mux.session import Session
from agentmux.mux.verdict import Status

from ..app import Option
from ..output import asked, for_how_long
from ..watching import again_and_again
from .options import Json

NEEDS = (Status.WAITING, Status.STALLED)

DRAWN = 0.3
"""Seconds for which a dialog must have stood to be shown: some are drawn in pieces, and each would be another one."""


async def run(
    asking: Asking,
    json: Json = False,
    watch: Annotated[bool, Option("--watch", help="List them again whenever something changes.")] = False,
) -> int | None:
    """List the sessions that need a person, and what they ask. The oldest comes first."""

    def waiting() -> list[Session]:
        return [session for session in asking.mux.live() if session.verdict.status in NEEDS]

    async def show() -> None:
        found = waiting()
        found.sort(key=lambda session: session.verdict.since)
        if json:
            asking.json([_values(session, asking.mux.now()) for session in found])
        else:
            for session in found:
                _print(asking, session)

    if watch:
        await again_and_again(asking, show)
    else:
        newest = max((session.verdict.since for session in waiting()), default=0.0)
        if (left := newest + DRAWN - asking.mux.now()) > 0:
            left = min(left, DRAWN)  # the clock may have been set back
            await asking.until(lambda wake: asking.loop.call_later(left, wake))
        await show()
    return None


def _values(session: Session, now: float) -> dict[str, object]:
    verdict = session.verdict
    reason = verdict.reason if verdict.about else None
    profile = session.watched_as
    question, wants = profile.signs.parted(reason) if profile is not None and reason is not None else ("", "")
    return {
        "session": session.id,
        "name": session.name,
        "agent": session.row.agent,
        "status": verdict.status.value,
        "about": verdict.about or None,
        "since": verdict.since,
        "age": max(0, int(now - verdict.since)),
        "because": evidence.explained(verdict.status, verdict.reason, verdict.against),
        "question": question or None,
        "wants": wants or None,
        "options": _options(session),
        "token": dialog.token(session.id, verdict) or None,
    }


def _options(session: Session) -> list[dict[str, object]]:
    reason, profile = session.verdict.reason, session.watched_as
    if not session.verdict.about or reason is None or profile is None:
        return []
    ways = profile.answer
    meanings = {"text": ways.takes_text, "no": ways.says_no, "yes": ways.says_yes}
    means = {at: word for word, find in meanings.items() if (at := find(reason.options)) is not None}
    return [{"number": at + 1, "text": text, "means": means.get(at)} for at, text in enumerate(reason.options)]


def _print(asking: Asking, session: Session) -> None:
    verdict = session.verdict
    token = dialog.token(session.id, verdict)
    head = for_how_long(verdict, asking.mux.now())
    asking.out(f"{safe(session.name)}: {head}{'  ' if token else ''}{token}")
    because = map(safe, evidence.explained(verdict.status, verdict.reason, verdict.against))
    for line in asked(verdict) if verdict.about else because:
        asking.out(f"    {line}".rstrip())
