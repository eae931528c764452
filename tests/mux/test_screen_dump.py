"""A dump rebuilds the screen: for random streams, for a client that was used before, and for real programs."""

import fcntl
import os
import pty
import random
import re
import select
import shutil
import signal
import struct
import termios
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agentmux.mux.emulator import clone, dump
from agentmux.mux.emulator.cells import RESET, WIDE, Grid, codepoint, tag, wide
from agentmux.mux.emulator.reset import ANSI_MODES, MODES
from agentmux.mux.emulator.terminal import Terminal
from agentmux.mux.screen import Screen

STREAMS = 200
"""Random streams per property in the ordinary run, twenty times that in the long one. The seeds are fixed."""

SIZES = [(80, 24), (20, 6), (120, 40), (10, 3), (37, 11)]

# A stream of what a terminal understands


def _n(rng: random.Random, most: int = 30) -> int:
    return rng.choice([1, 1, 2, 3, 5, 8, rng.randrange(most), rng.randrange(most)])


def _csi(final: str, *numbers: int, private: str = "") -> bytes:
    return f"\x1b[{private}{';'.join(map(str, numbers))}{final}".encode()


WORDS = [b"hello world", b"the quick brown fox jumps over", b"   ", b"a", b"$ ls -la", b"0123456789" * 4, b"x" * 150]
CLUSTERS = ["日本", "👩‍👩‍👧‍👦", "e\u0301", "❤️", "🇩🇪", "👍🏽", "—", "│─┐", "\u200b", "ﷺ", "한국", "क्षि"]
LINES = [b"\r\n", b"\r\n", b"\n", b"\r", b"\t", b"\b", b"\x1bM", b"\x1bD", b"\x1bE"]
LINKS = [b"\x1b]8;;http://a/1\x07", b"\x1b]8;id=z;http://b/\x1b\\", b"\x1b]8;;\x07"]
CHARSETS = [b"\x1b(0", b"\x1b(B", b"\x1b)0", b"\x0e", b"\x0f", b"\x1b(A", b"\x1bn", b"\x1b*0"]
STRINGS = [b"\x1b]0;title 1\x07", b"\x1b]2;other\x1b\\", b"\x1b]7;file://h/d\x07", b"\x1b]4;3;#123456\x07"]
STRINGS += [b"\x1b]104\x07", b"\x1b]11;#102030\x07", b"\x1b]133;A\x07", b"\x1b]133;C\x07"]
PRIVATE = [number for number, _ in MODES] + [6, 69, 2026, 2031, 2048]


def _style(rng: random.Random) -> bytes:
    plain = rng.choice([0, 0, 1, 2, 3, 4, 5, 7, 8, 9, 21, 22, 23, 24, 25, 27, 28, 29, 39, 49, 53, 55, 59])
    colour = rng.choice([30, 40, 90, 100]) + rng.randrange(8)
    level = rng.randrange(256)
    extended = rng.choice(
        [f"38;5;{level}", f"48;5;{level}", f"38;2;{level};1;2", f"48;2;3;4;{level}", "58:2::1:2:3", "58:5:9", "4:3"]
    )
    return f"\x1b[{rng.choice([plain, plain, colour, extended])}m".encode()


def _move(rng: random.Random) -> bytes:
    final = rng.choice("HHHABCDGdEF")
    return _csi(final, _n(rng, 45), _n(rng, 130)) if final == "H" else _csi(final, _n(rng, 60))


def _edit(rng: random.Random) -> bytes:
    final = rng.choice("JKLMP@XSTb")
    if final in "JK":
        return _csi(final, rng.randrange(3), private=rng.choice(["", "?"]))
    return _csi(final, _n(rng, 6 if final in "ST" else 30))


def _margins(rng: random.Random) -> bytes:
    sides = b"\x1b[?69h" + _csi("s", _n(rng), _n(rng, 130))
    return rng.choice([_csi("r", _n(rng, 20), _n(rng, 45)), b"\x1b[r", sides, b"\x1b[s", b"\x1b[?69l"])


def _mode(rng: random.Random) -> bytes:
    number = rng.choice(PRIVATE) if rng.random() < 0.8 else rng.choice([47, 1047, 1049, 1049, 1048])
    return _csi(rng.choice("hl"), number, private="?")


def _keyboard(rng: random.Random) -> bytes:
    flags = rng.randrange(32)
    return rng.choice([f"\x1b[>{flags}u", "\x1b[<u", f"\x1b[={flags};1u", "\x1b[>4;2m", "\x1b[>4;0m"]).encode()


