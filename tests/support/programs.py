"""Programs for sessions whose output proves that nothing of it was lost, doubled or reordered."""

from __future__ import annotations

import os
import re
import sys
import time

from terminal import Terminal
from world import World, wait_until

COUNT = """
import os, sys, time
name, end, pause, lines = sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4])
out = open(1, "wb", 1 << 16, closefd=False)
n = 0
while not os.path.exists(end):
    for _ in range(lines):
        n += 1
        out.write(b"line %d\\n" % n)
    out.flush()
    if pause: time.sleep(pause)
with open(f"{end}.{name}", "w") as file: file.write(str(n))
"""
"""Print so many numbered lines at once, with or without a pause, until a file appears; then say how many."""

ECHO_KEYS = """
import os, sys, tty
tty.setraw(0)
os.write(1, b"%sready" % sys.argv[1].encode().decode("unicode_escape").encode())
while data := os.read(0, 4096):
    os.write(1, b"\\r\\n" + repr(data).encode())
"""
"""A program that shows the bytes it gets. Its first argument is printed first: escape sequences that set modes."""


ASK = """
import json, os, select, sys, time, tty
asked, journal = sys.argv[1:]
ASK_END, END = b"\\x1b[?9999$p", b"\\x1b[?9999;0$y"
tty.setraw(0)
written = 0
def write(data):
    global written
    written += len(data)
    os.write(1, data)
def wait_until_taken():
    limit = time.monotonic() + 5
    while sum(os.stat(f"{journal}/{name}").st_size for name in os.listdir(journal) if name.endswith(".raw")) < written:
        assert time.monotonic() < limit, "nobody reads what was written"
        time.sleep(0.0002)
def ask(pieces, end):
    began = time.monotonic()
    for piece in pieces[:-1]:
        write(piece)
        wait_until_taken()
    for piece in pieces[-1:]:
        write(piece + (b"" if end else ASK_END))
    end, got, limit = end or END, b"", began + 20
    while end not in got:
        if not select.select([0], [], [], max(0, limit - time.monotonic()))[0]: return got + b" (and that was all)", 20
        got += os.read(0, 65536)
    return got.replace(end, b"", 1), time.monotonic() - began
write(b"ready")
number = 0
while True:
    number += 1
    while not os.path.exists(f"{asked}.{number}"): time.sleep(0.005)
    with open(f"{asked}.{number}") as file: questions = json.load(file)
    answers = [ask([bytes.fromhex(piece) for piece in pieces], bytes.fromhex(end)) for pieces, end in questions]
    with open(f"{asked}.{number}.new", "w") as file: json.dump([(answer.hex(), took) for answer, took in answers], file)
    os.rename(f"{asked}.{number}.new", f"{asked}.{number}.answered")
"""
"""Ask the terminal what files say, and write down what it answers; see ``Asking``."""

GRID = """
import os, signal, sys, tty
path, modes = (sys.argv[1:] + ["", ""])[:2]
tty.setcbreak(0)
def note(what, data):
    if path:
        with open(path + what, "ab") as file: file.write(data)
def show(*_):
    columns, rows = os.get_terminal_size()
    note(".sizes", b"%d %d\\n" % (columns, rows))
    lines = [(f"{y:02}" + "".join(chr(97 + (x + y) % 26) for x in range(2, columns)))[:columns] for y in range(rows)]
    cells = b"".join(b"\\x1b[%d;1H%b" % (y + 1, line.encode()) for y, line in enumerate(lines))
    os.write(1, b"\\x1b[?7l\\x1b[2J" + cells + b"\\x1b[H" + modes.encode().decode("unicode_escape").encode())
signal.signal(signal.SIGWINCH, show)
show()
typed = b""
while data := os.read(0, 4096):
    note(".typed", data)
    typed += data
    if typed.endswith(b"!"): os.write(1, b"\\x1b[%bH" % typed.rpartition(b"@")[2][:-1])
"""
"""Fill every cell with what its place determines, whatever the size; "@ROW;COLUMN!" moves the cursor.

With a first argument, files named after it say which sizes there were and what was typed. The second is printed last.
"""

FRAMES = """
import os, select, signal, sys, time, tty
path, modes = sys.argv[1], sys.argv[2].encode().decode("unicode_escape").encode()
tty.setraw(0)
typed, sizes, count, slowest = b"", [], 0, 0.0
def resized(*_):
    sizes.append(tuple(os.get_terminal_size()))
    with open(path + ".sizes", "a") as file: file.write("%d %d\\n" % sizes[-1])
signal.signal(signal.SIGWINCH, resized)
resized()
os.write(1, b"\\x1b[?7l" + modes)
file = os.open(path + ".frames", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
while True:
    count += 1
    columns, rows = sizes[-1]
    lines = [f"frame {count}"]
    lines += [f"{y:02}" + "".join(chr(97 + (x + y) % 26) for x in range(2, columns)) for y in range(1, rows - 1)]
    lines += ["typed " + "".join(chr(byte) if 32 <= byte < 127 else "." for byte in typed[6 - columns:])]
    cells = b"".join(b"\\x1b[%d;1H%b" % (y, line.ljust(columns)[:columns].encode()) for y, line in enumerate(lines, 1))
    before = time.monotonic()
    os.write(1, cells * 8)
    slowest = max(slowest, time.monotonic() - before)
    os.pwrite(file, b"%012d %012.6f" % (count, slowest), 0)
    if select.select([0], [], [], 0.01)[0]:
        data = os.read(0, 65536)
        typed += data
        with open(path + ".typed", "ab") as input: input.write(data)
"""
"""Fill the screen a hundred times a second, each time eight times over: 1.5 MB a second in 80x24.

Files named after the first argument say how often, how slow a write was, what was typed, and which sizes there were.
The second argument is printed first.
"""


