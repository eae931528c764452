"""The server's end of the link to the keeper: events in, requests out, nothing blocks.

The wire is keeper.py's, whose module docstring and ``Kind`` describe it. Watch ``fileno()`` for reading, and
for writing while ``wants_write``.
"""

from __future__ import annotations

import errno
import json
import os
import socket
from dataclasses import dataclass

from .keeper import VERSION, Kind, Link, ProtocolError, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .keeper import Body

MAX_QUEUED = 32 << 20
"""Most bytes that wait for the keeper. It reads at once, so more means that it is stopped."""


class KeeperGone(Exception):
    """The link has ended. Unless Replaced came first, the keeper is dead: start another."""


class KeeperBusy(OSError):
    """The keeper does not read. Only this request is lost: tell who asked for it."""

    def __init__(self) -> None:
        super().__init__(errno.EAGAIN, "the keeper does not answer")


@dataclass(frozen=True, slots=True)
class Welcome:
    """The keeper greets. ``died`` is how the server before ended: a code, minus a signal, None if unknown."""

    version: int
    pid: int
    socket: str
    died: int | None
    panes: int


@dataclass(frozen=True, slots=True)
class Listener:
    """The listening socket. The fd is the receiver's, here and below."""

    fd: int
    path: str


@dataclass(frozen=True, slots=True)
class Pane:
    """A pane that the keeper holds. ``status`` means something once ``exited``; None is then unknown."""

    pane: int
    pid: int
    label: str
    status: int | None
    exited: bool
    started: float
    fd: int


@dataclass(frozen=True, slots=True)
class Settled:
    """Everything the keeper holds has been handed over."""


@dataclass(frozen=True, slots=True)
class Spawned:
    """A program runs: its exec is confirmed. ``started`` in Unix seconds."""

    pane: int
    pid: int
    started: float
    fd: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A program did not start. ``pane`` 0: an upgrade was refused, and nothing has changed."""

    pane: int
    errno: int
    problem: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A program ended. Its output may still be unread; the keeper remembers this until told to forget."""

    pane: int
    status: int | None


@dataclass(frozen=True, slots=True)
class Ping:
    """Answer it with ``pong(n)``."""

    n: int


@dataclass(frozen=True, slots=True)
class Replaced:
    """Exit at once, without another read of a master."""


Event = Welcome | Listener | Pane | Settled | Spawned | Failed | Exited | Ping | Replaced


