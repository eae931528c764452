"""What agents tell of themselves: by hooks, in a file, in a log, in a stream of events, on the terminal."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from random import Random

from mutation import damaged, json_damaged, lines_damaged
from target import Run, Target, plainly, reads

from agentmux.cli.output import age, when
from agentmux.mux import evidence, notes, sse
from agentmux.mux.agentlog import Entry, Says
from agentmux.mux.eventstream import decoded
from agentmux.mux.foreign import printable, safe
from agentmux.mux.hooks import TEXT, told
from agentmux.mux.profiles import FOLDER, Profile, Profiles
from agentmux.mux.published import LONGEST_ID
from agentmux.mux.screenevents import Notification
from agentmux.mux.sse import BadChunk, Chunks, Events
from agentmux.mux.streamed import MOST_ASKED, MOST_KNOWN, Followed
from agentmux.mux.streamlog import MOST_OPEN, MOST_TEXT, Heard
from agentmux.mux.verdict import Reading
from agentmux.store.messages import Role, Source
from agentmux.store.stores import Stores
from agentmux.store.usage import Answer, Place, Used

NOW = 1_800_000_000.0


def _profiles() -> Sequence[Profile]:
    found = Profiles("/nowhere").all()
    assert found, FOLDER
    return found


@contextlib.contextmanager
def _stores() -> Iterator[tuple[Stores, int]]:
    with tempfile.TemporaryDirectory(prefix="fz") as folder:
        os.chmod(folder, 0o700)
        stores = Stores(folder)
        session = stores.sessions.add("a", ["a"], "/", created=1.0, size=(80, 24)).id
        try:
            yield stores, session
        finally:
            stores.close()


def _recorded(stores: Stores, session: int, reading: Reading | None) -> None:
    """Write a reading down as the server does, and show it."""
    if reading is None:
        return
    assert len(reading.text) <= TEXT, "what it asks is not cut"
    stores.ledger.add(session, reading.at, reading.says.value, {"reason": evidence.as_values(reading)})
    [entry] = stores.ledger.of(session, 1)
    assert evidence.from_values(entry.evidence["reason"]) is not None, "what is written down can't be read again"
    safe(evidence.sentence(reading)).encode()
    when(reading.at)
    age(int(NOW - reading.at))


@contextlib.contextmanager
def hooked() -> Iterator[Run]:
    """Open the door of hooks: the event's name, a NUL, and what it tells."""
    profiles = _profiles()
    with _stores() as (stores, session):

        def run(data: bytes) -> None:
            event, _, payload = data.partition(b"\0")
            values = told(payload.decode("utf-8", "replace"))
            for profile in profiles:
                for name in (event.decode("utf-8", "replace"), *list(profile.hooks.events)[:3]):
                    _recorded(stores, session, profile.hooks.reading(name, values, NOW))

        yield run


@contextlib.contextmanager
def published() -> Iterator[Run]:
    """Open the door of the file in which an agent publishes what it does."""
    profiles = [profile for profile in _profiles() if profile.published.file]
    with _stores() as (stores, session):

        def run(data: bytes) -> None:
            for profile in profiles:
                said = profile.published.said(data, 4242, "777", NOW)
                if said is None:
                    continue
                assert len(said.conversation) <= LONGEST_ID
                if said.reading is not None:
                    assert said.reading.at <= NOW, "it says what it will do"
                _recorded(stores, session, said.reading)

        yield run


def _remembered(stores: Stores, session: int, entries: Sequence[Entry]) -> None:
    """Write down what a log or a stream has, and show it."""
    answers = []
    for entry in entries:
        if entry.usage is not None:
            used = entry.usage
            answers.append(Answer(used.id, entry.at, Used(used.input, used.cached, used.output, used.cost)))
        if entry.says in (Says.PROMPT, Says.REPLY):
            role = Role.USER if entry.says is Says.PROMPT else Role.AGENT
            stores.messages.add(session, role, entry.at, Source.TRANSCRIPT, {"id": entry.id}, entry.text)
            [message] = stores.messages.of(session, 1)
            when(message.at)
            printable(message.text or "").encode()
    stores.usage.add(session, answers, Place("/log", 1, 0))
    stores.usage.total(session)
    stores.usage.by_day(0.0)
    for table in ("message", "usage"):
        stores.database.execute(f"DELETE FROM {table}")


@contextlib.contextmanager
def logged() -> Iterator[Run]:
    """Open the door of agents' logs: lines, each of any agent's."""
    logs = [profile.log for profile in _profiles() if profile.log.files]
    with _stores() as (stores, session):

        def run(data: bytes) -> None:
            lines = data.split(b"\n")[:50]
            found = [entry for line in lines for log in logs if (entry := log.entry(line)) is not None]
            _remembered(stores, session, [entry for entry in found if entry.at >= 0])

        yield run


