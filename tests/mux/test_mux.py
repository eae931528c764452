"""All sessions of a socket, wired: a real mux with store, terminals, clients and attachments.

Only the keeper is a fake, at the other end of the real link: its programs are ptys whose slave the test holds.
The loop's clock stands still until a test advances it.
"""

import errno
import gc
import os
import pty
import signal
import socket
import sys
import time
import tty
import weakref
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from clocked import Loop

from agentmux.mux.archiver import IDLE, LARGE
from agentmux.mux.asking import Asking
from agentmux.mux.config import File
from agentmux.mux.events import Happened
from agentmux.mux.keeper import Kind as KeeperKind
from agentmux.mux.keeper import Link
from agentmux.mux.keeperlink import KeeperLink
from agentmux.mux.lifecycle import State
from agentmux.mux.memory import LEFT_OVER_AFTER, TRIM_AFTER
from agentmux.mux.mux import ACTIVITY, Mux, Spec
from agentmux.mux.peer import Peer
from agentmux.mux.profiles import Profiles
from agentmux.mux.protocol import Decoder, Kind, Request, encode, pack, unpack
from agentmux.mux.retention import DAY, STEADY
from agentmux.mux.roster import ENDED
from agentmux.mux.screen import Screen
from agentmux.mux.session import READ, RESIZE_WAIT, SHARE, Session
from agentmux.mux.sessionerrors import (
    AmbiguousTarget,
    BadName,
    NameTaken,
    NeedsTerminal,
    Nested,
    NoSession,
    NotRunning,
    SpawnFailed,
    StillRunning,
    UnknownSession,
    UpgradeRefused,
)
from agentmux.mux.shadow import QUIET
from agentmux.mux.viewer import FRAME
from agentmux.store.inbox import Inbox
from agentmux.store.journal import Journal
from agentmux.store.sessions import SessionRow
from agentmux.store.stores import Stores

NOBODY = 1 << 30
"""Pids from here on: above what Linux ever gives out, so that no kill can hit anybody."""
ENV = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "TMUX": "outer"}
SIZE = (80, 24)
LINE = "[detached from "


class Keeper:
    """Holds panes, as the keeper does; whatever it is told, it does or notes."""

    def __init__(self, loop: Loop) -> None:
        ours, theirs = socket.socketpair()
        self.theirs = theirs
        self.loop = loop
        self.link = Link(ours)
        self.told: list[tuple[KeeperKind, dict[str, Any]]] = []
        self.slaves: dict[int, int] = {}
        self.masters: dict[int, int] = {}
        self.exited: dict[int, int | None] = {}
        self.refuses: tuple[int, str] | None = None
        self.deaf_to: set[int] = set()
        self.died: int | None = None
        self.settles = True
        loop.add_reader(ours, self._readable)

    def _readable(self) -> None:
        for kind, body, _ in self.link.receive():
            self.told.append((kind, body))
            getattr(self, kind.name.lower(), lambda body: None)(body)
        if self.link.gone:
            self.loop.remove_reader(self.link.fileno())

    def pane(self, number: int) -> None:
        """Have a program on a terminal."""
        self.masters[number], slave = pty.openpty()
        tty.setraw(slave)
        self.slaves[number] = slave

    def hello(self, body: dict[str, Any]) -> None:
        self.link.send(
            KeeperKind.WELCOME,
            {"version": 1, "pid": 77, "socket": "/s", "died": self.died, "panes": len(self.masters)},
        )
        with open(os.devnull) as listener:
            self.link.send(KeeperKind.LISTENER, {"path": "/s"}, listener.fileno())
        for number, master in self.masters.items():
            state = {"status": self.exited.get(number), "exited": number in self.exited}
            facts = {"pane": number, "pid": NOBODY + number, "label": "", "started": 1.0, **state}
            self.link.send(KeeperKind.PANE, facts, master)
        if self.settles:
            self.link.send(KeeperKind.SETTLED, {})

    def spawn(self, body: dict[str, Any]) -> None:
        number = body["pane"]
        if self.refuses is not None:
            code, problem = self.refuses
            self.link.send(KeeperKind.FAILED, {"pane": number, "errno": code, "problem": problem})
            return
        self.pane(number)
        facts = {"pane": number, "pid": NOBODY + number, "started": 1.0}
        self.link.send(KeeperKind.SPAWNED, facts, self.masters[number])

    def signal(self, body: dict[str, Any]) -> None:
        number = body["pane"]
        if body["signal"] not in self.deaf_to and number not in self.exited and body["signal"] != signal.SIGCONT:
            self.ends(number, -body["signal"])

    def ends(self, number: int, status: int | None) -> None:
        """The program of a pane ends."""
        self.exited[number] = status
        os.close(self.slaves.pop(number))
        self.link.send(KeeperKind.EXITED, {"pane": number, "status": status})

    def forget(self, body: dict[str, Any]) -> None:
        os.close(self.masters.pop(body["pane"]))

    def of(self, kind: KeeperKind) -> list[dict[str, Any]]:
        return [body for k, body in self.told if k is kind]

    def close(self) -> None:
        self.loop.remove_reader(self.link.fileno())
        self.link.close()
        for fd in (*self.slaves.values(), *self.masters.values()):
            os.close(fd)


