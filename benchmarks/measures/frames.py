"""What a frame for a viewer of another size costs the server, when the whole screen has changed.

The interpreter of agentmux draws frames of a pane, as the server does for such a viewer; feeding the emulator is not
part of it. The others' servers can't be asked for this alone.
"""

from __future__ import annotations

import json
import sys
from statistics import median
from time import process_time

from ..contenders import Agentmux, Contender, Floor
from ..table import Line, against, below
from ..tools import Stage, run_timed

PANE = (120, 40)

WINDOWS = ((100, 30), (150, 50))
"""A viewer whose terminal is smaller than the pane, and one whose is larger."""

LIMIT = 0.3
"""Of the CPU of a bare interpreter, what a frame may take."""

BARE = 20
"""Bare interpreters that are started for that."""

NOTHING = 0.05
"""Milliseconds of CPU for a feed's share in frames nobody asks for: what can't be told from none."""

RUNS = 1600
"""Pieces of text in colours of their own, in ``rgb``."""


def plain(number: int) -> bytes:
    """Return a screen of letters."""
    line = b"%06d the quick brown fox jumps over the lazy dog, " % number * 3
    return b"".join(b"\x1b[%dH" % (y + 1) + line[y : y + PANE[0]] for y in range(PANE[1]))


def agent(number: int) -> bytes:
    """Return a screen as agents draw them: a box, colours, a change with its background, wide characters, a link."""
    rule = "\u2500" * (PANE[0] - 2)
    rows = [f"\x1b[38;2;215;119;87m\u256d{rule}\u256e\x1b[0m", f"\x1b[38;2;215;119;87m\u2570{rule}\u256f\x1b[0m"]
    for n in range(6):
        rows += [
            f"\x1b[38;5;174m\u25cf\x1b[0m \x1b[1mUpdate\x1b[22m(mux/screen.py) \x1b[2m{number} lines\x1b[0m",
            f"  \x1b[48;2;34;92;43m {n} + \x1b[38;2;102;217;239mdef\x1b[39m name(self):\x1b[K\x1b[0m",
            f"  \x1b[48;2;122;41;54m {n} - return self.x  # {number}\x1b[K\x1b[0m",
            f" \u65e5\u672c\u8a9e\u306e\u6587 and plain text {number} with \x1b[3mmore\x1b[0m words \u2714",
            f"plain line {number} that goes on for a while and then stops, as most of the lines do",
        ]
    rows.append(f"see \x1b]8;;https://example.org/{number}\x07https://example.org\x1b]8;;\x07 for more")
    rows += [f"\x1b[2m{rule}\x1b[0m", f"> {number}\x1b[7m \x1b[0m", f"\x1b[2m{rule}\x1b[0m"]
    return b"\x1b[H\x1b[2J" + "\r\n".join(rows).encode()


def rgb(number: int) -> bytes:
    """Return a screen of pieces of text, each in another colour."""
    each = RUNS // PANE[1]
    pieces = (b"\x1b[38;2;%d;%d;%dmab\x1b[0m " % (n // each, n % each, number % 256) for n in range(RUNS))
    return b"".join(b"\x1b[%dH" % (n // each + 1) * (n % each == 0) + piece for n, piece in enumerate(pieces))


KINDS = {"plain": plain, "agent": agent, "rgb": rgb}


def measure(count: int) -> dict[str, dict[str, list[float]]]:
    """Draw ``count`` frames of every kind for both windows, and feed a screen that nobody views any more.

    Returns:
        By line: the milliseconds of CPU of each frame, and their bytes.
    """
    from agentmux.mux.screen import Screen

    found: dict[str, dict[str, list[float]]] = {}
    for kind, content in KINDS.items():
        for window in WINDOWS:
            screen = Screen(PANE)
            view = screen.view(window)
            view.frame()
            times: list[float] = []
            sizes: list[float] = []
            for number in range(count):
                screen.feed(content(number))
                start = process_time()
                frame = view.frame()
                times.append((process_time() - start) * 1000)
                sizes.append(len(frame))
            found[f"{kind}, {window[0]} x {window[1]}"] = {"ms": times, "bytes": sizes}
    viewed, never = Screen(PANE), Screen(PANE)
    viewed.view(WINDOWS[0]).frame()
    extra = []
    for number in range(count):
        data = agent(number)
        took = []
        for screen in (viewed, never) if number % 2 else (never, viewed):
            start = process_time()
            screen.feed(data)
            took.append((process_time() - start) * 1000)
        extra.append((took[0] - took[1]) * (1 if number % 2 else -1))
    found["nobody views"] = {"ms": extra}
    return found


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Have frames drawn."""
    found: dict[str, dict[str, list[float]]] = {}
    for one in contenders:
        if isinstance(one, Agentmux):
            with stage.trying(one.name):
                found = one.within("frames", str(stage.numbers(60, 300)), timeout=120)
    bare = {}
    for one in contenders:
        if isinstance(one, Floor):
            bare[one.name] = median([run_timed(one.bare_argv(), one.env)[1] * 1000 for _ in range(BARE)])
    lines = []
    for name, figures in found.items():
        took = {"agentmux": median(figures["ms"])}
        if "bytes" not in figures:
            lines.append(below("frames", f"{name}, CPU", "ms", took, NOTHING))
        else:
            lines.append(against("frames", f"{name}, CPU", "ms", took | bare, factor=LIMIT, of="floor"))
            lines.append(Line("frames", f"{name}, a frame", "bytes", {"agentmux": median(figures["bytes"])}))
    return lines


def main() -> None:
    """Print what ``measure`` finds, as JSON."""
    json.dump(measure(int(sys.argv[1])), sys.stdout)