class KeeperLink:
    """Requests are queued and sent as the keeper takes them, in order.

    Descriptors that are passed to a method stay the caller's. Every request may raise KeeperBusy.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._link = Link(sock)

    def fileno(self) -> int:
        return self._link.fileno()

    @property
    def wants_write(self) -> bool:
        return self._link.wants_write

    def flush(self) -> None:
        """Send what goes out now. That the keeper is gone is told by ``receive``."""
        self._link.flush()

    def close(self) -> None:
        self._link.close()

    def receive(self) -> list[Event]:
        """Return what has arrived, which may be nothing.

        Raises:
            KeeperGone: the stream has ended, and all that came before was returned.
        """
        events = []
        for kind, body, fd in self._link.receive():
            try:
                event = _event(kind, body, fd)
            except LookupError:
                event = None
                self._link.gone = f"{kind.name} without what belongs in it"
            if event is not None and not _sound(event):
                event = None
                self._link.gone = f"{kind.name} with what does not belong in it"
            if event is not None:
                events.append(event)
            elif fd >= 0:
                os.close(fd)
        if self._link.gone:
            if not events:
                raise KeeperGone(self._link.gone)
            self._link.hang_up()  # so that we are called again
        return events

    def hello(self, server: Sequence[str] | None = None, *, pid: int = 0) -> None:
        """Greet first of all. ``server`` is the argv to start servers with from now on."""
        self._send(Kind.HELLO, {"version": VERSION, "pid": pid or os.getpid(), "server": server and list(server)})

    def ready(self) -> None:
        """Say that clients are served. A server that does not in time is replaced."""
        self._send(Kind.READY, {})

    def pong(self, n: int) -> None:
        self._send(Kind.PONG, {"n": n})

    def spawn(
        self,
        pane: int,
        *,
        argv: Sequence[str],
        cwd: str,
        env: Mapping[str, str],
        size: tuple[int, int],
        label: str,
        program: str,
        umask: int | None = None,
    ) -> None:
        """Ask for ``program``, an absolute path, to run as ``argv`` on a new terminal.

        Answered by Spawned or Failed. The size is (columns, rows). ``umask`` None means that of whoever
        started the keeper.

        Raises:
            OSError: E2BIG, the arguments and the environment are too long.
        """
        body: Body = {"pane": pane, "program": program, "argv": list(argv), "cwd": cwd, "env": dict(env)}
        body |= {"size": list(size), "label": label}
        if umask is not None:
            body["umask"] = umask
        try:
            self._send(Kind.SPAWN, body)
        except ProtocolError:
            raise OSError(errno.E2BIG, os.strerror(errno.E2BIG).lower()) from None

    def signal(self, pane: int, number: int, *, group: bool = False) -> None:
        """Signal a pane's program; ``group``: also its group and its terminal's foreground group.

        Does nothing once the program was reaped: its pid may be another's.
        """
        self._send(Kind.SIGNAL, {"pane": pane, "signal": int(number), "group": group})

    def label(self, pane: int, label: str) -> None:
        self._send(Kind.LABEL, {"pane": pane, "label": label})

    def forget(self, pane: int) -> None:
        """Have the keeper let go of a pane. A program that runs is hung up when we close our master."""
        self._send(Kind.FORGET, {"pane": pane})

    def listener(self, fd: int, path: str) -> None:
        """Hand the listening socket to a new keeper, before any pane."""
        self._send(Kind.LISTENER, {"path": path}, fd)

    def adopt(
        self,
        pane: int,
        pid: int,
        *,
        label: str,
        status: int | None = None,
        exited: bool = False,
        started: float,
        fd: int,
    ) -> None:
        """Hand a pane to a new keeper, which can tell that the program ends, but not with what status."""
        body = {
            "pane": pane,
            "pid": pid,
            "label": label,
            "status": status,
            "exited": exited,
            "started": started,
        }
        self._send(Kind.ADOPT, body, fd)

    def upgrade(self, keeper: Sequence[str], server: Sequence[str]) -> None:
        """Have the keeper become ``keeper``, an argv up to its file's path, and start ``server``.

        Answered by Replaced; by Failed with pane 0 if the new keeper does not run.
        """
        self._send(Kind.UPGRADE, {"keeper": list(keeper), "server": list(server)})

    def stop(self) -> None:
        """Have the keeper unlink the socket and end. Answered by Replaced."""
        self._send(Kind.STOP, {})

    def _send(self, kind: Kind, body: Body, fd: int = -1) -> None:
        if self._link.queued > MAX_QUEUED:
            raise KeeperBusy
        self._link.send(kind, body, fd)


def _event(kind: Kind, body: Body, fd: int) -> Event | None:
    match kind:
        case Kind.WELCOME:
            return Welcome(body["version"], body["pid"], body["socket"], body["died"], body["panes"])
        case Kind.LISTENER:
            return Listener(fd, body["path"])
        case Kind.PANE:
            ended = body["status"], body["exited"]
            return Pane(body["pane"], body["pid"], body["label"], *ended, body["started"], fd)
        case Kind.SETTLED:
            return Settled()
        case Kind.SPAWNED:
            return Spawned(body["pane"], body["pid"], body["started"], fd)
        case Kind.FAILED:
            return Failed(body["pane"], body["errno"], body["problem"])
        case Kind.EXITED:
            return Exited(body["pane"], body["status"])
        case Kind.PING:
            return Ping(body["n"])
        case Kind.REPLACED:
            return Replaced()
        case _:
            return None


_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("version", "pid", "panes", "pane", "errno", "n", "fd"), int),
    **dict.fromkeys(("socket", "path", "label", "problem"), str),
    **dict.fromkeys(("died", "status"), (int, type(None))),
    "exited": bool,
    "started": (int, float),
}


def _sound(event: Event) -> bool:
    """Whether each field is of its type."""
    return all(isinstance(getattr(event, name), _TYPES[name]) for name in event.__slots__)


def start_keeper(
    socket_path: str,
    server_argv: Sequence[str],
    log: str,
    python: str,
    keeper_path: str,
    *,
    beat: float | None = None,
) -> KeeperLink:
    """Start a keeper in place of one that died, and return the link to it.

    Then send it ``hello``, ``listener`` and each pane with ``adopt``. Blocks for as long as a bare
    interpreter takes to start.

    Raises:
        OSError: it did not start.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.set_inheritable(True)
        config: Body = {
            "socket": socket_path,
            "server": list(server_argv),
            "log": log,
            "link": theirs.fileno(),
        }
        if beat is not None:
            config["beat"] = beat
        try:
            pid = start([python, "-I", keeper_path, json.dumps(config)])
            _, status = os.waitpid(pid, 0)  # it forks: the daemon is not our child
            if status:
                raise OSError(f"the keeper ended with {os.waitstatus_to_exitcode(status)}")
        except OSError:
            ours.close()
            raise
    return KeeperLink(ours)
