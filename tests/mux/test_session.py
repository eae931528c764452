"""A session on a real terminal, with a real journal, inbox and store. The test is the program: it holds the slave.

The loop's clock stands still until a test advances it, so no timer fires by itself.
"""

import asyncio
import fcntl
import os
import pty
import shutil
import struct
import termios
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from clocked import Loop, strict
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentmux.mux.config import DEFAULT, Config
from agentmux.mux.inputqueue import HIGH as INPUT_HIGH
from agentmux.mux.inputqueue import LIMIT as INPUT_LIMIT
from agentmux.mux.lifecycle import State
from agentmux.mux.profiles import Profile
from agentmux.mux.recorder import RETRY
from agentmux.mux.screen import (
    DEFAULT_COLOURS,
    Bell,
    ClipboardWrite,
    Colours,
    Notification,
    Progress,
    ProgressState,
    ScreenEvent,
)
from agentmux.mux.session import DRAIN_WAIT, REPLY_LIMIT, RESIZE_WAIT, Session
from agentmux.mux.sessionerrors import InputFull, NotRunning
from agentmux.mux.verdict import Reading, Source, Status, Verdict
from agentmux.store.database import Database
from agentmux.store.errors import JournalFull
from agentmux.store.inbox import CAPACITY, Inbox, Phase
from agentmux.store.journal import SEGMENT, Chunk, Journal
from agentmux.store.marks import Marks, records
from agentmux.store.records import Kind, encode_size
from agentmux.store.sessions import Sessions

SIZE = (80, 24)


class Counting(Inbox):
    """An inbox that knows how much each read brought."""

    __slots__ = ("sizes",)

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.sizes: list[int] = []

    def read(self, fd: int, limit: int = CAPACITY) -> int:
        self.sizes.append(super().read(fd, limit))
        return self.sizes[-1]


class Host:
    """What owns sessions: keeps what it is told, in order."""

    def __init__(self, folder: Path, loop: Loop) -> None:
        self.folder = folder
        self.loop: asyncio.AbstractEventLoop = loop
        self.clock = loop
        self.database = Database(str(folder / "data" / "store.db"))
        self.rows = Sessions(self.database)
        self.inbox = Counting(str(folder / "inbox"))
        self.happened: list[tuple[str, dict[str, str | int | None]]] = []
        self.warnings: list[str] = []
        self.agent: Profile | None = None
        self.verdicts: list[Verdict] = []
        self.on_publish: Callable[[str], None] = lambda kind: None
        self.most = 1 << 16
        self.colours = DEFAULT_COLOURS
        self.values = dict(DEFAULT.values)

    def now(self) -> float:
        return 5000.0 + self.loop.time()

    def config(self) -> Config:
        return Config(self.values, DEFAULT.keys)

    def share(self, session: int) -> int:
        return self.most

    def publish(self, kind: str, session: Session, **facts: str | int | None) -> None:
        self.happened.append((kind, facts))
        self.on_publish(kind)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def finished(self, session: Session) -> None:
        self.happened.append(("finished", {}))

    def closed(self, session: Session) -> None:
        self.happened.append(("closed", {}))

    def rests(self, session: Session) -> None:
        self.happened.append(("rests", {}))

    def profile(self, session: Session, argv: Sequence[str] | None) -> Profile | None:
        return self.agent

    def looked(self, session: Session) -> None:
        pass

    def typed(self, session: Session) -> None:
        pass

    def judged(self, session: Session, before: Status, verdict: Verdict, readings: Mapping[Source, Reading]) -> None:
        self.verdicts.append(verdict)

    def kinds(self, *but: str) -> list[str]:
        return [kind for kind, _ in self.happened if kind not in but]

    def add(self, name: str = "api", journal: Journal | None = None) -> Session:
        row = self.rows.add(name, ["prog"], "/", created=self.now(), size=SIZE)
        journal = journal or self.journal(row.id)
        return Session(row, journal, Marks(journal.path), self)

    def journal(self, number: int) -> Journal:
        return Journal(str(self.folder / f"journal-{number}"))

    def another(self, session: Session) -> Session:
        """Return the session as the next server would have it: from record and journal."""
        journal = self.journal(session.id)
        return Session(self.rows.get(session.id), journal, Marks(journal.path), self)


