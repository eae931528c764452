"""What runs inside the sessions: the same programs for every contender.

    PYTHON -I -S programs.py MODE SOCKET NAME

Each connects to the benchmark's socket, says its name and pid, and then does its part:

- ``echo``: raw mode; answers every byte at once, at the left margin.
- ``ask``: asks its terminal what it is, as many times as an order's ``count`` says; reports the ``times`` in ms.
- ``produce``: waits for orders on the socket, one JSON object a line, writes what they ask for to the terminal
  and reports what the writing took *as the program sees it*.
- ``agent``: paints what an agent at rest does; ten times a second what one at work does for as many ``seconds`` as an
  order says; another says which ``state`` to publish.
- ``flood``: has a child that becomes ``yes``, and whose pid it says. (Servers let a program go on that was stopped, if
  it is their own child.)
- ``show``: fills the scrollback with as many lines as the fourth argument says, prints SHOWN, and reports when the
  terminal answers behind that; then it waits for ever.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import time
import tty
from time import perf_counter
from types import FrameType

SHOWN = b"shown-to-the-end"
"""What ``show`` prints last."""

END = b"end-of-block-%d."
"""What ``produce`` prints after an order, outside of the measured time."""

BLOCK = 1 << 16

RULE = "─" * 80
"""A line across an agent's screen."""


class TimeUp(Exception):
    """The order's time is over, or the benchmark has seen enough."""


def blocks(kind: str) -> bytes:
    """Return about ``BLOCK`` bytes of output of that kind, made of whole lines or frames."""
    if kind == "ascii":
        unit = b"".join(b"%06d the quick brown fox jumps over the lazy dog, and once more\n" % n for n in range(100))
    elif kind == "rgb":  # every cell another colour, as image viewers and gradients write them
        cells = (b"\x1b[38;2;%d;%d;%dm#" % (n * 7 % 256, n * 5 % 256, n * 3 % 256) for n in range(400))
        unit = b"".join(cell + (b"\x1b[0m\n" if n % 80 == 79 else b"") for n, cell in enumerate(cells))
    elif kind == "ink":  # what Ink does at every tick: erase its lines upwards, print them again
        rows = [
            b"\x1b[2m\xe2\x94\x82\x1b[22m \x1b[1mtask %d\x1b[22m \x1b[38;5;%dmworks\x1b[39m for %d s\n" % (n, 30 + n, n)
            for n in range(12)
        ]
        erase = b"\x1b[2K\x1b[1A" * 12 + b"\x1b[2K\x1b[G"
        unit = b"".join(b"\x1b[?2026h" + erase + b"".join(rows) + b"\x1b[?2026l" for _ in range(8))
    else:
        text = "終端の中で動く道具は、速くて静かでなければならない。漢字かな交じり文"
        unit = "".join(f"{n:04d} {text}\n" for n in range(100)).encode()
    return unit * max(1, BLOCK // len(unit))


def produce(link: socket.socket) -> None:
    """Carry out orders until the benchmark hangs up: {kind, bytes | seconds, number}."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeUp

    for line in link.makefile("r"):
        order = json.loads(line)
        block = blocks(order["kind"])
        most = order.get("bytes", 1 << 62)
        done = 0
        start = perf_counter()
        try:
            signal.signal(signal.SIGALRM, stop)
            signal.signal(signal.SIGUSR1, stop)
            signal.setitimer(signal.ITIMER_REAL, order.get("seconds", 0))
            while done < most:
                done += os.write(1, block)
        except TimeUp:
            pass
        took = perf_counter() - start
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        link.sendall(json.dumps({"bytes": done, "seconds": took}).encode() + b"\n")
        if order["number"]:
            os.write(1, b"\x1b[0m\r\n" + END % order["number"] + b"\r\n")


def paint(spinner: str = "", footer: str = "? for shortcuts") -> None:
    """Paint the end of an agent's screen."""
    rows = [f"{spinner} Thinking… (esc)" if spinner else "", "", RULE, "\u276f ", RULE, f"  {footer}"]
    painted = "\r\n".join(f"\x1b[K{row}" for row in rows)
    title = f"\x1b]2;{spinner or '✳'} agent\a"
    os.write(1, f"\x1b[?2026h\x1b[15;1H{title}{painted}\x1b[J\x1b[?2026l".encode())


def act(link: socket.socket) -> None:
    """Carry out orders until the benchmark hangs up: {seconds} or {state}."""
    tty.setraw(0)
    os.write(1, "".join(f"a line of the conversation, number {n}\r\n" for n in range(30)).encode())
    paint()
    for line in link.makefile("r"):
        order = json.loads(line)
        if "state" in order:
            os.write(1, b"\x1b]7501;state=%b:app=bench\a" % order["state"].encode())
            continue
        start, count = perf_counter(), 0
        while (spent := perf_counter() - start) < order["seconds"]:
            paint("◐◑"[count % 2], f"esc to interrupt · {spent:.1f}s")
            count += 1
            time.sleep(0.1)
        paint()
        link.sendall(json.dumps({"bytes": count, "seconds": spent}).encode() + b"\n")


def ask(link: socket.socket) -> None:
    """Carry out orders until the benchmark hangs up: {count}."""
    tty.setraw(0)
    for line in link.makefile("r"):
        times = []
        for _ in range(json.loads(line)["count"]):
            answer = b""
            start = perf_counter()
            os.write(1, b"\x1b[c")
            while not answer.endswith(b"c"):
                answer += os.read(0, 100)
            times.append((perf_counter() - start) * 1000)
            time.sleep(0.005)  # as one that asks at its start, not as one that asks all the time
        link.sendall(json.dumps({"times": times}).encode() + b"\n")


def show(lines: int) -> None:
    """Print, and wait until the terminal has taken it all in."""
    tty.setcbreak(0)
    os.write(1, b"".join(b"%d: a line of the session's past\n" % n for n in range(lines)) + SHOWN + b"\n\x1b[5n")
    answer = b""
    while not answer.endswith(b"n") and select.select([0], [], [], 5)[0]:
        answer += os.read(0, 100)


def main(mode: str, path: str, name: str, lines: str = "0") -> None:
    """Report, then play the part."""
    if mode == "echo":
        tty.setraw(0)
    elif mode == "show":
        show(int(lines))
    if mode == "flood" and (child := os.fork()):
        os.waitpid(child, 0)
        return
    link = socket.socket(socket.AF_UNIX)
    link.connect(path)
    link.sendall(f"{name} {os.getpid()}\n".encode())
    if mode == "flood":
        link.close()
        os.execvp("yes", ["yes", "y" * 60])
    elif mode == "echo":
        while data := os.read(0, 4096):
            os.write(1, b"\r" + data)
    elif mode == "ask":
        ask(link)
    elif mode == "produce":
        produce(link)
    elif mode == "agent":
        act(link)
    else:
        signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
