"""Marks: every byte of output once, with its time, whatever was cut, damaged or never written."""

from __future__ import annotations

import errno
import os
import sys
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.store import marks as marks_file
from agentmux.store.errors import JournalError
from agentmux.store.journal import Journal
from agentmux.store.marks import MERGED, PIECE, Marks, records
from agentmux.store.records import HEADER, LONGEST, Kind, Record, Scan, encode_size, mark


class Tape(NamedTuple):
    """A journal with its marks."""

    journal: Journal
    marks: Marks

    def output(self, at: float, data: bytes) -> None:
        offset = self.journal.end
        self.journal.append(data)
        self.marks.add(self.journal, Kind.OUTPUT, at, offset, data)

    def note(self, kind: Kind, at: float, data: bytes) -> None:
        self.marks.add(self.journal, kind, at, self.journal.end, data)

    def records(self, start: int | None = None) -> list[Record]:
        return list(records(self.journal, self.marks, start))

    def close(self) -> None:
        self.journal.release()
        self.marks.release()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "7"


def tape(folder: Path, segment: int = 1 << 20, limit: int = 1 << 30) -> Tape:
    return Tape(Journal(str(folder), segment=segment, limit=limit), Marks(str(folder)))


def output_of(found: list[Record]) -> bytes:
    return b"".join(record.data for record in found if record.kind is Kind.OUTPUT)


def test_what_happened_comes_back_in_order_with_its_times(folder: Path) -> None:
    one = tape(folder)
    one.note(Kind.STATE, 1.0, b"started 1")
    one.note(Kind.RESIZE, 1.0, encode_size((80, 24)))
    one.output(2.0, b"hello ")
    one.output(3.5, b"world")
    one.note(Kind.PROMPT, 4.25, "grüß".encode())
    one.output(5.0, b"!")
    one.close()
    again = tape(folder)
    assert again.records() == [
        Record(Kind.STATE, 1.0, 0, b"started 1"),
        Record(Kind.RESIZE, 1.0, 0, encode_size((80, 24))),
        Record(Kind.OUTPUT, 2.0, 0, b"hello "),
        Record(Kind.OUTPUT, 3.5, 6, b"world"),
        Record(Kind.PROMPT, 4.25, 11, "grüß".encode()),
        Record(Kind.OUTPUT, 5.0, 11, b"!"),
    ]
    assert again.records()[1].size == (80, 24)
    assert [record.data for record in again.records(8)] == [b"rld", "grüß".encode(), b"!"]


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just(Kind.OUTPUT), st.binary(min_size=1, max_size=40)),
        st.tuples(st.sampled_from([Kind.STATE, Kind.PROMPT, Kind.ATTACH]), st.binary(max_size=10)),
    ),
    max_size=30,
)


@given(_STEPS, st.integers(1, 60), st.lists(st.floats(0, 0.2), min_size=30, max_size=30), st.data())
def test_whatever_is_written_is_read_over_segments_and_restarts(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[Kind, bytes]],
    segment: int,
    pauses: list[float],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("marks") / "7"
    one, now = tape(folder, segment), 100.0
    expected: list[tuple[Kind, int, bytes]] = []
    for (kind, payload), pause in zip(steps, pauses, strict=False):
        now += pause
        expected.append((kind, one.journal.end, payload))
        one.output(now, payload) if kind is Kind.OUTPUT else one.note(kind, now, payload)
        if data.draw(st.booleans()):
            one.close()
            one = tape(folder, segment)
        if data.draw(st.booleans()):
            start = data.draw(st.integers(one.journal.start, one.journal.end))
            assert one.records(start) == list(records(one.journal, Marks(str(folder)), start))
    found = one.records()
    one.close()
    assert output_of(found) == b"".join(payload for kind, _, payload in expected if kind is Kind.OUTPUT)
    notes = [(record.kind, record.offset, record.data) for record in found if record.kind is not Kind.OUTPUT]
    assert notes == [step for step in expected if step[0] is not Kind.OUTPUT]
    times = [record.at for record in found]
    assert times == sorted(times)


