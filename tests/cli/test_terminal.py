"""The user's terminal, borrowed and given back: on a real one, whose other end the test holds."""

import fcntl
import os
import pty
import select
import struct
import termios
from collections.abc import Iterator

import pytest

from agentmux.cli.terminal import PENDING_LIMIT, Borrowed, Terminal
from agentmux.mux.screen import Screen


class Pty:
    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        os.set_blocking(self.master, False)

    def shown(self) -> bytes:
        """Return everything that was written to the terminal and not read yet."""
        data = b""
        while select.select([self.master], [], [], 0)[0]:
            try:
                data += os.read(self.master, 65536)
            except OSError:  # hung up
                break
        return data

    def close(self) -> None:
        for fd in (self.master, self.slave):
            if fd >= 0:
                os.close(fd)


@pytest.fixture
def tty() -> Iterator[Pty]:
    made = Pty()
    yield made
    made.close()


def flags(tty: Pty) -> list[object]:
    return termios.tcgetattr(tty.slave)


def test_it_is_raw_while_it_is_borrowed_and_as_before_afterwards(tty: Pty) -> None:
    before = flags(tty)
    with Borrowed(tty.slave):
        lflag = termios.tcgetattr(tty.slave)[3]
        assert not lflag & (termios.ICANON | termios.ECHO | termios.ISIG)
    assert flags(tty) == before


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_it_is_given_back_by_whatever_road(tty: Pty, error: type[BaseException]) -> None:
    before = flags(tty)
    with pytest.raises(error), Borrowed(tty.slave) as terminal:
        terminal.write(b"\x1b[?1049h\x1b[?1000h\x1b[?25l\x1b[?2004h\x1b[>1u")
        raise error
    assert flags(tty) == before
    user = Screen((80, 24))
    user.feed(tty.shown())
    assert not user.alternate and not user.mouse_tracking and not user.bracketed_paste
    assert user.cursor.visible and user.kitty_flags == 0
    user.close()


def test_what_was_typed_ahead_is_not_thrown_away(tty: Pty) -> None:
    os.write(tty.master, b"typed ahead\n")
    with Borrowed(tty.slave):
        assert os.read(tty.slave, 99) == b"typed ahead\n"


def test_the_shells_file_stays_blocking(tty: Pty) -> None:
    """O_NONBLOCK belongs to the open file, which the user's shell shares."""
    with Borrowed(tty.slave) as terminal:
        terminal.write(b"x")
        assert os.get_blocking(tty.slave)
        assert terminal.fileno() != tty.slave
        assert not os.get_blocking(terminal.fileno())
    assert os.get_blocking(tty.slave)


def test_what_is_pending_comes_before_what_is_written_later(tty: Pty) -> None:
    terminal = Terminal(tty.slave)
    terminal.write(b"a" * 100_000)
    assert terminal.pending
    got = tty.shown()  # which makes room
    terminal.write(b"b")
    while terminal.pending:
        terminal.flush()
        got += tty.shown()
    assert got + tty.shown() == b"a" * 100_000 + b"b"
    terminal.close()


def test_writing_to_a_terminal_that_takes_nothing_never_blocks_and_loses_nothing(tty: Pty) -> None:
    terminal = Terminal(tty.slave)
    data = b"".join(b"%07d " % number for number in range(40_000))
    with_raw = termios.tcgetattr(tty.slave)
    with_raw[1] = 0  # no newline translation
    termios.tcsetattr(tty.slave, termios.TCSANOW, with_raw)
    for at in range(0, len(data), 8000):
        terminal.write(data[at : at + 8000])
    assert terminal.pending and terminal.full == (len(terminal.pending) > PENDING_LIMIT)
    assert terminal.full
    got = b""
    while len(got) < len(data):
        got += tty.shown()
        terminal.flush()
    assert got == data
    assert not terminal.pending and not terminal.full
    terminal.close()


def test_a_terminal_that_hung_up_is_no_accident(tty: Pty) -> None:
    """The next read tells the client; until then it may write, ask for the size, and give the terminal back."""
    fcntl.ioctl(tty.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    with Borrowed(tty.slave) as terminal:
        assert terminal.size() == (100, 30)
        os.close(tty.master)
        tty.master = -1
        terminal.write(b"nobody sees this")
        assert not terminal.pending
        assert terminal.size() == (100, 30)


def test_our_own_descriptor_is_closed(tty: Pty) -> None:
    with Borrowed(tty.slave) as terminal:
        own = terminal.fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(own)
    os.fstat(tty.slave)
