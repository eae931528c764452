"""The client: ship the command to the server, print what comes back, exit as it says.

What runs here at every command is kept to what that needs; the rest (starting
a server, attaching, commands that must work without a server) is imported
when its turn comes. tests/test_startup.py counts the modules.
"""

import os
import sys
import time

from agentmux.mux import paths
from agentmux.mux.client import Connection
from agentmux.mux.errors import AgentmuxError, BadUsage, NoServer, ServerLost, UnknownCommand
from agentmux.mux.protocol import Kind, Request, number, unpack

from . import commands
from .commands import CLIENT, STARTS, Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

RESENDS = 8
"""How often a command is sent again when the server goes away before it began."""


def main(argv: list[str] | None = None) -> int:
    """Run one command line; return its exit status. The one place where errors become text."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except AgentmuxError as error:
        return fail(error)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 141  # the reader of our output left, as in `agentmux ls | head -1`


def fail(error: AgentmuxError) -> int:
    """Print ``error`` as every error is printed; return its exit status."""
    from agentmux.mux.foreign import safe

    lines = [line for line in (error.problem, error.hint) if line]
    write_all(2, "".join(f"agentmux: {safe(line)}\n" for line in lines).encode())
    return error.status


def write_all(fd: int, data: bytes) -> None:
    """Write ``data`` to ``fd``, however often it takes."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except BrokenPipeError:
        raise
    except OSError as error:  # a full disk, a terminal that hung up
        if fd != 2:
            raise AgentmuxError(f"cannot write: {(error.strerror or str(error)).lower()}") from None


def _run(argv: list[str]) -> int:
    name = path = ""
    words = list(argv)
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-V", "--version"):
            from agentmux.mux import VERSION

            write_all(1, f"agentmux {VERSION}\n".encode())
            return 0
        if option in ("-h", "--help"):
            words.insert(0, "--help")
            break
        if option[:2] not in ("-L", "-S") or option.startswith("--"):
            raise BadUsage(f"unknown option {option!r}", hint="see: agentmux --help")
        value = option[2:] or (words.pop(0) if words else "")
        if not value:
            raise BadUsage(f"option {option!r} needs a value", hint="see: agentmux --help")
        if option[1] == "L":
            name = value
        else:
            path = value
    if "/" in name:
        raise BadUsage(f"{name!r} can't be a server name: it has a '/'", hint="give a path with -S")
    completing = "_AGENTMUX_COMPLETE" in os.environ
    if completing or "--help" in words[:2] or "-h" in words[:2]:
        return _local(words, name, path, completing=completing)
    words = words or [_front()]
    command = commands.find(words[0])
    if command is None:
        raise UnknownCommand(words[0], _near(words[0]))
    socket = paths.socket_path(os.environ, name, path)
    if command.name == "dashboard":
        from . import dashboard

        return dashboard.run(words[1:], socket)
    if command.name == "hook":
        from . import hook

        return hook.run(words[1:], socket)
    if command.server == CLIENT or (words[:2] == ["server", "stop"] and "--force" in words):
        from . import local

        return local.run(words, socket)
    return _ask(words, command, socket)


def _front() -> str:
    """Return what is meant without a command: the view, and where that can't be shown the list."""
    shown = os.isatty(0) and os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb"
    return "dashboard" if shown else "ls"


def _local(words: list[str], name: str, path: str, *, completing: bool) -> int:
    """Answer ``--help``, which needs no server, and completion, which asks one if it runs."""
    from . import local

    if completing:
        return local.complete(paths.socket_path(os.environ, name, path))
    words = [word for word in words if word not in ("-h", "--help")]
    if words and commands.find(words[0]) is None:
        raise UnknownCommand(words[0], _near(words[0]))
    return local.show_help(words)


def _near(word: str) -> str:
    import difflib

    known = [w for command in commands.COMMANDS for w in (command.name, *command.aliases)]
    close = difflib.get_close_matches(word, known, n=1)
    return close[0] if close else ""