def _rare(rng: random.Random) -> bytes:
    tabs = [b"\x1bH", b"\x1b[g", b"\x1b[3g", b"\x1b[2Z", b"\x1b[2I"]
    others = [b'\x1b[1"q', b'\x1b[0"q', b"\x1bV", b"\x1bW", b"\x1bc", b"\x1b#8", _csi(" q", rng.randrange(7))]
    return rng.choice([*tabs, *others, _csi(rng.choice("hl"), rng.choice([2, 4, 20]))])


MAKERS: list[tuple[int, Callable[[random.Random], bytes]]] = [
    (30, lambda rng: rng.choice(WORDS)),
    (6, lambda rng: rng.choice(CLUSTERS).encode()),
    (10, lambda rng: rng.choice(LINES)),
    (12, _style),
    (10, _move),
    (10, _edit),
    (4, _margins),
    (7, _mode),
    (2, lambda rng: rng.choice([b"\x1b7", b"\x1b8"])),
    (2, lambda rng: rng.choice(LINKS)),
    (1, lambda rng: rng.choice(CHARSETS)),
    (1, _keyboard),
    (1, lambda rng: rng.choice(STRINGS)),
    (3, _rare),
]


def stream(rng: random.Random, length: int) -> Iterator[bytes]:
    for maker in rng.choices([maker for _, maker in MAKERS], [weight for weight, _ in MAKERS], k=length):
        yield maker(rng)


# What two terminals are compared by


def _cells(terminal: Terminal) -> dict[str, list[Any]]:
    """Text, style, width, link of every cell, as they look: a blank cell's width and link cannot be seen."""
    out: dict[str, list[Any]] = {"text": [], "style": [], "wide": [], "link": [], "protected": []}
    with Grid(terminal) as grid:
        for y, cells, _ in grid.each():
            row: list[tuple[bytes, bytes, int, bytes, int]] = []
            for x, cell in enumerate(cells):
                head = cells[x - 1] if x else 0
                if wide(cell) == 2 and wide(head) == WIDE and tag(head) < 2 and codepoint(head) not in (0, 32):
                    continue
                text = style = b""
                if tag(cell) >= 2:
                    value = cell >> 2 & 0xFFFFFF
                    style = b"5;%d" % (value & 255) if tag(cell) == 2 else b"2;%06x" % value
                    style = b"48;" + style
                else:
                    style = _background_only(grid.style(x)) if cell >> 26 & 0xFFFF else b""
                    if wide(cell) != 2 and codepoint(cell) not in (0, 32):
                        text = grid.cluster(x) if tag(cell) == 1 else chr(codepoint(cell)).encode("utf-8", "replace")
                link = grid.link(x, y) if text and cell >> 45 & 1 else b""
                row.append((text, style, wide(cell) if text else 0, link, cell >> 44 & 1 if text else 0))
            for index, values in enumerate(out.values()):
                values.append([cell[index] for cell in row])
    return out


def _background_only(style: bytes) -> bytes:
    """Return a style in the words that a cell without text has for the same look."""
    style = re.sub(rb"(?<=[;\[])4([0-7])(?=[;m])", rb"48;5;\1", style)
    style = re.sub(rb"(?<=[;\[])10([0-7])(?=[;m])", lambda m: b"48;5;%d" % (8 + int(m[1])), style)
    only = re.fullmatch(rb"\x1b\[0;48;(?:5;(\d+)|2;(\d+);(\d+);(\d+))m", style)
    if not only:
        return style
    if only[1]:
        return b"48;5;" + only[1]
    red, green, blue = (int(value) for value in only.groups()[1:])
    return b"48;2;%06x" % (red | green << 8 | blue << 16)


def _charsets(pen: bytes) -> bytes:
    return re.sub(rb"\x1b[()*+]B", b"", pen)


def state(terminal: Terminal) -> dict[str, Any]:
    """Return everything that can be seen or will matter later, by name."""
    found: dict[str, Any] = {"alternate": terminal.alternate(), **_cells(terminal)}
    with Grid(terminal) as grid:
        found["cursor"] = dump._place(terminal, grid)
        found["shape"] = grid.shape()
    found["modes"] = [number for number in [6, 69] + [number for number, _ in MODES] if terminal.mode(number)]
    found["ansi"] = [number for number, _ in (*ANSI_MODES, (4, 0)) if terminal.mode(number, ansi=True)]
    found["title"], found["colours"] = terminal.string("TITLE"), dump.colours(terminal)
    prefix = clone.at_ground(clone.encode_prefix(terminal))
    with clone.decode_ready(prefix) as copy:
        found["margins"], found["tabs"] = copy.extra("scrolling_region"), copy.extra("tabstops")
        found["other keys"], found["pen"] = copy.extra("keyboard"), _charsets(dump._pen(copy))
        found["kitty"] = dump._kitty_stack(copy)
    with clone.decode_ready(prefix) as copy:
        copy.write(b"\x1b8")
        with Grid(copy) as grid:
            found["saved cursor"] = dump._place(copy, grid)
        found["saved pen"] = _charsets(copy.extra("style", "protection", "charsets"))
    if terminal.alternate():
        with clone.decode_ready(prefix) as copy:
            copy.write(b"\x1b[?47l")
            found |= {"primary " + name: value for name, value in _cells(copy).items()}
            found["primary kitty"] = dump._kitty_stack(copy)
            copy.write(b"\x1b8")
            with Grid(copy) as grid:
                found["primary saved cursor"] = dump._place(copy, grid)
    return found


