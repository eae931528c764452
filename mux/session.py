"""One session: a program behind a pseudo-terminal, its journal, its screen, and who watches it.

For each batch of output, in this order: read into the inbox (which survives a
SIGKILL) -> append to the journal -> feed the emulator -> queue for the viewers.
The emulator is a shadow: it is built from the newest snapshot and the rest of
the journal when somebody first needs it, in a restarted server as for an ended
session.

It is long because it is the one place where input queue, shadow, audience and
side channels meet: each is a file of its own, and what is left here joins them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
from dataclasses import replace
from typing import Protocol

from agentmux.store.errors import StoreError
from agentmux.store.inbox import Inbox
from agentmux.store.journal import Journal
from agentmux.store.marks import Marks, records
from agentmux.store.records import LONGEST, Kind, Record, encode_size
from agentmux.store.sessions import SessionRow, Sessions

from . import sweep
from .audience import Audience
from .config import Config
from .detector import Detector
from .inputqueue import LIMIT, InputQueue
from .lifecycle import Event, State, next_state
from .limits import Resumption
from .notes import clean
from .notifier import kind_of
from .occurs import occurs
from .recorder import Recorder
from .reset import fresh, reset_client
from .screen import Notification, Progress, ProgressState, Screen, ScreenEvent, TitleChanged
from .sessionerrors import InputFull, NotRunning
from .shadow import Shadow, drawable
from .sidechannels import SideChannels
from .size import Size
from .verdict import Status, over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .audience import Viewer
    from .dialog import Dialog
    from .notes import Report, ShellMark
    from .profiles import Profile
    from .screen import Colours
    from .verdict import Reading, Source, Verdict

READ = 1 << 16
"""Most bytes read from one pane before the others have their turn."""

SHARE = 1 << 12
"""What a pane gets at a turn when others are as busy: 4 KiB, the kernel's own piece, take 0.1 ms to handle,
0.3 ms when each line is a character long (`yes`). Somebody who types elsewhere waits for a turn or two."""

PIECE = 1 << 10
"""The kernel hands out up to 4095 bytes at once: less than this was the rest."""

REPLY_LIMIT = 1 << 16
"""Answers to terminal queries kept for a program that asks and does not read."""

DRAIN_WAIT = 1.0
"""Seconds that output may still arrive after the exit of a program whose terminal somebody else holds."""

RESIZE_WAIT = 0.25
"""Seconds that a client's size must stand before the program hears of it (tmux's figure):
every change of width makes agents print their transcript again."""


class Host(Protocol):
    """What a session needs of the mux that owns it."""

    loop: AbstractEventLoop
    rows: Sessions
    inbox: Inbox

    def now(self) -> float:
        """Return the time for records: Unix seconds."""
        ...

    def config(self) -> Config:
        """Return the configuration."""
        ...

    @property
    def colours(self) -> Colours:
        """What programs are told of their terminal's colours."""
        ...

    def share(self, session: int) -> int:
        """Return how much this session may read at this turn."""
        ...

    def publish(self, kind: str, session: Session, **facts: str | int | None) -> None:
        """Tell whoever follows."""
        ...

    def warn(self, text: str) -> None:
        """Write a line to the log."""
        ...

    def finished(self, session: Session) -> None:
        """The session has ended and is drained: let go of its pane."""
        ...

    def closed(self, session: Session) -> None:
        """A segment of the session's journal is full."""
        ...

    def rests(self, session: Session) -> None:
        """The session has printed, and now nothing for a moment."""
        ...

    def profile(self, session: Session, argv: Sequence[str] | None) -> Profile | None:
        """Return the profile of what a command line starts, None: of what the session was started with."""
        ...

    def looked(self, session: Session) -> None:
        """The session has shown something, a moment ago."""
        ...

    def converses(self, session: Session, conversation: str) -> None:
        """The session's agent has another conversation open."""
        ...

    def judged(self, session: Session, before: Status, verdict: Verdict, readings: Mapping[Source, Reading]) -> None:
        """The session does something else now than ``before``, as far as these readings tell."""
        ...

    def typed(self, session: Session) -> None:
        """Something is typed into the session."""
        ...


