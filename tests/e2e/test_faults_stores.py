"""Damage to what is on disk costs what was damaged: the server starts, says so in a line, and throws nothing away."""

from __future__ import annotations

import glob
import os
import random
import sys
from collections.abc import Callable

import pytest
from damage import settle, without_a_server
from profiles import NAMED
from programs import Counters, server_pid
from terminal import signal_and_wait
from world import World, wait_until


def emptied(data: bytes) -> bytes:
    """No byte is left."""
    return b""


def halved(data: bytes) -> bytes:
    """The second half is missing."""
    return data[: len(data) // 2]


def zeroed(data: bytes) -> bytes:
    """All is as long as it was, and nothing is there."""
    return bytes(len(data))


def begun_wrong(data: bytes) -> bytes:
    """The first page was never written."""
    return bytes(min(4096, len(data))) + data[4096:]


def flipped(data: bytes) -> bytes:
    """A bit is wrong in one of a hundred bytes."""
    damaged = bytearray(data)
    for place in random.Random(1).sample(range(len(data)), max(5, len(data) // 100)):
        damaged[place] ^= 1 << place % 8
    return bytes(damaged)


def garbage(data: bytes) -> bytes:
    """It is something else."""
    return random.Random(2).randbytes(max(9999, len(data)))


DAMAGES = [emptied, halved, zeroed, begun_wrong, flipped, garbage]
each_damage = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
some_damage = pytest.mark.parametrize(
    "damage",
    [pytest.param(d, marks=() if d in (halved, garbage) else pytest.mark.prove) for d in DAMAGES],
    ids=lambda damage: damage.__name__,
)


def spoil(path: str, damage: Callable[[bytes], bytes]) -> bytes:
    """Damage a file in its place; return what it holds now."""
    with open(path, "r+b") as file:
        data = damage(file.read())
        file.seek(0)
        file.truncate()
        file.write(data)
    return data


@some_damage
def test_a_damaged_database_ends_no_session_and_is_kept(world: World, damage: Callable[[bytes], bytes]) -> None:
    """Programs run on and are in the list, ended sessions keep their output, the file is set aside as it was."""
    counters = Counters(world)
    counters.start("steady", 0.01)
    world.new("done", "sh", "-c", "echo what it said")
    assert world.exited("done") == 0
    before = {row["id"]: row for row in world.run("ls", "-a", "--json").ok().json}
    with without_a_server(world):
        settle(world)
        damaged = spoil(f"{world.data}/store.db", damage)
    after = {row["id"]: row for row in world.run("ls", "-a", "--json").ok().json}
    assert after.keys() == before.keys()
    live, ended = after[1]["name"], after[2]["name"]
    assert {live, ended} <= {"steady", "done", "found-1", "found-2"}
    assert world.info(live)["pid"] == before[1]["pid"]
    assert after[1]["state"] == "running"
    said = world.run("log", "-t", ended).ok().out
    assert said == "what it said\r\n" or (not said and glob.glob(f"{world.data}/blobs/*/*.zst"))
    with open(f"{world.data}/store.db.broken-1", "rb") as file:
        assert file.read() == damaged
    assert len([line for line in world.log.splitlines() if "the database was damaged" in line]) == 1
    found = {row["what"]: row for row in world.run("doctor", "--json").json}
    assert not found["memory"]["ok"] and "store.db.broken-1" in found["memory"]["found"]
    blobs = glob.glob(f"{world.data}/blobs/*/*.zst")
    world.run("gc").ok()
    assert glob.glob(f"{world.data}/blobs/*/*.zst") == blobs
    assert world.new("next", "cat") == 3
    if live != "steady":
        world.run("rename", "-t", live, "steady").ok()
    counters.check()
    for name in glob.glob(f"{world.data}/store.db.broken-1*"):
        os.unlink(name)
    assert {row["what"]: row for row in world.run("doctor", "--json").json}["memory"]["ok"]
    world.run("gc").ok()


def test_a_program_whose_record_is_lost_is_found_as_what_it_is(world: World) -> None:
    """Without a database a session that runs gets a record of its program, and is attached to and restarted as ever."""
    with open(os.open(f"{world.home}/tool", os.O_CREAT | os.O_WRONLY, 0o755), "w") as file:
        file.write("#!/bin/sh\necho ready in $PWD; exec cat\n")
    world.run("new", "-d", "-s", "api", "--", f"{world.home}/tool", cwd=world.tmp).ok()
    world.shows("api", "ready")
    with without_a_server(world):
        for name in glob.glob(f"{world.data}/store.db*"):
            os.unlink(name)
    assert world.names() == ["found-1"]
    client = world.attach("found-1")
    client.shows("ready in")
    client.type("and on\r")
    client.shows("and on")
    client.type("\x02d")
    assert client.ended() == 0
    info = world.info("found-1")
    assert info["command"] == "cat" and info["cwd"] == world.tmp
    world.run("kill", "-t", "found-1").ok()
    world.run("restart", "-t", "found-1").ok()
    assert world.info("found-1")["state"] == "running"


def page_of(world: World, text: str) -> int:
    """Return where a page of the database begins that holds a text."""
    with open(f"{world.data}/store.db", "rb") as file:
        at = file.read().index(text.encode())
    return at // 4096 * 4096


def test_damage_that_is_met_later_is_mended_by_the_next_server(world: World) -> None:
    """Whoever meets a damaged page is told in a line, the next server takes over, and the other rows are there."""
    world.new("api", "cat")
    other = world.new("other", "cat")
    for number in range(30):
        world.run("send", "-t", "api" if number else "other", f"prompt {number} of many " * 20).ok()
    pid = world.info("api")["pid"]
    with without_a_server(world):
        settle(world)
        at = page_of(world, "prompt 17 of many")
        spoil(f"{world.data}/store.db", lambda data: data[:at] + bytes(4096) + data[at + 4096 :])
    server = server_pid(world)
    ran = world.run("history", "-n", "99")
    assert ran.status == 0 or ran.err.splitlines()[0].startswith("agentmux: the database"), ran
    wait_until(lambda: "the database was damaged" in world.log, what="next server")  # who asks before may be cut off
    assert "what it can" in world.log and server_pid(world) != server
    texts = world.run("history", "-n", "99").ok().out
    assert "prompt 0 of" in texts and "prompt 29 of" in texts
    assert world.info("api")["pid"] == pid
    world.run("send", "-t", "other", "after all").ok()
    world.shows("other", "after all")
    assert world.info("other")["id"] == other
    again = server_pid(world)
    world.run("history", "-n", "99").ok()
    assert server_pid(world) == again


def file_of(world: World, kind: str) -> str:
    """Return the path of a file of that kind."""
    [path] = glob.glob(
        {
            "journal": f"{world.data}/sessions/1/*.raw",
            "marks": f"{world.data}/sessions/1/*.marks",
            "snapshot": f"{world.data}/sessions/1/*.snap",
            "blob": f"{world.data}/blobs/*/*.zst",
            "inbox": f"{world.socket}.inbox",
            "lock": f"{world.data}/lock",
            "log": f"{world.data}/server.log",
        }[kind]
    )[:1]
    return path


FILES = ("journal", "marks", "snapshot", "inbox", "lock", "log")


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize(
    "damage",
    [pytest.param(d, marks=() if d is garbage else pytest.mark.prove) for d in DAMAGES],
    ids=lambda damage: damage.__name__,
)
def test_a_damaged_file_costs_what_was_in_it(world: World, kind: str, damage: Callable[[bytes], bytes]) -> None:
    """Any file of a session may be damaged: it runs on and is shown, what follows is recorded, others lose nothing."""
    world.new("api", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo line $i; done; exec cat")
    world.new("other", "sh", "-c", "echo of the other; exec cat")
    world.shows("api", "line 9")
    world.shows("other", "of the other")
    pid = world.info("api")["pid"]
    if kind == "snapshot":
        world.run("server", "upgrade").ok()
        wait_until(lambda: glob.glob(f"{world.data}/sessions/1/*.snap") or checkpointed(world), what="snapshot")
    with without_a_server(world):
        spoil(file_of(world, kind), damage)
    assert world.names() == ["api", "other"]
    assert world.info("api")["pid"] == pid
    world.run("send", "-t", "api", "what follows").ok()
    world.shows("api", "what follows")
    world.run("send", "-t", "other", "likewise").ok()
    assert world.run("log", "-t", "api").ok().out.count("what follows") == 2
    wait_until(lambda: world.run("log", "-t", "other").out.count("likewise") == 2, what="the other's output")
    assert world.run("log", "-t", "other").out.startswith("of the other")
    client = world.attach("api")
    client.shows("what follows")
    client.type("\x02d")
    assert client.ended() == 0
    for words in (("export", "-t", "api"), ("export", "-t", "api", "--format", "text"), ("search", "follows")):
        ran = world.run(*words)
        assert ran.status in (0, 1) and len(ran.err.splitlines()) <= 2, ran
    if damage is not zeroed:  # NULs are not shown
        assert world.info("api")["not_recorded"] is None


def checkpointed(world: World) -> bool:
    """Have the session print so much that its screen is saved."""
    world.run("resize", "-t", "api", "-x", "100", "-y", "30")
    return False


@each_damage
def test_a_damaged_blob_is_named_and_costs_its_own_output(world: World, damage: Callable[[bytes], bytes]) -> None:
    """What was put away and is damaged is an error of one line, ``doctor`` names the file, and it stays where it is."""
    world.new("done", "sh", "-c", "echo what was said")
    assert world.exited("done") == 0
    wait_until(lambda: glob.glob(f"{world.data}/blobs/*/*.zst"), what="blob")
    wait_until(lambda: not glob.glob(f"{world.data}/sessions/1/*.raw"), what="end of its file")
    path = file_of(world, "blob")
    damaged = spoil(path, damage)
    signal_and_wait(server_pid(world))
    ran = world.run("log", "-t", "done")
    assert ran.status == 1 and ran.err.startswith(f"agentmux: the blob {path} is damaged: "), ran
    found = {row["what"]: row for row in world.run("doctor", "--json").json}
    assert path in found["memory"]["found"]
    world.new("api", "cat")
    world.run("info", "-t", "done").ok()
    with open(path, "rb") as file:
        assert file.read() == damaged


@each_damage
@pytest.mark.parametrize("which", ["config", "profile"])
def test_a_damaged_setting_is_named_and_the_rest_holds(
    world: World, which: str, damage: Callable[[bytes], bytes]
) -> None:
    """A configuration or profile that makes no sense stops nothing: ``doctor`` or ``agents`` name it, defaults hold."""
    path = world.configure('prefix = "C-a"\n')
    if which == "profile":
        world.agent(NAMED, "#!/bin/sh\nexec cat\n")
        path = f"{world.home}/config/agentmux/agents/ours.toml"
    world.new("api", "cat")
    spoil(path, damage)
    for _ in range(2):
        assert world.names() == ["api"]
        world.run("send", "-t", "api", "still").ok()
        if damage not in (emptied, halved):
            said = world.run("doctor").out + world.run("agents").out + world.run("agents").err
            assert os.path.basename(path) in said
        signal_and_wait(server_pid(world))
    world.shows("api", "still")


@pytest.mark.skipif(os.getuid() == 0 and sys.platform != "linux", reason="root reads everything")
@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_wrong_permissions_are_narrowed_or_refused(world: World, mode: int) -> None:
    """Files that others may read are closed to them; a data folder that is open is refused in a line, and recovers."""
    world.new("api", "cat")
    with without_a_server(world):
        os.chmod(f"{world.data}/store.db", mode)
        os.chmod(f"{world.socket}.inbox", mode)
    assert world.names() == ["api"]
    assert os.stat(f"{world.data}/store.db").st_mode & 0o777 == 0o600
    with without_a_server(world):
        os.chmod(world.data, 0o755)
    world.run("ls").failed("others may enter the folder", f"chmod 700 {world.data}")
    os.chmod(world.data, 0o700)
    wait_until(lambda: world.run("ls").status == 0, seconds=40, what="server")
    assert world.names() == ["api"]
