"""A reader that is killed again and again; run as a program by test_inbox.py.

It forks a child that does what the server does with one pane: read through the
inbox, append to the journal, "feed the emulator". The child is killed and the
next one takes over from what is on disk. The parent, like the keeper, keeps the
descriptor open and reads nothing.

    mortal_reader.py flood FD FOLDER KILLS SEED   kill at random moments, at least so often and
                                                  until it has cost unsaved bytes 5 times; then
                                                  drain FD until its end
    mortal_reader.py steps FOLDER STRIDE          kill before every bytecode (with stride 1) of two
                                                  batches and of what leads to them
"""

from __future__ import annotations

import errno
import os
import random
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

from agentmux.store.inbox import Inbox, Phase, unsaved
from agentmux.store.journal import Journal

PANE = 7
OURS = ("/inbox.py", "/journal.py", "/mortal_reader.py")


def note(folder: str, line: str) -> None:
    fd = os.open(f"{folder}/notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(fd, f"{line}\n".encode())
    os.close(fd)


def notes(folder: str) -> list[str]:
    try:
        with open(f"{folder}/notes") as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def take_over(inbox: Inbox, journal: Journal, folder: str) -> None:
    """Bring inbox and journal together, as a server does first of all."""
    recovered = inbox.recover()
    if recovered is None:
        return
    assert recovered.pane == PANE
    missing = unsaved(recovered, journal.end)
    if recovered.phase is Phase.READING:
        note(folder, "unsaved" if missing else "saved")
        journal.append(missing)
        inbox.written()
    else:
        note(folder, "written")
        assert not missing
    assert journal.end == recovered.offset + len(recovered.data)
    assert journal.read(recovered.offset, len(recovered.data)) == recovered.data
    inbox.done()


def one_batch(inbox: Inbox, journal: Journal, fd: int, limit: int, reads: int) -> bool:
    """Pass one batch on; return False at the end of the file."""
    inbox.begin(PANE, journal.end)
    alive = True
    try:
        for _ in range(reads):
            if inbox.filled == inbox.capacity:
                break
            if not inbox.read(fd, limit):
                alive = False
                break
    except BlockingIOError:
        pass
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        alive = False
    if inbox.filled:
        journal.append(inbox.data())
        inbox.written()
        bytes(inbox.data())  # here the emulator would be fed
    inbox.done()
    return alive


def serve(fd: int, folder: str) -> None:
    journal = Journal(f"{folder}/journal", segment=1 << 16, limit=1 << 30)
    inbox = Inbox(f"{folder}/inbox", 1 << 14)
    take_over(inbox, journal, folder)
    alive = True
    while alive:
        select.select([fd], [], [])
        alive = one_batch(inbox, journal, fd, limit=random.randrange(1, 5000), reads=random.randrange(1, 6))


def child(body: Callable[[], None]) -> int:
    """Run ``body`` in a forked child and return the child's pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        body()
    except BaseException:  # noqa: BLE001 - a forked child must not return into its parent's code
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def status(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def flood(fd: int, folder: str, kills: int, seed: int) -> None:
    moments = random.Random(seed)
    os.set_blocking(fd, False)
    done = 0
    while done < kills or notes(folder).count("unsaved") < 5:
        done += 1
        random.seed(moments.random())
        pid = child(lambda: serve(fd, folder))
        time.sleep(moments.random() ** 2 * 0.03)
        os.kill(pid, signal.SIGKILL)
        if status(pid) != -signal.SIGKILL:
            sys.exit("a reader ended by itself")
    os.write(1, b"killed\n")
    sys.exit(status(child(lambda: serve(fd, folder))))


def killed_before_bytecode(number: int, body: Callable[[], None]) -> None:
    """Run ``body`` and die just before its bytecode ``number``, counted over our own functions."""
    left = number

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.endswith(OURS):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
        return trace

    sys.settrace(trace)
    body()
    sys.settrace(None)


# Reads of 5 bytes, so none ends in 0xFF: that is the one thing that may be lost.
TEXT = b"ab\xff\xffc\xffdefghijklmnopq"


def steps(folder: str, stride: int) -> None:
    """For every bytecode: die there, then die somewhere in the recovery, then check what the journal has."""
    somewhere = random.Random(1)
    number = longest = 0
    while True:
        place = f"{folder}/{number}"
        os.mkdir(place)
        source, sink = os.pipe()
        os.set_blocking(source, False)
        os.write(sink, TEXT)

        def run(place: str = place, source: int = source) -> None:
            journal = Journal(f"{place}/journal", segment=8, limit=100)
            inbox = Inbox(f"{place}/inbox", 16)
            take_over(inbox, journal, place)
            for _ in range(2):
                one_batch(inbox, journal, source, limit=5, reads=2)

        def first(run: Callable[[], None] = run, number: int = number) -> None:
            killed_before_bytecode(number, run)

        def again(run: Callable[[], None] = run, number: int = somewhere.randrange(longest + 1)) -> None:
            killed_before_bytecode(number, run)

        death = status(child(first))
        if death not in (0, -signal.SIGKILL):
            sys.exit(f"bytecode {number}: the first run failed")
        for body in (again, run):
            if status(child(body)) not in (0, -signal.SIGKILL):
                sys.exit(f"bytecode {number}: a later run failed")
        journal = Journal(f"{place}/journal", segment=8, limit=100)
        if journal.read(0, 99) != TEXT:
            sys.exit(f"bytecode {number}: the journal has {journal.read(0, 99)!r}")
        os.close(source)
        os.close(sink)
        if death == 0:
            os.write(1, b"%d\n" % number)
            return
        number += stride
        longest = max(longest, number)


if __name__ == "__main__":
    if sys.argv[1] == "flood":
        flood(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    else:
        steps(sys.argv[2], int(sys.argv[3]))
