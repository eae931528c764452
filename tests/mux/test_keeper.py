"""The keeper: its frozen wire format, its two small judgements, and real keepers with real programs.

In most real tests the test itself is the server: it starts a keeper in adopt mode and holds the other end of
the link. The rest run SERVER below, which does over the listening socket what a test asks.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pty
import resource
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.mux import keeper as keeper_module
from agentmux.mux.keeper import (
    GIVEN,
    MAX_BODY,
    Backoff,
    Decoder,
    Keeper,
    Kind,
    Link,
    ProtocolError,
    Pulse,
    _checked_pid,
    _descriptors,
    encode,
    spawn,
)
from agentmux.mux.keeperlink import (
    Event,
    Exited,
    Failed,
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

T = TypeVar("T")
E = TypeVar("E", bound=Event)
KEEPER = keeper_module.__file__
MARKER = "AGENTMUX_TEST"
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

# -- the wire

FROZEN = {
    "HELLO": 1,
    "READY": 2,
    "PONG": 3,
    "SPAWN": 4,
    "SIGNAL": 5,
    "LABEL": 6,
    "FORGET": 7,
    "UPGRADE": 8,
    "STOP": 9,
    "WELCOME": 33,
    "SETTLED": 34,
    "FAILED": 35,
    "EXITED": 36,
    "PING": 37,
    "REPLACED": 38,
    "LISTENER": 128,
    "ADOPT": 129,
    "PANE": 130,
    "SPAWNED": 131,
}

CASES = [
    pytest.param(Kind.READY, {}, b"\x02\x00\x00\x00\x02{}", id="empty body"),
    pytest.param(Kind.PING, {"n": 7}, b'\x25\x00\x00\x00\x07{"n":7}', id="one field"),
    pytest.param(
        Kind.LABEL, {"pane": 1, "label": "\u00e9"}, b"\x06\x00\x00\x00\x1b" rb'{"pane":1,"label":"\u00e9"}', id="text"
    ),
    pytest.param(Kind.EXITED, {"pane": 2, "status": None}, b'\x24\x00\x00\x00\x18{"pane":2,"status":null}', id="null"),
    pytest.param(
        Kind.HELLO, {"server": ["\udcff"]}, b"\x01\x00\x00\x00\x15" rb'{"server":["\udcff"]}', id="undecodable"
    ),
]


def test_kind_numbers_are_frozen() -> None:
    """Adding a kind extends this table. Changing a line breaks keepers that already run: don't."""
    assert {kind.name: kind.value for kind in Kind} == FROZEN


@pytest.mark.parametrize(("kind", "body", "wire"), CASES)
def test_encode_writes_the_golden_bytes(kind: Kind, body: dict[str, Any], wire: bytes) -> None:
    assert encode(kind, body) == wire


@pytest.mark.parametrize(("kind", "body", "wire"), CASES)
def test_decode_does_not_care_where_the_stream_is_cut(kind: Kind, body: dict[str, Any], wire: bytes) -> None:
    stream = wire * 2
    for cut in range(len(stream) + 1):
        decoder = Decoder()
        records = [*decoder.feed(stream[:cut]), *decoder.feed(stream[cut:])]
        assert records == [(kind, body, -1)] * 2


def test_unknown_kinds_are_skipped_with_their_descriptor() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = b"\x77\x00\x00\x00\x03???" + b"\xf0\x00\x00\x00\x02{}" + encode(Kind.READY, {})
    assert list(Decoder().feed(stream, [writing])) == [(Kind.READY, {}, -1)]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writing)


def test_descriptors_go_to_their_records_in_order() -> None:
    stream = encode(Kind.LISTENER, {"path": "a"}) + encode(Kind.READY, {}) + encode(Kind.LISTENER, {"path": "b"})
    fds = [os.open(os.devnull, os.O_RDONLY) for _ in range(2)]
    records = list(Decoder().feed(stream, fds))
    for fd in fds:
        os.close(fd)
    assert [fd for _, _, fd in records] == [fds[0], -1, fds[1]]


@pytest.mark.parametrize(
    ("wire", "problem"),
    [
        (b"\x02" + (MAX_BODY + 1).to_bytes(4, "big"), "is over"),
        (b"\x02\x00\x00\x00\x02[]", "without a JSON object"),
        (b"\x02\x00\x00\x00\x02{,", "without a JSON object"),
        (b"\x02\x00\x01\x00\x00" + b"[" * 65536, "without a JSON object"),
        (b"\x80\x00\x00\x00\x02{}", "without its descriptor"),
    ],
)
def test_a_peer_gone_wrong_is_an_error(wire: bytes, problem: str) -> None:
    with pytest.raises(ProtocolError, match=problem):
        list(Decoder().feed(wire))


def test_a_record_over_the_bound_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="is over"):
        encode(Kind.LABEL, {"label": "x" * MAX_BODY})


bodies = st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text()), max_size=4)
records = st.tuples(st.sampled_from([kind for kind in Kind if kind < 0x80]), bodies)


@given(st.lists(records, max_size=5), st.data())
def test_what_was_encoded_is_decoded(sent: list[tuple[Kind, dict[str, Any]]], data: st.DataObject) -> None:
    stream = b"".join(encode(kind, body) for kind, body in sent)
    cut = data.draw(st.integers(0, len(stream)))
    decoder = Decoder()
    got = [*decoder.feed(stream[:cut]), *decoder.feed(stream[cut:])]
    assert got == [(kind, body, -1) for kind, body in sent]