class Program:
    """A program behind a pseudo-terminal: its end is the test's."""

    def __init__(self, session: Session, loop: Loop, *, found: bool = False) -> None:
        self.session = session
        self.loop = loop
        master, self.slave = pty.openpty()
        tty.setraw(self.slave)
        session.begin(master, 4242)
        if found:
            session.found(1.0)
        else:
            session.started(1.0)

    def prints(self, data: bytes) -> None:
        """Write, and have the session read all of it."""
        end = self.session.journal.end + len(data)
        os.set_blocking(self.slave, False)
        while data:
            try:
                data = data[os.write(self.slave, data) :]
            except BlockingIOError:
                self.loop.settle()
        self.loop.until(lambda: self.session.journal.end >= end, "output in the journal")

    def reads(self, count: int) -> bytes:
        """Return exactly that much of its input."""
        data = bytearray()
        os.set_blocking(self.slave, False)

        def read() -> bool:
            try:
                data.extend(os.read(self.slave, count - len(data)))
            except BlockingIOError:
                pass
            return len(data) == count

        self.loop.until(read, f"{count} bytes of input")
        return bytes(data)

    def read(self) -> bytes:
        """Return what it has been told by now: all that comes before the answer to a question asked last."""
        self.loop.settle()
        self.prints(b"\x1b[5n")
        data, answer = bytearray(), b"\x1b[0n"
        while not data.endswith(answer):  # a terminal hands over in pieces, and later
            data += self.reads(1)
        return bytes(data.removesuffix(answer))

    def size(self) -> tuple[int, int]:
        rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(self.slave, termios.TIOCGWINSZ, bytes(8)))
        return columns, rows

    def closes(self) -> None:
        if self.slave >= 0:
            os.close(self.slave)
            self.slave = -1


class Viewer:
    """Somebody who watches, and what he was told."""

    def __init__(self, size: tuple[int, int] = SIZE, *, read_only: bool = False) -> None:
        self.size = size
        self.read_only = read_only
        self.focused = True
        self.heard: list[ScreenEvent] = []
        self.leave: Callable[[str], None] = self.left
        self.seen = b""
        self.redraws = 0
        self.end: tuple[str, int] | None = None
        self.on_output: Callable[[], None] = lambda: None

    def output(self, data: bytes) -> None:
        self.seen += data
        self.on_output()

    def told(self, event: ScreenEvent) -> None:
        self.heard.append(event)

    def changed(self) -> None:
        pass

    def redraw(self) -> None:
        self.redraws += 1

    def ended(self, line: str, row: int) -> None:
        self.end = line, row

    def left(self, why: str) -> None:
        raise AssertionError(why)


@pytest.fixture
def loop() -> Iterator[Loop]:
    with strict() as made:
        yield made


@pytest.fixture
def host(tmp_path: Path, loop: Loop) -> Iterator[Host]:
    made = Host(tmp_path, loop)
    yield made
    made.inbox.close()
    made.database.close()


@pytest.fixture
def session(host: Host) -> Iterator[Session]:
    made = host.add()
    yield made
    made.close()


@pytest.fixture
def program(session: Session, loop: Loop) -> Iterator[Program]:
    made = Program(session, loop)
    yield made
    made.closes()


def first_row(session: Session) -> str:
    return session.screen.text_rows(0, 1)[0]


# Output


def test_output_goes_to_journal_then_screen_then_viewers(session: Session, program: Program, host: Host) -> None:
    """A crash anywhere after the journal then loses nothing."""
    journal, seen = session.journal, []

    def on_publish(kind: str) -> None:
        if kind == "title":  # the emulator is in the middle of the batch
            seen.append(("screen", journal.read(0, 99), viewer.seen))

    host.on_publish = on_publish
    viewer = Viewer()
    viewer.on_output = lambda: seen.append(("viewer", journal.read(0, 99), first_row(session).encode()))
    session.attach(viewer)
    program.prints(b"\x1b]2;t\x07hello")
    assert seen == [("screen", b"\x1b]2;t\x07hello", b""), ("viewer", b"\x1b]2;t\x07hello", b"hello")]
    assert viewer.seen == b"\x1b]2;t\x07hello"


def test_while_the_screen_is_fed_the_inbox_says_that_the_journal_has_it(
    session: Session, program: Program, host: Host, tmp_path: Path
) -> None:
    """What the next server would find if this one died here."""
    found: list[object] = []

    def on_publish(kind: str) -> None:
        if kind == "bell":
            copy = tmp_path / "copy"
            shutil.copyfile(host.inbox.path, copy)
            inbox = Inbox(str(copy))
            recovered = inbox.recover()
            assert recovered is not None
            found.extend([recovered.phase, recovered.pane, recovered.offset, recovered.data])
            inbox.close()

    program.prints(b"before")
    host.on_publish = on_publish
    program.prints(b"\x07ring")
    assert found == [Phase.WRITTEN, session.id, 6, b"\x07ring"]
    after = Inbox(host.inbox.path)
    assert after.recover() is None, "the batch is done"
    after.close()


def test_a_turn_is_bounded(session: Session, program: Program, host: Host) -> None:
    host.most = 1000
    sizes: list[int] = []
    viewer = Viewer()
    viewer.on_output = lambda: sizes.append(len(viewer.seen) - sum(sizes))
    session.attach(viewer)
    program.prints(b"x" * 5000)
    assert viewer.seen == b"x" * 5000
    assert max(sizes) <= 1000


