"""What programs write to terminals: random garbage, made-up agents, mutations, and recordings of real programs."""

from __future__ import annotations

import fcntl
import os
import pty
import random
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence

from agentmux.mux.reset import MODES
from agentmux.mux.screen import Screen

Random = random.Random

# Garbage: everything a terminal understands, in any order


def _n(rng: Random, most: int = 30) -> int:
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


def _style(rng: Random) -> bytes:
    plain = rng.choice([0, 0, 1, 2, 3, 4, 5, 7, 8, 9, 21, 22, 23, 24, 25, 27, 28, 29, 39, 49, 53, 55, 59])
    colour = rng.choice([30, 40, 90, 100]) + rng.randrange(8)
    level = rng.randrange(256)
    extended = rng.choice(
        [f"38;5;{level}", f"48;5;{level}", f"38;2;{level};1;2", f"48;2;3;4;{level}", "58:2::1:2:3", "58:5:9", "4:3"]
    )
    return f"\x1b[{rng.choice([plain, plain, colour, extended])}m".encode()


def _move(rng: Random) -> bytes:
    final = rng.choice("HHHABCDGdEF")
    return _csi(final, _n(rng, 45), _n(rng, 130)) if final == "H" else _csi(final, _n(rng, 60))


def _edit(rng: Random) -> bytes:
    final = rng.choice("JKLMP@XSTb")
    if final in "JK":
        return _csi(final, rng.randrange(3), private=rng.choice(["", "?"]))
    return _csi(final, _n(rng, 6 if final in "ST" else 30))


def _margins(rng: Random) -> bytes:
    sides = b"\x1b[?69h" + _csi("s", _n(rng), _n(rng, 130))
    return rng.choice([_csi("r", _n(rng, 20), _n(rng, 45)), b"\x1b[r", sides, b"\x1b[s", b"\x1b[?69l"])


def _mode(rng: Random) -> bytes:
    number = rng.choice(PRIVATE) if rng.random() < 0.8 else rng.choice([47, 1047, 1049, 1049, 1048])
    return _csi(rng.choice("hl"), number, private="?")


def _keyboard(rng: Random) -> bytes:
    flags = rng.randrange(32)
    return rng.choice([f"\x1b[>{flags}u", "\x1b[<u", f"\x1b[={flags};1u", "\x1b[>4;2m", "\x1b[>4;0m"]).encode()


def _rare(rng: Random) -> bytes:
    tabs = [b"\x1bH", b"\x1b[g", b"\x1b[3g", b"\x1b[2Z", b"\x1b[2I"]
    others = [b'\x1b[1"q', b'\x1b[0"q', b"\x1bV", b"\x1bW", b"\x1bc", b"\x1b#8", _csi(" q", rng.randrange(7))]
    return rng.choice([*tabs, *others, _csi(rng.choice("hl"), rng.choice([2, 4, 20]))])


