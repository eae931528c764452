"""Processes, terminals and numbers: what every measure is made of.

It is long because each measure needs most of them, and none has another use.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import platform
import select
import shutil
import signal
import socket
import statistics
import struct
import sys
import tempfile
import termios
from time import monotonic, perf_counter, sleep
from typing import TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from types import FrameType
    from typing import Any, NoReturn

T = TypeVar("T")

SIZE = (120, 40)
"""Columns and rows of every terminal."""

PATIENCE = 20.0
"""Seconds before something that should come at once counts as failed."""

TAG = "BENCHMARK_RUN"
"""Environment variable that every process of ours carries, by which what is left behind is found."""

PROGRAMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs.py")


class Problem(Exception):
    """A contender did not do what was asked: its figure is missing, the others are not."""


class Numbers:
    """The sizes of a run: (quick, full)."""

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick

    def __call__(self, quick: int, full: int) -> int:
        return quick if self.quick else full


class Stage:
    """The folders, the environment and the socket of one run, and everything that must be gone after it.

    Use as a context manager: however the run ends, no process and no file stays.
    """

    def __init__(self, *, quick: bool) -> None:
        self.numbers = Numbers(quick=quick)
        self.notes: list[str] = []
        # Sockets and the like live on a tmpfs where users have one (/run/user), data on the disk that $HOME is on.
        self.runtime = tempfile.mkdtemp(prefix="muxbench-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.home = tempfile.mkdtemp(prefix="muxbench-")
        self.tag = os.path.basename(self.runtime) + f"-{os.getpid()}"
        self._env = {
            "HOME": self.home,
            "LANG": "C.UTF-8",
            "PATH": os.environ.get("PATH", os.defpath),
            "SHELL": "/bin/sh",
            "TERM": "xterm-256color",
            "TMPDIR": self.runtime,
            "XDG_RUNTIME_DIR": self.runtime,
            TAG: self.tag,
        }
        self._path = os.path.join(self.runtime, "stage")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._path)
        self._listener.listen(200)
        self._listener.settimeout(PATIENCE)
        self._waiting: dict[str, Actor] = {}
        self._out: set[tuple[str, str]] = set()
        self._terminals: list[Terminal] = []
        self._measure = ""
        self.left_behind = False

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *exc: object) -> None:
        self.say("ending what was started")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for terminal in self._terminals:
            terminal.close()
        for actor in self._waiting.values():
            actor.close()
        self._listener.close()
        for number, wait in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            until = monotonic() + wait
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
            while self.processes() and monotonic() < until:
                sleep(0.05)
        if left := self.processes():
            self.left_behind = True
            sys.stderr.write(f"benchmarks: still running: {', '.join(map(str, sorted(left)))}\n")
        shutil.rmtree(self.runtime, ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)
        for folder in (self.runtime, self.home):
            if os.path.lexists(folder):
                self.left_behind = True
                sys.stderr.write(f"benchmarks: can't remove {folder}\n")
        self.say("")

    def say(self, text: str) -> None:
        """Show what is being done, if somebody looks."""
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{self._measure + ': ' if text and self._measure else ''}{text}")
            sys.stderr.flush()

    def begin(self, measure: str) -> None:
        """A measure begins: contenders that failed in another one may try again."""
        self._measure = measure
        self.say("")

    @contextlib.contextmanager
    def trying(self, name: str) -> Iterator[None]:
        """Turn a contender's failure into a note, and leave it out of the rest of this measure."""
        try:
            yield
        except Problem as problem:
            if self.takes_part(name):
                self.notes.append(f"{self._measure}: {name}: {problem}")
            self._out.add((self._measure, name))

    def takes_part(self, name: str) -> bool:
        """Return whether the contender has not failed in this measure."""
        return (self._measure, name) not in self._out

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of everything that is started: nothing of the user's but PATH."""
        return {**self._env, **(extra or {})}

    def folder(self, name: str, *, lasting: bool = False) -> str:
        """Return a private folder of that name, made if need be, on the tmpfs or, ``lasting``, on disk."""
        path = os.path.join(self.home if lasting else self.runtime, name)
        os.makedirs(path, mode=0o700, exist_ok=True)
        return path

    # -- the programs in the sessions

    def program(self, mode: str, name: str, *more: str, file: str = PROGRAMS) -> list[str]:
        """Return the argv of a program of ours; ``actor(name)`` is the handle of what it starts."""
        return [sys.executable, "-I", "-S", file, mode, self._path, name, *more]

    def actor(self, name: str) -> Actor:
        """Return the program of that name, once it runs.

        Raises:
            Problem: it did not start.
        """
        until = monotonic() + PATIENCE
        while name not in self._waiting:
            self._listener.settimeout(max(0.01, until - monotonic()))
            try:
                link, _ = self._listener.accept()
            except TimeoutError:
                raise Problem(f"the program {name} did not start") from None
            actor = Actor(link)
            self._waiting[actor.name] = actor
        return self._waiting.pop(name)

    # -- processes

    def terminal(self, argv: Sequence[str], env: Mapping[str, str]) -> Terminal:
        """Start a program on a terminal of ours, which the stage closes at its end."""
        self._terminals = [one for one in self._terminals if not one.closed]
        terminal = Terminal(argv, env)
        self._terminals.append(terminal)
        return terminal

    def processes(self) -> set[int]:
        """Return the pids of everything this run started and that still runs (where the system can tell)."""
        found = set()
        wanted = f"{TAG}={self.tag}".encode()
        with contextlib.suppress(FileNotFoundError):
            for word in os.listdir("/proc"):
                if word.isdigit() and wanted in _read(f"/proc/{word}/environ").split(b"\0"):
                    found.add(int(word))
        return found


