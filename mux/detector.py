"""Watches what one session does: takes readings when something changed, and keeps the verdict.

Nothing is looked at while nothing changes. What changes often is looked at every PAUSE, first after SOON.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from . import programs, zone
from .alarm import Alarm
from .screen import ProgressState
from .statusfile import StatusFile
from .verdict import HOLD, OWN, Reading, Settling, Source, Status, Verdict, judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Mapping

    from .dialog import Dialog
    from .notes import Report, ShellMark
    from .profiles import Profile
    from .screen import Progress, Screen

SOON = 0.02
"""Seconds from output to the look at it: what belongs together has mostly come by then."""

PAUSE = 0.12
"""Least seconds between two looks at one session: people, and who waits, see a change within 150 ms."""

SCREEN_PAUSE = 0.4
"""Least seconds between two looks at the screen of a program that says by other means that it works, and that would
say so by them if it did not: rendering and searching its rows is what costs."""

START = 30.0
"""Seconds for which an agent that nothing is known of yet counts as starting: opencode has been seen to take 20."""

FILE_LATE = 0.5
"""Seconds of silence after which a file in which a program publishes what it does is looked at once more: Claude Code
has been seen to write it up to 0.15 s after what its terminal shows."""

LATE = 1.0
"""Seconds by which a tool may have started before its agent was seen at work."""

TELLING = (*OWN, Source.TITLE)
"""What tells both that a program works and that it does not."""

REPORTS = {
    "idle": Status.IDLE,
    "done": Status.IDLE,
    "working": Status.WORKING,
    "blocked": Status.WAITING,
    "error": Status.WAITING,
}
"""What the states of OSC 7501 mean."""

KINDS = {"permission": "approval", "question": "question", "auth": "login"}
"""What its kinds of being blocked mean."""


class Watched(Protocol):
    """What is looked at: the session."""

    pid: int

    @property
    def screen(self) -> Screen:
        """The emulator."""
        ...

    @property
    def master(self) -> int | None:
        """The terminal, while there is one."""
        ...

    @property
    def report(self) -> Report | None:
        """What the program last said of its state, also that it takes its word back; None if it never did."""
        ...

    @property
    def progress(self) -> Progress | None:
        """What it last said of its progress."""
        ...

    @property
    def mark(self) -> ShellMark | None:
        """What its shell last said of its prompt."""
        ...

    def busy_since(self, at: float) -> bool:
        """Whether it has started another program since ``at`` (Unix seconds) that still runs."""
        ...

    def judged(self, before: Status, verdict: Verdict, readings: Mapping[Source, Reading]) -> None:
        """Hear of a verdict that is another one than before, and of all that led to it."""
        ...

    def looked(self) -> None:
        """Hear that it was looked at: something had changed."""
        ...

    def converses(self, conversation: str) -> None:
        """Hear which conversation its agent has open, when that is another one."""
        ...

    def profile(self, argv: tuple[str, ...] | None) -> Profile | None:
        """Return the profile of what a command line starts, None: of the session's own."""
        ...