def test_what_is_left_of_a_share_is_not_read_for(session: Session, program: Program, host: Host) -> None:
    host.inbox.sizes.clear()
    host.most = 4096
    program.prints(b"a" * 8190)  # the kernel hands out 4095
    assert [size for size in host.inbox.sizes if size < 1024] == []


def test_queries_are_answered_once_and_not_shown_to_viewers(session: Session, program: Program) -> None:
    viewers = [Viewer(), Viewer()]
    for viewer in viewers:
        session.attach(viewer)
    program.prints(b"a\x1b[6nb")
    assert [viewer.seen for viewer in viewers] == [b"ab", b"ab"]
    assert program.reads(6) == b"\x1b[1;2R"


def test_nobody_needs_to_watch_for_an_answer(program: Program) -> None:
    program.prints(b"\x1b[5n")
    assert program.reads(4) == b"\x1b[0n"


def test_answers_to_a_program_that_does_not_read_have_a_bound(session: Session, program: Program) -> None:
    session.type_in(b"x" * (REPLY_LIMIT * 4))  # the terminal is full, and this waits
    host_queue = session._input.size
    program.prints(b"\x1b[5n" * 50_000)
    assert host_queue >= REPLY_LIMIT, "the kernel took less than was typed"
    assert session._input.size <= host_queue


def test_a_viewer_that_goes_while_it_is_shown_something_takes_nothing_from_the_others(
    session: Session, program: Program
) -> None:
    """The next in the list missed a batch."""
    first, second, third = Viewer(), Viewer(), Viewer()
    for viewer in (third, second, first):
        session.attach(viewer)
    first.on_output = lambda: session.detach(first)
    program.prints(b"one")
    assert (second.seen, third.seen) == (b"one", b"one")
    program.prints(b"two")
    assert (first.seen, second.seen, third.seen) == (b"one", b"onetwo", b"onetwo")


def test_an_accident_in_one_batch_does_not_stop_every_session(
    session: Session, program: Program, host: Host, loop: Loop
) -> None:
    """The inbox is shared: left in the middle of a batch, nothing could be read any more."""
    raised: list[object] = []
    loop.set_exception_handler(lambda _, context: raised.append(context["exception"]))
    viewer = Viewer()

    def accident() -> None:
        viewer.on_output = lambda: None
        raise RuntimeError("a bug of ours")

    viewer.on_output = accident
    session.attach(viewer)
    program.prints(b"one")
    other = host.add("other")
    second = Program(other, loop)
    second.prints(b"two")
    program.prints(b"three")
    assert other.journal.read(0, 99) == b"two"
    assert session.journal.read(0, 99) == b"onethree"
    assert [str(error) for error in raised] == ["a bug of ours"]
    second.closes()
    other.close()


def test_a_disk_that_refuses_is_warned_of_once_and_stops_nothing(session: Session, host: Host, loop: Loop) -> None:
    viewer = Viewer()
    program = Program(session, loop)
    assert first_row(session) == ""
    shutil.rmtree(session.journal.path)
    session.attach(viewer)
    for text in (b"one ", b"two "):
        os.write(program.slave, text)
        loop.until(lambda text=text: viewer.seen.endswith(text), "output")  # type: ignore[misc]
    assert first_row(session) == "one two"
    (warning,) = host.warnings
    assert warning.startswith("session 'api': not recorded: ")
    assert warning.endswith(session.not_recorded)
    [told] = viewer.heard
    assert isinstance(told, Notification) and session.not_recorded in told.body
    assert ("notification", {"title": told.title, "body": told.body}) in host.happened
    os.mkdir(session.journal.path)
    os.write(program.slave, b"and ")
    loop.until(lambda: viewer.seen.endswith(b"and "), "output")
    assert session.not_recorded, "it is not tried all the time"
    loop.advance(RETRY)
    program.prints(b"three")
    assert host.warnings[1:] == ["session 'api': recorded again"]
    assert not session.not_recorded
    other = host.another(session)
    assert first_row(other) == "one two and three", "from a snapshot behind the gap"
    other.close()
    program.closes()


def test_a_full_disk_that_takes_a_short_line_is_no_room(host: Host, loop: Loop) -> None:
    class NearlyFull(Journal):
        room = True

        def append(self, data: Chunk) -> int:
            if not self.room and len(data) > 3:
                raise JournalFull(self.path, "no space left on device")
            return super().append(data)

        def has_room(self, size: int) -> bool:
            return self.room and super().has_room(size)

    journal = NearlyFull(str(host.folder / "journal-1"))
    session = host.add(journal=journal)
    program = Program(session, loop)
    journal.room = False
    shown = ""
    for text in ("much", "few", "much", "few"):
        shown += text
        os.write(program.slave, text.encode())
        loop.until(lambda: first_row(session) == shown, "output")  # noqa: B023 - called at once
        loop.advance(RETRY)
    assert session.journal.end == 0
    assert len(host.warnings) == 1
    journal.room = True
    program.prints(b"much")
    assert host.warnings[1:] == ["session 'api': recorded again"]
    assert os.listdir(journal.path).count("room.tmp") == 0
    program.closes()


