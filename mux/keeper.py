"""The keeper: the small process that holds what has to outlive every server.

One per socket. It holds the listening socket, a spare copy of every pty master, the children's pids, their
exit statuses until FORGET, and one opaque label per pane. It starts the server, replaces a dead or hung one,
forks the panes' programs and delivers signals. Those are all its duties: it reads no master, parses no
output, has no thread and imports nothing of ours, because agents live as long as this code has no bug. It is one
file, run by its path, so that an environment that breaks or is replaced later can't touch it.

    PYTHON -I keeper.py '{"socket": path, "server": [argv], "log": path}'

The caller's process binds the socket and tells why it can't; a fork of it goes on as the daemon. With "link",
the number of an inherited fd, it serves the living server at its other end, whose keeper died; with "state",
also an fd, it is what a keeper became after UPGRADE. "beat" is the seconds between heartbeats.

The wire format and this JSON are FROZEN: a keeper outlives many servers, which may be older or newer. Kinds
and fields are only ever added; unknown ones are skipped. A record is::

    +-----------+----------------+------------------------------------+
    | kind (u8) | length (u32be) | JSON object in ASCII, length bytes |
    +-----------+----------------+------------------------------------+

A kind of 0x80 and above carries exactly one descriptor, sent along with the record's first byte. Strings are
UTF-8 with surrogateescape, sizes are [columns, rows], times are Unix seconds. An exit status is a code,
the negative of a signal, or null: not known.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import json
import os
import resource
import select
import signal
import socket
import stat
import struct
import sys
import time
from collections import deque

from ptyprocess import PtyProcess

TYPE_CHECKING = False  # typing itself costs 20 ms and a megabyte here
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, NoReturn

    Body = dict[str, Any]

VERSION = 1
"""Of the keeper's behaviour, in WELCOME. A server that knows a higher one may send UPGRADE."""
MAX_BODY = 4 << 20
"""Largest body, in bytes: Linux takes 2 MiB of argv and environment, which JSON may stretch."""
MAX_LABEL = 4096
BEAT = 2.0
REST = 5
"""A server that has not answered is asked again after BEAT seconds; one that has, after so many of them."""
NOFILE = 65536
"""Our limit of open files. Not more: some systems close them one by one, up to the limit, at each fork."""
SPAWN_SECONDS = 10
"""How long a child may take to reach its program; a dead network mount would hold us for ever."""
GRACE = 2.0
"""Seconds in which a server that was told to go may still go by itself."""
GIVEN = "AGENTMUX_GIVEN"
"""Environment variable with the umask and file limit we were started with: the children's, not ours."""
_HEADER = struct.Struct(">BI")
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_SIGNALS = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


class Kind(enum.IntEnum):
    """What a record means. FROZEN numbers; see the module's docstring."""

    # server to keeper
    HELLO = 1  # version, pid, server?: its argv from the next start on
    READY = 2  # it serves clients
    PONG = 3  # n
    SPAWN = 4  # pane, program: absolute path, argv, cwd, env, size, label, umask?: answered SPAWNED or FAILED
    SIGNAL = 5  # pane, signal, group: also to the program's group and the terminal's foreground group
    LABEL = 6  # pane, label
    FORGET = 7  # pane: running or not, we let go of it
    UPGRADE = 8  # keeper: argv up to keeper.py, server: argv; answered REPLACED, or FAILED with pane 0
    STOP = 9  # unlink the socket and go; programs that still live are hung up
    ADOPT = 0x81  # pane, pid, label, status, exited, started, +master
    # both ways
    LISTENER = 0x80  # path, +listening socket
    # keeper to server; a new link gets WELCOME LISTENER PANE... SETTLED as the answer to HELLO
    WELCOME = 33  # version, pid, socket, died: exit status of the server before, panes: count
    SETTLED = 34  # everything held has been handed over
    FAILED = 35  # pane, errno, problem: one line for the user
    EXITED = 36  # pane, status
    PING = 37  # n
    REPLACED = 38  # we close this link: exit at once. An EOF without it means that the keeper died
    PANE = 0x82  # pane, pid, label, status, exited, started, +master
    SPAWNED = 0x83  # pane, pid, started, +master