class World:
    """A mux with its keeper, and clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = Loop()
        self.raised: list[object] = []
        self.loop.set_exception_handler(lambda _, context: self.raised.append(context.get("exception") or context))
        self.keeper = Keeper(self.loop)
        (folder / "data" / "sessions").mkdir(parents=True, mode=0o700)
        (folder / "data").chmod(0o700)
        self.stores = Stores(str(folder / "data"))
        self.rows = self.stores.sessions
        self.inbox = Inbox(str(folder / "inbox"))
        self.logged: list[str] = []
        self.listening: list[int] = []
        self.replaced: list[bool] = []
        self.clients: list[Client] = []
        self.commands: dict[str, Callable[[Asking], Awaitable[int | None] | int | None]] = {}
        self.config = folder / "config.toml"
        self.mux = Mux(
            self.loop,
            KeeperLink(self.keeper.theirs),
            self.stores,
            self.inbox,
            socket="/run/x/default",
            config=File(str(self.config)),
            profiles=Profiles(f"{self.config}.agents"),
            argv=(["server"], ["python", "keeper.py"]),
            on_listener=self.listening.append,
            on_keeper=lambda pid: None,
            on_replaced=lambda: self.replaced.append(True),
            log=self.logged.append,
        )

    def connect(self) -> None:
        self.mux.connect()
        self.loop.until(lambda: self.keeper.of(KeeperKind.READY), "ready server")

    def new(self, *argv: str, name: str = "", size: tuple[int, int] | None = SIZE) -> Session:
        return self.loop.run(self.mux.create(Spec(argv or ("sh",), "/", ENV, name=name, size=size)))

    def prints(self, session: Session, data: bytes) -> None:
        end = session.journal.end + len(data)
        os.write(self.keeper.slaves[session.id], data)
        self.loop.until(lambda: session.journal.end >= end, "output in the journal")

    def reads(self, session: Session, count: int) -> bytes:
        slave, data = self.keeper.slaves[session.id], bytearray()
        os.set_blocking(slave, False)

        def read() -> bool:
            try:
                data.extend(os.read(slave, count - len(data)))
            except BlockingIOError:
                pass
            return len(data) == count

        self.loop.until(read, f"{count} bytes of input")
        return bytes(data)

    def row(self, name: str, *, state: str = "running") -> SessionRow:
        """Record a session as a server before this one would have left it."""
        row = self.rows.add(name, ["sh"], "/", created=1.0, size=SIZE)
        if state == "running":
            self.rows.set_running(row.id, 1.0)
        elif state == "exited":
            self.rows.set_exited(row.id, 0, 2.0)
        return self.rows.get(row.id)

    def journal(self, row: SessionRow) -> Journal:
        return self.stores.recording(row.id)[0]

    def dispatch(self, asking: Asking) -> Awaitable[int | None] | int | None:
        return self.commands[asking.request.argv[0]](asking)

    def attached(self, session: Session, size: tuple[int, int] = SIZE, **options: bool) -> "Client":
        def attach(asking: Asking) -> None:
            asking.attach(session, **options)

        self.commands["attach"] = attach
        client = Client(self, size)
        client.asks("attach")
        client.until(lambda: client.of(Kind.OUTPUT), "screen")
        return client

    def close(self) -> None:
        for client in self.clients:
            client.close()
            client.peer.close()  # one that is not read from does not notice
            client.terminal.close()
        self.mux.close()
        self.keeper.close()
        for listener in self.listening:
            os.close(listener)
        self.loop.settle()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()
        self.stores.close()
        assert not self.raised, self.raised


class Client:
    """A client with a terminal: an emulator that is fed with what arrives."""

    def __init__(self, world: World, size: tuple[int, int] = SIZE, env: dict[str, str] | None = None) -> None:
        self.world = world
        self.size = size
        self.env = ENV if env is None else env
        self.sock, theirs = socket.socketpair()
        self.sock.setblocking(False)
        self.peer = Peer(theirs, world.mux, world.dispatch, lambda peer: None, lambda peer: None)
        self.frames: list[tuple[int, bytes]] = []
        self.ended = False
        self.terminal = Screen(size)
        self._decoder = Decoder()
        world.clients.append(self)

    def send(self, kind: int, *fields: bytes | str, raw: bytes = b"") -> None:
        packed = pack([field if isinstance(field, bytes) else field.encode() for field in fields])
        self.sock.send(encode(kind, packed if fields else raw))
        self.world.loop.settle()
        self.receive()

    def asks(self, *argv: str, terminal: bool = True) -> None:
        self.send(
            Kind.COMMAND, raw=Request(list(argv), "/", self.env, self.size, (terminal, terminal, terminal)).pack()
        )

    def receive(self) -> None:
        while not self.ended:
            try:
                data = self.sock.recv(1 << 20)
            except BlockingIOError:
                return
            self.ended = not data
            for kind, body in self._decoder.feed(data):
                self.frames.append((kind, body))
                if kind == Kind.OUTPUT:
                    self.terminal.feed(body)

    def until(self, probe: Callable[[], object], what: str) -> None:
        def done() -> object:
            self.receive()
            return probe()

        self.world.loop.until(done, what)

    def of(self, kind: int) -> list[bytes]:
        return [body for k, body in self.frames if k == kind]

    def exit(self) -> list[bytes]:
        self.until(lambda: self.of(Kind.EXIT), "exit")
        return unpack(self.of(Kind.EXIT)[0], 2)

    def shown(self) -> str:
        """Return the first row of the terminal."""
        self.receive()
        return self.terminal.text_rows(0, 1)[0]

    def session(self) -> str:
        """Return the name of the session that it was last told to show."""
        return unpack(self.of(Kind.ATTACHED)[-1])[1].decode()

    def acts(self, action: str, argument: str = "") -> None:
        self.send(Kind.ACTION, action, argument)

    def close(self) -> None:
        self.sock.close()
        self.world.loop.settle()


@pytest.fixture
def cold(tmp_path: Path) -> Iterator[World]:
    """A world before the server has greeted its keeper."""
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def world(cold: World) -> World:
    cold.connect()
    return cold


# Starting


def test_a_session_is_recorded_before_it_is_started_and_then_runs(cold: World) -> None:
    seen: list[str] = []
    spawn = cold.keeper.spawn

    def spawning(body: dict[str, Any]) -> None:
        seen.append(cold.rows.get(body["pane"]).state)
        spawn(body)

    cold.keeper.spawn = spawning  # type: ignore[method-assign]
    cold.connect()
    session = cold.new("sh", "-c", "true", name="api", size=(100, 30))
    assert seen == ["starting"]
    assert session.state is State.RUNNING and session.pid == NOBODY + session.id
    row = cold.rows.get(session.id)
    assert (row.state, row.name, row.argv, row.size) == ("running", "api", ("sh", "-c", "true"), (100, 30))
    (asked,) = cold.keeper.of(KeeperKind.SPAWN)
    assert asked["argv"] == ["sh", "-c", "true"] and asked["size"] == [100, 30] and asked["cwd"] == "/"
    assert asked["program"] in ("/bin/sh", "/usr/bin/sh")
    env = asked["env"]
    assert env["AGENTMUX"] == "/run/x/default,77" and env["AGENTMUX_SESSION"] == str(session.id)
    assert env["PWD"] == "/" and "TMUX" not in env


def test_without_a_command_it_is_the_configured_one_else_the_shell(world: World) -> None:
    def argv() -> tuple[str, ...]:
        return world.loop.run(world.mux.create(Spec((), "/", ENV))).row.argv

    assert argv() == ("/bin/sh",)
    world.config.write_text("default-command = \"sh -c 'sleep 9'\"")
    assert argv() == ("sh", "-c", "sleep 9")


def test_a_free_name_is_found_and_a_taken_one_refused(world: World) -> None:
    assert [world.new().name, world.new("/bin/sh").name] == ["sh", "sh-2"]
    with pytest.raises(NameTaken):
        world.new(name="sh")
    with pytest.raises(BadName):
        world.new(name="a b")
    assert len(world.mux.all_rows()) == 2


@pytest.mark.parametrize(
    ("spec", "problem", "status"),
    [
        (Spec(("nonesuch-4711",), "/", ENV), "no such command", 127),
        (Spec(("sh",), "/nowhere", ENV), "folder '/nowhere' does not exist", 127),
    ],
)
def test_what_cannot_start_leaves_its_record(world: World, spec: Spec, problem: str, status: int) -> None:
    with pytest.raises(SpawnFailed, match=problem):
        world.loop.run(world.mux.create(spec))
    (row,) = world.mux.all_rows()
    assert (row.state, row.exit_status) == ("exited", status)
    assert world.mux.live() == []
    assert world.keeper.of(KeeperKind.SPAWN) == []


@pytest.mark.parametrize(("code", "status"), [(errno.EACCES, 126), (errno.ENOEXEC, 126), (errno.ENOENT, 127)])
def test_what_the_keeper_cannot_run_fails_as_in_a_shell(world: World, code: int, status: int) -> None:
    world.keeper.refuses = code, "exec format error"
    with pytest.raises(SpawnFailed, match="cannot run 'sh': exec format error"):
        world.new()
    assert world.mux.all_rows()[0].exit_status == status


def test_an_ended_session_is_restarted_in_its_record(world: World) -> None:
    session = world.new(name="api")
    with pytest.raises(StillRunning):
        world.loop.run(world.mux.restart(session, ENV, None))
    world.keeper.ends(session.id, 3)
    world.loop.until(lambda: not session.live, "end")
    world.loop.run(world.mux.restart(session, ENV, (100, 30)))
    assert world.mux.live() == [session]
    row = world.rows.get(session.id)
    assert (row.starts, row.size, row.exit_status) == (2, (100, 30), None)


# Finding


def test_targets(world: World) -> None:
    api, web = world.new(name="api"), world.new(name="web-1")
    world.mux.label(web, {"issue": "7"})
    assert world.mux.find("api") is api
    assert world.mux.find(str(web.id)) is web
    assert world.mux.find("we") is web
    assert world.mux.find("issue=7") is web
    with pytest.raises(UnknownSession):
        world.mux.find("nope")
    world.new(name="web-2")
    with pytest.raises(AmbiguousTarget):
        world.mux.find("web")


def test_an_ended_session_is_found_and_its_name_given_to_the_next(world: World) -> None:
    first = world.new(name="api")
    world.keeper.ends(first.id, 0)
    world.loop.until(lambda: not first.live, "end")
    assert world.mux.find("api") is first
    second = world.new(name="api")
    assert world.mux.find("api") is second
    assert world.mux.find(str(first.id)) is first


def test_of_ended_sessions_few_stay_in_memory(world: World) -> None:
    rows = [world.row(f"old-{number}", state="exited") for number in range(ENDED + 20)]
    held = world.mux.find(str(rows[0].id))
    gone = weakref.ref(world.mux.find(str(rows[1].id)))
    for row in rows[2:]:
        world.mux.find(str(row.id))
    gc.collect()
    assert gone() is None
    assert sum(world.mux.known(row.id) is not None for row in rows) == ENDED + 1
    assert world.mux.find("old-0") is held  # who holds one has the only one there is
    assert world.mux.find("old-1").row == rows[1]


def test_a_session_that_lives_again_stays_in_memory(world: World) -> None:
    session = world.new(name="api")
    world.keeper.ends(session.id, 0)
    world.loop.until(lambda: not session.live, "end")
    others = [world.row(f"old-{number}", state="exited") for number in range(2 * ENDED)]
    for row in others[:ENDED]:
        world.mux.find(str(row.id))
    world.loop.run(world.mux.restart(session, ENV, None))
    for row in others[ENDED:]:
        world.mux.find(str(row.id))
    assert world.mux.live() == [session]


def test_the_last_used_is_the_last_shown_or_started(world: World) -> None:
    with pytest.raises(NoSession):
        world.mux.latest()
    one, two = world.new(), world.new()
    assert world.mux.latest() is two
    world.mux.shown(one, {})
    assert world.mux.latest() is one
    world.keeper.ends(one.id, 0)
    world.loop.until(lambda: not one.live, "end")
    assert world.mux.latest() is two


def test_renaming_and_labelling_are_recorded_and_told(world: World) -> None:
    events = world.mux.bus.subscribe(lambda: None)
    one, two = world.new(name="one"), world.new(name="two")
    world.mux.rename(one, "uno")
    world.mux.label(one, {"k": "v"})
    assert (one.name, one.labels) == ("uno", {"k": "v"})
    assert (world.rows.get(one.id).name, world.rows.get(one.id).labels) == ("uno", {"k": "v"})
    with pytest.raises(NameTaken):
        world.mux.rename(two, "uno")
    with pytest.raises(BadName):
        world.mux.rename(two, "2")
    told = [(event.kind, event.name) for event in events.take() if event.kind in ("renamed", "labelled")]
    assert told == [("renamed", "uno"), ("labelled", "uno")]


# Killing


def test_kill_asks_first_and_then_insists(world: World) -> None:
    session = world.new()
    world.keeper.deaf_to = {signal.SIGHUP, signal.SIGTERM}
    task = world.loop.create_task(world.mux.killer.kill(session))
    world.loop.until(lambda: len(world.keeper.of(KeeperKind.SIGNAL)) == 3, "signals")
    world.loop.advance(1.9)
    assert session.live
    world.loop.until(task.done, "end of the kill", tick=0.05)
    sent = [body["signal"] for body in world.keeper.of(KeeperKind.SIGNAL)]
    assert sent == [signal.SIGHUP, signal.SIGTERM, signal.SIGCONT, signal.SIGKILL]
    assert all(body["group"] for body in world.keeper.of(KeeperKind.SIGNAL))
    assert not session.live and session.killed
    with pytest.raises(NotRunning):
        world.loop.run(world.mux.killer.kill(session))


def test_a_program_that_obeys_is_not_waited_for(world: World) -> None:
    session = world.new()
    world.loop.run(world.mux.killer.kill(session))  # the clock stands still
    assert session.row.exit_status == -signal.SIGHUP


def test_kill_at_once(world: World) -> None:
    session = world.new()
    world.loop.run(world.mux.killer.kill(session, now=True), tick=0.05)
    assert {body["signal"] for body in world.keeper.of(KeeperKind.SIGNAL)} == {signal.SIGKILL}


def test_a_kill_goes_on_when_whoever_asked_has_gone(world: World) -> None:
    session = world.new()
    world.keeper.deaf_to = {signal.SIGHUP, signal.SIGTERM}
    task = world.loop.create_task(world.mux.killer.kill(session))
    world.loop.settle()
    task.cancel()
    world.loop.settle()
    world.loop.until(lambda: not session.live, "end", tick=0.05)


def test_several_are_killed_in_one_grace_period(world: World) -> None:
    sessions = [world.new() for _ in range(3)]
    world.keeper.deaf_to = {signal.SIGHUP, signal.SIGTERM}
    task = world.loop.create_task(world.mux.killer.kill_all(sessions))
    world.loop.settle()
    before = world.loop.time()
    world.loop.until(task.done, "end of the kill", tick=0.05)
    assert world.mux.live() == []
    assert world.loop.time() - before < 2 * 2.0


def test_an_ended_pane_is_forgotten_by_the_keeper(world: World) -> None:
    session = world.new()
    os.write(world.keeper.slaves[session.id], b"last words")
    world.keeper.ends(session.id, 7)
    world.loop.until(lambda: world.keeper.of(KeeperKind.FORGET), "forget")
    assert session.row.exit_status == 7
    assert session.journal.read(0, 99) == b"last words"


def test_interrupt_is_what_a_person_would_type(world: World) -> None:
    session = world.new()
    world.mux.interrupter.interrupt(session)
    assert world.reads(session, 1) == b"\x03"
    world.prints(session, b"\x1b[>1u")
    world.mux.interrupter.interrupt(session)
    assert world.reads(session, 7) == b"\x1b[99;5u"


# Taking over from the server before


def test_panes_are_taken_up_with_what_they_wrote_meanwhile(cold: World) -> None:
    row = cold.row("api")
    cold.journal(row).append(b"before ")
    cold.keeper.pane(row.id)
    os.write(cold.keeper.slaves[row.id], b"meanwhile")
    cold.connect()
    session = cold.mux.find("api")
    cold.loop.until(lambda: session.journal.end == 16, "output in the journal")
    assert session.screen.text_rows(0, 1) == ["before meanwhile"]
    assert session.state is State.RUNNING


@pytest.mark.parametrize("state", ["starting", "lost", "exited"])
def test_the_keeper_knows_better_than_the_record(cold: World, state: str) -> None:
    row = cold.row("api", state="starting")
    if state == "lost":
        cold.rows.set_lost([row.id], 2.0)
    elif state == "exited":
        cold.rows.set_exited(row.id, 1, 2.0)
    cold.keeper.pane(row.id)
    cold.connect()
    assert cold.mux.find("api").state is State.RUNNING
    after = cold.rows.get(row.id)
    assert (after.state, after.exit_status, after.ended) == ("running", None, None)


def test_an_exit_that_no_server_saw_is_seen(cold: World) -> None:
    row = cold.row("api")
    cold.keeper.pane(row.id)
    os.write(cold.keeper.slaves[row.id], b"last words")
    os.close(cold.keeper.slaves.pop(row.id))
    cold.keeper.exited[row.id] = 9
    cold.connect()
    session = cold.mux.find("api")
    cold.loop.until(lambda: not session.live, "end")
    assert cold.rows.get(row.id).exit_status == 9
    assert cold.mux.find("api").journal.read(0, 99) == b"last words"


def test_what_nobody_holds_any_more_is_lost(cold: World) -> None:
    cold.row("api")
    cold.row("started", state="starting")
    cold.connect()
    assert [row.state for row in cold.mux.all_rows()] == ["lost", "lost"]
    assert cold.mux.live() == []


def test_a_pane_without_a_record_gets_one(cold: World) -> None:
    cold.keeper.pane(99)
    cold.connect()
    assert cold.keeper.of(KeeperKind.FORGET) == []
    assert "pane 99" in cold.logged[0]
    [session] = cold.mux.live()
    assert (session.id, session.name, session.state) == (99, "found-99", State.RUNNING)


def test_clients_are_served_once_everything_is_taken_up(cold: World) -> None:
    cold.keeper.settles = False
    cold.mux.connect()
    cold.loop.until(lambda: cold.mux.keeper_pid == 77, "welcome")
    cold.loop.settle()
    assert cold.listening == []
    cold.keeper.link.send(KeeperKind.SETTLED, {})
    cold.loop.until(lambda: cold.listening, "listener")
    cold.keeper.link.send(KeeperKind.SETTLED, {})
    cold.loop.until(lambda: len(cold.keeper.of(KeeperKind.READY)) == 2, "ready again")
    assert len(cold.listening) == 1, "a keeper that took over from a dead one settles too"


@pytest.mark.parametrize("written", [0, 3, 7], ids=["not at all", "in part", "whole"])
def test_what_a_killed_server_had_read_is_recorded_once(cold: World, written: int) -> None:
    """Killed between read and journal, in the middle of the write, or right behind it."""
    row = cold.row("api")
    cold.keeper.pane(row.id)
    journal = cold.journal(row)
    journal.append(b"old ")
    cold.inbox.begin(row.id, 4)
    cold.inbox.put(b"batch 1")
    journal.append(b"batch 1"[:written])
    journal.release()
    cold.keeper.died = -signal.SIGKILL
    cold.connect()
    session = cold.mux.find("api")
    cold.prints(session, b" new")
    assert session.journal.read(0, 99) == b"old batch 1 new"
    assert session.screen.text_rows(0, 1) == ["old batch 1 new"]


def crashed(world: World, died: int | None) -> SessionRow:
    """A server before this one died while the emulator had the batch BAD."""
    row = world.row("api")
    world.keeper.pane(row.id)
    journal = world.journal(row)
    journal.append(b"good ")
    world.inbox.begin(row.id, 5)
    world.inbox.put(b"BAD")
    journal.append(b"BAD")
    journal.release()
    world.inbox.written()
    world.keeper.died = died
    return row


@pytest.mark.parametrize("died", [-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGILL])
def test_output_that_crashed_the_emulator_is_not_fed_again(cold: World, died: int) -> None:
    row = crashed(cold, died)
    cold.connect()
    assert cold.rows.poison(row.id) == [(5, 8)]
    session = cold.mux.find("api")
    cold.prints(session, b"new")
    assert session.screen.text_rows(0, 1) == ["good new"]
    assert session.journal.read(0, 99) == b"good BADnew"


def test_output_that_was_being_fed_when_somebody_killed_the_server_is_innocent(cold: World) -> None:
    row = crashed(cold, -signal.SIGKILL)
    cold.connect()
    assert cold.rows.poison(row.id) == []
    assert cold.mux.find("api").screen.text_rows(0, 1) == ["good BAD"]
    assert cold.inbox.recover() is None, "the batch is done with"


def test_a_batch_of_a_session_that_was_forgotten_stops_nothing(cold: World) -> None:
    cold.inbox.begin(999, 0)
    cold.inbox.put(b"x")
    cold.connect()
    cold.prints(cold.new(), b"works")


# The keeper's other words


def test_a_ping_is_answered(world: World) -> None:
    world.keeper.link.send(KeeperKind.PING, {"n": 5})
    world.loop.until(lambda: world.keeper.of(KeeperKind.PONG) == [{"n": 5}], "pong")


def test_a_replaced_server_reads_nothing_more(world: World) -> None:
    session = world.new()
    world.keeper.link.send(KeeperKind.REPLACED, {})
    world.loop.until(lambda: world.replaced, "replacement")
    os.write(world.keeper.slaves[session.id], b"for the next one")
    world.loop.settle()
    assert session.journal.end == 0
    assert session.master is None


def test_an_upgrade_that_is_refused_changes_nothing(world: World) -> None:
    server = [sys.executable, "-c", "pass"]
    task = world.loop.create_task(world.mux.upgraded(server, ["python", "keeper2.py"]))
    world.loop.until(lambda: world.keeper.of(KeeperKind.UPGRADE), "upgrade")
    assert world.keeper.of(KeeperKind.UPGRADE) == [
        {"keeper": ["python", "keeper2.py"], "server": [*server, "/run/x/default"]}
    ]
    world.keeper.link.send(KeeperKind.FAILED, {"pane": 0, "errno": 2, "problem": "it does not run"})
    with pytest.raises(UpgradeRefused, match="it does not run"):
        world.loop.until(task.done, "end")
        task.result()
    world.prints(world.new(), b"works")


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ([sys.executable, "-c", "raise SystemExit('no such library')"], "does not start: no such library"),
        (["/nowhere/python"], "cannot run '/nowhere/python'"),
    ],
)
def test_a_server_that_does_not_start_is_found_out_before_the_keeper_is_asked(
    world: World, server: list[str], problem: str
) -> None:
    with pytest.raises(UpgradeRefused, match=problem):
        world.loop.run(world.mux.upgraded(server, ["python", "keeper2.py"]))
    assert world.keeper.of(KeeperKind.UPGRADE) == []
    world.prints(world.new(), b"works")


# Turns and events


def test_one_busy_session_reads_much_and_several_take_turns(world: World) -> None:
    one, two = world.new(), world.new()
    assert world.mux.share(one.id) == READ
    world.loop.settle()
    assert world.mux.share(one.id) == READ
    assert world.mux.share(two.id) == SHARE
    world.loop.call_soon(world.loop.stop)
    world.loop.run_forever()
    assert world.mux.share(one.id) == SHARE, "others were as busy at the last turn"


def test_output_is_told_of_once_in_a_while_and_everything_else_always(world: World) -> None:
    session = world.new()
    events = world.mux.bus.subscribe(lambda: None)
    for _ in range(5):
        world.prints(session, b"x\x07")
    kinds = [event.kind for event in events.take()]
    assert kinds.count("output-activity") == 1 and kinds.count("bell") == 5
    world.loop.advance(ACTIVITY)
    world.prints(session, b"x")
    assert [event.kind for event in events.take() if event.kind != "status"] == ["output-activity"]


# Attaching


def test_an_attached_client_shows_the_session_and_follows_it(world: World) -> None:
    session = world.new(name="api")
    world.prints(session, b"hello ")
    client = world.attached(session)
    assert client.session() == "api"
    number, name, prefix, bindings, read_only = unpack(client.of(Kind.ATTACHED)[0], 5)
    assert (number, name, prefix, read_only) == (str(session.id).encode(), b"api", b"C-b", b"0")
    assert dict(zip(*[iter(bindings.split(b"\0"))] * 2, strict=True))[b"d"] == b"detach"
    assert client.shown() == "hello"
    world.prints(session, b"there")
    assert client.shown() == "hello there"
    assert world.mux.attached(session.id) == 1


def test_typed_bytes_reach_the_program(world: World) -> None:
    session = world.new()
    client = world.attached(session)
    client.send(Kind.INPUT, raw=b"ls\r")
    assert world.reads(session, 3) == b"ls\r"


def test_detaching_leaves_the_program_alone(world: World) -> None:
    session = world.new(name="api")
    client = world.attached(session)
    client.send(Kind.DETACH)
    assert client.exit()[:2] == [b"0", b"[detached from api]"]
    assert session.live and not session.viewers
    client.until(lambda: client.ended, "end of the connection")


def test_a_client_that_dies_is_forgotten(world: World) -> None:
    session = world.new()
    client, other = world.attached(session), world.attached(session)
    client.close()
    world.loop.until(lambda: len(session.viewers) == 1, "departure")
    world.prints(session, b"x")
    assert other.shown() == "x"


def test_the_end_of_the_session_is_the_end_of_the_attachment(world: World) -> None:
    session = world.new()
    client = world.attached(session)
    world.prints(session, b"a\r\nb\r\n")
    world.keeper.ends(session.id, 4)
    assert client.exit()[:3] == [b"0", b"[exited 4]", b"3"]
    client.send(Kind.INPUT, raw=b"too late")
    client.acts("next")
    assert not world.logged, "typing on for a moment is nobody's bug"


def test_who_only_reads_cannot_type_kill_or_resize(world: World) -> None:
    session = world.new()
    client = world.attached(session, (100, 30), read_only=True)
    client.send(Kind.INPUT, raw=b"rm -rf /")
    client.acts("interrupt")
    client.acts("kill")
    client.send(Kind.RESIZE, "120", "40")
    world.loop.advance(RESIZE_WAIT * 2)
    session.type_in(b"ok")
    assert world.reads(session, 2) == b"ok"
    assert session.live and session.size == SIZE
    assert unpack(client.of(Kind.ATTACHED)[0])[4] == b"1"


def test_a_resized_client_is_drawn_at_once_and_the_pane_later(world: World) -> None:
    session = world.new()
    world.prints(session, b"hello")
    client = world.attached(session)
    client.terminal = Screen((100, 30))
    client.send(Kind.RESIZE, "100", "30")
    assert client.shown() == "hello"
    assert session.size == SIZE
    world.loop.advance(RESIZE_WAIT)
    assert session.size == (100, 30)
    world.prints(session, b" raw")
    assert client.shown() == "hello raw"


@pytest.mark.parametrize("size", [("0", "0"), ("-5", "-5"), ("9" * 19, "9" * 19)])
def test_no_size_of_a_terminal_does_harm(world: World, size: tuple[str, str]) -> None:
    """The largest took for ever: there is a tab stop at every eighth column."""
    session = world.new()
    client = world.attached(session)
    client.send(Kind.RESIZE, *size)
    world.loop.advance(RESIZE_WAIT * 2)
    world.prints(session, b"still here")
    world.loop.advance(FRAME)
    assert session.screen.text_rows(0, 1) == ["still here"]
    assert all(n <= 1000 for n in session.size)


@pytest.mark.parametrize("size", [(0, 0), (-5, -5), (9 * 10**18, 9 * 10**18)])
def test_nor_does_the_size_at_the_start(world: World, size: tuple[int, int]) -> None:
    session = world.new()

    def attach(asking: Asking) -> None:
        asking.attach(session)

    world.commands["attach"] = attach
    client = Client(world)
    client.size = size
    client.asks("attach")
    client.until(lambda: client.of(Kind.OUTPUT), "screen")


def test_a_paste_that_the_program_does_not_read_makes_only_that_client_wait(world: World) -> None:
    session = world.new()
    client = world.attached(session)
    sent, part = 0, encode(Kind.INPUT, bytes(1 << 16))
    for _ in range(300):
        try:
            sent += client.sock.send(part[sent % len(part) :])
        except BlockingIOError:
            world.loop.settle()
    assert session.input_high
    assert session._input.size < 1 << 21, "the rest waits in the client's socket"
    other = world.attached(session)
    other.send(Kind.DETACH)
    other.exit()


def test_next_previous_and_last_switch_among_the_running(world: World) -> None:
    one, two, three = (world.new(name=name) for name in ("one", "two", "three"))
    client = world.attached(one)
    seen = []
    for action in ("next", "next", "next", "previous", "last", "last"):
        client.acts(action)
        seen.append(client.session())
    assert seen == ["two", "three", "one", "three", "one", "three"]
    assert [len(session.viewers) for session in (one, two, three)] == [0, 0, 1]
    world.prints(three, b"three's")
    world.prints(one, b"one's")
    assert client.shown() == "three's"


def test_choosing_lists_the_running_and_switches_by_id(world: World) -> None:
    one, two = world.new(name="one"), world.new(name="two")
    client = world.attached(one)
    client.acts("choose")
    (notice,) = client.of(Kind.NOTICE)
    title, text = unpack(notice)
    assert title == b"sessions"
    assert [line.split(b"\t")[0] for line in text.split(b"\n")] == [b"%d" % one.id, b"%d" % two.id]
    client.acts("switch", str(two.id))
    assert client.session() == "two"


@pytest.mark.parametrize("action", ["last", "switch"])
def test_what_cannot_be_done_is_a_notice(world: World, action: str) -> None:
    client = world.attached(world.new())
    client.acts(action, "nope")
    (notice,) = client.of(Kind.NOTICE)
    assert unpack(notice)[0].startswith(b"agentmux: ")
    assert not client.of(Kind.EXIT)


def test_new_starts_a_shell_and_shows_it(world: World) -> None:
    client = world.attached(world.new(name="one"))
    client.acts("new")
    client.until(lambda: len(client.of(Kind.ATTACHED)) == 2, "new session")
    assert len(world.mux.live()) == 2
    assert world.mux.latest().viewers


def test_kill_and_interrupt_from_the_keyboard(world: World) -> None:
    session = world.new()
    client = world.attached(session)
    client.acts("interrupt")
    assert world.reads(session, 1) == b"\x03"
    client.acts("kill")
    assert client.exit()[1] == b"[killed]"


def test_an_unknown_action_of_a_newer_client_does_nothing(world: World) -> None:
    session = world.new()
    client = world.attached(session)
    client.acts("teleport")
    client.send(Kind.INPUT, raw=b"x")
    assert world.reads(session, 1) == b"x"


def test_paused_clients_are_drawn_again(world: World) -> None:
    session = world.new()
    client = world.attached(session)
    client.send(Kind.PAUSE)
    world.prints(session, b"hidden")
    assert client.shown() == ""
    client.send(Kind.RESUME)
    assert client.shown() == "hidden"


def test_a_bell_for_what_cannot_be_typed(world: World) -> None:
    session = world.new()
    client = world.attached(session)
    session.type_in(bytes(1 << 20))
    with pytest.raises(Exception, match="not reading"):
        session.type_in(bytes(1 << 23))
    before = len(client.of(Kind.OUTPUT))
    client.sock.send(encode(Kind.INPUT, bytes(100)))  # over the high mark: read, then the client waits
    world.loop.settle()
    assert len(client.of(Kind.OUTPUT)) == before


@pytest.mark.parametrize(
    ("terminal", "env", "error"),
    [(False, ENV, NeedsTerminal), (True, {**ENV, "AGENTMUX": "/else,1"}, Nested)],
)
def test_attaching_needs_a_terminal_that_is_not_a_session(
    world: World, terminal: bool, env: dict[str, str], error: type[Exception]
) -> None:
    session = world.new()
    caught: list[Exception] = []

    def attach(asking: Asking) -> None:
        try:
            asking.attach(session)
        except Exception as error:
            caught.append(error)
            raise

    world.commands["attach"] = attach
    client = Client(world, env=env)
    client.asks("attach", terminal=terminal)
    assert client.exit()[0] == b"1"
    assert [type(each) for each in caught] == [error]


# What commands ask


def asked(world: World, command: Callable[[Asking], Awaitable[int | None] | int | None], env: dict[str, str]) -> None:
    world.commands["ask"] = command
    Client(world, env=env).asks("ask")


def test_without_a_target_it_is_the_session_one_is_in_else_the_last_used(world: World) -> None:
    one, two = world.new(), world.new()
    found: list[Session] = []
    inside = {"AGENTMUX": "/run/x/default,77", "AGENTMUX_SESSION": str(one.id)}
    for env in (inside, {**inside, "AGENTMUX": "/other,77"}, {**inside, "AGENTMUX_SESSION": "x"}, {}):
        asked(world, lambda asking: found.append(asking.session(None)), env)  # type: ignore[func-returns-value]
    assert found == [one, two, two, two]


def test_a_wait_ends_with_output_or_with_its_time(world: World) -> None:
    session = world.new("cat")
    ends: list[bool] = []

    async def waits(asking: Asking) -> None:
        ends.append(await asking.changed([session], asking.loop.time() + 5))

    asked(world, waits, {})
    world.prints(session, b"x")
    world.loop.settle()
    assert ends == [True]
    asked(world, waits, {})
    world.loop.advance(4)
    assert ends == [True]
    world.loop.advance(2)
    assert ends == [True, False]
    assert session.watchers == []


def test_events_come_until_the_client_goes(world: World) -> None:
    one, two = world.new(name="one"), world.new(name="two")
    seen: list[Happened] = []

    async def follows(asking: Asking) -> None:
        async for event in asking.events(one):
            seen.append(event)

    world.commands["follow"] = follows
    client = Client(world)
    client.asks("follow")
    world.mux.rename(two, "zwei")
    world.mux.rename(one, "uno")
    world.loop.settle()
    assert [(event.kind, event.facts) for event in seen] == [("renamed", {"old": "one"})]
    client.close()
    world.loop.until(lambda: not world.mux.bus.followed, "end of the subscription")


# Putting recordings away


def put_away(world: World, session: Session) -> bool:
    return not any(name.endswith((".raw", ".marks")) for name in os.listdir(session.journal.path))


def test_what_an_ended_session_printed_is_put_away_and_read_as_before(world: World) -> None:
    session = world.new(name="api")
    world.prints(session, b"first words")
    world.keeper.ends(session.id, 0)
    world.loop.until(lambda: put_away(world, session), "closed segment in the archive", tick=0.01)
    assert session.journal.read(0, 99) == b"first words"
    assert world.stores.archive(session.id).segments() == [(0, 11)]
    assert session.screen.text_rows(0, 1) == ["first words"]
    again = world.stores.recording(session.id)[0]
    assert again.read(0, 99) == b"first words"


def test_a_session_that_rests_is_drawn_before_anybody_attaches(world: World) -> None:
    session = world.new()
    screen, rows = session.screen, session.rows_above()
    rests: list[int] = []
    world.mux.memory.rests = lambda session: rests.append(session.id)
    for number in (1, 2):
        world.prints(session, b"for whoever comes\r\n" * 300)
        world.loop.until(lambda number=number: len(rests) == number, "rest", tick=QUIET)
        assert not screen.draw_ahead(rows), "nothing was left to draw"


def test_a_large_part_is_put_away_when_nothing_comes_for_a_while(world: World) -> None:
    quiet, busy, small = (world.new(name=name) for name in ("quiet", "busy", "small"))
    for session in (quiet, busy):
        for _ in range(LARGE // 4096):
            world.prints(session, b"0123456789abcdef" * 256)
    world.prints(small, b"little")
    resting = world.mux.memory.archiver._resting
    world.loop.until(lambda: set(resting) == {quiet.id, busy.id}, "rest of both", tick=QUIET)
    world.loop.advance(IDLE / 2)
    world.prints(busy, b"more")
    world.loop.advance(IDLE / 2)
    world.loop.until(lambda: put_away(world, quiet), "closed segment in the archive", tick=0.01)
    assert quiet.journal.end == LARGE
    assert not put_away(world, busy) and not put_away(world, small)
    world.prints(quiet, b"again")
    assert quiet.journal.read(LARGE - 2, 99) == b"efagain"


def test_what_a_server_before_did_not_put_away_is(cold: World) -> None:
    row = cold.row("old")
    journal = cold.journal(row)
    journal.append(b"left over")
    journal.release()
    cold.rows.set_exited(row.id, 0, 2.0)
    cold.connect()
    cold.loop.advance(LEFT_OVER_AFTER)
    cold.loop.until(lambda: put_away(cold, cold.mux.find("old")), "closed segment in the archive", tick=0.01)
    assert cold.mux.find("old").journal.read(0, 99) == b"left over"
    assert [found.snippet for found in cold.stores.search.search("left")] == ["\x02left\x03 over"]


def test_without_a_thread_it_is_tried_again_later(world: World) -> None:
    session = world.new(name="api")
    world.prints(session, b"first words")
    none = ThreadPoolExecutor(1)
    none.shutdown()  # it refuses as one does that can't have a thread: RuntimeError
    world.loop.set_default_executor(none)
    world.keeper.ends(session.id, 0)
    world.loop.until(lambda: any("not put away" in line for line in world.logged), "complaint", tick=0.01)
    world.loop.set_default_executor(ThreadPoolExecutor(1))
    other = world.new(name="web")
    world.prints(other, b"more")
    world.keeper.ends(other.id, 0)
    world.loop.until(lambda: put_away(world, session) and put_away(world, other), "the archive", tick=0.01)


def test_without_room_it_is_said_once_and_tried_again_later(world: World) -> None:
    first, second = world.new(name="first"), world.new(name="second")
    world.prints(first, b"words")
    blobs = world.folder / "data" / "blobs"
    blobs.rmdir()
    blobs.touch()
    world.keeper.ends(first.id, 0)
    world.loop.until(lambda: any("not put away" in line for line in world.logged), "warning", tick=0.01)
    world.keeper.ends(second.id, 0)
    world.loop.until(lambda: not second.live, "end")
    assert first.journal.read(0, 99) == b"words"
    blobs.unlink()
    blobs.mkdir(mode=0o700)
    world.mux.memory.archiver.indexed(first, first.journal.end)
    world.loop.until(lambda: put_away(world, first), "closed segment in the archive", tick=0.01)
    assert len([line for line in world.logged if "not put away" in line]) == 1


def test_what_is_over_the_bound_of_all_sessions_goes_the_oldest_first(world: World) -> None:
    world.config.write_text("store-bytes = 1\n")
    session = world.new(name="api")
    for _ in range(3):
        world.prints(session, os.urandom(3000).hex().encode()[:4000])
        session.journal.close_segment()
        world.mux.memory.archiver.indexed(session, session.journal.end)
        world.loop.until(lambda: put_away(world, session), "closed segment in the archive", tick=0.01)
    assert session.journal.start == 0
    world.loop.advance(TRIM_AFTER)
    assert session.journal.start == 8000
    assert world.stores.archive(session.id).segments() == [(8000, 12000)]
    assert len(session.journal.read(8000, 9999)) == 4000


def test_what_is_too_old_goes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the clock is believed, and without anything more that is put away; not while it is years ahead."""
    began, ahead = time.time() - world.loop.clock, 0.0
    monkeypatch.setattr(time, "time", lambda: began + ahead + world.loop.clock)
    world.config.write_text("keep-days = 2\n")
    session = world.new(name="api")
    now = world.mux.now()
    for number in range(3):
        world.prints(session, b"%04000d" % number)
        session.journal.close_segment()
        world.mux.memory.archiver.indexed(session, session.journal.end)
        world.loop.until(lambda: put_away(world, session), "closed segment in the archive", tick=0.01)
    world.stores.database.execute("UPDATE segment SET last = ? WHERE start = 0", (now - 3 * DAY,))
    world.loop.advance(TRIM_AFTER)
    assert session.journal.start == 0
    world.loop.advance(STEADY)
    ahead = 3650.0 * DAY
    world.loop.advance(TRIM_AFTER)
    assert session.journal.start == 0
    world.loop.advance(STEADY - TRIM_AFTER)
    ahead = 0.0
    for _ in range(2):
        world.loop.advance(TRIM_AFTER)
        assert session.journal.start == 0
    world.loop.advance(STEADY)
    world.loop.advance(TRIM_AFTER)
    assert session.journal.start == 4000


