"""One client's eye on a session: raw bytes at the pane's size, frames otherwise, and a bound for slow clients.

The session is a fake around a real emulator; the client is an emulator too, fed with what arrives.
"""

import asyncio
from collections.abc import Iterator
from typing import cast

import pytest

from agentmux.mux.audience import Audience
from agentmux.mux.clientterminal import ClientTerminal
from agentmux.mux.outbox import HIGH, Outbox
from agentmux.mux.protocol import Decoder, Kind, encode, unpack
from agentmux.mux.screen import Screen
from agentmux.mux.session import Session
from agentmux.mux.viewer import FRAME, ClientViewer

SIZE = (40, 10)


class Loop(asyncio.SelectorEventLoop):
    """A loop whose clock only a test moves."""

    def __init__(self) -> None:
        self.clock = 1000.0
        super().__init__()

    def time(self) -> float:
        return self.clock

    def advance(self, seconds: float) -> None:
        self.clock += seconds
        for _ in range(3):
            self.call_soon(self.stop)
            self.run_forever()


class Pane:
    """What a viewer needs of a session."""

    def __init__(self) -> None:
        self.screen = Screen(SIZE)
        self.size = SIZE
        self.viewers = Audience()
        self.progress = None

    def full_redraw(self, *, history: int = 0, keep_rows: int = 0) -> bytes:
        return Screen.reset_client(self.size[0], keep_rows=keep_rows) + self.screen.dump(history=history)

    @property
    def between_sequences(self) -> bool:
        return self.screen.at_ground

    def prints(self, data: bytes) -> None:
        self.screen.feed(data)
        for viewer in self.viewers:
            viewer.output(data)

    def resize(self, size: tuple[int, int]) -> None:
        self.size = size
        self.screen.resize(size)
        for viewer in self.viewers:
            viewer.redraw()


class Client:
    """A connection and the terminal behind it. ``taking`` is False while it does not read."""

    def __init__(self, pane: Pane, loop: Loop, size: tuple[int, int] = SIZE) -> None:
        self.outbox = Outbox()
        self.terminal = Screen(size)
        self.taking = True
        self.frames: list[tuple[int, bytes]] = []
        self._decoder = Decoder()
        self.facts = ClientTerminal({})
        self.viewer = ClientViewer(
            self, cast(Session, pane), size, loop, terminal=self.facts, read_only=False, leave=lambda why: None
        )
        pane.viewers.join(self.viewer)

    def flush(self) -> None:
        while self.taking and self.outbox.size:
            data = b"".join(self.outbox.buffers())
            self.outbox.sent(len(data))
            for kind, body in self._decoder.feed(data):
                self.frames.append((kind, body))
                if kind == Kind.OUTPUT:
                    self.terminal.feed(body)
        if self.taking:
            self.viewer.settle()

    def send(self, kind: int, body: bytes = b"") -> None:
        self.outbox.put(encode(kind, body))
        self.flush()

    def take_again(self) -> None:
        self.taking = True
        self.flush()

    def rows(self) -> list[str]:
        return self.terminal.text_rows(0, self.terminal.size[1])

    @property
    def got(self) -> bytes:
        return b"".join(body for kind, body in self.frames if kind == Kind.OUTPUT)


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    raised: list[object] = []
    made.set_exception_handler(lambda _, context: raised.append(context.get("exception") or context))
    yield made
    made.close()
    assert not raised, raised


@pytest.fixture
def pane() -> Iterator[Pane]:
    made = Pane()
    yield made
    made.screen.close()


# At the pane's size


def test_raw_output_passes_at_once_and_unchanged(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop)
    pane.prints(b"\x1b]9;hello\x07\x1b[31mred")
    assert client.frames == [(Kind.OUTPUT, b"\x1b]9;hello\x07\x1b[31mred")]


def test_output_that_was_all_queries_is_no_frame(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop)
    client.viewer.output(b"")
    assert client.frames == []


def test_drawing_shows_what_is_there_with_history_above(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop)
    client.terminal.feed(b"the user's own")
    pane.screen.feed(b"".join(b"line %d\r\n" % number for number in range(30)))
    client.viewer.draw(history=100, first=True)
    assert client.rows() == pane.screen.text_rows(0, 10)
    above = client.terminal.text_rows(-100, 0)
    assert above[0] == "the user's own"
    assert above[-21:] == [f"line {number}" for number in range(21)]


# Another size


@pytest.mark.parametrize("size", [(40, 5), (20, 10), (60, 20), (39, 10)])
def test_another_size_gets_frames(pane: Pane, loop: Loop, size: tuple[int, int]) -> None:
    client = Client(pane, loop, size)
    client.viewer.draw()
    pane.prints(b"\x1b[2J\x1b[3;3Hhello\x1b[4;1Hthere")
    loop.advance(FRAME)
    assert client.rows()[2:4] == ["  hello", "there"]
    assert client.terminal.cursor[:2] == (5, 3)


def test_frames_are_rate_limited(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop, (20, 5))
    client.viewer.draw()
    before = len(client.frames)
    for number in range(100):
        pane.prints(b"\r%d" % number)
    assert len(client.frames) == before
    loop.advance(FRAME)
    assert len(client.frames) == before + 1
    assert client.rows()[0] == "99"


def test_a_frame_without_change_is_not_sent(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop, (20, 5))
    client.viewer.draw()
    before = len(client.frames)
    client.viewer.changed()
    loop.advance(FRAME)
    assert len(client.frames) == before


