"""What an agent's stream tells of its messages: events as opencode sends them, and what they say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.mux import streamlog
from agentmux.mux.agentlog import Entry, Says, Usage
from agentmux.mux.profiles import Profiles
from agentmux.mux.streamlog import MOST_OPEN, MOST_PARTS, MOST_TEXT, MOST_TOLD, Heard, parsed

OPENCODE = next(one for one in Profiles("/nonexistent").all() if one.name == "opencode").events.messages
assert OPENCODE is not None
AT = 1795806812.5
NONE = {"input": 0, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}}
SOME = {"total": 1030, "input": 900, "output": 20, "reasoning": 10, "cache": {"write": 5, "read": 100}}
USED = Usage("a", 1005, 100, 30, 0.25)


class Stream:
    """Events of one conversation."""

    def __init__(self, since: float | None = 0.0) -> None:
        assert OPENCODE is not None
        self.heard = Heard(OPENCODE)
        self.since = since

    def __call__(self, kind: str, of: str = "s", **values: object) -> list[Entry]:
        return self.heard.take(kind, values, of, self.since)

    def message(self, id: str, role: str, **info: object) -> list[Entry]:
        times: Any = info.pop("time", {"created": AT * 1000})
        return self("message.updated", info={"id": id, "role": role, "time": times, **info})

    def part(self, id: str, text: str, type: str = "text", number: str = "1", **part: object) -> list[Entry]:
        return self("message.part.updated", part={"id": number, "messageID": id, "type": type, "text": text, **part})

    def complete(self, id: str, tokens: object = SOME, **info: object) -> list[Entry]:
        times = {"created": AT * 1000, "completed": AT * 1000 + 2000}
        return self.message(id, "assistant", time=times, tokens=tokens, cost=0.25 if tokens is SOME else 0, **info)


def test_a_turn() -> None:
    stream = Stream()
    assert stream.message("u", "user") == []
    assert stream.part("u", "do it\nnow") == [Entry(Says.PROMPT, "do it\nnow", "u", AT)]
    assert stream.message("u", "user", summary={"diffs": []}) == [], "its summary"
    assert stream.message("a", "assistant", tokens=NONE, cost=0) == []
    assert stream.part("a", "", "step-start") == []
    assert stream.part("a", "hm", "reasoning", "0") == []
    assert stream.part("a", "") == []
    assert stream("message.part.delta", messageID="a", partID="1", field="text", delta="do") == []
    assert stream.part("a", "done") == []
    assert stream.part("a", "I say", number="2") == []
    assert stream.complete("a") == [Entry(Says.REPLY, "done\nI say", "a", AT + 2, USED)]
    assert stream.complete("a") == [], "it is sent twice"
    assert stream.part("a", "more") == []
    assert not stream.heard._open and stream.heard._text == 0


def test_a_tools_call_is_a_message_of_its_own() -> None:
    stream = Stream()
    stream.part("a", "I will.")
    stream.part("a", "", "tool", "2")
    assert [one.text for one in stream.complete("a", finish="tool-calls")] == ["I will."]
    assert stream.complete("b") == [Entry(Says.USAGE, "", "b", AT + 2, Usage("b", 1005, 100, 30, 0.25))]


def test_what_is_stopped_was_said_and_what_failed_was_not() -> None:
    stream = Stream()
    stream.part("a", "word1 word2 ")
    assert stream.complete("a", NONE, error={"name": "MessageAbortedError"}) == [
        Entry(Says.REPLY, "word1 word2 ", "a", AT + 2)
    ]
    assert stream.complete("b", NONE) == []


def test_what_nobody_said_is_none() -> None:
    stream = Stream()
    stream.message("u", "user")
    assert stream.part("u", "the file has ...", synthetic=True) == []
    assert stream.part("u", "look at @file", number="2") == [Entry(Says.PROMPT, "look at @file", "u", AT)]
    stream.part("a", "all that was said before")
    assert stream.complete("a", summary=True) == [Entry(Says.USAGE, "", "a", AT + 2, USED)]
    assert stream.message("x", "system") == [] == stream.part("x", "be good")


def test_a_conversation_may_be_known_later_and_that_of_a_part_never_is() -> None:
    stream = Stream(None)
    stream.message("u", "user")
    assert stream.part("u", "hi") == [] == stream("session.status")
    stream.since = 0.0
    assert stream("session.updated", of="other") == []
    assert [one.text for one in stream("session.updated")] == ["hi"]
    assert stream("session.status") == []
    stream.since = None
    stream.part("a", "sub")
    assert stream.complete("a") == [] == stream("session.status")


def test_copies_in_a_conversation_that_was_forked_are_none() -> None:
    stream = Stream(AT + 1)
    stream.message("u", "user")
    assert stream.part("u", "hi") == [] == stream.complete("a") == stream.part("a", "done")
    stream.since = AT
    stream.message("v", "user")
    assert stream.part("v", "hi") and stream.complete("b")


def test_what_is_kept_is_bounded() -> None:
    stream = Stream(None)
    for number in range(2 * MOST_OPEN):
        stream.part(f"m{number}", "x" * (MOST_TEXT // 8))
    assert len(stream.heard._open) == 8 and stream.heard._text <= MOST_TEXT
    stream.part("huge", "x" * (MOST_TEXT + 1))
    assert not stream.heard._open and stream.heard._text == 0
    for number in range(2 * MOST_OPEN):
        stream.message(f"m{number}", "assistant")
    assert len(stream.heard._open) == MOST_OPEN
    for number in range(2 * MOST_PARTS):
        stream.part("many", "x", number=str(number))
    assert stream.heard._text == MOST_PARTS
    own = Stream()
    for number in range(2 * MOST_TOLD):
        own.message(f"u{number}", "user")
        assert own.part(f"u{number}", "hi")
    assert len(own.heard._told) == MOST_TOLD


ODD: Any = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(["", "user", "assistant", "text", "a"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["id", "role", "time", "created", "completed", "tokens", "text", "messageID", "type"]),
            inner,
        )
    ),
    max_leaves=8,
)


@given(st.lists(st.tuples(st.booleans(), ODD), max_size=6))
def test_whatever_comes_is_taken(events: list[tuple[bool, Any]]) -> None:
    stream = Stream()
    for part, values in events:
        stream("message.part.updated" if part else "message.updated", info=values, part=values)
    assert stream.heard._text == sum(one.size() for one in stream.heard._open.values())


GOOD: dict[str, Any] = {**dict.fromkeys(streamlog._KEYS, "x"), "when": {"a": 1}, "usage": {"input": ["i"]}}


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"port": 5}, "no key 'port' of messages; there are: message, "),
        ({"text": 5}, "'text' needs a string"),
        ({"of": ""}, "'events.messages' needs message, id, "),
        ({"usage": {"in": ["x"]}}, "no key 'in' of usage; there are: id, "),
    ],
)
def test_what_is_wrong_with_a_table_is_said(more: dict[str, Any], problem: str) -> None:
    assert parsed(GOOD, lambda what, *key: ValueError(what)).usage is not None
    with pytest.raises(ValueError) as caught:
        parsed({**GOOD, **more}, lambda what, *key: ValueError(what))
    assert str(caught.value).startswith(problem)
