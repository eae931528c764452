"""What runs inside the load's sessions, and what each of them has printed: the same functions tell both.

    PYTHON -I -S players.py KIND SOCKET NAME SEED [RECORDING]

Each connects to the socket, says its name and pid, and prints block after block. At a line on the socket it ends the
block that it is in, and answers how many blocks and bytes it has printed. Blocks follow from the arguments alone, so
whoever knows the number can make them again and compare.

- ``burst``: numbered lines, hundreds of KB at once, and then nothing for half a minute.
- ``replay``: many lines at once; then what a real agent printed, as fast as agents print it, a numbered line, and a
  pause as of one that waits for its user; over and over.
"""

from __future__ import annotations

import gzip
import json
import os
import select
import signal
import socket
import sys
import tty
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

TICK = 0.1
"""Seconds between two pieces of a replay: agents paint ten times a second."""

CYCLE = 200
"""Pieces of one recording: it takes 20 s, about what it took when it was made."""

REST = (10, 60)
"""Seconds between two replays of a recording, at least and at most."""

FIRST = (0, 20)
"""Seconds before the first."""

PAST = (1500, 2500)
"""Lines that were printed before, at least and at most: what paints its screen anew scrolls off a line now and then,
and would take hours to fill a scrollback. (A page of hundreds of rows goes at once: not those of all together.)"""

BURST = (1000, 6000)
"""Lines of a burst."""

GAP = (15, 45)
"""Seconds between two bursts."""

LINE = b"%s %08d: the quick brown fox jumps over the lazy dog, once more and again\r\n"
"""Of a burst, or of the past: whose, and its number."""

REPLAYED = b"\x1b[0m\r\n%s %08d times\r\n"
"""Behind each replay."""

Block = tuple[bytes, float]
"""What to print, and for how many seconds to print nothing then."""


class Numbers:
    """Numbers that look like chance and are the same for the same seed. (Importing ``random`` costs each session.)"""

    def __init__(self, seed: int) -> None:
        self._state = (seed * 2654435761 + 12345) % (1 << 32)

    def between(self, least: int, most: int) -> int:
        """Return the next one of ``least`` to ``most``."""
        self._state = (self._state * 1664525 + 1013904223) % (1 << 32)
        return least + (self._state >> 8) % (most - least + 1)


def bursts(name: str, seed: int) -> Iterator[Block]:
    """Yield what ``burst`` prints."""
    numbers, count = Numbers(seed), 0
    word = name.encode()
    while True:
        lines = numbers.between(*BURST)
        yield b"".join(LINE % (word, count + n) for n in range(lines)), float(numbers.between(*GAP))
        count += lines


def replays(name: str, seed: int, recording: bytes) -> Iterator[Block]:
    """Yield what ``replay`` prints."""
    numbers, count = Numbers(seed), 0
    size = -(-len(recording) // CYCLE)
    pieces = [recording[at : at + size] for at in range(0, len(recording), size)]
    past = b"".join(LINE % (name.encode(), n) for n in range(numbers.between(*PAST)))
    yield past, float(numbers.between(*FIRST))  # not all at once
    while True:
        for piece in pieces:
            yield piece, TICK
        yield REPLAYED % (name.encode(), count), float(numbers.between(*REST))
        count += 1


def printed(kind: str, name: str, seed: int, recording: str = "") -> Iterator[Block]:
    """Yield what a program with these arguments prints."""
    if kind == "burst":
        return bursts(name, seed)
    with gzip.open(recording) as file:
        return replays(name, seed, file.read())


def told(link: socket.socket, pause: float) -> bool:
    """Wait ``pause`` seconds, reading what the terminal answers to recordings; return whether to stop."""
    until = monotonic() + pause
    while True:
        ready = select.select([link.fileno(), 0], [], [], max(0.0, until - monotonic()))[0]
        if link.fileno() in ready:
            return True
        if not ready:
            return False
        os.read(0, 1 << 16)


def main(kind: str, path: str, name: str, seed: str, recording: str = "") -> None:
    """Report, print until told to stop, tell how much that was, and stay."""
    tty.setraw(0)
    link = socket.socket(socket.AF_UNIX)
    link.connect(path)
    link.sendall(f"{name} {os.getpid()}\n".encode())
    count = size = 0
    for data, pause in printed(kind, name, int(seed), recording):
        left = memoryview(data)
        while left:
            left = left[os.write(1, left) :]
        count, size = count + 1, size + len(data)
        if told(link, pause):
            break
    link.sendall(json.dumps({"bytes": size, "blocks": count}).encode() + b"\n")
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