# The end


def test_the_last_words_come_before_the_end(session: Session, program: Program, host: Host, loop: Loop) -> None:
    viewer = Viewer()
    session.attach(viewer)
    os.write(program.slave, b"last words")
    program.closes()
    session.exited(3)
    assert session.state is State.DRAINING and session.state.shown == "running"
    assert viewer.end is None
    loop.until(lambda: not session.live, "end")
    assert viewer.seen == b"last words"
    assert session.journal.read(0, 99) == b"last words"
    assert viewer.end == ("[exited 3]", 1)
    assert host.kinds("output-activity") == ["started", "finished", "exited"]
    row = host.rows.get(session.id)
    assert (row.state, row.exit_status, row.ended) == ("exited", 3, host.now())
    assert session.master is None


def test_a_closed_terminal_alone_is_not_the_end(session: Session, program: Program, host: Host, loop: Loop) -> None:
    """A daemon may close its terminal and run on; the keeper says when it ends."""
    os.write(program.slave, b"bye")
    program.closes()
    loop.until(lambda: session._at_end, "end of file")
    loop.advance(DRAIN_WAIT * 5)
    assert session.state is State.RUNNING
    assert "exited" not in host.kinds()
    session.exited(0)
    assert session.state is State.EXITED, "nothing is left to drain"


def test_a_terminal_that_somebody_else_holds_delays_the_end_only_so_long(
    session: Session, program: Program, loop: Loop
) -> None:
    session.exited(0)
    loop.advance(DRAIN_WAIT * 0.9)
    assert session.state is State.DRAINING
    program.prints(b"from a child")
    loop.advance(DRAIN_WAIT * 0.2)
    assert session.state is State.EXITED
    assert session.journal.read(0, 99) == b"from a child"


@pytest.mark.parametrize(
    ("status", "line"), [(0, "[exited 0]"), (None, "[exited]"), (-15, "[exited on signal 15]"), (127, "[exited 127]")]
)
def test_how_it_ended_is_said(session: Session, program: Program, loop: Loop, status: int | None, line: str) -> None:
    viewer = Viewer()
    session.attach(viewer)
    program.prints(b"a\r\nb\r\nc")
    program.closes()
    session.exited(status)
    loop.until(lambda: viewer.end, "end")
    assert viewer.end == (line, 3)
    assert not session.viewers


def test_the_cursor_does_not_jump_after_a_full_screen_program(session: Session, program: Program) -> None:
    program.prints(b"a\r\n\x1b[?1049hfull")
    assert session.last_row() == 0
    program.prints(b"\x1b[?1049l")
    assert session.last_row() == 2


def test_a_program_that_did_not_start_leaves_a_record(session: Session, host: Host) -> None:
    session.start_failed(127)
    assert session.state is State.EXITED
    assert host.rows.get(session.id).exit_status == 127
    assert host.happened == [("start-failed", {"exit_status": 127})]


def test_lost_is_recorded(session: Session, program: Program, host: Host) -> None:
    session.close()
    other = host.another(session)
    other.vanished()
    assert host.rows.get(session.id).state == "lost"
    assert not other.live


def test_restarted_output_follows_behind_a_clean_screen(
    session: Session, program: Program, host: Host, loop: Loop
) -> None:
    program.prints(b"\x1b[31mold\x1b[?2004h")
    program.closes()
    session.exited(1)
    loop.until(lambda: not session.live, "end")
    session.restarting(host.rows.restarting(session.id))
    again = Program(session, loop)
    again.prints(b"new")
    assert first_row(session) == "new"
    assert not session.screen.bracketed_paste
    assert session.journal.read(0, 99).startswith(b"\x1b[31mold"), "what was recorded stays"
    assert not session.killed
    again.closes()


def test_an_ended_session_costs_no_emulator_until_it_is_looked_at(
    session: Session, program: Program, loop: Loop
) -> None:
    program.prints(b"words")
    program.closes()
    session.exited(0)
    loop.until(lambda: not session.live, "end")
    assert not session._shadow.there and not session.journal.held
    assert first_row(session) == "words"
    session.release()
    assert not session._shadow.there


def test_watchers_hear_of_output_and_of_the_end(session: Session, program: Program, loop: Loop) -> None:
    heard: list[State] = []
    session.watchers.append(lambda: heard.append(session.state))
    program.prints(b"x")
    assert heard == [State.RUNNING]
    program.closes()
    session.exited(0)
    loop.until(lambda: not session.live, "end")
    assert heard[-1] is State.EXITED


# The screen