@given(st.binary())
def test_no_bytes_raise_anything_but_a_protocol_error(noise: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        list(Decoder().feed(noise))


@pytest.fixture
def linked() -> Iterator[tuple[Link, Link]]:
    ours, theirs = (Link(sock) for sock in socket.socketpair())
    yield ours, theirs
    ours.close()
    theirs.close()


def test_a_link_never_blocks_and_passes_descriptors_with_large_records(linked: tuple[Link, Link]) -> None:
    ours, theirs = linked
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
    for number, file in enumerate(files):
        ours.send(Kind.LISTENER, {"n": number, "path": "x" * 500_000}, file)
        ours.send(Kind.PING, {"n": number})
        os.close(file)
    assert ours.wants_write
    assert ours.queued > 1_000_000
    got: list[tuple[Kind, dict[str, Any], int]] = []
    while len(got) < 6:
        got += theirs.receive()
        ours.flush()
    assert [(kind.name, body["n"]) for kind, body, _ in got] == [(k, n) for n in range(3) for k in ("LISTENER", "PING")]
    assert ours.queued == 0
    for kind, _, fd in got:
        if kind is Kind.LISTENER:
            assert os.path.sameopenfile(fd, fd)
            assert not os.get_inheritable(fd)
            os.close(fd)
        else:
            assert fd == -1


def test_two_descriptors_in_one_message_end_the_link(linked: tuple[Link, Link]) -> None:
    ours, theirs = linked
    before = _descriptors()
    socket.send_fds(ours._sock, [encode(Kind.LISTENER, {"path": "x"})], [0, 1])
    for _, _, fd in theirs.receive():
        os.close(fd)
    assert theirs.gone == "a descriptor was lost on the way"
    assert _descriptors() == before


def test_what_a_lost_peer_said_last_is_still_read(linked: tuple[Link, Link]) -> None:
    ours, theirs = linked
    theirs.send(Kind.PING, {"n": 1})
    ours.send(Kind.READY, {})  # unread when the peer goes
    theirs.close()
    ours.send(Kind.READY, {})
    assert not ours.wants_write
    assert ours.receive() == [(Kind.PING, {"n": 1}, -1)]
    ours.receive()
    assert ours.gone


# -- judgements


def test_a_server_that_ran_is_back_at_once_or_soon() -> None:
    backoff = Backoff()
    delays = [backoff.died(float(second), was_ready=True) for second in range(20)]
    assert delays == [0.0, 0.0, 0.25] + [0.5] * 17
    assert backoff.died(60.0, was_ready=True) == 0.0


def test_a_server_that_never_ran_is_tried_less_and_less() -> None:
    backoff = Backoff()
    assert [backoff.died(0.0, was_ready=False) for _ in range(2000)] == [1, 2, 4, 8, 16] + [30] * 1995
    assert backoff.died(0.0, was_ready=True) == 0.0
    assert backoff.died(0.0, was_ready=False) == 1


def test_three_unanswered_pings_in_a_row_are_a_hung_server() -> None:
    pulse = Pulse(0.0)
    pulse.ready = True
    assert [pulse.beat(now) for now in (2.0, 4.0)] == [True, True]
    pulse.answered(4.1)
    assert pulse.due == 14.1, "a server that answers is left alone for a while"
    assert [pulse.beat(now) for now in (14.1, 16.1, 18.1, 20.1)] == [True, True, True, False]


def test_a_server_has_thirty_seconds_to_become_ready() -> None:
    pulse = Pulse(0.0)
    assert [pulse.beat(2.0 * beat) for beat in range(1, 16)] == [True] * 14 + [False]


def test_a_keeper_that_was_stopped_itself_asks_again_first() -> None:
    pulse = Pulse(0.0)
    pulse.ready = True
    for now in (2.0, 4.0, 6.0):
        assert pulse.beat(now)
    assert pulse.beat(66.0)
    assert pulse.due == 68.0


# -- real keepers

SERVER = """
import dataclasses, json, os, select, socket, sys
from agentmux.mux.keeperlink import KeeperLink, Listener, Pane, Ping, Replaced, Settled, Spawned

link = KeeperLink(socket.socket(fileno=int(sys.argv[-1])))
link.hello()
events, masters, listener, settled = [], {}, None, False
while True:
    ready, _, _ = select.select([link, listener] if settled else [link], [], [])
    if link in ready:
        for event in link.receive():
            match event:
                case Ping():
                    link.pong(event.n)
                    continue
                case Replaced():
                    os._exit(0)
                case Settled():
                    settled = True
                    link.ready()
                case Listener():
                    listener = socket.socket(fileno=event.fd)
                    continue
                case Pane() | Spawned():
                    os.set_blocking(event.fd, False)
                    masters[event.pane] = event.fd
            events.append([type(event).__name__, dataclasses.asdict(event)])
    if listener in ready:
        with listener.accept()[0] as client:
            order = json.loads(client.makefile().readline())
            answer = None
            if order["do"] == "state":
                answer = {"pid": os.getpid(), "argv": sys.argv, "events": events}
            elif order["do"] == "read":
                try:
                    answer = os.read(masters[order["pane"]], 4096).decode()
                except BlockingIOError:
                    answer = ""
            else:
                getattr(link, order["do"])(*order["with"], **order["and"])
            client.sendall(json.dumps(answer).encode() + b"\\n")
"""


def wait_until(probe: Callable[[], T], *, seconds: float = 10.0, what: str) -> T:
    """Return the first truthy ``probe()``; poll fast, give up loudly."""
    deadline = time.monotonic() + seconds
    while True:
        if found := probe():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds:g} s still no {what}")
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Return whether a process runs; a zombie that its parent has not read does not."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(shown.strip()) and not shown.startswith("Z")


