"""The server's end of the keeper link, against a keeper's end that the test plays."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentmux.mux import keeper as keeper_module
from agentmux.mux import keeperlink
from agentmux.mux.keeper import Kind, Link, encode
from agentmux.mux.keeperlink import (
    Event,
    Exited,
    Failed,
    KeeperBusy,
    KeeperGone,
    KeeperLink,
    Listener,
    Pane,
    Ping,
    Replaced,
    Settled,
    Spawned,
    Welcome,
    start_keeper,
)

PANE = {"pane": 3, "pid": 99, "label": "\udcff", "status": -9, "exited": True, "started": 1.5}

EVENTS = [
    pytest.param(
        Kind.WELCOME,
        {"version": 1, "pid": 9, "socket": "/s", "died": -11, "panes": 2},
        Welcome(1, 9, "/s", -11, 2),
        id="welcome",
    ),
    pytest.param(Kind.LISTENER, {"path": "/s"}, Listener(0, "/s"), id="listener"),
    pytest.param(Kind.PANE, PANE, Pane(3, 99, "\udcff", -9, True, 1.5, 0), id="pane"),
    pytest.param(Kind.SETTLED, {}, Settled(), id="settled"),
    pytest.param(Kind.SPAWNED, {"pane": 3, "pid": 99, "started": 1.5}, Spawned(3, 99, 1.5, 0), id="spawned"),
    pytest.param(Kind.FAILED, {"pane": 3, "errno": 2, "problem": "no"}, Failed(3, 2, "no"), id="failed"),
    pytest.param(Kind.EXITED, {"pane": 3, "status": None}, Exited(3, None), id="exited"),
    pytest.param(Kind.PING, {"n": 4}, Ping(4), id="ping"),
    pytest.param(Kind.REPLACED, {}, Replaced(), id="replaced"),
]


@pytest.fixture
def ends() -> Iterator[tuple[KeeperLink, Link]]:
    ours, theirs = socket.socketpair()
    link, peer = KeeperLink(ours), Link(theirs)
    yield link, peer
    link.close()
    peer.close()


def without_fd(event: Event) -> Event:
    """Close an event's descriptor, which must be a good one, and return the event with 0 for it."""
    fd = getattr(event, "fd", None)
    if fd is None:
        return event
    assert not os.get_inheritable(fd)
    os.close(fd)
    fields = {name: getattr(event, name) for name in event.__slots__}
    return type(event)(**{**fields, "fd": 0})


@pytest.mark.parametrize(("kind", "body", "event"), EVENTS)
def test_records_become_events(ends: tuple[KeeperLink, Link], kind: Kind, body: dict[str, Any], event: Event) -> None:
    link, peer = ends
    peer.send(kind, {**body, "unheard-of": 1}, 0 if kind >= 0x80 else -1)
    (got,) = link.receive()
    assert without_fd(got) == event
    assert link.receive() == []


def test_every_kind_of_the_keeper_has_an_event() -> None:
    told = {param.values[0] for param in EVENTS}
    asked = {kind for kind in Kind if kind.name in REQUESTS}
    assert told | asked == set(Kind)


SPAWN = {"argv": ["a"], "cwd": "/", "env": {"A": "b"}, "size": (80, 24), "label": "l", "program": "/bin/a"}