def test_a_rebuilt_screen_is_the_live_one(session: Session, program: Program, host: Host) -> None:
    for number in range(200):
        program.prints(b"\x1b[3%dmline %d\x1b[0m\r\n" % (number % 8, number))
        if number == 120:
            session._shadow.checkpoint()
    program.prints(b"\x1b[?2004h\x1b[5;5Hhere\x1b[38;5;1")  # in the middle of a sequence
    live = session.screen.dump(history=500)
    rebuilt = host.another(session)
    assert rebuilt.screen.dump(history=500) == live
    rebuilt.journal.drop_snapshot(max(rebuilt.journal._snapshots()))
    rebuilt.close()
    from_scratch = host.another(session)
    assert from_scratch.screen.dump(history=500) == live
    from_scratch.close()


def test_a_long_replay_is_saved_on_the_way(session: Session, host: Host) -> None:
    """Where no snapshot was made for long, who rebuilds the screen makes some: the next one has less to do."""
    line = b"".join(b"\x1b[3%dmline %d\x1b[0m " % (number % 8, number) for number in range(999)) + b"\r\n"
    while session.journal.end < 2.5 * SEGMENT:
        session.journal.append(line * 20)
    live = session.screen.dump(history=500)
    saved = session.journal._snapshots()
    assert len(saved) == 2
    assert SEGMENT <= saved[0] < session.journal.end - SEGMENT <= saved[1] < session.journal.end
    rebuilt = host.another(session)
    assert rebuilt.screen.dump(history=500) == live
    assert rebuilt.journal._snapshots() == saved
    rebuilt.close()


def test_a_replay_changes_the_size_where_it_changed(session: Session, program: Program, host: Host) -> None:
    wide = b"0123456789" * 4
    program.prints(wide + b"\r\n")
    session.resize((20, 5))
    program.prints(wide + b"\r\n\x1b[2;1Hxyz")
    session.resize((60, 8))
    rows = session.screen.text_rows(0, 8)
    rebuilt = host.another(session)
    assert rebuilt.journal.load_snapshot() is None
    assert rebuilt.screen.text_rows(0, 8) == rows
    rebuilt.close()


def test_what_happened_is_recorded_with_its_times(session: Session, program: Program, loop: Loop) -> None:
    loop.clock = 2000.0
    program.prints(b"one")
    session.resize((100, 30))
    viewer = Viewer((100, 30))
    session.attach(viewer)
    loop.clock = 2001.5
    program.prints(b"two")
    session.detach(viewer)
    program.closes()
    loop.settle()
    session.exited(3)
    found = [(record.kind, record.at, record.offset, record.data) for record in records(session.journal, session.marks)]
    assert found[2:] == [
        (Kind.OUTPUT, 7000.0, 0, b"one"),
        (Kind.RESIZE, 7000.0, 3, encode_size((100, 30))),
        (Kind.ATTACH, 7000.0, 3, b"1"),
        (Kind.OUTPUT, 7001.5, 3, b"two"),
        (Kind.ATTACH, 7001.5, 6, b"0"),
        (Kind.STATE, 7001.5, 6, b"exited 3"),
    ]
    assert [(kind, data) for kind, _, _, data in found[:2]] == [
        (Kind.STATE, b"started 1"),
        (Kind.RESIZE, encode_size(SIZE)),
    ]
    assert not session.journal.held and session.marks._fd < 0


def test_a_damaged_snapshot_is_left_aside(session: Session, program: Program, host: Host) -> None:
    program.prints(b"good")
    session.journal.save_snapshot(4, b"rubbish")
    rebuilt = host.another(session)
    assert first_row(rebuilt) == "good"
    assert len(host.warnings) == 1 and "snapshot at 4 left aside" in host.warnings[0]
    rebuilt.close()


def test_a_rebuilt_screen_asks_and_tells_nothing_again(
    session: Session, program: Program, host: Host, loop: Loop
) -> None:
    program.prints(b"\x1b[5n\x07\x1b]2;t\x07")
    assert program.reads(4) == b"\x1b[0n"
    session.close()
    host.happened.clear()
    rebuilt = host.another(session)
    rebuilt.journal.drop_snapshot(rebuilt.journal.end)  # else nothing would be fed
    second = Program(rebuilt, loop, found=True)
    assert rebuilt.screen.title == "t"
    second.prints(b"\x1b[6n")
    assert second.reads(6) == b"\x1b[1;1R", "and not the old answer before it"
    assert host.kinds("output-activity") == []
    second.closes()
    rebuilt.close()


@pytest.mark.parametrize("bad", [None, (50, 60)], ids=["", "and poison where there is nothing yet"])
def test_the_first_output_after_a_restart_is_fed_once(
    session: Session, host: Host, loop: Loop, bad: tuple[int, int] | None
) -> None:
    """It is in the journal already when the screen is built from it."""
    session.journal.append(b"old ")
    if bad is not None:
        host.rows.add_poison(session.id, *bad)
    program = Program(session, loop)
    program.prints(b"new")
    assert first_row(session) == "old new"
    program.closes()


def test_poison_is_not_fed_again(session: Session, host: Host) -> None:
    session.journal.append(b"good BAD better WORSE best")
    host.rows.add_poison(session.id, 5, 8)
    host.rows.add_poison(session.id, 16, 21)
    assert first_row(session) == "good  better  best"
    assert session.journal.read(0, 99) == b"good BAD better WORSE best", "it stays recorded"