def field(pid: int, name: str) -> str:
    """Return a line of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split(":", 1)[1].strip() for line in lines if line.startswith(name + ":"))


def signals(pid: int, name: str) -> set[int]:
    """Return a set of signals from /proc/PID/status, but for 32 and 33: glibc's posix_spawn ignores its own."""
    bits = int(field(pid, name), 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1} - {32, 33}


class World:
    """A folder with one socket, and whatever keepers and programs a test starts there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = str(folder / "s")
        self.log = folder / "log"
        self.server = [sys.executable, str(folder / "server.py")]
        (folder / "server.py").write_text(SERVER)
        self.keeper = 0
        self.decoy: subprocess.Popen[bytes] | None = None
        self.links: list[KeeperLink] = []
        self.events: list[Event] = []

    def fresh(self, **more: object) -> None:
        """Start a keeper and its server as a client does."""
        config = {"socket": self.socket, "server": self.server, "log": str(self.log), "beat": 0.1, **more}
        subprocess.run([sys.executable, "-I", KEEPER, json.dumps(config)], check=True, timeout=20)
        self.keeper = self.first("Welcome", self.ask("state"))["pid"]

    def ask(self, do: str, *args: object, **kwargs: object) -> Any:
        """Have the scripted server do something. Waits for a server as long as there is none."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(self.socket)
            order = {"do": do, "with": args, "and": kwargs, "pane": args[0] if args else 0}
            client.sendall(json.dumps(order).encode() + b"\n")
            return json.loads(client.makefile().readline())

    def told(self, name: str, *, pane: int = 0) -> dict[str, Any]:
        """Return the newest event of that name that the scripted server got."""

        def found() -> dict[str, Any]:
            events = self.ask("state")["events"]
            return next((e for n, e in reversed(events) if n == name and e.get("pane", 0) == pane), {})

        return wait_until(found, what=f"{name} event")

    @staticmethod
    def first(name: str, state: dict[str, Any]) -> dict[str, Any]:
        return next(event for n, event in state["events"] if n == name)

    def adopt(self, **more: float) -> KeeperLink:
        """Start a keeper whose server is this test; the process that it may kill is another one."""
        if self.decoy is None:
            self.decoy = subprocess.Popen(["sleep", "1000"])
        link = start_keeper(self.socket, self.server, str(self.log), sys.executable, KEEPER, **more)
        self.links.append(link)
        link.hello(pid=self.decoy.pid)
        self.keeper = self.next(link, Welcome).pid
        self.next(link, Settled)
        return link

    def next(self, link: KeeperLink, kind: type[E]) -> E:
        """Return the next event of that class; keep the others for later, answer pings."""
        deadline = time.monotonic() + 10
        while True:
            for event in self.events:
                if isinstance(event, kind):
                    self.events.remove(event)
                    return event
            timeout = deadline - time.monotonic()
            assert timeout > 0, f"no {kind.__name__}, but {self.events}; log: {self.log.read_text()}"
            select.select([link], [link] if link.wants_write else [], [], timeout)
            link.flush()
            for event in link.receive():
                if isinstance(event, Ping) and kind is not Ping:
                    link.pong(event.n)
                else:
                    self.events.append(event)

    def spawn(self, link: KeeperLink, *argv: str, pane: int = 1, **more: Any) -> Spawned:
        link.spawn(pane, **(self.request(*argv) | more))
        return self.next(link, Spawned)

    def request(self, *argv: str) -> dict[str, Any]:
        env = {"PATH": os.environ["PATH"], MARKER: str(self.folder)}
        cwd, size = str(self.folder), (80, 24)
        return {"argv": argv, "cwd": cwd, "env": env, "size": size, "label": "it", "program": f"/bin/{argv[0]}"}

    def marked(self) -> set[int]:
        """Return the pids of all that runs for this world."""
        found = set()
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if f"{MARKER}={self.folder}\0".encode() in path.read_bytes():
                    found.add(int(path.parent.name))
        return {pid for pid in found - {os.getpid()} if alive(pid)}

    def end(self) -> None:
        for link in self.links:
            link.close()
        if self.decoy is not None:
            self.decoy.kill()
            self.decoy.wait()
        if self.keeper and alive(self.keeper):
            os.kill(self.keeper, signal.SIGTERM)
            wait_until(lambda: not alive(self.keeper), what=f"end of the keeper: {self.log.read_text()}")
        try:
            wait_until(lambda: not self.marked(), seconds=2, what="end of all programs")
        except AssertionError:
            left = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in self.marked()}
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"left behind: {left}") from None


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv(MARKER, str(tmp_path))
    world = World(tmp_path)
    before = _descriptors()
    try:
        yield world
    finally:
        for event in world.events:
            if isinstance(event, Pane | Spawned | Listener):
                os.close(event.fd)
        world.end()
    assert _descriptors() == before


@contextlib.contextmanager
def closing(*events: Spawned | Pane | Listener) -> Iterator[None]:
    try:
        yield
    finally:
        for event in events:
            os.close(event.fd)


def read_all(fd: int) -> bytes:
    """Return what a terminal says until its last program has gone."""
    said = b""
    while select.select([fd], [], [], 10)[0]:
        try:
            data = os.read(fd, 4096)
        except OSError:  # EIO: the end, on Linux
            return said
        if not data:
            return said
        said += data
    raise AssertionError(f"no end after {said!r}")


