"""What an attached client draws over the session for a moment: help, a question, a list. Pure.

An overlay takes keys and says when it is done. The session's screen comes back
by a redraw from the server, so it may write anywhere.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    class Overlay(Protocol):
        """Something drawn over the session.

        Attributes:
            takes_mouse: whether mouse reports are keys to it.
        """

        takes_mouse: bool

        def draw(self, size: tuple[int, int]) -> bytes:
            """Return what shows it on a terminal of (columns, rows)."""
            ...

        def feed(self, keys: bytes) -> Outcome | None:
            """Return how it ended with this key, or None when it goes on."""
            ...


ACTIONS = {
    "detach": "detach from the session",
    "new": "start a new session and show it",
    "next": "next session",
    "previous": "previous session",
    "last": "the session shown before",
    "choose": "choose a session in the view",
    "interrupt": "interrupt the program",
    "kill": "kill the session, after a question",
    "redraw": "draw the screen again",
    "scrollback": "look through the scrollback: search, copy",
    "help": "this help",
}
"""What a key after the prefix can be bound to, and what it does."""

_KEYS_OFF = b"\x1b[=0;1u\x1b[>4;0m\x1b[?1l\x1b>\x1b[?1000;1002;1003l\x1b[?1004l"
_CLEAR = b"\x18\x1b\\\x1b[?2026l\x1b[0m\x1b[?69l\x1b[r\x1b[?6l\x1b[4l\x1b(B\x0f\x1b[?25l" + _KEYS_OFF


class Outcome:
    """How an overlay ended: an action for the server, or none."""

    __slots__ = ("action", "argument")

    def __init__(self, action: str = "", argument: str = "") -> None:
        self.action = action
        self.argument = argument

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcome) and (self.action, self.argument) == (other.action, other.argument)

    def __hash__(self) -> int:
        return hash((self.action, self.argument))

    def __repr__(self) -> str:
        return f"Outcome({self.action!r}, {self.argument!r})"


def _page(lines: Sequence[str], size: tuple[int, int]) -> bytes:
    columns, rows = size
    shown = [line[: max(1, columns - 1)] for line in lines[: max(1, rows - 1)]]
    return _CLEAR + b"\x1b[H\x1b[2J" + "\r\n".join(shown).encode("utf-8", "replace")


class Help:
    """The bindings. Any key ends it."""

    takes_mouse = False

    def __init__(self, prefix: str, bindings: Mapping[str, str]) -> None:
        self._lines = ["agentmux: keys", ""]
        self._lines += [f"  {prefix} {key:<7} {ACTIONS.get(act, act)}" for key, act in bindings.items()]
        self._lines += [f"  {prefix} {prefix:<7} send {prefix} to the program", "", "press any key"]

    def draw(self, size: tuple[int, int]) -> bytes:
        """Return the page."""
        return _page(self._lines, size)

    def feed(self, keys: bytes) -> Outcome | None:
        """End."""
        return Outcome()


class Confirm:
    """A question on the last row. ``y`` is yes, everything else no."""

    takes_mouse = False

    def __init__(self, question: str, action: str) -> None:
        self._question = question
        self._action = action

    def draw(self, size: tuple[int, int]) -> bytes:
        """Return the row."""
        columns, rows = size
        text = self._question[: max(1, columns - 1)]
        return _CLEAR + f"\x1b[{rows};1H\x1b[7m{text}\x1b[K\x1b[0m\x1b[?25h".encode("utf-8", "replace")

    def feed(self, keys: bytes) -> Outcome | None:
        """End."""
        return Outcome(self._action if keys[:1] in (b"y", b"Y") else "")


class Choose:
    """A list to choose from by number. Each line is an id, a tab, and what is shown."""

    takes_mouse = False

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        self._title = title
        self._rows = [line.partition("\t")[::2] for line in lines]
        self._typed = ""

    def draw(self, size: tuple[int, int]) -> bytes:
        """Return the page, with what was typed."""
        ids = [f"  {key:>4}  {text}" for key, text in self._rows]
        room = max(1, size[1] - 5)
        more = []
        if len(ids) > room:
            room = max(1, room - 1)
            more = [f"        ... and {len(ids) - room} more"]
        question = "id, then Enter (Esc goes back): "
        return _page([self._title, "", *ids[:room], *more, "", question + self._typed], size) + b"\x1b[?25h"

    def feed(self, keys: bytes) -> Outcome | None:
        """Collect digits; Enter chooses, Esc, q and C-c go back."""
        for key in keys.decode("ascii", "replace"):
            if key in "\x1bq\x03":
                return Outcome()
            if key in "\r\n":
                known = {number for number, _ in self._rows}
                return Outcome("switch", self._typed) if self._typed in known else Outcome()
            if key in "\x7f\b":
                self._typed = self._typed[:-1]
            elif key.isdigit():
                self._typed = (self._typed + key)[:9]
        return None
