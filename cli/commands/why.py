"""agentmux why: what a session does, and how that is known."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux import dialog, evidence
from agentmux.mux.asking import NOTE, Asking, Entry
from agentmux.mux.foreign import safe
from agentmux.mux.verdict import Source, Status, Verdict

from ..app import Option
from ..output import ahead, asked, for_how_long, when
from .options import Json, Target

ENTRIES = 50
"""Entries of the ledger that are shown unless told otherwise."""


def run(
    asking: Asking,
    target: Target = None,
    history: Annotated[bool, Option("--history", help="What it did before, too.")] = False,
    last: Annotated[int, Option("-n", "--last", metavar="N", min=1, help="At most N entries of it.")] = ENTRIES,
    json: Json = False,
) -> int | None:
    """Explain what a session does. Names the evidence, and what speaks against it."""
    session = asking.session(target)
    verdict, readings = session.verdict, list(session.readings.values())
    # What becomes known of a status later is written down as the same one again.
    found = asking.ledger.of(session.id, last) if history else []
    entries = list({(one.at, one.status): one for one in found}.values())
    if json:
        asking.json(
            {
                "session": session.id,
                "name": session.name,
                "status": verdict.status.value,
                "since": verdict.since,
                "about": verdict.about or None,
                "resets": verdict.resets,
                "resumes": asking.mux.resumes(session.row),
                "token": dialog.token(session.id, verdict) or None,
                "because": evidence.explained(verdict.status, verdict.reason, verdict.against),
                "readings": [evidence.as_values(one) for one in readings],
                **({"history": [_entry(one) for one in entries]} if history else {}),
            }
        )
        return None
    asking.out(f"{safe(session.name)}: {for_how_long(verdict, asking.mux.now())}")
    for line in evidence.explained(verdict.status, verdict.reason, verdict.against):
        asking.out(f"  {safe(line)}")
    for line in asked(verdict):
        asking.out(f"    {line}".rstrip())
    if verdict.resets is not None:
        asking.out(f"  resets {ahead(verdict.resets, asking.mux.now())}")
    if (resumes := asking.mux.resumes(session.row)) is not None:
        asking.out(f"  goes on by itself {ahead(resumes, asking.mux.now())}")
    others = [one for one in readings if one is not verdict.reason and one not in verdict.against]
    for one in sorted(others, key=lambda one: list(Source).index(one.source)):
        asking.out(f"  also {safe(evidence.sentence(one))}")
    for entry in entries:
        facts = _entry(entry)
        asking.out(f"{when(entry.at)}  {facts['status']}  {safe(str(facts['because']))}")
    return None


def _entry(entry: Entry) -> dict[str, object]:
    if entry.status == NOTE:
        return {"at": entry.at, "status": NOTE, "about": None, "because": evidence.noted(entry.evidence), "text": None}
    known = evidence.recalled(entry.status, entry.at, entry.evidence)
    verdict = known[0] if known else Verdict(Status.UNKNOWN, entry.at)
    return {
        "at": entry.at,
        "status": entry.status,
        "about": verdict.about or None,
        "because": evidence.explained(verdict.status, verdict.reason, ())[0],
        "text": verdict.reason.text or None if verdict.reason else None,
    }
