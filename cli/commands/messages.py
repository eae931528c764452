"""agentmux messages: what was said in a session."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.foreign import printable

from ..app import Option
from ..output import when
from .options import Json, Target


async def run(
    asking: Asking,
    target: Target = None,
    last: Annotated[int | None, Option("-n", "--last", metavar="N", min=1, help="Only the newest so many.")] = None,
    json: Json = False,
) -> int | None:
    """Print what was said in a session. Prompts and replies, the oldest first."""
    session = asking.session(target)
    found = asking.messages.of(session.id, last)
    if json:
        asking.json(
            [
                {
                    "id": message.id,
                    "session": message.session,
                    "role": message.role.value,
                    "at": message.at,
                    "source": message.source.value,
                    "proof": dict(message.proof),
                    "text": message.text,
                }
                for message in found
            ]
        )
        return None
    for message in found:
        text = "[damaged: see agentmux doctor]" if message.text is None else printable(message.text)
        asking.out(f"{message.role.value}  {when(message.at)}\n{text}\n")
        await asking.drained()
    return None
