"""Errors that a user can see: their base, and those on the way to a server. The others are in sessionerrors.py.

Raise the class that names the fact; it builds the sentence. ``problem`` is one
lower-case line without a full stop that names the thing, ``hint`` says what to
do next, ``status`` is the exit status of the command (the table is in
agentmux(1), EXIT STATUS). One place prints them: ``agentmux: problem`` and
``agentmux: hint``, on standard error.
"""


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


class ServedElsewhere(AgentmuxError):
    """A server has the data folder, that of a socket of the same name in another runtime folder."""

    def __init__(self, data: str, socket: str) -> None:
        super().__init__(
            f"the data folder {data!r} is in use by the server on {socket}",
            hint=f"name another with -L, or that one with -S {socket}",
        )


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