class ProtocolError(Exception):
    """The peer sent what no peer sends. The stream can't be resynchronised: close it."""


MALFORMED = (ArithmeticError, AttributeError, LookupError, OSError, ProtocolError, TypeError, ValueError)
"""What a record that makes no sense may raise. It is dropped, and the keeper goes on."""


def encode(kind: Kind, body: Body) -> bytes:
    """Return the record.

    Raises:
        ProtocolError: it would be over MAX_BODY. Refuse what asked for it.
    """
    text = json.dumps(body, separators=(",", ":")).encode("ascii")
    if len(text) > MAX_BODY:
        raise ProtocolError(f"record of {len(text)} bytes is over {MAX_BODY}")
    return _HEADER.pack(kind, len(text)) + text


class Decoder:
    """Turn a byte stream, cut anywhere, and the fds that came with it, into records.

    Owns the fds until it yields them; a record without one has -1.
    """

    def __init__(self) -> None:
        self._tail = bytearray()
        self._fds: deque[int] = deque()

    def feed(self, data: bytes, fds: Iterable[int] = ()) -> Iterator[tuple[Kind, Body, int]]:
        """Yield the records that ``data`` completes, oldest first.

        Raises:
            ProtocolError: too long, not a JSON object, or a descriptor is missing.
        """
        self._tail += data
        self._fds.extend(fds)
        while len(self._tail) >= _HEADER.size:
            number, length = _HEADER.unpack_from(self._tail)
            if length > MAX_BODY:
                raise ProtocolError(f"record of {length} bytes is over {MAX_BODY}")
            end = _HEADER.size + length
            if len(self._tail) < end:
                return
            text = bytes(self._tail[_HEADER.size : end])
            del self._tail[:end]
            if number >= 0x80 and not self._fds:
                raise ProtocolError(f"record of kind {number} without its descriptor")
            fd = self._fds.popleft() if number >= 0x80 else -1
            try:
                kind = Kind(number)
            except ValueError:
                _close(fd)
                continue
            try:
                body = json.loads(text)
            except (ValueError, RecursionError):
                body = None
            if not isinstance(body, dict):
                _close(fd)
                raise ProtocolError(f"{kind.name} without a JSON object")
            yield kind, body, fd
        if len(self._fds) > 1:
            raise ProtocolError("descriptors without records")

    def close(self) -> None:
        while self._fds:
            _close(self._fds.popleft())


