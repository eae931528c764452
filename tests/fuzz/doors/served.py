"""A whole server on its socket: clients gone mad, among them attached ones, whose frames are damaged."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator
from random import Random

from mutation import NUMBERS
from target import Run, Target, reads
from world import World, wait_until

from agentmux.mux import VERSION
from agentmux.mux.errors import ProtocolError
from agentmux.mux.protocol import MAX_BODY, Decoder, Kind, Request, encode, pack, unpack

from . import wire

GROWS = 60 << 20
"""Bytes that the server's memory may grow by, however long it is asked: what is loaded late, and its queues."""

PATIENCE = 10.0
"""Seconds in which it answers somebody else."""

CLIENTS = 40
"""Inputs after which its log and its memory are looked at."""

PRINTS = "#!/usr/bin/env python3\nimport os, tty\ntty.setraw(0)\nos.write(1, b'ready\\x1b[?1000;1006h\\r\\n')\n" + (
    "while data := os.read(0, 4096):\n    os.write(1, data[:512])\n"
)
"""A program that shows what is typed, in raw mode."""

PROFILE = """
title = "Ours"
[recognise]
commands = ["ours"]
[hooks]
words = ["--hooks", '{hooks}']
unless = ["--hooks"]
conversation = "session_id"
[hooks.events]
Stop = "idle"
Ask = "waiting approval"
"""

COMMANDS: tuple[tuple[str, ...], ...] = (
    *(("ls", "--json"), ("ls", "-f", "name=a"), ("ls", "-F", "{name}"), ("info", "-t", "a"), ("has", "-t", "1")),
    *(("capture", "-t", "a"), ("capture", "-t", "a", "-S", "-5"), ("log", "-t", "a"), ("why", "-t", "a", "--history")),
    *(("wait", "-t", "a", "--until", "idle", "--timeout", "0.01"), ("wait", "-t", "a", "--timeout", "0.01")),
    ("messages", "-t", "a", "-n", "3"), ("history", "x", "-n", "3"), ("search", "ready"), ("usage",),
    ("last", "-t", "a"),
    *(("label", "-t", "a", "k=v"), ("label", "-t", "a", "k="), ("rename", "-t", "a", "b"), ("rename", "-t", "b", "a")),
    *(("queue", "-t", "a"), ("queue", "drop", "1"), ("queue", "edit", "1", "x"), ("inbox",), ("interrupt", "-t", "a")),
    *(("send", "-t", "a", "--no-wait", "hello"), ("send", "-t", "a", "--keys", "Up"), ("answer", "-t", "a", "1")),
    *(("resize", "-t", "a", "-x", "90", "-y", "30"), ("reset", "-t", "a"), ("export", "-t", "a", "-f", "text")),
    *(("agents",), ("agents", "claude"), ("replay", "-t", "a"), ("options",)),
    ("hook", "Stop", '{"session_id": "x"}'), ("hook", "Ask", '{"message": "May I?"}'),
    ("hook", "Stop", '{"x": 1e999}'),
    *(("doctor",), ("server", "status", "--json"), ("gc",), ("completion", "bash"), ("--help",), ("events", "--help")),
    *(("attach", "-t", "a"), ("attach", "-r", "-t", "a"), ("attach", "-d"), ("detach", "-t", "a"), ("nonsense",)),
)  # fmt: skip
"""None that starts a program, writes a file, or ends the server."""


def asked(*words: str, tty: bool = True) -> bytes:
    """Return the frames of a client that asks for ``words``."""
    env = {"TERM": "xterm-256color", "PATH": "/bin", "AGENTMUX_SESSION": "1"}
    body = Request(list(words), "/dev/null", env, (80, 24), (tty,) * 3, 0o22).pack()
    return encode(Kind.COMMAND, body)


def damage(random: Random, data: bytes) -> bytes:
    """Put another command in, more frames of an attached client, or damage what is there."""
    match random.randrange(6):
        case 0:
            words = list(random.choice(COMMANDS))
            for _ in range(random.choice((0, 0, 1, 1, 2))):
                at = random.randrange(1, len(words) + 1)
                word = random.choice((*NUMBERS[:22], b"--json", b"-t", b"--", b"-n", b"", b"a" * 3000, b"\xff", b"a=b"))
                words[at : at + random.randrange(2)] = [os.fsdecode(word)]
            return data[:1] + asked(*words, tty=random.random() < 0.7) + data[1:]
        case 1:
            return data + random.choice(FRAMES) * random.choice((1, 1, 1, 5, 300))
        case _:
            return wire.damage(random, data)


FRAMES = (
    *(encode(Kind.INPUT, b"typed\r"), encode(Kind.INPUT, b"\x1b[97;5u"), encode(Kind.PASTE, b"\x1b[200~x\x1b[201~")),
    *(encode(Kind.RESIZE, pack([b"100", b"30"])), encode(Kind.RESIZE, pack([b"0", b"0"])), encode(Kind.PAUSE)),
    *(
        encode(Kind.ACTION, pack([word, b"1"]))
        for word in (b"next", b"last", b"switch", b"choose", b"scrollback", b"redraw")
    ),
    *(encode(Kind.MOUSE, b"\x1b[<0;3;4M"), encode(Kind.FOCUS, b"1"), encode(Kind.REPLY, b"\x1b]11;rgb:1/2/3\x1b\\")),
    encode(Kind.REPLY, b"\x1b[?997;1n"), encode(Kind.RESUME), encode(Kind.STDIN, b""),
    encode(Kind.STDIN, b"x" * 9000),
    *(encode(Kind.HELLO, pack([VERSION.encode(), b"1", b"1", b"a", b"b"])), encode(Kind.INPUT, b"x" * 70000)),
)  # fmt: skip