class Session:
    """A session. Its record survives it; its pane lives from ``begin`` to its end."""

    __slots__ = (
        "__weakref__",
        "_at_end",
        "_detector",
        "_drain_timer",
        "_focus_told",
        "_host",
        "_input",
        "_master",
        "_recorder",
        "_resize_timer",
        "_shadow",
        "_side",
        "_title",
        "interrupts",
        "journal",
        "killed",
        "marks",
        "onlookers",
        "pid",
        "row",
        "scripted_at",
        "state",
        "typed_at",
        "unseen",
        "viewers",
        "watchers",
    )

    def __init__(self, row: SessionRow, journal: Journal, marks: Marks, host: Host) -> None:
        self.row = row
        self.journal = journal
        self.marks = marks
        self.viewers = Audience()
        self.unseen = False  # it called, and nobody has looked since
        self.onlookers = 0  # how many look at it without being attached
        self.interrupts = 0  # how often it was told to stop
        self.typed_at = float("-inf")  # when a person typed last, on the loop's clock
        self.scripted_at = float("-inf")  # likewise a script
        self.state = State(row.state)
        self.pid = 0
        self.killed = False
        self._host = host
        self._master: int | None = None
        self._shadow = Shadow(self, host.loop)
        self._input = InputQueue(host.loop)
        self._side: SideChannels | None = None
        self._title: str | None = None
        self._focus_told: bool | None = None
        self._drain_timer: TimerHandle | None = None
        self._resize_timer: TimerHandle | None = None
        self._at_end = False
        self._recorder = Recorder(self, host.loop, host.now)
        self._detector: Detector | None = None
        self.watchers: list[Callable[[], None]] = []

    @property
    def id(self) -> int:
        """The number that names it for ever."""
        return self.row.id

    @property
    def name(self) -> str:
        """Its name; unique among live sessions."""
        return self.row.name

    @property
    def live(self) -> bool:
        """Whether there may be a process."""
        return self.state.live

    @property
    def recorded(self) -> bool:
        """Whether what it prints and is told is remembered."""
        return self.row.record == "all"

    @property
    def not_recorded(self) -> str:
        """Why what it prints is lost to the record; "" where it is not."""
        return self._recorder.problem

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.row.labels)

    @property
    def size(self) -> Size:
        """(columns, rows) of its pane."""
        return self.row.size

    @property
    def master(self) -> int | None:
        """The pty's master while the pane lives. Stays the session's."""
        return self._master

    # -- the pane's life

    def begin(self, master: int, pid: int) -> None:
        """Own ``master`` and read from it. Called when exec is confirmed, or found again after a restart."""
        os.set_blocking(master, False)
        self._master = master
        self._input.open(master)
        self.pid = pid
        self._at_end = False
        self._detector = Detector(self, self._host.loop, self._host.now)
        self._host.loop.add_reader(master, self._readable)

    def started(self, at: float) -> None:
        """Exec is confirmed."""
        self._step(Event.EXEC_OK)
        self.row = replace(self.row, state="running", started=at)
        self._remember(lambda rows: rows.set_running(self.id, at))
        self._recorder.note(Kind.STATE, b"started %d" % self.row.starts)
        self._recorder.note(Kind.RESIZE, encode_size(self.size))
        self._host.publish("started", self)

    def found(self, started: float) -> None:
        """The keeper has its pane, whatever the record says: it runs."""
        self.state = State.RUNNING
        self.row = replace(self.row, state="running", started=started, ended=None, exit_status=None)
        self._remember(lambda rows: rows.set_running(self.id, started))

    def refresh(self, row: SessionRow) -> None:
        """The record's name, labels or conversation have changed."""
        self.row = replace(self.row, name=row.name, labels=row.labels, conversation=row.conversation)

    def start_failed(self, status: int) -> None:
        """The program could not be executed. The record stays, with the status a shell would give."""
        self._step(Event.EXEC_FAILED)
        self._ended(status)
        self.release()
        self._host.publish("start-failed", self, exit_status=status)

    def exited(self, status: int | None) -> None:
        """The program ended (None: nobody knows how). Its last words come first."""
        self._step(Event.EXITED)
        self.row = replace(self.row, exit_status=status)
        if self._at_end or self._master is None:
            self._finish()
        else:
            self._drain_timer = self._host.loop.call_later(DRAIN_WAIT, self._finish)

    def vanished(self) -> None:
        """Nobody holds its terminal any more: keeper and server died, or the machine did."""
        self._step(Event.VANISHED)
        at = self._host.now()
        self.row = replace(self.row, state="lost", ended=at)
        self._remember(lambda rows: rows.set_lost([self.id], at))
        self._recorder.note(Kind.STATE, b"lost")
        self.release()
        self._host.publish("lost", self)

    def restarting(self, row: SessionRow) -> None:
        """The record begins anew; what was recorded stays, behind a clean screen."""
        self._step(Event.RESTARTED)
        self.row = row
        self.killed = False
        self._title = None
        self._record_and_show(fresh(self.size[0]))

    def _remember(self, write: Callable[[Sessions], None]) -> None:
        """Write to the record; a full disk costs the record's truth, never the session."""
        try:
            write(self._host.rows)
        except StoreError as error:
            self.warn(f"its record is not up to date: {error}")

    def _step(self, event: Event) -> None:
        self.state = next_state(self.state, event)

    def _finish(self) -> None:
        """All output is read: the session is over."""
        self._step(Event.DRAINED)
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None
        if self._resize_timer is not None:
            self._resize_timer.cancel()
            self._resize_timer = None
        self._close_master()
        self._ended(self.row.exit_status)
        status = self.row.exit_status
        line = self.end_line
        if not self.killed:
            self.news()
        if viewers := self.viewers.clear():
            row = self.last_row()
            for viewer in viewers:
                viewer.ended(line, row)
        if self._side is not None:
            self._side.close()
            self._side = None
        self.checkpoint()
        self._host.finished(self)
        self._host.publish("exited", self, exit_status=status)
        self.release()

    @property
    def end_line(self) -> str:
        """How it ended, as a client's last line."""
        status = self.row.exit_status
        if self.killed:
            return "[killed]"
        if status is None:
            return "[exited]"
        return f"[exited on signal {-status}]" if status < 0 else f"[exited {status}]"

    def _ended(self, status: int | None) -> None:
        at = self._host.now()
        self.row = replace(self.row, state="exited", exit_status=status, ended=at)
        self._remember(lambda rows: rows.set_exited(self.id, status, at))
        self._recorder.note(Kind.STATE, b"exited" if status is None else b"exited %d" % status)
        self._wake()

    def _close_master(self) -> None:
        self._input.close()
        if self._detector is not None:
            self._detector.close()
            self._detector = None
        if self._master is not None:
            self._host.loop.remove_reader(self._master)
            os.close(self._master)
            self._master = None

    def release(self) -> None:
        """Let go of what can be had again from disk: a thousand ended sessions cost rows only."""
        if not self.viewers and self._master is None:
            self._shadow.close()
            self._title = None
            self._release_files()

    def close(self) -> None:
        """The server goes: leave the pane to the keeper and the screen to the next server."""
        self.checkpoint()
        self._shadow.close()
        if self._side is not None:
            self._side.close()
        self._close_master()
        self._release_files()

    def checkpoint(self) -> None:
        """Save the screen."""
        if self.row.record != "off":
            self._shadow.checkpoint()

    def _release_files(self) -> None:
        self.journal.release()
        self.marks.release()

    # -- output

    def _readable(self) -> None:
        assert self._master is not None
        master, inbox = self._master, self._host.inbox
        share = self._host.share(self.id)
        inbox.begin(self.id, self.journal.end)
        try:
            ended = self._take_batch(master, inbox, share)
        finally:
            inbox.done()  # whatever went wrong: the other sessions need it too
        if ended:
            self._at_end = True
            self._host.loop.remove_reader(master)
            if self.state is State.DRAINING:
                self._finish()

    def _take_batch(self, master: int, inbox: Inbox, share: int) -> bool:
        """Read, record and show up to ``share`` bytes; return whether the terminal has ended."""
        filled = 0
        ended = False
        try:
            while True:
                count = inbox.read(master, share - filled)
                filled += count
                ended = count == 0
                if count < PIECE or share - filled < PIECE:
                    break  # a read that finds nothing waits until a worker of the kernel has looked
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            ended = True  # nobody has the terminal open any more
        if filled:
            data = bytes(inbox.data())
            at = self.journal.end
            self.record(data)
            inbox.written()
            self._show(data, at)
        return ended

    def record(self, data: bytes) -> None:
        """Append output to the journal, if it is to be kept."""
        self._recorder.record(data)

    def unrecorded(self, error: StoreError) -> None:
        """Tell whoever looks that nothing is recorded: the log may lie on the same disk."""
        body = f"session {self.name!r} is not recorded: {error}"
        self.heard("notification", {"title": "agentmux", "body": body})
        self.forward(Notification("agentmux", body))

    def _record_and_show(self, data: bytes) -> None:
        at = self.journal.end
        self.record(data)
        self._show(data, at)

    def _show(self, data: bytes, at: int) -> None:
        """Feed output whose first byte is at journal offset ``at``, and pass it on."""
        shown = self._shadow.feed(data, at, self.size)
        for viewer in self.viewers:
            viewer.output(shown)
        if occurs(b"1004", data):
            self._tell_focus()
        if self._detector is not None:
            self._detector.printed()
        self._wake()
        self._host.publish("output-activity", self)

    def _wake(self) -> None:
        for watcher in list(self.watchers):
            watcher()

    # -- the screen (shadow.Owner)

    def scrollback(self) -> int:
        """Return the bytes of scrollback to keep."""
        return self._host.config().number("scrollback-bytes")

    def rows_above(self) -> int:
        """Return how many rows of scrollback a client gets at attach."""
        return self._host.config().history_rows(self.size[1])

    def poison(self) -> list[tuple[int, int]]:
        """Return the byte ranges of the journal that once crashed the emulator."""
        return self._host.rows.poison(self.id)

    def colours(self) -> Colours:
        """Return what the program is told of its terminal's colours."""
        return self._host.colours

    def recolour(self) -> None:
        """They have changed."""
        if self._shadow.there:
            self.screen.set_colours(*self._host.colours)

    def segment_closed(self) -> None:
        """A segment of the journal is full."""
        self._host.closed(self)

    def rests(self) -> None:
        """It has printed, and now nothing for a moment."""
        if self.row.record == "screen":
            self.checkpoint()  # there is no journal to make the screen from
        self._host.rests(self)

    def warn(self, text: str) -> None:
        """Write a line to the log."""
        self._host.warn(f"session {self.name!r}: {text}")

    @property
    def screen(self) -> Screen:
        """The emulator, up to the last byte read."""
        return self._shadow.screen(self.size)

    def on_reply(self, data: bytes) -> None:
        """Answer the program: what the emulator says to a question of its."""
        if self._master is not None and self._input.size < REPLY_LIMIT:
            self._input.put(data)

    def on_event(self, event: ScreenEvent) -> None:
        """Take what the program told its terminal."""
        if isinstance(event, TitleChanged):
            self._title = clean(event.title)
        self._sides().event(event)

    def on_note(self, sequence: bytes) -> None:
        """Take what it told in a way that the emulator does not know."""
        if answer := self._sides().note(sequence):
            self.on_reply(answer)

    def _sides(self) -> SideChannels:
        if self._side is None:
            self._side = SideChannels(self, self._host.loop)
        return self._side

    @property
    def progress(self) -> Progress | None:
        """What the program last said of its progress, None if nothing is under way."""
        return None if self._side is None else self._side.progress

    @property
    def status(self) -> Report | None:
        """What the program last said of its state."""
        return None if self.report is None or self.report.state == "clear" else self.report

    @property
    def report(self) -> Report | None:
        """The same, also where it took its word back."""
        return None if self._side is None else self._side.report

    @property
    def mark(self) -> ShellMark | None:
        """What its shell last said of its prompt."""
        return None if self._side is None else self._side.mark

    @property
    def waits(self) -> bool:
        """Whether a person should look: it waits for an answer, or has called."""
        return self.live and (self.unseen or self.verdict.status is Status.WAITING)

    @property
    def title(self) -> str:
        """What the program calls itself; "" also where the screen is not there, which is not made for this."""
        if self._title is None:
            if not self._shadow.there:
                return ""
            self._title = clean(self.screen.title)
        return self._title

    # -- whether somebody looks

    def news(self) -> None:
        """There is something to look at: whoever is not there now has not read it."""
        if not self.viewers and not self.onlookers:
            self._set_unread(True)

    def seen(self) -> None:
        """Somebody has looked."""
        self.unseen = False
        self._set_unread(False)

    def _set_unread(self, unread: bool) -> None:
        if unread != self.row.unread:
            self.row = replace(self.row, unread=unread)
            self._remember(lambda rows: rows.set_unread(self.id, unread))
            self._host.publish("unread", self, unread=unread)

    # -- what it does (detector.Watched)

    @property
    def verdict(self) -> Verdict:
        """What it does, and why."""
        if self._detector is not None:
            return self._detector.verdict
        return over(self.state, self.row.ended or self.row.created)

    @property
    def rested_at(self) -> float | None:
        """When it first rested after its start, on the loop's clock; None if it never did."""
        return None if self._detector is None else self._detector.rested_at

    def dialog_now(self) -> Dialog | None:
        """Return the dialog that its screen shows at this moment."""
        return None if self._detector is None else self._detector.dialog_now()

    @property
    def watched_as(self) -> Profile | None:
        """The profile of the agent in it, also of one that was started in a shell."""
        return None if self._detector is None else self._detector.profile

    @property
    def readings(self) -> Mapping[Source, Reading]:
        """What each source says now, while it runs."""
        return {} if self._detector is None else self._detector.readings

    @property
    def runs(self) -> Profile | None:
        """The profile of what it runs now; of what it was started with, where that is not running or not known."""
        return self.watched_as or self.profile(None)

    def profile(self, argv: tuple[str, ...] | None) -> Profile | None:
        """Return the profile of what a command line starts, None: of its own."""
        return self._host.profile(self, argv)

    @property
    def resumption(self) -> Resumption:
        """How what it runs now goes on after a usage limit."""
        profile = self._detector.profile if self._detector is not None else None
        return profile.limit if profile is not None else Resumption()

    @property
    def takes_prompt(self) -> bool:
        """Whether its screen shows a place to type a prompt into."""
        return self._detector is not None and self._detector.takes_prompt

    def look(self) -> Verdict:
        """Return what it does at this moment, also what may be over in the next."""
        return self.verdict if self._detector is None else self._detector.look()

    def busy_since(self, at: float) -> bool:
        """Whether it has started another program since ``at`` that still runs."""
        return sweep.busy_since(self.pid, at)

    def looked(self) -> None:
        """Pass on that it was looked at."""
        self._host.looked(self)

    def judged(self, before: Status, verdict: Verdict, readings: Mapping[Source, Reading]) -> None:
        """Tell of a verdict that is another one."""
        if kind_of(before, verdict):
            self.news()
        self._host.judged(self, before, verdict, readings)
        self._wake()

    def hook(self, reading: Reading) -> None:
        """Take what a hook of its program's tells."""
        if self._detector is not None:
            self._detector.hook(reading)

    def streamed(self, reading: Reading | None) -> None:
        """Take what the event stream of its program says now."""
        if self._detector is not None:
            self._detector.streamed(reading)

    def converses(self, conversation: str) -> None:
        """Tell of the conversation that its agent has open now."""
        self._host.converses(self, conversation)

    def resume_verdict(self, verdict: Verdict, readings: Mapping[Source, Reading]) -> None:
        """Go on from what the server before us knew."""
        if self._detector is not None:
            self._detector.restore(verdict, readings)

    # -- what the side channels bring (sidechannels.Listener)

    def heard(self, kind: str, facts: dict[str, str | int | None]) -> None:
        """Tell whoever follows what the program told its terminal."""
        if kind in ("bell", "notification"):
            self.unseen = self.unseen or not (self.viewers or self.onlookers)
            self.news()
        self._host.publish(kind, self, **facts)

    def forward(self, event: ScreenEvent) -> None:
        """Pass it to the terminal of whoever leads."""
        if (leader := self.viewers.leader) is not None:
            leader.told(event)

    def last_row(self) -> int:
        """Return the last row that the primary screen uses, from 1; 0 while the alternate one shows."""
        if self.screen.alternate:
            return 0
        rows = self.screen.text_rows(0, self.size[1])
        used = max((y for y, text in enumerate(rows, 1) if text), default=1)
        return max(used, self.screen.cursor.y + 1)

    def full_redraw(self, *, history: int = 0, keep_rows: int = 0) -> bytes:
        """Return what makes a terminal of the pane's size show all of this session.

        Raw output may follow: the bytes of a sequence that is cut right now are in it.
        """
        dump = self.screen.dump(history=history, pending=self._shadow.pending)
        return reset_client(self.size[0], keep_rows=keep_rows) + dump

    @property
    def between_sequences(self) -> bool:
        """Whether other bytes may follow what viewers have of the raw output."""
        return self._shadow.between

    # -- what is remembered

    def records(self, start: int | None = None, stop: int | None = None, *, drawn: bool = False) -> Iterator[Record]:
        """Yield what happened from one place in the output to another, None for all that is kept.

        ``drawn``: for an emulator, without the output that once crashed it.

        Raises:
            StoreError: it can't be read.
        """
        found = records(self.journal, self.marks, start, stop)
        return drawable(found, self.poison()) if drawn else found

    # -- input

    def type_for_script(self, data: bytes) -> None:
        """Queue what a script types, which is no prompt: prompts wait until that shows.

        Raises:
            NotRunning, InputFull: as ``type_in``.
        """
        self.type_in(data)
        self.scripted_at = self._host.loop.time()

    def type_in(self, data: bytes) -> None:
        """Queue ``data`` as typed. Never blocks; what the program does not take waits.

        Raises:
            NotRunning: there is nobody to read it.
            InputFull: the queue would pass its bound. Nothing was queued.
        """
        self.check_room(len(data))
        self._host.typed(self)
        self._input.put(data)
        self._host.publish("input", self, bytes=len(data))

    def check_room(self, size: int) -> None:
        """Raise what ``type_in`` would for so many bytes.

        Raises:
            NotRunning, InputFull.
        """
        if self._master is None:
            raise NotRunning(self.name, self.state.shown)
        if self._input.size + size > LIMIT:
            raise InputFull(self.name, self._input.size)

    @property
    def secret(self) -> bool:
        """Whether what is typed is not to be seen: its terminal takes lines and echoes nothing, as for a password."""
        if self._master is None:
            return False
        flags = termios.tcgetattr(self._master)[3]
        return bool(flags & termios.ICANON) and not flags & termios.ECHO

    def prompted(self, text: bytes) -> None:
        """Record that ``text`` is sent on purpose."""
        self._recorder.note(Kind.PROMPT, text[:LONGEST])

    @property
    def input_high(self) -> bool:
        """Whether whoever types a lot should wait."""
        return self._input.high

    def when_input_low(self, resume: Callable[[], None]) -> None:
        """Call ``resume`` once, when the program has read enough, or has ended."""
        self._input.when_low(resume)

    # -- viewers and size

    def attach(self, viewer: Viewer) -> None:
        """Let ``viewer`` watch. If nobody else may type it leads, and the pane takes its size if that is usable."""
        before = self.viewers.leader
        self.viewers.join(viewer)
        self._recorder.note(Kind.ATTACH, b"%d" % len(self.viewers))
        self.seen()
        self._agree(at_once=True)
        self._tell_focus()
        self._lead_changed(before)

    def detach(self, viewer: Viewer) -> None:
        """Stop telling ``viewer``."""
        if viewer in self.viewers:
            before = self.viewers.leader
            self.viewers.leave(viewer)
            self._recorder.note(Kind.ATTACH, b"%d" % len(self.viewers))
            self._agree(at_once=False)
            self._tell_focus()
            self._lead_changed(before)

    def active(self, viewer: Viewer) -> None:
        """``viewer`` typed: it leads from now on."""
        self.typed_at = self._host.loop.time()
        before = self.viewers.leader
        if self.viewers.typed(viewer):
            self._agree(at_once=True)
            self._lead_changed(before)

    def _lead_changed(self, before: Viewer | None) -> None:
        """Show what is under way on the terminal that leads now, and on that one only."""
        if self.progress is not None and (leader := self.viewers.leader) is not before:
            if before is not None and before in self.viewers:
                before.told(Progress(ProgressState.REMOVED, None))
            if leader is not None:
                leader.told(self.progress)

    def viewer_resized(self) -> None:
        """A viewer's size is another one now."""
        self._agree(at_once=False)

    def focus_changed(self) -> None:
        """A viewer's terminal got or lost the keyboard."""
        self._tell_focus()

    def _tell_focus(self) -> None:
        """Tell a program that asked for it whether anybody looks: agents notify when nobody does."""
        if self._master is None:
            return
        if not self.screen.focus_reporting:
            self._focus_told = None
        elif self._focus_told is not (focused := self.viewers.focused):
            self._focus_told = focused
            self.on_reply(b"\x1b[I" if focused else b"\x1b[O")

    def resize(self, size: Size) -> None:
        """Give the pane a size that no viewer asked for. It lasts until one that leads wants another.

        Raises:
            NotRunning: there is no pane.
        """
        if self._master is None:
            raise NotRunning(self.name, self.state.shown)
        if size != self.size:
            self._resize(size)

    def _agree(self, *, at_once: bool) -> None:
        if self._resize_timer is not None:
            self._resize_timer.cancel()
            self._resize_timer = None
        if self._master is None:
            return
        wanted = self.viewers.wanted_size(self._host.config().text("window-size"))
        if wanted is None or wanted == self.size:
            return
        if at_once:
            self._resize(wanted)
        else:
            self._resize_timer = self._host.loop.call_later(RESIZE_WAIT, self._agree_now)

    def _agree_now(self) -> None:
        self._resize_timer = None
        self._agree(at_once=True)

    def _resize(self, size: Size) -> None:
        assert self._master is not None
        screen = self.screen  # built at the old size, in which what it replays was written
        self.row = replace(self.row, size=size)
        self._remember(lambda rows: rows.set_size(self.id, size))
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        screen.resize(size)
        self._recorder.note(Kind.RESIZE, encode_size(size))
        self._host.publish("resized", self, columns=size[0], rows=size[1])
        for viewer in self.viewers:
            viewer.redraw()
        self._wake()