def test_a_program_runs_and_its_output_comes_over_the_passed_master(world: World) -> None:
    link = world.adopt()
    before = time.time()
    spawned = world.spawn(
        link, "sh", "-c", "stty size; pwd; echo $NAME; exit 3", size=(132, 43), env={"NAME": "n\u00e9"}
    )
    with closing(spawned):
        expected = f"43 132\r\n{world.folder}\r\nn\u00e9\r\n".encode()
        assert read_all(spawned.fd) == expected
    assert before <= spawned.started <= time.time()
    assert world.next(link, Exited) == Exited(1, 3)


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 255", 255), ("kill -9 $$", -9), ("kill $$", -15)])
def test_exit_statuses_are_codes_or_negative_signals(world: World, script: str, status: int) -> None:
    link = world.adopt()
    with closing(world.spawn(link, "sh", "-c", script)):
        assert world.next(link, Exited) == Exited(1, status)


FAILURES = [
    pytest.param({"program": "/no/such"}, errno.ENOENT, "no such file or directory", id="missing"),
    pytest.param({"program": "plain"}, errno.EACCES, "permission denied", id="not executable"),
    pytest.param({"program": "broken"}, errno.ENOEXEC, "exec format error", id="no program"),
    pytest.param({"program": "/bin"}, errno.EACCES, "permission denied", id="folder"),
    pytest.param({"cwd": "/no/such"}, errno.ENOENT, "cannot enter '/no/such': no such file or directory", id="cwd"),
    pytest.param({"env": {"A=B": "c"}}, errno.EINVAL, "invalid argument", id="environment"),
    pytest.param({"argv": ["a\0b"]}, errno.EINVAL, "invalid argument", id="NUL"),
    pytest.param({"argv": ["x" * 2_500_000]}, errno.E2BIG, "argument list too long", id="too long"),
    pytest.param({"argv": ["\ud800"]}, errno.EINVAL, "UnicodeEncodeError", id="surrogate"),
    pytest.param({"argv": 7}, errno.EINVAL, "TypeError", id="no argv"),
    pytest.param({"label": 7}, errno.EINVAL, "TypeError", id="no label"),
    pytest.param({"size": [1]}, errno.EINVAL, "ValueError", id="no size"),
    pytest.param({"size": [float("inf"), 1]}, errno.EINVAL, "OverflowError", id="infinite"),
    pytest.param({"label": "x" * 4097}, errno.EINVAL, "over 4096", id="label"),
    pytest.param({"pane": 9}, errno.EEXIST, "there is a pane 9", id="twice"),
]


@pytest.mark.parametrize(("wrong", "number", "problem"), FAILURES)
def test_what_can_not_start_says_why(world: World, wrong: dict[str, Any], number: int, problem: str) -> None:
    (world.folder / "plain").write_text("")
    (world.folder / "broken").write_bytes(b"\x7fnot a program")
    (world.folder / "broken").chmod(0o755)
    link = world.adopt()
    first = world.spawn(link, "sleep", "1000", pane=9)
    with closing(first):
        request = {"pane": 5, **world.request("sleep", "1000"), **wrong}
        link._link.send(Kind.SPAWN, request)
        failed = world.next(link, Failed)
        assert (failed.pane, failed.errno) == (request["pane"], number)
        assert problem in failed.problem
        assert "\n" not in failed.problem
        if sys.platform == "linux":  # of the attempt nothing is left
            assert world.decoy is not None
            ours = {world.keeper, world.decoy.pid, first.pid}
            wait_until(lambda: world.marked() <= ours, what="end of the attempt")
            names = [os.readlink(path) for path in Path(f"/proc/{world.keeper}/fd").iterdir() if path.is_symlink()]
            assert len([name for name in names if "ptmx" in name or "pipe" in name]) <= 1


def test_a_failed_fork_leaks_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> tuple[int, int]:
        raise OSError(errno.EAGAIN, "no more processes")

    monkeypatch.setattr(pty, "fork", fork)
    monkeypatch.setenv(GIVEN, "18 1024")
    before = _descriptors()
    with pytest.raises(OSError, match="no more processes"):
        spawn(world.request("sleep", "1000"))
    assert _descriptors() == before


def test_a_child_that_never_reaches_its_program_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(path: object) -> None:
        signal.pause()

    monkeypatch.setenv(GIVEN, "18 1024")
    monkeypatch.setattr(keeper_module, "SPAWN_SECONDS", 0.2)
    monkeypatch.setattr(os, "chdir", hang)
    old = signal.signal(signal.SIGALRM, keeper_module._on_alarm)
    before, began = _descriptors(), time.monotonic()
    try:
        with pytest.raises(TimeoutError, match=r"nothing after 0\.2 s"):
            spawn(world.request("sleep", "1000"))
    finally:
        signal.signal(signal.SIGALRM, old)
    assert time.monotonic() - began < 10
    assert os.waitstatus_to_exitcode(os.waitpid(-1, 0)[1]) == -signal.SIGKILL
    assert _descriptors() == before


def test_a_child_that_falls_out_of_ptyprocess_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fall(*_: object, **__: object) -> None:
        pid = os.fork()
        if not pid:
            raise SystemError("as no code should")
        raise OSError(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "status")

    monkeypatch.setenv(GIVEN, "18 1024")
    monkeypatch.setattr(keeper_module._Terminal, "spawn", fall)
    here = os.getpid()
    try:
        with pytest.raises(OSError, match="127"):
            spawn(world.request("sleep", "1000"))
    finally:
        if os.getpid() != here:
            os._exit(1)


