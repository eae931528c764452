"""One client's connection, over a real socket. The test is the client; commands are functions of the test's own."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentmux.mux import VERSION
from agentmux.mux.asking import Asking
from agentmux.mux.errors import BadUsage
from agentmux.mux.mux import Mux
from agentmux.mux.outbox import CROWDED, FULL
from agentmux.mux.peer import STDIN_LIMIT, Peer
from agentmux.mux.protocol import MAX_BODY, PROTOCOL, Decoder, Kind, Request, encode, pack, unpack
from agentmux.mux.sessionerrors import UnknownSession
from agentmux.store.errors import StoreFull


class Owner:
    """What a connection needs of the mux while no session is touched."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.keeper_pid = 77
        self.socket = "/nowhere"
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


Command = Callable[[Asking], Awaitable[int | None] | int | None]


class World:
    """A loop, and any number of clients of one server."""

    def __init__(self) -> None:
        self.loop = asyncio.SelectorEventLoop()
        self.owner = Owner(self.loop)
        self.raised: list[object] = []
        self.loop.set_exception_handler(lambda _, context: self.raised.append(context.get("exception") or context))
        self.commands: dict[str, Command] = {}
        self.closed: list[Peer] = []
        self.newer: list[Peer] = []
        self.clients: list[Client] = []

    def dispatch(self, asking: Asking) -> Awaitable[int | None] | int | None:
        return self.commands[asking.request.argv[0]](asking)

    def client(self) -> "Client":
        made = Client(self)
        self.clients.append(made)
        return made

    def until(self, probe: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + 10
        while not probe():
            assert time.monotonic() < deadline, f"still no {what}"
            self.settle()

    def settle(self) -> None:
        for _ in range(4):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def close(self) -> None:
        for client in self.clients:
            client.sock.close()
        self.until(lambda: len(self.closed) == len(self.clients), "closed connections")
        self.settle()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
        assert not self.raised, self.raised


class Client:
    """The client's end."""

    def __init__(self, world: World) -> None:
        self.world = world
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.sock = ours
        self.peer = Peer(theirs, cast(Mux, world.owner), world.dispatch, world.closed.append, world.newer.append)
        self.decoder = Decoder()
        self.frames: list[tuple[int, bytes]] = []
        self.ended = False

    def send(self, data: bytes) -> None:
        """Send all of it; the server reads meanwhile."""
        while data:
            try:
                data = data[self.sock.send(data) :]
            except BlockingIOError:
                self.world.settle()
            except (BrokenPipeError, ConnectionResetError):
                return
        self.world.settle()

    def asks(self, *argv: str, ttys: tuple[bool, bool, bool] = (False, False, False)) -> None:
        self.send(encode(Kind.COMMAND, Request(list(argv), "/", {}, (80, 24), ttys).pack()))

    def receive(self) -> None:
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        self.ended = self.ended or not data
        self.frames += self.decoder.feed(data)

    def reads_all(self) -> list[tuple[int, bytes]]:
        """Return what came until the end of the connection."""

        def read() -> bool:
            self.receive()
            return self.ended

        self.world.until(read, "end of the connection")
        return self.frames

    def reads(self, kind: int) -> bytes:
        """Return the body of the first frame of that kind, when it has come."""

        def read() -> bool:
            self.receive()
            return any(k == kind for k, _ in self.frames)

        self.world.until(read, f"frame of kind {kind}")
        return next(body for k, body in self.frames if k == kind)

    def status(self) -> int:
        return int(unpack(self.reads(Kind.EXIT), 2)[0])


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    made.commands["echo"] = echo
    yield made
    made.close()


def echo(asking: Asking) -> int:
    asking.out(" ".join(asking.request.argv[1:]))
    return 0


# Commands


def test_a_command_is_accepted_answered_and_the_connection_closed(world: World) -> None:
    client = world.client()
    client.asks("echo", "a", "\udcff")
    assert client.reads_all() == [
        (Kind.ACCEPTED, b""),
        (Kind.STDOUT, b"a \xff\n"),
        (Kind.EXIT, pack([b"0", b"", b"0", b"0"])),
    ]
    assert world.closed == [client.peer]


def test_a_last_line_and_a_pid_to_wait_for_come_with_the_end(world: World) -> None:
    def ends(asking: Asking) -> int:
        asking.last_line = "[bye]"
        asking.wait_for = 42
        return 9

    world.commands["ends"] = ends
    client = world.client()
    client.asks("ends")
    assert unpack(client.reads(Kind.EXIT)) == [b"9", b"[bye]", b"0", b"42"]


def test_a_coroutine_is_waited_for(world: World) -> None:
    gate = world.loop.create_future()

    async def waits(asking: Asking) -> int:
        asking.err("wait")
        await gate
        return 3

    world.commands["waits"] = waits
    client = world.client()
    client.asks("waits")
    assert client.reads(Kind.STDERR) == b"agentmux: wait\n"
    other = world.client()
    other.asks("echo", "meanwhile")
    assert other.status() == 0
    gate.set_result(None)
    assert client.status() == 3


def fails(error: Exception) -> Command:
    async def command(asking: Asking) -> int:
        raise error

    return command


NO_ROOM = "no room on the disk to write to /db|free some space and try again"


@pytest.mark.parametrize(
    ("error", "text", "status"),
    [
        pytest.param(UnknownSession("ap\x1bi", "api"), r"no session named 'ap\x1bi'|did you mean 'api'?", 1, id="ours"),
        pytest.param(BadUsage("no"), "no", 2, id="status"),
        pytest.param(StoreFull("/db"), NO_ROOM, 1, id="disk"),
        pytest.param(BadUsage("\udcff"), "\\udcff", 2, id="surrogate"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("later", [False, True])
def test_an_error_is_told_as_everywhere(world: World, error: Exception, text: str, status: int, later: bool) -> None:
    def at_once(asking: Asking) -> int:
        raise error

    world.commands["fails"] = fails(error) if later else at_once
    client = world.client()
    client.asks("fails")
    assert client.reads(Kind.STDERR).decode() == "".join(f"agentmux: {line}\n" for line in text.split("|"))
    assert client.status() == status
    assert world.owner.warnings == []


def test_a_bug_is_logged_with_its_traceback_and_only_that_client_is_told(world: World) -> None:
    world.commands["fails"] = fails(ZeroDivisionError("oops"))
    client, other = world.client(), world.client()
    client.asks("fails")
    assert client.status() == 1
    assert client.reads(Kind.STDERR).startswith(b"agentmux: internal error\n")
    (warning,) = world.owner.warnings
    assert "Traceback" in warning and "oops" in warning
    other.asks("echo", "x")
    assert other.status() == 0


def test_a_second_command_is_refused(world: World) -> None:
    async def waits(asking: Asking) -> int:
        await asking.loop.create_future()
        return 0

    world.commands["waits"] = waits
    client = world.client()
    client.asks("waits")
    client.reads(Kind.ACCEPTED)
    client.asks("echo", "x")
    assert client.status() == 3
    assert b"a second command" in client.reads(Kind.STDERR)
    assert Kind.STDOUT not in [kind for kind, _ in client.frames]


def test_a_command_without_words_is_refused(world: World) -> None:
    client = world.client()
    client.asks()
    assert client.status() == 3


def test_when_the_client_goes_its_command_is_cancelled(world: World) -> None:
    ends: list[str] = []

    async def waits(asking: Asking) -> int:
        try:
            await asking.loop.create_future()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise
        return 0

    world.commands["waits"] = waits
    client = world.client()
    client.asks("waits")
    client.sock.close()
    world.until(lambda: ends, "cancelled command")


def test_what_the_client_said_before_it_went_is_done(world: World) -> None:
    done: list[str] = []
    world.commands["mark"] = lambda asking: done.append(asking.request.argv[1])  # type: ignore[func-returns-value]
    client = world.client()
    client.sock.send(encode(Kind.COMMAND, Request(["mark", "x"], "/", {}, (0, 0), (False,) * 3).pack()))
    client.sock.close()
    world.until(lambda: world.closed, "closed connection")
    assert done == ["x"]


# Output


def test_much_output_arrives_whole_at_a_client_that_reads_late(world: World) -> None:
    async def prints(asking: Asking) -> int:
        for number in range(100):
            asking.write(b"%03d" % number * 10_000)
            await asking.drained()
        return 0

    world.commands["prints"] = prints
    client = world.client()
    client.asks("prints")
    world.settle()
    assert client.peer.outbox.size <= CROWDED + 40_000, "the command waits while the client does not read"
    text = b"".join(body for kind, body in client.reads_all() if kind == Kind.STDOUT)
    assert text == b"".join(b"%03d" % number * 10_000 for number in range(100))


def test_a_client_that_never_reads_holds_up_nobody(world: World) -> None:
    async def prints(asking: Asking) -> int:
        while True:
            asking.write(bytes(100_000))
            await asking.drained()

    world.commands["prints"] = prints
    stuck, other = world.client(), world.client()
    stuck.asks("prints")
    other.asks("echo", "x")
    assert other.status() == 0


def test_a_client_that_asks_and_never_reads_is_not_heard_for_a_while(world: World) -> None:
    client, other = world.client(), world.client()
    wire = hello(VERSION) * 300_000
    at = 0
    for _ in range(3000):
        try:
            at += client.sock.send(memoryview(wire)[at : at + (1 << 16)])
        except BlockingIOError:
            world.settle()
    assert at < len(wire), "its socket is full and stays so"
    assert client.peer.outbox.size < FULL + 1000
    other.asks("echo", "x")
    assert other.status() == 0

    def answered() -> bool:
        client.receive()
        return len(client.frames) >= at // len(hello(VERSION))

    world.until(answered, "an answer to all that was asked")


def test_frames_that_take_long_let_others_have_a_turn(world: World) -> None:
    done: list[float] = []

    def slow() -> None:
        end = time.monotonic() + 0.001
        while time.monotonic() < end:
            pass
        done.append(end)

    client, other = world.client(), world.client()
    client.peer.on_stdin = slow
    client.sock.send(encode(Kind.STDIN, b"x") * 5000)
    other.asks("echo", "x")
    assert other.status() == 0
    assert len(done) < 1000
    client.sock.close()
    client.peer.close()


# Standard input


def test_small_pieces_of_standard_input_are_kept_in_few(world: World) -> None:
    client = world.client()
    client.send(encode(Kind.STDIN, b"x") * 9000)
    world.until(lambda: client.peer.stdin_size == 9000, "all of it")
    assert len(client.peer.stdin) < 4


def test_standard_input_comes_when_it_is_asked_for_until_its_end(world: World) -> None:
    async def counts(asking: Asking) -> int:
        parts = [part async for part in asking.stdin()]
        asking.out(b"".join(parts).decode())
        return 0

    world.commands["counts"] = counts
    client = world.client()
    client.asks("counts")
    assert client.reads(Kind.WANT_STDIN) == b""
    for text in (b"one ", b"two ", b"three"):
        client.send(encode(Kind.STDIN, text))
    client.send(encode(Kind.STDIN_END))
    assert client.reads(Kind.STDOUT) == b"one two three\n"


def test_standard_input_sent_early_is_kept(world: World) -> None:
    async def counts(asking: Asking) -> int:
        asking.out(str([part async for part in asking.stdin()]))
        return 0

    world.commands["counts"] = counts
    client = world.client()
    client.send(encode(Kind.STDIN, b"x") + encode(Kind.STDIN_END))
    client.asks("counts")
    assert client.reads(Kind.STDOUT) == b"[b'x']\n"


def test_a_client_that_sends_more_than_is_wanted_is_not_read_from(world: World) -> None:
    gate = world.loop.create_future()

    async def counts(asking: Asking) -> int:
        await gate
        asking.out(str(sum([len(part) async for part in asking.stdin()])))
        return 0

    world.commands["counts"] = counts
    client = world.client()
    client.asks("counts")
    part = encode(Kind.STDIN, bytes(1 << 16))
    wire = part * (3 * STDIN_LIMIT >> 16) + encode(Kind.STDIN_END)
    at = 0
    for _ in range(2000):
        try:
            at += client.sock.send(memoryview(wire)[at : at + (1 << 16)])
        except BlockingIOError:
            world.settle()
    assert at < len(wire), "the socket is full and stays so"
    assert client.peer.stdin_size <= STDIN_LIMIT + (1 << 17)
    gate.set_result(None)
    client.send(wire[at:])
    assert client.reads(Kind.STDOUT) == b"%d\n" % (3 * STDIN_LIMIT)


# Hello, and newer clients


def hello(version: str, attempt: int = 0) -> bytes:
    return encode(
        Kind.HELLO, pack([version.encode(), b"%d" % PROTOCOL, b"%d" % attempt, b"python\0server", b"python\0keeper"])
    )


NEWER = ".".join(str(int(part) + 1) for part in VERSION.split("."))


@pytest.mark.parametrize("version", [VERSION, "0.0.1", "dev", "", VERSION + ".dev9"])
def test_hello_is_answered_with_version_and_pids(world: World, version: str) -> None:
    client = world.client()
    client.send(hello(version))
    client.asks("echo", "x")
    assert client.status() == 0
    assert unpack(client.reads(Kind.WELCOME))[0::3] == [VERSION.encode(), b"77"]
    assert world.newer == []


def test_a_newer_client_waits_for_its_own_version(world: World) -> None:
    client = world.client()
    client.send(hello(NEWER))
    client.asks("echo", "x")
    assert world.newer == [client.peer]
    assert client.peer.launch == (["python", "server"], ["python", "keeper"])
    client.receive()
    assert Kind.ACCEPTED not in [kind for kind, _ in client.frames], "so it may ask again"
    client.peer.go_on()
    assert client.reads(Kind.STDOUT) == b"x\n"


def test_a_newer_client_that_was_refused_before_its_command_goes_on_too(world: World) -> None:
    client = world.client()
    client.send(hello(NEWER))
    client.peer.go_on()
    client.asks("echo", "x")
    assert client.status() == 0


def test_a_newer_client_that_asks_again_is_answered_by_whoever_is_there(world: World) -> None:
    client = world.client()
    client.send(hello(NEWER, attempt=1))
    client.asks("echo", "x")
    assert client.status() == 0
    assert world.newer == []


def test_going_on_after_the_client_has_gone_does_nothing(world: World) -> None:
    done: list[int] = []
    world.commands["mark"] = lambda asking: done.append(1)  # type: ignore[func-returns-value]
    client = world.client()
    client.send(hello(NEWER))
    client.asks("mark")
    client.sock.close()
    world.until(lambda: world.closed, "closed connection")
    client.peer.go_on()
    world.settle()
    assert done == []


def test_going_on_with_garbage_fails_only_that_client(world: World) -> None:
    """It is called for one client after the other: an error may not reach the caller."""
    client = world.client()
    client.send(hello(NEWER))
    client.send(encode(Kind.COMMAND, b"garbage"))
    client.peer.go_on()
    assert client.status() == 3


# Garbage

GARBAGE = [
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="another protocol"),
    pytest.param(bytes([Kind.COMMAND]) + (MAX_BODY + 1).to_bytes(4, "big"), id="too long"),
    pytest.param(encode(Kind.COMMAND, b"\0\0\0\x09x"), id="cut field"),
    pytest.param(encode(Kind.COMMAND, pack([b"/", b"x", b"0", b"000", b"1", b"ls"])), id="no number"),
    pytest.param(encode(Kind.HELLO, pack([b"1"])), id="short hello"),
    pytest.param(encode(Kind.HELLO, pack([b"9.9.9", b"1", b"x", b"", b""])), id="hello without an attempt"),
]


@pytest.mark.parametrize("data", GARBAGE)
def test_garbage_closes_only_that_connection(world: World, data: bytes) -> None:
    other, client = world.client(), world.client()
    client.send(data)
    assert client.status() == 3
    assert b"agentmux: protocol error: " in client.reads(Kind.STDERR)
    client.reads_all()
    assert world.closed == [client.peer]
    other.asks("echo", "x")
    assert other.status() == 0


def test_garbage_behind_a_command_ends_it_once(world: World) -> None:
    """However much garbage follows, and however little of the answer is read."""
    client = world.client()
    client.send(GARBAGE[0].values[0] * 100_000)  # type: ignore[arg-type]
    client.send(GARBAGE[0].values[0])  # type: ignore[arg-type]
    assert [kind for kind, _ in client.reads_all()] == [Kind.STDERR, Kind.EXIT]


def test_a_kind_from_the_future_is_skipped(world: World) -> None:
    client = world.client()
    client.send(encode(31, b"?") + encode(200, b""))
    client.asks("echo", "x")
    assert client.status() == 0


def test_what_an_attached_client_sends_is_skipped_before_it_is_attached(world: World) -> None:
    client = world.client()
    for kind in (Kind.INPUT, Kind.RESIZE, Kind.DETACH, Kind.ACTION, Kind.PAUSE, Kind.RESUME):
        client.send(encode(kind, b"garbage"))
    client.asks("echo", "x")
    assert client.status() == 0


frames = st.lists(
    st.tuples(
        st.integers(0, 45),
        st.binary(max_size=30)
        | st.lists(st.sampled_from([b"", b"0", b"1", b"000", b"/", b"echo", b"9.9.9", b"A=b"]), max_size=8).map(pack),
    ).map(lambda frame: encode(*frame))
    | st.binary(max_size=20),
    max_size=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames)
@example([encode(Kind.COMMAND, pack([b"/", b"0", b"0", "é1".encode(), b"1", b"echo"]))])
def test_whatever_a_client_sends_the_others_are_served(world: World, chunks: list[bytes]) -> None:
    """The one law: the connection is closed or served, the server lives, and nothing is called a bug of ours."""
    world.commands.setdefault("0", echo)
    client = world.client()
    for chunk in chunks:
        client.send(chunk)
    client.sock.close()
    other = world.client()
    other.asks("echo", "x")
    assert other.status() == 0
    assert not world.raised
    assert not [warning for warning in world.owner.warnings if "KeyError" not in warning]  # no such command
