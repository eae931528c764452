"""Frames show what the screen shows, in a window of any size, whatever changed in between."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmux.mux.emulator.cells import HEAD, NARROW, TAIL, WIDE, Grid, codepoint, tag, wide
from agentmux.mux.screen import Screen, View

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
]

Cell = tuple[bytes, bytes, bytes]


def looks(screen: Screen) -> list[list[Cell | None]]:
    """Return text, style and link by column, None for the second half of a wide character but a space."""
    out: list[list[Cell | None]] = []
    with Grid(screen._terminal) as grid:
        for y, cells, _ in grid.each():
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
                style = grid.style(x).replace(b"\x1b[0;44m", b"\x1b[0;48;5;4m") if cell >> 26 & 0xFFFF else b""
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


def check(screen: Screen, view: View, viewer: Screen) -> None:
    viewer.feed(view.frame())
    assert looks(viewer) == shown_in(screen, view, viewer.size)
    left, top = view.offset
    cursor = screen.cursor
    assert viewer.cursor == (cursor.x - left, cursor.y - top, cursor.visible)
    assert viewer._terminal.mode(5) == screen._terminal.mode(5)
    assert not screen.text_rows(0, 1)[0].strip() or view.frame() == b""


@settings(max_examples=120, deadline=None)
@given(
    sizes=st.tuples(st.sampled_from([(20, 6), (37, 11)]), st.tuples(st.integers(1, 45), st.integers(1, 14))),
    chunks=st.lists(st.lists(st.sampled_from(PIECES), max_size=12), min_size=1, max_size=6),
    resize=st.booleans(),
)
def test_a_viewer_of_any_size_sees_its_window_after_every_frame(
    sizes: tuple[tuple[int, int], tuple[int, int]], chunks: list[list[bytes]], resize: bool
) -> None:
    screen, viewer = Screen(sizes[0]), Screen(sizes[1])
    view = screen.view(viewer.size)
    for number, chunk in enumerate(chunks):
        screen.feed(b"".join(chunk))
        if resize and number == 2:
            screen.resize((30, 8))
        check(screen, view, viewer)


def test_several_viewers_do_not_take_changes_from_each_other() -> None:
    rng = random.Random(3)
    screen = Screen((37, 11))
    sizes = [(37, 11), (10, 4), (60, 20), (37, 5)]
    pairs = [(screen.view(size), Screen(size)) for size in sizes]
    for _ in range(150):
        screen.feed(b"".join(rng.choices(PIECES, k=4)))
        if rng.random() < 0.1:
            screen.dump()
            screen.text_rows(-3, 3, styled=True)
        for view, viewer in pairs:
            if rng.random() < 0.5:
                check(screen, view, viewer)


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
    frame = screen.render(size)
    assert frame.startswith(b"\x1b[0m\x1b[?25l")
    viewer = Screen(size)
    viewer.feed(b"old text\r\n" * 60 + Screen.reset_client(size[0]) + frame)
    assert viewer.text_rows(0, 2) == ["red" if size[0] == 5 else "red \u65e5\u672c", "text"]
    assert not any(viewer.text_rows(2, size[1]))


def test_a_terminal_that_measures_a_cluster_differently_is_told_where_the_next_one_stands() -> None:
    screen = Screen((20, 2))
    screen.feed("e\u0301x \U0001f469\u200d\U0001f4bby".encode())
    drawn = "e\u0301\x1b[2Gx \U0001f469\u200d\x1b[6G\U0001f4bby".encode()
    assert drawn in screen.dump()
    assert re.sub(rb"\x1b\[[0-9]X", b"", screen.render((20, 1))).split(b"\x1b[1H")[1].startswith(drawn)
