"""What agents publish of themselves beside their terminal: a file, and a stream of events that nobody else may read."""

from __future__ import annotations

import base64
import http.client
import json
import os
import signal
import time
from typing import Any

import pytest
from agents import launch, prompt, skip_without
from profiles import NAMED, PROMPT
from said import answered, turns
from scripted_api import ScriptedApi
from world import World, wait_until

COMPOSER = (
    PROMPT
    + """
[[signs.rules]]
name = "permission"
says = "waiting"
about = "approval"
where = "bottom 6"
every = ['May I']
"""
)

FILE = (
    NAMED
    + """
[conversation]
id = "c[0-9]"
[published]
file = ["$OURS/{pid}.json"]
pid = "pid"
started = "started"
status = "status"
conversation = "conversation"
[published.states]
busy = "working"
idle = "idle"
dialog = "waiting question"
"""
    + COMPOSER
)

PUBLISHES = """#!/usr/bin/env python3
import json, os, sys, time
path = os.path.join(os.environ["OURS"], f"{os.getpid()}.json")
started = open("/proc/self/stat").read().rpartition(")")[2].split()[19]
def say(status, conversation, pid=os.getpid(), started=started):
    with open(path + ".new", "w") as file:
        json.dump({"pid": pid, "started": started, "status": status, "conversation": conversation}, file)
    os.rename(path + ".new", path)
print(">", flush=True)
for line in sys.stdin:
    status, conversation, how = (line.split() + ["", "", ""])[:3]
    if how == "other":
        say(status, conversation, started="1")
    elif how == "late":
        print("> late", flush=True)
        time.sleep(0.3)
        say(status, conversation)
        continue
    else:
        say(status, conversation)
    print("May I" if how == "asks" else "\\033[2J\\033[H>", flush=True)
"""


def publishes(world: World, name: str = "one") -> str:
    """Start an agent that publishes what it is told; return the folder."""
    os.makedirs(folder := f"{world.root}/published", exist_ok=True)
    world.new(name, world.agent(FILE, PUBLISHES), options=["-e", f"OURS={folder}"])
    world.does(name, "idle")
    return folder


def tell(world: World, *words: str, name: str = "one") -> None:
    world.run("send", "-t", name, " ".join(words)).ok()


def why(world: World, name: str = "one") -> str:
    return world.run("why", "-t", name).ok().out


def test_an_agents_own_file_tells_what_it_does_and_in_which_conversation(world: World) -> None:
    publishes(world)
    tell(world, "busy", "c1")
    world.does("one", "working")
    assert "its own file says working (status busy)" in why(world)
    assert world.info("one")["conversation"] == "c1"
    tell(world, "dialog", "c1")
    world.does("one", "waiting")
    assert world.info("one")["about"] == "question"
    tell(world, "idle", "c2")
    world.does("one", "idle")
    assert world.info("one")["conversation"] == "c2"


def test_a_dialog_on_the_screen_outranks_an_agents_own_file(world: World) -> None:
    publishes(world)
    tell(world, "busy", "c1")
    world.does("one", "working")
    tell(world, "idle", "c1", "asks")
    world.does("one", "waiting")
    assert "but its own file says idle" in why(world)


def test_what_is_written_after_the_last_output_is_seen(world: World) -> None:
    publishes(world)
    tell(world, "busy", "c1", "late")
    world.does("one", "working")
    tell(world, "idle", "c1", "late")
    world.does("one", "idle")


def test_the_file_of_a_process_that_had_its_number_is_not_believed(world: World) -> None:
    publishes(world)
    tell(world, "busy", "c1")
    world.does("one", "working")
    tell(world, "busy", "c2", "other")
    world.does("one", "idle")
    assert world.info("one")["conversation"] == "c1"


def test_an_agent_in_a_shell_has_its_file_too_and_no_conversation_to_resume(world: World) -> None:
    folder = f"{world.root}/published"
    os.makedirs(folder)
    program = world.agent(FILE, PUBLISHES)
    world.new("one", "/bin/bash", "--norc", "-i")
    world.shows("one", "$")
    world.run("send", "-t", "one", f"OURS={folder} {program}").ok()
    world.shows("one", ">")
    tell(world, "busy", "c1")
    world.does("one", "working")
    assert "its own file says working" in why(world)
    assert world.info("one")["conversation"] is None


