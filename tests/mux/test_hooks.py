"""Hooks: what an agent is started with, and what they tell."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.mux import opening
from agentmux.mux.hooks import Hooks, parsed, told
from agentmux.mux.profiles import Profiles
from agentmux.mux.verdict import Source, Status

PROFILES = Profiles("/nonexistent")
COMMAND = ["/a b/python", "-S", "/run/me/s", "hook"]


def hooked(line: str) -> list[str]:
    argv = line.split()
    return opening.hooked(PROFILES.of(argv), argv, COMMAND)


def test_claude_gets_its_hooks_on_its_command_line() -> None:
    words = hooked("env A=1 claude --verbose go")
    assert (words[:3], words[3], words[5:]) == (["env", "A=1", "claude"], "--settings", ["--verbose", "go"])
    hooks = json.loads(words[4])["hooks"]
    assert set(hooks) == {"SessionStart", "UserPromptSubmit", "PermissionRequest", "Stop", "SessionEnd"}
    assert hooks["Stop"] == [{"hooks": [{"type": "command", "command": "'/a b/python' -S /run/me/s hook Stop"}]}]


@pytest.mark.parametrize(
    "line", ["claude --settings x", "claude --settings=x", "claude --bare", "claude mcp list", "codex", "cat"]
)
def test_others_are_left_alone(line: str) -> None:
    assert hooked(line) == line.split()


HOOKS = Hooks(events={"a": "working", "b": "waiting approval", "c": "idle", "d": ""})


@pytest.mark.parametrize(
    ("event", "status", "about", "text"),
    [("a", Status.WORKING, "", ""), ("b", Status.WAITING, "approval", "run it?"), ("c", Status.IDLE, "", "")],
)
def test_what_follows_from_an_event(event: str, status: Status, about: str, text: str) -> None:
    reading = HOOKS.reading(event, {"message": "run it?", "tool_name": "Bash"}, 5.0)
    assert reading is not None
    assert (reading.source, reading.says, reading.about, reading.text, reading.at) == (
        Source.HOOK,
        status,
        about,
        text,
        5.0,
    )
    assert HOOKS.reading("d", {}, 5.0) is HOOKS.reading("e", {}, 5.0) is None


def test_what_it_asks_steers_no_terminal() -> None:
    reading = HOOKS.reading("b", {"message": "run\x1b]2;x\a it?\u202e"}, 5.0)
    assert reading is not None and reading.text == "run ]2;x  it?"


def test_what_a_hook_tells() -> None:
    assert told('{"session_id": "x", "n": 5, "deep": {"session_id": "y"}}') == {"session_id": "x"}
    assert told("[1]") == told("") == told("5") == {}
    assert told('{"session_id": "x", "tool_input": {"command": "aaaaaaaa')["session_id"] == "x", "cut off"
    assert told('{"session_id": "x", "tool_input": {"session_id": "y", "command": "aaaa')["session_id"] == "x"
    assert told("[" * 100_000) == {}


@given(st.text(max_size=300))
def test_whatever_it_tells_is_taken(text: str) -> None:
    for key, value in told(text).items():
        assert isinstance(key, str) and isinstance(value, str)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"word": []}, "no key 'hooks.word'; there are: words, "),
        ({"words": "x"}, "'hooks.words' needs a list"),
        ({"words": [""]}, "'hooks.words' needs a list of words"),
        ({"events": {"Stop": "resting"}}, "'Stop' is none of working"),
        ({"events": {"Stop": "waiting"}}, "'Stop' is none of working"),
        ({"events": {"Stop": "idle approval"}}, "'Stop' is none of working"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parsed(table, lambda what, *key: ValueError(what))