def terminal_size() -> tuple[int, int]:
    """Return (columns, rows) of the first of standard output, input and error that is a terminal."""
    for fd in (1, 0, 2):
        try:
            columns, rows = os.get_terminal_size(fd)
        except OSError:
            continue
        return columns, rows
    return 0, 0


def here() -> str:
    """Return the working directory, or home where that is gone."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return os.environ.get("HOME", "/")


def make_request(words: list[str]) -> Request:
    """Return the request for ``words`` from this process's surroundings."""
    ttys = (os.isatty(0), os.isatty(1), os.isatty(2))
    os.umask(umask := os.umask(0o077))
    return Request(words, here(), dict(os.environ), terminal_size(), ttys, umask, int(time.monotonic() * 1e6))


def connect(command: Command, socket: str) -> Connection:
    """Return a connection, to a new server if there is none and ``command`` starts one."""
    try:
        return Connection.open(socket)
    except NoServer:
        from agentmux.mux import start

        return start.start_server(socket) if command.server == STARTS else start.find_server(socket)


def _ask(words: list[str], command: Command, socket: str) -> int:
    asked = make_request(words)
    request = asked.pack()
    for attempt in range(RESENDS):
        try:
            connection = connect(command, socket)
        except NoServer:
            if command.name == "has":
                return 1  # the answer, and it prints nothing
            raise
        try:
            connection.hello(attempt, request)
            if command.attaches and asked.ttys[:2] == (True, True):
                from . import attach  # noqa: F401 - while the server draws
            status = _follow(connection, words, repeatable=command.repeatable)
        finally:
            connection.close()
        if status is not None:
            return status
    raise ServerLost


def _follow(connection: Connection, words: list[str], *, repeatable: bool) -> int | None:
    """Return the exit status, or None where the server went away and the command can be sent again.

    Raises:
        ServerLost: it went away when the command had begun, and repeating it would do or print something twice.
    """
    begun = False
    for kind, body in connection.frames():
        if kind == Kind.STDOUT:
            begun = True
            write_all(1, body)
        elif kind == Kind.STDERR:
            write_all(_line_fd(words), body)
        elif kind == Kind.EXIT:
            fields = unpack(body, 2)
            if fields[1]:
                write_all(1, fields[1] + b"\n")
            if len(fields) > 3 and (pid := number(fields[3])) > 0:
                from . import local

                local.wait_for(pid)
            return number(fields[0])
        elif kind == Kind.ACCEPTED:
            begun = begun or not repeatable
            connection.patient()
        elif kind == Kind.WANT_STDIN:
            from . import local

            local.pump_stdin(connection)
        elif kind in (Kind.PLAYED, Kind.PLAY):
            from . import player

            return player.play(connection, (kind, body))
        elif kind == Kind.ATTACHED:
            from . import attach

            return attach.run(connection, body, in_view=_in_view(words), line_fd=_line_fd(words))
    if begun:
        raise ServerLost
    return None


def _in_view(words: list[str]) -> bool:
    """Whether the view has started us on its own terminal, which it takes back."""
    return words[0] == "attach" and "--in-view" in words


def _line_fd(words: list[str]) -> int:
    """Return where errors go; in the view, where it is told of them and how an attachment ended."""
    given = words[words.index("--line-fd") + 1 :] if _in_view(words) and "--line-fd" in words else []
    return int(given[0]) if given and given[0].isdecimal() else 2


def entry() -> "NoReturn":
    """Run as the console script does, and leave without taking the interpreter down: that saves a tenth of the time."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # closed by the caller: our socket would get its number, and our output
    status = main()
    try:
        if sys.stdout is not None:  # as it is where the caller closed it
            sys.stdout.flush()  # the parser's help goes through it
    except OSError:
        status = status or 1
    os._exit(status)


if __name__ == "__main__":
    entry()
