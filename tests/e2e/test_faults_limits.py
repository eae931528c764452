"""The server runs out of descriptors or memory: sessions go on, and so does everything when there is room again."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Iterator

import pytest
from programs import Counters, keeper_pid, server_pid
from terminal import signal_and_wait
from world import World, cpu_seconds, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prlimit and /proc")


def opened(pid: int) -> int:
    """Return how many descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/fd"))


@contextlib.contextmanager
def limited(pid: int, what: int, most: int) -> Iterator[None]:
    """Let a process have no more than that for a while."""
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, what, before)


def test_without_descriptors_new_fails_in_a_line_and_sessions_go_on(world: World) -> None:
    """``new`` says that too many files are open, all sessions print and are recorded, and it works with room again."""
    counters = Counters(world)
    counters.start("steady", 0.01)
    world.new("typed", "cat")
    client = world.attach("typed")
    server, keeper = server_pid(world), keeper_pid(world)
    with limited(server, resource.RLIMIT_NOFILE, opened(server) + 30):
        failed = [ran for ran in (world.run("new", "-d", "--", "cat") for _ in range(6)) if ran.status]
        assert failed
        for ran in failed:
            ran.failed("cannot run 'cat': too many open files")
        client.type("still typed\r")
        client.shows("still typed")
        world.run("send", "-t", "typed", "and sent").ok()
        client.shows("and sent")
        assert world.info("steady")["not_recorded"] is None
    world.new("after", "cat")
    assert (server_pid(world), keeper_pid(world)) == (server, keeper)
    counters.check()


def test_without_descriptors_clients_wait_and_nobody_spins(world: World) -> None:
    """Clients that can't be taken wait in the backlog, the server rests meanwhile, and all are answered in the end."""
    counters = Counters(world)
    counters.start("steady", 0.01)
    world.new("typed", "cat")
    client = world.attach("typed")
    server = server_pid(world)
    with limited(server, resource.RLIMIT_NOFILE, opened(server) + 4):
        waiting = [world.start("has", "-t", "typed") for _ in range(30)]
        wait_until(lambda: "not accepting clients" in world.log, what="line in the log")
        began, worked = time.monotonic(), cpu_seconds(server)
        client.type("typed meanwhile\r")
        client.shows("typed meanwhile")
        wait_until(lambda: time.monotonic() > began + 3, what="some seconds")
        assert cpu_seconds(server) - worked < 1.5
        assert all(process.poll() is None for process in waiting)
    assert [world.ended(process).status for process in waiting] == [0] * 30
    assert world.log.count("not accepting clients") == 1
    assert server_pid(world) == server
    counters.check()


@pytest.mark.parametrize("spare", [0, 2, 5, *(pytest.param(n, marks=pytest.mark.prove) for n in (1, 3, 4, 6, 7, 8))])
def test_a_keeper_without_descriptors_refuses_programs_and_loses_nobody(world: World, spare: int) -> None:
    """However few are left, ``new`` works or fails in a line, and the keeper holds all and replaces a server later."""
    counters = Counters(world)
    counters.start("steady", 0.01)
    keeper = keeper_pid(world)
    with limited(keeper, resource.RLIMIT_NOFILE, opened(keeper) + spare):
        for _ in range(3):
            ran = world.run("new", "-d", "--", "cat")
            if ran.status:
                assert re.match("agentmux: cannot run 'cat': (too many open files|out of pty devices)\n", ran.err), ran
        if not spare:
            signal_and_wait(server_pid(world))  # the next one has no more than we
    assert "steady" in world.names()
    signal_and_wait(server_pid(world))
    world.new("after", "cat")
    assert keeper_pid(world) == keeper
    counters.check()


def test_descriptors_that_clients_take_are_given_back(world: World) -> None:
    """A thousand commands and attached clients that die leave the server with as many descriptors as before."""
    world.new("api", "cat")
    world.run("ls").ok()
    server = server_pid(world)
    clients = [world.attach("api") for _ in range(3)]
    for client in clients:
        client.type("\x02d")
        assert client.ended() == 0
    before = opened(server)
    for _ in range(5):
        client = world.attach("api")
        client.process.kill()
        client.process.wait()
        world.run("ls").ok()
    wait_until(lambda: opened(server) <= before, what=lambda: f"{before} descriptors, there are {opened(server)}")