REQUESTS: dict[str, tuple[tuple[Any, ...], dict[str, Any], dict[str, Any]]] = {
    "HELLO": ((["a", "b"],), {"pid": 7}, {"version": 1, "pid": 7, "server": ["a", "b"]}),
    "READY": ((), {}, {}),
    "PONG": ((4,), {}, {"n": 4}),
    "SPAWN": ((1,), SPAWN, {**SPAWN, "pane": 1, "size": [80, 24]}),
    "SIGNAL": ((1, 15), {"group": True}, {"pane": 1, "signal": 15, "group": True}),
    "LABEL": ((1, "l"), {}, {"pane": 1, "label": "l"}),
    "FORGET": ((1,), {}, {"pane": 1}),
    "UPGRADE": ((["k"], ["s"]), {}, {"keeper": ["k"], "server": ["s"]}),
    "STOP": ((), {}, {}),
    "LISTENER": ((0, "/s"), {}, {"path": "/s"}),
    "ADOPT": (
        (3, 99),
        {"label": "\udcff", "status": -9, "exited": True, "started": 1.5, "fd": 0},
        PANE,
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_become_records(ends: tuple[KeeperLink, Link], name: str) -> None:
    link, peer = ends
    args, kwargs, body = REQUESTS[name]
    getattr(link, name.lower())(*args, **kwargs)
    ((kind, got, fd),) = peer.receive()
    assert (kind, got) == (Kind[name], body)
    assert (fd >= 0) == (kind >= 0x80)
    if fd >= 0:
        os.close(fd)


def test_a_umask_is_sent_only_when_given(ends: tuple[KeeperLink, Link]) -> None:
    link, peer = ends
    link.spawn(1, **SPAWN, umask=0o22)  # type: ignore[arg-type]
    assert peer.receive()[0][1]["umask"] == 0o22


def test_hello_says_who_we_are(ends: tuple[KeeperLink, Link]) -> None:
    link, peer = ends
    link.hello()
    assert peer.receive() == [(Kind.HELLO, {"version": 1, "pid": os.getpid(), "server": None}, -1)]


def test_what_came_before_the_end_is_returned_before_the_end_is_told(ends: tuple[KeeperLink, Link]) -> None:
    link, peer = ends
    peer.send(Kind.REPLACED, {})
    link.ready()  # unread: the end will look like a reset
    peer.close()
    assert link.receive() == [Replaced()]
    for _ in range(2):
        with pytest.raises(KeeperGone):
            link.receive()
    link.ready()
    link.flush()
    assert not link.wants_write


@pytest.mark.parametrize(
    "wire",
    [
        encode(Kind.PING, {}),  # without n
        encode(Kind.PING, {"n": "1"}),
        b"\x25\xff\xff\xff\xff",  # too long
        b"\x25\x00\x00\x00\x02[]",
    ],
)
def test_a_keeper_gone_wrong_counts_as_gone(ends: tuple[KeeperLink, Link], wire: bytes) -> None:
    link, peer = ends
    peer._sock.send(encode(Kind.SETTLED, {}) + wire)
    assert link.receive() == [Settled()]
    assert select.select([link], [], [], 0)[0]  # so a loop asks again
    with pytest.raises(KeeperGone):
        link.receive()


def test_kinds_of_the_other_direction_are_skipped(ends: tuple[KeeperLink, Link]) -> None:
    link, peer = ends
    before = keeper_module._descriptors()
    peer.send(Kind.ADOPT, PANE, 0)
    peer.send(Kind.STOP, {})
    assert link.receive() == []
    assert keeper_module._descriptors() == before


def test_a_keeper_that_does_not_read_neither_blocks_us_nor_fills_memory(
    ends: tuple[KeeperLink, Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeperlink, "MAX_QUEUED", 1 << 20)
    link, peer = ends
    sent = 0
    with pytest.raises(KeeperBusy, match="does not answer"):
        for sent in range(1000):
            link.label(sent, "x" * 4096)
    assert link.wants_write
    labels: list[int] = []
    while len(labels) < sent:
        labels += [body["pane"] for _, body, _ in peer.receive()]
        link.flush()
    assert labels == list(range(sent))
    assert not link.wants_write
    link.label(1, "")


def test_a_program_with_too_long_an_environment_is_refused(ends: tuple[KeeperLink, Link]) -> None:
    link, peer = ends
    with pytest.raises(OSError, match="argument list too long") as caught:
        link.spawn(1, **{**SPAWN, "env": {"A": "\u00e9" * 1_000_000}})  # type: ignore[arg-type]
    assert caught.value.errno == errno.E2BIG
    link.ready()
    assert peer.receive() == [(Kind.READY, {}, -1)]


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/false"])
def test_a_keeper_that_does_not_start_is_an_error(tmp_path: Path, python: str) -> None:
    before = keeper_module._descriptors()
    with pytest.raises(OSError, match=r"No such file|the keeper ended with 1"):
        start_keeper(str(tmp_path / "s"), ["x"], str(tmp_path / "log"), python, keeper_module.__file__)
    assert keeper_module._descriptors() == before
