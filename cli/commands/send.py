"""agentmux send: deliver a prompt to a session, or type into it."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.errors import AgentmuxError, BadUsage
from agentmux.mux.screen import UnknownKey
from agentmux.mux.session import Session

from .. import prompts, receipts
from ..app import Argument, Option
from . import options
from .options import Json, Targets, Timeout


async def run(
    asking: Asking,
    text: Annotated[list[str] | None, Argument(metavar="[TEXT...|-]", help="Text, or - for standard input.")] = None,
    target: Targets = None,
    label: Annotated[
        list[str] | None, Option("--label", metavar="K=V", help="To all running sessions with that label.")
    ] = None,
    file: Annotated[str, Option("-f", "--file", metavar="FILE", help="The text is in a file.")] = "",
    when: Annotated[
        str, Option("--when", metavar="WHEN", help="When idle, or else queue: the default; or now, or else refuse.")
    ] = "idle",
    at: Annotated[str, Option("--at", metavar="TIME", help="Not before 14:30, 2026-05-01T08:00, or +10m.")] = "",
    after: Annotated[str, Option("--after", metavar="T", help="Not before that session is done.")] = "",
    wait: Annotated[bool, Option("--wait", help="Wait for the end of the turn, and print the reply.")] = False,
    timeout: Timeout = 0,  # noqa: ASYNC109 - a user's option
    enter: Annotated[bool, Option("--enter/--no-enter", help="Press Enter after the text; default: yes.")] = True,
    keys: Annotated[bool, Option("--keys", "-k", help="The words are key names: Enter C-c M-x Up F5 ...")] = False,
    history: Annotated[
        int | None, Option("--history", metavar="N", help="The text of prompt N of the history, once more.")
    ] = None,
    json: Json = False,
) -> int | None:
    """Deliver a prompt to an agent, or type into another program. Says what became of it."""
    if (keys or not enter) and (file or wait or at or after or json or when != "idle" or history is not None):
        raise BadUsage("send: --keys and --no-enter type at once: no other option goes with them but -t")
    if when not in ("idle", "now"):
        raise BadUsage(f"send: --when {when!r} is neither idle nor now")
    sessions = _sessions(asking, target, label)
    if keys:
        for session in sessions:
            try:
                session.type_for_script(session.screen.keys(text or []))
            except UnknownKey as error:
                raise BadUsage(
                    f"send: no key named {error.name!r}", hint="names as in tmux: Enter, C-c, M-x, Up, F5"
                ) from None
        return None
    if text == ["-"] and len(sessions) == 1 and not (json or wait or asking.mux.courier.knows(sessions[0])):
        await _piped(asking, sessions[0])
        return None
    if not text and not file and history is None and enter:
        for session in sessions:
            session.type_for_script(session.screen.keys(["Enter"]))
        return None
    if history is not None and (text or file):
        raise BadUsage("send: --history takes no text and no file")
    said = _recalled(asking, history) if history is not None else await prompts.read(asking, "send", text, file)
    if not enter:
        for session in sessions:
            session.type_for_script(said.encode("utf-8", "surrogateescape"))
        return None
    order = receipts.Order(
        at_once=when == "now",
        not_before=options.moment(at, asking.mux.now()) if at else 0.0,
        after=asking.session(after) if after else None,
        wait=wait,
        timeout=timeout,
    )
    return await receipts.deliver(asking, sessions, said, order, json=json)


def _sessions(asking: Asking, target: list[str] | None, label: list[str] | None) -> list[Session]:
    if not label:
        return [asking.session(one) for one in target] if target else [asking.session(None)]
    wanted = options.pairs(label, "--label").items()
    found = [session for session in asking.mux.live() if wanted <= session.labels.items()]
    found += [session for one in target or () if (session := asking.session(one)) not in found]
    if not found:
        raise AgentmuxError("no running session has that label", hint="see: agentmux ls -F '{name} {labels}'")
    return found


async def _piped(asking: Asking, session: Session) -> None:
    """Type standard input as it comes into a program that is no agent."""
    async for data in asking.stdin():
        session.type_for_script(data)
        while session.input_high:
            await asking.until(session.when_input_low)


def _recalled(asking: Asking, number: int) -> str:
    text = asking.history.get(number).text
    if text is None:
        raise AgentmuxError(f"the text of prompt {number} is damaged", hint="see: agentmux doctor")
    return text
