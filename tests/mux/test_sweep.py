"""Finding the processes of a session, with real ones: those that left its group too."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agentmux.mux import sweep
from agentmux.mux.sweep import Process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ps gives only the descendants")

SOCKET = f"/nowhere/{os.getpid()}/socket"
MARKS = {"AGENTMUX": f"{SOCKET},1", "AGENTMUX_SESSION": "7"}
WAITS = "import sys; sys.stdin.read()"  # ends with our end of its standard input
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {WAITS!r}], start_new_session=True, env={{}})
print(child.pid, flush=True)
sys.stdin.read()
child.wait()
"""


@contextmanager
def started(
    code: str = WAITS, *, env: dict[str, str] | None = None, new_session: bool = False
) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, **(env or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=new_session,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def pids(found: set[Process]) -> set[int]:
    return {process.pid for process in found}


def test_the_leader_and_its_session_are_members() -> None:
    with started(new_session=True) as leader:
        assert pids(sweep.Look(SOCKET).members(leader.pid, 7)) == {leader.pid}


def test_a_descendant_that_left_the_session_and_the_environment_is_a_member() -> None:
    with started(PARENT, new_session=True) as leader:
        assert leader.stdout is not None
        child = int(leader.stdout.readline())
        assert pids(sweep.Look(SOCKET).members(leader.pid, 7)) == {leader.pid, child}


def test_a_marked_process_is_a_member_wherever_it_went() -> None:
    with started(env=MARKS, new_session=True) as stray:
        assert pids(sweep.Look(SOCKET).members(1 << 30, 7)) == {stray.pid}
        assert pids(sweep.marked(SOCKET)) == {stray.pid}


@pytest.mark.parametrize(
    "env",
    [
        {**MARKS, "AGENTMUX_SESSION": "77"},
        {**MARKS, "AGENTMUX": f"{SOCKET}2,1"},
        {"AGENTMUX_SESSION": "7"},
        {"XAGENTMUX": f"{SOCKET},1", "AGENTMUX_SESSION": "7"},
    ],
)
def test_similar_marks_are_another_sessions(env: dict[str, str]) -> None:
    with started(env=env, new_session=True):
        assert sweep.Look(SOCKET).members(1 << 30, 7) == set()


def test_we_and_our_parent_are_never_members() -> None:
    found = pids(sweep.Look(SOCKET).members(os.getsid(0), 7)) | pids(sweep.Look(SOCKET).members(os.getppid(), 7))
    assert not {os.getpid(), os.getppid()} & found


def test_a_reused_pid_is_not_hit() -> None:
    with started(new_session=True) as other:
        sweep.kill([Process(other.pid, "1")])
        (real,) = sweep.Look(SOCKET).members(other.pid, 7)
        assert sweep.alive(real)
        assert not sweep.alive(Process(other.pid, "1"))
        sweep.kill([real])
        assert other.wait(5) == -signal.SIGKILL


def test_what_is_gone_is_no_error() -> None:
    with started(new_session=True) as gone:
        (process,) = sweep.Look(SOCKET).members(gone.pid, 7)
        sweep.kill([process], signal.SIGTERM)
        gone.wait(5)
        sweep.kill([process])
        assert not sweep.alive(process)


def test_a_zombie_is_not_alive() -> None:
    with started(new_session=True) as process:
        (it,) = sweep.Look(SOCKET).members(process.pid, 7)
        sweep.kill([it])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not sweep.alive(it)
        assert sweep.Look(SOCKET).members(process.pid, 7) == set()
        assert it not in sweep.everything()


def test_a_name_may_hold_anything() -> None:
    """The second field of /proc/PID/stat is the program's own."""
    code = "open('/proc/self/comm', 'w').write(') R 1 (x'); print(flush=True); import sys; sys.stdin.read()"
    with started(code, new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert pids(sweep.Look(SOCKET).members(process.pid, 7)) == {process.pid}
