"""Every error that a user can see, and nothing else.

Raise the class that names the fact; it builds the sentence. ``problem`` is one
lower-case line without a full stop that names the thing, ``hint`` says what to
do next, ``status`` is the exit status of the command (the table is in
agentmux(1), EXIT STATUS). One place prints them: ``agentmux: problem`` and
``agentmux: hint``, on standard error.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class AgentmuxError(Exception):
    """Something went wrong that the user can act on."""

    status = 1

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint


class BadUsage(AgentmuxError):
    """The command line does not parse."""

    status = 2


class ProtocolError(AgentmuxError):
    """The other end broke the wire format. Close the connection: it can't be resynchronised."""

    status = 3

    def __init__(self, detail: str) -> None:
        super().__init__(f"protocol error: {detail}", hint="are two versions in use? see: agentmux doctor")


class NoServer(AgentmuxError):
    """Nothing listens on the socket, and the command does not start a server."""

    def __init__(self, path: str) -> None:
        super().__init__(f"no server running on {path}", hint="start a session with: agentmux new")


class ServerSilent(AgentmuxError):
    """The server accepted the connection and then did not answer."""

    status = 3

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__(
            f"the server on {path} has not answered for {seconds:g} s",
            hint="see: agentmux doctor; end it with: agentmux server stop --force",
        )


class ServerLost(AgentmuxError):
    """The connection broke while a command that may not be repeated was running."""

    status = 4

    def __init__(self) -> None:
        super().__init__(
            "the server went away while it ran the command",
            hint="it may have taken effect: check with agentmux ls before repeating it",
        )


class StartFailed(AgentmuxError):
    """Keeper or server did not come up."""

    def __init__(self, detail: str, log: str) -> None:
        super().__init__(f"cannot start the server: {detail}", hint=f"its log is {log}")


class BadFolder(AgentmuxError):
    """A private folder is not private. Refused: somebody else could put a socket there."""

    def __init__(self, path: str, what: str, hint: str) -> None:
        super().__init__(f"folder {path!r} {what}", hint=hint)


class PathTooLong(AgentmuxError):
    """The socket path does not fit into ``sun_path``."""

    def __init__(self, path: str, length: int, limit: int) -> None:
        super().__init__(
            f"socket path of {length} bytes is over the system's limit of {limit}: {path!r}",
            hint="name a shorter one with -S, or set XDG_RUNTIME_DIR",
        )


class UnknownCommand(AgentmuxError):
    """No command has that name."""

    status = 2

    def __init__(self, name: str, near: str = "") -> None:
        super().__init__(
            f"no command named {name!r}",
            hint=f"did you mean {near!r}?" if near else "list them with: agentmux --help",
        )


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
