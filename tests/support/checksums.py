"""A terminal that is our emulator, for programs that read the screen back: it answers DECRQCRA, as ours does not."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

from agentmux.mux.reset import fresh, soft_reset
from agentmux.mux.screen import Screen
from agentmux.mux.sieve import For, Sieve

SIZE = (80, 25)
_CHECKSUM = re.compile(rb"(\x1b\[(\d+);\d*;(\d*);(\d*);(\d*);(\d*)\*y)")
_UNFINISHED = re.compile(rb"\x1b(?:\[[0-9;]*\*?)?\Z")


class Checked:
    """The terminal: what it is fed, it answers on ``master``."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._screen = Screen(SIZE, on_reply=self._reply)
        self._sieve = Sieve()
        self._tail = b""

    def close(self) -> None:
        """Let go of the emulator."""
        self._screen.close()

    def feed(self, data: bytes) -> None:
        """Take what the program printed."""
        data, self._tail = self._tail + data, b""
        if unfinished := _UNFINISHED.search(data):
            data, self._tail = data[: unfinished.start()], unfinished[0]
        at = 0
        for asked in _CHECKSUM.finditer(data):
            self._shown(data[at : asked.start()])
            at = asked.end()
            self._reply(
                b"\x1bP%b!~%04X\x1b\\" % (asked[2], self._sum(*(int(part or 0) for part in asked.groups()[2:])))
            )
        self._shown(data[at:])

    def _shown(self, data: bytes) -> None:
        screen = self._screen
        for who, part in self._sieve.feed(data):
            if who is For.RESET:
                screen.feed(fresh(SIZE[0]))
            elif who is For.SOFT_RESET:
                screen.feed(soft_reset(*screen.cursor[:2]))
            elif who is For.ANSWER:
                self._reply(screen.answer(part))
            elif who is not For.NOTE:
                screen.feed(part)

    def _sum(self, top: int, left: int, bottom: int, right: int) -> int:
        """Return the checksum of a part of the screen as xterm has it: the characters, subtracted; blanks are 32."""
        rows = self._screen.text_rows(max(top, 1) - 1, bottom or SIZE[1])
        return -sum(sum(map(ord, row.ljust(SIZE[0])[max(left, 1) - 1 : right or SIZE[0]])) for row in rows) & 0xFFFF

    def _reply(self, data: bytes) -> None:
        os.write(self._master, data)


def run(argv: Sequence[str], *, cwd: str, env: Mapping[str, str], seconds: float) -> None:
    """Run a program on such a terminal until it ends."""
    master, slave = os.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
    terminal = Checked(master)
    process = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=env, start_new_session=True)
    os.close(slave)
    deadline = time.monotonic() + seconds
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if not select.select([master], [], [], 0.2)[0]:
                continue
            try:
                terminal.feed(os.read(master, 1 << 16))
            except OSError:
                break
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        terminal.close()
        os.close(master)
