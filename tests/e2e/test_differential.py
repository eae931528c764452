"""The same bytes look the same in agentmux as in tmux: captured, attached, and attached again.

The installed tmux is the reference emulator: a program in a bare pane of it plays a stream, and the same program plays
it in a session. Compared are text, style and cursor. What differs must be in the table of accepted differences.
"""

from __future__ import annotations

import functools
import itertools
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import NamedTuple

import pytest
from alike import cells, ends
from streams import PROGRAMS, TEXT, agent, record
from terminal import Terminal, Tmux
from world import AGENTMUX, World, wait_until

from agentmux.mux.emulator.cells import TAIL, WIDE, wide, width_of
from agentmux.mux.emulator.ffi import ffi, lib
from agentmux.mux.emulator.terminal import check
from agentmux.mux.screen import Screen

SIZE = (80, 24)
STREAMS, PARTS = 2000, 8
CUTS = 40
"""Places in each recording where it stops to be compared."""

PLAYER = """
import os, sys, tty
tty.setraw(0)
def write(data):
    while data: data = data[os.write(1, data):]
write(b"\\x1b]2;ready\\x07")
with open(sys.argv[1]) as orders:
    for order in orders:
        name, length = order.split()
        with open(name, "rb") as file: data = file.read()
        for at in range(0, len(data), int(length)): write(data[at : at + int(length)])
"""
"""Takes orders from a fifo: which file to write, and how much of it at once."""

RESET = (
    b"\x1b[?1049h\x1b[m\x1b[r\x1b[H\x1b[2J\x1b[?1049l"
    b"\x1b[m\x1b]8;;\x1b\\\x1b[?6l\x1b[?7h\x1b[4l\x1b[r\x1b(B\x0f\x1b[?1l\x1b>\x1b[?25h\x1b[0 q\x1b[?2026l"
    b"\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?12l\x1b[>4;0m\x1b[H\x1b7\x1b[2J"
)
"""Back to a blank screen without RIS, which means more than that in agentmux."""

Cell = tuple[bytes, bytes]


@functools.lru_cache(4096)
def shown_on_blank(style: bytes) -> bytes:
    """Return what of a cell's style can be seen where it has no text."""
    if not style.startswith(b"\x1b["):
        return style  # a background alone
    words = _WORD.findall(style[4:-1])
    inverse = b"7" in words
    seen = [word for word in words if _ON_BLANKS.fullmatch(word) or (inverse and word.startswith((b"3", b"9")))]
    return b";".join(seen)


_WORD = re.compile(rb"[345]8[;:]2[;:][\d:;]*?\d+[;:]\d+[;:]\d+|[345]8[;:]5[;:]\d+|[\d:]+")
_ON_BLANKS = re.compile(rb"4|4:.*|7|9|53|4[0-7]|10[0-7]|[45]8.*")


class Picture(NamedTuple):
    """What is compared: text and style of each cell; the cursor's column, row and visibility."""

    rows: list[list[Cell]]
    cursor: tuple[int, int, bool]


def picture(screen: Screen, cursor: tuple[int, int, bool] | None = None) -> Picture:
    """Return what a screen shows. The colour of a blank's text, bold or italic cannot be seen."""
    shown = cells(screen._terminal)
    rows = [[(text, style if text else shown_on_blank(style)) for text, style, *_ in row] for row in shown]
    return Picture(rows, cursor or (screen.cursor.x, screen.cursor.y, screen.cursor.visible))


def drawn(rows: list[str], cursor: tuple[int, int, bool]) -> Picture:
    """Return the picture that captured rows describe."""
    with closing(Screen(SIZE)) as screen:
        screen.feed(b"\x1b)0")  # tmux writes line drawing with SO and SI
        screen.feed("\r\n".join(rows).encode())
        return picture(screen, cursor)


class Rewrite(NamedTuple):
    """A difference that is accepted: what tmux gets instead of a sequence, so that nothing else may differ."""

    name: str
    reason: str
    sequence: re.Pattern[bytes]
    instead: Callable[[bytes], bytes]
    at_the_margin: bool = False
    """Only where a wrap is pending in both."""


