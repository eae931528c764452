"""Terminals of different sizes on one session: the program sees sane sizes, and each terminal the right cells."""

from __future__ import annotations

import random
import time

import pytest
from programs import ECHO_KEYS, GRID, grid
from terminal import Terminal
from world import World, wait_until

Size = tuple[int, int]


class Board:
    """A session that fills its pane with ``GRID``, born with 80x24."""

    def __init__(self, world: World, modes: str = "") -> None:
        self.path = f"{world.home}/board"
        world.python("api", GRID, self.path, modes, options=["-x", "80", "-y", "24"])
        world.shows("api", grid(80, 24)[23])

    def sizes(self) -> list[Size]:
        """Return every size that the program was told."""
        with open(self.path + ".sizes") as file:
            return [(int(columns), int(rows)) for columns, rows in (line.split() for line in file)]

    def typed(self) -> bytes:
        """Return what the program got."""
        try:
            with open(self.path + ".typed", "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""


def part(pane: Size, terminal: Size, left: int = 0, top: int = 0) -> list[str]:
    """Return the part of a pane that a terminal shows."""
    return [row[left : left + max(1, terminal[0])] for row in grid(*pane)[top : top + terminal[1]]]


def shown(board: Board, pane: Size | None, *terminals: Terminal) -> None:
    """Wait until the pane has this size, or any, and each terminal shows it, or its upper left part."""

    def is_right() -> bool:
        size = board.sizes()[-1]
        return size == (pane or size) and all(
            terminal.rows() == (part(size, terminal.size) + [""] * terminal.size[1])[: terminal.size[1]]
            for terminal in terminals
        )

    wait_until(
        is_right,
        what=lambda: (
            f"{pane or 'right screen'}, but {board.sizes()[-3:]} on "
            + "\n".join(f"{terminal.size}:\n{terminal.text()}" for terminal in terminals)
        ),
    )


@pytest.mark.parametrize("seconds", [pytest.param(5, id="5s"), pytest.param(60, id="60s", marks=pytest.mark.prove)])
def test_two_terminals_resized_at_random(world: World, seconds: float) -> None:
    board = Board(world)
    dice = random.Random(4)
    leader, other = world.attach("api").has_answered(), world.attach("api", size=(100, 30)).has_answered()
    had = {(80, 24), (100, 30)}
    rests, typed = 0, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(dice.randint(1, 8)):
            terminal = dice.choice((leader, other))
            if dice.random() < 0.3:
                terminal.type("x")
                typed += 1
                wait_until(lambda count=typed: len(board.typed()) == count, what="x")  # type: ignore[misc]
                leader, other = terminal, leader if terminal is other else other
            else:
                tiny = dice.random() < 0.1
                size = (
                    (dice.randint(0, 30), dice.randint(0, 4)) if tiny else (dice.randint(20, 140), dice.randint(5, 50))
                )
                terminal.resize(size)
                had.add(size)
            if dice.random() < 0.3:
                time.sleep(dice.random() / 3)  # a size that stands for a while, or not
        usable = [terminal.size for terminal in (leader, other) if terminal.size[0] >= 20 and terminal.size[1] >= 5]
        shown(board, usable[0] if usable else None, leader, other)
        rests += 1
    assert rests > seconds / 3
    told = board.sizes()
    assert len(told) > rests / 2
    assert set(told) <= had
    assert all(columns >= 20 and rows >= 5 for columns, rows in told)


def test_the_smallest_size_decides_if_the_user_says_so(world: World) -> None:
    world.configure('window-size = "smallest"\n')
    board = Board(world)
    wide, high = world.attach("api", size=(100, 30)), world.attach("api", size=(80, 40))
    shown(board, (80, 30), wide, high)
    wide.type("x")
    tiny, watcher = world.attach("api", size=(10, 3)), world.attach("api", "-r", size=(60, 20))
    shown(board, (80, 30), wide, high, tiny, watcher)
    high.resize((60, 50))
    shown(board, (60, 30), wide, high, tiny, watcher)
    high.type("\x02d")
    assert high.ended() == 0
    shown(board, (100, 30), wide, tiny, watcher)
    assert board.sizes() == [(80, 24), (100, 30), (80, 30), (60, 30), (100, 30)]


def test_no_terminal_decides_the_size_if_the_user_says_so(world: World) -> None:
    world.configure('window-size = "manual"\n')
    board = Board(world)
    large, small = world.attach("api", size=(100, 30)), world.attach("api", size=(60, 20))
    for terminal in (large, small):
        terminal.type("x")
        shown(board, (80, 24), large, small)
    large.resize((120, 40))
    small.resize((80, 24))
    shown(board, (80, 24), large, small)
    assert board.sizes() == [(80, 24)]


def test_a_larger_terminal_has_nothing_beside_the_pane(world: World) -> None:
    board = Board(world)
    large = world.attach("api", size=(100, 30))
    shown(board, (100, 30), large)
    small = world.attach("api", size=(60, 20))
    small.type("x")
    shown(board, (60, 20), large, small)
    assert large.rows() == grid(60, 20) + [""] * 10


def test_a_program_that_draws_once_is_right_at_every_size(world: World) -> None:
    line = "".join(str(n % 10) for n in range(70))
    code = f"stty -echo; echo {line}; exec cat > /dev/null"
    world.new("api", "sh", "-c", code, options=["-x", "80", "-y", "24"])
    world.shows("api", line)
    large, small = world.attach("api"), world.attach("api", size=(60, 20))
    large.shows_rows([line])
    small.shows_rows([line[:60]])
    small.type("x")
    for terminal in (large, small):
        terminal.shows_rows([line[:60], line[60:]])
    large.type("x")
    large.shows_rows([line])
    small.shows_rows([line[:60]])


def test_a_smaller_terminal_follows_the_cursor(world: World) -> None:
    board = Board(world)
    small = world.attach("api", "-r", size=(30, 10)).has_answered()
    leader = world.attach("api").has_answered()
    for x, y in ((79, 23), (0, 0), (45, 12), (46, 12), (79, 0), (0, 23), (40, 23)):
        leader.type(f"@{y + 1};{x + 1}!")

        def follows(x: int = x, y: int = y) -> bool:
            rows, cursor = small.rows(), small.screen.cursor
            left, top = x - cursor.x, y - cursor.y
            return 0 <= left <= 50 and 0 <= top <= 14 and rows == part((80, 24), small.size, left, top)

        wait_until(follows, what=lambda: f"the part around the cursor in\n{small.text()}")
    assert board.sizes() == [(80, 24)]


def test_a_watcher_never_resizes(world: World) -> None:
    board = Board(world)
    watcher = world.attach("api", "-r", size=(60, 20)).has_answered()
    shown(board, (80, 24), watcher)
    watcher.resize((100, 30))
    watcher.type("x")
    shown(board, (80, 24), watcher)
    leader = world.attach("api", size=(90, 25))
    shown(board, (90, 25), watcher, leader)
    watcher.resize((70, 22))
    watcher.type("x\x1b[<0;1;1M")
    shown(board, (90, 25), watcher, leader)
    leader.type("\x02d")
    assert leader.ended() == 0
    leader.type("")
    shown(board, (90, 25), watcher)
    assert board.sizes() == [(80, 24), (90, 25)]


@pytest.mark.parametrize("status", ["off", "top", "bottom"])
def test_a_click_reaches_the_cell_that_was_under_it(world: World, status: str) -> None:
    world.configure(f'status = "{status}"\n')
    board = Board(world, r"\x1b[?1000h\x1b[?1006h")
    leader = world.attach("api", size=(80, 24 if status == "off" else 25)).has_answered()
    small = world.attach("api", size=(30, 10)).has_answered()
    leader.type("@16;50!")
    first = 1 if status == "top" else 0  # the row of the terminal in which the pane begins
    rows = 10 if status == "off" else 9
    cursor = small.screen.cursor

    def offset() -> Size:
        return 49 - small.screen.cursor.x, 15 - (small.screen.cursor.y - first)

    def follows() -> bool:
        there = small.rows()[first : first + rows]
        return there == part((80, 24), (30, rows), *offset())

    wait_until(lambda: follows() and small.screen.cursor != cursor, what=lambda: f"the right part in\n{small.text()}")
    left, top = offset()
    assert left > 0
    assert top > 0
    clicks, wanted = b"", b"@16;50!"
    for x, y in ((1, 1), (30, rows), (7, 3)):
        clicks += b"\x1b[<0;%d;%dM" % (x, y + first)
        wanted += b"\x1b[<0;%d;%dM" % (x + left, y + top)
    line = 1 if status == "top" else 10
    if status != "off":  # the status line is no part of the pane
        clicks = b"\x1b[<0;5;%dM" % line + clicks
    small.type(clicks)
    wait_until(lambda: len(board.typed()) >= len(wanted), what=lambda: f"all clicks in {board.typed()!r}")
    leader.type("end")
    wait_until(lambda: board.typed().endswith(b"end"), what="end")
    assert board.typed() == wanted + b"end"
    assert set(board.sizes()) == {(80, 24)}


def test_a_program_that_wants_pixels_gets_them_from_cells(world: World) -> None:
    world.python("api", ECHO_KEYS, r"\x1b[?1000h\x1b[?1006h\x1b[?1016h", options=["-x", "80", "-y", "24"])
    leader, other = world.attach("api"), world.attach("api", size=(60, 20))
    for terminal in (leader, other):
        terminal.shows("ready")
    leader.type("\x1b[<0;633;17M")  # pixels, from a terminal of the pane's size
    leader.shows("0;633;17M")
    other.type("\x1b[<0;3;2M")  # cells
    leader.shows("0;20;24M")


def test_a_click_that_is_on_no_cell_of_the_pane_is_for_nobody(world: World) -> None:
    world.python("api", ECHO_KEYS, r"\x1b[?1000h\x1b[?1006h")
    terminal = world.attach("api")
    terminal.shows("ready")
    for report in ("\x1b[<0;9999;9999M", "\x1b[<0;0;0M", "\x1b[<0;81;1M", "\x1b[<0;80;24M"):
        terminal.type(report)
    terminal.shows("0;80;24M")
    assert not any(text in terminal.text() for text in ("9999", "0;0;0", "81"))
