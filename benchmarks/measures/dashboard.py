"""How soon the dashboard shows something and a key's effect, and what it uses: beside quiet sessions, beside floods.

It runs on a terminal with an emulator behind it, agentmux's own, which answers what is asked and tells what is shown;
that takes agentmux's interpreter. The first paint is the first name of a session. Beside it stands an interpreter that
imports prompt_toolkit and ends.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from statistics import median
from time import monotonic, perf_counter, sleep

from ..contenders import Agentmux, Contender
from ..table import Line, against, below
from ..tools import PATIENCE, SIZE, Actor, Problem, Stage, Terminal, busy, percentile, run_timed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NAMED = re.compile(r"\bbench\d+")
"""A session's name."""

SELECTED = re.compile(r"^>.*?\b(bench\d+)", re.MULTILINE)
"""The row of the selected session."""

DOWN, UP = b"j", b"k"
"""Keys that select another one."""

PAUSE = 0.15
"""Seconds between two keys."""

FEW, MANY, FLOODS = 5, 200, 20
"""Sessions, and how many of the many flood."""

PAINT = 2.5
"""Interpreters that import prompt_toolkit: what the first paint may take."""

KEY, BUSY, IDLE = 50.0, 25.0, 0.2
"""Milliseconds until a key's effect shows, and percent of a core beside floods and without."""

REST = 5.0
"""Seconds until sessions that were started, or a dashboard, have come to rest."""


def run(stage: Stage, contenders: list[Contender]) -> list[Line]:
    """Open it beside few sessions, and beside many; then let some of them flood."""
    lines: list[Line] = []
    for one in contenders:
        if isinstance(one, Agentmux):
            ours = one.another("dashboard")
            if not ours.has_dashboard():
                stage.notes.append("dashboard: not measured, for this version has none")
                continue
            with stage.trying(one.name):
                lines = _measured(stage, ours)
                ours.stop()
    return lines


def _measured(stage: Stage, ours: Agentmux) -> list[Line]:
    rounds = stage.numbers(5, 20)
    for number in range(FEW):
        ours.new(f"bench{number}", ["cat"])
    lines = [_painted(stage, ours, f"first paint, {FEW} sessions", rounds)]
    for number in range(FEW, MANY - FLOODS):
        stage.say(f"starting {number}/{MANY}")
        ours.new(f"bench{number}", ["cat"])
    floods: list[Actor] = []
    for number in range(MANY - FLOODS, MANY):
        ours.new(f"bench{number}", stage.program("flood", f"dashboard{number}"))
        floods.append(stage.actor(f"dashboard{number}"))
        sleep(0.2)  # until it is ``yes``
        floods[-1].signal(signal.SIGSTOP)
    sleep(REST)
    lines.append(_painted(stage, ours, f"first paint, {MANY} sessions", rounds))
    stage.say("watching it idle")
    idle = _shown(ours, "watch", stage.numbers(5, 30))
    for actor in floods:
        actor.signal(signal.SIGCONT)
    stage.say("watching floods")
    busy = _shown(ours, "watch", stage.numbers(5, 20))
    stage.say("typing beside floods")
    keys = _shown(ours, "type", stage.numbers(40, 200))
    for actor in floods:
        actor.signal(signal.SIGKILL)
        actor.close()
    us, title = ours.name, f"{MANY} sessions, {FLOODS} flood"
    return [
        *lines,
        below("dashboard", f"{MANY} quiet sessions, CPU", "% of a core", {us: idle[0]}, IDLE),
        below("dashboard", f"{title}, CPU", "% of a core", {us: busy[0]}, BUSY),
        Line("dashboard", f"{title}, key p50", "ms", {us: percentile(keys, 0.5)}, samples={us: len(keys)}),
        below("dashboard", f"{title}, key p95", "ms", {us: percentile(keys, 0.95)}, KEY),
    ]


def _painted(stage: Stage, ours: Agentmux, title: str, rounds: int) -> Line:
    took: list[float] = []
    bare: list[float] = []
    for number in range(rounds):
        stage.say(f"{title} {number}/{rounds}")
        took += _shown(ours, "open", 1)
        bare.append(run_timed([ours.python, "-c", "import prompt_toolkit"], ours.env)[0] * 1000)
    values = {ours.name: median(took), "floor": median(bare)}
    return against("dashboard", title, "ms", values, factor=PAINT, of="floor", samples={ours.name: rounds})


def _shown(ours: Agentmux, what: str, number: int) -> list[float]:
    """Have the interpreter that has an emulator do one of DOING on a new dashboard; return what it found."""
    words = (what, str(number), *ours.argv("dashboard"))
    found: list[float] = ours.within("dashboard", *words, timeout=number + 10 * PATIENCE)
    return found


class _Dashboard:
    """One on a terminal, and what it shows."""

    def __init__(self, argv: list[str]) -> None:
        from agentmux.mux.screen import Screen, load

        load()
        self._replies: list[bytes] = []
        self._screen = Screen(SIZE, on_reply=self._replies.append)
        self.terminal = Terminal(argv, os.environ)
        self._until(lambda text: NAMED.search(text), "a session's name")
        self.painted = perf_counter() - self.terminal.began

    def text(self) -> str:
        """Return the screen."""
        return "\n".join(self._screen.text_rows(0, SIZE[1]))

    def selected(self) -> str:
        """Return the name of the selected session, "" if none is."""
        found = SELECTED.search(self.text())
        return found[1] if found else ""

    def read(self, seconds: float) -> None:
        """Take in what comes in that time, or less."""
        self._screen.feed(self.terminal.read(seconds))
        for reply in self._replies:
            self.terminal.type(reply)
        self._replies.clear()

    def rest(self, seconds: float) -> None:
        """Take in all that comes in that time."""
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            self.read(left)

    def _until(self, true: Callable[[str], object], what: str) -> None:
        until = monotonic() + PATIENCE
        while not true(self.text()):
            if monotonic() > until:
                raise Problem(f"no {what} in {PATIENCE:g} s; shown is:\n{self.text()}")
            self.read(0.5)

    def key(self, key: bytes) -> float:
        """Press a key; return the seconds until another session is selected."""
        before = self.selected()
        start = perf_counter()
        self.terminal.type(key)
        self._until(lambda text: self.selected() not in (before, ""), "effect of a key")
        return perf_counter() - start


def opened(shown: _Dashboard, number: int) -> list[float]:
    """Return the milliseconds until it showed something."""
    return [shown.painted * 1000]


def watched(shown: _Dashboard, seconds: int) -> list[float]:
    """Return the percent of a core that it uses for so many seconds, some time after it was opened."""
    shown.rest(REST)
    return [busy([shown.terminal.pid], seconds, shown.rest)]


def typed(shown: _Dashboard, count: int) -> list[float]:
    """Return the milliseconds that each of ``count`` keys took to show."""
    shown.rest(1.0)
    found = []
    for number in range(count):
        found.append(shown.key(UP if number % 2 else DOWN) * 1000)
        shown.rest(PAUSE)
    return found


DOING = {"open": opened, "watch": watched, "type": typed}


def main() -> None:
    """Do one of DOING: WHAT NUMBER ARGV...; print what it found as JSON."""
    what, number, *argv = sys.argv[1:]
    shown = _Dashboard(argv)
    try:
        json.dump(DOING[what](shown, int(number)), sys.stdout)
    finally:
        shown.terminal.close()
