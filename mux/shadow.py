"""The emulator in the shadow of the journal: built from it when somebody first needs the screen, kept up from then on.

What the program prints goes through a sieve: some of it is for the emulator only, some for neither it nor the viewers.
In a restarted server as for an ended session, the screen is the newest snapshot and what the journal has behind it,
less the ranges that once crashed the emulator. A scrollback that nothing is added to is compressed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from agentmux.store.errors import StoreError
from agentmux.store.journal import SEGMENT, Journal
from agentmux.store.marks import Marks
from agentmux.store.records import Kind

from .reset import fresh, reset_client, soft_reset
from .screen import BadSnapshot, Screen, ScreenEvent
from .sieve import For, Sieve
from .size import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Iterator, Sequence

    from agentmux.store.records import Record

    from .screen import Colours

QUIET = 2.0
"""Seconds without output after which the scrollback is compressed. No timer runs for a session that is quiet."""

COMPRESS_PAUSE = 0.005
"""Seconds between two steps of that, for everybody else."""

REPLAY = 1 << 18
"""Bytes of journal fed at once."""


class Owner(Protocol):
    """What a shadow needs of its session. One object, not six callables: there are hundreds of sessions."""

    journal: Journal
    marks: Marks

    def scrollback(self) -> int:
        """Return the bytes of scrollback to keep."""
        ...

    def rows_above(self) -> int:
        """Return how many rows of scrollback a client gets at attach."""
        ...

    def poison(self) -> Sequence[tuple[int, int]]:
        """Return the byte ranges of the journal that must not be fed, by start."""
        ...

    def colours(self) -> Colours:
        """Return what the program is told of its terminal's colours."""
        ...

    def on_reply(self, data: bytes) -> None:
        """Take an answer for the program. Not called for what a replay brings up again."""
        ...

    def on_event(self, event: ScreenEvent) -> None:
        """Take what the program told its terminal. Likewise."""
        ...

    def on_note(self, sequence: bytes) -> None:
        """Take a sequence that the emulator does not understand. Likewise."""
        ...

    def segment_closed(self) -> None:
        """Hear that a segment of the journal is full."""
        ...

    def rests(self) -> None:
        """Hear that there was output, and now none for a moment."""
        ...

    def warn(self, text: str) -> None:
        """Write a line to the log."""
        ...


