"""What is on disk: journals with their marks and snapshots, the inbox, the database, after damage of any sort."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from zlib import crc32

from mutation import damaged
from target import Run, Target

from agentmux.cli.output import when
from agentmux.mux import replay
from agentmux.mux.export import Format, Header, export
from agentmux.store import records as marks_format
from agentmux.store.errors import StoreError
from agentmux.store.inbox import Inbox, unsaved
from agentmux.store.journal import Journal
from agentmux.store.ledger import Entry
from agentmux.store.marks import Marks, records
from agentmux.store.messages import Message, Role, Source
from agentmux.store.queue import Queued
from agentmux.store.records import HEADER, Kind, mark
from agentmux.store.search import Document, Where
from agentmux.store.sessions import SessionRow
from agentmux.store.stores import Stores
from agentmux.store.usage import Answer, Place, Used

NAMES = (
    *("00000000000000000000.raw", "00000000000000000000.marks", "00000000000000000064.raw"),
    *("00000000000000000064.marks", "00000000000000000070.snap", "00000000000000000100.raw", "x.tmp"),
)


def _files(data: bytes) -> list[tuple[int, bytes]]:
    """Return the files that an input stands for: the number of a name, a length in two bytes, and so many bytes."""
    found, at = [], 0
    while at + 3 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 3], "little")
        found.append((data[at] % len(NAMES), data[at + 3 : at + 3 + size]))
        at += 3 + size
    return found


def _packed(files: list[tuple[int, bytes]]) -> bytes:
    return b"".join(bytes([name]) + len(content).to_bytes(2, "little") + content for name, content in files)


def files_damaged(random: Random, data: bytes) -> bytes:
    """Damage one file of a folder: its bytes, its name; of a mark a field, with sums that are right."""
    files = _files(data)
    if not files or random.random() < 0.05:
        return damaged(random, data)
    at = random.randrange(len(files))
    name, content = files[at]
    match random.randrange(6):
        case 0:
            del files[at]
        case 1:
            files[at] = random.randrange(len(NAMES)), content
        case 2 | 3 if "marks" in NAMES[name]:
            files[at] = name, _mark_damaged(random, content)
        case _:
            files[at] = name, damaged(random, content)[: 1 << 15]
    return _packed(files)


def _mark_damaged(random: Random, content: bytes) -> bytes:
    starts, at = [], 0
    while at + HEADER <= len(content):
        starts.append(at)
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        at += HEADER + (length if content[at] != Kind.OUTPUT else 0)
    if not starts:
        return damaged(random, content)
    at = random.choice(starts)
    head = bytearray(content[at : at + HEADER - 4])
    kind, payload = head[0], content[at + HEADER :]
    if kind != Kind.OUTPUT:
        payload = payload[: int.from_bytes(head[4:8], "little")]
    rest = content[at + HEADER + (len(payload) if kind != Kind.OUTPUT else 0) :]
    match random.randrange(4):
        case 0:
            head[0] = random.choice((*Kind, 77))
        case 1:
            head[8:16] = random.choice((b"\0" * 8, b"\xff" * 8, b"\xff" * 7 + b"\x7f", random.randbytes(8)))
        case 2:
            head[16:24] = random.choice((b"\xff" * 8, bytes([random.randrange(120)]) + b"\0" * 7, random.randbytes(8)))
        case _ if kind != Kind.OUTPUT:
            payload = random.choice((b"", b"\0", b"\0" * 4, b"\xff" * 4, b"\xff" * 9, damaged(random, payload)[:200]))
            head[4:8] = len(payload).to_bytes(4, "little")
            head[24:28] = crc32(payload).to_bytes(4, "little")
        case _:
            head[4:8] = random.choice((b"\0" * 4, b"\xff" * 4, b"\5\0\0\0"))
    body = payload if kind != Kind.OUTPUT else b""
    return content[:at] + bytes(head) + crc32(head).to_bytes(4, "little") + body + rest


def sample_folder() -> bytes:
    """Return a folder of a journal as it is after some output: what the corpus begins with."""
    output = [b"hello\r\n" * 9 + b"x", b"world\r\n" * 5 + b"y"]
    told = [
        [mark(Kind.STATE, 1.7e9, 0, b"started 1"), mark(Kind.RESIZE, 1.7e9, 0, marks_format.encode_size((80, 24)))],
        [mark(Kind.OUTPUT, 1.7e9 + 1, 0, output[0]), mark(Kind.PROMPT, 1.7e9 + 2, 64, b"do it")],
        [mark(Kind.ATTACH, 1.7e9 + 3, 64, b"1"), mark(Kind.OUTPUT, 1.7e9 + 3, 64, output[1])],
        [
            mark(Kind.RESIZE, 1.7e9 + 4, 100, marks_format.encode_size((20, 6))),
            mark(Kind.STATE, 1.8e9, 100, b"exited 0"),
        ],
    ]
    files = [
        (0, output[0]),
        (1, b"".join(one.encoded() for part in told[:2] for one in part)),
        (2, output[1]),
        (3, b"".join(one.encoded() for part in told[2:] for one in part)),
        (4, b"AMUXSNP1 not one"),
    ]
    return _packed(files)


@contextlib.contextmanager
def journals() -> Iterator[Run]:
    """Open a place for journals: the input is a folder's files."""
    with tempfile.TemporaryDirectory(prefix="fz") as folder:

        def run(data: bytes) -> None:
            place = Path(folder, "j")
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(0o700)
            for name, content in _files(data)[:12]:
                (place / NAMES[name]).write_bytes(content)
            _journal(str(place))

        yield run