def differences(one: Screen, other: Screen) -> set[str]:
    first, second = state(one._terminal), state(other._terminal)
    return {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}


EXACT = {
    *("alternate", "modes", "ansi", "title", "colours", "margins", "tabs"),
    *("other keys", "kitty", "primary kitty", "shape"),
}


def _compare(count: int, attach: Callable[[random.Random, Screen], tuple[Screen, bytes]]) -> None:
    """Feed ``count`` random streams, attach a client to each, and allow what the library cannot be made to do.

    Some cells and cursors cannot be rebuilt: the tail of a double-width space's style, a pending wrap at a margin that
    has moved since, the saved cursor where the cursor stands outside the margins in origin mode.
    """
    failed: Counter[str] = Counter()
    examples = {}
    for seed in range(count):
        rng = random.Random(seed)
        screen = Screen(rng.choice(SIZES), scrollback_bytes=200_000)
        for piece in stream(rng, rng.choice([3, 10, 40, 150])):
            screen.feed(piece)
        client, drawn = attach(rng, screen)
        client.feed(drawn)
        different = differences(screen, client)
        assert not different & EXACT, f"seed {seed}: {different}"
        if different:
            failed["any"] += 1
            failed.update(different)
            examples.setdefault(frozenset(different), seed)
        screen.close()
        client.close()
    assert failed["any"] <= max(count * 0.03, 2), f"{failed} of {count}: {examples}"


def _fresh(rng: random.Random, screen: Screen) -> tuple[Screen, bytes]:
    return Screen(screen.size), screen.dump()


def _used(rng: random.Random, screen: Screen) -> tuple[Screen, bytes]:
    client = Screen(screen.size)
    for piece in stream(rng, rng.choice([3, 40, 150])):
        client.feed(piece)
    client.feed(b"\x18\x1b]2;" + screen.title.encode() + b"\x1b\\")  # a screen without a title leaves the client's
    return client, Screen.reset_client(screen.size[0]) + screen.dump()


@pytest.mark.parametrize("attach", [_fresh, _used])
def test_a_dump_rebuilds_what_random_bytes_made(attach: Callable[..., Any]) -> None:
    _compare(STREAMS, attach)


@pytest.mark.prove
@pytest.mark.parametrize("attach", [_fresh, _used])
def test_a_dump_rebuilds_what_many_random_bytes_made(attach: Callable[..., Any]) -> None:
    _compare(STREAMS * 20, attach)


# Real programs

TEXT = "\n".join(f"{i:3} some text, \u65e5\u672c\u8a9e, and \x1b[3{i % 8}mcolour\x1b[0m" for i in range(200))
PROGRAMS = {
    "bash": (
        ["bash", "--norc", "-i"],
        [b"ls --color=always /\r", b"printf '\\e[41mred\\e[K\\e[0m\\n'\r", b"echo half"],
    ),
    "vim": (
        ["vim", "-u", "NONE", "-N", "{file}"],
        [b":set number hlsearch\r", b"/text\r", b"20dd", b"ihello\x1b", b"\x06\x02"],
    ),
    "less": (["less", "-R", "{file}"], [b" ", b"b", b"/colour\r", b"G"]),
    "htop": (["htop", "-d", "2"], [b"", b"\x1b[B", b"t", b"\x1b[B"]),
    "top": (["top", "-d", "0.2"], [b"", b"1", b"z"]),
}


