"""The parser: what command lines mean, without running what they ask for."""

import asyncio
import importlib
import inspect
import re
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from agentmux.cli import app, commands
from agentmux.cli.commands import CLIENT, COMMANDS, Command
from agentmux.cli.commands.completion import Shell
from agentmux.cli.commands.options import pairs
from agentmux.cli.commands.server import Action
from agentmux.mux.asking import Asking
from agentmux.mux.errors import BadUsage, UnknownCommand
from agentmux.mux.protocol import Request


def values(*words: str) -> dict[str, Any]:
    """Return what a command's function would get."""
    call = app.parse(words[0], list(words[1:]))
    assert isinstance(call, app._Call)
    return call._values


class Caller:
    """Who asks: keeps what is printed for it."""

    def __init__(self, *argv: str) -> None:
        self.request = Request(list(argv), "/", {}, (80, 24), (False, False, False))
        self.printed = b""

    def write(self, data: bytes) -> None:
        self.printed += data

    def json(self, value: object) -> None:
        self.printed += repr(value).encode()


def dispatched(caller: Caller) -> object:
    return app.dispatch(cast(Asking, caller))


# The table

ARGUMENTS = {"rename": ["x"], "resize": ["80x24"], "completion": ["bash"], "backup": ["x.tar"]}
"""What a command can't do without."""


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_command_parses_without_options(command: Command) -> None:
    got = values(command.name, *ARGUMENTS.get(command.name, []))
    run = importlib.import_module(f"agentmux.cli.commands.{command.module}").run
    assert list(got) == list(inspect.signature(run).parameters)[1:]


def test_no_word_means_two_commands() -> None:
    words = [word for command in COMMANDS for word in (command.name, *command.aliases)]
    assert len(set(words)) == len(words)
    for command in COMMANDS:
        assert all(commands.find(word) is command for word in (command.name, *command.aliases))
    assert commands.find("nonesuch") is None


def test_what_changes_something_is_not_repeated_by_itself() -> None:
    changing = {"new", "detach", "rename", "resize", "label", "kill", "send", "interrupt", "restart"}
    changing |= {"server", "events", "export", "fork", "resume", "forget", "backup", "answer", "queue", "run"}
    assert {c.name for c in COMMANDS if not c.repeatable and c.server != CLIENT} == changing