class Counters:
    """Sessions that print numbered lines: ``counters.start`` them, do your worst, ``counters.check``."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.end = os.path.join(world.home, "end")
        self.names: list[str] = []

    def start(self, name: str, pause: float, lines: int = 1) -> int:
        """Start one that prints so many lines, pauses, and so on; without a pause 200. Return its id."""
        self.names.append(name)
        return self.world.python(name, COUNT, name, self.end, str(pause), str(lines if pause else 200))

    def check(self) -> dict[str, int]:
        """End all and insist that each journal has each line once, in order; return how many there were."""
        open(self.end, "w").close()
        counts = {}
        for name in self.names:
            wait_until(lambda name=name: os.path.exists(f"{self.end}.{name}"), what=f"end of {name}")
            assert self.world.run("wait", "-t", name, "--timeout", "60").status == 0
            with open(f"{self.end}.{name}") as file:
                counts[name] = int(file.read())
            data = self.world.run("log", "-t", name).ok().raw
            insist_on_every_line(data, counts[name], whole=len(data) < 1 << 27)
        return counts


def insist_on_every_line(data: bytes, count: int, *, whole: bool = True) -> None:
    """Insist that ``data`` is the lines 1 to ``count``, or the last of them."""
    found = re.match(rb"[^\n]*?line (\d+)\r\n", data) if whole else re.search(rb"\nline (\d+)\r\n", data)
    assert found, data[:200]
    first = int(found[1])
    got = data[found.start(1) :]
    wanted = b"".join([b"line %d\r\n" % n for n in range(first, count + 1)])[5:]
    if whole:
        assert first == 1
    if got != wanted:
        at = next((n for n, (a, b) in enumerate(zip(got, wanted, strict=False)) if a != b), min(len(got), len(wanted)))
        raise AssertionError(
            f"of {count} lines, from byte {at} of {len(got)} (wanted {len(wanted)}): "
            f"{got[max(0, at - 60) : at + 60]!r} instead of {wanted[max(0, at - 60) : at + 60]!r}"
        )


def server_pid(world: World) -> int:
    """Return the server's pid, without asking it."""
    return _pid(world, lambda command: "agentmux.cli.serve" in command and "keeper.py" not in command, "server")


def keeper_pid(world: World) -> int:
    """Return the keeper's pid, without asking anybody."""
    return _pid(world, lambda command: "keeper.py" in command and '"check"' not in command, "keeper")


def _pid(world: World, is_it, what: str) -> int:  # type: ignore[no-untyped-def]
    def found() -> int:
        pids = [pid for pid, command in world.pids().items() if is_it(command) and command.startswith(sys.executable)]
        return pids[0] if len(pids) == 1 else 0

    return wait_until(found, what=f"one {what}")


def consecutive(rows: list[str]) -> int:
    """Return the number in the last row, if all rows are numbered lines in order; else 0."""
    filled = [row for row in rows if row]
    numbers = [int(found[1]) if (found := re.fullmatch(r"line (\d+)", row)) else 0 for row in filled]
    good = numbers and 0 not in numbers and numbers == list(range(numbers[0], numbers[-1] + 1))
    return numbers[-1] if good else 0


def insist_on_new_lines(terminal: Terminal, after: int, since: float) -> float:
    """Insist that a client soon shows newer lines than ``after``, all in order; return after how many seconds."""
    wait_until(
        lambda: consecutive(terminal.rows()) > after,
        seconds=15,
        what=lambda: f"lines after {after} in\n{terminal.text()}",
    )
    return time.monotonic() - since


def grid(columns: int, rows: int) -> list[str]:
    """Return what ``GRID`` shows."""
    lines = (f"{y:02}" + "".join(chr(97 + (x + y) % 26) for x in range(2, columns)) for y in range(rows))
    return [line[:columns] for line in lines]


def framed(rows: list[str], typed: str) -> bool:
    """Whether a terminal of the pane's size shows a frame of ``FRAMES`` whole."""
    cells = grid(len(rows[1]), len(rows))[1:-1]
    shown = "typed " + typed[6 - len(rows[1]) :]
    return rows[0].startswith("frame ") and rows[1:-1] == cells and rows[-1] == shown
