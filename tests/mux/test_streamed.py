"""What an agent's stream of events says, and what it is started with for it."""

import asyncio
import os
import socket
import sys
from typing import Any

import pytest

from agentmux.mux import opening
from agentmux.mux.eventstream import Access, EventStream, decoded, listens
from agentmux.mux.profiles import Profiles
from agentmux.mux.streamed import MOST_ASKED, Followed, parsed
from agentmux.mux.verdict import Status

PROFILES = Profiles("/nonexistent")
OPENCODE = next(one for one in PROFILES.all() if one.name == "opencode").events
IDLE, WORKING, WAITING = Status.IDLE, Status.WORKING, Status.WAITING


def streamed(line: str) -> str:
    argv = line.split()
    return " ".join(opening.streamed(PROFILES.of(argv), argv, 4711))


def test_opencode_is_told_where_to_serve_its_events() -> None:
    assert streamed("opencode --model x .") == "opencode --port 4711 --hostname 127.0.0.1 --model x ."
    assert streamed("env A=1 opencode") == "env A=1 opencode --port 4711 --hostname 127.0.0.1"


@pytest.mark.parametrize(
    "line",
    [
        "opencode --port 5",
        "opencode --port=5",
        "opencode --hostname 0.0.0.0",
        "opencode --mdns",
        "opencode serve",
        "opencode run hello",
        "opencode attach http://x",
        "claude",
        "cat",
    ],
)
def test_others_are_left_alone(line: str) -> None:
    assert streamed(line) == line


def test_the_port_is_found_again() -> None:
    assert OPENCODE.port(streamed("node /x/opencode.js --prompt x").split()) == 4711
    for line in ("opencode", "opencode --port 5", "opencode --port", "opencode --port x --hostname 127.0.0.1"):
        assert OPENCODE.port(line.split()) is None


class Stream:
    """Events of one agent."""

    def __init__(self, conversation: str = "") -> None:
        self.followed = Followed(OPENCODE, conversation)
        self.at = 0.0

    def __call__(self, kind: str, conversation: str = "a", **values: object) -> Status | None:
        self.at += 1
        self.followed.take(kind, {"sessionID": conversation, **values}, self.at)
        return self.followed.reading.says if self.followed.reading else None

    def status(self, does: str, conversation: str = "a") -> Status | None:
        return self("session.status", conversation, status={"type": does})

    def known(self, conversation: str, parent: str | None = None) -> None:
        info = {"id": conversation, **({"parentID": parent} if parent else {})}
        self("session.created", conversation, info=info)


def test_a_turn() -> None:
    stream = Stream()
    assert stream.status("busy") is None, "nobody knows whose it is"
    stream.known("a")
    assert stream.followed.conversation == "a"
    assert stream.status("busy") is WORKING
    assert stream("permission.asked", id="p", permission="bash", patterns=["rm x"]) is WAITING
    reading = stream.followed.reading
    assert reading is not None and (reading.about, reading.text) == ("approval", "rm x")
    assert stream("permission.replied", requestID="p") is WORKING
    assert stream.followed.reading is not None and stream.followed.reading.at == stream.at, "it says so anew"
    assert stream("question.asked", id="q", questions=[{"question": "Which\x1b colour?"}]) is WAITING
    assert stream.followed.reading.about == "question" and stream.followed.reading.text == "Which  colour?"
    assert stream("question.rejected", requestID="q") is WORKING
    assert stream.status("retry") is WORKING
    assert stream.status("idle") is IDLE


def test_who_waits_for_two_answers_waits_for_the_second() -> None:
    stream = Stream("a")
    stream.status("busy")
    stream("permission.asked", id="p")
    stream("permission.asked", id="q")
    assert stream("permission.replied", requestID="p") is WAITING
    assert stream("permission.replied", requestID="q") is WORKING
    stream("permission.asked", id="r")
    assert stream.status("idle") is IDLE, "no answer was told"
    for number in range(99):
        stream("permission.asked", id=str(number))
    assert len(stream.followed._asked) == MOST_ASKED


