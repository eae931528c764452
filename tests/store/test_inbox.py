"""The inbox: whatever moment the server is killed at, no byte is lost and none comes twice."""

from __future__ import annotations

import errno
import os
import pty
import signal
import subprocess
import sys
import tty
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agentmux.store.errors import StoreError
from agentmux.store.inbox import CAPACITY, Inbox, Phase, Recovered, unsaved
from agentmux.store.journal import Journal

READER = Path(__file__).with_name("mortal_reader.py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    source, sink = os.pipe()
    os.set_blocking(source, False)
    yield source, sink
    os.close(source)
    os.close(sink)


def left_behind(path: Path, capacity: int = 64) -> Recovered | None:
    """What a server that starts now would find."""
    with closing(Inbox(str(path), capacity)) as inbox:
        return inbox.recover()


def test_a_new_inbox_is_private_idle_and_takes_its_room_on_disk(path: Path) -> None:
    before = os.umask(0)
    try:
        Inbox(str(path)).close()
    finally:
        os.umask(before)
    found = path.stat()
    assert found.st_mode & 0o7777 == 0o600
    assert found.st_size == 64 + CAPACITY
    assert found.st_blocks * 512 >= CAPACITY
    assert left_behind(path, CAPACITY) is None


def test_the_layout_is_frozen(path: Path, pipe: tuple[int, int]) -> None:
    """A server of the next version finds a file of this one. A new layout needs a new magic."""
    os.write(pipe[1], b"hi")
    with closing(Inbox(str(path), 4)) as inbox:
        inbox.begin(0x0102, 0x0A0B0C0D0E)
        inbox.read(pipe[0])
        inbox.written()
    assert path.read_bytes() == (
        b"amuxbox1"
        b"\x04\0\0\0\0\0\0\0"
        b"\x02\x01\0\0\0\0\0\0"
        b"\x0e\x0d\x0c\x0b\x0a\0\0\0"
        b"\x02\0\0\0" + b"\0\0\0\0" + b"\x02" + bytes(23) + b"hi\xff\xff"
    )
    assert {phase.name: phase.value for phase in Phase} == {"IDLE": 0, "READING": 1, "WRITTEN": 2}


def test_a_batch_from_begin_to_done(path: Path, pipe: tuple[int, int]) -> None:
    source, sink = pipe
    with closing(Inbox(str(path), 10)) as inbox:
        for text in (b"hello", b"you"):
            inbox.begin(1, 0)
            os.write(sink, text)
            assert inbox.read(source, 3) == 3
            with pytest.raises(BlockingIOError):
                inbox.read(source) and inbox.read(source)
            assert bytes(inbox.data()) == text
            inbox.written()
            inbox.done()
            assert inbox.filled == 0
        inbox.begin(1, 8)
        os.write(sink, b"more than there is room")
        assert inbox.read(source) == 10
        with pytest.raises(AssertionError, match="no room"):
            inbox.read(source)
        inbox.done()
    assert path.read_bytes()[64:] == b"\xff" * 10


def test_calls_out_of_order_are_loud(path: Path) -> None:
    with closing(Inbox(str(path), 10)) as inbox:
        with pytest.raises(AssertionError):
            inbox.written()
        inbox.begin(1, 0)
        with pytest.raises(AssertionError):
            inbox.begin(2, 0)
        inbox.written()
        with pytest.raises(AssertionError):
            inbox.written()


def test_a_batch_with_nothing_in_it_is_nothing(path: Path) -> None:
    inbox = Inbox(str(path), 64)
    inbox.begin(1, 0)
    assert left_behind(path) is None
    with closing(Inbox(str(path), 64)) as after:
        after.begin(2, 0)
    inbox.close()


def test_killed_while_reading(path: Path, pipe: tuple[int, int]) -> None:
    source, sink = pipe
    os.write(sink, b"abcdef\xff")
    inbox = Inbox(str(path), 64)
    inbox.begin(5, 1000)
    inbox.read(source, 4)
    assert left_behind(path) == Recovered(Phase.READING, 5, 1000, b"abcd", 0)
    inbox.read(source)
    assert left_behind(path) == Recovered(Phase.READING, 5, 1000, b"abcdef\xff", 0)
    inbox.close()


def test_killed_between_a_read_and_its_count(path: Path, pipe: tuple[int, int]) -> None:
    source, sink = pipe
    os.write(sink, b"ab")
    with closing(Inbox(str(path), 64)) as inbox:
        inbox.begin(5, 1000)
        inbox.read(source)
        # What the kernel does in readv, and no more.
        with open(path, "r+b") as file:
            file.seek(64 + 2)
            file.write(b"\xffcd\xff\xff")
    # The 0xFF at the very end of the uncounted read are what may be lost, and only those.
    assert left_behind(path) == Recovered(Phase.READING, 5, 1000, b"ab\xffcd", 0)


def test_recovering_twice_gives_the_same(path: Path, pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"ab\xff")
    with closing(Inbox(str(path), 64)) as inbox:
        inbox.begin(5, 1000)
        inbox.read(pipe[0])
    first = left_behind(path)
    assert first is not None
    assert left_behind(path) == first


def test_a_batch_that_kills_is_counted(path: Path, pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"poison")
    with closing(Inbox(str(path), 64)) as inbox:
        inbox.begin(5, 1000)
        inbox.read(pipe[0])
        inbox.written()
    for attempts in (1, 2, 3):
        assert left_behind(path) == Recovered(Phase.WRITTEN, 5, 1000, b"poison", attempts)
    with closing(Inbox(str(path), 64)) as inbox:
        inbox.recover()
        inbox.done()
        inbox.begin(6, 0)
        os.write(pipe[1], b"good")
        inbox.read(pipe[0])
        inbox.written()
    assert left_behind(path) == Recovered(Phase.WRITTEN, 6, 0, b"good", 1)


def test_a_batch_taken_over_while_reading_goes_on_as_usual(path: Path, pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"text")
    with closing(Inbox(str(path), 64)) as inbox:
        inbox.begin(5, 1000)
        inbox.read(pipe[0])
    with closing(Inbox(str(path), 64)) as inbox:
        assert inbox.recover() is not None
        inbox.written()
    assert left_behind(path) == Recovered(Phase.WRITTEN, 5, 1000, b"text", 1)


def test_a_replay_is_guarded_too(path: Path) -> None:
    with closing(Inbox(str(path), 8)) as inbox:
        inbox.begin(5, 100)
        inbox.put(b"poi")
        inbox.put(b"son")
        found = left_behind(path, 8)
        assert found is not None and unsaved(found, journal_end=5000) == b""
        inbox.written()
        assert left_behind(path, 8) == Recovered(Phase.WRITTEN, 5, 100, b"poison", 1)
        with pytest.raises(ValueError):
            inbox.put(b"too long")


@pytest.mark.parametrize(
    ("phase", "journal_end", "missing"),
    [
        pytest.param(Phase.READING, 100, b"abcdef", id="nothing was written"),
        pytest.param(Phase.READING, 104, b"ef", id="half was written"),
        pytest.param(Phase.READING, 106, b"", id="all was written"),
        pytest.param(Phase.READING, 90, b"abcdef", id="the journal lost its end"),
        pytest.param(Phase.READING, 500, b"", id="a replay"),
        pytest.param(Phase.WRITTEN, 106, b"", id="known to be written"),
        pytest.param(Phase.WRITTEN, 104, b"ef", id="written and lost again"),
    ],
)
def test_what_the_journal_still_needs(phase: Phase, journal_end: int, missing: bytes) -> None:
    assert unsaved(Recovered(phase, 1, 100, b"abcdef", 0), journal_end) == missing


def test_room_left_dirty_by_a_kill_is_wiped(path: Path, pipe: tuple[int, int]) -> None:
    Inbox(str(path), 64).close()
    with open(path, "r+b") as file:
        file.seek(64)
        file.write(b"old data")
    os.write(pipe[1], b"ab")
    with closing(Inbox(str(path), 64)) as inbox:
        inbox.begin(5, 0)
        inbox.read(pipe[0])
    found = left_behind(path)
    assert found is not None and found.data == b"ab"


DAMAGE = {
    "magic": (0, b"X"),
    "capacity": (8, b"\x41"),
    "filled over the capacity": (32, b"\x41"),
    "phase": (40, b"\x03"),
}


@pytest.mark.parametrize(("at", "what"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file_is_made_anew(path: Path, at: int, what: bytes) -> None:
    with closing(Inbox(str(path), 64)) as inbox:
        inbox.begin(5, 0)
        inbox.put(b"data")
        inbox.written()
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(what)
    assert left_behind(path) is None
    assert path.stat().st_size == 64 + 64


@pytest.mark.parametrize("content", [b"", b"amuxbox1", b"\0" * 200])
def test_a_file_of_another_size_is_made_anew(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert left_behind(path) is None
    assert path.stat().st_size == 64 + 64


def test_a_link_is_replaced_and_not_followed(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with closing(Inbox(str(other), 64)) as inbox:
        inbox.begin(1, 0)
        inbox.put(b"theirs")
    path.symlink_to(other)
    assert left_behind(path) is None
    assert not path.is_symlink()
    assert left_behind(other) is not None


def test_a_full_disk_is_noticed_when_the_file_is_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not by a SIGBUS when a batch first touches room that the disk does not have."""
    write, room = os.write, 100

    def full(fd: int, data: memoryview) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "no space left on device")
        count = write(fd, data[:room])
        room -= count
        return count

    with monkeypatch.context() as patch, pytest.raises(StoreError, match="no space"):
        patch.setattr(os, "write", full)
        Inbox(str(path), 64)
    assert left_behind(path) is None


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't make the inbox"):
        Inbox(str(tmp_path / "no" / "inbox"))


@pytest.mark.parametrize("stride", [5, pytest.param(1, marks=pytest.mark.prove)])
def test_killed_before_any_bytecode(tmp_path: Path, stride: int) -> None:
    """Every store that matters is several bytecodes from the next, so a small stride sees each gap."""
    done = subprocess.run(
        [sys.executable, str(READER), "steps", str(tmp_path), str(stride)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 1000


WRITER = """
import os, signal
stop = []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
line = 0
while not stop:
    lines = b"".join(b"%d\\n" % number for number in range(line, line + 100))
    line += 100
    while lines:
        lines = lines[os.write(0, lines):]
print(line)
"""


def flood(folder: Path, kills: int, seed: int) -> Counter[str]:
    """Kill the reader of a flooding terminal; return in which states the next one found things."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    writer = subprocess.Popen([sys.executable, "-c", WRITER], stdin=slave, stdout=subprocess.PIPE)
    os.close(slave)
    reader = subprocess.Popen(
        [sys.executable, str(READER), "flood", str(master), str(folder), str(kills), str(seed)],
        pass_fds=[master],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with writer, reader:
        assert writer.stdout is not None and reader.stdout is not None and reader.stderr is not None
        try:
            said = reader.stdout.readline()
            writer.send_signal(signal.SIGTERM)
            problems = reader.stderr.read().decode()
            assert (said, reader.wait(), problems) == (b"killed\n", 0, "")
            total = int(writer.stdout.read())
        finally:
            writer.kill()
            reader.kill()
            os.close(master)
    journal = Journal(str(folder / "journal"), segment=1 << 16, limit=1 << 30)
    lines = journal.read(0, journal.end).split(b"\n")
    assert lines.pop() == b""
    for number, line in enumerate(lines):
        assert line == b"%d" % number, (number, lines[max(0, number - 2) : number + 3])
    assert len(lines) == total
    return Counter((folder / "notes").read_text().split())


def test_killed_under_flood_no_line_is_lost_or_doubled(tmp_path: Path) -> None:
    found = flood(tmp_path, kills=80, seed=1)
    assert found["unsaved"] >= 5, found


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(3))
def test_killed_a_thousand_times_under_flood(tmp_path: Path, seed: int) -> None:
    found = flood(tmp_path, kills=1000, seed=seed)
    assert min(found[state] for state in ("unsaved", "saved", "written")) > 0, found
