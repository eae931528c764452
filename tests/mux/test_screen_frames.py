"""Frames show what the screen shows, in a window of any size, whatever changed in between."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmux.mux.emulator.cells import HEAD, NARROW, TAIL, WIDE, Grid, codepoint, tag, wide
from agentmux.mux.reset import reset_client
from agentmux.mux.screen import Rows, Screen, View

PIECES = [
    *(
        b"word ",
        b"x" * 30,
        b"\r\n",
        b"\n",
        b"\x1bM",
        b"\t",
        "\u65e5\u672c\u8a9e".encode(),
        "e\u0301\U0001f469\u200d\U0001f4bb".encode(),
    ),
    *(
        b"\x1b[31m",
        b"\x1b[1;44m",
        b"\x1b[48;2;1;2;3m",
        b"\x1b[0m",
        b"\x1b[K",
        b"\x1b[1K",
        b"\x1b[J",
        b"\x1b[5X",
        b"\x1b[2P",
        b"\x1b[3@",
    ),
    *(
        b"\x1b[H",
        b"\x1b[3;7H",
        b"\x1b[99;99H",
        b"\x1b[2A",
        b"\x1b[4C",
        b"\x1b[2L",
        b"\x1b[M",
        b"\x1b[2;5r",
        b"\x1b[r",
        b"\x1b[2S",
    ),
    *(
        b"\x1b[?1049h",
        b"\x1b[?1049l",
        b"\x1b[?25l",
        b"\x1b[?25h",
        b"\x1b[?5h",
        b"\x1b[?5l",
        b"\x1b[5 q",
        b"\x1b[?7l",
        b"\x1b[4h",
        b"\x1b#8",
    ),
    *(b"\x1b]8;;http://a\x07", b"\x1b]8;;\x07", b'\x1b[1"q', b"\x1bc", b"\x1b(0", b"\x1b]2;half"),
    # What agents draw: boxes, colours, symbols, links, gaps that are never written.
    *(
        "\u256d\u2500\u2500\u2500\u256e\x1b[5C\u2502".encode(),
        "\x1b[38;5;174m\u25cf\x1b[0m \x1b[1mRun\x1b[22m(\u276f \u2714 \u26a0\ufe0f)".encode(),
        b"\x1b[48;2;34;92;43m\x1b[38;2;248;248;242m+ new\x1b[K\x1b[0m",
        b"\x1b[7;4mkey\x1b[0m\x1b[3Cgap",
        b"\x1b[44mleft\x1b[0m\x1b[2C\x1b[41mright\x1b[0m",
        b"\x1b[4:3;58:2::1:2:3mcurl\x1b[0m",
        b"\x1b[4;58:5:9mred\x1b[59;24m",
        b"\x1b[93;41mhot\x1b[39;49m",
        b"\x1b]8;;http://one\x07one\x1b]8;;http://two\x07two\x1b]8;;\x07",
        b"\x1b]133;A\x07$ \x1b]133;C\x07\r\n\r\n",
        b"".join(b"\x1b[38;2;%d;9;9mab" % n for n in range(9)) + b"\x1b[0m",
        "\u65e5\x1b[45m\u672c\x1b[0m\u8a9e".encode() * 4,
        "\U0001f600\u2764 \u2764\ufe0f".encode(),
        b"\x1b(0lqqk\x1b(B",
        b"\x1b[2J\x1b[H",
        b"\x1b[3;1H\x1b[0J",
        b"\x1b[3S\x1b[T",
    ),
]

_ONLY_BACKGROUND = re.compile(rb"\b0;4([0-7])m")  # a printed space, or an erased cell: they look the same

Cell = tuple[bytes, bytes, bytes]


def looks(screen: Screen) -> list[list[Cell | None]]:
    """Return text, style and link by column, None for the second half of a wide character but a space."""
    out: list[list[Cell | None]] = []
    with Grid(screen._terminal) as grid:
        for y, cells in grid.each():
            row: list[Cell | None] = []
            for x, cell in enumerate(cells):
                if tag(cell) >= 2:
                    value = cell >> 2 & 0xFFFFFF
                    rgb = b"2;%d;%d;%d" % (value & 255, value >> 8 & 255, value >> 16)
                    row.append((b" ", b"\x1b[0;48;" + (rgb if tag(cell) == 3 else b"5;%d" % (value & 255)) + b"m", b""))
                    continue
                if wide(cell) == TAIL and x and wide(cells[x - 1]) == WIDE and codepoint(cells[x - 1]) not in (0, 32):
                    row.append(None)
                    continue
                text = grid.cluster(x) if tag(cell) == 1 else chr(codepoint(cell) or 32).encode()
                if text.startswith(b" "):  # what was joined to a wide character that a DEC charset made a blank
                    text = b" "
                if x + 1 == len(cells) and wide(cell) == WIDE:  # cut by a resize
                    text = b" "
                style = _ONLY_BACKGROUND.sub(rb"0;48;5;\1m", grid.style(x)) if cell >> 26 & 0xFFFF else b""
                link = grid.link(x, y) if cell >> 45 & 1 else b""
                row.append((text if wide(cell) in (NARROW, WIDE) and wide(cell) != HEAD else b" ", style, link))
            out.append(row)
    return out


def shown_in(screen: Screen, view: View, size: tuple[int, int]) -> list[list[Cell | None]]:
    """Return what a viewer of that size should see: the window, halves of wide characters blank, blanks around it."""
    left, top = view.offset
    columns, rows = min(size[0], screen.size[0]), min(size[1], screen.size[1])
    blank: Cell = (b" ", b"", b"")
    out = []
    for row in looks(screen)[top : top + rows]:
        window = row[left : left + columns]
        if window and window[0] is None:
            window[0] = (b" ", (row[left - 1] or blank)[1], (row[left - 1] or blank)[2])
        if left + columns < len(row) and row[left + columns] is None and window[-1] is not None:
            window[-1] = (b" ", window[-1][1], window[-1][2])
        out.append(window + [blank] * (size[0] - columns))
    return out + [[blank] * size[0]] * (size[1] - rows)


class Viewer:
    """A terminal that shows a window, between rows that are somebody else's."""

    def __init__(self, screen: Screen, size: tuple[int, int], above: int = 0, below: int = 0) -> None:
        self.above, self.size = above, size
        self.terminal = Screen((size[0], above + size[1] + below))
        for y in (*range(above), *range(above + size[1], self.terminal.size[1])):
            self.terminal.feed(b"\x1b[%dH\x1b[7mstatus\x1b[K" % (y + 1))
        self.others = self.split()[1]
        self.screen, self.view = screen, screen.view(size, above)

    def split(self) -> tuple[list[list[Cell | None]], list[list[Cell | None]]]:
        """Return the window's rows, and the others."""
        rows, end = looks(self.terminal), self.above + self.size[1]
        return rows[self.above : end], rows[: self.above] + rows[end:]

    def check(self) -> None:
        """Draw a frame: the window shows what it should, the other rows what they did."""
        screen, view, terminal = self.screen, self.view, self.terminal
        terminal.feed(view.frame())
        window, others = self.split()
        assert window == shown_in(screen, view, self.size)
        assert others == self.others
        left, top = view.offset
        cursor = screen.cursor
        assert terminal.cursor == (cursor.x - left, self.above + cursor.y - top, cursor.visible)
        assert terminal._terminal.mode(5) == screen._terminal.mode(5)
        assert view.frame() == b""