REWRITES = [
    Rewrite(
        "column after IL and DL",
        "they end in the first column, as in xterm; tmux leaves the cursor where it was",
        re.compile(rb"\x1b\[(?:[1-9]\d*)?[LM]"),
        lambda sequence: sequence + b"\r",
    ),
    Rewrite(
        "a count of 0",
        "libghostty takes it for none, tmux and xterm for 1; no program was seen to send it",
        re.compile(rb"\x1b\[0[LMPST]"),
        lambda sequence: b"",
    ),
    Rewrite(
        "erasing at the margin",
        "where a wrap is pending the cursor is on the last column, as in xterm; tmux's is behind it and misses it",
        re.compile(rb"\x1b\[\d*[JKPX@]"),
        lambda sequence: b"\b" + sequence,
        at_the_margin=True,
    ),
    Rewrite(
        "left from the margin",
        "where a wrap is pending the cursor is on the last column, as in xterm; tmux's is behind it, a column off",
        re.compile(rb"\x08|\x1b\[\d*D"),
        lambda sequence: b"\b" + sequence,
        at_the_margin=True,
    ),
    Rewrite(
        "to another row at the margin",
        "it ends a pending wrap, so what follows stands in the last column; tmux's wraps after all",
        re.compile(rb"\n|\x1b[DM]|\x1b\[\d*d"),
        lambda sequence: b"\b" + sequence,
        at_the_margin=True,
    ),
]

HALVES = (
    "half of a wide character",
    "overwriting one half leaves the other blank: with the pen's background, as an erased cell; in tmux without",
)
SPLIT = (
    "a wide character that is split",
    "where erasing, deleting or inserting begins or ends within it nothing is left of it; tmux keeps a half",
)
RESTORED = (
    "a pending wrap is restored",
    "it is saved with the cursor, as in xterm; tmux's cursor comes back on the last column and overwrites it",
)
SCROLLED_IN = (
    "a row that a wrap scrolls in",
    "it has the pen's background, as one that a line feed scrolls in; in tmux only the latter",
)
NO_ROOM = (
    "no room for a wide character",
    "where it does not fit into the last column, that one becomes blank; tmux leaves there what was there",
)
EXAMPLES = {
    "column after IL and DL": b"\r\nabc\x1b[L",
    "a count of 0": b"abc\r\x1b[0P",
    "erasing at the margin": b"\x1b[1;80Hx\x1b[K",
    "left from the margin": b"\x1b[1;80Hx\x1b[Dy",
    "to another row at the margin": b"\x1b[1;80Hx\ny",
    HALVES[0]: "\x1b[44m漢\bx".encode(),
    SPLIT[0]: "漢\b\x1b[K".encode(),
    RESTORED[0]: b"\x1b[1;80Hx\x1b7\x1b[H\x1b8y",
    SCROLLED_IN[0]: b"\x1b[24;80Hx\x1b[44my\x1b[24;20Hz",
    NO_ROOM[0]: "\x1b[1;80Hx\x1b[1;80H漢".encode(),
}
FOLLOWING = ["", *"\b\t\n\r漢", "\r\n", "e\u0301"]
FOLLOWING += ["\x1bM", "\x1bD", "\x1bE", "\x1b[?25l", "\x1b[44m"]
FOLLOWING += [
    f"\x1b[{end}" for end in [*"ABCDEFJKLMPSTX@m", "2D", "9G", "3d", "9;9H", "1J", "2J", "1K", "2K", "3X", "3P", "3@"]
]
FOLLOWING += [f"\x1b7\x1b8{then}" for then in ("", "\b", "\n", "漢", "\x1b[K", "\x1b[P", "\x1b[44m")]
"""What is written where a wrap is pending."""
TOKEN = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-~]|[\xc0-\xff][\x80-\xbf]*|[^\x1b]",
    re.S,
)


def for_tmux(data: bytes, used: Counter[str]) -> bytes:
    """Return the stream that makes tmux do what every other terminal does; count what was needed for it."""
    out = []
    with closing(Screen(SIZE)) as screen:
        screen.feed(RESET)
        restored = False
        for found in TOKEN.finditer(data):
            token = original = found[0]
            restored = restored and pending(screen)
            if original[0] < 0x20:
                if erase := splits(screen, original):
                    used[SPLIT[0]] += 1
                    token = erase + token
                for rewrite in REWRITES:
                    margin = not rewrite.at_the_margin or (pending(screen) and not restored)
                    if margin and rewrite.sequence.fullmatch(original):
                        used[rewrite.name] += 1
                        token = rewrite.instead(token)
            elif width_of(ord(original.decode())):
                if not (erase := halves(screen)):
                    for name, needed in ((RESTORED[0], restored), (SCROLLED_IN[0], scrolls_in(screen))):
                        used[name] += needed
                        if needed:
                            erase = b"\r\n"
                else:
                    used[HALVES[0]] += 1
                if room := no_room(screen, original):
                    used[NO_ROOM[0]] += 1
                token = room + erase + token
            screen.feed(original)
            restored = restored or (original == b"\x1b8" and pending(screen))
            out.append(token)
    return b"".join(out)