FILL = """
import sys, time
n = 0
while True:
    n += 1
    sys.stdout.write(f"\\x1b[38;5;{n % 256}mline {n} " + "x" * (n % 100) + "\\r\\n" * 3)
    if not n % 1000: time.sleep(0.01)
"""


@pytest.mark.parametrize("rounds", [1, pytest.param(6, marks=pytest.mark.prove)])
def test_a_server_without_memory_is_replaced_and_nothing_is_lost(world: World, rounds: int) -> None:
    """The server that can't have memory ends, another takes its place, programs and their output are all there."""
    world.expected_in_log += ["Traceback"]  # what a server says last is not the point
    counters = Counters(world)
    counters.start("steady", 0.01)
    world.python("fill", FILL)
    client = world.attach("steady")
    pid = world.info("steady")["pid"]
    for _ in range(rounds):
        server = server_pid(world)
        with open(f"/proc/{server}/statm") as file:
            now = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.prlimit(server, resource.RLIMIT_AS, (now + (1 << 20), resource.RLIM_INFINITY))
        searching = [world.start("capture", "-t", "fill", "-S", "-") for _ in range(3)]
        deadline = time.monotonic() + 20
        while server in world.pids() and time.monotonic() < deadline:
            world.start("attach", "-t", "fill")
            time.sleep(0.1)
        for process in searching:
            process.kill()
        if server in world.pids():
            signal_and_wait(server)  # it manages with what it has
        assert {"steady", "fill"} <= set(world.names())
        assert world.info("steady")["pid"] == pid
    client.shows("line")
    started = world.log.count("started server")
    assert started <= rounds + 2, world.log[-3000:]
    world.run("kill", "-t", "fill").ok()
    counters.check()


@contextlib.contextmanager
def memory_group(most: int) -> Iterator[str]:
    """Make a control group below our own, whose processes have so much memory."""
    limits = {"memory": ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), "": ("/sys/fs/cgroup", "memory.max")}
    with open("/proc/self/cgroup") as file:
        groups = {(entry := line.rstrip("\n").split(":", 2))[1]: entry[2] for line in file}
    kind = "memory" if "memory" in groups else ""
    mount, limit = limits[kind]
    path = f"{mount}{groups.get(kind, '/')}/agentmux-test-{os.getpid()}"
    try:
        os.mkdir(path)
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        if not os.path.exists(f"{path}/{limit}"):
            pytest.skip("this control group has no limit of memory")
        with open(f"{path}/{limit}", "w") as file:
            file.write(str(most))
        yield path
    finally:
        with open(f"{path}/cgroup.procs") as file:
            for pid in file.read().split():
                signal_and_wait(int(pid))
        os.rmdir(path)


def test_a_server_that_the_kernel_ends_for_its_memory_is_replaced(world: World) -> None:
    """After the OOM killer the keeper starts another server, once, and nothing is lost."""
    with memory_group(2 << 20) as group:  # besides what it has, with the older kind of groups
        counters = Counters(world)
        counters.start("steady", 0.01)
        world.python("fill", FILL)
        server = server_pid(world)
        with open(f"{group}/cgroup.procs", "w") as file:
            file.write(str(server))
        wait_until(lambda: server not in world.pids(), seconds=60, what="end of the server")
        assert {"steady", "fill"} <= set(world.names())
        assert f"server {server} ended with -9" in world.log
        assert world.log.count("started server") == 2
        world.run("kill", "-t", "fill").ok()
        counters.check()


@pytest.mark.prove
def test_a_server_that_dies_again_and_again_is_not_started_without_a_pause(world: World) -> None:
    """Thirty deaths in a row are answered by a pause between two starts, and sessions outlive them all."""
    world.new("api", "cat")
    pid = world.info("api")["pid"]
    deaths = 0
    began = time.monotonic()
    while deaths < 30 and time.monotonic() < began + 60:
        signal_and_wait(server_pid(world), signal.SIGSEGV)
        world.run("ls").ok()  # one that has not served yet is waited for longer
        deaths += 1
    assert deaths / (time.monotonic() - began) < 4, "the pause is half a second, and a start takes time"
    assert world.info("api")["pid"] == pid
