"""Errors of the API: those of the command line by their own classes, and three that carry a receipt. Pure."""

from __future__ import annotations

from agentmux.mux import errors, sessionerrors
from agentmux.mux.errors import AgentmuxError, BadUsage
from agentmux.mux.sessionerrors import TimedOut

from .model import Receipt

_KINDS = {
    name: kind
    for module in (errors, sessionerrors)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, AgentmuxError)
}

_BY_STATUS: dict[int, type[AgentmuxError]] = {BadUsage.status: BadUsage, TimedOut.status: TimedOut}
"""Where the server does not name the kind."""


class Refused(AgentmuxError):
    """A prompt was not typed, and will not be."""

    status = 10

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(f"prompt to session {receipt.session} refused: {receipt.why}")
        self.receipt = receipt


class Uncertain(AgentmuxError):
    """A prompt was typed, and nothing shows that the agent took it: sent again, it may be there twice."""

    status = 11

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(
            f"prompt to session {receipt.session} uncertain: {receipt.why}",
            hint="look at its screen before repeating it",
        )
        self.receipt = receipt


class Unfinished(TimedOut):
    """A prompt was not accepted, or its turn was not over, in the time that was given. It goes on."""

    def __init__(self, receipt: Receipt, seconds: float) -> None:
        super().__init__(seconds)
        self.receipt = receipt


def rebuilt(status: int, kind: str, said: str) -> AgentmuxError:
    """Return the error that a server has raised.

    Args:
        kind: its class; empty, or one that is not known here, for any.
        said: what the command line would print: problem and hint, a line each.
    """
    problem, hint = ([line.removeprefix("agentmux: ") for line in said.splitlines()] + ["", ""])[:2]
    found = _KINDS.get(kind) or _BY_STATUS.get(status, AgentmuxError)
    error = found.__new__(found)  # its sentence is made already
    AgentmuxError.__init__(error, problem or f"exit status {status}", hint)
    error.status = status
    return error