@linux
def test_argv_is_kept_to_the_byte(world: World) -> None:
    link = world.adopt()
    spawned = world.spawn(link, "sleep", "1000", argv=["-agent \udcff", "1000"])
    with closing(spawned):
        assert Path(f"/proc/{spawned.pid}/cmdline").read_bytes() == b"-agent \xff\x001000\0"
        link.signal(1, signal.SIGKILL)
        world.next(link, Exited)


@linux
def test_a_program_starts_clean(world: World) -> None:
    mask = os.umask(0o027)
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, hard))
    try:
        with open(os.devnull) as file:
            os.set_inheritable(file.fileno(), True)
            world.fresh()
    finally:
        os.umask(mask)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
    for pane in (1, 2):  # the second could see what is left of the first
        world.ask("spawn", pane, **world.request("sleep", "1000"))
        pid = world.told("Spawned", pane=pane)["pid"]
        assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
        assert {os.readlink(f"/proc/{pid}/fd/{fd}")[:9] for fd in range(3)} == {"/dev/pts/"}
        assert [signals(pid, name) for name in ("SigBlk", "SigIgn", "SigCgt")] == [set(), set(), set()]
        assert field(pid, "Umask") == "0027"
        assert os.getsid(pid) == os.getpgid(pid) == pid
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert next(line.split()[3] for line in limits.splitlines() if "open files" in line) == "1000"
        scores = [int(Path(f"/proc/{p}/oom_score_adj").read_text()) for p in (pid, world.keeper)]
        assert scores[0] > scores[1] or scores[0] == 1000


@linux
def test_the_keeper_and_its_server_hold_nothing_of_their_caller(world: World) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    config = {"socket": world.socket, "server": world.server, "log": str(world.log)}
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, reading)
        done = subprocess.Popen([sys.executable, "-I", KEEPER, json.dumps(config)], close_fds=False)
        assert done.wait(20) == 0
        os.close(writing)
        assert select.select([reading], [], [], 10)[0]
        assert os.read(reading, 1) == b""
    state = world.ask("state")
    world.keeper = world.first("Welcome", state)["pid"]
    for pid in (world.keeper, state["pid"]):
        streams = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)]
        assert streams == ["/dev/null", str(world.log), str(world.log)]
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert os.getsid(pid) == world.keeper
    assert signals(state["pid"], "SigIgn") == {signal.SIGPIPE, signal.SIGXFSZ}  # Python's own
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in (world.socket, world.log)] == [0o600, 0o600]


@linux
def test_a_signal_goes_to_the_program_or_to_all_in_its_terminal(world: World) -> None:
    link = world.adopt()
    alone = world.spawn(link, "sh", "-c", "trap 'echo got; exit 3' USR1; sleep 1000 & echo up; wait")
    with closing(alone):
        assert os.read(alone.fd, 4096) == b"up\r\n"
        link.signal(1, signal.SIGUSR1)
        assert read_all(alone.fd) == b"got\r\n"
    assert world.next(link, Exited) == Exited(1, 3)

    shell = world.spawn(link, "sh", "-mc", "trap '' HUP; sleep 1000; true", pane=2)  # the job has its own group
    with closing(shell):
        job = wait_until(lambda: (g := os.tcgetpgrp(shell.fd)) not in {0, shell.pid} and g, what="foreground job")
        link.signal(2, signal.SIGTERM, group=True)
        assert world.next(link, Exited) == Exited(2, -signal.SIGTERM)
        wait_until(lambda: not alive(job), what="end of the foreground job")
        link.signal(2, signal.SIGKILL, group=True)  # too late, and harmless


def test_a_stopped_agent_goes_on(world: World) -> None:
    link = world.adopt()
    spawned = world.spawn(link, "sh", "-c", "kill -STOP $$; echo on; exit 4")
    with closing(spawned):
        assert read_all(spawned.fd) == b"on\r\n"
        assert world.next(link, Exited) == Exited(1, 4)


def test_a_forgotten_program_is_hung_up_with_the_last_master(world: World) -> None:
    link = world.adopt()
    spawned = world.spawn(link, "sleep", "1000")
    with closing(spawned):
        link.forget(1)
        again = world.spawn(link, "sleep", "1000")  # the name is free
        assert alive(spawned.pid)
    wait_until(lambda: not alive(spawned.pid), what="hang-up")
    os.close(again.fd)
    link.signal(1, signal.SIGTERM)
    assert world.next(link, Exited) == Exited(1, -signal.SIGTERM)  # of the second: nobody told of the first