class Shadow:
    """A session's emulator, there or not."""

    __slots__ = (
        "_fed_since",
        "_journal",
        "_loop",
        "_owner",
        "_replaying",
        "_saved",
        "_screen",
        "_segment",
        "_sieve",
        "_timer",
    )

    def __init__(self, owner: Owner, loop: AbstractEventLoop) -> None:
        self._owner = owner
        self._journal = journal = owner.journal
        self._loop = loop
        self._screen: Screen | None = None
        self._sieve = Sieve()
        self._replaying = False
        self._saved = 0  # where the state on disk stands that a replay goes on from
        self._segment = journal.segment_start
        self._timer: TimerHandle | None = None
        self._fed_since = False

    @property
    def there(self) -> bool:
        """Whether the emulator is in memory."""
        return self._screen is not None

    def screen(self, size: Size, end: int | None = None) -> Screen:
        """Return the emulator of a pane of ``size``, fed up to journal offset ``end`` (None: all of it)."""
        return self._screen or self._rebuilt(size, self._journal.end if end is None else end)

    @property
    def pending(self) -> bool:
        """Whether viewers must get the bytes of the sequence that the emulator has not seen the end of."""
        return not self._sieve.hidden

    @property
    def between(self) -> bool:
        """Whether what viewers got so far ends between two sequences, so that others may follow."""
        return self._sieve.hidden or (self._screen is not None and self._screen.at_ground)

    def feed(self, data: bytes, at: int, size: Size) -> bytes:
        """Feed output whose first byte is at journal offset ``at``; return what viewers may have now."""
        shown = self._feed(self.screen(size, at), data)
        if self._timer is None:
            self._timer = self._loop.call_later(QUIET, self._quiet)
        else:
            self._fed_since = True
        if self._journal.segment_start != self._segment:
            self._segment = self._journal.segment_start
            self.checkpoint()
            self._owner.segment_closed()
        return shown

    def _feed(self, screen: Screen, data: bytes) -> bytes:
        shown = []
        for who, part in self._sieve.feed(data):
            if who is For.ALL:
                screen.feed(part)
                shown.append(part)
            elif who is For.EMULATOR:
                screen.feed(part)
            elif who is For.ANSWER:
                if reply := screen.answer(part):
                    self._on_reply(reply)
            elif who is For.NOTE:
                if not self._replaying:
                    self._owner.on_note(part)
            elif who is For.RESET:
                screen.feed(fresh(screen.size[0]))
                shown.append(reset_client(screen.size[0]))
            else:
                x, y, _ = screen.cursor
                screen.feed(soft_reset(x, y))
                shown.append(part)
        return shown[0] if len(shown) == 1 else b"".join(shown)

    def checkpoint(self) -> None:
        """Save the emulator's state, so that a restart replays little. Nothing is lost without it."""
        if self._screen is None:
            return
        # What is not recorded does not move the journal's end.
        self._save(self._screen, max(self._journal.start, self._journal.end - self._sieve.held))

    def _save(self, screen: Screen, at: int) -> None:
        blob = screen.snapshot()
        if blob is None:
            return  # in the middle of a sequence: the next time will do
        try:
            self._journal.save_snapshot(at, blob)
        except StoreError as error:
            self._owner.warn(f"no snapshot: {error}")
        self._saved = at

    def close(self) -> None:
        """Let go of the emulator; it can be had again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._screen is not None:
            self._screen.close()
            self._screen = None

    def _quiet(self) -> None:
        """Look, some time after output, whether it has stopped; then compress, a little at a time."""
        self._timer = None
        if self._fed_since:
            self._fed_since = False
            self._timer = self._loop.call_later(QUIET, self._quiet)
        elif self._screen is not None and self._tidied(self._screen):
            self._timer = self._loop.call_later(COMPRESS_PAUSE, self._quiet)
        else:
            self._owner.rests()

    def _tidied(self, screen: Screen) -> bool:
        """Do one step of what makes a quiet screen quick to show and small to keep; return whether it did something."""
        return screen.draw_ahead(self._owner.rows_above()) or screen.compress()

    def _rebuilt(self, size: Size, end: int) -> Screen:
        screen, at = self._from_snapshot(size)
        self._saved = at
        self._screen = screen
        self._sieve.resume(screen.pending())
        self._replaying = True  # its questions were answered then
        try:
            poison = self._owner.poison()
            for mark in self._owner.marks.read(at):
                if mark.kind is Kind.RESIZE and at <= mark.offset <= end:
                    self._replay(screen, at, mark.offset, poison)
                    at = mark.offset
                    screen.resize(mark.size)
            self._replay(screen, at, end, poison)
        except StoreError as error:
            self._owner.warn(f"the screen misses what can't be read: {error}")
        finally:
            self._replaying = False
        if screen.size != size:
            screen.resize(size)
        screen.set_colours(*self._owner.colours())
        return screen

    def _replay(self, screen: Screen, start: int, stop: int, poison: Sequence[tuple[int, int]]) -> None:
        for begin, until in _good_ranges(start, stop, poison):
            while begin < until and (data := self._journal.read(begin, min(REPLAY, until - begin))):
                self._feed(screen, data)
                begin += len(data)
                # Snapshots may have failed for long, and we may be killed before the end: each server gets further.
                if begin - self._saved >= SEGMENT and not self._sieve.held:
                    self._save(screen, begin)

    def _from_snapshot(self, size: Size) -> tuple[Screen, int]:
        """Return the newest state on disk, or a blank one, and the journal offset where it stands."""
        scrollback = self._owner.scrollback()
        found = self._journal.load_snapshot()
        if found is None:
            blank = Screen(size, scrollback_bytes=scrollback, on_reply=self._on_reply, on_event=self._on_event)
            return blank, self._journal.start
        at, blob = found
        try:
            restored = Screen.restore(
                blob, scrollback_bytes=scrollback, on_reply=self._on_reply, on_event=self._on_event
            )
        except BadSnapshot as error:
            self._owner.warn(f"snapshot at {at} left aside: {error}")
            self._journal.drop_snapshot(at)
            return self._from_snapshot(size)
        return restored, at

    def _on_reply(self, data: bytes) -> None:
        if not self._replaying:
            self._owner.on_reply(data)

    def _on_event(self, event: ScreenEvent) -> None:
        if not self._replaying:
            self._owner.on_event(event)


def drawable(found: Iterator[Record], poison: Sequence[tuple[int, int]]) -> Iterator[Record]:
    """Yield records without the output that is in a range of ``poison``."""
    for record in found:
        if not poison or record.kind is not Kind.OUTPUT:
            yield record
            continue
        for start, stop in _good_ranges(record.offset, record.offset + len(record.data), poison):
            if start < stop:
                data = record.data[start - record.offset : stop - record.offset]
                yield replace(record, offset=start, data=data)


def _good_ranges(start: int, stop: int, poison: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the parts of start..stop that are in no range of ``poison``, which is in order and may overlap."""
    ranges = []
    for bad_start, bad_stop in poison:
        if bad_start >= stop:
            break
        if start < bad_start:
            ranges.append((start, bad_start))
        start = max(start, min(bad_stop, stop))
    return [*ranges, (start, stop)]
