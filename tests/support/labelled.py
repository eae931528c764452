"""What a session was known to do, beside what agentmux said of it: labels, samples, and how many of them are right."""

from __future__ import annotations

import json
import signal
import threading
import time
from typing import NamedTuple

from world import World

EVERY = 0.1
"""Seconds between two samples."""

GRACE = 0.5
"""Seconds after a change in which a sample counts neither way."""


class Label(NamedTuple):
    """What is true from some moment between ``since`` and ``by`` on (Unix seconds)."""

    since: float
    by: float
    status: str
    about: str = ""


class Wrong(NamedTuple):
    """A sample that is not right."""

    at: float
    said: str
    true: str


class Watch:
    """Follows the events of one session; the status between two of them is the first one's."""

    def __init__(self, world: World, name: str) -> None:
        self.labels: list[Label] = []
        self._world = world
        self._name = name
        self._changes: list[tuple[float, str, str]] = []
        self._process = world.start("events", "--json", "-t", name)
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()
        info = world.info(name)
        self._changes.insert(0, (0.0, str(info["status"]), str(info["about"] or "")))

    def _follow(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = json.loads(line)
            if event["event"] == "status":
                self._changes.append((event["at"], event["status"], event["about"] or ""))
            elif event["event"] in ("exited", "lost"):
                self._changes.append((event["at"], event["event"], ""))

    def label(self, status: str, about: str = "", *, since: float | None = None, by: float | None = None) -> None:
        """Say what is true from now on, or since some moment after ``since`` and before ``by``."""
        now = time.time()
        self.labels.append(Label(since or by or now, by or now, status, about))

    def stop(self) -> None:
        """Follow no more."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)
        self._thread.join(10)

    def said(self, at: float) -> tuple[str, str]:
        """Return what agentmux said at a moment."""
        found = [change for change in self._changes if change[0] <= at]
        return found[-1][1:] if found else ("", "")

    def compare(self) -> tuple[int, list[Wrong]]:
        """Return how many samples count, and those that are wrong."""
        counted, wrong = 0, []
        ends = [label.since for label in self.labels[1:]] + [time.time()]
        for label, end in zip(self.labels, ends, strict=True):
            at = label.by + GRACE
            while at < end:
                counted += 1
                status, about = self.said(at)
                if status != label.status or (label.about and about != label.about):
                    said, true = f"{status} {about}".strip(), f"{label.status} {label.about}".strip()
                    wrong.append(Wrong(round(at - self.labels[0].since, 2), said, true))
                at += EVERY
        return counted, wrong

    def idle_under_dialogs(self) -> list[Wrong]:
        """Return the samples that call a session idle while a dialog is open."""
        return [one for one in self.compare()[1] if one.said == "idle" and one.true.startswith("waiting")]
