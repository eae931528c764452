"""agentmux send: type into a session."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.errors import AgentmuxError, BadUsage
from agentmux.mux.screen import UnknownKey

from ..app import Argument, Option
from .options import Target


async def run(
    asking: Asking,
    text: Annotated[list[str] | None, Argument(metavar="[TEXT...|-]", help="Text, or - for standard input.")] = None,
    target: Target = None,
    enter: Annotated[bool, Option("--enter/--no-enter", help="Press Enter after the text; default: yes.")] = True,
    keys: Annotated[bool, Option("--keys", "-k", help="The words are key names: Enter C-c M-x Up F5 ...")] = False,
    history: Annotated[
        int | None, Option("--history", metavar="N", help="The text of prompt N of the history, once more.")
    ] = None,
) -> int | None:
    """Type text into a session, and Enter; or press keys. The program's terminal modes say what a key sends."""
    session = asking.session(target)
    if history is not None:
        if text or keys:
            raise BadUsage("send: --history takes no text and no keys")
        text = [_recalled(asking, history)]
    if keys:
        try:
            session.type_in(session.screen.keys(text or []))
        except UnknownKey as error:
            raise BadUsage(
                f"send: no key named {error.name!r}", hint="names as in tmux: Enter, C-c, M-x, Up, F5"
            ) from None
        return None
    if text == ["-"]:
        async for data in asking.stdin():
            session.type_in(data)
            while session.input_high:
                await asking.until(session.when_input_low)
    elif text and enter:
        asking.mux.prompt(session, " ".join(text))
        return None
    elif text:
        session.type_in(" ".join(text).encode("utf-8", "surrogateescape"))
    if enter and text != ["-"]:
        session.type_in(session.screen.keys(["Enter"]))
    return None


def _recalled(asking: Asking, number: int) -> str:
    text = asking.history.get(number).text
    if text is None:
        raise AgentmuxError(f"the text of prompt {number} is damaged", hint="see: agentmux doctor")
    return text