def test_nonsense_is_dropped_and_the_keeper_goes_on(world: World) -> None:
    link = world.adopt()
    with closing(world.spawn(link, "sleep", "1000")):
        sent: list[tuple[Kind, dict[str, Any]]] = [
            (Kind.SIGNAL, {"pane": 1, "signal": 9999, "group": False}),
            (Kind.SIGNAL, {"pane": 1, "signal": "TERM", "group": False}),
            (Kind.SIGNAL, {"pane": 1}),
            (Kind.LABEL, {"pane": [1], "label": "x"}),
            (Kind.LABEL, {"pane": 1, "label": "x" * 4097}),
            (Kind.LABEL, {"pane": 77, "label": "x"}),
            (Kind.FORGET, {}),
            (Kind.SPAWN, {}),
            (Kind.UPGRADE, {"keeper": [], "server": []}),
            (Kind.WELCOME, {}),
            (Kind.PANE, {}),
            (Kind.ADOPT, {"pane": 5, "pid": -1, "label": "", "status": None, "exited": False, "started": 0}),
            (Kind.ADOPT, {"pane": 1, "pid": 99, "label": "", "status": None, "exited": False, "started": 0}),
            (Kind.LISTENER, {}),
        ]
        for kind, body in sent:
            link._link.send(kind, body, 0 if kind >= 0x80 else -1)
        with closing(world.spawn(link, "sleep", "1000", pane=2)):
            assert alive(world.keeper)
            held = [path for path in Path(f"/proc/{world.keeper}/fd").glob("*") if "ptmx" in os.readlink(path)]
            assert len(held) in {0, 2}  # 0: no such folder here


@linux
def test_orphans_of_an_agent_come_to_the_keeper_and_are_reaped(world: World) -> None:
    link = world.adopt()
    spawned = world.spawn(link, "sh", "-c", "trap '' HUP; setsid sleep 1000 <>/dev/null >&0 2>&0 & echo $!")
    with closing(spawned):
        orphan = int(read_all(spawned.fd))
    assert world.next(link, Exited).status == 0
    wait_until(lambda: field(orphan, "PPid") == str(world.keeper), what="new parent")
    os.kill(orphan, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{orphan}"), what="reaping")


@pytest.mark.parametrize("pid", [-1, 0, 1])
def test_no_record_makes_us_signal_everybody(pid: int) -> None:
    with pytest.raises(ValueError, match="not a pid"):
        _checked_pid(pid)


# -- servers come and go


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Keeper, Link]]:
    """A keeper that does not run, with a server that is no process."""
    keeper = Keeper({"socket": str(tmp_path / "s"), "server": ["x"], "log": "log"})
    ours, theirs = socket.socketpair()
    keeper.serve(ours, 4_000_000)
    link = Link(theirs)
    yield keeper, link
    link.close()
    if keeper.link is not None:
        keeper.link.close()


def test_the_last_words_of_a_dead_server_count(served: tuple[Keeper, Link]) -> None:
    keeper, link = served
    body = {"pane": 1, "pid": 99, "label": "", "status": None, "exited": True, "started": 0.0}
    keeper.panes[1] = keeper_module.Pane(body, -1, child=True)
    link.send(Kind.LABEL, {"pane": 1, "label": "written"})
    link.close()
    keeper.server_gone(-9)
    assert keeper.panes[1].label == "written"
    assert (keeper.link, keeper.server, keeper.died) == (None, 0, -9)


def test_a_server_that_sends_nonsense_is_told_to_go(served: tuple[Keeper, Link]) -> None:
    keeper, link = served
    link._sock.send(b"\x02\xff\xff\xff\xff")
    keeper.read_link()
    assert link.receive() == [(Kind.REPLACED, {}, -1)]
    assert keeper.link is None
    assert time.monotonic() < keeper.kill_at < time.monotonic() + 2


def test_a_server_gets_time_to_go_only_if_it_was_told(
    served: tuple[Keeper, Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper, _ = served
    assert keeper.link is not None
    while not keeper.link.wants_write:
        keeper.link.send(Kind.PING, {"n": 1})
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append((pid, number)))
    keeper.drop_server(60)
    assert killed == [(4_000_000, signal.SIGKILL)]


def test_a_killed_server_is_replaced_and_handed_the_panes(world: World) -> None:
    world.fresh()
    world.ask("spawn", 7, **world.request("sh", "-c", "echo first; read line; echo got $line; sleep 1000"))
    pane = world.told("Spawned", pane=7)
    seen = [world.ask("state")["pid"]]
    for _ in range(20):
        os.kill(seen[-1], signal.SIGKILL)
        killed = time.monotonic()
        state = world.ask("state")
        assert time.monotonic() - killed < 2
        assert not alive(seen[-1])
        seen.append(state["pid"])
        assert world.first("Welcome", state) == {
            "version": 1, "pid": world.keeper, "socket": world.socket, "died": -signal.SIGKILL, "panes": 1,
        }  # fmt: skip
        again = world.first("Pane", state)
        del again["fd"]
        expected = {"pane": 7, "pid": pane["pid"], "label": "it", "started": pane["started"]}
        assert again == {**expected, "status": None, "exited": False}
        if sys.platform == "linux":
            fds = f"/proc/{state['pid']}/fd"
            wait_until(lambda fds=fds: len(os.listdir(fds)) == 3 + 3, what="only link, listener, master")  # type: ignore[misc]
    assert len(set(seen)) == 21
    assert wait_until(lambda: world.ask("read", 7), what="unread output") == "first\r\n"
    assert alive(pane["pid"])


def test_an_exit_that_no_server_saw_is_told_to_the_next(world: World) -> None:
    world.fresh()
    world.ask("spawn", 1, **world.request("sh", "-c", "read line; exit 5"))
    pid = world.told("Spawned", pane=1)["pid"]
    server = world.ask("state")["pid"]
    os.kill(server, signal.SIGSTOP)
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not alive(pid), what="exit")
    os.kill(server, signal.SIGKILL)
    for _ in range(2):  # and to the one after it, until FORGET
        pane = world.told("Pane", pane=1)
        assert (pane["exited"], pane["status"]) == (True, -signal.SIGTERM)
        os.kill(world.ask("state")["pid"], signal.SIGKILL)
    world.ask("label", 1, "new")
    os.kill(world.ask("state")["pid"], signal.SIGKILL)
    assert world.told("Pane", pane=1)["label"] == "new"
    world.ask("forget", 1)
    os.kill(world.ask("state")["pid"], signal.SIGKILL)
    assert world.told("Welcome")["panes"] == 0


