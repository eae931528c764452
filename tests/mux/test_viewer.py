"""One client's eye on a session: raw bytes at the pane's size, frames otherwise, and a bound for slow clients.

The session is a fake around a real emulator; the client is an emulator too, fed with what arrives.
"""

from collections.abc import Iterator
from typing import cast

import pytest
from clocked import Loop, strict

from agentmux.mux.audience import Audience
from agentmux.mux.clientterminal import ClientTerminal
from agentmux.mux.outbox import HIGH, Outbox
from agentmux.mux.protocol import Decoder, Kind, encode, unpack
from agentmux.mux.reset import reset_client
from agentmux.mux.screen import Bell, ClipboardWrite, Notification, Screen
from agentmux.mux.session import Session
from agentmux.mux.viewer import ASIDE, FRAME, SYNC_WAIT, ClientViewer

SIZE = (40, 10)


class Pane:
    """What a viewer needs of a session."""

    def __init__(self) -> None:
        self.screen = Screen(SIZE)
        self.size = SIZE
        self.viewers = Audience()
        self.progress = None

    def full_redraw(self, *, history: int = 0, keep_rows: int = 0) -> bytes:
        return reset_client(self.size[0], keep_rows=keep_rows) + self.screen.dump(history=history)

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
    with strict() as made:
        yield made


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
    assert client.terminal.bracketed_paste and client.terminal.keys(["Up"]) == b"\x1bOA"
    pane.prints(b"\x1b[?2004l")  # which shows nothing
    loop.advance(FRAME)
    assert not client.terminal.bracketed_paste
    client.viewer.redraw()
    assert client.terminal.keys(["Up"]) == b"\x1bOA"


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


def test_colours_and_title_that_the_program_set_come_with_the_frames(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop, (20, 5))
    client.viewer.draw()
    pane.prints(b"\x1b]2;busy\x1b\\\x1b]4;1;#102030\x1b\\\x1b]11;#000011\x1b\\x")
    loop.advance(FRAME)
    assert client.terminal.title == "busy"
    assert client.terminal.colours() == pane.screen.colours() != b""
    pane.prints(b"\x1b]104\x1b\\y")
    loop.advance(FRAME)
    assert client.terminal.colours() == pane.screen.colours() != b""
    client.frames.clear()
    pane.prints(b"z")
    loop.advance(FRAME)
    assert b"\x1b]" not in client.got, "once is enough"


def test_a_frame_is_drawn_in_one_go_where_the_terminal_can(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop, (20, 5))
    client.viewer.draw()
    pane.prints(b"x")
    loop.advance(FRAME)
    assert b"\x1b[?2026h" not in client.got
    client.facts.reply(b"\x1b[?2026;2$y")
    client.frames.clear()
    pane.prints(b"y")
    loop.advance(FRAME)
    assert client.got.startswith(b"\x1b[?2026h") and client.got.endswith(b"\x1b[?2026l")
    client.frames.clear()
    client.viewer.changed()
    loop.advance(FRAME)
    assert client.got == b""


def test_an_update_of_the_program_is_shown_when_it_is_whole(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop, (20, 5))
    client.viewer.draw()
    pane.prints(b"\x1b[?2026hhalf")
    loop.advance(FRAME)
    assert client.rows()[0] == ""
    pane.prints(b" and whole")
    loop.advance(FRAME)
    assert client.rows()[0] == ""
    pane.prints(b"\x1b[?2026l")
    assert client.rows()[0] == "half and whole"


def test_an_update_without_an_end_is_shown_after_a_while(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop, (20, 5))
    client.viewer.draw()
    pane.prints(b"\x1b[?2026hhalf")
    loop.advance(FRAME)
    loop.advance(SYNC_WAIT / 2)
    assert client.rows()[0] == ""
    loop.advance(SYNC_WAIT / 2)
    assert client.rows()[0] == "half"
    assert not client.terminal.synchronized


# What the terminal is told besides


@pytest.mark.parametrize("size", [SIZE, (20, 5)])
def test_what_is_for_the_terminal_waits_for_the_end_of_a_sequence(
    pane: Pane, loop: Loop, size: tuple[int, int]
) -> None:
    client = Client(pane, loop, size)
    client.viewer.draw()
    client.frames.clear()
    pane.prints(b"\x1b]2;half a ti")
    client.viewer.told(Notification("", "done"))
    assert (b"\a" in client.got) is (size != SIZE), "frames are whole at any time"
    pane.prints(b"tle\x1b\\text")
    assert client.got.count(b"\a") == 1
    loop.advance(FRAME)
    assert client.rows()[0] == "text" and client.terminal.title == "half a title"