# -- streams

STREAM = (
    NAMED
    + """
[conversation]
resume = ["--resume", "{id}"]
commands = ["other"]
id = 'c\\d+'
[events]
words = ["--port", "{port}"]
unless = ["--port"]
path = "/event"
user = "OURS_USER"
password = "OURS_PASSWORD"
type = "type"
values = "values"
conversation = "in"
parent = "of"
asked = "id"
answered = "id"
texts = ["text"]
[events.kinds]
begun = "conversation"
"does what=work" = "working"
"does what=rest" = "idle"
asks = "waiting approval"
answered = "answered"
[events.messages]
message = "said"
id = "info.id"
role = "info.role"
prompt = "user"
reply = "model"
at = "info.begun"
complete = "info.done"
part = "part"
of = "part.of"
number = "part.id"
text = "part.text"
[events.messages.usage]
input = ["info.used.in"]
output = ["info.used.out"]
cost = ["info.used.cost"]
"""
    + COMPOSER
)

TALKS = (
    STREAM
    + """
[prompt]
box = '^(>.*+)\\Z'
mark = '^> ?'
"""
)

SERVES = """#!/usr/bin/env python3
import base64, json, os, socket, sys, threading, time
print(sys.argv[1:], sorted(name for name in os.environ if name.startswith("OURS_")), flush=True)
print(">", flush=True)
readers, count = [], []
def serve():
    port = int(sys.argv[sys.argv.index("--port") + 1])
    try:
        socket.socket().bind(("127.0.0.1", port))
        print("anybody could have taken the port", flush=True)
        return
    except OSError:
        pass
    server = socket.create_server(("127.0.0.1", port))
    proof = base64.b64encode(f"{os.environ['OURS_USER']}:{os.environ['OURS_PASSWORD']}".encode())
    while True:
        connection, _ = server.accept()
        head = b""
        while b"\\r\\n\\r\\n" not in head:
            head += connection.recv(4096)
        if b"Authorization: Basic " + proof + b"\\r\\n" not in head or not head.startswith(b"GET /event "):
            connection.sendall(b"HTTP/1.1 401 Unauthorized\\r\\nContent-Length: 0\\r\\n\\r\\n")
            connection.close()
            count.append(1)
            print("> refused", len(count), flush=True)
            continue
        head = b"HTTP/1.1 200 OK", b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked", b"", b""
        connection.sendall(b"\\r\\n".join(head))
        readers.append(connection)
        count.append(1)
        print("\\033[2J\\033[H> read by", len(count), flush=True)
if "--port" in sys.argv:
    threading.Thread(target=serve, daemon=True).start()
def emit(kind, **values):
    data = b"data: " + json.dumps({"type": kind, "values": values}).encode() + b"\\n\\n"
    for at in (data[:9], data[9:]):
        readers[-1].sendall(b"%x\\r\\n%b\\r\\n" % (len(at), at))
def talk(prompt, number, place="c1"):
    emit("said", **{"in": place}, info=dict(id=f"u{number}", role="user", begun=time.time()))
    emit("part", **{"in": place}, part=dict(of=f"u{number}", id="1", text=prompt))
    model = dict(id=f"a{number}", role="model", begun=time.time())
    emit("said", **{"in": place}, info=model)
    for text in ("", "reply to", f"reply to {prompt}"):
        emit("part", **{"in": place}, part=dict(of=f"a{number}", id="1", text=text))
    used = {"in": 10, "out": 2, "cost": 0.25}
    for _ in range(2):
        emit("said", **{"in": place}, info=dict(model, done=time.time(), used=used))
talked = []
for line in sys.stdin:
    if line.startswith("break"):
        readers.pop().shutdown(socket.SHUT_RDWR)
        continue
    if line.isspace():
        continue  # Enter is pressed again where nothing follows from it for long
    kind, _, values = line.strip().partition(" ")
    shown = ""
    if kind in ("talk", "late"):
        talked.append(line.strip())
        shown = f"reply to {talked[-1]}\\n"
    if kind == "late":
        print("\\033[2J\\033[H>", end=" ", flush=True)
        time.sleep(0.5)
    if kind in ("talk", "late", "again"):
        talk(talked[-1], len(talked))
    elif kind == "child":
        emit("begun", **{"in": "c2", "of": "c1"})
        talk("to a child", "child", "c2")
    elif kind == "mute":
        shown = "spoken\\n"
    else:
        emit(kind, **json.loads(values))
    print("\\033[2J\\033[H" + shown + ">", end=" ", flush=True)
"""