class Detector:
    """The readings of one live session, and its verdict."""

    __slots__ = (
        "_alarm",
        "_alive",
        "_conversation",
        "_file",
        "_foreground",
        "_last",
        "_loop",
        "_now",
        "_own",
        "_profile",
        "_screen_due",
        "_settling",
        "_started",
        "_watched",
        "readings",
        "rested_at",
    )

    def __init__(self, watched: Watched, loop: AbstractEventLoop, now: Callable[[], float]) -> None:
        """``now`` returns Unix seconds: the loop's clock stands still while the machine sleeps."""
        self._watched = watched
        self._loop = loop
        self._now = now
        self._own = self._profile = watched.profile(None)
        self._started = loop.time()
        self._foreground: tuple[int, tuple[str, ...]] | None = None  # not looked yet
        self._file: StatusFile | None = None
        self._conversation = ""
        self._alive = loop.time()
        self._last = 0.0
        self._screen_due = 0.0
        self._alarm = Alarm(loop, self._look)
        self.readings: dict[Source, Reading] = {}
        self.rested_at: float | None = None  # when it first was idle, on the loop's clock
        first = Status.STARTING if self._knows else Status.UNKNOWN
        self._settling = Settling(Verdict(first, now()))

    @property
    def verdict(self) -> Verdict:
        """What the session does."""
        return self._settling.verdict

    @property
    def profile(self) -> Profile | None:
        """That of the agent that is watched: perhaps one that was started in a shell."""
        if self._foreground is None and self._watched.master is not None:
            self._recognise()  # whoever asks before the first look would take it for what was started
        return self._profile

    @property
    def takes_prompt(self) -> bool:
        """Whether the screen shows a place to type a prompt into, as far as the profile knows."""
        screen = self._watched.screen
        return self._profile is not None and self._profile.signs.takes_prompt(screen.text_rows(0, screen.size[1]))

    def look(self) -> Verdict:
        """Look now; return what follows, nothing held."""
        at = self._now()
        if self._watched.master is not None:
            self._screen_due = 0.0
            self._read(self._loop.time(), at)
        return judge(self.readings, at)

    @property
    def _knows(self) -> bool:
        signs = self._profile.signs if self._profile is not None else None
        return signs is not None and bool(signs.rules or signs.composer)

    def restore(self, verdict: Verdict, readings: Mapping[Source, Reading]) -> None:
        """Go on from what a server before us knew: what is published or told is not told again."""
        told = (Source.PUBLISHED, Source.HOOK)
        self.readings.update((source, readings[source]) for source in told if source in readings)
        if (screen := readings.get(Source.SCREEN)) is not None and screen.resets is not None:
            self.readings[Source.SCREEN] = screen  # what it says of time counts from when it was said
        self._settling = Settling(verdict)
        self.changed()

    def printed(self) -> None:
        """It shows a sign of life."""
        self._alive = self._loop.time()
        self.changed()

    def changed(self) -> None:
        """Something did: look soon."""
        self._alarm.at(max(self._loop.time() + SOON, self._last + PAUSE))

    def dialog_now(self) -> Dialog | None:
        """Return the dialog that the screen shows at this moment, None for none."""
        if self._profile is None or not self._knows:
            return None
        screen = self._watched.screen
        return self._profile.signs.dialog(
            screen.text_rows(0, screen.size[1], styled=True), self._now(), paste=screen.bracketed_paste
        )

    def hook(self, reading: Reading) -> None:
        """Take what a hook of the program's tells."""
        self.readings[Source.HOOK] = reading
        self.changed()

    def streamed(self, reading: Reading | None) -> None:
        """Take what its event stream says now, None for nothing, or where there is none any more."""
        if reading is None:
            self.readings.pop(Source.STREAM, None)
        else:
            self.readings[Source.STREAM] = reading
        self.changed()

    def close(self) -> None:
        """Look no more."""
        self._alarm.stop()

    def _look(self) -> None:
        self._last = now = self._loop.time()
        if self._watched.master is None:
            return
        at = self._now()
        looked = self._read(now, at)
        verdict = judge(self.readings, at)
        if verdict.status is Status.UNKNOWN and self._starting(now):
            verdict = replace(verdict, status=Status.STARTING)
        stall = self._stall(verdict, now)
        if stall is not None and stall <= now:
            verdict = self._stalled(verdict, now - self._alive, at)
            stall = None if verdict.status is Status.STALLED else now + self._stalls
        before = self.verdict
        again = self._settling.take(verdict, now) or stall
        if self.rested_at is None and self.verdict.status is Status.IDLE:
            self.rested_at = now
        if not looked:
            again = min(again or self._screen_due, self._screen_due)
        self._watched.looked()
        if not self.verdict.same(before):
            self._watched.judged(before.status, self.verdict, self.readings)
        if again is None and self.verdict.status is Status.STARTING:
            again = self._started + START
        if self._file is not None and self._file.there and now < self._alive + FILE_LATE:
            again = min(again or self._alive + FILE_LATE, self._alive + FILE_LATE)
        if again is not None:
            self._alarm.at(max(again, now + SOON))

    @property
    def _stalls(self) -> float:
        return self._profile.stall if self._profile is not None else 0.0

    def _stall(self, verdict: Verdict, now: float) -> float | None:
        """Return when it would be silent for too long at its work, None for never."""
        return self._alive + self._stalls if self._stalls and verdict.status is Status.WORKING else None

    def _stalled(self, verdict: Verdict, silent: float, at: float) -> Verdict:
        """Return the verdict on work in so many seconds of silence: a tool that runs is allowed to take its time."""
        working = self.verdict if self.verdict.status is Status.WORKING else verdict
        if self._watched.busy_since(working.since - LATE):
            return verdict
        reading = Reading(Source.OUTPUT, Status.STALLED, f"nothing for {silent:.0f} s", at - silent)
        return Verdict(Status.STALLED, at, reading, (verdict.reason,) if verdict.reason else ())

    def _starting(self, now: float) -> bool:
        return self._knows and self.verdict.status is Status.STARTING and now < self._started + START

    def _read(self, now: float, at: float) -> bool:
        """Take all readings; return whether the screen was among them, where there is anything to look for.

        Args:
            now: the loop's time.
            at: Unix seconds.
        """
        watched = self._watched
        if any(one.at > at for one in self.readings.values()):  # the clock was set back, and what comes is later
            self.readings = {source: replace(one, at=min(one.at, at)) for source, one in self.readings.items()}
        before = {source: self.readings.get(source) for source in TELLING}
        self._take(Source.PROCESS, self._process(at))
        self._take(Source.PUBLISHED, self._published(at))
        self._read_file(at)
        self._take(Source.PROGRESS, _progress(watched.progress, at))
        signs = self._profile.signs if self._profile is not None else None
        screen = watched.screen
        self._take(Source.TITLE, signs.title(screen.title, at) if signs is not None else None)
        if signs is None or not self._knows:
            self._take(Source.SCREEN, None)
            return True
        works = any(one is not None and one.says is Status.WORKING for one in before.values())
        same = all(self.readings.get(source) == one for source, one in before.items())
        if works and same and self.verdict.status is Status.WORKING and now < self._screen_due:
            return False
        self._screen_due = now + SCREEN_PAUSE
        rows = screen.text_rows(0, screen.size[1])
        self._take(Source.SCREEN, signs.screen(rows, at, zone=zone.local(), paste=screen.bracketed_paste))
        return True

    def _take(self, source: Source, reading: Reading | None) -> None:
        """Keep a reading, with the time from which on it has been so."""
        before = self.readings.get(source)
        if reading is None:
            if source is not Source.PUBLISHED or self._watched.report is not None:
                self.readings.pop(source, None)
        elif before is not None and (before.says, before.rule) == (reading.says, reading.rule):
            # "8pm" is another time tomorrow, and "in 2 hours" in an hour: the same words mean what they meant at first.
            # They are not there where no text is written down.
            same = before.resets is not None and before.text in ("", reading.text)
            self.readings[source] = replace(reading, at=before.at, resets=before.resets if same else reading.resets)
        else:
            self.readings[source] = reading

    def _read_file(self, at: float) -> None:
        """Take what its file says, which tells since when by itself; of an agent in a shell, not its conversation."""
        said = self._file.read(at) if self._file is not None else None
        if said is None or said.reading is None:
            self.readings.pop(Source.FILE, None)
        else:
            self.readings[Source.FILE] = said.reading
        if said is not None and said.conversation not in ("", self._conversation):
            self._conversation = said.conversation
            own = self._watched.profile(None)
            if own is not None and self._profile is not None and own.name == self._profile.name:
                self._watched.converses(said.conversation)

    def _published(self, at: float) -> Reading | None:
        report = self._watched.report
        if report is None:
            return None
        says = REPORTS.get(report.state)
        if says is None:
            return None
        about = ""
        if says is Status.WAITING:
            about = "error" if report.state == "error" else KINDS.get(report.kind, "dialog")
        return Reading(Source.PUBLISHED, says, f"program status {report.state}", at, about, report.message)

    def _recognise(self) -> tuple[int, tuple[str, ...]]:
        """Look who has the terminal: its process group, and its command line unless the agent is known anyhow.

        An agent that was started in a shell or by a script is watched as that agent.
        """
        watched = self._watched
        assert watched.master is not None
        group = programs.foreground(watched.master)
        # What a program becomes by exec keeps its number; of an agent that is known it would be the agent all the same.
        argv = programs.argv_of(group) if self._own is None or self._own.name == SHELL else ()
        if (group, argv) != self._foreground:
            self._foreground = group, argv
            self._own = self._profile = watched.profile(None)
            if self._own is None or self._own.name == SHELL:
                found = watched.profile(argv)
                if found is not None and found.name != SHELL:
                    self._profile = found
            self._file = StatusFile(self._profile.published, group) if self._profile is not None else None
        return group, argv

    def _process(self, at: float) -> Reading | None:
        """Look who has the terminal."""
        group, argv = self._recognise()
        watched = self._watched
        if self._profile is None or self._profile.name != SHELL:
            return None
        mark = watched.mark
        if group == watched.pid:
            if mark is not None:
                said = "runs a command" if mark.mark == "C" else "shows its prompt"
                return Reading(
                    Source.PROCESS, Status.WORKING if mark.mark == "C" else Status.IDLE, f"the shell {said}", at
                )
            if programs.interactive(argv):
                return Reading(Source.PROCESS, Status.IDLE, "the shell has the terminal", at)
            return Reading(Source.PROCESS, Status.WORKING, "the shell runs a script", at)
        name = " ".join(argv[:1]).rpartition("/")[2]
        if watched.screen.alternate:
            return Reading(Source.PROCESS, Status.UNKNOWN, f"{name or 'a program'} has the screen", at)
        return Reading(Source.PROCESS, Status.WORKING, f"{name or 'a program'} has the terminal", at, text=name)


SHELL = "shell"
"""The profile of what runs other programs."""


def _progress(progress: Progress | None, at: float) -> Reading | None:
    if progress is None or progress.state in (ProgressState.REMOVED, ProgressState.ERROR, ProgressState.PAUSED):
        return None
    return Reading(Source.PROGRESS, Status.WORKING, f"progress {progress.state.name.lower()}", at)


assert min(HOLD.values()) >= PAUSE, "what is held must be looked at meanwhile"