def test_what_is_for_the_terminal_has_a_bound(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop)
    client.viewer.draw()
    pane.prints(b"\x1b]2;half")
    client.frames.clear()
    for _ in range(100):
        client.viewer.tell(b"\x1b]52;c;" + b"A" * 100_000 + b"\x07")
    pane.prints(b"\x1b\\")
    assert 1 << 20 < len(client.got) <= ASIDE + 100


def test_the_clipboard_is_passed_on_only_if_the_user_lets_it(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop)
    client.viewer.draw()
    client.viewer.told(ClipboardWrite(b"hi", False))
    assert b"]52;" not in client.got
    client.viewer._clipboard = lambda: True
    client.facts = client.viewer._terminal = ClientTerminal({"TERM": "xterm-256color"})
    client.viewer.told(ClipboardWrite(b"hi", False))
    assert b"\x1b]52;c;aGk=" in client.got


@pytest.mark.parametrize("size", [SIZE, (20, 5)])
def test_a_terminal_without_the_programs_keyboard_protocol_is_asked_for_its_own(
    pane: Pane, loop: Loop, size: tuple[int, int]
) -> None:
    client = Client(pane, loop, size)
    client.viewer.draw()
    client.frames.clear()
    client.facts.reply(b"\x1b[?62c")  # it did not answer CSI ? u before
    client.viewer.learned()
    assert b"\x1b[>4;" not in client.got
    pane.prints(b"\x1b[>5u")
    loop.advance(FRAME)
    assert b"\x1b[>4;2m" in client.got
    client.frames.clear()
    pane.prints(b"\x1b[<u")
    loop.advance(FRAME)
    assert b"\x1b[>4;0m" in client.got


def test_the_terminal_is_asked_behind_what_the_program_wrote(pane: Pane, loop: Loop) -> None:
    client = Client(pane, loop)
    client.facts.reply(b"\x1b[?62c")
    client.viewer.draw()
    pane.prints(b"\x1b]2;half a ti")
    client.frames.clear()
    pane.prints(b"tle\x1b\\\x1b[>5u")
    assert client.got == b"tle\x1b\\\x1b[>5u\x1b[>4;2m"
    client.frames.clear()
    client.viewer.redraw()
    assert client.got.count(b"\x1b[>4;2m") == 1


def test_a_bell_is_rung_once(pane: Pane, loop: Loop) -> None:
    raw, framed = Client(pane, loop), Client(pane, loop, (20, 5))
    for client in (raw, framed):
        client.viewer.draw()
        client.frames.clear()
    pane.prints(b"\a")
    for client in (raw, framed):
        client.viewer.told(Bell())
        loop.advance(FRAME)
        assert client.got.count(b"\a") == 1


# The status line


@pytest.mark.parametrize("place", ["bottom", "top"])
def test_a_status_line_takes_a_row_and_leaves_the_rest(pane: Pane, loop: Loop, place: str) -> None:
    line = ["[api] running"]
    client = Client(pane, loop, (SIZE[0], SIZE[1] + 1))
    viewer = ClientViewer(
        client,
        cast(Session, pane),
        client.terminal.size,
        loop,
        terminal=client.facts,
        read_only=False,
        leave=lambda why: None,
        status=place,
        line=lambda: line[0],
    )
    pane.viewers.leave(client.viewer)
    pane.viewers.join(viewer)
    assert viewer.size == SIZE and not viewer.raw
    pane.prints(b"".join(b"row %d\r\n" % number for number in range(9)) + b"last")
    viewer.draw()
    rows = client.rows()
    ours = rows.pop(0 if place == "top" else -1)
    assert ours == "[api] running"
    assert rows == pane.screen.text_rows(0, 10)
    assert client.terminal.cursor[:2] == (4, 9 + (place == "top"))
    line[0] = "[api] idle | waiting: other"
    client.frames.clear()
    viewer.changed()
    loop.advance(FRAME)
    assert client.rows()[0 if place == "top" else -1] == line[0]
    assert client.terminal.cursor[:2] == (4, 9 + (place == "top"))
    pane.prints(b"\r\nmore")
    loop.advance(FRAME)
    assert client.rows()[0 if place == "top" else -1] == line[0]
    assert client.terminal.history_rows == 0
    viewer.resized((5, 1))
    assert viewer.size == (5, 1), "a terminal of one row has none to spare"


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
