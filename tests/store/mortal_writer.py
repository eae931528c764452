"""A server that keeps large texts and is killed; run as a program by test_blobs.py.

mortal_writer.py FOLDER STRIDE    kill before every call that changes the disk (with stride 1) of writing,
                                  sharing and sweeping; each time look at what is on disk
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import Any

from mortal_reader import child, status

from agentmux.store.blobs import Blobs, finished
from agentmux.store.database import Database
from agentmux.store.history import History
from agentmux.store.messages import Messages, Role, Source
from agentmux.store.sessions import Sessions
from agentmux.store.texts import INLINE

EFFECTS = {
    "open", "mkdir", "utime", "write", "pwrite", "ftruncate", "fsync", "replace", "unlink",
    "connect", "execute", "rollback", "close",
}  # fmt: skip
LATER = 1e12
OLD, FIRST, SECOND = (character * (INLINE + 1) for character in "ofs")


@contextmanager
def opened(folder: str) -> Iterator[tuple[Database, Blobs]]:
    with closing(Database(f"{folder}/agentmux.db")) as database:
        yield database, Blobs(database, f"{folder}/blobs")


def say(messages: Messages, text: str) -> None:
    messages.add(1, Role.AGENT, 1.0, Source.HOOK, {}, text)


def prepare(folder: str) -> None:
    """A session that said OLD."""
    with opened(folder) as (database, blobs):
        Sessions(database).add("api", ["sh"], "/", created=1.0, size=(80, 24))
        say(Messages(database, blobs), OLD)


def serve(folder: str) -> None:
    with opened(folder) as (database, blobs):
        messages, history = Messages(database, blobs), History(database, blobs)
        say(messages, FIRST)
        history.add(1, 1.0, "/", None, FIRST)
        database.execute("DELETE FROM message WHERE id = 1")
        blobs.gc(LATER)
        say(messages, OLD)
        say(messages, SECOND)


def names(folder: str) -> list[str]:
    return [name for _, _, names in os.walk(f"{folder}/blobs") for name in names]


def check(folder: str) -> bool:
    """Fail unless all that has a row is whole and all else can be swept; return whether a file had no row."""
    with opened(folder) as (database, blobs):
        assert database.integrity_check() == []
        assert finished(blobs.verifying()) == []
        messages, history = Messages(database, blobs), History(database, blobs)
        texts = [message.text for message in (*messages.after(0, 99), *history.after(0, 99))]
        assert None not in texts and set(texts) <= {OLD, FIRST, SECOND}, len(texts)
        before = names(folder)
        without_row = sum(not name.endswith(".tmp") for name in before) > blobs.total()[0]
        blobs.gc(LATER)
        assert len(names(folder)) == blobs.total()[0] == len(set(texts))
        assert finished(blobs.verifying()) == []
        for text in (OLD, FIRST, SECOND):
            say(messages, text)
        assert [message.text for message in messages.of(1, last=3)] == [OLD, FIRST, SECOND]
        return without_row


def killed_before_effect(number: int, body: Callable[[], None]) -> None:
    """Run ``body`` and die just before its call ``number`` of those that change the disk."""
    left = number

    def profile(_: FrameType, event: str, called: Any) -> None:
        nonlocal left
        if event == "c_call" and called.__name__ in EFFECTS:
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.setprofile(profile)
    body()
    sys.setprofile(None)


def killed_everywhere(
    folder: str, stride: int, prepare: Callable[[str], None], serve: Callable[[str], None], check: Callable[[str], bool]
) -> None:
    """Kill ``serve`` before each change of the disk in a prepared folder of its own, and ``check`` what is there.

    Prints how many changes there were, and after how many ``check`` returned True.
    """
    prepare(f"{folder}/prepared")
    without_rows = 0
    for number in itertools.count(0, stride):
        place = f"{folder}/{number}"
        shutil.copytree(f"{folder}/prepared", place)

        def run(number: int = number, place: str = place) -> None:
            killed_before_effect(number, lambda: serve(place))

        death = status(child(run))
        if death not in (0, -signal.SIGKILL):
            sys.exit(f"call {number}: it failed")
        try:
            without_rows += check(place)
        except AssertionError as error:
            sys.exit(f"call {number}: {error!r}")
        if death == 0:
            os.write(1, b"%d %d\n" % (number, without_rows))
            return


if __name__ == "__main__":
    killed_everywhere(sys.argv[1], int(sys.argv[2]), prepare, serve, check)
