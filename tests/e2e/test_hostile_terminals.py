"""A client's terminal that hangs, lags, lies, shrinks or dies changes nothing for the program and for other clients."""

from __future__ import annotations

import random
import time

import pytest
from programs import FRAMES, framed
from terminal import Terminal
from world import World, wait_until

from agentmux.mux.reset import leave_client

SECONDS = [pytest.param(0.2, id="0.2s"), pytest.param(20, id="20s", marks=pytest.mark.prove)]


class Scene:
    """A session that draws all the time with a normal client on it; and the same program with nobody watching.

    Attributes:
        normal: the client, of the pane's size.
        typed: all that the program should have got.
    """

    def __init__(self, world: World, modes: str = "") -> None:
        self.world = world
        self.path, self.twin = f"{world.home}/watched", f"{world.home}/unwatched"
        size = ["-x", "80", "-y", "24"]
        world.python("api", FRAMES, self.path, modes, options=size)
        world.python("twin", FRAMES, self.twin, modes, options=size)
        self.normal = world.attach("api").has_answered()
        self.typed = b""
        self.press()
        wait_until(lambda: self._frames(self.twin)[0] > 10, what="frames of the twin")
        self._began = self._frames(self.path)[0], self._frames(self.twin)[0], time.monotonic()

    @staticmethod
    def _frames(path: str) -> tuple[int, float]:
        """Return how many frames there were, and how long the slowest write took."""
        try:
            with open(path + ".frames") as file:
                count, slowest = file.read().split()
                return int(count), float(slowest)
        except (FileNotFoundError, ValueError):
            return 0, 0.0

    def attached(self, count: int) -> None:
        """Wait until so many clients are attached."""
        wait_until(lambda: self.world.info("api")["attached"] == count, what=f"{count} clients")

    def flood(self) -> None:
        """Wait for more output than there is room on the way to a terminal that takes nothing."""
        self.attached(2)
        recorded = self.world.info("api")["recorded_bytes"]
        wait_until(lambda: self.world.info("api")["recorded_bytes"] > recorded + 2_500_000, what="output")

    def got(self) -> bytes:
        """Return what the program got."""
        with open(self.path + ".typed", "rb") as file:
            return file.read()

    def press(self) -> float:
        """Press a key in the normal client and wait until it is shown; return how many seconds that took."""
        key = bytes([ord("a") + len(self.typed) % 26])
        self.typed += key
        self.normal.type(key)
        began = time.monotonic()
        self.normal.shows("typed " + self.shown[6 - 80 :])
        return time.monotonic() - began

    @property
    def shown(self) -> str:
        """All that was typed, as the program shows it."""
        return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in self.typed)

    def arrives(self, seconds: float) -> None:
        """Wait until the program has got all that it should, and nothing else."""
        wait_until(lambda: len(self.got()) >= len(self.typed), seconds=seconds, what=lambda: f"end in {self.got()!r}")
        assert self.got() == self.typed

    def bear(self, seconds: float) -> None:
        """Insist that for so long nothing is different from what it was without the other terminal."""
        end = time.monotonic() + seconds
        echoes = [self.press() for _ in range(5)]
        while time.monotonic() < end:
            echoes.append(self.press())
            wait_until(self._is_right, what=lambda: f"the right cells in\n{self.normal.text()}")
        assert min(echoes) < 0.1, sorted(echoes)
        assert max(echoes) < 2, sorted(echoes)
        self.is_unchanged()

    def _is_right(self) -> bool:
        return framed(self.normal.rows(), self.shown)

    def is_unchanged(self) -> None:
        """Insist on input, size and speed of the program."""
        assert self.got() == self.typed
        with open(self.path + ".sizes") as file:
            assert file.read() == "80 24\n"
        frames, twins = self._frames(self.path), self._frames(self.twin)
        took = time.monotonic() - self._began[2]
        drawn, undisturbed = frames[0] - self._began[0], twins[0] - self._began[1]
        assert drawn > 0.7 * undisturbed, f"{drawn} frames in {took:.1f} s, where {undisturbed} are usual"
        assert frames[1] < 1, f"a write of the program took {frames[1]} s"
        assert self.normal.process.poll() is None

    @staticmethod
    def leave(*terminals: Terminal) -> None:
        """Detach these; each terminal is then as it was."""
        for terminal in terminals:
            terminal.type("\x02d")
            if terminal.reading:
                assert terminal.ended() == 0
            else:
                assert terminal.process.wait(10) == 0
                terminal.go_on_reading()
            wait_until(lambda one=terminal: b"[detached from api]" in one.everything(), what="the last line")  # type: ignore[misc]
            terminal.assert_as_before()


