"""The view on an attached client's terminal, which is lent to it: a child that chooses a session, or not."""

import _signal  # type: ignore[import-not-found]  # as in signals.py
import os
import select
from time import monotonic

from agentmux.mux.client import view_argv

from .signals import Signals
from .terminal import Borrowed

CANNOT = 64
"""Exit status of a view that can't be shown, for instance on so small a terminal."""

QUIT = "quit"
"""What it chooses to have the client leave."""

GRACE = 2.0
"""Seconds that it gets to end when the client is told to."""

LONGEST = 64
"""Bytes that a choice has at most: it is an id, or a word."""


class Choice:
    """What came of it.

    Attributes:
        status: the view's exit status, minus the signal that ended it.
        chosen: the id of a session, QUIT, or "" for nothing.
        signal: what the client was told to end by meanwhile, 0 for nothing.
    """

    def __init__(self, status: int, chosen: str, signal: int) -> None:
        self.status = status
        self.chosen = chosen
        self.signal = signal


def choose(socket: str, session: str, borrowed: Borrowed, signals: Signals) -> Choice:
    """Lend the terminal to the view, with ``session`` selected, until it ends.

    Raises:
        OSError: it can't be run.
    """
    reading, writing = os.pipe()
    # With functions of ours, not ignored: an ignored signal would stay so in the view.
    caught = (_signal.SIGCHLD, _signal.SIGINT, _signal.SIGQUIT)
    before = {number: _signal.signal(number, _nothing) for number in caught}
    borrowed.lend()
    try:
        os.set_inheritable(writing, True)
        argv = view_argv(socket, ["--select", session, "--choose-fd", str(writing)])
        pid = os.posix_spawn(argv[0], argv, os.environ)
        os.close(writing)
        writing = -1
        status, told = _ended(pid, signals)
        os.set_blocking(reading, False)
        return Choice(status, _read(reading), told)
    finally:
        borrowed.again()
        for number, handler in before.items():
            _signal.signal(number, handler)
        os.close(reading)
        if writing >= 0:
            os.close(writing)


def _nothing(number: int, frame: object) -> None:
    """The wakeup pipe has it."""


def _ended(pid: int, signals: Signals) -> tuple[int, int]:
    """Wait for the view's end; return its exit status, and by which signal we were told to end meanwhile.

    Changes of size and C-z reach it without us: it is in the terminal's foreground as we are.
    """
    told, until = 0, 0.0
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), told
        if until and monotonic() >= until:
            os.kill(pid, _signal.SIGKILL)
            until = 0.0
        select.select([signals.reading], [], [], max(0.0, until - monotonic()) if until else None)
        arrived = signals.arrived()
        if number := next((one for one in (_signal.SIGTERM, _signal.SIGHUP) if one in arrived), 0):
            told, until = number, monotonic() + GRACE
            os.kill(pid, number)


def _read(reading: int) -> str:
    try:
        return os.read(reading, LONGEST).decode("ascii", "replace").strip()
    except BlockingIOError:
        return ""  # it has not ended with the view: somebody else has it open
