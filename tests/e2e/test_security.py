"""Who may speak to a server, and what a hostile peer can't do.

What agentmux-protocol(7) says under SECURITY is shown here, and where this list tells:

Other users: here; tests/mux/test_paths.py, test_client.py (folders, links, peers), test_keeper.py (descriptors),
tests/store/test_folders.py; tests/e2e/test_published.py (event streams), test_remembered.py (exports, backups).

Programs in sessions: tests/mux/test_screen_guard.py (crashes), test_sieve.py (what passes), test_screen.py (titles,
links, pastes), test_replay.py; tests/e2e/test_queries.py, test_environment.py, test_recording_crashes.py;
test_remembered.py (passwords).

Text of others: tests/e2e/test_foreign_text.py (each command), test_notifications.py (desktop, commands at events),
test_hooks.py (ids of conversations, odd names of sockets), test_agent_logs.py (links and pipes in place of files),
tests/mux/test_agentlog.py, test_sse.py (bounds, nonsense), test_export.py (pages), test_redact.py.

Terminals: tests/e2e/test_hostile_terminals.py; tests/mux/test_clientterminal.py, test_keys.py;
tests/cli/test_terminal.py.
"""

from __future__ import annotations

import os
import random
import socket
import stat
import struct
import sys

import pytest
from programs import server_pid
from world import AGENTMUX, World, wait_until

from agentmux.cli import app
from agentmux.cli.commands import COMMANDS
from agentmux.mux import VERSION
from agentmux.mux.protocol import MAX_BODY, PROTOCOL, Decoder, Kind, Request, encode, pack

NOBODY = 65534
root_only = pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")

CONNECT = """
import os, socket, sys
os.setgid(65534); os.setuid(65534)
sock = socket.socket(socket.AF_UNIX)
sock.settimeout(10)
try:
    sock.connect(sys.argv[1])
    sock.sendall(bytes.fromhex(sys.argv[2]))
    data = b""
    while got := sock.recv(65536): data += got
    print("answer", data.hex())
except OSError as error:
    print("refused", type(error).__name__)
"""

HELLO = encode(Kind.HELLO, pack([VERSION.encode(), b"%d" % PROTOCOL, b"1", b"", b""]))


def command(*words: str) -> bytes:
    request = Request(list(words), "/", {}, (80, 24), (False, False, False))
    return HELLO + encode(Kind.COMMAND, request.pack())


def connected(world: World) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(world.socket)  # blocking: that waits while the backlog is full
    sock.settimeout(20)
    return sock


def answer(world: World, data: bytes) -> list[tuple[int, bytes]]:
    """Send ``data`` and return the frames of the answer, until the server closes."""
    with connected(world) as sock:
        frames, decoder = [], Decoder()
        try:
            sock.sendall(data)
            while got := sock.recv(65536):
                frames += decoder.feed(got)
        except (BrokenPipeError, ConnectionResetError):
            pass
    return frames


@root_only
def test_another_user_is_refused_by_the_folder_and_by_the_server(world: World) -> None:
    world.new("api", "cat")
    wire = command("send", "-t", "api", "intruder").hex()
    run = [sys.executable, "-I", "-S", "-c", CONNECT, world.socket, wire]
    ran = world.ended(world.start(argv=run))
    assert ran.out.split() == ["refused", "PermissionError"]
    # Nothing but the server's own look at its peer is left between them.
    for folder in (world.root, world.runtime, os.path.dirname(world.socket)):
        os.chmod(folder, 0o777)
    os.chmod(world.socket, 0o777)
    ran = world.ended(world.start(argv=run))
    assert ran.out.split() in (["answer"], ["refused", "ConnectionResetError"], ["refused", "BrokenPipeError"]), ran
    assert f"refused a client of uid {NOBODY}" in world.log
    world.run("ls").failed(
        f"folder '{os.path.dirname(world.socket)}' is open to others (mode 0777)", "close it with: chmod 700"
    )
    for folder in (world.root, world.runtime, os.path.dirname(world.socket)):
        os.chmod(folder, 0o700)
    os.chmod(world.socket, 0o600)
    assert world.run("log", "-t", "api").ok().raw == b""


