"""A dialog as the screen shows it: what it asks, its answers, and which of them is marked. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from .verdict import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .verdict import Reading, Verdict

LENGTH = 12
"""Hexadecimal digits of a token: 48 bits."""


@dataclass(frozen=True, slots=True)
class Dialog:
    """A dialog.

    Attributes:
        reading: what it is about, asks and offers.
        marked: the answer that Enter picks, from 0; None where that does not show.
        numbered: whether a number stands before each answer.
        beside: whether the answers stand in one row.
        tail: all from the first answer on, without blanks: what is typed into it stands there.
    """

    reading: Reading
    marked: int | None
    numbered: bool
    beside: bool
    tail: str

    @property
    def options(self) -> tuple[str, ...]:
        """Its answers."""
        return self.reading.options

    def asks_the_same(self, other: Dialog) -> bool:
        """Whether it is ``other``, whatever is typed into one of its answers."""
        return (self.reading.about, self.reading.text) == (other.reading.about, other.reading.text)

    def same(self, other: Dialog) -> bool:
        """Whether it is ``other``, whichever answer is marked."""
        return self.asks_the_same(other) and self.options == other.options


def token(session: int, verdict: Verdict) -> str:
    """Return what names the one dialog that a session waits with: it is another one for each; "" for none."""
    reading = verdict.reason
    if verdict.status is not Status.WAITING or reading is None:
        return ""
    told = [session, reading.about, reading.text, reading.options, f"{verdict.since:.6f}"]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:LENGTH]
