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
name, end, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
out = open(1, "wb", 1 << 16, closefd=False)
n = 0
while not os.path.exists(end):
    for _ in range(1 if pause else 200):
        n += 1
        out.write(b"line %d\\n" % n)
    out.flush()
    if pause: time.sleep(pause)
with open(f"{end}.{name}", "w") as file: file.write(str(n))
"""
"""Print numbered lines, as fast as possible or with a pause, until a file appears; then say how many."""


ECHO_KEYS = """
import os, sys, tty
tty.setraw(0)
os.write(1, b"%sready" % sys.argv[1].encode().decode("unicode_escape").encode())
while data := os.read(0, 4096):
    os.write(1, b"\\r\\n" + repr(data).encode())
"""
"""A program that shows the bytes it gets. Its first argument is printed first: escape sequences that set modes."""


class Counters:
    """Sessions that print numbered lines: ``counters.start`` them, do your worst, ``counters.check``."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.end = os.path.join(world.home, "end")
        self.names: list[str] = []

    def start(self, name: str, pause: float) -> int:
        """Start one; return its id."""
        self.names.append(name)
        return self.world.python(name, COUNT, name, self.end, str(pause))

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
