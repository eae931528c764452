"""What a program writes can neither crash nor block the server, however it is written and cut."""

import subprocess
import sys
import time

import pytest

from agentmux.mux.emulator import guard
from agentmux.mux.screen import Screen

CONJUNCT = "क\u094dष".encode()
CRASHES = {
    "margin, last row and column": b"\x1b[?2027h\x1b[1;2r\x1b[24;80H" + CONJUNCT,
    "side margins": b"\x1b[?2027h\x1b[?69h\x1b[1;5s\x1b[24;80H" + CONJUNCT,
    "another script": b"\x1b[?2027h\x1b[1;2r\x1b[24;80H" + "ক্ষ".encode(),
    "among other modes": b"\x1b[?25;2027;1h\x1b[1;2r\x1b[24;80H" + CONJUNCT,
    "a control in the number": b"\x1b[?20\x0027h\x1b[1;2r\x1b[24;80H" + CONJUNCT,
    "a control in the introducer": b"\x1b\x00[?2027h\x1b[1;2r\x1b[24;80H" + CONJUNCT,
    "introduced inside an APC": b"\x1b_a\x9b?2027h\x1b[1;2r\x1b[24;80H" + CONJUNCT,
    "leading zeros": b"\x1b[?0002027h\x1b[1;2r\x1b[24;80H" + CONJUNCT,
}
SETTERS = [data[: data.index(b"h") + 1] for data in CRASHES.values()] + [
    b"\x1b\x9b?2027h",
    b"\x1b[1\x9b?2027h",
    b"\x1b[?2\x7f0\xff2\xc37h",
    b"\x1b[?2\n027h",
    b"\x1bX\x9b?2027h",
    b"2027 \x1b[?2027h",
    b"\x1b[?25h" * 3 + b"\x1b[?2027h",
    b"\x1b[?2027s\x1b[?2027h\x1b[?2027s\x1b[?2027l\x1b[?2027r",
]


@pytest.mark.parametrize("data", CRASHES.values(), ids=CRASHES)
def test_bytes_that_crash_the_library_do_not_crash_a_screen(data: bytes) -> None:
    """In a process of its own. Without the guard each of these is a segmentation fault."""
    code = (
        "from agentmux.mux.screen import Screen\n"
        f"for cut in (0, 3, 5, 8, 9):\n s = Screen((80, 24)); s.feed({data!r}[:cut]); s.feed({data!r}[cut:])\n"
        "print(s.cursor.y)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "23\n"), result.stderr


@pytest.mark.parametrize("data", SETTERS)
def test_grapheme_mode_never_stays_on_wherever_the_bytes_are_cut(data: bytes) -> None:
    for first in range(len(data) + 1):
        for second in range(first, len(data) + 1):
            screen = Screen((80, 24))
            for piece in (data[:first], data[first:second], data[second:]):
                screen.feed(piece)
                assert not screen._terminal.mode(2027)


def test_every_setter_would_turn_it_on_unguarded() -> None:
    for data in SETTERS:
        screen = Screen((80, 24))
        screen._terminal.write(data)
        assert screen._terminal.mode(2027) or b"2027r" in data, data


@pytest.mark.parametrize(
    "repeat",
    [
        b"\x1b[65535b",
        b"\x1b[0000065535b",
        b"\x1b\x00[6\x005535b",
        b"\x1b_a\x9b65535b",
        b"\x1b[1\x9b65535b",
        b"\x1b[65\xff535b",
        b"\x1bP1$\x9b65535b",
        b"\x1b_\x90\x9b65535b",
        b"\x1b(\x9b65535b",
        b"\x1b\x9b65535b",
        b"\x1bX\x98\x9f\x9b1\x9b65535b",
    ],
)
def test_a_repeat_is_bounded_wherever_it_is_cut(repeat: bytes) -> None:
    wide = b"\x1b]8;;http://x/\x07" + "\u65e5".encode()
    for cut in range(len(repeat)):
        screen = Screen((80, 24), scrollback_bytes=100_000_000)
        screen.feed(wide + repeat[:cut])
        screen.feed(repeat[cut:])
        assert screen.history_rows < (guard._POOL + 80) * 2 / 80
        assert screen.at_ground


def test_64_kib_of_repeats_are_bounded() -> None:
    """Unguarded, a quarter of an hour."""
    screen = Screen((80, 24))
    screen.feed(b"\x1b]8;;http://x/\x07" + "\u65e5".encode())
    start = time.perf_counter()
    screen.feed(b"\x1b[65535b" * 8192)
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize(
    "set_up", [b"\x1b[?69h\x1b[2;3s", b"\x1b[?6\x009h\x1b[2;3s", b"\x1b[?69h\x1b[?69s\x1b[?69l\x1b[?69r\x1b[2;3s"]
)
def test_repeats_between_margins_are_bounded(set_up: bytes) -> None:
    """Unguarded, ten seconds: each two characters scroll the screen cell by cell."""
    for cut in (0, 4, len(set_up) - 1):
        screen = Screen((555, 489))
        start = time.process_time()
        screen.feed(set_up[:cut])
        screen.feed(set_up[cut:] + b"\x1b[999;2H" + "\u65e5".encode() + b"\x1b[555b" * 1000)
        assert time.process_time() - start < 2


def test_a_few_repeats_between_margins_are_as_the_library_does_them() -> None:
    data = b"\x1b[?69h\x1b[5;20s\x1b[3;5Hx\x1b[12by\x1b[9b\x1b[300b"
    guarded, plain = Screen((80, 24)), Screen((80, 24))
    guarded.feed(data)
    plain._terminal.write(data)
    assert guarded.text_rows(0, 24) == plain.text_rows(0, 24)


@pytest.mark.parametrize("count", [0, 1, 5, 79, 80, 200, 1000])
@pytest.mark.parametrize("form", [b"\x1b[%db", b"\x1b[%d\x00b", b"\x1b\x7f[%db"])
def test_an_ordinary_repeat_is_as_the_library_does_it(count: int, form: bytes) -> None:
    data = b"-" + form % count + b"end"
    for cut in range(len(data)):
        guarded, plain = Screen((80, 24)), Screen((80, 24))
        guarded.feed(data[:cut])
        guarded.feed(data[cut:])
        plain._terminal.write(data)
        assert guarded.text_rows(0, 24) == plain.text_rows(0, 24)


@pytest.mark.parametrize(
    "data",
    [
        b"array[65535b",
        b"\x1b[1m[65535b",
        b"9999b 2027h?",
        b"\x1b]2;a[65535b\x07",
        b"\x1b]2;x\xe2\x9b\x9b65535b\x1b\\",
        b"\x1b[99;9999bx",
        b"y\x1b[\x1865535b",
        b"y\x1bPq\x9b65535b\x1b\\x",
        b"y\x1bP:\x9b65535b\x1b\\x",
        b"y\x1b_\x9d2;title\x9b65535b\x1b\\x",
    ],
)
def test_what_only_looks_like_a_repeat_is_left_alone(data: bytes) -> None:
    for cut in range(len(data)):
        guarded, plain = Screen((80, 24)), Screen((80, 24))
        guarded.feed(data[:cut])
        guarded.feed(data[cut:])
        plain._terminal.write(data)
        assert (guarded.text_rows(0, 24), guarded.title) == (plain.text_rows(0, 24), plain.title)


def test_random_hostile_bytes_neither_turn_it_on_nor_crash() -> None:
    """Fragments that matter, in any order and cut anywhere; run in a process of its own, for the crash."""
    assert subprocess.run([sys.executable, "-c", FUZZ, "1", "250"], capture_output=True, text=True).stdout == "ok\n"


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(2, 8))
def test_many_random_hostile_bytes_neither_turn_it_on_nor_crash(seed: int) -> None:
    assert (
        subprocess.run([sys.executable, "-c", FUZZ, str(seed), "20000"], capture_output=True, text=True).stdout
        == "ok\n"
    )


