"""Borrow the user's terminal and give it back as it was, by whatever road.

Writes go through a descriptor of our own, opened by the terminal's name, so
that O_NONBLOCK is never set on the open file that the user's shell shares: a
stalled terminal then can't trap the client, and the shell never sees EAGAIN.
"""

import _signal  # type: ignore[import-not-found]  # see signals.py
import os
import select
import termios
import tty
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

PENDING_LIMIT = 1 << 18
"""Bytes kept for a terminal that does not take them. Above it the server is not read
from, which then drops its backlog and owes a redraw."""

LEAVE_WAIT = 1.0
"""Seconds without a byte taken after which a terminal is left with what it has: ^S, or a window that hangs."""

ANSWER_WAIT = 0.5
"""Seconds that a terminal gets for its last answer. Without it the shell behind us would get it as if it were typed."""

ANSWERS_WAIT = 5.0
"""Seconds that it gets at most where more comes within each ``ANSWER_WAIT``: slowly, but it answers."""

_TRIES = 100
"""How often a job is sent to the background at most. Where nobody could wake us up SIGTTOU does nothing."""


class Terminal:
    """The user's terminal while it is borrowed: raw, written to without blocking.

    Attributes:
        asked: whether the answer to ``LAST_QUERY`` is still to come.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.pending = bytearray()
        self.asked = False
        self._size = (80, 24)
        self._own = True
        try:
            self._out = os.open(os.ttyname(fd), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # a tty of another container or user: blocking writes then
            self._out, self._own = fd, False

    def fileno(self) -> int:
        """Return the descriptor that becomes writable when :meth:`flush` can go on."""
        return self._out

    @property
    def full(self) -> bool:
        """Whether to stop reading from the server for now."""
        return len(self.pending) > PENDING_LIMIT

    def write(self, data: bytes) -> None:
        """Write ``data``, or as much as the terminal takes now and the rest later."""
        if not self.pending:
            data = data[self._write(data) :]
        self.pending += data

    def flush(self) -> None:
        """Write more of what is pending."""
        del self.pending[: self._write(self.pending)]

    def _write(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._out, data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # it hung up: nobody sees it, and the next read tells

    def leave(self, data: bytes) -> None:
        """Write the last bytes; what a terminal has not shown by then, because it takes nothing, is thrown away."""
        if not self._own:
            try:
                os.write(self._out, data)
            except OSError:
                pass  # it is gone, nothing to restore
            return
        data = data[self._write(data) :]
        while data:
            if not select.select([], [self._out], [], LEAVE_WAIT)[1]:
                termios.tcflush(self._out, termios.TCOFLUSH)
                self._write(b"\x18" + data)
                return
            data = data[self._write(data) :]

    def swallow(self) -> None:
        """Read until the terminal has answered all it was asked, or seems not to."""
        read, until = b"", monotonic() + ANSWERS_WAIT
        while self.asked and select.select([self.fd], [], [], max(0.0, min(ANSWER_WAIT, until - monotonic())))[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return
            read = read[-100:] + data
            self.asked = bool(data) and not any(map(_is_last_answer, read.split(b"\x1b[")))

    def size(self) -> tuple[int, int]:
        """Return (columns, rows), as last known if it hung up."""
        try:
            columns, rows = os.get_terminal_size(self.fd)
        except OSError:
            return self._size
        self._size = columns, rows
        return columns, rows

    def close(self) -> None:
        """Close our own descriptor."""
        if self._own:
            os.close(self._out)


def _is_last_answer(sequence: bytes) -> bool:
    return sequence[:1] == b"?" and sequence[1:].lstrip(b"0123456789;")[:1] == b"c"


def ours(fd: int) -> bool:
    """Whether our job has the terminal. If not, its modes are not ours to set, and the kernel would stop us."""
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:  # it hung up, or no shell has it for its jobs
        return True


def wait_until_ours(fd: int, enough: "Callable[[], object]" = lambda: False) -> None:
    """Stop, as the kernel would have it, until our job has the terminal, or ``enough`` after a signal that is caught.

    Signals that are caught later end us here.
    """
    for _ in range(_TRIES):
        if ours(fd) or enough():
            return
        os.kill(os.getpid(), _signal.SIGTTOU)


class Borrowed:
    """The terminal on ``fd`` in raw mode; on the way out every mode that a program can have set is reset.

    What is still pending then is thrown away.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> Terminal:
        wait_until_ours(self._fd)
        self._before = termios.tcgetattr(self._fd)
        self._terminal = Terminal(self._fd)
        try:
            self.again()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self._terminal

    def lend(self) -> None:
        """Give the terminal to a program that sets what it needs, with line ends as before; until ``again``.

        What is typed until then is neither echoed nor a signal: it is for that program.
        """
        from agentmux.mux.reset import leave_client

        self._terminal.pending.clear()
        self._terminal.leave(leave_client(title=False))
        self._terminal.swallow()
        iflag, oflag, cflag, lflag, *rest = self._before
        lflag &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
        try:
            termios.tcsetattr(self._fd, termios.TCSANOW, [iflag, oflag, cflag, lflag, *rest])
        except termios.error:
            pass  # it hung up

    def again(self) -> None:
        """Set raw mode, as after being stopped."""
        try:
            tty.setraw(self._fd, termios.TCSANOW)  # the default would throw away what was typed ahead
        except termios.error:
            pass  # it hung up: the next read tells

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        from agentmux.mux.reset import leave_client  # at last: a client has no need of it to begin

        if not ours(self._fd):
            self._terminal.close()
            return
        self._terminal.leave(leave_client())
        self._terminal.swallow()
        self._terminal.close()
        try:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
        except termios.error:
            pass  # it hung up
