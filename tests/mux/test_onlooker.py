"""One who looks without being attached: every change is seen, none twice, and no more pictures than can be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import cast

import clocked
import pytest

from agentmux.mux.onlooker import PACE, Onlooker, Picture
from agentmux.mux.screen import Screen
from agentmux.mux.session import Session
from agentmux.mux.viewer import FRAME, SYNC_WAIT

SIZE = (40, 6)


class Loop(clocked.Loop):
    """One that counts its timers."""

    def __init__(self) -> None:
        self.timers = 0
        super().__init__()

    def call_at(self, *arguments, **named):  # type: ignore[no-untyped-def]
        self.timers += 1
        return super().call_at(*arguments, **named)


class Pane:
    """What an onlooker needs of a session."""

    def __init__(self, loop: Loop) -> None:
        self.screen = Screen(SIZE)
        self.live = True
        self.onlookers = 0
        self.watchers: list[Callable[[], None]] = []
        self._loop = loop

    def wake(self) -> None:
        for watcher in list(self.watchers):
            watcher()
        self._loop.settle()

    def prints(self, data: bytes) -> None:
        self.screen.feed(data)
        self.wake()

    def ends(self) -> None:
        self.live = False
        for watcher in list(self.watchers):
            watcher()
        self.screen.close()  # in the same turn, as a session does it


class Reader:
    """Somebody who takes pictures. ``taking`` is False while none is taken."""

    def __init__(self, pane: Pane, loop: Loop) -> None:
        self.loop = loop
        self.taking = True
        self.pictures: list[Picture] = []
        self.rows: dict[int, str] = {}
        self.over = False
        self._blocked: asyncio.Future[None] | None = None
        looking = Onlooker(cast(Session, pane), loop, styled=False)
        self.task = loop.create_task(self._read(looking.pictures(self._drained)))
        loop.settle()

    async def _read(self, pictures: AsyncIterator[Picture]) -> None:
        async for picture in pictures:
            self.pictures.append(picture)
            self.rows.update(picture.changed)
            assert [self.rows[y] for y in range(picture.facts.size[1])] == list(picture.rows)
        self.over = True

    async def _drained(self) -> None:
        if not self.taking:
            self._blocked = self.loop.create_future()
            await self._blocked

    def take_again(self) -> None:
        assert self._blocked is not None
        self.taking = True
        self._blocked.set_result(None)
        self.loop.settle()

    @property
    def text(self) -> str:
        return "\n".join(self.pictures[-1].rows).rstrip()


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    for task in asyncio.all_tasks(made):
        task.cancel()
    made.settle()
    made.close()


@pytest.fixture
def pane(loop: Loop) -> Iterator[Pane]:
    made = Pane(loop)
    yield made
    assert made.watchers == [] and made.onlookers == 0
    if made.live:
        made.screen.close()


@pytest.fixture
def reader(pane: Pane, loop: Loop) -> Iterator[Reader]:
    made = Reader(pane, loop)
    yield made
    made.task.cancel()
    loop.settle()


def test_the_first_picture_is_whole_and_the_next_has_what_changed(pane: Pane, loop: Loop, reader: Reader) -> None:
    assert list(reader.pictures[0].changed) == list(range(SIZE[1]))
    loop.advance(PACE)
    pane.prints(b"one\r\ntwo")
    loop.advance(FRAME)
    assert reader.pictures[1].changed == {0: "one", 1: "two"}
    loop.advance(PACE)
    pane.prints(b"\x1b[1;2HNE")
    loop.advance(FRAME)
    assert reader.pictures[2].changed == {0: "oNE"}
    assert reader.pictures[2].facts.cursor == (3, 0, True)


def test_a_row_written_again_as_it_was_is_not_sent_again(pane: Pane, loop: Loop, reader: Reader) -> None:
    loop.advance(PACE)
    pane.prints(b"one")
    loop.advance(PACE)
    pane.prints(b"\rone")
    loop.advance(PACE)
    assert len(reader.pictures) == 2


@pytest.mark.parametrize(
    ("data", "what"),
    [(b"\x1b[?25l", "cursor"), (b"\x1b[3;3H", "cursor"), (b"\x1b]2;name\x07", "title"), (b"\x1b[?1049h", "alternate")],
)
def test_what_is_no_row_is_a_change_too(pane: Pane, loop: Loop, reader: Reader, data: bytes, what: str) -> None:
    loop.advance(PACE)
    pane.prints(data)
    loop.advance(FRAME)
    before, after = reader.pictures
    assert after.changed == {}
    assert getattr(before.facts, what) != getattr(after.facts, what)


def test_another_size_sends_all_rows(pane: Pane, loop: Loop, reader: Reader) -> None:
    loop.advance(PACE)
    pane.screen.resize((30, 8))
    pane.wake()
    loop.advance(FRAME)
    assert list(reader.pictures[1].changed) == list(range(8))
    assert reader.pictures[1].facts.size == (30, 8)


def test_there_are_so_many_pictures_a_second_and_no_more(pane: Pane, loop: Loop, reader: Reader) -> None:
    loop.advance(1.0)
    before, step = len(reader.pictures), 1 / 1000
    for number in range(1000):
        pane.prints(b"%d\r\n" % number)
        loop.advance(step)
    assert 12 <= len(reader.pictures) - before <= 15
    loop.advance(PACE)
    assert "999" in reader.text


def test_what_comes_at_once_is_one_picture(pane: Pane, loop: Loop, reader: Reader) -> None:
    loop.advance(1.0)
    for word in (b"one ", b"two ", b"three"):
        pane.prints(word)
        loop.advance(FRAME / 4)
    loop.advance(FRAME)
    assert [picture.rows[0] for picture in reader.pictures] == ["", "one two three"]


def test_no_timer_runs_when_nothing_changes(pane: Pane, loop: Loop, reader: Reader) -> None:
    pane.prints(b"one")
    loop.advance(1.0)
    loop.advance(1.0)
    before = loop.timers
    for _ in range(100):
        loop.advance(1.0)
    assert loop.timers == before


def test_a_slow_reader_gets_the_newest_only(pane: Pane, loop: Loop, reader: Reader) -> None:
    loop.advance(1.0)
    reader.taking = False
    for number in range(1000):
        pane.prints(b"%d\r\n" % number)
        loop.advance(PACE)
    assert len(reader.pictures) == 2
    reader.take_again()
    loop.advance(PACE)
    assert len(reader.pictures) == 3
    assert "999" in reader.text


def test_an_update_is_waited_out(pane: Pane, loop: Loop, reader: Reader) -> None:
    loop.advance(1.0)
    pane.prints(b"\x1b[?2026hhalf")
    loop.advance(PACE)
    loop.advance(SYNC_WAIT / 2)
    assert len(reader.pictures) == 1
    pane.prints(b" whole\x1b[?2026l")
    loop.settle()
    assert [picture.rows[0] for picture in reader.pictures] == ["", "half whole"]


def test_an_update_that_never_ends_is_shown(pane: Pane, loop: Loop, reader: Reader) -> None:
    loop.advance(1.0)
    pane.prints(b"\x1b[?2026hhalf")
    loop.advance(PACE)
    loop.advance(SYNC_WAIT)
    assert reader.text == "half"


@pytest.mark.parametrize("wait", [0.0, FRAME / 2, PACE, 1.0])
@pytest.mark.parametrize("opening", [b"", b"\x1b[?2026h"])
def test_the_last_words_are_seen(pane: Pane, loop: Loop, reader: Reader, wait: float, opening: bytes) -> None:
    loop.advance(1.0)
    pane.prints(opening + b"last words")
    loop.advance(wait)
    pane.ends()
    loop.settle()
    assert reader.over
    assert reader.text == "last words"


def test_the_last_words_are_seen_by_who_is_slow(pane: Pane, loop: Loop, reader: Reader) -> None:
    loop.advance(1.0)
    reader.taking = False
    pane.prints(b"first")
    loop.advance(PACE)
    pane.prints(b" and last")
    pane.ends()
    loop.advance(1.0)
    assert reader.text == "first"
    reader.take_again()
    assert reader.over
    assert reader.text == "first and last"


def test_an_ended_session_is_shown_once(pane: Pane, loop: Loop) -> None:
    pane.prints(b"over")
    pane.live = False
    reader = Reader(pane, loop)
    assert reader.over
    assert [picture.rows[0] for picture in reader.pictures] == ["over"]
    pane.screen.close()


def test_a_screen_that_is_built_anew_is_compared_with_what_was_shown(pane: Pane, loop: Loop, reader: Reader) -> None:
    """The emulator of a session may be let go of and made from its journal again."""
    loop.advance(PACE)
    pane.prints(b"one\r\ntwo")
    loop.advance(PACE)
    pane.screen.close()
    pane.screen = Screen(SIZE)
    pane.prints(b"one\r\nthree")
    loop.advance(PACE)
    assert reader.pictures[2].changed == {1: "three"}