def test_a_hung_server_is_killed_and_replaced(world: World) -> None:
    world.fresh()
    server = world.ask("state")["pid"]
    os.kill(server, signal.SIGSTOP)
    state = world.ask("state")  # waits in the backlog of the one that hangs, or already of the next
    assert state["pid"] != server
    assert not alive(server)
    assert "does not answer" in world.log.read_text()
    assert alive(world.keeper)


def test_an_adopting_server_that_hangs_is_killed_before_the_next_one_starts(world: World) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(world.socket)
        listener.listen()
        link = world.adopt(beat=0.05)
        link.listener(listener.fileno(), world.socket)
    link.ready()
    assert world.next(link, Ping).n == 1
    assert world.decoy is not None
    assert world.decoy.wait(10) == -signal.SIGKILL
    assert world.next(link, Replaced)
    with pytest.raises(KeeperGone):
        world.next(link, Welcome)
    assert world.first("Welcome", world.ask("state"))["died"] is None


def test_a_server_that_does_not_come_up_is_tried_again_with_growing_pauses(world: World) -> None:
    (world.folder / "server.py").write_text(
        f"import os; open({world.socket + '.tried'!r}, 'a').write('x'); os._exit(9)"
    )
    config = {"socket": world.socket, "server": world.server, "log": str(world.log)}
    subprocess.run([sys.executable, "-I", KEEPER, json.dumps(config)], check=True)
    wait_until(lambda: "ended with 9; next in 2 s" in world.log.read_text(), what="second try")
    world.keeper = int(world.log.read_text().split()[2].rstrip(":"))
    assert "ended with 9; next in 1 s" in world.log.read_text()
    assert Path(world.socket + ".tried").read_text() == "xx"


def test_a_server_program_that_is_missing_is_tried_again(world: World) -> None:
    config = {"socket": world.socket, "server": ["/no/such"], "log": str(world.log)}
    subprocess.run([sys.executable, "-I", KEEPER, json.dumps(config)], check=True)
    wait_until(lambda: "next try in 1 s" in world.log.read_text(), what="log line")
    world.keeper = int(world.log.read_text().split()[2].rstrip(":"))
    assert "cannot start the server: [Errno 2] No such file or directory" in world.log.read_text()


def test_hello_tells_how_to_start_the_next_server(world: World) -> None:
    world.fresh()
    world.ask("hello", [*world.server, "newer"])
    os.kill(world.ask("state")["pid"], signal.SIGKILL)
    assert "newer" in wait_until(lambda: world.ask("state"), what="server")["argv"]


# -- upgrades, adoption, the end


@linux
def test_an_upgraded_keeper_keeps_everything(world: World) -> None:
    world.fresh()
    world.ask("spawn", 1, **world.request("sh", "-c", "echo ready; read line; echo got $line; exit 6"))
    world.ask("spawn", 2, **world.request("sh", "-c", "exit 7"))
    running, ended = world.told("Spawned", pane=1), world.told("Spawned", pane=2)
    world.told("Exited", pane=2)
    before = world.ask("state")
    inode = os.stat(world.socket).st_ino
    copy = world.folder / "new" / "keeper.py"
    copy.parent.mkdir()
    copy.write_text(Path(KEEPER).read_text().replace("VERSION = 1", "VERSION = 2"))
    world.ask("upgrade", [sys.executable, "-I", str(copy)], [*world.server, "upgraded"])
    state = wait_until(lambda: (s := world.ask("state"))["pid"] != before["pid"] and s, what="new server")
    assert not alive(before["pid"])
    welcome = world.first("Welcome", state)
    assert (welcome["version"], welcome["pid"], welcome["panes"], welcome["died"]) == (2, world.keeper, 2, 0)
    assert "upgraded" in state["argv"]
    assert os.stat(world.socket).st_ino == inode
    assert field(running["pid"], "PPid") == str(world.keeper)
    panes = {event["pane"]: event for name, event in state["events"] if name == "Pane"}
    assert (panes[1]["pid"], panes[1]["exited"], panes[1]["started"]) == (running["pid"], False, running["started"])
    assert (panes[2]["pid"], panes[2]["exited"], panes[2]["status"]) == (ended["pid"], True, 7)
    world.ask("signal", 1, signal.SIGTERM)
    assert world.told("Exited", pane=1)["status"] == -signal.SIGTERM
    world.ask("spawn", 3, **world.request("sleep", "1000"))  # nothing has become inheritable for good
    pid = world.told("Spawned", pane=3)["pid"]
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
    fds = f"/proc/{state['pid']}/fd"
    wait_until(lambda: len(os.listdir(fds)) == 3 + 5, what="server with only link, listener and masters")


@pytest.mark.parametrize(
    ("prefix", "problem"),
    [
        ([sys.executable, "-I", "/no/such/keeper.py"], "the new keeper ended with 2"),
        (["/no/such/python"], "cannot run the new keeper: no such file or directory"),
    ],
)
def test_an_upgrade_that_can_not_work_is_refused(world: World, prefix: list[str], problem: str) -> None:
    world.fresh()
    before = world.ask("state")["pid"]
    world.ask("upgrade", prefix, world.server)
    assert world.told("Failed")["problem"] == problem
    assert world.ask("state")["pid"] == before


