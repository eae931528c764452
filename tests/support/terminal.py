"""Terminals for clients: a pty read by a reference emulator, and a real tmux."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from agentmux.mux.screen import Screen

SECONDS = 20.0

_MARK = b"<all was said>"
"""What the test itself writes behind the last words of a client. Nobody is shown it."""

_TAKE = ': <"$0"; exec "$@"'  # a session leader gets the terminal that it opens first


class Terminal:
    """A pty with a program in it, read all the time by a thread, shown by our emulator.

    The test keeps the slave open: its settings can be compared, and the end of the program does not end it.

    Attributes:
        rate: bytes read in a second; 0 for all that there are.
        answering: what is done with the terminal's answer to a query; it is typed at once.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        size: tuple[int, int] = (80, 24),
        reading: bool = True,
        rate: int = 0,
    ) -> None:
        self.master, self.slave = os.openpty()
        os.set_blocking(self.master, False)
        self.screen = Screen(size, on_reply=self._answer)
        self.size = size
        self.raw = b""
        self.reading = reading
        self.rate = rate
        self.answering: Callable[[bytes], object] = self.type
        self._set_size(size)
        self.settings = termios.tcgetattr(self.slave)
        self._new: list[bytes] = []
        self._lock = threading.Lock()
        self._wake_reading, self._wake_writing = os.pipe()
        self._closed = False
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", _TAKE, os.ttyname(self.slave), *argv],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The client's."""
        return self.process.pid

    # -- reading

    def _read(self) -> None:
        while not self._closed:
            watched = [self._wake_reading, *([self.master] if self.reading else [])]
            ready, _, _ = select.select(watched, [], [])
            if self._wake_reading in ready:
                os.read(self._wake_reading, 100)
            if self.master in ready:
                try:
                    data = os.read(self.master, 1 << 10 if self.rate else 1 << 16)
                except BlockingIOError:
                    continue
                except OSError:
                    return
                with self._lock:
                    self._new.append(data)
                if self.rate:
                    select.select([self._wake_reading], [], [], len(data) / self.rate)

    def stop_reading(self) -> None:
        """Be a terminal that hangs."""
        self.reading = False
        os.write(self._wake_writing, b"-")

    def go_on_reading(self) -> None:
        """Be a terminal again."""
        self.reading = True
        os.write(self._wake_writing, b"+")

    def _feed(self) -> None:
        with self._lock:
            new, self._new = b"".join(self._new), []
        if new:
            self.raw += new
            self.screen.feed(new)

    def _answer(self, reply: bytes) -> None:
        self.answering(reply)

    # -- what it shows

    def rows(self) -> list[str]:
        """Return the rows as they are shown."""
        self._feed()
        return self.screen.text_rows(0, self.size[1])

    def styled(self) -> list[str]:
        """Return the rows with their colours."""
        self._feed()
        return self.screen.text_rows(0, self.size[1], styled=True)

    def text(self) -> str:
        """Return the rows as one text."""
        return "\n".join(self.rows())

    def everything(self) -> bytes:
        """Return all that was ever written to the terminal."""
        self._feed()
        return self.raw

    def scrollback(self) -> list[str]:
        """Return the rows above the screen."""
        self._feed()
        return self.screen.text_rows(-self.screen.history_rows, 0)

    def shows(self, text: str, seconds: float = SECONDS) -> None:
        """Wait until ``text`` is in a row."""
        self._wait(lambda: any(text in row for row in self.rows()), seconds, f"showing {text!r}")

    def shows_not(self, text: str, seconds: float = SECONDS) -> None:
        """Wait until ``text`` is in no row."""
        self._wait(lambda: not any(text in row for row in self.rows()), seconds, f"without {text!r}")

    def shows_rows(self, rows: Sequence[str], seconds: float = SECONDS) -> None:
        """Wait until exactly these rows are shown; empty ones at the end don't count."""
        self._wait(lambda: _trimmed(self.rows()) == _trimmed(rows), seconds, f"showing exactly {_trimmed(rows)}")

    def _wait(self, probe: object, seconds: float, what: str) -> None:
        assert callable(probe)
        deadline = time.monotonic() + seconds
        while not probe():
            if time.monotonic() > deadline:
                rows = "\n".join(self.rows())
                state = f"ended with {self.process.returncode}" if self.process.poll() is not None else "runs"
                raise AssertionError(f"after {seconds:g} s not {what}; the client {state}, and there is:\n{rows}")
            time.sleep(0.01)

    def has_answered(self) -> Terminal:
        """Wait until the client has read the answers to what it asked the terminal; return this."""
        self._wait(lambda: b"\x1b[c" in self.everything(), SECONDS, "asked")
        self._wait(lambda: not self.unread(), SECONDS, "answered")
        return self

    def unread(self) -> int:
        """Return how many bytes that were typed, or answered, nobody has read."""
        return int.from_bytes(fcntl.ioctl(self.slave, termios.FIONREAD, b"\0" * 4), sys.byteorder)

    # -- what a person does

    def attached(self) -> Terminal:
        """Wait until a client has taken the terminal; return this."""
        self._wait(lambda: not termios.tcgetattr(self.slave)[3] & termios.ICANON, SECONDS, "attached")
        return self

    def type(self, text: str | bytes, seconds: float = SECONDS) -> None:
        """Type, or paste: write all of it, however often the terminal is full."""
        data = text.encode() if isinstance(text, str) else text
        deadline = time.monotonic() + seconds
        while data:
            try:
                data = data[os.write(self.master, data) :]
            except BlockingIOError:
                assert time.monotonic() < deadline, f"{len(data)} bytes were not taken in {seconds:g} s"
                select.select([], [self.master], [], 0.1)

    def type_split(self, data: bytes) -> None:
        """Type byte by byte, each when the client has read the one before."""
        for byte in data:
            before = self._bytes_read()
            self.type(bytes([byte]))
            deadline = time.monotonic() + SECONDS
            while self._bytes_read() == before:
                assert time.monotonic() < deadline, "the client does not read"
                time.sleep(0.0002)

    def _bytes_read(self) -> int:
        """Return how much the client has read, its socket aside."""
        with open(f"/proc/{self.pid}/io") as file:
            return int(file.readline().removeprefix("rchar: "))

    def resize(self, size: tuple[int, int]) -> None:
        """Change the window's size."""
        self._feed()
        self.size = size
        self.screen.resize(size)
        self._set_size(size)

    def _set_size(self, size: tuple[int, int]) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def hang_up(self) -> None:
        """Close the window."""
        self._stop()
        os.close(self.slave)
        os.close(self.master)
        self.slave = self.master = -1

    # -- the end

    def ended(self, seconds: float = SECONDS) -> int:
        """Wait for the client's end; return its status."""
        deadline = time.monotonic() + seconds
        while (status := self.process.poll()) is None:
            if self.master >= 0:
                self._feed()  # it may wait for an answer
            assert time.monotonic() < deadline, f"after {seconds:g} s the client still runs and shows:\n{self.text()}"
            time.sleep(0.005)
        if self.master >= 0 and self.reading:
            self._take_last_words()
        return status

    def _take_last_words(self) -> None:
        """Take all that was written before this: the kernel hands it over later, and our thread after that."""
        deadline, mark = time.monotonic() + SECONDS, _MARK
        slave = os.open(os.ttyname(self.slave), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            while mark:
                assert time.monotonic() < deadline, "the terminal takes nothing more"
                try:
                    mark = mark[os.write(slave, mark) :]
                except BlockingIOError:
                    time.sleep(0.005)
        finally:
            os.close(slave)
        while True:
            with self._lock:
                words = b"".join(self._new)
                if _MARK in words:
                    self._new = [words.replace(_MARK, b"")]
                    break
            assert time.monotonic() < deadline, "what was written last does not come"
            time.sleep(0.005)
        self._feed()

    def assert_as_before(self) -> None:
        """Insist that the terminal is as it was before the client: settings, flags and modes."""
        self._feed()
        assert termios.tcgetattr(self.slave) == self.settings
        assert not fcntl.fcntl(self.slave, fcntl.F_GETFL) & os.O_NONBLOCK
        screen = self.screen
        assert screen.at_ground
        assert not screen.alternate
        assert not screen.bracketed_paste
        assert not screen.mouse_tracking
        assert not screen.focus_reporting
        assert screen.keys(["Up"]) == b"\x1b[A"
        assert not screen.synchronized
        assert screen.kitty_flags == 0
        assert screen.cursor.visible

    def _stop(self) -> None:
        if not self._closed:
            self._closed = True
            os.write(self._wake_writing, b".")
            self._thread.join()
            os.close(self._wake_reading)
            os.close(self._wake_writing)

    def close(self) -> None:
        """End the client and free everything."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._stop()
        for fd in (self.master, self.slave):
            if fd >= 0:
                os.close(fd)
        self.master = self.slave = -1
        self.screen.close()


class Tmux:
    """A real tmux with one pane, as an outer terminal that is none of our making."""

    def __init__(
        self,
        path: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        size: tuple[int, int] = (80, 24),
    ) -> None:
        self.path = path
        self.env = dict(env)
        self.size = size
        self.run(
            "-f", "/dev/null", "start-server", ";",
            "set", "-g", "status", "off", ";",
            "set", "-g", "escape-time", "0", ";",
            "set", "-g", "remain-on-exit", "on", ";",
            "set", "-g", "prefix", "None", ";",
            "set", "-g", "default-terminal", "tmux-256color", ";",
            "set", "-g", "history-limit", "5000", ";",
            "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), "-c", cwd, "--", *argv,
        )  # fmt: skip

    def run(self, *words: str) -> str:
        """Run a tmux command; return what it prints."""
        done = subprocess.run(
            ["tmux", "-S", self.path, *words], env=self.env, capture_output=True, timeout=30, check=False
        )
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout.decode()

    def rows(self, *options: str) -> list[str]:
        """Return the rows of the pane; without options without blanks at their ends."""
        rows = self.run("capture-pane", "-p", *options).split("\n")[:-1]
        return rows if options else [row.rstrip() for row in rows]

    def cursor(self) -> str:
        """Return cursor and modes of the pane."""
        return self.run(
            "display", "-p", "#{cursor_x},#{cursor_y} cursor=#{cursor_flag} alternate=#{alternate_on} "
            "keypad=#{keypad_flag},#{keypad_cursor_flag} insert=#{insert_flag} mouse=#{mouse_any_flag} "
            "wrap=#{wrap_flag} origin=#{origin_flag} scroll=#{scroll_region_upper},#{scroll_region_lower}",
        ).strip()  # fmt: skip

    def keys(self, *names: str) -> None:
        """Press keys, by tmux's names."""
        self.run("send-keys", *names)

    def type(self, text: str) -> None:
        """Type text."""
        self.run("send-keys", "-l", "--", text)

    def shows(self, text: str, seconds: float = SECONDS) -> list[str]:
        """Wait until ``text`` is in a row; return the rows."""
        deadline = time.monotonic() + seconds
        while text not in "\n".join(rows := self.rows()):
            assert time.monotonic() < deadline, f"tmux does not show {text!r} but:\n" + "\n".join(rows)
            time.sleep(0.02)
        return rows

    def settled(self, seconds: float = SECONDS) -> list[str]:
        """Return the rows once they have not changed for a moment."""
        deadline = time.monotonic() + seconds
        before, since = self.rows(), time.monotonic()
        while time.monotonic() - since < 0.2:
            assert time.monotonic() < deadline, "tmux's screen never comes to rest"
            time.sleep(0.05)
            if (rows := self.rows()) != before:
                before, since = rows, time.monotonic()
        return before

    def close(self) -> None:
        """End tmux and what runs in it."""
        try:
            pid = int(self.run("display", "-p", "#{pid}"))
        except AssertionError:
            return
        pane = int(self.run("display", "-p", "#{pane_pid}") or 0)
        self.run("kill-server")
        deadline = time.monotonic() + 10
        for one in (pid, pane):
            while one and _lives(one):
                assert time.monotonic() < deadline, f"process {one} of tmux does not end"
                time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _trimmed(rows: Sequence[str]) -> list[str]:
    rows = list(rows)
    while rows and not rows[-1]:
        rows.pop()
    return rows


def stopped(pid: int) -> bool:
    """Whether a process is stopped, as by SIGSTOP."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0] == b"T"


def signal_and_wait(pid: int, number: int = signal.SIGKILL) -> None:
    """Signal a process that is not our child and return when it has gone."""
    handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, number)
        ready, _, _ = select.select([handle], [], [], 20)
        assert ready, f"process {pid} survives signal {number}"
    except OSError as error:
        if error.errno != errno.ESRCH:
            raise
    finally:
        os.close(handle)
