"""What agents write down of their conversations: lines as each of them writes them, and what they say."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.mux.agentlog import MOST, Entry, Log, Says, Usage, parsed
from agentmux.mux.profiles import Profiles

LOGS = {one.name: one.log for one in Profiles("/nonexistent").all()}
AT = 1795802078.5
TIME = "2026-11-27T17:54:38.500Z"


def claude(kind: str, content: object, **more: object) -> dict[str, object]:
    message = {"role": kind, "content": content, **({"id": "msg_1"} if kind == "assistant" else {})}
    line = {"type": kind, "isSidechain": False, "uuid": "u1", "promptId": "p1", "timestamp": TIME, "message": message}
    return {**line, **more}


def codex(item: dict[str, object]) -> dict[str, object]:
    payload = {"type": "item_completed", "turn_id": "t1", "item": item}
    return {"timestamp": TIME, "type": "event_msg", "payload": payload}


USED = {"input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 100, "output_tokens": 7}
ASKED = {"type": "tool_use", "name": "Bash", "input": {"command": "ls"}}
PI = {"usage": {"input": 1, "cacheRead": 2, "cacheWrite": 3, "output": 4, "cost": {"total": 0.5}}}

LINES = [
    ("claude", claude("user", "do it\nnow"), Entry(Says.PROMPT, "do it\nnow", "p1", AT)),
    ("claude", claude("user", [{"type": "text", "text": "a"}]), Entry(Says.PROMPT, "a", "p1", AT)),
    (
        "claude",
        claude("user", '\n\n<pasted_content id="0f">\na\n\nb \n</pasted_content id="0f">\n'),
        Entry(Says.PROMPT, "a\n\nb ", "p1", AT),
    ),
    ("claude", claude("user", [{"type": "tool_result", "content": "x"}]), None),
    ("claude", claude("user", "who knows", isMeta=True), None),
    ("claude", claude("user", "<command-name>/clear</command-name>"), None),
    ("claude", claude("user", [{"type": "text", "text": "[Request interrupted by user]"}]), None),
    ("claude", claude("user", "to a subagent", isSidechain=True), None),
    ("claude", claude("assistant", [{"type": "text", "text": "done"}]), Entry(Says.REPLY, "done", "u1", AT)),
    (
        "claude",
        claude("assistant", [ASKED], message={"id": "m", "usage": USED, "content": [ASKED]}),
        Entry(Says.USAGE, "", "u1", AT, Usage("m", 115, 100, 7, None)),
    ),
    ("claude", {"type": "api-request", "message": {"role": "user", "content": "again"}}, None),
    (
        "codex",
        codex({"type": "UserMessage", "content": [{"type": "text", "text": "hi", "text_elements": []}]}),
        Entry(Says.PROMPT, "hi", "t1", AT),
    ),
    (
        "codex",
        codex({"type": "AgentMessage", "id": "m1", "content": [{"type": "Text", "text": "ho"}]}),
        Entry(Says.REPLY, "ho", "m1", AT),
    ),
    (
        "codex",
        {
            "timestamp": TIME,
            "type": "token_usage_record",
            "payload": {
                "turn_id": "t1",
                "response_id": "r1",
                "usage": {"input_tokens": 9, "cached_input_tokens": 4, "output_tokens": 2},
            },
        },
        Entry(Says.USAGE, "", "t1", AT, Usage("r1", 9, 4, 2, None)),
    ),
    ("codex", {"timestamp": TIME, "type": "response_item", "payload": {"role": "user"}}, None),
    (
        "gemini",
        {"id": "g1", "timestamp": TIME, "type": "user", "content": [{"text": "hi"}]},
        Entry(Says.PROMPT, "hi", "g1", AT),
    ),
    (
        "gemini",
        {
            "id": "g2",
            "timestamp": TIME,
            "type": "gemini",
            "content": "ho",
            "tokens": {"input": 9, "output": 2, "cached": 1, "thoughts": 3},
        },
        Entry(Says.REPLY, "ho", "g2", AT, Usage("g2", 9, 1, 5, None)),
    ),
    ("gemini", {"$set": {"messages": [{"type": "user", "content": [{"text": "hi"}]}]}}, None),
    (
        "pi",
        {
            "type": "message",
            "id": "i1",
            "timestamp": 1795802078500,
            "message": {"role": "assistant", "content": [{"type": "text", "text": "ho"}], **PI},
        },
        Entry(Says.REPLY, "ho", "i1", AT, Usage("i1", 6, 2, 4, 0.5)),
    ),
    ("pi", {"type": "message", "id": "i0", "message": {"role": "system", "content": "be good"}}, None),
]


@pytest.mark.parametrize(("name", "line", "entry"), LINES)
def test_a_line_says_what_its_agent_means(name: str, line: object, entry: Entry | None) -> None:
    assert LOGS[name].entry(json.dumps(line)) == entry


PATHS = (
    *("message.content", "message.usage.input_tokens", "message.usage.output_tokens", "message.id", "timestamp"),
    *("payload.usage.input_tokens", "payload.response_id", "tokens.input", "content", "message.usage.cost.total"),
)
ODD = (
    None,
    True,
    -5,
    1 << 80,
    1e400,
    float("nan"),
    "",
    "0001-01-01",
    "9999-99-99",
    [],
    [None, {"text": 5}],
    {"text": {}},
)


@given(st.dictionaries(st.sampled_from(PATHS), st.sampled_from(ODD)), st.sampled_from(LINES))
def test_no_line_is_too_strange(odd: dict[str, object], sample: tuple[str, Any, object]) -> None:
    line = copy.deepcopy(sample[1])
    for path, value in odd.items():
        *folders, last = path.split(".")
        place = line
        for folder in folders:
            place = place.setdefault(folder, {})
            if not isinstance(place, dict):
                return
        place[last] = value
    entry = LOGS[sample[0]].entry(json.dumps(line))
    if entry is not None and entry.usage is not None:
        counts = (entry.usage.input, entry.usage.cached, entry.usage.output, entry.usage.cost or 0)
        assert all(0 <= count <= MOST for count in counts)


@pytest.mark.parametrize("line", ["", "{", "[1]", "7", "null", '{"a":' * 5000, "\0", '{"type": "user"'])
def test_what_is_no_entry_is_passed_over(line: str) -> None:
    assert LOGS["claude"].entry(line) is None


def test_it_lies_where_the_agents_environment_says() -> None:
    home = {"HOME": "/home/a[b]"}
    assert list(LOGS["claude"].paths(home, "x-1")) == ["/home/a[[]b]/.claude/projects/*/x-1.jsonl"]
    configured = list(LOGS["claude"].paths({**home, "CLAUDE_CONFIG_DIR": "/c"}, "x-1"))
    assert configured == ["/c/projects/*/x-1.jsonl", "/home/a[[]b]/.claude/projects/*/x-1.jsonl"]
    assert next(LOGS["gemini"].paths({"HOME": "/h"}, "0123456789")).endswith("/session-*-01234567.jsonl")
    assert list(LOGS["claude"].paths({"HOME": "relative"}, "x")) == []


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"path": "x"}, "no key 'log.path'"),
        ({"files": ["/f/{id}"]}, "'log.files' needs paths as"),
        ({"entries": [{"says": "prompt", "when": {"a": 1}, "text": "b"}]}, "without 'log.files'"),
        (
            {"files": ["$HOME/{id}"], "entries": [{"says": "word"}]},
            "'says' must be one of prompt, reply, answer, usage",
        ),
        ({"files": ["$HOME/{id}"], "entries": [{"says": "prompt", "text": "a"}]}, "needs 'when'"),
        ({"files": ["$HOME/{id}"], "entries": [{"says": "reply", "when": {"a": 1}}]}, "needs 'text'"),
        ({"files": ["$HOME/{id}"], "entries": [{"says": "usage", "when": {"a": 1}, "usage": {"b": []}}]}, "no key 'b'"),
        (
            {"files": ["$HOME/{id}"], "entries": [{"says": "prompt", "when": {"a": 1}, "text": "b", "ignore": "("}]},
            "'('",
        ),
    ],
)
def test_a_profile_that_is_wrong_is_refused(table: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("(", r"\(")):
        parsed(table, lambda what, *key: ValueError(what))


def test_a_profile_without_a_log_has_none() -> None:
    assert Log().entry('{"type": "user"}') is None and not list(Log().paths({"HOME": "/h"}, "x"))