def splits(screen: Screen, sequence: bytes) -> bytes:
    """Return what erases the double-width characters that a sequence would erase, delete or push out half of."""
    found = _SPLITTING.fullmatch(sequence)
    if not found:
        return b""
    x, y, _ = screen.cursor
    final = found[2]
    if final in b"JK":
        edges = [[x], [x + 1], []][int(found[1] or 0)]
    else:
        count = int(found[1] or 1) or final != b"P"
        edges = [x, max(SIZE[0] - count, x) if final == b"@" else x + count] if count else []
    out = b""
    for edge in edges:
        if edge < SIZE[0] and part(screen, edge, y) == TAIL:
            away = edge - 1 - x
            there, back = (b"\x1b[%dC", b"\x1b[%dD") if away > 0 else (b"\x1b[%dD", b"\x1b[%dC")
            out += there % abs(away) + b"\x1b[2X" + back % abs(away) if away else b"\x1b[2X"
    return out


_SPLITTING = re.compile(rb"\x1b\[(\d*)([JKPX@])")


def halves(screen: Screen) -> bytes:
    """Return what erases the double-width character that the next one will overwrite half of."""
    terminal, (x, y, _) = screen._terminal, screen.cursor
    wraps = b""
    if pending(screen):
        x, wraps = 0, b"\r\n"
        if y == SIZE[1] - 1 or not terminal.mode(7):
            return b""
        y += 1
    if part(screen, x, y) == TAIL:
        return wraps + b"\x1b[D\x1b[2X\x1b[C"
    return wraps + b"\x1b[2X" if part(screen, x, y) == WIDE else b""


def part(screen: Screen, x: int, y: int) -> int:
    """Return which part of a character a cell is."""
    cell = ffi.new("GhosttyCell*")
    check(lib.ghostty_grid_ref_cell(screen._terminal.ref(x, y), cell), "cell")
    return wide(cell[0])


def scrolls_in(screen: Screen) -> bool:
    """Return whether the next character may scroll, with a background in the pen."""
    terminal = screen._terminal
    return pending(screen) and terminal.mode(7) and b"48;" in terminal.extra("style")[1]


def no_room(screen: Screen, character: bytes) -> bytes:
    """Return what erases the last column where a double-width character goes to the next row instead."""
    fits = screen.cursor.x < SIZE[0] - 1 or pending(screen)
    return b"" if fits or width_of(ord(character.decode())) < 2 else b"\x1b[X"


def pending(screen: Screen) -> bool:
    return bool(screen._terminal.get("CURSOR_PENDING_WRAP", "bool"))