FUZZ = r"""
import random, sys
from agentmux.mux.screen import Screen

parts = [
    b"\x1b", b"[", b"?", b"2027", b"20", b"27", b"h", b"l", b"r", b"s", b"\x00", b"\x7f", b"\xff", b"\x9b", b"\x90",
    b"\x9d", b";", b"65535", b"b", b"\x1b]", b"\x1b_", b"\x1bP", b"\x07", b"\x1b\\", b"\x1b[1;2r", b"\x1b[24;80H",
    b"\x1b[?69h\x1b[1;5s", "\u0915\u094d\u0937".encode(), "\u65e5".encode(), b"\x1b[?2027h", b"\x1b[?1049h", b"\x1bc",
    b"\x1b[?40;3h", b"text\r\n", b"\x1b[38;5;1m", b"\xe2\x9b\x9b", b"\x1b7", b"\x1b8", b"\x1b[?2026h", b"\x1b]8;;u\x07",
    b"\x1b[5S", b"\x1b[L", b"\x18",
]
rng = random.Random(int(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    size = rng.choice([(80, 24), (10, 3), (1, 1), (120, 40)])
    screen = Screen(size, on_reply=lambda reply: None)
    for _ in range(rng.choice([3, 20, 60])):
        data = b"".join(rng.choices(parts, k=rng.randrange(1, 12))) + (rng.randbytes(4) if rng.random() < 0.1 else b"")
        cut = rng.randrange(len(data))
        for piece in (data[:cut], data[cut:]):
            before = screen.history_rows
            screen.feed(piece)
            assert size[0] < 80 or screen.history_rows - before < 300, data
            assert not screen._terminal.mode(2027), data
            assert screen._terminal.size() == size
    read = lambda: screen.text_rows(-50, 50, styled=True)
    rng.choice([screen.dump, screen.snapshot, screen.pending, lambda: screen.view((40, 10)).frame(), read])()
    if rng.random() < 0.2:
        screen.resize((rng.randrange(1, 150), rng.randrange(1, 60)))
        screen.dump()
    screen.close()
print("ok")
"""


def test_a_long_unfinished_string_does_not_make_feeding_slow() -> None:
    for start in (b"\x1b_", b"\x1b]52;c;", b"\x1bPq", b"\x1b_" + b"\x9e" * 500_000):
        screen = Screen((80, 24))
        screen.feed(start + b"A" * 500_000)
        began = time.perf_counter()
        screen.feed(b"\n[99999b" * 8000)
        for _ in range(2000):
            screen.feed(b"5b")
        assert time.perf_counter() - began < 5  # asking the library each time took 119 s