def serves(world: World, *words: str, name: str = "one", options: tuple[str, ...] = ()) -> None:
    """Start an agent that serves its events, and wait until somebody reads them."""
    world.new(name, world.agent(STREAM, SERVES), *words, options=options)
    world.shows(name, "read by 1")


def event(world: World, kind: str, **values: Any) -> None:
    tell(world, kind, json.dumps({"in": "c1", **values}))


def test_an_agents_event_stream_tells_what_it_does_and_in_which_conversation(world: World) -> None:
    serves(world)
    event(world, "begun")
    event(world, "does", what="work")
    world.does("one", "working")
    assert "its event stream says working (event does)" in why(world)
    assert world.info("one")["conversation"] == "c1"
    event(world, "asks", id="1", text="May it?")
    world.does("one", "waiting")
    info = world.info("one")
    assert (info["about"], info["asks"]) == ("approval", "May it?")
    event(world, "answered", id="1")
    world.does("one", "working")
    event(world, "does", what="rest")
    world.does("one", "idle")


def test_it_is_connected_to_again_and_says_nothing_meanwhile(world: World) -> None:
    serves(world)
    event(world, "begun")
    event(world, "does", what="work")
    world.does("one", "working")
    tell(world, "break")
    world.shows("one", "read by 2")
    world.does("one", "idle")
    assert "stream" not in why(world)
    event(world, "does", what="work")
    world.does("one", "working")


def test_the_next_server_follows_it_too(world: World) -> None:
    serves(world)
    event(world, "begun")
    event(world, "does", what="work")
    world.does("one", "working")
    world.expected_in_log.append("Traceback")
    os.kill(world.status()["server_pid"], signal.SIGKILL)
    world.shows("one", "read by 2")
    event(world, "does", what="rest")
    world.does("one", "idle")
    event(world, "does", what="work")
    world.does("one", "working")


def test_nobody_is_told_the_password_and_the_command_line_is_as_it_was_given(world: World) -> None:
    serves(world, "--model", "x")
    event(world, "begun")
    event(world, "does", what="work")
    world.does("one", "working")
    info = world.info("one")
    with open(f"/proc/{info['pid']}/environ", "rb") as file:
        variables = dict(one.split(b"=", 1) for one in file.read().split(b"\0") if b"=" in one)
    password = variables[b"OURS_PASSWORD"].decode()
    assert len(password) >= 24
    with open(f"/proc/{info['pid']}/cmdline", "rb") as file:
        command = file.read()
    assert b"--port" in command and password.encode() not in command
    assert info["argv"][1:] == ["--model", "x"]
    told = [
        world.run(*words).out
        for words in (
            ("info", "-t", "one", "--json"),
            ("ls", "--json"),
            ("why", "-t", "one", "--json", "--history"),
            ("report", "-t", "one"),
            ("server", "status", "--json"),
            ("doctor",),
        )
    ]
    assert password not in "".join(told) + world.log
    kept = []
    for folder, _, files in os.walk(world.home):
        for path in files:
            with open(os.path.join(folder, path), "rb") as opened:
                kept.append(opened.read())
    assert kept and not [one for one in kept if password.encode() in one]


def test_the_users_own_password_is_used(world: World) -> None:
    serves(world, options=("-e", "OURS_PASSWORD=mine"))
    with open(f"/proc/{world.info('one')['pid']}/environ", "rb") as file:
        assert b"OURS_PASSWORD=mine" in file.read().split(b"\0")
    world.run("kill", "-t", "one").ok()
    serves(world, name="two", options=("-e", "OURS_PASSWORD="))
    with open(f"/proc/{world.info('two')['pid']}/environ", "rb") as file:
        assert b"OURS_PASSWORD=" not in file.read().split(b"\0"), "anybody could read its events"