class Stage:
    """A bare tmux and an agentmux session that play the same streams; on the session a terminal and another tmux."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.number = 0
        fifos = [os.path.join(world.home, name) for name in ("bare", "ours")]
        for fifo in fifos:
            os.mkfifo(fifo)
        player = [sys.executable, "-I", "-S", "-c", PLAYER]
        self.bare = world.tmux(argv=[*player, fifos[0]], size=SIZE)
        world.python("ours", PLAYER, fifos[1], options=("-x", "80", "-y", "24"))
        self.client = world.attach("ours", size=SIZE)
        again = f"while :; do {AGENTMUX} attach -t ours || break; done"
        self.outer = world.tmux(argv=["sh", "-c", again], size=SIZE)
        wait_until(lambda: world.info("ours")["attached"] == 2, what="attached clients")
        self.orders = [open(fifo, "w", buffering=1) for fifo in fifos]  # noqa: SIM115

    def close(self) -> None:
        """End the players."""
        for orders in self.orders:
            orders.close()

    def play(self, data: bytes, for_tmux: bytes, piece: int) -> None:
        """Play a stream everywhere and wait until it is shown; then the title is its number."""
        self.number += 1
        for name, stream, orders in zip(("bare", "ours"), (for_tmux, data), self.orders, strict=True):
            path = os.path.join(self.world.home, f"stream.{name}")
            with open(path, "wb") as file:
                file.write(RESET + stream + b"\x1b]2;%d\x07" % self.number)
            orders.write(f"{path} {piece}\n")
        wait_until(lambda: title(self.bare) == str(self.number), what="end of the stream in tmux")
        self.shown(self.client)

    def shown(self, client: Terminal) -> None:
        """Wait until a client shows the stream to its end."""

        def done() -> bool:
            client.rows()
            return client.screen.title == str(self.number)

        wait_until(done, what=lambda: f"stream {self.number} in\n{client.text()}")

    def capturing(self) -> subprocess.Popen[bytes]:
        """Start ``agentmux capture``; it takes as long as attaching."""
        return self.world.start("capture", "-t", "ours", "-e", "--json")

    def captured(self, capturing: subprocess.Popen[bytes]) -> Picture:
        """Return what it says."""
        facts = self.world.ended(capturing).ok().json
        assert facts["title"] == str(self.number)
        return drawn(facts["rows"], (*facts["cursor"], facts["cursor_visible"]))

    def again(self) -> None:
        """Detach the client and attach another."""
        self.client.type("\x02d")
        self.client.ended()
        self.client.close()
        self.world.terminals.remove(self.client)
        self.client = self.world.attach("ours", size=SIZE)
        self.shown(self.client)

    def outer_again(self) -> None:
        """Detach and attach in the other tmux."""
        before = self.outer.run("display", "-p", "#{pane_title}")
        self.outer.run("select-pane", "-T", "detached")
        self.outer.keys("C-b", "d")
        wait_until(lambda: self.outer.run("display", "-p", "#{pane_title}") == before, what="attached again")


def title(tmux: Tmux) -> str:
    return tmux.run("display", "-p", "#{pane_title}").strip()


def tmux_picture(tmux: Tmux) -> Picture:
    """Return what a tmux shows; a cursor behind the last column stands on it for everybody else."""
    *rows, state = tmux.run(
        "capture-pane", "-p", "-e", "-N", ";", "display", "-p", "#{cursor_x} #{cursor_y} #{cursor_flag}"
    ).split("\n")[:-1]
    x, y, visible = map(int, state.split())
    return drawn(rows, (min(x, SIZE[0] - 1), y, bool(visible)))


def compare(stage: Stage, data: bytes, piece: int, *, outer: bool, used: Counter[str]) -> list[str]:
    """Play a stream and return what differs from the bare tmux, and among what agentmux itself shows."""
    stage.play(data, for_tmux(data, used), piece)
    wanted = tmux_picture(stage.bare)
    capturing = stage.capturing()
    stage.client.rows()
    found = {"attached": picture(stage.client.screen)}
    outside = {}
    if outer:
        wait_until(lambda: title(stage.outer) == str(stage.number), what="end of the stream in the outer tmux")
        if for_tmux(data, Counter()) == data:  # it gets the program's own bytes
            outside["outer"] = tmux_picture(stage.outer)
    stage.again()
    found["attached again"] = picture(stage.client.screen)
    if outer:
        stage.outer_again()
        outside["outer again"] = tmux_picture(stage.outer)
    rows = ends_of(data)
    captured = without_ends(stage.captured(capturing), rows)
    wrong = [difference("captured", without_ends(wanted, rows), as_captured(wanted, captured))]
    wrong += [difference(where, captured, without_ends(got, rows)) for where, got in found.items()]
    for where, got in outside.items():
        wrong.append(difference(where, without_ends(got, rows), as_captured(got, captured)))
    return [text for text in wrong if text]


def ends_of(data: bytes) -> set[int]:
    """Return the rows whose last cell is blank for want of room; what style that has is not kept everywhere."""
    with closing(Screen(SIZE)) as screen:
        screen.feed(RESET + data)
        return ends(screen._terminal)


def without_ends(shown: Picture, rows: set[int]) -> Picture:
    """Return a picture without the style of the last cell of these rows."""
    cut = [[*row[:-1], (row[-1][0], b"")] if y in rows else row for y, row in enumerate(shown.rows)]
    return Picture(cut, shown.cursor)


def as_captured(tmux: Picture, ours: Picture) -> Picture:
    """Return ours without what tmux cannot capture: backgrounds behind the last cell that was printed in a row."""
    rows = []
    for theirs, row in zip(tmux.rows, ours.rows, strict=True):
        printed = len(theirs)
        while printed and theirs[printed - 1] == (b"", b""):
            printed -= 1
        rows.append(row[:printed] + [(text, style if text else b"") for text, style in row[printed:]])
    return Picture(rows, ours.cursor)


def difference(where: str, wanted: Picture, got: Picture) -> str:
    """Return the first cells that differ, b"" if none does."""
    lines = [f"{where}: cursor {got.cursor} instead of {wanted.cursor}"] if wanted.cursor != got.cursor else []
    for y, (one, other) in enumerate(zip(wanted.rows, got.rows, strict=True)):
        different = [x for x in range(max(len(one), len(other))) if one[x : x + 1] != other[x : x + 1]]
        lines += [f"{where}: row {y} column {x}: {other[x : x + 3]} instead of {one[x : x + 3]}" for x in different[:1]]
    return "\n".join(lines[:4])


def check_all(world: World, streams: Iterable[tuple[str, bytes]]) -> Counter[str]:
    """Play every stream; return how often each accepted difference was needed."""
    used: Counter[str] = Counter()
    wrong = {}
    stage = Stage(world)
    try:
        for number, (name, data) in enumerate(streams):
            if found := compare(stage, data, (100, 4096)[number % 2], outer=number % 10 == 0, used=used):
                wrong[name] = f"{data[-300:]!r}\n" + "\n".join(found)
    finally:
        stage.close()
    assert not wrong, f"{len(wrong)} streams: {list(wrong)}\n" + "\n\n".join(list(wrong.values())[:5])
    return used


def agents(first: int, count: int) -> Iterator[tuple[str, bytes]]:
    for seed in range(first, first + count):
        yield f"seed {seed}", agent(random.Random(seed), SIZE)


def at_the_margin() -> Iterator[tuple[str, bytes]]:
    """Yield each sequence that may follow a pending wrap, after narrow and double-width characters."""
    for text, row in itertools.product(["abcd", "ab漢", "a漢b"], [5, 24]):
        for follow in FOLLOWING:
            before = f"\x1b[4;76H\x1b[42m漢漢\x1b[m\x1b[{row};77H\x1b[41m"
            yield f"{text} {row} {follow!r}", f"{before}{text}{follow}x".encode()


def recorded(name: str, folder: str, cuts: int) -> Iterator[tuple[str, bytes]]:
    """Yield the beginnings of what a program wrote, each cut between two sequences."""
    argv, keys = PROGRAMS[name]
    path = os.path.join(folder, "file")
    with open(path, "w") as file:
        file.write(TEXT)
    output = record([word.format(file=path) for word in argv], keys, SIZE)
    ends = [found.end() for found in TOKEN.finditer(output)]
    for end in sorted(random.Random(name).sample(ends, cuts - 1)) + ends[-1:]:
        yield f"{name} up to {end}", output[:end]


pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


def test_a_few_streams_look_as_in_tmux(world: World) -> None:
    check_all(world, agents(0, 30))


def test_bash_looks_as_in_tmux(world: World) -> None:
    check_all(world, recorded("bash", world.home, 4))


@pytest.mark.prove
@pytest.mark.parametrize("part", range(PARTS))
def test_many_streams_look_as_in_tmux(world: World, part: int) -> None:
    check_all(world, agents(30 + part * STREAMS // PARTS, STREAMS // PARTS))


def test_each_accepted_difference_is_still_one(world: World) -> None:
    stage = Stage(world)
    wrong = []
    try:
        for name, example in EXAMPLES.items():
            used: Counter[str] = Counter()
            stage.play(example, example, 4096)
            bare = tmux_picture(stage.bare)
            if not difference(name, bare, as_captured(bare, stage.captured(stage.capturing()))):
                wrong.append(f"{name}: tmux does the same now")
            found = compare(stage, example, 4096, outer=False, used=used)
            if found or not used[name]:
                wrong.append(f"{name}: {found}")
    finally:
        stage.close()
    assert not wrong
    assert EXAMPLES.keys() == {name for name, *_ in (*REWRITES, HALVES, SPLIT, RESTORED, NO_ROOM, SCROLLED_IN)}


@pytest.mark.prove
def test_what_follows_a_pending_wrap_looks_as_in_tmux(world: World) -> None:
    check_all(world, at_the_margin())


@pytest.mark.prove
@pytest.mark.parametrize("name", ["bash", "vim", "htop", "less"])
def test_recorded_programs_look_as_in_tmux(world: World, name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    check_all(world, recorded(name, world.home, CUTS))