@root_only
def test_a_server_of_somebody_else_is_not_spoken_to(world: World) -> None:
    world.run("ls").ok()
    world.run("kill-server").ok()
    listen = """
import os, socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.bind(sys.argv[1])
os.setgid(65534); os.setuid(65534)
sock.listen()
print("ready", flush=True)
connection, _ = sock.accept()
print("got", connection.recv(65536), flush=True)
"""
    server = world.start(argv=[sys.executable, "-I", "-S", "-c", listen, world.socket])
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    ran = world.run("ls", timeout=20)
    if ran.status == 0:
        pytest.fail("a command went to a server of another user")
    assert f"is served by uid {NOBODY}" in ran.err
    assert server.stdout.readline() == b"got b''\n"
    server.wait(20)
    os.unlink(world.socket)


@root_only
def test_a_folder_of_somebody_else_is_refused(world: World) -> None:
    folder = os.path.dirname(world.socket)
    os.mkdir(folder, 0o700)
    os.chown(folder, NOBODY, NOBODY)
    for words in (("new", "-d", "cat"), ("ls",)):
        world.run(*words).failed(f"folder '{folder}' belongs to uid {NOBODY}", "name another socket with -S")
    assert world.pids() == {}
    os.chown(folder, 0, 0)


def test_a_folder_that_is_open_or_no_folder_is_refused(world: World) -> None:
    folder = os.path.dirname(world.socket)
    os.mkdir(folder)
    for mode in (0o755, 0o770, 0o701, 0o1777):
        os.chmod(folder, mode)
        world.run("new", "-d", "cat").failed(
            f"folder '{folder}' is open to others (mode {mode:04o})", f"close it with: chmod 700 {folder}"
        )
    os.chmod(folder, 0o700)
    os.rename(folder, folder + ".real")
    os.symlink(folder + ".real", folder)
    world.run("new", "-d", "cat").failed(f"folder '{folder}' is a symbolic link", "remove it")
    os.unlink(folder)
    with open(folder, "w"):
        pass
    world.run("new", "-d", "cat").failed(f"folder '{folder}' is not a folder", "remove it")
    os.unlink(folder)
    assert world.pids() == {}
    world.run("-S", f"{world.root}/{'x' * 100}", "ls").failed("socket path of ", "name a shorter one with -S")
    world.run("-S", "/proc/agentmux/sock", "ls").failed("folder '/proc/agentmux' can't be made", "name another socket")


def test_the_data_folder_is_private_or_refused(world: World) -> None:
    os.makedirs(world.data, mode=0o700)
    os.chmod(os.path.dirname(world.data), 0o755)
    ran = world.run("new", "-d", "cat")
    assert ran.status == 1
    assert "is open to others (mode 0755)" in ran.err
    os.chmod(os.path.dirname(world.data), 0o700)


def test_everything_that_is_made_is_private(world: World) -> None:
    world.run("new", "-d", "-s", "api", "--", "cat", argv=["/bin/sh", "-c", 'umask 0; "$@"', "sh", AGENTMUX]).ok()
    world.run("send", "-t", "api", "x").ok()
    world.shows("api", "x")
    modes = {}
    for base in (os.path.join(world.home, "data"), os.path.dirname(world.socket)):
        for folder, folders, files in os.walk(base):
            for name in folders:
                modes[os.path.join(folder, name)] = (0o700, os.lstat(os.path.join(folder, name)).st_mode)
            for name in files:
                modes[os.path.join(folder, name)] = (0o600, os.lstat(os.path.join(folder, name)).st_mode)
    assert len(modes) >= 5
    wrong = {path: oct(mode) for path, (wanted, mode) in modes.items() if stat.S_IMODE(mode) & ~wanted}
    wrong = {path: mode for path, mode in wrong.items() if not path.startswith(os.path.join(world.home, "data") + "/x")}
    assert not wrong


