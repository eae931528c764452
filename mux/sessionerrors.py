"""Errors that a user can see: what a server refuses to do with sessions. Apart, for no client raises them.

errors.py says what they are made of.
"""

from __future__ import annotations

from .errors import AgentmuxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class UnknownSession(AgentmuxError):
    """No session matches the target."""

    def __init__(self, target: str, near: str = "") -> None:
        super().__init__(
            f"no session named {target!r}",
            hint=f"did you mean {near!r}?" if near else "list them with: agentmux ls -a",
        )


class NoSession(AgentmuxError):
    """No target was given and there is nothing to choose."""

    def __init__(self) -> None:
        super().__init__("no sessions", hint="start one with: agentmux new")


class AmbiguousTarget(AgentmuxError):
    """A prefix or label matches more than one session."""

    def __init__(self, target: str, names: Iterable[str]) -> None:
        super().__init__(
            f"target {target!r} matches more than one session",
            hint="name one of: " + ", ".join(sorted(names)),
        )


class NameTaken(AgentmuxError):
    """A running session has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"a session named {name!r} is running",
            hint=f"attach to it with: agentmux attach -t {name}",
        )


class BadName(AgentmuxError):
    """The text can't be a session's name."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"{name!r} can't be a session name: {why}",
            hint="use letters, digits, '.', '_' and '-', 64 at most, not digits alone",
        )


class SpawnFailed(AgentmuxError):
    """The program did not start."""

    def __init__(self, program: str, why: str, hint: str = "") -> None:
        super().__init__(f"cannot run {program!r}: {why}", hint=hint)


class NotRunning(AgentmuxError):
    """The session has ended, and what was asked needs a running one."""

    def __init__(self, name: str, state: str) -> None:
        super().__init__(
            f"session {name!r} is not running ({state})",
            hint=f"start it again with: agentmux restart -t {name}",
        )


class StillRunning(AgentmuxError):
    """The session runs, and what was asked needs an ended one."""

    def __init__(self, name: str) -> None:
        super().__init__(f"session {name!r} is running", hint=f"end it first with: agentmux kill -t {name}")


class InputFull(AgentmuxError):
    """The program does not read its input and the queue is at its bound."""

    def __init__(self, name: str, bound: int) -> None:
        super().__init__(
            f"session {name!r} is not reading its input: {bound >> 10} KiB are waiting",
            hint="nothing was sent; try again when the program reads",
        )


class NeedsTerminal(AgentmuxError):
    """Attaching needs a terminal on standard input and output."""

    def __init__(self, hint: str = "run it in a terminal") -> None:
        super().__init__("standard input and output are not a terminal", hint=hint)


class Nested(AgentmuxError):
    """Attach was asked for inside a session."""

    def __init__(self) -> None:
        super().__init__(
            "already inside a session: attaching would show it inside itself",
            hint="unset AGENTMUX to force",
        )


class NoReply(AgentmuxError):
    """Nothing was said in the session yet, or nobody asked."""

    def __init__(self, name: str) -> None:
        super().__init__(f"session {name!r} has not replied yet", hint=f"ask it with: agentmux send -t {name} TEXT")


class NothingToSend(AgentmuxError):
    """A prompt has nothing in it that can be typed."""

    status = 2

    def __init__(self) -> None:
        super().__init__("there is nothing to send: no letter that can be typed", hint="give a text, -f FILE or -")


class TooLong(AgentmuxError):
    """A prompt is longer than any agent takes."""

    status = 2

    def __init__(self, most: int) -> None:
        super().__init__(f"the prompt is longer than {most >> 20} MiB", hint="name a file in it instead")


class NoSuchPrompt(AgentmuxError):
    """No prompt in any queue has that number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no prompt {number} in the queue", hint="see: agentmux queue -t SESSION")


class NotQueued(AgentmuxError):
    """A prompt has left its queue: it can't be changed any more."""

    def __init__(self, number: int, state: str) -> None:
        super().__init__(f"prompt {number} is not queued any more: it is {state}", hint="")


class StoreFailed(AgentmuxError):
    """The disk refused something that may not be lost."""


class TimedOut(AgentmuxError):
    """A wait ended by its ``--timeout``."""

    status = 5

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not seen within {seconds:g} s", hint="")


class UpgradeRefused(AgentmuxError):
    """The keeper tried what should take over, and it does not run."""

    def __init__(self, why: str) -> None:
        super().__init__(f"not upgraded: {why}", hint="everything runs on as before; see: agentmux server log")


class NoConversation(AgentmuxError):
    """A session's conversation can't be opened again."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"session {name!r}: {problem}", hint="to run its command anew: agentmux restart --afresh")
