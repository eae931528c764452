"""Client, server and keeper of different versions speak with each other, and skip what they do not know."""

from __future__ import annotations

import os
import re
import socket

import pytest
from programs import Counters, keeper_pid, server_pid
from terminal import signal_and_wait
from trees import tree
from world import World

from agentmux.mux import VERSION
from agentmux.mux.client import greeting
from agentmux.mux.protocol import Decoder, Kind, Request, encode, pack, unpack

OLDER = "0.0.1"

COMMANDS = (
    ("ls",), ("info", "-t", "api", "--json"), ("send", "-t", "api", "from another version"), ("capture", "-t", "api"),
    ("log", "-t", "api"), ("history",), ("why", "-t", "api"), ("server", "status"), ("has", "-t", "api"),
)  # fmt: skip


def changed(world: World, name: str, version: str, changes: dict[str, tuple[str, str]]) -> list[str]:
    """Return what runs a client of another version, in whose files something is replaced."""
    argv = tree(world, name, version)
    for part, (old, new) in changes.items():
        path = f"{world.root}/{name}/agentmux/{part}"
        with open(path) as file:
            text = file.read()
        assert old in text, (part, old)
        with open(path, "w") as file:
            file.write(text.replace(old, new))
    return argv


def works(world: World, argv: list[str]) -> None:
    """Insist that all of it works with a client of that version, attaching too."""
    for words in COMMANDS:
        world.run(*words, argv=argv).ok()
    terminal = world.terminal("attach", "-t", "api", argv=argv).attached()
    terminal.type("typed into it\r")
    terminal.shows("typed into it")
    terminal.type("\x02d")
    assert terminal.ended() == 0
    terminal.assert_as_before()


def test_an_older_client_speaks_with_a_newer_server(world: World) -> None:
    """Every command of an older client works with a newer server, which stays, with its sessions."""
    world.new("api", "cat")
    server = server_pid(world)
    works(world, tree(world, "older", OLDER))
    assert server_pid(world) == server
    assert world.status()["version"] == VERSION


def test_a_newer_client_whose_upgrade_is_refused_speaks_with_the_older_server(world: World) -> None:
    """Where the newer version does not run as a server, its client works with the older one all the same."""
    world.new("api", "cat")
    server = server_pid(world)
    broken = {"mux/server.py": ('"""The server:', "raise SystemExit('broken on purpose')\n" + '"""The server:')}
    works(world, changed(world, "newer", "99.0.1", broken))
    assert server_pid(world) == server


def test_fields_and_frames_of_the_future_are_skipped(world: World) -> None:
    """A client that says more than we know, in more fields and unknown frames, is answered as any other."""
    world.new("api", "cat")
    hello = greeting(0)
    command = Request(["has", "-t", "api"], "/", dict(world.env), (0, 0), (False, False, False)).pack()
    fields = unpack(hello[5:], 2)
    more = encode(Kind.HELLO, pack([*fields, b"more", b"and more"]))
    future = bytes([200]) + (7).to_bytes(4, "big") + b"unknown"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        sock.connect(world.socket)
        sock.sendall(future + more + future + encode(Kind.COMMAND, command + pack([b"later 17"])) + future)
        decoder, frames = Decoder(), []
        while data := sock.recv(65536):
            frames += decoder.feed(data)
    assert [kind for kind, _ in frames] == [Kind.WELCOME, Kind.ACCEPTED, Kind.EXIT]
    assert unpack(frames[-1][1], 2)[0] == b"0"


def test_a_server_that_says_more_is_understood(world: World) -> None:
    """A client skips unknown frames and fields of a newer server."""
    extra = {
        "mux/peer.py": (
            "        self.outbox.put(encode(Kind.ACCEPTED))\n",
            "        self.outbox.put(bytes([201]) + (3).to_bytes(4, 'big') + b'new')\n"
            "        self.outbox.put(encode(Kind.ACCEPTED, b'with a body'))\n",
        )
    }
    argv = changed(world, "same", VERSION, extra)
    world.run("new", "-d", "-s", "api", "--", "cat", argv=argv).ok()
    assert f"{world.root}/same" in world.pids()[server_pid(world)]
    works(world, [])


@pytest.mark.parametrize("victim", ["server", "keeper"])
def test_a_keeper_of_another_version_takes_part_in_recovery(world: World, victim: str) -> None:
    """An upgraded keeper replaces a server, and an upgraded server a keeper, with their own version."""
    counters = Counters(world)
    counters.start("steady", 0.01)
    world.new("api", "cat")
    newer = tree(world, "newer", "99.0.1")
    world.run("ls", argv=newer).ok()
    signal_and_wait(server_pid(world) if victim == "server" else keeper_pid(world))
    works(world, newer)
    for pid in (server_pid(world), keeper_pid(world)):
        assert f"{world.root}/newer" in world.pids()[pid]
    counters.check()


def test_a_store_of_a_newer_version_is_left_alone(world: World) -> None:
    """A server that is too old for the database says so in a line, changes nothing and puts nothing aside."""
    step = """    # 12: something that a newer version has.
    "CREATE TABLE newer (id INTEGER PRIMARY KEY) STRICT;",
)


def version("""
    newer = changed(world, "newer", "99.0.1", {"store/schema.py": (")\n\n\ndef version(", step)})
    Counters(world).start("steady", 0.1)
    world.run("ls", argv=newer).ok()
    pid = world.run("info", "-t", "steady", "--json", argv=newer).ok().json["pid"]
    world.run("server", "stop", "--force").ok()
    assert pid not in world.pids()
    with open(f"{world.data}/store.db", "rb") as file:
        before = file.read()
    failed = world.run("ls").failed("the database", "a newer agentmux wrote it")
    assert re.search(r"version \d+, this agentmux knows versions up to \d+", failed.err)
    with open(f"{world.data}/store.db", "rb") as file:
        assert file.read() == before
    assert not [name for name in os.listdir(world.data) if "broken" in name]
    world.run("server", "stop", "--force").ok()
    world.run("ls", argv=newer).ok()
    assert world.names("-a") == ["steady"]