class Actor:
    """A program of ours in a session, at the other end of its socket."""

    def __init__(self, link: socket.socket) -> None:
        link.settimeout(PATIENCE)
        self._link = link
        self._lines = link.makefile("rb")
        name, _, pid = self._lines.readline().decode().partition(" ")
        self.name = name
        self.pid = int(pid)

    def fileno(self) -> int:
        """Readable when an answer is there."""
        return self._link.fileno()

    def order(self, **what: str | int | float) -> None:
        """Send an order: what each program takes stands in programs.py and players.py."""
        self._link.sendall(json.dumps({"number": 0, **what}).encode() + b"\n")

    def answer(self, timeout: float = 120.0) -> tuple[int, float]:
        """Return (bytes, seconds) of what an order has printed, when that is over."""
        said = self.said(timeout)
        return int(said["bytes"]), float(said["seconds"])

    def said(self, timeout: float = 120.0) -> dict[str, Any]:
        """Return what it says of an order, when that is over."""
        self._link.settimeout(timeout)
        try:
            line = self._lines.readline()
        except TimeoutError:
            raise Problem(f"the program did not get its output out within {timeout:g} s") from None
        if not line:
            raise Problem("the program was ended")
        said: dict[str, Any] = json.loads(line)
        return said

    def signal(self, number: int) -> None:
        """Send it a signal."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._link.close()


class Terminal:
    """A terminal whose user we are, with a program on it."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], size: tuple[int, int] = SIZE) -> None:
        self.began = perf_counter()
        self.pid, self.master = os.forkpty()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
                os.execvpe(argv[0], list(argv), dict(env))
            finally:
                os._exit(127)
        os.set_blocking(self.master, False)
        self._poll = select.poll()
        self._poll.register(self.master, select.POLLIN)
        self._tail = b""
        self.closed = False

    def read(self, timeout: float) -> bytes:
        """Return what the program wrote, b"" after ``timeout`` seconds of silence.

        Raises:
            Problem: it has ended.
        """
        if not self._poll.poll(timeout * 1000):
            return b""
        try:
            data = os.read(self.master, 1 << 16)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            raise Problem(f"the client ended: {self._tail[-200:]!r}")
        self._tail = self._tail[-4096:] + data
        return data

    def wait_for(self, text: bytes, timeout: float = PATIENCE) -> float:
        """Read until ``text`` has come; return the seconds from the terminal's start.

        Raises:
            Problem: it did not come.
        """
        until = monotonic() + timeout
        while text not in self._tail:
            left = until - monotonic()
            if left <= 0 or (not self.read(left) and monotonic() >= until):
                raise Problem(f"{text!r} did not appear; last: {self._tail[-200:]!r}")
        return perf_counter() - self.began

    def age(self) -> float:
        """Return the seconds since the terminal's start."""
        return perf_counter() - self.began

    def forget(self) -> None:
        """Wait for new text only."""
        self._tail = b""

    def type(self, keys: bytes) -> None:
        """Type a few keys."""
        os.write(self.master, keys)

    def quiet(self, pause: float = 0.15) -> None:
        """Read until nothing has come for ``pause`` seconds, 5 s at most."""
        until = monotonic() + 5
        while self.read(pause) and monotonic() < until:
            pass

    def echo(self, key: bytes, timeout: float = 5.0) -> float:
        """Type ``key``; return the seconds until it came back."""
        until = monotonic() + timeout
        start = perf_counter()
        os.write(self.master, key)
        while key not in self.read(timeout):
            if monotonic() > until:
                raise Problem(f"no echo within {timeout:g} s")
        return perf_counter() - start

    def close(self) -> None:
        """Hang up, as a closed terminal window does, and wait for the program's end."""
        if self.closed:
            return
        self.closed = True
        os.close(self.master)
        for number, wait in ((signal.SIGHUP, 2.0), (signal.SIGKILL, 2.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
            until = monotonic() + wait
            while monotonic() < until:
                try:
                    if os.waitpid(self.pid, os.WNOHANG)[0]:
                        return
                except ChildProcessError:
                    return
                sleep(0.002)


def run_timed(argv: Sequence[str], env: Mapping[str, str], *, statuses: Iterable[int] = (0,)) -> tuple[float, float]:
    """Run a command with no output; return the seconds it took, and those it had a CPU.

    Raises:
        Problem: its exit status is not one of ``statuses``.
    """
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    start = perf_counter()
    pid = os.posix_spawn(argv[0], list(argv), dict(env), file_actions=null)
    _, status, usage = os.wait4(pid, 0)
    took = perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    if code not in statuses:
        raise Problem(f"{' '.join(argv[:6])} ended with {code}")
    return took, usage.ru_utime + usage.ru_stime


def until(true: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
    """Wait until ``true()``.

    Raises:
        Problem: it did not become so.
    """
    end = monotonic() + timeout
    while not true():
        if monotonic() > end:
            raise Problem(f"waited {timeout:g} s for {what}")
        sleep(0.005)


def memory(pids: Iterable[int]) -> tuple[float, float, float]:
    """Return (RSS, PSS, private) of the processes together, in KiB."""
    totals = {b"Rss": 0, b"Pss": 0, b"Private_Clean": 0, b"Private_Dirty": 0}
    for pid in pids:
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            key, _, rest = line.partition(b":")
            if key in totals:
                totals[key] += int(rest.split()[0])
    return totals[b"Rss"], totals[b"Pss"], totals[b"Private_Clean"] + totals[b"Private_Dirty"]


def resident(pids: Iterable[int]) -> float:
    """Return the RSS of the processes together, in MB; cheap enough to ask for while measuring."""
    pages = sum(int(field[1]) for pid in pids if len(field := _read(f"/proc/{pid}/statm").split()) > 1)
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu(pids: Iterable[int]) -> tuple[int, float]:
    """Return (utime + stime in ticks, milliseconds on a CPU) of the processes together."""
    ticks, milliseconds = 0, 0.0
    for pid in pids:
        fields = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        ticks += int(fields[11]) + int(fields[12]) if len(fields) > 12 else 0
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                milliseconds += int((_read(f"/proc/{pid}/task/{task}/schedstat").split() or [b"0"])[0]) / 1e6
    return ticks, milliseconds


def rotated(them: Sequence[T], by: int) -> Sequence[T]:
    """Return all of them, in turns: beginning with another one each time, so that nobody always follows the same."""
    first = by % len(them) if them else 0
    return [*them[first:], *them[:first]]


def busy(pids: Collection[int], seconds: float, rest: Callable[[float], object] = sleep) -> float:
    """Return what the processes use for some time, which ``rest`` lets pass, in percent of a core."""
    before, began = cpu(pids)[1], monotonic()
    rest(seconds)
    return (cpu(pids)[1] - before) / (monotonic() - began) / 10


def machine() -> str:
    """Return what this runs on, in words."""
    return f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} CPUs"


def now() -> str:
    """Return date and time, UTC, as ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def end_cleanly() -> None:
    """Have SIGTERM and SIGHUP end this process as Ctrl-C does: with everything that it has started."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value below which ``part`` (0 to 1) of them are."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the rise per unit of the line through the points."""
    return statistics.linear_regression(*zip(*points, strict=True)).slope if len(points) > 2 else 0.0


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