class Link:
    """One end of the stream between server and keeper. Neither sending nor receiving ever blocks.

    ``gone`` is empty until the stream has ended, then the reason.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.set_inheritable(False)
        self._sock = sock
        self._decoder = Decoder()
        self._queue: deque[tuple[memoryview, int]] = deque()
        self.queued = 0  # bytes
        self.gone = ""

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def wants_write(self) -> bool:
        return bool(self._queue)

    def send(self, kind: Kind, body: Body, fd: int = -1) -> None:
        """Queue a record with a duplicate of ``fd``, and send what goes out now."""
        data = memoryview(encode(kind, body))
        self._queue.append((data, os.dup(fd) if fd >= 0 else -1))
        self.queued += len(data)
        self.flush()

    def flush(self) -> None:
        """Send what the socket takes. A lost peer is no error yet: what it sent is still to be read."""
        try:
            while self._queue:
                data, fd = self._queue[0]
                sent = socket.send_fds(self._sock, [data], [fd] if fd >= 0 else [])
                self.queued -= sent
                self._queue[0] = (data[sent:], -1)
                _close(fd)
                if sent == len(data):
                    self._queue.popleft()
        except OSError as error:
            if error.errno in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF):
                self._drop()

    def receive(self) -> list[tuple[Kind, Body, int]]:
        """Return what has arrived, a bounded amount at a time. The fds in it are the caller's."""
        records: list[tuple[Kind, Body, int]] = []
        try:
            for _ in range(16):
                if self.gone:
                    break
                data, fds, flags, _ = socket.recv_fds(self._sock, 1 << 16, 1, _CLOEXEC)
                for fd in fds:
                    os.set_inheritable(fd, False)
                if not data:
                    self.gone = "closed"
                records.extend(self._decoder.feed(data, fds))
                if flags & socket.MSG_CTRUNC:
                    raise ProtocolError("a descriptor was lost on the way")
        except BlockingIOError:
            pass
        except (OSError, ProtocolError) as error:
            self.gone = str(error)
        return records

    def hang_up(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._drop()
        self._decoder.close()
        self._sock.close()

    def _drop(self) -> None:
        while self._queue:
            _close(self._queue.popleft()[1])
        self.queued = 0


class Backoff:
    """How long to wait before the next server, from how the last ones ended. Agents stall while none runs,
    so it never gives up, and waits for long only where waiting may help: a server that can't even start."""

    def __init__(self) -> None:
        self._failures = 0
        self._deaths: deque[float] = deque(maxlen=4)

    def died(self, now: float, was_ready: bool) -> float:
        """Return the seconds to wait after a death at ``now``."""
        if not was_ready:
            self._failures += 1
            return min(2.0 ** min(self._failures - 1, 5), 30.0)
        self._failures = 0
        self._deaths.append(now)
        recent = sum(1 for death in self._deaths if now - death < 10)
        return (0.0, 0.0, 0.0, 0.25, 0.5)[recent]


class Pulse:
    """Whether a server lives. Beats are counted, not seconds: a late beat means that we were stopped
    ourselves, so what the server left unanswered until then proves nothing."""

    def __init__(self, now: float, every: float = BEAT) -> None:
        self.due = now + every
        self.ready = False
        self._every = every
        self._missed = 0

    def answered(self, now: float) -> None:
        self._missed = 0
        self.due = now + self._every * REST

    def beat(self, now: float) -> bool:
        """Return whether the server still counts as alive; if so and it is ready, send it a PING.

        Call it once ``now`` has reached ``due``.
        """
        if now - self.due > self._every:
            self._missed = 0
        self.due = now + self._every
        if self._missed >= (3 if self.ready else 14):
            return False
        self._missed += 1
        return True


class Pane:
    """A program on a terminal, or what is left of it."""

    __slots__ = ("child", "exited", "fd", "label", "name", "pid", "pidfd", "started", "status")

    def __init__(self, body: Body, fd: int, child: bool, pidfd: int = -1) -> None:
        self.name = _checked_int(body["pane"])
        self.pid = _checked_pid(body["pid"])
        self.label = _checked_label(body["label"])
        self.status = body["status"] if body["status"] is None else _checked_int(body["status"])
        self.exited = bool(body["exited"])
        self.started = float(body["started"])
        self.fd = fd
        self.child = child
        self.pidfd = pidfd  # of a program that is not our child

    def body(self) -> Body:
        body = {"pane": self.name, "pid": self.pid, "label": self.label}
        return {**body, "status": self.status, "exited": self.exited, "started": self.started}

    def close(self) -> None:
        _close(self.fd)
        _close(self.pidfd)
        self.fd = self.pidfd = -1


class _Terminal(PtyProcess):  # type: ignore[misc]  # ptyprocess has no types
    """A PtyProcess whose descriptor and process are ours: it closes nothing and ends nobody."""

    closed = True  # so __del__ does nothing
    born = 0

    def __init__(self, pid: int, fd: int) -> None:
        _Terminal.born = self.pid = pid
        self.fd = fd


def spawn(request: Body) -> tuple[int, int]:
    """Start a program on a new terminal; return its pid and the master.

    Only the child touches the user's paths, since a dead network mount blocks who does.

    Raises:
        OSError: ``strerror`` is for the user. Of the attempt nothing is left but a zombie to reap.
        MALFORMED: the request makes no sense.
    """
    cwd, program = _raw(request["cwd"]), _raw(request["program"])
    argv = [_raw(word) for word in request["argv"]]
    env = {_raw(name): _raw(value) for name, value in request["env"].items()}
    columns, rows = (min(max(int(number), 1), 0xFFFF) for number in request["size"])
    mask, nofile = (int(number) for number in os.environ[GIVEN].split())
    mask = request.get("umask", mask) & 0o777

    def become() -> None:
        doing = "enter"
        try:
            os.chdir(cwd)
            doing = "run"
            os.umask(mask)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            with contextlib.suppress(OSError, ValueError):
                _limit_files(nofile)
            with contextlib.suppress(OSError, ValueError), open("/proc/self/oom_score_adj", "r+") as file:
                worse = min(int(file.read()) + 100, 1000)  # memory pressure shall take an agent and not us
                file.seek(0)
                file.write(str(worse))
            os.execve(program, argv, env)
        except (OSError, ValueError) as error:
            # ptyprocess hands this text up as UTF-8, which no user's path may upset
            raise RuntimeError(f"{getattr(error, 'errno', None) or errno.EINVAL} {doing}") from None

    here, before, _Terminal.born = os.getpid(), _descriptors(), 0
    try:
        signal.setitimer(signal.ITIMER_REAL, SPAWN_SECONDS)
        # ptyprocess would look argv[0] up in our PATH and replace it: give it another, and exec ourselves
        terminal = _Terminal.spawn(["/bin/sh"], preexec_fn=become, dimensions=(rows, columns))
    except BaseException as error:
        if os.getpid() != here:
            os._exit(127)  # a child that fell out of ptyprocess: there must never be two of us
        signal.setitimer(signal.ITIMER_REAL, 0)
        if _Terminal.born:
            os.kill(_Terminal.born, signal.SIGKILL)
        for fd in _descriptors() - before:  # the master, and the pipe that ptyprocess forgets
            _close(fd)
        if isinstance(error, RuntimeError):  # the child's report
            number, doing = int(str(error).split()[0]), str(error).split()[1]
            where = f"cannot enter {request['cwd']!r}: " if doing == "enter" else ""
            raise OSError(number, where + os.strerror(number).lower()) from None
        if isinstance(error, OSError):  # one without a number is Python's own: out of pty devices
            raise OSError(error.errno or errno.EAGAIN, (error.strerror or str(error)).lower()) from None
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    os.set_inheritable(terminal.fd, False)
    return terminal.pid, terminal.fd


def listen(path: str) -> int:
    """Return a socket that listens on ``path``, in place of one that nobody listens on any more.

    Raises:
        OSError: EADDRINUSE, somebody listens there; else we can't.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        if probe.connect_ex(path) in (0, errno.EAGAIN):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        os.chmod(path, 0o600)
        sock.listen(128)
        return sock.detach()


class Keeper:
    """The loop. Each turn waits once and then looks at everything, so no wake-up can be lost."""

    def __init__(self, config: Body) -> None:
        self.config = config
        self.panes: dict[int, Pane] = {}
        self.listener = -1
        self.inode: list[int] = []  # of the socket's file while that is ours: device, number
        self.link: Link | None = None
        self.settled = False  # this link has been handed everything
        self.server = 0  # the server's pid, 0 while there is none
        self.pidfd = -1  # of a server that is not our child
        self.is_child = True
        self.died: int | None = None
        self.pulse = Pulse(0.0)
        self.pings = 0
        self.backoff = Backoff()
        self.start_at = self.kill_at = 0.0
        self.after = "start"  # when the server has gone: "start", "upgrade" or "stop"
        self.upgrade: tuple[list[str], list[str]] = ([], [])  # argv of the next keeper, and of its server
        self.checking = 0  # pid of the next keeper's dry run
        self.asked_to_stop = False

    def listen(self) -> None:
        """Make the listening socket.

        Raises:
            OSError: we can't, or somebody listens there already.
        """
        self.listener = listen(self.config["socket"])
        self.inode = _inode(self.config["socket"])

    def serve(self, link: socket.socket, pid: int) -> None:
        """Take a new server. ``pid`` 0 means that it is not our child, and HELLO will tell."""
        self.link = Link(link)
        self.server, self.is_child, self.settled = pid, pid != 0, False
        self.pulse = Pulse(time.monotonic(), self.config.get("beat", BEAT))

    def run(self) -> int:
        wake, waker = socket.socketpair()
        wake.setblocking(False)
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGALRM, _on_alarm)
        signal.signal(signal.SIGTERM, self._on_term)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGUSR1):  # the last is for servers
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        while True:
            self.turn(wake)

    def turn(self, wake: socket.socket) -> None:
        poller = select.poll()
        poller.register(wake, select.POLLIN)
        if self.link is not None:
            poller.register(self.link, select.POLLIN | (select.POLLOUT if self.link.wants_write else 0))
        for fd in (self.pidfd, *(pane.pidfd for pane in self.panes.values())):
            if fd >= 0:
                poller.register(fd, select.POLLIN)
        poller.poll(max(0, int((self.due() - time.monotonic()) * 1000) + 1))
        with contextlib.suppress(BlockingIOError):
            wake.recv(4096)
        if self.asked_to_stop and self.after != "stop":
            self.stop()
        self.read_link()
        self.reap()
        self.watch_strangers()
        self.keep_time(time.monotonic())

    def due(self) -> float:
        """Return when, by the monotonic clock, a turn is needed even if nothing happens."""
        if self.link is not None:
            due = self.pulse.due
        elif not self.server:
            due = self.start_at
        else:
            return self.kill_at or time.monotonic() + 0.1
        strangers = [pane.pidfd for pane in self.panes.values() if not pane.child and not pane.exited]
        if self.server and not self.is_child:
            strangers.append(self.pidfd)
        return min(due, time.monotonic() + BEAT) if -1 in strangers else due  # no pidfd tells of their end

    def read_link(self) -> None:
        if self.link is None:
            return
        self.link.flush()
        for kind, body, fd in self.link.receive():
            try:
                if self.link is None:
                    raise ProtocolError("the link was closed by the record before")
                self.obey(self.link, kind, body, fd)
            except MALFORMED as error:
                log(f"dropped a {kind.name} record: {type(error).__name__}: {error}")
                _close(fd)
        if self.link is not None and self.link.gone:
            log(f"link to server {self.server}: {self.link.gone}")
            self.drop_server(GRACE / 2)

    def obey(self, link: Link, kind: Kind, body: Body, fd: int) -> None:
        """Do what a record says. The caller closes ``fd`` if this raises."""
        pane = self.panes.get(body.get("pane", 0))
        match kind:
            case Kind.HELLO:
                self.config["server"] = _words(body.get("server") or self.config["server"])
                if not self.server:
                    self.server = _checked_pid(body["pid"])
                    self.pidfd = _pidfd(self.server)
                if not self.settled:
                    self.hand_over(link)
            case Kind.READY:
                self.pulse.ready = True
                self.pulse.answered(time.monotonic())
            case Kind.PONG:
                self.pulse.answered(time.monotonic())
            case Kind.SPAWN:
                self.start_pane(link, body)
            case Kind.SIGNAL if pane and not pane.exited:
                send_signal(pane, body["signal"], body["group"])
            case Kind.LABEL if pane:
                pane.label = _checked_label(body["label"])
            case Kind.FORGET if pane:
                self.panes.pop(pane.name).close()
            case Kind.UPGRADE:
                self.check_upgrade(link, _words(body["keeper"]), _words(body["server"]))
            case Kind.STOP:
                self.stop()
            case Kind.LISTENER:
                self.inode = _inode(body["path"])
                _close(self.listener)
                self.listener = fd
            case Kind.ADOPT if not pane:
                pane = self.panes[body["pane"]] = Pane(body, fd, child=False)
                if not pane.exited:
                    pane.pidfd = _pidfd(pane.pid)
                    if not _leads_session(pane.pid):  # gone, and its pid may be another's by now
                        self.exited(pane, None)
            case _:
                _close(fd)

    def hand_over(self, link: Link) -> None:
        path, count = self.config["socket"], len(self.panes)
        welcome = {"version": VERSION, "pid": os.getpid(), "socket": path, "died": self.died, "panes": count}
        link.send(Kind.WELCOME, welcome)
        if self.listener >= 0:
            link.send(Kind.LISTENER, {"path": path}, self.listener)
        for pane in self.panes.values():
            link.send(Kind.PANE, pane.body(), pane.fd)
        link.send(Kind.SETTLED, {})
        self.settled = True

    def start_pane(self, link: Link, body: Body) -> None:
        name, label = _checked_int(body["pane"]), body.get("label", "")
        try:
            if name in self.panes:
                raise FileExistsError(errno.EEXIST, f"there is a pane {name!r}")
            _checked_label(label)
            pid, fd = spawn(body)
        except MALFORMED as error:
            number = getattr(error, "errno", None) or errno.EINVAL
            problem = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            link.send(Kind.FAILED, {"pane": name, "errno": number, "problem": problem})
        else:
            born = {"pane": name, "pid": pid, "started": time.time()}
            self.panes[name] = Pane({**born, "label": label, "status": None, "exited": False}, fd, child=True)
            link.send(Kind.SPAWNED, born, fd)

    def reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG | os.WUNTRACED))[0]:
                pid, status = ended
                pane = next((p for p in self.panes.values() if p.pid == pid and p.child and not p.exited), None)
                if os.WIFSTOPPED(status):
                    # ^Z in an agent: its parent is us, so nobody else can say fg. As tmux does
                    if pane and os.WSTOPSIG(status) not in (signal.SIGTTIN, signal.SIGTTOU):
                        send_signal(pane, signal.SIGCONT, group=True)
                elif pane:
                    self.exited(pane, os.waitstatus_to_exitcode(status))
                elif pid == self.server and self.is_child:
                    self.server_gone(os.waitstatus_to_exitcode(status))
                elif pid == self.checking:
                    self.checked(os.waitstatus_to_exitcode(status))

    def watch_strangers(self) -> None:
        """Notice the end of adopted programs and of an adopting server: we can't wait for them."""
        for pane in self.panes.values():
            if not pane.child and not pane.exited and _has_gone(pane.pid, pane.pidfd):
                self.exited(pane, None)
        if self.server and not self.is_child and _has_gone(self.server, self.pidfd):
            self.server_gone(None)

    def exited(self, pane: Pane, status: int | None) -> None:
        pane.exited, pane.status = True, status
        _close(pane.pidfd)
        pane.pidfd = -1
        if self.link is not None and self.settled:
            self.link.send(Kind.EXITED, {"pane": pane.name, "status": status})

    def keep_time(self, now: float) -> None:
        if self.link is not None:
            if now < self.pulse.due:
                return
            if not self.pulse.beat(now):
                log(f"server {self.server} does not answer")
                self.drop_server(0)
            elif self.pulse.ready:
                self.pings += 1
                self.link.send(Kind.PING, {"n": self.pings})
        elif not self.server and now >= self.start_at:
            self.start_server(now)
        elif self.server and self.kill_at and now >= self.kill_at:
            self.kill_server()

    def start_server(self, now: float) -> None:
        if self.listener < 0:
            log("no listening socket, and no server that could bring it")
            raise SystemExit(1)
        with contextlib.ExitStack() as stack:
            try:
                ours, theirs = socket.socketpair()
                stack.callback(theirs.close)
                theirs.set_inheritable(True)
                pid = start([*self.config["server"], str(theirs.fileno())])
            except OSError as error:
                self.start_at = now + self.backoff.died(now, was_ready=False)
                log(f"cannot start the server: {error}; next try in {self.start_at - now:g} s")
            else:
                log(f"started server {pid}")
                self.serve(ours, pid)

    def drop_server(self, grace: float) -> None:
        """Close the link. The next server starts when this one has gone, by force after ``grace`` seconds."""
        assert self.link is not None
        self.link.send(Kind.REPLACED, {})
        self.kill_at = time.monotonic() + grace
        if not grace or self.link.wants_write:
            self.kill_server()  # before it sees an EOF, takes us for dead and starts a second keeper
        self.link.close()
        self.link = None
        if not self.server:  # it never said HELLO
            self.server_gone(None)

    def kill_server(self) -> None:
        log(f"killing server {self.server}")
        self.kill_at = 0.0
        if self.server:
            with contextlib.suppress(ProcessLookupError):
                _kill(self.server, self.pidfd, signal.SIGKILL)

    def server_gone(self, status: int | None) -> None:
        self.read_link()  # what it said last counts
        if self.link is not None:
            self.link.close()
        now = time.monotonic()
        delay = self.backoff.died(now, self.pulse.ready) if self.after == "start" else 0.0
        log(f"server {self.server} ended with {status}; next in {delay:g} s")
        _close(self.pidfd)
        self.link, self.server, self.pidfd, self.died = None, 0, -1, status
        self.start_at, self.kill_at = now + delay, 0.0
        if self.after == "stop":
            raise SystemExit(0)
        if self.after == "upgrade":
            self.after = "start"
            self.become(*self.upgrade)

    def stop(self) -> None:
        """Unlink the socket and end with the server. What still runs is hung up when the masters close."""
        log("stopping")
        self.after = "stop"
        with contextlib.suppress(OSError):
            if self.inode and self.inode == _inode(self.config["socket"]):
                os.unlink(self.config["socket"])
        _close(self.listener)
        self.listener = -1
        if self.link is not None:
            self.drop_server(GRACE)
        elif not self.server:
            raise SystemExit(0)

    def check_upgrade(self, link: Link, keeper: list[str], server: list[str]) -> None:
        """Let the next keeper read our state first: execv into one that fails would hang up every agent."""
        self.upgrade = (keeper, server)
        state = -1
        try:
            state = self.save()
            self.checking = start([*keeper, json.dumps({**self.config, "state": state, "check": True})])
        except OSError as error:
            problem = f"cannot run the new keeper: {(error.strerror or str(error)).lower()}"
            link.send(Kind.FAILED, {"pane": 0, "errno": error.errno, "problem": problem})
        finally:
            _close(state)

    def checked(self, status: int) -> None:
        self.checking = 0
        if self.link is None or self.after != "start":
            return
        if status:
            problem = f"the new keeper ended with {status}"
            self.link.send(Kind.FAILED, {"pane": 0, "errno": 0, "problem": problem})
        else:
            self.after = "upgrade"
            self.drop_server(GRACE)

    def become(self, keeper: list[str], server: list[str]) -> None:
        """Execute the next keeper in this process. Returns only if that fails."""
        log("upgrading")
        self.config["server"], state = server, -1
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until the next one can take it
        try:
            state = self.save()
            self.pass_on(True)
            os.execv(keeper[0], [*keeper, json.dumps({**self.config, "state": state})])
        except OSError as error:
            log(f"cannot upgrade: {error}")
            _close(state)
            self.pass_on(False)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def pass_on(self, inheritable: bool) -> None:
        for fd in (self.listener, *(fd for pane in self.panes.values() for fd in (pane.fd, pane.pidfd))):
            if fd >= 0:
                os.set_inheritable(fd, inheritable)

    def save(self) -> int:
        """Return the inheritable fd of a nameless file with our state. Its format is FROZEN too."""
        import tempfile

        panes = [{**p.body(), "fd": p.fd, "child": p.child, "pidfd": p.pidfd} for p in self.panes.values()]
        state = {"panes": panes, "listener": self.listener, "inode": self.inode, "died": self.died}
        with tempfile.TemporaryFile("w") as file:
            json.dump(state, file)
            fd = os.dup(file.fileno())
        os.set_inheritable(fd, True)
        return fd

    def restore(self, fd: int) -> None:
        """Read what ``save`` wrote."""
        os.lseek(fd, 0, os.SEEK_SET)
        with os.fdopen(fd) as file:
            state = json.load(file)
        for body in state["panes"]:
            self.panes[body["pane"]] = Pane(body, body["fd"], body["child"], body["pidfd"])
        self.listener, self.inode, self.died = state["listener"], state["inode"], state["died"]

    def _on_term(self, *_: object) -> None:
        self.asked_to_stop = True


def send_signal(pane: Pane, number: int, group: bool) -> None:
    """Signal a program that has not been reaped, or it and all that its terminal runs."""
    foreground = 0
    if group:
        with contextlib.suppress(OSError):
            foreground = os.tcgetpgrp(pane.fd)  # asked first: the terminal forgets it when the leader dies
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if not group:
            _kill(pane.pid, pane.pidfd, number)
        elif pane.child or not _has_gone(pane.pid, pane.pidfd):
            os.killpg(pane.pid, number)
    if foreground > 1 and foreground != pane.pid:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(foreground, number)


def start(argv: list[str]) -> int:
    """Run a program of ours, with our standard streams and no signal ignored or blocked; return its pid."""
    return os.posix_spawnp(argv[0], argv, os.environ, setsigmask=(), setsigdef=_SIGNALS)


def log(text: str) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with contextlib.suppress(OSError):  # a full disk is no reason to die
        os.write(2, f"{now} keeper {os.getpid()}: {text}\n".encode("utf-8", "backslashreplace"))


def _on_alarm(*_: object) -> NoReturn:
    raise TimeoutError(errno.ETIMEDOUT, f"nothing after {SPAWN_SECONDS} s")


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _words(value: list[str]) -> list[str]:
    if not value or not isinstance(value, list) or any(b"\0" in _raw(word) for word in value):
        raise TypeError(f"not an argv: {value!r}")
    return value


def _checked_int(number: int) -> int:
    if not isinstance(number, int):
        raise TypeError(f"not a number: {number!r}")
    return number


def _checked_label(label: str) -> str:
    if not isinstance(label, str):
        raise TypeError(f"not a label: {label!r}")
    if len(label) > MAX_LABEL:
        raise ValueError(f"label of {len(label)} characters is over {MAX_LABEL}")
    return label


def _checked_pid(pid: int) -> int:
    if not 1 < _checked_int(pid) < 1 << 31:  # to kill() such numbers mean everybody, or are too large
        raise ValueError(f"not a pid: {pid}")
    return pid


def _inode(path: str) -> list[int]:
    """Return what tells the file from one that replaces it; nothing if there is none."""
    try:
        found = os.lstat(path)
    except OSError:
        return []
    return [found.st_dev, found.st_ino]


def _leads_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except OSError:
        return False


def _pidfd(pid: int) -> int:
    """Return a pidfd, or -1 where there are none or the process has gone."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


def _has_gone(pid: int, pidfd: int) -> bool:
    """Return whether a process that is not our child has ended."""
    if pidfd >= 0:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        return bool(poller.poll(0))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False


def _kill(pid: int, pidfd: int, number: int) -> None:
    """Signal a child of ours, which keeps its pid until we reap it, or a process that has a pidfd."""
    if pidfd >= 0:
        signal.pidfd_send_signal(pidfd, number)
    else:
        os.kill(pid, number)


def _close(fd: int) -> None:
    if fd >= 0:
        with contextlib.suppress(OSError):
            os.close(fd)


def _descriptors() -> set[int]:
    try:
        listed = [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        listed = list(range(1024))
    return {fd for fd in listed if _is_open(fd)}  # the fd that listed them was among them


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _limit_files(soft: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def _take_limits(fresh: bool) -> None:
    """Make room for our descriptors and close our files to others, but let the children have it as it was."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    mask = os.umask(0o077)
    if fresh or GIVEN not in os.environ:
        os.environ[GIVEN] = f"{mask} {soft}"
    most = NOFILE if hard == resource.RLIM_INFINITY else min(NOFILE, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            _limit_files(most)


def _daemonise(log_fd: int, keep: set[int]) -> None:
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for source, fd in ((null, 0), (log_fd, 1), (log_fd, 2)):
        os.dup2(source, fd)
    for fd in _descriptors() - keep - {0, 1, 2}:
        _close(fd)
    if sys.platform == "linux":  # orphans of the agents come to us then, and not to init
        with contextlib.suppress(ImportError, OSError, AttributeError):
            import ctypes

            ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def main(text: str) -> int:
    """Become the keeper that the JSON ``text`` describes; return only in processes on the way to it."""
    config = json.loads(text)
    state, link, check = config.pop("state", -1), config.pop("link", -1), config.pop("check", False)
    keeper = Keeper(config)
    _take_limits(fresh=state < 0 and link < 0)
    if state >= 0:
        keeper.restore(state)
        if not check:
            log(f"is now version {VERSION}")
            keeper.pass_on(False)
        return 0 if check else keeper.run()
    doing = f"open {config['log']!r}"
    try:
        log_fd = os.open(config["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        doing = f"listen on {config['socket']!r}"
        if link < 0:
            keeper.listen()
        if os.fork():
            os._exit(0)
    except OSError as error:
        sys.stderr.write(f"agentmux: cannot {doing}: {(error.strerror or str(error)).lower()}\n")
        return 1
    _daemonise(log_fd, {keeper.listener, link})
    log(f"version {VERSION} for {config['socket']!r}")
    if link >= 0:
        keeper.serve(socket.socket(fileno=link), 0)
    return keeper.run()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
