"""The stores together: wherever a power cut ends a file, they open, and all but the last record is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agentmux.store.archive import pack
from agentmux.store.blobs import finished
from agentmux.store.marks import records
from agentmux.store.messages import Role, Source
from agentmux.store.records import HEADER, Kind, Record
from agentmux.store.stores import Stores
from agentmux.store.texts import INLINE

SEGMENT = f"{0:020d}"


def record(stores: Stores, kind: Kind, at: float, data: bytes) -> None:
    """Record what session 1 printed, or what happened to it."""
    journal, marks = stores.recording(1)
    offset = journal.end
    if kind is Kind.OUTPUT:
        journal.append(data)
    marks.add(journal, kind, at, offset, data)
    journal.release()
    marks.release()


def recorded(stores: Stores) -> list[Record]:
    return list(records(*stores.recording(1)))


def told(stores: Stores) -> tuple[int, int]:
    """Go on recording; return how many bytes of output and of marks were found to be missing."""
    journal, marks = stores.recording(1)
    marks.add(journal, Kind.STATE, 9.0, journal.end, b"lost")
    marks.release()
    return marks.missing, marks.damaged


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a killed server leaves: a session, and two pieces of output a while apart."""
    with closing(Stores(str(tmp_path / "server"))) as stores:
        stores.sessions.add("api", ["sh"], "/", created=1.0, size=(80, 24))
        record(stores, Kind.OUTPUT, 1.0, b"what was before\n")
        record(stores, Kind.PROMPT, 2.0, b"go on")
        record(stores, Kind.OUTPUT, 3.0, b"the last record\n")
    return tmp_path / "server"


BEFORE = [Record(Kind.OUTPUT, 1.0, 0, b"what was before\n"), Record(Kind.PROMPT, 2.0, 16, b"go on")]
LOST = Record(Kind.STATE, 9.0, 16, b"lost")


@pytest.mark.parametrize("left", range(16))
def test_output_cut_anywhere_is_there_up_to_the_cut(folder: Path, left: int) -> None:
    os.truncate(folder / "sessions" / "1" / f"{SEGMENT}.raw", 16 + left)
    rest = [Record(Kind.OUTPUT, 3.0, 16, b"the last record\n"[:left])] if left else []
    with closing(Stores(str(folder))) as stores:
        assert recorded(stores) == BEFORE + rest
        assert told(stores) == (16 - left, 0)
        assert told(stores) == (0, 0)
        record(stores, Kind.OUTPUT, 10.0, b"and so on")
        found = recorded(stores)
        assert [one for one in found if one.kind is not Kind.OUTPUT] == [
            BEFORE[1],
            *[Record(Kind.STATE, 9.0, 16 + left, b"lost")] * 2,
        ]
        output = b"".join(one.data for one in found if one.kind is Kind.OUTPUT)
        assert output == b"what was before\nthe last record\n"[: 16 + left] + b"and so on"


@pytest.mark.parametrize("left", range(HEADER))
def test_marks_cut_anywhere_cost_the_last_time_and_no_output(folder: Path, left: int) -> None:
    path = folder / "sessions" / "1" / f"{SEGMENT}.marks"
    os.truncate(path, path.stat().st_size - HEADER + left)
    with closing(Stores(str(folder))) as stores:
        assert recorded(stores) == [*BEFORE, Record(Kind.OUTPUT, 2.0, 16, b"the last record\n")]
        assert told(stores) == (0, left)
        assert recorded(stores)[-1] == Record(Kind.STATE, 9.0, 32, b"lost")


def say(stores: Stores, text: str) -> None:
    stores.messages.add(1, Role.AGENT, 1.0, Source.HOOK, {}, text)


def put_away(stores: Stores) -> None:
    """Put the output away; the files stay: they go when a power cut can't take the row any more."""
    journal, _ = stores.recording(1)
    journal.close_segment()
    for start in journal.closed():
        stores.archive(1).add(pack(stores.blobs, stores.session_folder(1), start), 1.0)


LAST: dict[str, Callable[[Stores], object]] = {
    "message": lambda stores: say(stores, "the last"),
    "message in a blob": lambda stores: say(stores, "x" * (INLINE + 1)),
    "session": lambda stores: stores.sessions.add("web", ["sh"], "/", created=1.0, size=(80, 24)),
    "segment": put_away,
}


def state(stores: Stores) -> list[object]:
    return [
        [session.name for session in stores.sessions.all()],
        [(message.text or "")[:20] for message in stores.messages.after(0, 99)],
        stores.archive(1).segments(),
        recorded(stores),
    ]


@pytest.mark.parametrize("stride", [1499, pytest.param(1, marks=pytest.mark.prove)])
@pytest.mark.parametrize("last", LAST.values(), ids=LAST.keys())
def test_the_databases_log_cut_anywhere_loses_the_last_change(
    folder: Path, tmp_path: Path, last: Callable[[Stores], object], stride: int
) -> None:
    copy, wal = tmp_path / "copy", tmp_path / "copy" / "store.db-wal"
    with closing(Stores(str(folder))) as stores:
        say(stores, "first")
        before, start = state(stores), (folder / "store.db-wal").stat().st_size
        last(stores)
        shutil.copytree(folder, copy)
        after, end = state(stores), wal.stat().st_size
    assert before != after and end > start > 0
    kept = {name: (copy / name).read_bytes() for name in ("store.db", "store.db-wal")}
    files = copy / "sessions" / "1"
    output = {path: path.read_bytes() for path in files.iterdir()}
    for cut in [*range(start, end, stride), end - 1, end]:
        for name, content in kept.items():
            (copy / name).write_bytes(content)
        for path, content in output.items():
            path.write_bytes(content)
        os.truncate(wal, cut)
        (copy / "store.db-shm").unlink(missing_ok=True)
        with closing(Stores(str(copy))) as stores:
            assert state(stores) == (after if cut == end else before), cut
            if cut % 50 and cut < end - 1:  # the rest takes longer
                continue
            assert stores.database.integrity_check() == []
            assert finished(stores.blobs.verifying()) == []
            if cut < end:
                last(stores)
                assert state(stores) == after


def test_what_a_power_cut_left_of_a_session_is_not_another_ones(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with closing(Stores(str(folder))) as stores:
        first = stores.sessions.add("first", ["sh"], "/", created=1.0, size=(80, 24)).id
        journal, marks = stores.recording(first)
        journal.append(b"of the first")
        journal.release()
        marks.release()
        stores.database.execute("DELETE FROM session")
        stores.database.execute("DELETE FROM sqlite_sequence WHERE name = 'session'")
    for expected in (first + 1, first + 2):
        with closing(Stores(str(folder))) as stores:
            other = stores.sessions.add(f"other-{expected}", ["sh"], "/", created=2.0, size=(80, 24)).id
            assert other == expected
            assert stores.recording(other)[0].end == 0