def _journal(path: str) -> None:
    with contextlib.suppress(StoreError):
        journal, marks = Journal(path, segment=64, limit=256), Marks(path)
        try:
            found = list(records(journal, marks))
            at, last = journal.start, float("-inf")
            for record in found:
                assert record.offset == at or record.kind is not Kind.OUTPUT, "output is doubled or lost"
                assert record.at >= last, "time goes backwards"
                at, last = at + len(record.data) * (record.kind is Kind.OUTPUT), record.at
                if record.kind is Kind.RESIZE:
                    columns, rows = record.size
                    assert 0 <= columns < 1 << 16 and 0 <= rows < 1 << 16
                when(record.at)
            assert at == journal.end, "output is missing"
            for event in replay.events((20, 6), found):
                assert event[0] >= 0 or found
            header = Header("x", ["x"], (20, 6), 1.7e9, {})
            for form in Format:
                for piece in export(form, header, found):
                    assert isinstance(piece, bytes)
            journal.load_snapshot()
            end = journal.append(b"z" * 200)
            marks.add(journal, Kind.OUTPUT, 1.9e9, end - 200, b"z" * 200)
            assert journal.read(end - 200, 200) == b"z" * 200
            told = [record for record in records(journal, marks, end - 200) if record.kind is Kind.OUTPUT]
            assert b"".join(record.data for record in told) == b"z" * 200
        finally:
            journal.release()
            marks.release()


CAPACITY = 256


@contextlib.contextmanager
def inboxes() -> Iterator[Run]:
    """Open a place for inboxes: the input is the file's beginning."""
    with tempfile.TemporaryDirectory(prefix="fz") as folder:
        path = os.path.join(folder, "inbox")

        def run(data: bytes) -> None:
            with open(path, "wb") as file:
                file.write(data[:320].ljust(320, b"\xff") if len(data) != 320 else data)
            inbox = Inbox(path, CAPACITY)
            try:
                found = inbox.recover()
                if found is not None:
                    assert 0 < len(found.data) <= CAPACITY and found.attempts >= 0
                    assert found.data.endswith(unsaved(found, found.offset + 3))
                    if found.phase == 1:
                        inbox.written()
                    inbox.done()
                inbox.begin(1, 0)
                inbox.put(b"x" * CAPACITY)
                inbox.written()
                inbox.done()
            finally:
                inbox.close()

        yield run


def sample_inbox() -> bytes:
    """Return an inbox with a batch that was not done."""
    with tempfile.TemporaryDirectory(prefix="fz") as folder:
        path = os.path.join(folder, "inbox")
        inbox = Inbox(path, CAPACITY)
        inbox.begin(3, 1000)
        inbox.put(b"some output\r\n")
        inbox.written()
        inbox.close()
        return Path(path).read_bytes()