MAKERS: list[tuple[int, Callable[[Random], bytes]]] = [
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


def garbage(rng: Random, length: int) -> Iterator[bytes]:
    """Yield ``length`` pieces of a stream, of everything that a terminal understands."""
    for maker in rng.choices([maker for _, maker in MAKERS], [weight for weight, _ in MAKERS], k=length):
        yield maker(rng)


def mutated(rng: Random, data: bytes) -> bytes:
    """Return ``data`` with a few bytes changed, lost, doubled or from elsewhere."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 3, 10])):
        at = rng.randrange(len(out) + 1)
        action = rng.randrange(4)
        if action == 0:
            out[at : at + 1] = bytes([rng.randrange(256)])
        elif action == 1:
            del out[at : at + rng.randrange(1, 20)]
        elif action == 2:
            out[at:at] = out[at : at + rng.randrange(1, 40)]
        else:
            out[at:at] = b"".join(garbage(rng, 1))
    return bytes(out)


# Agents: frames rewritten in place, lines inserted above them, full-screen ones

_SENTENCES = """I'll read the file first, then fix the off-by-one in parse_header() and run the tests again. The failing
assertion compares len(rows) with 24; 日本語 and naïve café stay as they are. ✓ done ✗ failed ● Read(src/main.py)
⎿ Updated 3 lines ─ │ ╭ ╮ ╰ ╯ ▌ █ ░ 🚀 🎉 한국어 e\u0301tude → ← … “quoted” 0x7f"""
_WORDS = _SENTENCES.split()
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏✻✶"


def agent_pen(rng: Random) -> bytes:
    """Return a style that agents use."""
    red, green, blue = (rng.randrange(256) for _ in range(3))
    return rng.choice(
        [
            *(b"\x1b[0m", b"\x1b[m", b"\x1b[1m", b"\x1b[2m", b"\x1b[3m", b"\x1b[4m", b"\x1b[7m", b"\x1b[9m"),
            *(b"\x1b[22m", b"\x1b[23m", b"\x1b[24m", b"\x1b[27m", b"\x1b[29m", b"\x1b[39m", b"\x1b[49m"),
            *(b"\x1b[3%dm" % rng.randrange(8), b"\x1b[9%dm" % rng.randrange(8), b"\x1b[4%dm" % rng.randrange(8)),
            *(b"\x1b[38;5;%dm" % red, b"\x1b[48;5;%dm" % green, b"\x1b[10%dm" % rng.randrange(8)),
            *(b"\x1b[38;2;%d;%d;%dm" % (red, green, blue), b"\x1b[48;2;%d;%d;%dm" % (blue, red, green)),
        ]
    )


def agent_words(rng: Random, most: int = 12) -> bytes:
    """Return some words, most of them plain, with styles between them."""
    out = []
    for _ in range(rng.randrange(1, most + 1)):
        if rng.random() < 0.25:
            out.append(agent_pen(rng))
        out.append(rng.choice(_WORDS).encode() + rng.choice([b" ", b" ", b" ", b"  ", b"\t", b""]))
    if rng.random() < 0.7:
        out.append(b"\x1b[0m")
    return b"".join(out)


def _ink_frame(rng: Random, columns: int, rows: int, height: int) -> tuple[bytes, int]:
    """Return a frame as Ink draws it, over the ``height`` lines of the one before, and its own height."""
    erase = b"".join(b"\x1b[2K" + (b"\x1b[1A" if line < height - 1 else b"") for line in range(height)) + b"\x1b[G"
    static = b"".join(agent_words(rng) + b"\r\n" for _ in range(rng.choice([0, 0, 0, 1, 3])))
    inner = columns - 4
    prompt = rng.choice(["> ", "> fix the tests", "> 日本語 "])
    lines = [
        b"\x1b[38;2;215;119;87m%s\x1b[39m \x1b[2mWorking\xe2\x80\xa6 (%ds)\x1b[22m"
        % (rng.choice(_SPINNER).encode(), rng.randrange(100)),
        b"\x1b[2m\xe2\x95\xad" + "─".encode() * inner + b"\xe2\x95\xae\x1b[22m",
        b"\xe2\x94\x82" + prompt.encode() + b"\x1b[7m \x1b[27m\x1b[K",
        b"\x1b[2m\xe2\x95\xb0" + "─".encode() * inner + b"\xe2\x95\xaf\x1b[22m",
    ]
    lines = lines[: rng.randrange(1, 5)] + [agent_words(rng, 6) for _ in range(rng.choice([0, 0, 1, 4]))]
    return (erase if height else b"") + static + b"\r\n".join(lines) + b"\r\n", min(len(lines) + 1, rows)


def _inserted(rng: Random, columns: int, rows: int) -> bytes:
    """Return lines put above the composer with margins, as Codex does, so that they scroll off the top."""
    bottom = rng.randrange(2, rows)
    lines = b"".join(b"\r\n" + agent_words(rng, 8) + b"\x1b[K" for _ in range(rng.randrange(1, 6)))
    down = rng.randrange(1, 4)
    room = rng.choice([b"\x1b[%d;%dr\x1b[%d;1H%s\x1b[r" % (bottom, rows, bottom, b"\x1bM" * down), b""])
    return room + b"\x1b[1;%dr\x1b[%d;1H%s\x1b[r\x1b[%d;%dH" % (bottom, bottom, lines, bottom + 1, rng.randrange(1, 40))


def _full_screen(rng: Random, columns: int, rows: int) -> bytes:
    """Return a part of a full-screen frame: rows drawn where they belong."""
    out = [b"\x1b[?25l"]
    for _ in range(rng.randrange(1, 8)):
        out.append(b"\x1b[%d;%dH" % (rng.randrange(1, rows + 1), rng.randrange(1, columns + 1)))
        out.append(agent_words(rng, 5) + rng.choice([b"", b"\x1b[K", b"\x1b[K"]))
    return b"".join(out) + b"\x1b[?25h"


def _edited(rng: Random, columns: int, rows: int) -> bytes:
    """Return a change within what is shown: characters and lines inserted, deleted, erased."""
    at = b"\x1b[%d;%dH" % (rng.randrange(1, rows + 1), rng.randrange(1, columns + 1))
    return at + _csi(rng.choice("@PXLMSTJK"), rng.randrange(0, 3)) + agent_words(rng, 2)


def _at_the_margin(rng: Random, columns: int, rows: int) -> bytes:
    """Return characters around the last column: a pending wrap, and what may follow it."""
    text = rng.choice([b"abcdef", "ab日本語".encode(), "ab🚀".encode(), b"abcde\xcc\x81f"])
    follow = rng.choice([b"", b"\r\n", b"\x1b[K", b"\b", b"\x1b[D", b"\x1b[C", b"\t", b"\x1b[31m", b"more", b"\x1b[A"])
    return b"\x1b[%d;%dH" % (rng.randrange(1, rows + 1), columns - rng.randrange(5)) + text + follow


def agent(rng: Random, size: tuple[int, int] = (80, 24)) -> bytes:
    """Return what a made-up agent writes in some seconds, in terms that every terminal of today knows."""
    columns, rows = size
    height = 0
    alternate = False
    out = [rng.choice([b"", b"\x1b[?25l", b"\x1b[?2004h", b"\x1b[?1h\x1b=", b"\x1b[?1004h"])]
    for _ in range(rng.choice([2, 5, 10, 20])):
        kind = rng.random()
        synchronized = rng.random() < 0.3
        if kind < 0.35:
            piece, height = _ink_frame(rng, columns, rows, height)
        elif kind < 0.5:
            piece, height = _inserted(rng, columns, rows), 0
        elif kind < 0.65:
            piece, height = _full_screen(rng, columns, rows), 0
        elif kind < 0.75:
            piece, height = _edited(rng, columns, rows), 0
        elif kind < 0.83:
            piece, height = _at_the_margin(rng, columns, rows), 0
        elif kind < 0.88:
            piece = b"\x1b7" + agent_pen(rng) + b"\x1b[1;%dH" % rng.randrange(1, columns) + b"saved" + b"\x1b8"
        elif kind < 0.91:
            alternate = not alternate
            piece, height = (b"\x1b[?1049h\x1b[2J" if alternate else b"\x1b[?1049l"), 0
        elif kind < 0.93:
            piece, height = rng.choice([b"\x1b[2J\x1b[H", b"\x1b[?25l"]), 0
        else:
            piece, height = agent_words(rng) + rng.choice([b"\r\n", b"\r\n", b"", b"\n", b"\r"]), 0
        out.append(b"\x1b[?2026h" + piece + b"\x1b[?2026l" if synchronized else piece)
    return b"".join(out)


# Real programs

TEXT = "\n".join(f"{i:3} some text, \u65e5\u672c\u8a9e, and \x1b[3{i % 8}mcolour\x1b[0m" for i in range(200))
"""What the programs below are shown in ``{file}``."""

PROGRAMS: dict[str, tuple[list[str], list[bytes]]] = {
    "bash": (
        ["bash", "--norc", "-i"],
        [b"ls --color=always /\r", b"printf '\\e[41mred\\e[K\\e[0m\\n'\r", b"seq 40\r", b"echo half"],
    ),
    "vim": (
        ["vim", "-u", "NONE", "-N", "-i", "NONE", "-n", "{file}"],
        [b":set number hlsearch\r", b"/text\r", b"20dd", b"ihello\x1b", b"\x06\x02", b":split\r"],
    ),
    "less": (["less", "-R", "{file}"], [b" ", b"b", b"/colour\r", b"G", b"kkk", b"g"]),
    "htop": (["htop", "-d", "2"], [b"", b"\x1b[B", b"t", b"\x1b[B"]),
    "top": (["top", "-d", "0.2"], [b"", b"1", b"z"]),
    "python": ([sys.executable, "-I", "-q"], [b"for i in range(30): print(i, '\\x1b[3%dmx' % (i % 8))\r\r", b"1/0\r"]),
    "tmux": (
        [
            *("tmux", "-S", "{file}.tmux", "-f", "/dev/null", "new", "bash --norc --noprofile", ";"),
            *("set", "destroy-unattached", "on"),  # the server ends with its client
        ],
        [b"ls --color=always /\r", b'\x02"', b"seq 50\r", b"\x02%", b"echo \xe6\x97\xa5\xe6\x9c\xac\r", b"\x02o"],
    ),
}
"""Programs to record: argv, and keys typed one after the other as they fall silent."""


def record(argv: Sequence[str], keys: Sequence[bytes], size: tuple[int, int]) -> bytes:
    """Run a program in a pty with a screen that answers it, type ``keys`` as it falls silent, return its output."""
    pid, terminal = pty.fork()
    if pid == 0:
        for name in ("TMUX", "TMUX_PANE", "COLORTERM", "LINES", "COLUMNS"):
            os.environ.pop(name, None)
        os.environ.update(TERM="xterm-256color", PS1="$ ", LC_ALL="C.UTF-8", HISTFILE="")
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