def test_parts_of_a_conversation_do_not_speak_for_it_and_may_ask() -> None:
    stream = Stream("a")
    stream.status("busy")
    stream.known("child", "a")
    assert stream.status("idle", "child") is WORKING
    stream.status("idle")
    assert stream.status("busy", "child") is IDLE
    assert stream("permission.asked", "child", id="p") is WAITING
    assert stream.followed.conversation == "a"


def test_since_when_there_is_a_conversation_is_known() -> None:
    stream = Stream("a")
    stream.known("child", "a")
    stream("session.created", "b", info={"time": {"created": 1795806812500}})
    stream("session.updated", "b", info={})
    speakers = [stream.followed.speaker({"sessionID": name}) for name in ("a", "b", "child", "x")]
    assert speakers == [("a", 0.0), ("b", 1795806812.5), ("child", None), ("x", None)]


def test_another_conversation_begins_where_this_one_rests() -> None:
    stream = Stream("a")
    stream.status("busy")
    stream.known("b")
    assert stream.status("busy", "b") is WORKING and stream.followed.conversation == "a"
    stream.status("idle")
    assert stream.status("idle", "b") is IDLE and stream.followed.conversation == "a"
    assert stream.status("busy", "b") is WORKING and stream.followed.conversation == "b"
    assert stream.status("idle", "a") is WORKING


def test_whatever_comes_is_taken() -> None:
    stream = Stream("a")
    stream.status("busy")
    for values in ({"status": None}, {"status": {"type": ["idle"]}}, {"questions": 5}, {"info": [], "patterns": {}}):
        stream("session.status", **values)
        stream("session.created", "", **values)
        stream("nonsense", **values)
    assert stream.followed.reading is not None and stream.followed.reading.says is WORKING
    assert decoded('{"type": "a", "properties": {"x": 1}}', "type", "properties") == ("a", {"x": 1})
    for text in ("", "[", "5", '{"type": 5, "properties": {}}', '{"type": "a"}', "[" * 99_999):
        assert decoded(text, "type", "properties") is None


def test_no_text_of_what_it_takes_to_read_has_the_password() -> None:
    access = Access(5, "/event", "u", "secret")
    assert "secret" not in f"{access} {access!r}"
    assert b"Authorization: Basic dTpzZWNyZXQ=\r\n" in access.request() and access.request().endswith(b"\r\n\r\n")


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell")
def test_only_what_this_user_serves_is_asked() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
        assert not listens(port)
        server.listen()
        assert listens(port)


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user")
def test_what_another_user_serves_is_not() -> None:
    os.seteuid(12345)
    try:
        server = socket.create_server(("127.0.0.1", 0))
    finally:
        os.seteuid(0)
    with server:
        assert not listens(server.getsockname()[1])


def test_who_does_something_is_connected_to_soon() -> None:
    async def run() -> None:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            access = Access(server.getsockname()[1], "/", "", "")
            begun = asyncio.Event()

            def ignore(*_: str) -> None: ...

            loop = asyncio.get_running_loop()
            stream = EventStream(loop, access, take=ignore, begun=begun.set, lost=ignore, refused=ignore)
            stream._pause = 3600.0
            await asyncio.sleep(0)  # a turn, in which the first try finds nothing
            server.listen()
            server.setblocking(False)
            stream.hurry()
            connection, _ = await asyncio.wait_for(loop.sock_accept(server), 10)
            with connection:
                head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
                await loop.sock_sendall(connection, head)
                await asyncio.wait_for(begun.wait(), 10)
            stream.close()

    asyncio.run(run())


GOOD = {"words": ["{port}"], "path": "/e", "user": "U", "password": "P", "type": "t", "values": "v"}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"port": 5}, "no key 'events.port'; there are: words, "),
        ({**GOOD, "path": ""}, "'events' needs words, path, user, password, type and values"),
        ({**GOOD, "words": ["--port"]}, "'events.words' needs one word '{port}'"),
        ({**GOOD, "kinds": {"x": "resting"}}, "'x' is none of working"),
        ({**GOOD, "kinds": {"x": "waiting"}}, "'x' is none of working"),
        ({**GOOD, "kinds": {"x": "idle approval"}}, "'x' is none of working"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError) as caught:
        parsed(table, lambda what, *key: ValueError(what))
    assert str(caught.value).startswith(problem)
