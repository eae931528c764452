"""agentmux queue: prompts that wait for their session."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking, Phase, Queued
from agentmux.mux.delivery import deliverable
from agentmux.mux.errors import BadUsage
from agentmux.mux.foreign import safe
from agentmux.mux.session import Session
from agentmux.mux.sessionerrors import NotQueued

from ..app import Argument, Option
from ..output import first_line, table, when
from .options import Json, Target

ACTIONS = ("edit", "move", "drop", "pause", "resume")


def run(
    asking: Asking,
    action: Annotated[
        list[str] | None,
        Argument(metavar="[ACTION...]", help="Change it: edit N TEXT, move N [BEFORE], drop N..., pause, resume."),
    ] = None,
    target: Target = None,
    everything: Annotated[bool, Option("-a", "--all", help="Those that are over, too.")] = False,
    json: Json = False,
) -> int | None:
    """List the prompts that wait for a session, and change that."""
    session = asking.session(target)
    word, *rest = action or ["list"]
    if word in ("pause", "resume") and not rest:
        asking.mux.courier.pause(session, word == "pause")
    elif word == "drop" and rest:
        for prompt in [_prompt(asking, session, one) for one in rest]:
            if not asking.mux.courier.drop(session, prompt):
                raise _not_queued(asking, prompt)
    elif word == "edit" and len(rest) > 1:
        _edit(asking, session, _prompt(asking, session, rest[0]), " ".join(rest[1:]))
    elif word == "move" and len(rest) in (1, 2):
        _move(asking, session, _prompt(asking, session, rest[0]), rest[1:])
    elif action:
        raise BadUsage(
            f"queue: {' '.join(action)!r} is none of: edit N TEXT, move N [BEFORE], drop N..., pause, resume"
        )
    else:
        _list(asking, session, everything, json)
    return None


def _prompt(asking: Asking, session: Session, number: str) -> Queued:
    if not number.isdecimal() or len(number) > 18:  # SQLite's largest has 19 digits
        raise BadUsage(f"queue: {number!r} is no number of a prompt", hint="see: agentmux queue")
    prompt = asking.mux.courier.get(int(number))
    if prompt.session != session.id:
        raise BadUsage(f"queue: prompt {number} is not session {session.name!r}'s", hint="name its session with -t")
    return prompt


def _edit(asking: Asking, session: Session, prompt: Queued, text: str) -> None:
    try:
        text = deliverable(text, "\n")
    except ValueError:
        raise BadUsage("queue: nothing of that can be typed") from None
    if not asking.queue.edit(prompt.id, asking.mux.now(), text):
        raise _not_queued(asking, prompt)
    asking.mux.courier.kick(session)


def _move(asking: Asking, session: Session, prompt: Queued, before: list[str]) -> None:
    other = _prompt(asking, session, before[0]).id if before else None
    if not asking.queue.move(prompt.id, other):
        raise _not_queued(asking, prompt)
    asking.mux.courier.kick(session)


def _not_queued(asking: Asking, prompt: Queued) -> NotQueued:
    return NotQueued(prompt.id, asking.mux.courier.get(prompt.id).phase.value)


def _list(asking: Asking, session: Session, everything: bool, json: bool) -> None:
    found = asking.queue.of(session.id, 100) if everything else asking.queue.waiting(session.id)
    paused = asking.queue.paused(session.id)
    if json:
        asking.json({"session": session.id, "paused": paused, "prompts": [_values(one) for one in found]})
        return
    if paused:
        asking.err(f"the queue of session {session.name!r} is paused; go on with: agentmux queue resume")
    if found:
        body = [[str(one.id), when(one.at), _state(one), first_line(one.text)] for one in found]
        asking.out(table(["ID", "TIME", "STATE", "PROMPT"], body))


def _state(one: Queued) -> str:
    return f"{one.phase.value}{': ' if one.why else ''}{safe(one.why)}"


def _values(one: Queued) -> dict[str, object]:
    return {
        "id": one.id,
        "at": one.at,
        "state": one.phase.value,
        "why": one.why or None,
        "proof": one.proof or None,
        "when": "now" if one.phase is Phase.QUEUED and one.at_once else "idle",
        "not_before": one.not_before or None,
        "after": one.after,
        "typed": one.typed,
        "ended": one.ended,
        "text": one.text,
    }