def test_panes_survive_the_keeper_in_the_hands_of_the_server(world: World) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(world.socket)
    listener.listen()
    link = world.adopt()
    panes = [world.spawn(link, "sleep", "1000", pane=number) for number in (1, 2, 3)]
    os.kill(world.keeper, signal.SIGKILL)
    with pytest.raises(KeeperGone):
        world.next(link, Replaced)
    assert all(alive(pane.pid) for pane in panes)
    os.kill(panes[2].pid, signal.SIGKILL)  # between the keepers
    wait_until(lambda: not alive(panes[2].pid), what="exit")

    old, link = world.keeper, world.adopt()
    assert world.keeper != old
    link.listener(listener.fileno(), world.socket)
    for pane in panes:
        link.adopt(pane.pane, pane.pid, label="x", started=pane.started, fd=pane.fd)
    link.ready()
    assert world.next(link, Exited) == Exited(3, None)
    assert world.decoy is not None
    link.adopt(4, world.decoy.pid, label="reused pid", started=0, fd=panes[0].fd)
    assert world.next(link, Exited) == Exited(4, None)
    link.signal(1, signal.SIGTERM, group=True)
    assert world.next(link, Exited) == Exited(1, None)
    os.kill(panes[1].pid, signal.SIGKILL)
    assert world.next(link, Exited) == Exited(2, None)

    for pane in panes:
        os.close(pane.fd)
    listener.close()
    world.decoy.kill()  # the server dies: the new keeper has all it needs to start another
    link.close()
    state = world.ask("state")
    handed = {event["pane"]: event["exited"] for name, event in state["events"] if name == "Pane"}
    assert handed == {1: True, 2: True, 3: True, 4: True}
    assert world.first("Welcome", state)["pid"] == world.keeper


def test_adopted_panes_survive_an_upgrade(world: World) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(world.socket)
    listener.listen()
    link = world.adopt()
    pane = world.spawn(link, "sleep", "1000")
    os.kill(world.keeper, signal.SIGKILL)
    with pytest.raises(KeeperGone):
        world.next(link, Replaced)
    link = world.adopt()
    link.listener(listener.fileno(), world.socket)
    link.adopt(1, pane.pid, label="x", started=pane.started, fd=pane.fd)
    link.upgrade([sys.executable, "-I", KEEPER], world.server)
    assert world.next(link, Replaced)
    assert world.decoy is not None
    world.decoy.kill()
    os.close(pane.fd)
    listener.close()
    assert world.first("Pane", world.ask("state"))["exited"] is False
    os.kill(pane.pid, signal.SIGTERM)
    assert world.told("Exited", pane=1)["status"] is None


@pytest.mark.parametrize("how", ["request", "signal"])
def test_the_end_takes_socket_server_and_programs_along(world: World, how: str) -> None:
    world.fresh()
    world.ask("spawn", 1, **world.request("sleep", "1000"))
    pid = world.told("Spawned", pane=1)["pid"]
    server = world.ask("state")["pid"]
    if how == "request":
        world.ask("stop")
    else:
        os.kill(world.keeper, signal.SIGHUP)  # ignored
        os.kill(world.keeper, signal.SIGINT)  # ignored
        assert world.ask("state")["pid"] == server
        os.kill(world.keeper, signal.SIGTERM)
    for process in (world.keeper, server, pid):
        wait_until(lambda process=process: not alive(process), what="end")  # type: ignore[misc]
    assert not os.path.exists(world.socket)


def test_a_server_that_ignores_the_end_is_killed(world: World) -> None:
    world.fresh(beat=60)
    server = world.ask("state")["pid"]
    os.kill(server, signal.SIGSTOP)
    os.kill(world.keeper, signal.SIGTERM)
    wait_until(lambda: not alive(world.keeper), what="end of the keeper")
    assert not alive(server)


def test_the_socket_of_another_is_left_alone(world: World) -> None:
    world.fresh()
    os.unlink(world.socket)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(world.socket)
        os.kill(world.keeper, signal.SIGTERM)
        wait_until(lambda: not alive(world.keeper), what="end")
    assert os.path.exists(world.socket)


def test_a_stale_socket_is_replaced(world: World) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(world.socket)
    world.fresh()


def refused(world: World, **wrong: str) -> str:
    config = {"socket": world.socket, "server": world.server, "log": str(world.log), **wrong}
    done = subprocess.run(
        [sys.executable, "-I", KEEPER, json.dumps(config)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


def test_a_keeper_that_can_not_listen_says_why(world: World) -> None:
    long, lost = "/tmp/" + "x" * 200, str(world.folder / "none" / "s")
    assert refused(world, socket=lost) == f"agentmux: cannot listen on {lost!r}: no such file or directory\n"
    assert refused(world, socket=long) == f"agentmux: cannot listen on {long!r}: af_unix path too long\n"
    assert refused(world, log=lost) == f"agentmux: cannot open {lost!r}: no such file or directory\n"
    Path(world.socket).write_text("mine")
    assert refused(world) == f"agentmux: cannot listen on {world.socket!r}: address already in use\n"
    assert Path(world.socket).read_text() == "mine"
    os.unlink(world.socket)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(world.socket)
        other.listen()
        assert refused(world) == f"agentmux: cannot listen on {world.socket!r}: address already in use\n"
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(world.socket)  # it still can be reached