@pytest.mark.parametrize("words", [("other",), ("--port", "0")])
def test_nothing_is_added_where_it_is_something_else_or_a_port_was_given(world: World, words: tuple[str, ...]) -> None:
    world.new("one", world.agent(STREAM, SERVES), *words)
    world.shows("one", f"{list(words)} []")


def test_nothing_is_added_where_hooks_are_off(world: World) -> None:
    world.configure('agent-hooks = "off"\n')
    world.new("one", world.agent(STREAM, SERVES))
    world.shows("one", "[] []")


def talks(world: World, *, options: tuple[str, ...] = ()) -> None:
    """Start an agent that tells its messages, with a place for prompts."""
    world.new("one", world.agent(TALKS, SERVES), options=options)
    world.shows("one", "read by 1")
    world.run("send", "-t", "one", "--no-enter", 'begun {"in": "c1"}').ok()
    world.run("send", "-t", "one", "-k", "Enter").ok()
    wait_until(lambda: world.info("one")["conversation"] == "c1", what="the conversation")
    world.does("one", "idle")


def typed(world: World, line: str) -> None:
    world.run("send", "-t", "one", "--no-enter", line).ok()
    world.run("send", "-t", "one", "-k", "Enter").ok()


def test_prompts_replies_and_tokens_are_those_of_the_stream(world: World) -> None:
    talks(world)
    assert world.run("send", "-t", "one", "--wait", "talk one").ok().out == "reply to talk one\n"
    assert world.run("send", "-t", "one", "--json", "late two").ok().json["proof"] == "record u2"
    typed(world, "child")
    typed(world, "talk three")
    wait_until(lambda: len(turns(world)) >= 6, what=lambda: turns(world))
    assert turns(world) == answered("talk one", "late two", "talk three")
    info = world.info("one")
    assert (info["tokens_in"], info["tokens_out"], info["cost"]) == (30, 6, 0.75)
    assert [one["text"] for one in world.run("history", "--json").ok().json] == ["talk one", "late two", "talk three"]


@pytest.mark.parametrize("what", ["server", "connection"])
def test_each_message_of_a_stream_is_taken_once(world: World, what: str) -> None:
    talks(world)
    world.run("send", "-t", "one", "talk one").ok()
    wait_until(lambda: turns(world) == answered("talk one"), what=lambda: turns(world))
    if what == "server":
        world.expected_in_log.append("Traceback")
        os.kill(world.status()["server_pid"], signal.SIGKILL)
    else:
        typed(world, "break")
    world.shows("one", "read by 2")
    typed(world, "again")
    assert world.run("send", "-t", "one", "--json", "--wait", "talk two").ok().json["proof"] == "record u2"
    assert turns(world) == answered("talk one", "talk two")
    assert world.info("one")["tokens_in"] == 20


def test_where_the_stream_tells_no_message_the_screen_does(world: World) -> None:
    talks(world)
    typed(world, 'does {"in": "c1", "what": "work"}')
    world.does("one", "working")
    typed(world, 'does {"in": "c1", "what": "rest"}')
    world.does("one", "idle")
    world.run("send", "-t", "one", "mute").ok()
    expected = [("user", "send", "mute"), ("agent", "screen", "spoken")]
    wait_until(lambda: turns(world) == expected, what=lambda: turns(world))


def test_what_is_said_in_a_session_that_is_not_recorded_is_not_taken(world: World) -> None:
    talks(world, options=("--no-record",))
    assert world.run("send", "-t", "one", "--json", "talk one").ok().json["proof"] == "screen"
    typed(world, "talk two")
    world.does("one", "idle")
    assert turns(world) == [] and world.info("one")["tokens_in"] == 0


def test_who_refuses_is_asked_once(world: World) -> None:
    world.new("one", world.agent(STREAM, SERVES.replace("proof = base64", "proof = b'x' + base64")))
    wait_until(lambda: "its events can't be followed: the answer is 401" in world.log, what="it is in the log")
    serves(world, name="two")
    for count in ("2", "3", "4"):  # which takes longer than another try would
        tell(world, "break", name="two")
        world.shows("two", f"read by {count}")
    assert world.log.count("can't be followed") == 1
    assert not [row for row in world.screen("one") if "refused 2" in row]
    world.does("one", "idle")


# -- real agents

SLOW = 90.0