LETTERS = b"abcdefghijklmnopqrstuvwxyz"
ranges = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 20)).map(lambda pair: (pair[0], sum(pair))), max_size=4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ranges, st.integers(0, 26))
@example([(26, 30)], 0)
@example([(200, 300)], 0)
@example([(0, 26)], 0)
@example([(5, 20), (7, 9), (8, 22)], 6)
def test_exactly_the_poison_is_left_out(host: Host, bad: list[tuple[int, int]], snapshot: int) -> None:
    """Wherever the ranges lie, behind the journal's end too, and however they overlap."""
    session = host.add(f"s{len(host.rows.all())}")
    session.journal.append(LETTERS[:snapshot])
    if snapshot:
        assert session.screen
        session._shadow.checkpoint()
        session.close()
    session.journal.append(LETTERS[snapshot:])
    for start, stop in bad:
        host.rows.add_poison(session.id, start, stop)
    kept = [
        letter
        for at, letter in enumerate(LETTERS)
        if at < snapshot or not any(start <= at < stop for start, stop in bad)
    ]
    assert first_row(session) == bytes(kept).decode()
    session.close()


def test_what_a_killed_server_had_read_is_recorded(session: Session, host: Host) -> None:
    session.journal.append(b"one ")
    session.record(b"two")
    assert session.journal.read(0, 99) == b"one two"
    assert first_row(session) == "one two"


# Input


def test_input_arrives_in_order(session: Session, program: Program, host: Host) -> None:
    session.type_in(b"ls")
    session.type_in(b"\r")
    assert program.reads(3) == b"ls\r"
    assert [facts for kind, facts in host.happened if kind == "input"] == [{"bytes": 2}, {"bytes": 1}]


def test_input_has_a_bound_and_a_refused_paste_is_refused_whole(session: Session, program: Program) -> None:
    session.type_in(b"a" * INPUT_LIMIT)
    with pytest.raises(InputFull):
        session.type_in(b"b" * INPUT_LIMIT)
    session.type_in(b"c")
    assert program.reads(INPUT_LIMIT + 1) == b"a" * INPUT_LIMIT + b"c"


def test_who_types_a_lot_waits_until_the_program_has_read(session: Session, program: Program) -> None:
    resumed: list[bool] = []
    assert not session.input_high
    session.type_in(b"x" * (INPUT_HIGH * 2))
    assert session.input_high
    session.when_input_low(lambda: resumed.append(session.input_high))
    program.reads(1000)
    assert resumed == []
    program.reads(INPUT_HIGH * 2 - 1000)
    assert resumed == [False]


def test_who_waits_is_let_go_when_the_session_ends(session: Session, program: Program, loop: Loop) -> None:
    resumed: list[bool] = []
    session.type_in(b"x" * (INPUT_HIGH * 2))
    session.when_input_low(lambda: resumed.append(session.live))
    program.closes()
    session.exited(0)
    loop.until(lambda: not session.live, "end")
    assert len(resumed) == 1


def test_typing_into_what_nobody_has_open_is_no_accident(session: Session, program: Program, loop: Loop) -> None:
    program.closes()
    session.type_in(b"x")
    loop.until(lambda: session._at_end, "end of file")
    session.type_in(b"y")
    assert session._input.size == 0


def test_an_ended_session_takes_no_input(session: Session, program: Program, loop: Loop) -> None:
    program.closes()
    session.exited(0)
    loop.until(lambda: not session.live, "end")
    with pytest.raises(NotRunning, match="exited"):
        session.type_in(b"x")


# Size


def test_the_pane_takes_the_size_of_who_attaches_at_once(session: Session, program: Program, host: Host) -> None:
    program.prints(b"x" * 90)
    viewer = Viewer((100, 30))
    session.attach(viewer)
    assert program.size() == session.size == session.screen.size == (100, 30)
    assert host.rows.get(session.id).size == (100, 30)
    assert host.happened[-1] == ("resized", {"columns": 100, "rows": 30})
    assert viewer.redraws == 1


def test_a_resize_storm_is_one_resize(session: Session, program: Program, host: Host, loop: Loop) -> None:
    viewer = Viewer()
    session.attach(viewer)
    before = program.size()
    for columns in range(100, 120):
        viewer.size = columns, 30
        session.viewer_resized()
        loop.advance(RESIZE_WAIT * 0.9)
        assert program.size() == before
    loop.advance(RESIZE_WAIT * 0.2)
    assert program.size() == session.size == (119, 30)
    assert host.kinds("output-activity").count("resized") == 1
    assert viewer.redraws == 1


def test_back_at_the_old_size_in_time_nothing_happens(
    session: Session, program: Program, host: Host, loop: Loop
) -> None:
    viewer = Viewer()
    session.attach(viewer)
    for size in ((100, 30), SIZE):
        viewer.size = size
        session.viewer_resized()
    loop.advance(RESIZE_WAIT * 2)
    assert "resized" not in host.kinds()