@pytest.mark.parametrize("seconds", SECONDS)
def test_one_that_never_reads(world: World, seconds: float) -> None:
    scene = Scene(world)
    hostile = world.terminal("attach", "-t", "api", reading=False).attached()
    scene.flood()
    scene.bear(seconds)
    scene.leave(hostile, scene.normal)


@pytest.mark.parametrize("seconds", SECONDS)
def test_one_that_reads_slowly(world: World, seconds: float) -> None:
    scene = Scene(world)
    hostile = world.terminal("attach", "-t", "api", rate=20_000).attached()
    scene.flood()
    scene.bear(seconds)
    hostile.shows("typed")
    scene.leave(hostile, scene.normal)


def test_one_that_answers_late_byte_by_byte_and_twice(world: World) -> None:
    scene = Scene(world)
    hostile = world.terminal("attach", "-t", "api").attached()
    answers: list[bytes] = []
    hostile.answering = answers.append
    wait_until(lambda: hostile.everything() and b"".join(answers).endswith(b"c"), what="all questions")
    asked = time.monotonic()
    scene.typed += b"\x1b"
    hostile.type(b"\x1b")
    scene.arrives(1)
    scene.bear(0.1)
    wait_until(lambda: time.monotonic() > asked + 2, what="two seconds")
    hostile.type_split(b"".join(answers) * 2)
    scene.press()
    scene.is_unchanged()
    scene.typed += b"\x1b"
    hostile.type(b"\x1b")
    scene.arrives(1)
    scene.bear(0.1)
    hostile.answering = hostile.type
    scene.leave(hostile, scene.normal)
    assert scene.got() == scene.typed


def test_answers_that_stop_halfway_do_not_swallow_what_is_typed(world: World) -> None:
    scene = Scene(world)
    hostile = world.terminal("attach", "-t", "api").attached()
    answers: list[bytes] = []
    hostile.answering = answers.append
    wait_until(lambda: hostile.everything() and b"".join(answers).endswith(b"c"), what="all questions")
    hostile.type_split(b"\x1b]11;rgb:1010/10")
    time.sleep(1.2)  # twice what the rest of an answer may take
    scene.typed += b"x\x1b"
    hostile.type_split(b"x\x1b")
    scene.arrives(1)
    scene.bear(0.1)
    hostile.answering = hostile.type
    scene.leave(hostile, scene.normal)
    assert scene.got() == scene.typed


def test_answers_that_come_when_the_session_is_over_are_not_typed_into_the_shell(world: World) -> None:
    hostile = world.terminal("new", "--", "sh", "-c", "echo words")
    answers: list[bytes] = []
    hostile.answering = answers.append
    wait_until(lambda: leave_client() in hostile.everything(), what="the end")
    answer = b"".join(answers)
    for at in range(0, len(answer), 20):
        hostile.type(answer[at : at + 20])
        time.sleep(0.03)  # slowly: all of it takes longer than a terminal that says nothing is given
    assert hostile.ended() == 0
    assert [row for row in hostile.rows() if row] == ["words", "[exited 0]"]
    assert hostile.unread() == 0
    hostile.assert_as_before()