def show(
    size: tuple[int, int], viewers: list[tuple[tuple[int, int], int, int]], chunks: list[list[bytes]], resize: bool
) -> None:
    """Feed chunks, and after each of them check every viewer whose turn it is: the second sees every other frame."""
    screen = Screen(size)
    pairs = [Viewer(screen, *viewer) for viewer in viewers]
    for number, chunk in enumerate(chunks):
        screen.feed(b"".join(chunk))
        if resize and number == 2:
            screen.resize((30, 8))
        for turn, viewer in enumerate(pairs):
            if number % (turn + 1) == 0:
                viewer.check()


SCREENS = {
    "size": st.sampled_from([(20, 6), (37, 11)]),
    "viewers": st.lists(
        st.tuples(st.tuples(st.integers(1, 45), st.integers(1, 14)), st.integers(0, 2), st.integers(0, 2)),
        min_size=1,
        max_size=2,
    ),
    "chunks": st.lists(st.lists(st.sampled_from(PIECES), max_size=12), min_size=1, max_size=6),
    "resize": st.booleans(),
}


@settings(max_examples=80, deadline=None)
@given(**SCREENS)
def test_viewers_of_any_size_see_their_window_after_every_frame(
    size: tuple[int, int],
    viewers: list[tuple[tuple[int, int], int, int]],
    chunks: list[list[bytes]],
    resize: bool,
) -> None:
    show(size, viewers, chunks, resize)