def test_what_is_deleted_before_it_is_indexed_is_passed_over(world: World) -> None:
    session = world.new(name="api")
    world.prints(session, b"gone words\r\n")
    session.journal.close_segment()
    world.prints(session, b"kept words\r\n")
    world.mux.memory.indexer.printed(session)
    session.journal.drop_oldest()
    world.loop.until(lambda: world.stores.search.search("kept"), "found output", tick=0.01)
    assert world.stores.search.search("gone") == []
    assert not [line for line in world.logged if "index" in line]


def test_a_session_knows_its_agent_and_how_much_is_remembered_of_it(world: World) -> None:
    folder = world.config.with_name(f"{world.config.name}.agents")
    folder.mkdir()
    world.config.write_text('record = "screen"\n')
    assert (world.new(name="shell").row.agent, world.new().row.record) == ("shell", "screen")
    (folder / "shell.toml").write_text('title = "x"\nrecord = "off"\n[recognise]\ncommands = ["sh"]\n')
    assert world.new(name="other").row.record == "off"


@pytest.mark.parametrize("by_itself", [True, False], ids=["journal", "store"])
def test_output_that_is_not_kept_any_more_is_not_found_either(world: World, by_itself: bool) -> None:
    world.config.write_text("store-bytes = 1\n")
    session = world.new(name="api")
    search = world.stores.search.search
    for word in ("badger", "otter", "weasel"):
        world.prints(session, word.encode() + os.urandom(300).hex().encode())
        session.journal.close_segment()
        world.mux.memory.indexer.printed(session)
        world.loop.until(lambda: put_away(world, session), "closed segment in the archive", tick=0.01)
        assert len(search(word + "*")) == 1
    if by_itself:
        session.journal.drop_oldest()
        session.journal.drop_oldest()
        world.mux.memory.indexer.printed(session)
    else:
        world.keeper.ends(session.id, 0)
        world.loop.until(lambda: not session.live, "end")
        world.loop.until(lambda: world.mux.memory.indexer.idle, "idle index", tick=0.01)
        world.loop.advance(TRIM_AFTER)
    world.loop.until(lambda: not search("otter*"), "output not found", tick=0.01)
    assert not search("badger*")
    assert len(search("weasel*")) == 1