def record(argv: list[str], keys: list[bytes], size: tuple[int, int]) -> bytes:
    """Run a program in a pty with a screen that answers it, type ``keys`` as it falls silent, return its output."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", PS1="$ ", LC_ALL="C.UTF-8")
        os.execvp(argv[0], argv)
    output = bytearray()
    screen = Screen(size, on_reply=lambda reply: os.write(terminal, reply) and None)
    try:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        deadline = time.monotonic() + 10
        for key in [b"", *keys]:
            os.write(terminal, key)
            pause = time.monotonic() + 0.5
            while select.select([terminal], [], [], 0.15)[0] and time.monotonic() < min(pause, deadline):
                data = os.read(terminal, 65536)
                output += data
                screen.feed(data)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
        screen.close()
    return bytes(output)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_dump_anywhere_in_a_real_program_rebuilds_it_and_the_rest_follows(name: str, tmp_path: Any) -> None:
    argv, keys = PROGRAMS[name]
    if not shutil.which(argv[0]):
        pytest.skip(f"{name} is not installed")
    (tmp_path / "file").write_text(TEXT)
    size = (80, 24)
    output = record([argument.format(file=tmp_path / "file") for argument in argv], keys, size)
    assert len(output) > 300
    rng = random.Random(name)
    for _ in range(25):
        cut = rng.randrange(len(output))
        more = rng.randrange(cut, len(output) + 1)
        screen, client = Screen(size), Screen(size)
        screen.feed(output[:cut])
        client.feed(screen.dump())
        assert client.pending() == screen.pending()
        assert not differences(screen, client), f"cut at {cut}"
        screen.feed(output[cut:more])
        client.feed(output[cut:more])
        assert not differences(screen, client), f"cut at {cut}, then on to {more}"
        assert client.text_rows(0, 24) == screen.text_rows(0, 24)
        screen.close()
        client.close()


# Scrollback above the dump


@pytest.mark.parametrize("alternate", [False, True])
def test_a_dump_with_history_fills_the_clients_scrollback(alternate: bool) -> None:
    for seed in range(30):
        rng = random.Random(seed)
        size = rng.choice([(80, 24), (20, 6), (120, 40)])
        screen, client = Screen(size), Screen(size)
        for number in range(rng.choice([5, 60, 300, 1500])):
            start = rng.choice([b"", b"\x1b[3%dm" % rng.randrange(8), b"\x1b[0m", b"\x1b[44m"])
            text = rng.choice(
                [b"", b"word " * rng.randrange(1, 40), "\u65e5\u672c ".encode() * rng.randrange(1, 20), b"\x1b[K"]
            )
            screen.feed(start + b"%d " % number + text + b"\r\n")
        if alternate:
            screen.feed(b"\x1b[?1049h\x1b[Hfull screen")
        rows = min(rng.choice([10, 100, 5000]), screen.history_rows)
        client.feed(screen.dump(history=rows))
        assert client.history_rows == rows
        assert client.text_rows(-rows, 24) == screen.text_rows(-rows, 24)
        assert not differences(screen, client)
        screen.close()
        client.close()


def test_a_string_too_long_to_copy_still_gives_a_dump() -> None:
    screen, client = Screen((40, 5)), Screen((40, 5))
    screen.feed(b"shown\x1b[1;5H\x1b[?2004h\x1b[>5u\x1b[1m\x1b]52;c;" + b"A" * (1 << 21))
    client.feed(screen.dump())
    for terminal in (screen, client):
        terminal.feed(b"AAAA\x07more")
        assert terminal.text_rows(0, 1) == ["showmore"]
    assert client.bracketed_paste and client.kitty_flags == 5


def test_a_string_with_a_c1_byte_still_gives_a_dump() -> None:
    """The library cannot encode this one, although it has the bytes."""
    screen, client = Screen((40, 5)), Screen((40, 5))
    screen.feed(b"shown\x1b_abc\x90def")
    assert screen.snapshot() is None
    client.feed(screen.dump())
    assert client.pending() == screen.pending()
    assert client.text_rows(0, 1) == ["shown"]


# On the way out


def test_leaving_undoes_every_mode_and_leaves_the_primary_screen_as_it_is() -> None:
    for seed in range(150):
        rng = random.Random(seed)
        client = Screen(rng.choice(SIZES))
        for piece in stream(rng, 60):
            client.feed(piece)
        client.feed(b"\x18")
        with clone.decode_ready(clone.encode_prefix(client._terminal)) as copy:
            copy.write(b"\x1b[?47l")
            primary = _cells(copy)["text"]
        client.feed(Screen.leave_client())
        found = state(client._terminal)
        assert found["text"] == primary
        assert not found["alternate"] and found["kitty"] == b"" and found["other keys"] == b"" and found["ansi"] == []
        assert found["modes"] == [number for number, default in MODES if default]
        assert found["margins"] == b"" and found["pen"] == RESET and found["colours"] == b"" and found["shape"] == 2
        assert not any(client._terminal.mode(number) for number in (2026, 2027, 2031, 2048))
        assert client.cursor == (0, client.size[1] - 1, True)


def test_leaving_clears_nothing() -> None:
    assert not re.search(rb"\x1bc|\x1b\[[0-3]?J|\x1b\[\d*K", Screen.leave_client())


def test_the_users_screen_goes_to_the_scrollback_at_the_first_attach() -> None:
    client = Screen((20, 4))
    client.feed(b"one\r\ntwo\r\nthree")
    client.feed(Screen.reset_client(20, keep_rows=4))
    assert client.text_rows(0, 4) == [""] * 4
    assert client.text_rows(-4, 0)[:3] == ["one", "two", "three"]