@pytest.mark.prove
@settings(max_examples=3000, deadline=None)
@given(**SCREENS)
def test_many_viewers_of_any_size_see_their_window_after_every_frame(
    size: tuple[int, int],
    viewers: list[tuple[tuple[int, int], int, int]],
    chunks: list[list[bytes]],
    resize: bool,
) -> None:
    show(size, viewers, chunks, resize)


def test_a_window_shows_rows_on_both_sides_of_a_page_of_the_scrollback() -> None:
    screen = Screen((80, 24))
    viewers = [Viewer(screen, (33, 24), 1), Viewer(screen, (20, 7))]
    across = 0
    for n in range(60):
        line = "\x1b[3%dmline %d\x1b[0m of text \x1b[4%dm\u65e5\u672c\x1b[0m\x1b[3C%s\r\n"
        screen.feed(b"".join((line % (n % 8, n, n % 7, "x" * (n % 60))).encode() for _ in range(17)))
        pages = {screen._terminal.ref(0, y).node for y in range(24)}
        if len(pages) > 1:
            across += 1
            for viewer in viewers:
                viewer.check()
    assert across


def test_colours_are_written_as_every_terminal_takes_them() -> None:
    screen = Screen((40, 3))
    screen.feed(b"\x1b[1;31mbold\x1b[0m \x1b[42mgreen\x1b[0m \x1b[4;58:2::1:2:3mrgb\x1b[0m \x1b[4;58:5:9mred\x1b[0m")
    frame = screen.view((20, 2)).frame()
    for sequence in (b"\x1b[31mbold", b"\x1b[42mgreen", b"\x1b[58:2::1:2:3mrgb", b"\x1b[58:5:9mred"):
        assert sequence in frame


def test_what_stood_before_half_a_wide_character_goes() -> None:
    screen = Screen((20, 3))
    viewer = Viewer(screen, (5, 3))
    screen.feed(b"\x1b[Hstood\x1b[3H")
    viewer.check()
    screen.feed("\x1b[2J\x1b[1;5H\u65e5\x1b[3H".encode())
    viewer.check()


def test_a_wide_character_that_did_not_fit_moves_no_row() -> None:
    screen = Screen((20, 6))
    viewer = Viewer(screen, (1, 5))
    screen.feed(b"\x1b[99;99H\x1b[4:3mcurl\x1b[0monetwo" + 4 * "\u65e5\u672c\u8a9e".encode() + 3 * b"word " + 30 * b"x")
    viewer.check()


def test_several_viewers_do_not_take_changes_from_each_other() -> None:
    rng = random.Random(3)
    screen = Screen((37, 11))
    sizes = [(37, 11), (10, 4), (60, 20), (37, 5)]
    viewers = [Viewer(screen, size) for size in sizes]
    for _ in range(60):
        screen.feed(b"".join(rng.choices(PIECES, k=4)))
        if rng.random() < 0.1:
            screen.dump()
            screen.text_rows(-3, 3, styled=True)
        for viewer in viewers:
            if rng.random() < 0.5:
                viewer.check()


