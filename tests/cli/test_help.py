"""What users are told: help texts and errors, by the rules that make them worth reading."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
from typing import Any

import pytest
from world import AGENTMUX

from agentmux.cli import app, overlay
from agentmux.cli.commands import COMMANDS, Command, find
from agentmux.mux import config, errors, sessionerrors
from agentmux.mux.errors import AgentmuxError

ONE_LINE = 61
"""Characters of help that the list of commands shows of each at 80 columns, before it writes "..."."""

NAMES = [command.name for command in COMMANDS]


def error_classes() -> list[type[AgentmuxError]]:
    there = {*inspect.getmembers(errors, inspect.isclass), *inspect.getmembers(sessionerrors, inspect.isclass)}
    found = [value for _, value in sorted(there) if issubclass(value, AgentmuxError)]
    return [value for value in found if value is not AgentmuxError]


ARGUMENTS: dict[str, Any] = {
    "length": 120,
    "limit": 107,
    "bound": 8 << 20,
    "most": 4 << 20,
    "number": 7,
    "seconds": 1.5,
    "names": ["api", "web"],
}
"""What error classes are made with; any other parameter gets a word."""


def made(kind: type[AgentmuxError]) -> AgentmuxError:
    parameters = list(inspect.signature(kind.__init__).parameters)[1:]
    return kind(*(ARGUMENTS.get(name, "word") for name in parameters))


def params(name: str) -> list[Any]:
    return [param for param in app.parser(name).params if not getattr(param, "hidden", False)]


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_each_command_says_what_it_does_in_one_line(command: Command) -> None:
    text = app.parser(command.name).help
    assert text, "no docstring"
    first = re.split(r"(?<=\.) ", text)[0]
    assert "\n" not in text
    assert first[0].isupper()
    assert text[-1] == "."
    assert len(first) <= ONE_LINE, f"cut to '...' in the list: {first}"


def test_the_list_of_commands_has_each_once_and_cuts_none() -> None:
    env = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "COLUMNS": "80"}
    listed = subprocess.run([AGENTMUX, "--help"], capture_output=True, text=True, check=True, env=env).stdout
    commands = listed.partition("Commands:")[2]
    assert re.findall(r"^  ([a-z-]+)  +\S", commands, re.MULTILINE) == NAMES
    assert "..." not in commands


@pytest.mark.parametrize("name", NAMES)
def test_each_option_and_argument_has_help(name: str) -> None:
    for param in params(name):
        assert param.help, f"{param.opts} has none"
        assert param.help[0].isupper() or param.help.startswith("stop: "), param.help
        assert param.help.endswith((".", "...")) or "default:" in param.help, param.help


@pytest.mark.parametrize("name", NAMES)
def test_no_two_options_of_a_command_have_the_same_name(name: str) -> None:
    given = [word for param in params(name) for word in (*param.opts, *param.secondary_opts)]
    assert len(given) == len(set(given)), given


def test_every_word_means_one_command() -> None:
    words = [word for command in COMMANDS for word in (command.name, *command.aliases)]
    assert len(words) == len(set(words))
    assert all(find(word) for word in words)


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_an_error_is_one_lower_case_line_without_a_full_stop(kind: type[AgentmuxError]) -> None:
    error = made(kind)
    for text in (error.problem, error.hint):
        assert "\n" not in text
        assert text == text.strip()
        assert not text.endswith(".")
    assert error.problem
    assert not error.problem[0].isupper(), error.problem
    assert not error.hint[:1].isupper(), error.hint
    assert str(error) == error.problem
    assert kind.__doc__, "says nothing of when it is raised"


def test_commands_raise_only_such_errors() -> None:
    """The sentences that are not built in errors.py follow the same rules."""
    folder = os.path.dirname(inspect.getfile(app))
    raised = []
    for base, _, files in os.walk(folder):
        for name in files:
            if name.endswith(".py"):
                with open(os.path.join(base, name)) as file:
                    raised += re.findall(r'(?:BadUsage|AgentmuxError)\(\s*f?"([^"]+)"', file.read())
    assert len(raised) > 5, "the pattern finds nothing any more"
    assert [text for text in raised if text.endswith(".") or text[0].isupper()] == []


def test_the_help_of_the_keys_knows_every_action() -> None:
    assert set(overlay.ACTIONS) == config.ACTIONS == set(config.BINDINGS.values())