def test_output_that_comes_letter_by_letter_is_merged_for_a_moment(folder: Path) -> None:
    one = tape(folder)
    for number in range(96):
        one.output(10 + number / 64, b"x")
    assert 3 / 64 < MERGED < 4 / 64
    assert [(record.at, record.data) for record in one.records()] == [(10 + n / 16, b"xxxx") for n in range(24)]
    one.output(20, b"y" * PIECE)
    one.output(20, b"z")
    assert [len(record.data) for record in one.records()][-2:] == [PIECE, 1]
    sums = [
        found.sum == mark(Kind.OUTPUT, 0, 0, one.journal.read(found.offset, found.length)).sum
        for found in one.marks.read(0)
    ]
    assert all(sums)


def test_the_longer_a_file_the_more_is_merged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = tape(folder)
    for number in range(4096):
        one.note(Kind.PROMPT, 1.0, b"p" * 992)
        assert one.marks._size == (number + 1) * (HEADER + 992)
    for number in range(100):
        one.output(10 + number * 0.01, b"x")
    assert len([record for record in one.records() if record.kind is Kind.OUTPUT]) == 2  # 0.8 s each


def test_a_file_cut_anywhere_loses_one_mark_and_no_output(folder: Path, tmp_path: Path) -> None:
    one = tape(folder)
    one.output(1.0, b"first ")
    one.note(Kind.PROMPT, 2.0, b"do it")
    one.close()
    path = folder / f"{0:020d}.marks"
    good = path.read_bytes()
    for cut in range(HEADER, len(good)):
        path.write_bytes(good[:cut])
        assert tape(folder).records() == [Record(Kind.OUTPUT, 1.0, 0, b"first ")]
        again = tape(folder)
        again.note(Kind.STATE, 3.0, b"lost")
        again.close()
        assert again.marks.damaged == cut - HEADER
        assert [record.data for record in tape(folder).records()] == [b"first ", b"lost"]


def test_a_changed_byte_anywhere_ends_what_is_believed(folder: Path) -> None:
    one = tape(folder)
    one.output(1.0, b"first ")
    one.note(Kind.PROMPT, 2.0, b"do it")
    one.close()
    path = folder / f"{0:020d}.marks"
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        found = tape(folder).records()
        assert output_of(found) == b"first "
        assert len(found) == 1


def test_output_without_a_mark_has_the_time_of_what_was_before(folder: Path) -> None:
    one = tape(folder)
    one.output(1.0, b"a")
    one.journal.append(b"bc")  # killed before its mark was written
    one.output(9.0, b"d")
    one.journal.append(b"e")
    assert [(record.at, record.data) for record in one.records()] == [
        (1.0, b"a"),
        (1.0, b"bc"),
        (9.0, b"d"),
        (9.0, b"e"),
    ]


def test_a_clock_that_was_set_back_does_not_turn_time(folder: Path) -> None:
    one = tape(folder)
    one.output(9.0, b"a")
    one.output(1.0, b"b")
    assert [record.at for record in one.records()] == [9.0, 9.0]


def test_marks_of_deleted_output_go_with_it(folder: Path) -> None:
    one = tape(folder, segment=10, limit=20)
    for number in range(10):
        one.output(float(number), b"0123456789")
    assert one.journal.start > 0
    kept = [int(path.name[:20]) for path in sorted(folder.glob("*.marks"))]
    assert kept[1] > one.journal.start >= kept[0]
    assert output_of(one.records()) == one.journal.read(one.journal.start, 99)


def test_a_long_piece_is_read_in_bounded_ones(folder: Path) -> None:
    one = tape(folder, segment=100_000)
    one.output(1.0, bytes(300_000))
    assert [len(record.data) for record in one.records()] == [PIECE] * 4 + [300_000 - 4 * PIECE]


def bytes_read() -> int:
    with open("/proc/self/io") as file:
        return int(file.readline().removeprefix("rchar: "))


def test_small_pieces_are_read_in_large_ones(folder: Path) -> None:
    one = tape(folder)
    for number in range(500):
        one.output(number, b"%03d" % number)
    opened: list[str] = []
    watching = [True]

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open" and str(arguments[0]).endswith(".raw"):
            opened.append(str(arguments[0]))

    sys.addaudithook(heard)  # for as long as the process lives
    found = one.records()
    watching.clear()
    assert [(record.at, record.data) for record in found] == [(number, b"%03d" % number) for number in range(500)]
    assert len(opened) == 1
    one.close()


