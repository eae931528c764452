"""The keeper protocol, both ends of it: what a server gone mad tells a keeper, and the other way round."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import struct
from collections.abc import Iterator
from random import Random
from types import SimpleNamespace
from typing import Any

from mutation import damaged, json_damaged
from target import Target

from agentmux.mux import keeper, keeperlink
from agentmux.mux.keeper import MAX_BODY, Decoder, Keeper, Kind, Pane, ProtocolError
from agentmux.mux.keeperlink import KeeperGone, KeeperLink

_HEADER = struct.Struct(">BI")
SKIPPED = {Kind.STOP}
"""It ends the keeper, as it should."""


def damage(random: Random, data: bytes) -> bytes:
    """Damage one record of a stream: its kind, its length, a value in it; or any bytes."""
    records = []
    at = 0
    while at + 5 <= len(data):
        number, length = _HEADER.unpack_from(data, at)
        records.append((number, data[at + 5 : at + 5 + length]))
        at += 5 + length
    if not records or random.random() < 0.15:
        return damaged(random, data)
    which = random.randrange(len(records))
    number, text = records[which]
    whole = [_HEADER.pack(kind, len(body)) + body for kind, body in records]
    match random.randrange(8):
        case 0:
            del whole[which]
        case 1:
            whole.insert(random.randint(0, len(whole)), whole[which])
        case 2:
            whole[which] = _HEADER.pack(random.choice((*Kind, random.randrange(256))), len(text)) + text
        case 3:
            lie = random.choice((0, 1, len(text) + 1, MAX_BODY + 1, (1 << 32) - 1))
            whole[which] = _HEADER.pack(number, lie) + text
        case _:
            text = json_damaged(random, text)
            whole[which] = _HEADER.pack(number, len(text)) + text
    return b"".join(whole)


class _Told:
    """The system, as far as a record can make a keeper use it on others: nobody is signalled, and nothing is run."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def kill(self, pid: int, number: int) -> None:
        _checked_pid(pid)
        if not isinstance(number, int) or number > 64:
            raise OSError(errno.EINVAL, "no such signal")
        raise ProcessLookupError

    killpg = kill

    def posix_spawnp(self, file: str, argv: list[str], env: object, **_: object) -> int:
        for word in (file, *argv):
            if b"\0" in os.fsencode(word):
                raise ValueError("embedded null byte")
        raise FileNotFoundError(errno.ENOENT, "no such file")

    def waitpid(self, pid: int, options: int) -> tuple[int, int]:
        raise ChildProcessError

    def pidfd_open(self, pid: int) -> int:
        _checked_pid(pid)
        raise ProcessLookupError

    def getsid(self, pid: int) -> int:
        _checked_pid(pid)
        return pid

    def unlink(self, path: str) -> None:
        raise FileNotFoundError


def _checked_pid(pid: int) -> None:
    if type(pid) is not int:
        raise TypeError("an integer is required")
    if not -(1 << 31) <= pid < 1 << 31:
        raise OverflowError("signed integer is greater than maximum")


def _spawned(argv: object, **_: object) -> SimpleNamespace:
    return SimpleNamespace(pid=1 << 30, fd=os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC))


@contextlib.contextmanager
def kept() -> Iterator[Any]:
    """Open a keeper whose server is the input."""
    keeper.os = _Told()  # type: ignore[assignment]
    keeper._Terminal.spawn = _spawned
    keeper.log = lambda text: None  # type: ignore[assignment]
    os.environ[keeper.GIVEN] = "18 1024"

    def run(data: bytes) -> None:
        ours, theirs = socket.socketpair()
        path = "/nowhere/socket"
        made = Keeper({"socket": path, "server": ["/nowhere/server"], "log": os.devnull})
        made.listener = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        made.serve(theirs, 0)
        try:
            _drive(made, ours, data)
        finally:
            ours.close()
            if made.link is not None:
                made.link.close()
            for pane in made.panes.values():
                pane.close()
            keeper._close(made.listener)
            keeper._close(made.pidfd)

    yield run


