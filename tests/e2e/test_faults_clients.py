"""A client that ends at any step of its talk with the server leaves no descriptor, no viewer and no size there."""

from __future__ import annotations

import os
import socket
import sys
import time

import pytest
from programs import server_pid
from world import World, wait_until

from agentmux.mux.client import greeting
from agentmux.mux.protocol import Decoder, Kind, Request, encode, pack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def opened(pid: int) -> int:
    """Return how many descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def request(*words: str, size: tuple[int, int] = (60, 20)) -> bytes:
    """Return what a client with a terminal sends first."""
    return greeting(0, Request(list(words), "/", {"TERM": "xterm-256color"}, size, (True, True, True)).pack())


SAID = (
    encode(Kind.REPLY, b"\x1b[?62;22c")
    + encode(Kind.INPUT, b"typed ")
    + encode(Kind.RESIZE, pack([b"50", b"15"]))
    + encode(Kind.PASTE, b"\x1b[200~pasted \x1b[201~")
    + encode(Kind.MOUSE, b"\x1b[<0;1;1M")
    + encode(Kind.FOCUS, b"1")
    + encode(Kind.PAUSE)
    + encode(Kind.ACTION, pack([b"scrollback", b""]))
    + encode(Kind.RESUME)
    + encode(Kind.DETACH)
)
"""Every kind that an attached client sends."""


def connected(world: World) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(world.socket)  # a full backlog is waited for
    sock.settimeout(20)
    return sock


def heard(sock: socket.socket, kind: int) -> int:
    """Read until a frame of that kind is whole; return after how many bytes."""
    decoder, count = Decoder(), 0
    while data := sock.recv(1):
        count += 1
        if any(found == kind for found, _ in decoder.feed(data)):
            return count
    raise AssertionError("the connection ended")


def untouched(world: World, before: int, size: list[int]) -> None:
    """Insist that nobody is left of those who went."""
    pid = server_pid(world)
    wait_until(lambda: opened(pid) <= before, what=lambda: f"{before} descriptors instead of {opened(pid)}")
    wait_until(lambda: world.info("api")["attached"] == 1, what="one client")
    wait_until(lambda: world.info("api")["size"] == size, what="its size")


def cuts(length: int, boundaries: set[int], share: int) -> list[int]:
    """Return where to cut: at and beside each boundary, and at every so many bytes."""
    near = {at + by for at in boundaries for by in (-1, 0, 1)}
    return sorted(at for at in {*near, *range(0, length, share)} if 0 <= at <= length)


def boundaries(data: bytes) -> set[int]:
    """Return where frames begin and end."""
    found, at = {0}, 0
    while at < len(data):
        at += 5 + int.from_bytes(data[at + 1 : at + 5], "big")
        found.add(at)
    return found


shares = pytest.mark.parametrize("share", [499, pytest.param(1, marks=pytest.mark.prove)], ids=["some", "every"])


@shares
@pytest.mark.parametrize("reads", [False, True], ids=["deaf", "listening"])
def test_a_client_that_ends_after_any_byte_that_it_sent(world: World, share: int, reads: bool) -> None:
    """Cut within or between frames, what a client sends leaves no descriptor, no viewer, and the others their size."""
    world.new("api", "cat")
    client = world.attach("api", size=(80, 24))
    client.type("x")
    client.shows("x")
    world.run("ls").ok()
    before, size = opened(server_pid(world)), world.info("api")["size"]
    first = request("attach", "-t", "api")
    data = first + SAID
    server = server_pid(world)
    for at in cuts(len(data), boundaries(data), share):
        with connected(world) as sock:
            sock.sendall(data[: min(at, len(first))])
            if at > len(first):
                if reads:
                    heard(sock, Kind.ATTACHED)
                sock.sendall(data[len(first) : at])
    client.type("y")
    client.shows("y")
    client.type("\x15")
    untouched(world, before, size)
    assert server_pid(world) == server


@shares
def test_a_client_that_ends_after_any_byte_that_it_heard(world: World, share: int) -> None:
    """Whatever part of the picture a client has read when it is killed, the server draws for nobody any more."""
    world.new("api", "sh", "-c", "printf 'line %s\\n' 1 2 3 4 5 6 7 8 9; exec cat")
    client = world.attach("api", size=(80, 24))
    client.shows("line 9")
    world.run("ls").ok()
    before, size = opened(server_pid(world)), world.info("api")["size"]
    with connected(world) as sock:
        sock.sendall(request("attach", "-t", "api", "-r"))
        length = heard(sock, Kind.OUTPUT)
    for at in cuts(length, {5, length}, share):
        with connected(world) as sock:
            sock.sendall(request("attach", "-t", "api", "-r"))
            left = at
            while left and (data := sock.recv(left)):
                left -= len(data)
    untouched(world, before, size)


@pytest.mark.parametrize("rounds", [6, pytest.param(80, marks=pytest.mark.prove)], ids=["six", "eighty"])
def test_a_real_client_killed_at_any_moment_of_attaching(world: World, rounds: int) -> None:
    """A client's process that is killed between its start and its detaching leaves the session to the other one."""
    world.new("api", "cat")
    client = world.attach("api", size=(80, 24))
    client.type("x")
    client.shows("x")
    world.run("ls").ok()
    before, size = opened(server_pid(world)), world.info("api")["size"]
    for number in range(rounds):
        victim = world.terminal("attach", "-t", "api", size=(60, 20))
        wait_until(lambda victim=victim: world.connected(victim.process.pid), what="its connection")  # type: ignore[misc]
        deadline = time.monotonic() + number * 0.15 / rounds
        wait_until(lambda deadline=deadline: time.monotonic() >= deadline, what="its moment")  # type: ignore[misc]
        victim.process.kill()
        victim.process.wait()
    client.type("y")
    client.shows("xy")
    untouched(world, before, size)


def test_commands_that_wait_are_ended_with_their_clients(world: World) -> None:
    """Clients killed while their command runs leave no command behind, and what they had changed stays as it is."""
    world.new("api", "cat")
    world.run("ls").ok()
    before = opened(server_pid(world))
    for words in (("wait", "-t", "api", "--exit"), ("events",), ("ls", "--watch"), ("log", "-f", "-t", "api")):
        process = world.start(*words)
        wait_until(lambda process=process: world.connected(process.pid), what="its connection")  # type: ignore[misc]
        world.run("ls").ok()
        process.kill()
        process.communicate()
    pid = server_pid(world)
    wait_until(lambda: opened(pid) <= before, what=lambda: f"{before} descriptors instead of {opened(pid)}")