def test_who_types_leads(session: Session, program: Program, loop: Loop) -> None:
    first, second = Viewer((100, 30)), Viewer((90, 20))
    session.attach(first)
    assert program.size() == (100, 30)
    session.attach(second)
    assert program.size() == (100, 30), "who looks in does not take the pane from who works in it"
    session.active(second)
    assert program.size() == (90, 20)
    session.active(second)
    assert list(session.viewers) == [second, first]
    session.detach(second)
    assert program.size() == (90, 20)
    loop.advance(RESIZE_WAIT)
    assert program.size() == (100, 30)
    session.detach(first)
    loop.advance(RESIZE_WAIT)
    assert program.size() == (100, 30), "nobody is left: it stays"


def test_a_session_may_have_the_size_that_fits_all_or_none(session: Session, program: Program, host: Host) -> None:
    host.values["window-size"] = "smallest"
    session.attach(Viewer((100, 30)))
    session.attach(Viewer((90, 40)))
    session.attach(Viewer((20, 6), read_only=True))
    assert program.size() == (90, 30)
    host.values["window-size"] = "manual"
    session.attach(Viewer((50, 10)))
    session.viewer_resized()
    assert program.size() == (90, 30)
    session.resize((70, 20))
    assert program.size() == session.size == (70, 20)


def test_the_program_hears_whether_anybody_looks_if_it_asked(session: Session, program: Program) -> None:
    watcher, viewer, other = Viewer(read_only=True), Viewer(), Viewer()
    session.attach(viewer)
    session.detach(viewer)
    program.prints(b"\x1b[?1004h")
    assert program.read() == b"\x1b[O", "at once, as tmux does"
    program.prints(b"\x1b[?1004h")
    session.attach(watcher)
    assert program.read() == b"", "who may not type does not count"
    session.attach(viewer)
    assert program.read() == b"\x1b[I"
    session.attach(other)
    viewer.focused = False
    session.focus_changed()
    assert program.read() == b"", "the other terminal has it"
    other.focused = False
    session.focus_changed()
    assert program.read() == b"\x1b[O"
    viewer.focused = True
    session.focus_changed()
    session.detach(viewer)
    session.detach(other)
    assert program.read() == b"\x1b[I\x1b[O"
    program.prints(b"\x1b[?1004l")
    session.attach(Viewer())
    assert program.read() == b""


def test_what_only_one_terminal_should_hear_goes_to_who_leads(session: Session, program: Program, host: Host) -> None:
    leader, other = Viewer(), Viewer()
    program.prints(b"\x1b]9;nobody looks\x07")
    assert session.unseen and session.waits
    session.attach(leader)
    session.attach(other)
    assert not session.unseen
    program.prints(b"\x1b]9;done\x07\x1b]99;i=1:d=0;Ti\x1b\\\x1b]99;i=1:p=body;text\x1b\\\x1b]52;c;aGk=\x07\a")
    program.prints(b"\x1b]9;4;1;50\x07\x1bPtmux;\x1b\x1b]777;notify;a;b\x07\x1b\\")
    assert leader.heard == [
        Notification("", "done"),
        Notification("Ti", "text"),
        ClipboardWrite(b"hi", False),
        Bell(),
        Progress(ProgressState.SET, 50),
        Notification("a", "b"),
    ]
    assert other.heard == []
    assert leader.seen == other.seen == b"\a", "and neither gets it raw"
    assert session.progress == Progress(ProgressState.SET, 50)
    assert ("notification", {"title": "Ti", "body": "text"}) in host.happened
    assert ("clipboard", {"bytes": 2}) in host.happened
    assert not session.unseen


def test_progress_under_way_is_on_the_terminal_that_leads(session: Session, program: Program) -> None:
    first, second = Viewer(), Viewer()
    under_way, over = Progress(ProgressState.SET, 50), Progress(ProgressState.REMOVED, None)
    session.attach(first)
    program.prints(b"\x1b]9;4;1;50\x07")
    session.attach(second)
    assert (first.heard, second.heard) == ([under_way], [])
    session.active(second)
    assert (first.heard, second.heard) == ([under_way, over], [under_way])
    session.detach(second)
    assert (first.heard, second.heard) == ([under_way, over, under_way], [under_way])


def test_of_calls_and_states_no_more_is_published_than_one_can_follow(
    session: Session, program: Program, host: Host, loop: Loop
) -> None:
    viewer = Viewer()
    session.attach(viewer)
    program.prints(b"\x1b]9;call\x07" * 1000)
    assert len(viewer.heard) == host.kinds().count("notification") == 10
    for number in range(1000):
        program.prints(b"\x1b]2;title %d\x07" % number)
    assert host.kinds().count("title") <= 11
    loop.advance(10)
    assert [facts for kind, facts in host.happened if kind == "title"][-1] == {"title": "title 999"}


