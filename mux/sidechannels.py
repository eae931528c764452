"""What one program told its terminal besides its screen: kept as the session's state, published, passed to who leads.

Everything is somebody else's text: cleaned, cut, and no more of it than a person
could follow. What is a state (title, folder, progress) is published in the end
as it is then, however often it changed; what is a call is dropped above the rate.
"""

from __future__ import annotations

from dataclasses import replace

from . import notes
from .notes import KittyNotifications, Report, ShellMark, clean
from .screen import (
    Bell,
    ClipboardWrite,
    CwdChanged,
    Notification,
    ProgramStatus,
    Progress,
    ProgressState,
    ScreenEvent,
    TitleChanged,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from typing import Protocol

    Fact = str | int | None

    class Listener(Protocol):
        """Who hears of it: the session."""

        def heard(self, kind: str, facts: dict[str, Fact]) -> None:
            """Publish it."""
            ...

        def forward(self, event: ScreenEvent) -> None:
            """Pass it to the terminal of whoever leads."""
            ...


BURST = 10
"""Calls, or states, of one session that are published at once."""

PAUSE = 0.5
"""Seconds until one more may be."""


class Allowance:
    """A bucket of BURST tokens that fills by one each PAUSE. Told the time."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = float(BURST)
        self._at = 0.0

    def take(self, now: float) -> bool:
        """Take a token at ``now`` (seconds, any origin); False where there is none."""
        self._left = min(float(BURST), self._left + max(0.0, now - self._at) / PAUSE)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class SideChannels:
    """One session's. Made with its first event."""

    __slots__ = (
        "_calls",
        "_due",
        "_kitty",
        "_listener",
        "_loop",
        "_states",
        "_timer",
        "_told",
        "mark",
        "progress",
        "report",
    )

    def __init__(self, listener: Listener, loop: AbstractEventLoop) -> None:
        self._listener = listener
        self._loop = loop
        self._calls = Allowance()
        self._states = Allowance()
        self._due: dict[str, dict[str, Fact]] = {}  # states over the rate, by kind: the newest counts
        self._told: dict[str, dict[str, Fact]] = {}
        self._timer: TimerHandle | None = None
        self._kitty = KittyNotifications()
        self.mark: ShellMark | None = None
        self.progress: Progress | None = None
        self.report: Report | None = None

    def event(self, event: ScreenEvent) -> None:
        """Take what the emulator understood."""
        if isinstance(event, TitleChanged):
            self._state("title", title=clean(event.title))
        elif isinstance(event, CwdChanged):
            self._state("cwd", path=clean(event.path, 4096))
        elif isinstance(event, Progress):
            removed = event.state is ProgressState.REMOVED
            self.progress = None if removed else event
            self._state("progress", state=event.state.name.lower(), percent=event.value)
            self._listener.forward(event)
        elif isinstance(event, ProgramStatus):
            self._status(notes.status(event.report))
        elif self._calls.take(self._loop.time()):
            self._call(event)

    def note(self, sequence: bytes) -> bytes:
        """Take what it did not understand; return an answer for the program, b"" for none."""
        if (mark := notes.shell_mark(sequence)) is not None:
            self._mark(mark)
            return b""
        taken = self._kitty.take(sequence)
        if isinstance(taken, Notification):
            self.event(taken)
        return taken if isinstance(taken, bytes) else b""

    def close(self) -> None:
        """No more timers."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _call(self, event: ScreenEvent) -> None:
        if isinstance(event, Notification):
            event = replace(event, title=clean(event.title), body=clean(event.body))
            self._listener.heard("notification", {"title": event.title, "body": event.body})
        elif isinstance(event, Bell):
            self._listener.heard("bell", {})
        elif isinstance(event, ClipboardWrite):
            if not event.data:
                return  # a program that clears the clipboard clears somebody's
            self._listener.heard("clipboard", {"bytes": len(event.data)})
        self._listener.forward(event)

    def _mark(self, mark: ShellMark) -> None:
        self.mark = mark
        if mark.mark == "C":
            self._state("command", state="running", exit_status=None)
        elif mark.mark == "D":
            self._state("command", state="ended", exit_status=mark.status)

    def _status(self, status: Report | None) -> None:
        if status is None:
            return
        self.report = status
        self._state("program-status", state=status.state, about=status.kind, message=status.message)

    def _state(self, kind: str, **facts: Fact) -> None:
        """Publish a state, now or when the rate allows; the newest counts."""
        if self._told.get(kind) == facts and kind not in self._due and kind != "command":
            return
        if kind in self._due or not self._states.take(self._loop.time()):
            self._due[kind] = facts
            if self._timer is None:
                self._timer = self._loop.call_later(PAUSE, self._pay)
            return
        self._told[kind] = facts
        self._listener.heard(kind, facts)

    def _pay(self) -> None:
        self._timer = None
        due, self._due = self._due, {}
        for kind, facts in due.items():
            self._state(kind, **facts)