GARBAGE = {
    "nothing": b"",
    "text": b"GET / HTTP/1.1\r\n\r\n",
    "zeros": bytes(100_000),
    "ones": b"\xff" * 100_000,
    "half a header": HELLO[:3],
    "half a frame": command("ls")[:-5],
    "too long": struct.pack(">BI", Kind.COMMAND, MAX_BODY + 1),
    "far too long": struct.pack(">BI", Kind.HELLO, 0xFFFF_FFFF) + b"x" * 100_000,
    "a field past the end": encode(Kind.HELLO, b"\xff\xff\xff\xffabc"),
    "hello without fields": encode(Kind.HELLO),
    "hello of numbers": encode(Kind.HELLO, pack([b"x", b"y", b"z", b"", b""])),
    "command without words": HELLO + encode(Kind.COMMAND, pack([b"/", b"80", b"24", b"000", b"0"])),
    "command of nonsense": HELLO + encode(Kind.COMMAND, pack([b"/", b"a", b"b", b"c", b"d"])),
    "negative count": HELLO + encode(Kind.COMMAND, pack([b"/", b"80", b"24", b"000", b"-5", b"ls"])),
    "huge size": HELLO + encode(Kind.COMMAND, pack([b"/", b"9" * 20, b"9" * 20, b"111", b"1", b"ls"])),
    "two commands": command("wait", "-t", "api") + encode(Kind.COMMAND, b""),
    "input before attach": HELLO + encode(Kind.INPUT, b"x") + encode(Kind.RESIZE, b"x") + encode(Kind.ACTION, b""),
    "unknown kinds": HELLO + b"".join(encode(kind, b"x" * 50) for kind in range(10, 256)),
    "server's own kinds": b"".join(encode(kind, b"") for kind in range(32, 42)),
    "command first": command("ls")[len(HELLO) :],
}


def test_garbage_closes_its_own_connection_and_nothing_else(world: World) -> None:
    world.new("api", "cat")
    bystander = world.attach("api")
    bystander.type("before\r")
    bystander.shows("before")
    pid = server_pid(world)
    for name, data in GARBAGE.items():
        with connected(world) as sock:
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass  # an answer is fine, and it ends
            except (BrokenPipeError, ConnectionResetError):
                pass
        assert server_pid(world) == pid, name
    bystander.type("after\r")
    bystander.shows("after")
    assert world.run("log", "-t", "api").ok().raw == b"before\r\nbefore\r\nafter\r\nafter\r\n"
    assert "Traceback" not in world.log


