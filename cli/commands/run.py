"""agentmux run: a prompt to a new session, and the reply."""

from __future__ import annotations

import shlex
from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.errors import AgentmuxError, BadUsage
from agentmux.mux.forgetting import forget
from agentmux.mux.mux import Spec
from agentmux.mux.session import Session

from .. import prompts, receipts
from ..app import Argument, Option
from . import options
from .options import Cwd, Env, Json, Label, Timeout


async def run(
    asking: Asking,
    prompt: Annotated[list[str] | None, Argument(metavar="PROMPT...|-", help="The prompt, or - for stdin.")] = None,
    agent: Annotated[
        list[str] | None,
        Option(
            "--agent", metavar="P", help="An agent, or a command line that starts one; may be given more than once."
        ),
    ] = None,
    cwd: Cwd = "",
    env: Env = None,
    label: Label = None,
    file: Annotated[str, Option("-f", "--file", metavar="FILE", help="The prompt is in a file.")] = "",
    remove: Annotated[bool, Option("--rm", help="End the session then, and remove every trace of it.")] = False,
    timeout: Timeout = 0,  # noqa: ASYNC109 - a user's option
    json: Json = False,
) -> int | None:
    """Start an agent, give it a prompt, print its reply. The session goes on, unless told otherwise."""
    text = await prompts.read(asking, "run", prompt, file)
    folder = options.folder(asking.request.cwd, cwd)
    commands = [_command(asking, one) for one in agent or [asking.mux.config().text("default-agent")]]
    labels, extra = options.labels(label, "--label"), options.pairs(env, "-e")
    sessions: list[Session] = []
    try:
        for argv in commands:
            request = asking.request
            spec = Spec(argv, folder, request.env, extra=extra, labels=labels, umask=request.umask)
            sessions.append(await asking.mux.create(spec))
        order = receipts.Order(wait=True, timeout=timeout)
        return await receipts.deliver(asking, sessions, text, order, json=json)
    finally:
        if remove:
            await asking.mux.killer.kill_all([session for session in sessions if session.live])
            await forget(asking, sessions)


def _command(asking: Asking, words: str) -> tuple[str, ...]:
    """Return the command line of an agent that is named, or what is one already."""
    try:
        argv = tuple(shlex.split(words))
    except ValueError as error:
        raise BadUsage(f"run: --agent {words!r} is no command line: {error}") from None
    if not argv:
        raise BadUsage("run: --agent needs an agent", hint="see: agentmux agents")
    profiles = {profile.name: profile for profile in asking.mux.statuses.profiles()}
    if len(argv) == 1 and argv[0] in profiles and profiles[argv[0]].version:
        argv = (profiles[argv[0]].version[0],)
    profile = asking.mux.statuses.profile(argv)
    if profile is None or not profile.composer.known:
        raise AgentmuxError(f"{words!r} is no agent that takes prompts", hint="see: agentmux agents")
    return argv