_SAFE = {words[0] for words in COMMANDS}


def _harmless(data: bytes, path: str) -> bytes:
    """Return a stream without what would start a program, end the server or a session, or write a file.

    Who says in which session it is says in which server, too.
    """
    kept, at = b"", 0
    while at + 5 <= len(data):
        kind, end = data[at], at + 5 + int.from_bytes(data[at + 1 : at + 5], "big")
        if end - at > MAX_BODY + 5 or end > len(data):
            return kept + data[at : at + 5 if kind in (Kind.HELLO, Kind.COMMAND) else len(data)]
        body, at = data[at + 5 : end], end
        if kind == Kind.HELLO:
            with contextlib.suppress(ProtocolError):
                fields = unpack(body, 1)  # a newer version would take over
                body = pack([VERSION.encode() if b"." in fields[0] or fields[0].isdigit() else b"", *fields[1:]])
        elif kind == Kind.COMMAND:
            with contextlib.suppress(ProtocolError):
                request = Request.unpack(body)
                words = request.argv
                if "AGENTMUX_SESSION" in request.env:
                    request.env["AGENTMUX"] = f"{path},1"
                    body = request.pack()
                if words and (words[0] not in _SAFE or (words[0] == "server" and words[1:2] != ["status"])):
                    continue
        elif kind == Kind.ACTION and body[4:].startswith((b"new", b"kill")):
            continue
        kept += encode(kind, body)
    return kept + data[at:]


class _Server:
    """A server with two sessions, which must not be the worse for anything."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.new("a", world.agent(PROFILE, PRINTS))
        world.new("b2", "sh", "-c", "while read x; do :; done")
        wait_until(lambda: "ready" in "".join(world.screen("a")), what="the program's first line")
        self.pid = int(world.status()["server_pid"])
        self._warm = 0
        self._tried = 0
        self._logged = len(world.log)

    def brought(self, data: bytes) -> None:
        """Send an input as a client does, then ask as another one."""
        self._tried += 1
        sock = self._connected()
        sock.settimeout(0.02)
        try:
            for piece in reads(data[:1] + _harmless(data[1:], self._world.socket))[:300]:
                try:
                    sock.sendall(piece)
                except TimeoutError:
                    break  # it does not read: it is waited for
                if self._tried & 1:  # every other client reads what it is answered
                    with contextlib.suppress(BlockingIOError, TimeoutError):
                        sock.recv(1 << 16, socket.MSG_DONTWAIT)
            self._asks()
        except (BrokenPipeError, ConnectionResetError):
            self._asks()
        finally:
            sock.close()
        if self._tried % CLIENTS == 0:
            self.checked()

    def _connected(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(PATIENCE)
        sock.connect(self._world.socket)
        return sock

    def _asks(self) -> None:
        """Ask for something plain, and insist on its answer."""
        with contextlib.closing(self._connected()) as sock:
            sock.sendall(asked("has", "-t", "1", tty=False))
            decoder, began, said = Decoder(), time.monotonic(), b""
            while True:
                data = sock.recv(1 << 16)
                for kind, body in decoder.feed(data):
                    if kind == Kind.EXIT:
                        assert unpack(body, 1)[0] == b"0", f"somebody else got {said!r}"
                        return
                    said += body
                assert data, "somebody else's connection was closed"
                assert time.monotonic() - began < PATIENCE, "somebody else waits"

    def checked(self) -> None:
        """Look at the server's process, its memory and its log."""
        os.kill(self.pid, 0)
        log = self._world.log[self._logged :]
        self._logged += len(log)
        assert "Traceback" not in log and "internal error" not in log, f"a bug:\n{log[-3000:]}"
        assert " server " not in log.replace("agentmux server", "") or "ended with" not in log, (
            f"it ended:\n{log[-2000:]}"
        )
        if sys.platform != "linux":
            return
        with open(f"/proc/{self.pid}/statm") as file:
            resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        if self._tried <= 4 * CLIENTS:
            self._warm = max(self._warm, resident)
        assert resident < (self._warm or resident) + GROWS, f"its memory grew from {self._warm} to {resident}"


@contextlib.contextmanager
def served() -> Iterator[Run]:
    """Open a server in a world of its own."""
    world = World()
    try:
        server = _Server(world)
        yield server.brought
        server.checked()
    finally:
        complaints = world.close()
    assert not complaints, "\n".join(complaints)


TARGETS = (
    Target(
        "server",
        "Whatever a client sends, the server lives, answers others in time, grows by no more than its bounds, and "
        "calls nothing a bug.",
        served,
        damage,
        share=8,
        tries=80,
        apart=True,
        patience=25.0,
    ),
)