@pytest.mark.prove
def test_claudes_own_file_is_read(world: World, api: ScriptedApi) -> None:
    skip_without("claude")
    start = launch("claude", f"{world.root}/claude", api.url)
    world.new("one", *start.argv, options=[*start.options, "-x", "100", "-y", "30"])
    world.does("one", "idle", SLOW)
    prompt(world, "one", "claude", "slow 8")
    world.does("one", "working", SLOW)

    def said() -> set[str]:
        readings = world.run("why", "-t", "one", "--json").ok().json["readings"]
        return {one["says"] for one in readings if one["source"] == "file"}

    wait_until(lambda: said() == {"working"}, what=lambda: why(world))
    world.does("one", "idle", SLOW)
    wait_until(lambda: said() == {"idle"}, what=lambda: why(world))
    before = world.info("one")["conversation"]
    prompt(world, "one", "claude", "/clear")
    wait_until(lambda: world.info("one")["conversation"] not in (None, before), what="another conversation")


@pytest.mark.prove
def test_opencodes_events_are_followed_and_nobody_else_may(world: World, api: ScriptedApi) -> None:
    skip_without("opencode")
    start = launch("opencode", f"{world.root}/opencode", api.url)
    world.new("one", *start.argv, options=[*start.options, "-x", "100", "-y", "30"])
    world.does("one", "idle", SLOW)
    port = _port(world)
    for path in ("/event", "/session", "/permission", "/session/status"):
        assert _status(port, path) == 401
    time.sleep(1)  # it may not take what is typed yet
    prompt(world, "one", "opencode", "slow 8")
    wait_until(lambda: "its event stream says working" in why(world), seconds=SLOW, what=lambda: why(world))
    assert str(world.info("one")["conversation"]).startswith("ses_")


@pytest.mark.prove
def test_what_opencode_tells_of_its_messages_are_turns_and_tokens(world: World, api: ScriptedApi) -> None:
    skip_without("opencode")
    start = launch("opencode", f"{world.root}/opencode", api.url)
    password = ("-e", "OPENCODE_SERVER_PASSWORD=ours")
    world.new("one", *start.argv, options=[*start.options, *password, "-x", "100", "-y", "30"])
    world.does("one", "idle", SLOW)
    time.sleep(1)  # it may not take what is typed yet
    assert world.run("send", "-t", "one", "--wait", "hello").ok().out == "Hello from the script.\n"
    sent = world.run("send", "-t", "one", "--wait", "--json", "two\nlines, slow 3").ok().json
    assert sent["proof"].startswith("record msg_") and sent["reply"] == "word1 word2 word3 "
    world.run("send", "-t", "one", "tool").ok()
    world.does("one", "waiting", SLOW)
    world.run("send", "-t", "one", "-k", "Enter").ok()
    said = ["hello", "Hello from the script.", "two\nlines, slow 3", "word1 word2 word3 "]
    said += ["tool", "I will run a command. ", "The tool has run."]
    wait_until(lambda: len(turns(world)) >= len(said), seconds=SLOW, what=lambda: turns(world))
    _fork(world, str(world.info("one")["conversation"]), "ours")
    assert world.run("send", "-t", "one", "--wait", "bye").ok().out == "Hello from the script.\n"
    said += ["bye", "Hello from the script."]
    assert [text for _, _, text in turns(world)] == said
    assert {source for _, source, _ in turns(world)} == {"transcript"}
    info = world.info("one")
    assert (info["tokens_in"], info["tokens_cached"], info["tokens_out"]) == (5000, 500, 100)


def _port(world: World) -> int:
    with open(f"/proc/{world.info('one')['pid']}/cmdline", "rb") as file:
        words = file.read().split(b"\0")
    return int(words[words.index(b"--port") + 1])


def _fork(world: World, conversation: str, password: str) -> None:
    """Copy a conversation, as a person may at any time."""
    proof = base64.b64encode(f"agentmux:{password}".encode()).decode()
    head = {"Authorization": f"Basic {proof}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", _port(world), timeout=10)
    try:
        connection.request("POST", f"/session/{conversation}/fork", body=b"{}", headers=head)
        assert connection.getresponse().status == 200
    finally:
        connection.close()


def _status(port: int, path: str) -> int:
    """Return what somebody without a password gets."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