def _drive(made: Keeper, ours: socket.socket, data: bytes) -> None:
    ours.setblocking(False)
    with open(os.devnull, "rb") as null:
        for number, body in _records(data):
            if number in SKIPPED:
                continue
            record = memoryview(_HEADER.pack(number, len(body)) + body)
            fds = [null.fileno()] if number >= 0x40 else []  # those below 0x80 carry none, and nobody takes it
            while record and made.link is not None and not made.link.gone:
                with contextlib.suppress(BlockingIOError):
                    record = record[socket.send_fds(ours, [record], fds) :]
                    fds = []
                _turn(made)
                assert made.link is None or len(made.link._decoder._fds) <= 1, "descriptors pile up"
                with contextlib.suppress(BlockingIOError):
                    while ours.recv(1 << 16):
                        pass
    for _ in range(3):
        _turn(made)
    # Whatever was told: what it holds can be handed to the next server, and to the next keeper.
    json.dumps([pane.body() for pane in made.panes.values()])
    for pane in made.panes.values():
        Pane(json.loads(json.dumps(pane.body())), -1, child=False)
    if made.link is None:
        made.start_at = 0.0
        made.keep_time(1e12)


def _turn(made: Keeper) -> None:
    made.read_link()
    made.reap()
    made.watch_strangers()


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 5 <= len(data):
        number, length = _HEADER.unpack_from(data, at)
        yield number, data[at + 5 : at + 5 + length]
        at += 5 + length


@contextlib.contextmanager
def linked() -> Iterator[Any]:
    """Open a server's end of the link, whose keeper is the input."""

    def run(data: bytes) -> None:
        ours, theirs = socket.socketpair()
        link, null = KeeperLink(ours), os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        theirs.setblocking(False)
        events: list[keeperlink.Event] = []
        try:
            for number, body in _records(data):
                record = memoryview(_HEADER.pack(number, len(body)) + body)
                fds = [null] if number >= 0x80 else []
                while record:
                    with contextlib.suppress(BlockingIOError):
                        record = record[socket.send_fds(theirs, [record], fds) :]
                        fds = []
                    events += link.receive()
            theirs.close()
            while True:
                events += link.receive()
        except (KeeperGone, BrokenPipeError, ConnectionResetError):
            pass
        finally:
            theirs.close()
            link.close()
            os.close(null)
            for event in events:
                if (fd := getattr(event, "fd", -1)) >= 0:
                    os.close(fd)
        for event in events:
            _typed(event)

    yield run


def _typed(event: keeperlink.Event) -> None:
    """Do with what an event holds what a server does."""
    for name, value in ((name, getattr(event, name)) for name in event.__slots__):
        if name in ("label", "path", "problem", "socket"):
            value.encode("utf-8", "backslashreplace")
        elif name == "started":
            assert value == 0.0 or value
        elif name not in ("died", "status") or value is not None:
            assert value + 1 > value


def decode(data: bytes) -> None:
    """Decode a stream that is cut in many places, and in none."""
    found = []
    for step in (max(1, len(data)), max(7, len(data) // 500)):
        decoder, records = Decoder(), []
        try:
            for at in range(0, len(data), step):
                for kind, body, _ in decoder.feed(data[at : at + step]):
                    records.append((kind, repr(body)))
                assert len(decoder._tail) <= 5 + MAX_BODY, "more is kept than one record"
        except ProtocolError:
            pass
        found.append(records)
    assert found[0] == found[1], "where a stream is cut matters"


@contextlib.contextmanager
def decoding() -> Iterator[Any]:
    """Open nothing."""
    yield decode


TARGETS = (
    Target(
        "records",
        "Whatever bytes come, however they are cut, they are the same records and then perhaps a ProtocolError.",
        decoding,
        damage,
        tries=800,
    ),
    Target(
        "keeper",
        "Whatever a server tells its keeper, that goes on, and can hand over all that it holds.",
        kept,
        damage,
        share=3,
        tries=500,
    ),
    Target(
        "keeperlink",
        "Whatever a keeper tells its server, that is an event with the types that are written down, or the link's end.",
        linked,
        damage,
        share=2,
        tries=500,
    ),
)