def test_its_keys_and_pastes_come_as_the_program_expects_them(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop, (20, 5))
    client.viewer.draw()
    pane.prints(b"\x1b[?2004h\x1b[?1hx")
    loop.advance(FRAME)
    assert client.terminal.bracketed_paste and client.terminal.application_cursor
    pane.prints(b"\x1b[?2004l")  # which shows nothing
    loop.advance(FRAME)
    assert not client.terminal.bracketed_paste
    client.viewer.redraw()
    assert client.terminal.application_cursor


def test_the_frames_of_a_client_that_is_behind_wait_and_then_are_one(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop, (20, 5))
    client.viewer.draw()
    client.taking = False
    for number in range(1000):
        pane.prints(b"\x1b[H%d\x1b[K\r\nfiller" % number)
        loop.advance(FRAME)
    assert client.outbox.size < 10_000
    pane.prints(b"\x1b[4;1Hthe last one")  # its frame is due when the client reads again
    client.take_again()
    loop.advance(FRAME)
    assert client.rows() == [row[:20].rstrip() for row in pane.screen.text_rows(0, 5)]


def test_a_viewer_changes_its_way_with_the_size(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop)
    client.viewer.draw()
    pane.prints(b"wide")
    pane.resize((30, 8))
    assert client.rows()[0] == "wide"
    pane.prints(b" and framed")
    assert client.rows()[0] == "wide"
    loop.advance(FRAME)
    assert client.rows()[0] == "wide and framed"
    pane.resize(SIZE)
    pane.prints(b", raw again")
    assert client.rows()[0] == "wide and framed, raw again"


# A slow client


def test_a_stopped_client_costs_bounded_memory_and_sees_the_newest_screen_afterwards(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop)
    client.viewer.draw()
    client.taking = False
    for number in range(40):
        pane.prints(b"%d " % number * 20_000 + b"\r\n")
    assert client.outbox.size <= HIGH
    assert client.outbox.owes_redraw
    pane.prints(b"\x1b[2J\x1b[Hlast")
    client.take_again()
    assert client.outbox.owes_redraw, "not at once: a client that is just slow would get nothing but redraws"
    loop.advance(FRAME)
    assert client.rows() == pane.screen.text_rows(0, 10)
    pane.prints(b" words")
    assert client.rows()[0] == "last words"


@pytest.mark.parametrize("size", [SIZE, (20, 5)])
def test_any_number_of_redraws_of_a_stopped_client_are_one(pane: Pane, loop: Loop, size: tuple[int, int]) -> None:
    """Another client's resizes, or its own: each redraw takes the place of the one before."""
    client = Client(pane, loop, size)
    pane.screen.feed(b"\x1b[31mx\x1b[32my" * 200)
    client.viewer.draw()
    client.taking = False
    for _ in range(200):
        client.viewer.redraw()
    one = len(pane.full_redraw()) + 1000
    assert client.outbox.size <= one
    client.take_again()
    assert client.rows() == [row[: size[0]].rstrip() for row in pane.screen.text_rows(0, size[1])]


def test_a_first_drawing_is_never_dropped(pane: Pane, loop: Loop) -> None:
    """The scrollback that it brings comes only once."""
    client = Client(pane, loop)
    client.taking = False
    client.send(Kind.ATTACHED, b"x" * HIGH)
    pane.screen.feed(b"".join(b"line %d\r\n" % number for number in range(30)))
    client.viewer.draw(history=100, first=True)
    pane.prints(b"x" * HIGH)
    client.take_again()
    loop.advance(FRAME)
    assert client.terminal.text_rows(-21, -20) == ["line 0"]


# Paused


def test_a_paused_viewer_gets_nothing_and_then_everything(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop)
    client.viewer.draw()
    client.viewer.pause()
    client.frames.clear()
    pane.prints(b"hidden")
    client.viewer.redraw()
    client.viewer.changed()
    loop.advance(FRAME)
    assert client.frames == []
    client.viewer.resume()
    assert client.rows()[0] == "hidden"


def test_pausing_forgets_what_is_queued(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop)
    client.taking = False
    pane.prints(b"x" * 1000)
    client.viewer.pause()
    assert client.outbox.size == 0


@pytest.mark.parametrize("size", [SIZE, (20, 5)])
def test_a_redraw_that_is_owed_waits_for_the_end_of_the_pause(pane: Pane, loop: Loop, size: tuple[int, int]) -> None:
    client = Client(pane, loop, size)
    client.viewer.draw()
    client.outbox.owes_redraw = True
    client.viewer.pause()
    client.frames.clear()
    client.flush()
    loop.advance(FRAME)
    assert client.frames == []
    client.viewer.resume()
    assert client.frames
    assert not client.outbox.owes_redraw


def test_a_pause_between_a_change_and_its_frame_holds(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop, (20, 5))
    client.viewer.draw()
    client.frames.clear()
    pane.prints(b"x")
    client.viewer.pause()
    loop.advance(FRAME)
    assert client.frames == []


# The end


def test_the_end_is_told_with_row_and_line(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop)
    client.viewer.ended("[exited 0]", 7)
    ((kind, body),) = client.frames
    assert (kind, unpack(body)) == (Kind.EXIT, [b"0", b"[exited 0]", b"7"])


def test_after_the_end_nothing_is_drawn(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop, (20, 5))
    client.viewer.draw()
    pane.prints(b"x")
    client.viewer.stop()
    client.frames.clear()
    loop.advance(FRAME)
    client.viewer.changed()
    client.viewer.redraw()
    client.outbox.owes_redraw = True
    client.viewer.settle()
    loop.advance(FRAME)
    assert client.frames == []