# Words and options


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["new"], {"command": None, "detached": False, "name": "", "env": None, "columns": 0}),
        (["new", "vim", "-x", "--foo", "a b"], {"command": ["vim", "-x", "--foo", "a b"], "columns": 0}),
        (["new", "-d", "--", "vim", "--flag"], {"command": ["vim", "--flag"], "detached": True}),
        (["new", "--", "-weird"], {"command": ["-weird"]}),
        (["new", "vim", "--", "x"], {"command": ["vim", "--", "x"]}),
        (["new", "-dPs", "api", "sh"], {"detached": True, "show": True, "name": "api", "command": ["sh"]}),
        (["new", "-e", "A=1", "-e", "B=2"], {"env": ["A=1", "B=2"]}),
        (["new", "-x", "100", "-y", "30"], {"columns": 100, "rows": 30}),
        (["send", "-t", "api", "hello", "world"], {"target": ["api"], "text": ["hello", "world"], "enter": True}),
        (["send", "hello", "--no-enter", "-t", "api"], {"target": ["api"], "text": ["hello"], "enter": False}),
        (["send", "--", "-n"], {"text": ["-n"]}),
        (["send", "-"], {"text": ["-"]}),
        (["send", "-k", "C-c", "Up"], {"keys": True, "text": ["C-c", "Up"]}),
        (["kill", "-t", "a", "-t", "b", "--now"], {"target": ["a", "b"], "now": True}),
        (["ls", "-a", "-F", "{id}", "-f", "name=a"], {"everything": True, "template": "{id}", "condition": "name=a"}),
        (["capture", "-S", "-5", "-E", "-"], {"start": "-5", "end": "-"}),
        (["wait", "--output", "ok", "--timeout", "2.5"], {"output": "ok", "timeout": 2.5}),
        (["label", "k=v", "-t", "api", "j="], {"labels": ["k=v", "j="], "target": "api"}),
        (["server"], {"action": Action.STATUS}),
        (["server", "stop", "--force"], {"action": Action.STOP, "force": True}),
        (["completion", "fish"], {"shell": Shell.FISH}),
        (["attach", "-r", "-d", "-t", "3"], {"read_only": True, "alone": True, "target": "3"}),
        (["rename", "-t", "a", "b"], {"target": "a", "name": "b"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_command_lines(words: list[str], expected: dict[str, object]) -> None:
    got = values(*words)
    assert {key: got[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["ls", "--nonesuch"], "ls: no such option: --nonesuch"),
        (["ls", "extra"], "ls: got unexpected extra argument.*extra"),
        (["new", "-s"], "new: option '-s' requires an argument"),
        (["new", "-x", "wide"], "new: invalid value for '-x' / '--columns': 'wide' is not a valid int"),
        (["rename"], "rename: missing argument"),
        (["server", "fly"], "server: invalid value for .*'fly' is not one of 'status'"),
        (["completion", "csh"], "completion: invalid value for .*'csh'"),
        (["wait", "--timeout", "soon"], "wait: invalid value for '--timeout'"),
    ],
)
def test_a_command_line_that_does_not_parse_is_one_of_our_errors(words: list[str], problem: str) -> None:
    with pytest.raises(BadUsage) as caught:
        app.parse(words[0], words[1:])
    assert re.match(problem, caught.value.problem)  # the rest is typer's, and changes with its version
    assert caught.value.hint == f"see: agentmux {words[0]} --help"
    assert caught.value.status == 2
    assert not caught.value.problem.endswith(".")


def test_parsing_remembers_nothing_of_the_last_time() -> None:
    assert values("kill", "-t", "a")["target"] == ["a"]
    assert values("kill")["target"] is None
    with pytest.raises(BadUsage):
        app.parse("kill", ["--nonesuch"])
    assert values("kill", "-t", "b")["target"] == ["b"]


# Dispatch


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.server != CLIENT], ids=lambda command: command.name)
def test_help_is_sent_to_the_client_and_not_printed_by_the_server(
    command: Command, capfd: pytest.CaptureFixture[str]
) -> None:
    caller = Caller(command.name, "--help")
    assert dispatched(caller) in (0, None)
    assert caller.printed.startswith(f"Usage: agentmux {command.name} ".encode())
    assert capfd.readouterr() == ("", "")


def test_help_behind_the_command_of_a_new_session_is_that_commands() -> None:
    assert values("new", "-d", "claude", "--help")["command"] == ["claude", "--help"]


def test_an_alias_is_the_command() -> None:
    caller = Caller("new-session", "--help")
    dispatched(caller)
    assert caller.printed.startswith(b"Usage: agentmux new ")


@pytest.mark.parametrize("name", ["teleport", "doctor"])
def test_a_command_that_only_a_newer_client_knows_or_that_clients_run(name: str) -> None:
    with pytest.raises(UnknownCommand, match=name):
        dispatched(Caller(name))


def test_a_command_runs_with_who_asks() -> None:
    class Mux:
        def live(self) -> list[object]:
            return []

    caller = Caller("ls", "--json")
    caller.mux = Mux()  # type: ignore[attr-defined]
    asyncio.run(cast(Coroutine[None, None, None], dispatched(caller)))
    assert caller.printed == b"[]"


# Values of several commands


def test_pairs() -> None:
    assert pairs(["a=1", "b=", "c=x=y", "a=2"], "-e") == {"a": "2", "b": "", "c": "x=y"}
    assert pairs(None, "-e") == {}


@pytest.mark.parametrize("item", ["a", "=x", "", "a=\0"])
def test_what_is_no_pair(item: str) -> None:
    with pytest.raises(BadUsage, match="-e"):
        pairs([item], "-e")


# Everything at once


def test_the_whole_knows_every_command_and_hides_the_aliases() -> None:
    known = app.whole().commands
    shown = [name for name, command in known.items() if not command.hidden]
    assert shown == [command.name for command in COMMANDS]
    assert {name for name, command in known.items() if command.hidden} == {a for c in COMMANDS for a in c.aliases}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_us(shell: str) -> None:
    script = app.completion_script(shell)
    assert app.COMPLETE in script and "agentmux" in script
