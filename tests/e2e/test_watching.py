"""``capture --watch``: a screen that is followed by who is not attached."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from programs import server_pid
from terminal import signal_and_wait
from world import World, wait_until

FLOOD = """
import os, sys
number = 0
while not os.path.exists(sys.argv[1]):
    number += 1
    os.write(1, b"\\x1b[32m%d " % number + b"x" * 60 + b"\\x1b[0m\\r\\n")
os.write(1, b"the end of it\\r\\n")
sys.stdin.read()
"""


class Follower:
    """What a front end keeps of the screen that it follows."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.frames: list[dict[str, Any]] = []
        self.rows: dict[int, str] = {}

    def next(self) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            return None
        frame: dict[str, Any] = json.loads(line)
        self.frames.append(frame)
        if len(self.frames) > 1 and self.frames[-2]["size"] != frame["size"]:
            self.rows.clear()
        self.rows.update({int(row): text for row, text in frame["rows"].items()})
        assert sorted(self.rows) == list(range(frame["size"][1]))
        return frame

    def until(self, text: str) -> dict[str, Any]:
        while (frame := self.next()) is not None:
            if text in "\n".join(self.rows.values()):
                return frame
        raise AssertionError(f"no {text!r} in {self.rows}")

    def rest(self) -> None:
        while self.next() is not None:
            pass


def watch(world: World, name: str, *options: str, **popen: Any) -> Follower:
    return Follower(world.start("capture", "--watch", "--json", "-t", name, *options, **popen))


def stop(world: World, follower: Follower) -> None:
    follower.process.terminate()
    world.ended(follower.process)


def test_a_screen_is_followed_without_being_attached(world: World) -> None:
    world.new("one", "cat", options=["-x", "90", "-y", "30"])
    follower = watch(world, "one")
    first = follower.next()
    assert first is not None
    assert first["size"] == [90, 30] and len(first["rows"]) == 30
    assert set(first) == {"rows", "size", "cursor", "cursor_visible", "title", "alternate"}
    world.run("send", "-t", "one", "--no-enter", "typed").ok()
    later = follower.until("typed")
    assert later["rows"] == {"0": "typed"} and later["cursor"] == [5, 0]
    info = world.info("one")
    assert info["attached"] == 0 and info["size"] == [90, 30]
    world.run("resize", "-t", "one", "70x20").ok()
    assert (sized := follower.next()) is not None
    assert sized["size"] == [70, 20] and len(sized["rows"]) == 20
    terminal = world.attach("one", size=(60, 15))
    while (sized := follower.next()) is not None and sized["size"] != [60, 15]:
        pass
    assert world.info("one")["attached"] == 1
    terminal.type("\x02d")
    assert terminal.ended() == 0
    world.run("kill", "-t", "one").ok()
    follower.rest()
    world.ended(follower.process).ok()


def test_rows_have_their_colours_if_asked_for(world: World) -> None:
    world.new("one", "sh", "-c", r"printf '\033[31mred\033[0m plain'; cat")
    world.shows("one", "red plain")
    styled, plain = watch(world, "one", "-e"), watch(world, "one")
    styled.next(), plain.next()
    assert styled.rows[0] == "\x1b[0m\x1b[31mred\x1b[0m plain" and plain.rows[0] == "red plain"
    stop(world, styled)
    stop(world, plain)


def test_the_last_words_are_shown_and_it_ends(world: World) -> None:
    """Also where nothing is recorded, so that the screen can't be had again."""
    for record in ("all", "screen", "off"):
        world.configure(f"record = '{record}'\n")
        world.new(record, "sh", "-c", "read x; printf 'last words'; exit 3")
        follower = watch(world, record)
        follower.next()
        world.run("send", "-t", record, "go").ok()
        follower.until("last words")
        follower.rest()
        world.ended(follower.process).ok()


def test_an_ended_session_is_shown_once(world: World) -> None:
    world.new("one", "sh", "-c", "echo over")
    world.exited("one")
    found = world.run("capture", "--watch", "-t", "one").ok()
    assert found.lines[0] == "over"
    assert len(world.run("capture", "--watch", "--json", "-t", "one").ok().lines) == 1


