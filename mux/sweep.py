"""Find the processes of a session, also those that left its process group, and kill them.

Closing the terminal and signalling the group misses a child that ignores
SIGHUP, one that called setsid, and one that is stopped. All of a session's
processes carry its marker in their environment, and their parents lead to its
first process; both are asked. A process is named by pid *and* start time, and
signalled through a pidfd that is opened before the start time is compared, so
that a reused pid is never hit.

Linux has /proc. Elsewhere ``ps`` gives the descendants, without the marker.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SESSION = b"AGENTMUX_SESSION="


@dataclass(frozen=True, slots=True)
class Process:
    """One process for certain: a pid and when it started (clock ticks, or seconds elsewhere)."""

    pid: int
    started: str


@dataclass(frozen=True, slots=True)
class _Row:
    process: Process
    parent: int
    session: int
    zombie: bool


class Look:
    """All processes as they are now, for questions about any number of sessions of one server.

    It reads two files for each process, and answers without another one: a look for each of hundreds of sessions
    takes seconds.
    """

    def __init__(self, socket: str) -> None:
        """Look. ``socket``: what the environment of the server's processes names."""
        rows = _linux_rows() if sys.platform == "linux" else _ps_rows()
        self._children = _children(rows)
        self._of_leader: dict[int, list[_Row]] = {}
        self._marked: dict[bytes, list[_Row]] = {}
        mark = b"AGENTMUX=%b," % os.fsencode(socket)
        for row in rows:
            for leader in {row.process.pid, row.session}:
                self._of_leader.setdefault(leader, []).append(row)
            entries = _environment(row.process.pid)
            if any(entry.startswith(mark) for entry in entries):
                for session in {entry for entry in entries if entry.startswith(_SESSION)}:
                    self._marked.setdefault(session, []).append(row)

    def members(self, leader: int, session: int) -> set[Process]:
        """Return the processes of a session that lived, without this process and its parent.

        Args:
            leader: pid of the session's first process, whether it lives or not.
        """
        first = [*self._of_leader.get(leader, ()), *self._marked.get(b"%b%d" % (_SESSION, session), ())]
        own = {os.getpid(), os.getppid()}
        found = _with_descendants(self._children, first)
        return {row.process for row in found if not row.zombie and row.process.pid not in own}


def busy_since(leader: int, at: float) -> bool:
    """Whether descendants of ``leader`` run that started after ``at`` (Unix seconds). False where there is no /proc."""
    if sys.platform != "linux":
        return False
    after = (at - time.time() + time.clock_gettime(time.CLOCK_BOOTTIME)) * os.sysconf("SC_CLK_TCK")
    rows = _linux_rows(everybody=True)  # a tool may have become another user
    family = _with_descendants(_children(rows), [row for row in rows if row.process.pid == leader])
    return any(row.process.pid != leader and not row.zombie and int(row.process.started) > after for row in family)


def _children(rows: Iterable[_Row]) -> dict[int, list[_Row]]:
    """Return the rows by their parents' pids."""
    children: dict[int, list[_Row]] = {}
    for row in rows:
        children.setdefault(row.parent, []).append(row)
    return children


def _with_descendants(children: Mapping[int, Sequence[_Row]], first: Iterable[_Row]) -> list[_Row]:
    found: dict[int, _Row] = {}
    todo = list(first)
    while todo:
        row = todo.pop()
        if row.process.pid not in found:
            found[row.process.pid] = row
            todo += children.get(row.process.pid, ())
    return list(found.values())


def everything() -> list[Process]:
    """Return all processes of this user but zombies."""
    rows = _linux_rows() if sys.platform == "linux" else _ps_rows()
    return [row.process for row in rows if not row.zombie]


def process(pid: int) -> Process:
    """Return a process that runs now by its pid."""
    if sys.platform == "linux":
        return Process(pid, started(pid))
    else:
        return next((row.process for row in _ps_rows() if row.process.pid == pid), Process(pid, ""))


def marked(socket: str) -> set[Process]:
    """Return the processes whose environment names ``socket``, without this one and its parent."""
    own = {os.getpid(), os.getppid()}
    mark = b"AGENTMUX=%b," % os.fsencode(socket)
    return {p for p in everything() if p.pid not in own and any(e.startswith(mark) for e in _environment(p.pid))}


def kill(processes: Iterable[Process], number: int = signal.SIGKILL) -> None:
    """Send ``number`` to each that is still the same process."""
    for process in processes:
        try:
            if sys.platform == "linux":
                handle = os.pidfd_open(process.pid)
                try:
                    if started(process.pid) == process.started:
                        signal.pidfd_send_signal(handle, number)
                finally:
                    os.close(handle)
            else:
                os.kill(process.pid, number)
        except (ProcessLookupError, PermissionError):
            continue  # gone, or setuid: nothing of ours to do


def alive(process: Process) -> bool:
    """Whether it is still the same process, and no zombie."""
    if sys.platform != "linux":
        return any(row.process == process and not row.zombie for row in _ps_rows())
    try:
        with open(f"/proc/{process.pid}/stat", "rb") as file:
            fields = _stat_fields(file.read())
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[19].decode() == process.started and fields[0] not in (b"Z", b"X")


def _linux_rows(*, everybody: bool = False) -> list[_Row]:
    """Return the processes of this user, or of everybody."""
    rows = []
    uid = os.getuid()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                if not everybody and os.fstat(file.fileno()).st_uid != uid:
                    continue
                fields = _stat_fields(file.read())
        except (FileNotFoundError, ProcessLookupError):
            continue
        process = Process(int(name), fields[19].decode())
        rows.append(_Row(process, int(fields[1]), int(fields[3]), fields[0] in (b"Z", b"X")))
    return rows


def _stat_fields(stat: bytes) -> list[bytes]:
    """Return the fields of /proc/PID/stat from the third (state) on; the second may hold anything."""
    return stat[stat.rindex(b")") + 2 :].split()


def started(pid: int) -> str:
    """Return when a process started, in clock ticks; "" where it is gone, or the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return _stat_fields(file.read())[19].decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _environment(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []


def variables(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with; nothing where the system does not tell."""
    pairs = (os.fsdecode(entry).partition("=") for entry in _environment(pid))
    return {name: value for name, equals, value in pairs if equals}


def command_line(pid: int) -> list[str]:
    """Return the words that a process was started with; none where it is gone. Without /proc they are cut at blanks."""
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return os.fsdecode(file.read()).removesuffix("\0").split("\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return []
    else:
        done = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return done.stdout.split(" ")


def working_folder(pid: int) -> str:
    """Return where a process is; "/" where the system does not tell."""
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return "/"


def _ps_rows() -> list[_Row]:
    done = subprocess.run(
        ["ps", "-axo", "pid=,ppid=,sess=,state=,lstart="], capture_output=True, text=True, check=False
    )
    rows = []
    for line in done.stdout.splitlines():
        pid, parent, session, state, started = line.split(None, 4)
        number = int(session, 16) if session != "0" else 0
        rows.append(_Row(Process(int(pid), started), int(parent), number, state.startswith("Z")))
    return rows