def test_a_frame_costs_only_what_changed() -> None:
    screen = Screen((80, 24))
    screen.feed(b"".join(b"\x1b[%dHrow %d of some text" % (row + 1, row) for row in range(24)))
    view = screen.view((40, 10))
    assert len(view.frame()) > 200
    assert view.frame() == b""
    screen.feed(b"\x1b[20;3HX")
    assert view.frame() == b"\x1b[0m\x1b[?25l\x1b[6HroX 19 of some text\x1b[K\x1b[6;4H\x1b[?25h"
    screen.feed(b"\x1b[20;3HX\x1b]2;title\x07")
    assert len(view.frame()) < 30
    view.redraw()
    assert len(view.frame()) > 200
    view.resize((20, 5))
    assert len(view.frame()) > 80


def test_the_window_follows_the_cursor_and_no_further() -> None:
    screen = Screen((80, 24))
    view = screen.view((20, 5))
    for position, offset in [
        ((1, 1), (0, 0)),
        ((5, 20), (0, 0)),
        ((24, 80), (60, 19)),
        ((22, 70), (60, 19)),
        ((2, 2), (1, 1)),
    ]:
        screen.feed(b"\x1b[%d;%dH" % position)
        view.frame()
        assert view.offset == offset


def test_the_generation_counts_what_can_be_seen() -> None:
    screen = Screen((80, 24))
    seen = screen.generation
    for data in (b"x", b"\x1b[5;5H", b"\x1b[?25l", b"\x1b[?5h", b"\x1b[3 q", b"\x1b[?1049h"):
        screen.feed(data)
        assert screen.generation > seen, data
        seen = screen.generation
    for data in (b"\x1b]2;title\x07", b"\x1b[?2004h", b"\x07", b"", b"\x1b[31m"):
        screen.feed(data)
        assert screen.generation == seen, data


@pytest.mark.parametrize("size", [(5, 2), (80, 24), (200, 50)])
def test_a_rendered_frame_stands_alone(size: tuple[int, int]) -> None:
    screen = Screen((80, 24))
    screen.feed("\x1b[41mred \u65e5\u672c\x1b[K\x1b[0m\r\ntext".encode())
    frame = screen.view(size).frame()
    assert frame.startswith(b"\x1b[0m\x1b[?25l")
    viewer = Screen(size)
    viewer.feed(b"old text\r\n" * 60 + reset_client(size[0]) + frame)
    assert viewer.text_rows(0, 2) == ["red" if size[0] == 5 else "red \u65e5\u672c", "text"]
    assert not any(viewer.text_rows(2, size[1]))


def test_a_terminal_that_measures_a_cluster_differently_is_told_where_the_next_one_stands() -> None:
    screen = Screen((20, 2))
    screen.feed("e\u0301x \U0001f469\u200d\U0001f4bby".encode())
    drawn = "e\u0301\x1b[2Gx \U0001f469\u200d\x1b[6G\U0001f4bby".encode()
    assert drawn in screen.dump()
    assert re.sub(rb"\x1b\[[0-9]X", b"", screen.view((20, 1)).frame()).split(b"\x1b[1H")[1].startswith(drawn)


# Rows as text


@settings(max_examples=60)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=8), max_size=6))
def test_rows_that_are_kept_are_the_rows_that_the_screen_has(writes: list[list[bytes]]) -> None:
    screen = Screen((20, 6))
    plain, styled = Rows(styled=False), Rows(styled=True)
    kept: tuple[dict[int, str], dict[int, str]] = {}, {}
    for pieces in writes:
        screen.feed(b"".join(pieces))
        for rows, mirror in zip((plain, styled), kept, strict=True):
            mirror.update(rows.changed(screen))
            assert [mirror[y] for y in range(6)] == rows.all
            assert rows.changed(screen) == {}
        assert plain.all == screen.text_rows(0, 6)
        placed = "".join(f"\x1b[{y}H{row}" for y, row in enumerate(styled.all, 1)).encode()
        assert _shown(placed) == _shown(screen.view((20, 6)).frame())
    screen.close()


def _shown(data: bytes) -> list[str]:
    terminal = Screen((20, 6))
    terminal.feed(data)
    rows = terminal.text_rows(0, 6, styled=True)
    terminal.close()
    return rows