def test_who_reads_on_reads_no_marks_again(folder: Path) -> None:
    one = tape(folder)
    for number in range(2000):
        one.output(number, b"x")
    size = os.path.getsize(folder / f"{0:020}.marks")
    at = one.journal.end - 1
    first = one.records(at)
    before = bytes_read()
    assert first == one.records(at) == one.records(at)
    assert bytes_read() - before < size / 10
    assert [record.data for record in first] == [b"x"]
    one.output(5000.0, b"y")
    one.output(5000.01, b"z")  # grows the mark
    assert [(record.at, record.data) for record in one.records(at)][-2:] == [(1999.0, b"x"), (5000.0, b"yz")]
    assert len(one.records(0)) == 2001
    one.close()


def test_marks_that_were_cut_off_are_not_looked_for_where_they_were(folder: Path) -> None:
    one = tape(folder)
    one.output(1.0, b"a" * 100)
    one.note(Kind.STATE, 2.0, b"working")
    one.output(3.0, b"b" * 100)
    assert one.records(150)[0].at == 3.0
    one.close()
    os.truncate(folder / f"{0:020}.raw", 50)
    other = Journal(str(folder))
    offset = other.end
    other.append(b"c" * 200)
    one.marks.add(other, Kind.OUTPUT, 4.0, offset, b"c" * 200)  # cuts off what tells of more than 50 bytes
    two = Tape(other, one.marks)
    assert [(record.at, record.data[:1]) for record in two.records(160)] == [(4.0, b"c")]
    two.close()


def test_a_kind_of_a_newer_version_is_skipped() -> None:
    known, newer = mark(Kind.STATE, 1.0, 0, b"x"), bytearray(mark(Kind.STATE, 1.0, 0, b"new").encoded())
    newer[0] = 200
    newer[28:32] = crc32(newer[:28]).to_bytes(4, "little")
    scan = Scan(known.encoded() + bytes(newer) + known.encoded())
    assert list(scan) == [known, known]
    assert scan.sound == len(scan.data)
    assert not list(Scan(mark(Kind.PROMPT, 1.0, 0, bytes(LONGEST + 1)).encoded()))


def test_marks_of_a_newer_version_stay_where_they_are(folder: Path) -> None:
    one = tape(folder)
    one.output(1.0, b"a")
    one.close()
    newer = bytearray(mark(Kind.STATE, 1.0, 1, b"new").encoded())
    newer[0] = 200
    newer[28:32] = crc32(newer[:28]).to_bytes(4, "little")
    path = folder / f"{0:020d}.marks"
    with open(path, "ab") as file:
        file.write(newer)
    before = path.read_bytes()
    one = tape(folder)
    one.note(Kind.STATE, 3.0, b"lost")
    one.close()
    assert path.read_bytes().startswith(before)
    assert (one.marks.missing, one.marks.damaged) == (0, 0)


def test_nothing_is_open_that_was_released_and_files_are_private(folder: Path) -> None:
    one = tape(folder)
    before = set(os.listdir("/proc/self/fd"))
    one.output(1.0, b"a")
    one.close()
    assert set(os.listdir("/proc/self/fd")) == before
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_no_room_is_an_error_and_the_next_mark_is_sound(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = tape(folder)
    one.output(1.0, b"a")

    def full(fd: int, data: bytes, position: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(marks_file.os, "pwrite", full)
        with pytest.raises(JournalError, match="no space"):
            one.note(Kind.STATE, 2.0, b"lost")
    one.note(Kind.STATE, 3.0, b"found")
    assert [record.data for record in one.records()] == [b"a", b"found"]


def test_times_are_kept_to_the_microsecond(folder: Path) -> None:
    one = tape(folder)
    times = [1_800_000_000.123456, 1_800_000_001.000001, 1_800_000_001.999999]
    for time in times:
        one.output(time, b"x")
    assert [at for at, _ in groupby(record.at for record in one.records())] == times
