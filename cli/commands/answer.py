"""agentmux answer: pick one of the answers that a session's dialog offers."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.answering import Choice
from agentmux.mux.answers import End
from agentmux.mux.asking import Asking
from agentmux.mux.errors import BadUsage
from agentmux.mux.foreign import safe

from ..app import Argument, Option
from ..receipts import REFUSED, UNCERTAIN
from .options import Json, Target

STATUSES = {End.ANSWERED: 0, End.REFUSED: REFUSED, End.UNCERTAIN: UNCERTAIN}
"""Exit statuses: the same as of prompts."""


async def run(
    asking: Asking,
    choice: Annotated[
        str | None, Argument(metavar="[N|yes|no]", help="The number of an answer, or which it is.")
    ] = None,
    target: Target = None,
    text: Annotated[str, Option("--text", metavar="TEXT", help="A text, for the answer that takes one.")] = "",
    seen: Annotated[
        str, Option("--seen", metavar="TOKEN", help="Only the dialog that the inbox has shown with that token.")
    ] = "",
    json: Json = False,
) -> int | None:
    """Answer the dialog of a session. Status: 0 answered, 10 refused, 11 uncertain."""
    wanted = _choice(choice, text)
    session = asking.session(target)
    outcome = await asking.answer(session, wanted, seen)
    if json:
        asking.json(
            {
                "session": session.id,
                "name": session.name,
                "state": outcome.end.value,
                "status": STATUSES[outcome.end],
                "answer": outcome.number or None,
                "option": outcome.option or None,
                "why": outcome.why or None,
                "proof": outcome.proof or None,
                "prompt": outcome.prompt or None,
            }
        )
    elif outcome.end is not End.ANSWERED:
        asking.err(f"session {safe(session.name)!r}: {outcome.end.value}: {safe(outcome.why)}")
    return STATUSES[outcome.end]


def _choice(choice: str | None, text: str) -> Choice:
    if (choice is not None) == bool(text):
        raise BadUsage("answer: give one of: the number of an answer, yes, no, --text TEXT")
    if text:
        return Choice(text=text)
    if choice in ("yes", "no"):
        return Choice(means=choice == "yes")
    if choice is None or not choice.isdecimal() or len(choice) > 2 or not int(choice):
        raise BadUsage(f"answer: {choice!r} is neither a number nor yes nor no", hint="see: agentmux inbox")
    return Choice(int(choice))
