"""typer's door: parser, help and completion, built from the command table and the functions' signatures.

The server parses with it, one command at a time as they are used; the client
builds all of it for ``--help``. A command's function gets the ``Asking`` first
and returns its exit status (None: 0), or a coroutine that does.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, get_type_hints

import typer

from agentmux.mux.asking import Asking
from agentmux.mux.errors import BadUsage, UnknownCommand

from . import commands
from .commands import Command

Argument = typer.Argument
Option = typer.Option

COMPLETE = "_AGENTMUX_COMPLETE"
"""Environment variable by which a shell asks for completions."""

_UsageError: Any = typer.BadParameter.__bases__[0]  # click's, wherever typer keeps its click


def completion_script(shell: str) -> str:
    """Return what makes ``shell`` (bash, zsh, fish) complete agentmux's command lines."""
    from typer import completion

    script: Any = completion.get_completion_script  # type: ignore[attr-defined]  # documented, not exported
    return str(script(prog_name="agentmux", complete_var=COMPLETE, shell=shell))


def complete() -> None:
    """Print the completions that the environment asks for, as that script calls us. Does not return."""
    from typer import completion

    completion.completion_init()  # type: ignore[attr-defined]  # registers the shells
    whole().main(prog_name="agentmux", complete_var=COMPLETE)


class _Call:
    """A parsed command line, ready to run: what the parser returns instead of running it."""

    def __init__(self, run: Callable[..., Any], values: dict[str, Any]) -> None:
        self._run = run
        self._values = values

    def __call__(self, asking: Asking) -> Awaitable[int | None] | int | None:
        # The call may be made again, so lists are for each one its own.
        values = {key: value[:] if isinstance(value, list) else value for key, value in self._values.items()}
        result: Awaitable[int | None] | int | None = self._run(asking, **values)
        return result


def _register(app: typer.Typer, command: Command, *, hidden: bool = False, name: str = "") -> None:
    module = importlib.import_module(f".commands.{command.module}", __package__)
    run = module.run
    hints = get_type_hints(run, include_extras=True)
    first, *parameters = inspect.signature(run).parameters.values()

    def parsed(**values: Any) -> _Call:
        return _Call(run, values)

    parsed.__doc__ = run.__doc__
    parsed.__annotations__ = {key: hints[key] for key in hints if key not in (first.name, "return")}
    signature = [parameter.replace(annotation=hints[parameter.name]) for parameter in parameters]
    parsed.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]  # what inspect looks for
    settings = {"allow_interspersed_args": not getattr(module, "TAKES_COMMAND", False)}
    app.command(name or command.name, hidden=hidden, context_settings=settings)(parsed)


def _typer() -> typer.Typer:
    return typer.Typer(
        name="agentmux",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help=HELP,
        epilog="Targets (-t) are ids, names, unique prefixes of names, or labels. See agentmux(1).",
    )


HELP = """Run coding agents in terminal sessions that outlive every terminal and every crash.

Global options come before the command: -L NAME names another server, -S PATH its socket, -V prints the version."""


@cache
def parser(name: str) -> Any:
    """Return the click command for one command's name."""
    app = _typer()
    command = commands.find(name)
    assert command is not None
    _register(app, command)
    return typer.main.get_command(app)


def loading() -> Iterator[None]:
    """Load one more command at each step: a server must not meet files that were installed after its start."""
    for command in commands.COMMANDS:
        parser(command.name)
        yield


@cache
def whole() -> Any:
    """Return the click group of all commands, aliases hidden."""
    app = _typer()
    for command in commands.COMMANDS:
        _register(app, command)
        for alias in command.aliases:
            _register(app, command, hidden=True, name=alias)
    return typer.main.get_command(app)


def dispatch(asking: Asking) -> Awaitable[int | None] | int | None:
    """Parse and run the command line of ``asking``.

    Raises:
        BadUsage: it does not parse.
        UnknownCommand: a newer client knows a command that we do not, or it is one that runs in the client.
    """
    word, *rest = asking.request.argv
    command = commands.find(word)
    if command is None or command.server == commands.CLIENT:
        raise UnknownCommand(word)
    call, printed = (
        _parsed(command.name, tuple(rest)) if sum(map(len, rest)) < REMEMBERED else _parse(command.name, rest)
    )
    asking.write(printed)
    return call(asking) if isinstance(call, _Call) else call


REMEMBERED = 200
"""Characters of a command line below which it is parsed once: scripts and status lines ask the same all the time."""


def _parse(name: str, words: Sequence[str]) -> tuple[Any, bytes]:
    """Return what the words make, and what the parser printed: help."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        call = parse(name, words)
    return call, printed.getvalue().encode()


_parsed = lru_cache(256)(_parse)


def parse(name: str, words: Sequence[str]) -> Any:
    """Return the call that ``words`` make of the command, or an exit status when they only asked for help."""
    try:
        return parser(name).main(list(words), prog_name=f"agentmux {name}", standalone_mode=False)
    except _UsageError as error:
        text = error.format_message().rstrip(".")
        raise BadUsage(f"{name}: {text[:1].lower()}{text[1:]}", hint=f"see: agentmux {name} --help") from None
    except typer.Exit as error:
        return error.exit_code