def test_a_protocol_error_is_answered_and_closed(world: World) -> None:
    world.run("ls").ok()
    frames = answer(world, struct.pack(">BI", Kind.COMMAND, 0xFFFF_FFFF))
    assert [kind for kind, _ in frames] == [Kind.STDERR, Kind.EXIT]
    assert b"protocol error" in frames[0][1]
    assert answer(world, command("ls", "-q"))[-1][0] == Kind.EXIT


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return a frame sequence that is nearly right."""
    wrong = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(wrong) or 1)
        match chance.randint(0, 4):
            case 0:
                wrong[at : at + 1] = chance.randbytes(1)
            case 1:
                wrong[at : at + chance.randint(1, 20)] = b""
            case 2:
                wrong[at:at] = chance.randbytes(chance.randint(1, 20))
            case 3:
                lengths = (0, 0xFFFF_FFFF, 0x7FFF_FFFF, MAX_BODY)
                wrong[at : at + 4] = struct.pack(">I", chance.choice(lengths))
            case 4:
                wrong = wrong[: at + 1]
    return bytes(wrong)


@pytest.mark.parametrize(
    "rounds", [pytest.param(300, id="300"), pytest.param(20_000, id="20000", marks=pytest.mark.prove)]
)
def test_nearly_right_frames_end_nothing_but_their_connection(world: World, rounds: int) -> None:
    world.new("api", "cat")
    pid, chance = server_pid(world), random.Random(4)
    attach = Request(["attach", "-t", "api"], "/", {}, (80, 24), (True, True, True))
    seeds = [
        command("ls", "-a", "--json"),
        command("info", "-t", "api"),
        HELLO + encode(Kind.COMMAND, attach.pack()) + encode(Kind.RESIZE, pack([b"100", b"30"]))
        + encode(Kind.INPUT, b"x") + encode(Kind.ACTION, pack([b"choose", b""])) + encode(Kind.PAUSE)
        + encode(Kind.RESUME) + encode(Kind.DETACH),
    ]  # fmt: skip
    for number in range(rounds):
        data = mutated(chance.choice(seeds), chance)
        with connected(world) as sock:
            try:
                for at in range(0, len(data), cut := chance.choice([1, 7, 4096])) if len(data) < 600 else (0,):
                    sock.sendall(data[at : at + cut] if len(data) < 600 else data)
                if chance.random() < 0.7:
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(65536):
                        pass
            except (BrokenPipeError, ConnectionResetError):
                pass
        if number % 50 == 0:
            assert server_pid(world) == pid, (number, data)
    wait_until(lambda: world.info("api")["attached"] == 0, what="the end of all those clients")
    assert server_pid(world) == pid
    assert world.names() == ["api"]
    assert "Traceback" not in world.log


def test_many_idle_connections_keep_nobody_out(world: World) -> None:
    world.new("api", "cat")
    idle: list[socket.socket] = []
    try:
        while len(idle) < 300:
            idle.append(connected(world))
        assert world.names() == ["api"]
        world.run("server", "upgrade").ok()
        assert world.names() == ["api"]
    finally:
        for sock in idle:
            sock.close()


def test_a_dash_session_cannot_write_to_the_terminal_of_who_lists_it(world: World) -> None:
    evil = "\x1b]0;pwned\x07\x9b31m\u202e"
    world.run("new", "-d", "-s", "evil", "--label", f"k={evil}", "-c", ".", "--", "sh", "-c", f"exec cat # {evil}").ok()
    for words in (("ls",), ("info",), ("label",), ("ls", "-F", "{command} {labels.k}"), ("ls", "-f", "name=evil")):
        out = world.run(*words).ok().out
        assert not any(letter in out for letter in "\x1b\x07\x9b\u202e"), words
    ran = world.run("info", "-t", "no" + evil)
    assert ran.status == 1
    assert not any(letter in ran.err for letter in "\x1b\x07"), ran
    terminal = world.attach("evil", size=(19, 24))  # too small for the view: there is a list
    terminal.type("\x02s")
    terminal.shows("evil")
    assert b"pwned\x07" not in terminal.everything()


HUGE = ("9" * 30, "9" * 5000, "-" + "9" * 30, "nan", "inf", "\u00b2")
"""Numbers that something in Python or SQLite does not take."""


def test_a_number_beyond_all_bounds_is_an_ordinary_error(world: World) -> None:
    world.new("one", "cat")
    calls = [("queue", "drop", value) for value in HUGE] + [("info", "-t", value) for value in HUGE]
    for command in COMMANDS:
        for param in app.parser(command.name).params:
            if param.type.name.startswith(("integer", "float")):
                calls += [(command.name, f"{param.opts[-1]}={value}") for value in HUGE]
    for words in calls:
        if not words[0].startswith(("wait", "interrupt")):  # these wait for that long
            assert "internal error" not in world.run(*words).err, words
    for value in HUGE:
        ran = world.run("info", env={"AGENTMUX": f"{world.socket},1", "AGENTMUX_SESSION": value})
        assert "internal error" not in ran.err, value