def test_a_flood_is_shown_at_a_pace(world: World) -> None:
    end = f"{world.home}/end"
    world.python("flood", FLOOD, end, "60", options=["-x", "120", "-y", "40"])
    follower = watch(world, "flood", "-e")
    follower.next()
    before, begin = len(follower.frames), time.monotonic()
    while time.monotonic() - begin < 2:
        follower.next()
    took, count = time.monotonic() - begin, len(follower.frames) - before
    assert 2 <= count <= 15 * took + 2, f"{count} frames in {took:.2f} s"
    open(end, "w").close()
    follower.until("the end of it")
    stop(world, follower)


def test_a_slow_reader_gets_the_newest_and_costs_nothing(world: World) -> None:
    """What is old by the time it is read is what fits into the pipes and sockets on the way."""
    end = f"{world.home}/end"
    world.python("flood", FLOOD, end, "380", options=["-x", "400", "-y", "100"])
    follower = watch(world, "flood", "-e")
    follower.next()
    client = follower.process.pid
    os.kill(client, signal.SIGSTOP)
    pid = server_pid(world)
    begin = time.monotonic()
    while time.monotonic() - begin < 2:
        world.screen("flood")
    before = resident(pid)
    begin = time.monotonic()
    while time.monotonic() - begin < 2:
        world.screen("flood")
    assert resident(pid) - before < 8 << 20
    open(end, "w").close()
    world.shows("flood", "the end of it")
    os.kill(client, signal.SIGCONT)
    follower.until("the end of it")
    assert len(follower.frames) < 40, "4 s have 60 at full pace"
    stop(world, follower)


def resident(pid: int) -> int:
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_terminal_shows_it_in_place(world: World) -> None:
    code = r"stty -echo; printf '%070d\n' 0; read x; printf 'the second'; read x; printf ' and more'; read x"
    world.new("one", "sh", "-c", code, options=["-x", "100", "-y", "30"])
    terminal = world.terminal("capture", "--watch", "-t", "one", size=(60, 10))
    terminal.shows("0" * 60)
    world.run("send", "-t", "one", "go on").ok()
    terminal.shows("the second")
    rows = terminal.rows()
    assert rows == ["0" * 60, "the second", *[""] * 8]
    world.run("send", "-t", "one", "go on").ok()
    terminal.shows("the second and more")
    terminal.type("\x03")
    assert terminal.ended() == 130
    terminal.assert_as_before()


def test_it_is_over_when_the_server_is(world: World) -> None:
    """As `ls --watch`: what was shown is not told twice, who follows asks again."""
    world.new("one", "cat")
    follower = watch(world, "one")
    follower.next()
    signal_and_wait(server_pid(world))
    follower.rest()
    ended = world.ended(follower.process)
    assert ended.status == 4, ended


def test_only_the_screen_is_watched(world: World) -> None:
    world.new("one", "cat")
    world.run("capture", "--watch", "-S", "-5", "-t", "one").failed("capture: --watch shows the screen", status=2)


def test_a_line_of_json_may_be_longer_than_a_frame_to_the_client(world: World) -> None:
    code = (
        "import sys, os\n"
        "for y in range(500):\n"
        "    row = b''.join(b'\\x1b[38;2;%d;2;3;48;2;4;5;%dmx' % (100 + x % 2, 100 + x % 3) for x in range(1000))\n"
        "    sys.stdout.buffer.write(b'\\x1b[%dH' % (y + 1) + row)\n"
        "sys.stdout.buffer.write(b'\\x1b]2;drawn\\x07')\n"
        "sys.stdout.flush()\n"
        "sys.stdin.read()\n"
    )
    world.new("one", sys.executable, "-I", "-c", code, options=["-x", "1000", "-y", "500"])
    wait_until(lambda: world.info("one")["title"] == "drawn", what="a huge screen")
    found = world.run("capture", "-e", "--json", "-t", "one").ok()
    assert len(found.raw) > 1 << 23
    assert len(found.json["rows"]) == 500