@contextlib.contextmanager
def streamed() -> Iterator[Run]:
    """Open the door of the stream of events: an HTTP body, whose second byte says whether in chunks."""
    [table] = [profile.events for profile in _profiles() if profile.events.words]
    assert table.messages is not None
    messages = table.messages
    with _stores() as (stores, session):

        def run(data: bytes) -> None:
            chunks = Chunks() if data[1:2] == b"\1" else None
            events, followed, heard = Events(), Followed(table, ""), Heard(messages)
            entries: list[Entry] = []
            for piece in reads(data[:1] + data[2:]):
                try:
                    body = piece if chunks is None else chunks.feed(piece)
                except BadChunk:
                    break
                for event in events.feed(body):
                    found = decoded(event, table.type, table.values)
                    if found is None:
                        continue
                    if followed.take(*found, NOW):
                        _recorded(stores, session, followed.reading)
                    entries += heard.take(*found, *followed.speaker(found[1]))
                assert len(events._rest) <= sse.LONGEST and len(events._data) <= sse.LONGEST, "events pile up"
                assert len(followed._asked) <= MOST_ASKED and len(followed._known) <= MOST_KNOWN
                assert len(heard._open) <= MOST_OPEN and heard._text <= MOST_TEXT
            assert heard._text == sum(one.size() for one in heard._open.values())
            _remembered(stores, session, entries)

        yield run


def stream_damaged(random: Random, data: bytes) -> bytes:
    """Damage an event of a stream, or how the stream is cut."""
    head, body = data[:2], data[2:]
    if random.random() < 0.2:
        return random.choice((b"\0\0", b"\1\0", b"\7\0", b"\0\1", b"\7\1")) + body

    def damage(random: Random, event: bytes) -> bytes:
        name, colon, value = event.partition(b": ")
        return name + colon + json_damaged(random, value) if colon else damaged(random, event)

    return head + lines_damaged(damage, b"\n\n")(random, body)


def hook_damaged(random: Random, data: bytes) -> bytes:
    """Damage what a hook tells, sometimes its name."""
    event, nul, payload = data.partition(b"\0")
    if random.random() < 0.1:
        return damaged(random, data)
    return event + nul + json_damaged(random, payload)


def said(data: bytes) -> None:
    """Take sequences that the emulator does not understand, one after the other."""
    kitty = notes.KittyNotifications()
    for body in data.split(b"\0")[:40]:
        sequence = b"\x1b]" + body
        if (mark := notes.shell_mark(sequence)) is not None:
            assert mark.mark in "ABCD"
        if body.startswith(b"7501;"):
            report = notes.status(body[5:].decode("utf-8", "replace"))
            for text in () if report is None else (report.app, report.kind, report.message):
                assert len(text) <= notes.MAX_TEXT and notes.clean(text) == text, "it would steer a terminal"
        answer = kitty.take(sequence)
        if isinstance(answer, Notification):
            assert all(notes.clean(text) == text for text in (answer.title, answer.body))
        elif answer is not None:
            assert len(answer) < 120 and answer.startswith(b"\x1b]99;i=")
            assert answer.endswith((b"\x07", b"\x1b\\")) and answer[1:-2].count(b"\x1b") == 0, "an answer types"
        held = sum(len(part) for note in kitty._open.values() for part in note.values())
        assert len(kitty._open) <= notes.MAX_OPEN and held <= notes.MAX_OPEN * 8 * notes.MAX_TEXT, "notes pile up"


TARGETS = (
    Target(
        "hooks",
        "Whatever a hook tells, that is a reading which can be written down and shown, or nothing.",
        hooked,
        hook_damaged,
        tries=300,
    ),
    Target(
        "published",
        "Whatever stands in its file, that is what an agent does now, or nothing.",
        published,
        json_damaged,
        tries=400,
    ),
    Target(
        "logs",
        "Whatever line stands in an agent's log, that is an entry which can be remembered and shown, or nothing.",
        logged,
        lines_damaged(json_damaged),
        share=2,
        tries=300,
    ),
    Target(
        "events",
        "Whatever an agent's stream brings, its events are taken or left, no more is held than is written down.",
        streamed,
        stream_damaged,
        share=2,
        tries=300,
    ),
    Target(
        "notes",
        "Whatever a program says past the emulator is a clean text within its bound, a short answer, or nothing.",
        plainly(said),
        lines_damaged(damaged, b"\0"),
        tries=800,
    ),
)