def _filled(folder: str) -> None:
    """Make the stores of a server that has had some sessions."""
    stores = Stores(folder)
    for number in range(1, 4):
        row = stores.sessions.add(
            f"s{number}", ["claude", "x"], "/tmp", created=1.7e9, size=(80, 24), labels={"a": "b"}, agent="claude"
        )
        stores.sessions.set_running(row.id, 1.7e9)
        stores.sessions.add_poison(row.id, 3, 9)
        stores.messages.add(row.id, Role.USER, 1.7e9, Source.SEND, {"offset": 1}, "a prompt" * 40)
        stores.messages.add(row.id, Role.AGENT, 1.7e9, Source.SCREEN, {"end": 2}, "a reply " * 6000)
        stores.history.add(row.id, 1.7e9, "/tmp", "claude", "a prompt")
        stores.ledger.add(row.id, 1.7e9, "working", {"reason": {"source": "screen", "says": "working", "at": 1.0}})
        stores.usage.add(row.id, [Answer("m", 1.7e9, Used(1, 2, 3, 0.5))], Place("/log", 1, 2))
        stores.queue.add(row.id, 1.7e9, "do it", at_once=False)
        stores.search.add(Document(row.id, Where.REPLIES, 1.7e9, 1, "a reply that is found"))
    stores.sessions.set_exited(2, 0, 1.8e9)
    stores.close()


HURRY = 20.0
"""How much faster the clock goes that bounds how long a damaged database is read: there are many."""


@contextlib.contextmanager
def databases() -> Iterator[Run]:
    """Open a place for databases: the input is edits of a good one, offset and length in three and one bytes each."""
    with tempfile.TemporaryDirectory(prefix="fz") as base:
        good = os.path.join(base, "good")
        os.mkdir(good, 0o700)
        _filled(good)
        whole = Path(good, "store.db").read_bytes()

        def run(data: bytes) -> None:
            spoilt = bytearray(whole)
            at = 0
            while at + 4 <= len(data):
                start = int.from_bytes(data[at : at + 3], "little") % len(spoilt)
                size = data[at + 3] & 31
                new = data[at + 4 : at + 4 + size]
                spoilt[start : start + len(new)] = new
                at += 4 + size
            place = os.path.join(base, "spoilt")
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(good, place)
            Path(place, "store.db").write_bytes(spoilt)
            with contextlib.suppress(StoreError):
                stores = Stores(place, clock=lambda: HURRY * time.monotonic())
                try:
                    _asked(stores)
                finally:
                    stores.close()

        yield run


def _asked(stores: Stores) -> None:
    """Read everything that there is; each reader may find damage, and the others go on."""
    for number in range(1, 4):
        for call in (
            lambda: [_checked(row) for row in stores.sessions.all()],
            lambda: [_checked(row) for row in stores.messages.of(number)],  # noqa: B023 - called at once
            lambda: [_checked(row) for row in stores.ledger.of(number, 100)],  # noqa: B023
            lambda: [_checked(row) for row in stores.queue.of(number, 100)],  # noqa: B023
            lambda: stores.history.search("prompt"),
            lambda: stores.search.search("reply"),
            lambda: stores.usage.total(number),  # noqa: B023
            lambda: stores.usage.by_day(0.0),
            lambda: stores.usage.place(number),  # noqa: B023
            lambda: stores.sessions.poison(number),  # noqa: B023
            lambda: stores.archive(number).segments(),  # noqa: B023
            lambda: stores.sessions.set_labels(number, {"c": "d"}),  # noqa: B023
            lambda: stores.database.integrity_check(),
            lambda: stores.blobs.gc(1.0),
        ):
            with contextlib.suppress(StoreError):
                call()


def _checked(row: SessionRow | Message | Entry | Queued) -> None:
    assert isinstance(row.id, int), "an id is none"


def edits_damaged(random: Random, data: bytes) -> bytes:
    """Add an edit, in the header, at the beginning of a page, or anywhere; or damage one."""
    if random.random() < 0.2:
        return damaged(random, data)
    page = random.randrange(64) * 4096
    start = random.choice((random.randrange(100), page + random.randrange(12), page + random.randrange(4096)))
    new = random.choice((b"\0", b"\xff", b"{", b"[", random.randbytes(1), random.randbytes(8), b"\xff" * 16))
    return (start.to_bytes(3, "little") + bytes([len(new)]) + new + data)[:400]


TARGETS = (
    Target(
        "journal",
        "Whatever stands in a journal's folder, each byte of output comes once, in order and in time, or a StoreError.",
        journals,
        files_damaged,
        share=3,
        tries=120,
        patience=6.0,
    ),
    Target(
        "inbox",
        "Whatever stands in the inbox, it is a batch within its capacity or none, and it can be used on.",
        inboxes,
        damaged,
        tries=600,
    ),
    Target(
        "database",
        "Whatever is damaged in the database, a reader gets rows of the right kind or a StoreError.",
        databases,
        edits_damaged,
        share=3,
        tries=40,
        patience=10.0,
    ),
)
