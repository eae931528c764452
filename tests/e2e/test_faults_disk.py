"""A full or read-only disk, whatever is asked meanwhile: one clear line, no damage, and all is well with room again."""

from __future__ import annotations

import contextlib
import os
import resource
import sqlite3
import sys

import pytest
from damage import settle, without_a_server
from disk import Disk
from programs import Counters, server_pid
from terminal import signal_and_wait
from world import Ran, World, wait_until

COMMANDS = (
    ("ls",),
    ("ls", "-a", "--json"),
    ("info", "-t", "api"),
    ("send", "-t", "api", "a prompt"),
    ("send", "-t", "api", "--keys", "Enter"),
    ("rename", "-t", "api", "web"),
    ("rename", "-t", "web", "api"),
    ("label", "-t", "api", "team=red"),
    ("resize", "-t", "api", "90x30"),
    ("new", "-d", "--", "cat"),
    ("restart", "-t", "done"),
    ("fork", "-d", "-t", "api"),
    ("capture", "-t", "api"),
    ("log", "-t", "api"),
    ("export", "-t", "api", "--format", "text"),
    ("history",),
    ("messages", "-t", "api"),
    ("search", "prompt"),
    ("queue", "-t", "api"),
    ("usage",),
    ("why", "-t", "api"),
    ("inbox",),
    ("gc",),
    ("backup", "BACKUP"),
    ("report", "-t", "api"),
    ("forget", "-t", "gone"),
    ("interrupt", "-t", "victim"),
    ("server", "status"),
    ("doctor",),
    ("kill", "-t", "victim"),
)
"""Commands of every kind, in an order in which each makes sense."""


ALSO = (("full", True), ("read-only", False), ("read-only", True))


def clear(ran: Ran) -> None:
    """Insist on success, or on a problem and a hint, one line each."""
    lines = ran.err.splitlines()
    assert ran.status in (0, 1) and len(lines) <= 2, ran
    assert all(line.startswith("agentmux: ") for line in lines), ran
    assert "internal error" not in ran.err, ran


def sound(world: World) -> None:
    """Insist that the database is whole."""
    with contextlib.closing(sqlite3.connect(f"file:{world.data}/store.db?mode=ro", uri=True)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def prepare(world: World) -> Counters:
    """Start sessions for COMMANDS, one of which counts."""
    counters = Counters(world)
    counters.start("steady", 0.01)
    for name in ("api", "victim"):
        world.new(name, "cat")
    for name in ("done", "gone"):
        world.new(name, "sh", "-c", "echo over")
        world.exited(name)
    return counters


@pytest.mark.parametrize(
    ("how", "crash"),
    [("full", False), *(pytest.param(h, c, marks=pytest.mark.prove) for h, c in ALSO)],
    ids=["full", "full-crash", "read-only", "read-only-crash"],
)
def test_every_command_gives_a_clear_line_and_nothing_is_damaged(
    world: World, disk: Disk, how: str, crash: bool
) -> None:
    """Whatever is asked while nothing can be written, there is one clear line at most; nobody ends; then all works."""
    prepare(world)
    pids = {name: world.info(name)["pid"] for name in ("api", "steady")}
    with contextlib.ExitStack() as stack:
        if how == "full":
            disk.fill()
            stack.callback(disk.make_room)
        else:
            stack.enter_context(disk.read_only())
        if crash:
            signal_and_wait(server_pid(world))
        for words in COMMANDS:
            clear(world.run(*(word.replace("BACKUP", f"{world.data}/copy.tar") for word in words)))
        assert set(pids.values()) <= world.pids().keys()
    wait_until(lambda: world.run("ls").status == 0, seconds=40, what="a server that can write")
    assert {name: world.info(name)["pid"] for name in pids} == pids
    sound(world)
    wait_until(lambda: typed(world) and world.info("api")["not_recorded"] is None, seconds=30, what="recording")
    world.new("after", "cat")
    for name in ("api", "steady"):
        world.run("kill", "-t", name).ok()
    sound(world)


def typed(world: World) -> bool:
    """Have a session print something."""
    world.run("send", "-t", "api", "--keys", "x", "Enter").ok()
    return True


def test_a_database_is_not_saved_onto_a_full_disk_but_later(world: World, disk: Disk) -> None:
    """Damaged and without room for another one, the database stays where it is, says so, and is saved with room."""
    counters = Counters(world)
    counters.start("steady", 0.1)
    pid = world.info("steady")["pid"]
    with without_a_server(world):
        settle(world)
        with open(f"{world.data}/store.db", "r+b") as file:
            file.write(b"no database")
        disk.fill()
    failed = world.run("ls")
    assert failed.status == 1 and len(failed.err.splitlines()) <= 2, failed
    disk.make_room()
    wait_until(lambda: world.run("ls").status == 0, seconds=40, what="a server that has room")
    names = world.names()
    assert len(names) == 1
    assert world.info(names[0])["pid"] == pid
    assert os.path.exists(f"{world.data}/store.db.broken-1")
    world.run("rename", "-t", names[0], "last").ok()


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit")
def test_a_limit_of_file_sizes_is_a_full_disk(world: World) -> None:
    """Where the system lets no file grow, sessions run on unrecorded, say so, and are recorded again without it."""
    world.new("api", "cat")
    world.run("send", "-t", "api", "before").ok()
    world.shows("api", "before")
    server = server_pid(world)
    resource.prlimit(server, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    world.run("send", "-t", "api", "--keys", "a", "Enter")
    wait_until(lambda: (world.info("api")["not_recorded"] or "").endswith("file too large"), what="reason")
    for words in COMMANDS[:20]:
        clear(world.run(*words))
    assert server_pid(world) == server
    resource.prlimit(server, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_until(lambda: typed(world) and world.info("api")["not_recorded"] is None, seconds=30, what="recording")
    sound(world)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_socket_folder_costs_no_session(world: World) -> None:
    """Where the runtime folder has no room, a new server serves all the same, and loses nothing that was recorded."""
    made = Disk(os.path.dirname(world.socket))
    try:
        counters = Counters(world)
        counters.start("steady", 0.01)
        world.shows("steady", "line")
        with without_a_server(world):
            os.unlink(f"{world.socket}.inbox")
            made.fill()
        assert world.names() == ["steady"]
        assert "a crash may lose output" in world.log
        world.new("other", "cat")
        made.make_room()
        counters.check()
        world.run("kill-server").ok()
        wait_until(lambda: not world.pids(), what="end of the server")
    finally:
        made.unmount()