def test_an_agent_says_itself_that_it_waits(session: Session, program: Program, host: Host, loop: Loop) -> None:
    program.prints(b"\x1b]7501;state=working:app=claude-code\x07")
    loop.advance(1)
    assert session.status is not None and session.status.state == "working" and not session.waits
    program.prints(b"\x1b]7501;state=blocked:app=claude-code:kind=permission:msg=YXBwcm92ZSBCYXNo\x07")
    loop.advance(1)
    assert session.waits
    assert [(verdict.status.value, verdict.about) for verdict in host.verdicts] == [
        ("working", ""),
        ("waiting", "approval"),
    ]
    blocked = {"state": "blocked", "about": "permission", "message": "approve Bash"}
    assert ("program-status", blocked) in host.happened
    program.prints(b"\x1b]7501;state=clear\x07")
    loop.advance(1)
    loop.advance(1)
    assert session.status is None and not session.waits
    assert session.verdict.status is Status.UNKNOWN


def test_programs_are_told_the_colours_of_the_last_terminal(session: Session, program: Program, host: Host) -> None:
    program.prints(b"\x1b[?2031h\x1b]11;?\x07")
    assert program.read() == b"\x1b]11;rgb:1010/1010/1010\x07"
    host.colours = Colours((0, 0, 0), (255, 255, 255), (1, 1, 1), ((9, 9, 9),))
    session.recolour()
    assert program.read() == b"\x1b[?997;2n"
    program.prints(b"\x1b]11;?\x07\x1b]4;0;?\x07\x1b[?996n")
    assert program.read() == b"\x1b]11;rgb:ffff/ffff/ffff\x07\x1b]4;0;rgb:0909/0909/0909\x07\x1b[?997;2n"
    session.recolour()
    assert program.read() == b"", "only a change is told"


def test_nothing_wipes_what_is_remembered(session: Session, program: Program) -> None:
    viewer = Viewer()
    session.attach(viewer)
    program.prints(b"".join(b"line %d\r\n" % number for number in range(100)))
    rows = session.screen.history_rows
    program.prints(b"\x1b[H\x1b[2J\x1b[3J\x1b[1;31m\x1bc")
    assert session.screen.history_rows == rows
    assert b"3J" not in viewer.seen and b"\x1bc" not in viewer.seen
    assert session.screen.text_rows(0, 5) == [""] * 5


@pytest.mark.parametrize("viewer", [Viewer((10, 3)), Viewer((0, 0)), Viewer((100, 30), read_only=True)])
def test_observers_never_resize(session: Session, program: Program, loop: Loop, viewer: Viewer) -> None:
    before = program.size()
    session.attach(viewer)
    session.viewer_resized()
    loop.advance(RESIZE_WAIT * 2)
    assert program.size() == before
    assert session.size == SIZE


def test_a_waiting_resize_does_not_outlive_the_session(
    session: Session, program: Program, host: Host, loop: Loop
) -> None:
    viewer = Viewer()
    session.attach(viewer)
    viewer.size = 100, 30
    session.viewer_resized()
    program.closes()
    session.exited(0)
    loop.until(lambda: not session.live, "end")
    loop.advance(RESIZE_WAIT * 2)
    assert "resized" not in host.kinds()


def test_a_resized_screen_is_rebuilt_as_it_was(session: Session, program: Program, host: Host) -> None:
    """The journal says nothing of sizes: the snapshot taken at the resize does."""
    program.prints(b"x" * 200)
    session.attach(Viewer((100, 30)))
    program.prints(b"\r\nafter")
    live = session.screen.dump(history=99)
    rebuilt = host.another(session)
    assert rebuilt.screen.size == (100, 30)
    assert rebuilt.screen.dump(history=99) == live
    rebuilt.close()


# Redraws


def test_a_redraw_and_what_follows_show_the_same_as_the_pane(session: Session, program: Program) -> None:
    from agentmux.mux.screen import Screen

    watching = Viewer()
    session.attach(watching)
    program.prints(b"\x1b[1mbold\x1b[0m\r\n\x1b[2")  # cut: the filter holds it
    client = Screen(SIZE)
    client.feed(b"rubbish of before")
    client.feed(session.full_redraw())
    before = len(watching.seen)
    program.prints(b"J\x1b[5;5Hthere")
    client.feed(watching.seen[before:])
    assert client.text_rows(0, 24) == session.screen.text_rows(0, 24)
    assert client.text_rows(4, 5) == ["    there"]
    client.close()


def test_the_server_goes_and_leaves_pane_and_snapshot(session: Session, program: Program, host: Host) -> None:
    program.prints(b"words")
    session.close()
    assert session.master is None
    assert session.journal.load_snapshot() is not None
    with pytest.raises(OSError, match="Input/output"):
        os.write(program.slave, b"x")  # here the test had no spare master; the keeper has
    assert host.rows.get(session.id).state == "running"