def test_one_that_never_answers_is_left_all_the_same(world: World) -> None:
    hostile = world.terminal("new", "--", "sh", "-c", "echo words")
    hostile.answering = len
    assert hostile.ended() == 0
    assert "[exited 0]" in hostile.rows()


def test_one_without_a_size(world: World) -> None:
    scene = Scene(world)
    for born in ((2, 1), (0, 0)):
        hostile = world.attach("api", size=born).has_answered()
        scene.attached(2)
        scene.bear(0.2)
        for size in ((0, 0), (2, 1), (1, 500), (0, 7), (7, 0), (0, 0)):
            hostile.resize(size)
            scene.typed += b"+"
            hostile.type(b"+")  # it leads, but has no size to give
            scene.arrives(5)
        scene.bear(0.5)  # longer than a size must stand to count
        scene.leave(hostile)
    scene.leave(scene.normal)


def test_one_whose_client_is_killed_in_the_middle_of_a_frame(world: World) -> None:
    scene = Scene(world)
    dice = random.Random(1)
    for reading in (True, False, True, False):
        hostile = world.terminal("attach", "-t", "api", reading=reading).attached()
        scene.attached(2)
        scene.bear(dice.random() / 5)
        hostile.process.kill()
        hostile.process.wait()
        scene.attached(1)
    scene.bear(0.2)
    scene.leave(scene.normal)


def test_one_that_hangs_up_in_the_middle_of_a_frame(world: World) -> None:
    scene = Scene(world)
    for reading in (True, False, True, False):
        hostile = world.terminal("attach", "-t", "api", reading=reading).attached()
        scene.attached(2)
        scene.press()
        hostile.hang_up()
        assert hostile.process.wait(20) == 129
        scene.attached(1)
    scene.bear(0.2)
    scene.leave(scene.normal)


CLICK = b"\x1b[<0;10;5M\x1b[<0;10;5m"
FOCUS = b"\x1b[I\x1b[O\x1b[O\x1b[I"
OLD_CLICKS = b"\x1b[M +&\x1b[M#+&\x1b[32;10;5M"
NOWHERE = (
    b"\x1b[<0;0;0M\x1b[<0;81;1M\x1b[<0;1;25M\x1b[<0;9999;9999M\x1b[<35;99999;1M"
    b"\x1b[<0;123456789012345678901234567890;1M"
)
"""Clicks outside of the pane."""


def noise(hostile: Terminal, reports: bytes) -> None:
    """Send reports many at once, and cut in every place but behind an ESC, which alone is a key."""
    hostile.type(reports * 50)
    for report in reports.replace(b"\x1b", b"\0\x1b").split(b"\0")[1:]:
        hostile.type(report[:2])
        hostile.type_split(report[2:])


def test_mouse_and_focus_noise_that_nobody_asked_for(world: World) -> None:
    scene = Scene(world)
    hostile = world.attach("api").has_answered()
    small = world.attach("api", size=(60, 20)).has_answered()
    for terminal in (hostile, small):
        noise(terminal, CLICK + FOCUS + OLD_CLICKS + NOWHERE)
        scene.press()
    scene.bear(0.2)
    scene.leave(hostile, small, scene.normal)


def test_clicks_that_the_program_wants_with_others_and_with_focus_that_it_does_not(world: World) -> None:
    scene = Scene(world, r"\x1b[?1000h\x1b[?1006h")
    hostile = world.attach("api").has_answered()
    small = world.attach("api", size=(60, 20)).has_answered()  # it shows the pane from column 21 and row 5 on
    noise(hostile, FOCUS)
    noise(small, FOCUS + NOWHERE)
    scene.press()
    for terminal, click in ((hostile, CLICK), (small, b"\x1b[<0;30;9M\x1b[<0;30;9m")):
        scene.typed += click
        terminal.type(CLICK)
        scene.arrives(5)
    scene.bear(0.2)
    scene.leave(hostile, small, scene.normal)
