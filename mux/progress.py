"""How far long work is, as one row of a terminal that is drawn again and again, and cleared at the end."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

PATIENCE = 0.5
"""Seconds that work may take without a word."""

PAUSE = 0.1
"""Seconds between two drawings: more often nobody can read."""

_WIDEST = 40


class Progress:
    """The row for one piece of work. A context manager: whatever happens, the row is gone behind it.

    Args:
        what: what is done, in a word or two.
        columns: of the terminal; 0 where there is none, and nothing is drawn.
        write: writes to it.
        clock: returns seconds.
    """

    def __init__(self, what: str, columns: int, write: Callable[[bytes], object], clock: Callable[[], float]) -> None:
        self._what = what
        self._columns = columns
        self._write = write
        self._clock = clock
        self._next = clock() + PATIENCE
        self._drawn = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            self._write(b"\r\x1b[K")

    def at(self, part: float) -> None:
        """Say that ``part`` of the work is done, from 0 to 1. Draws only what can be seen."""
        now = self._clock()
        if self._columns and now >= self._next:
            self._next = now + PAUSE
            self._drawn = True
            self._write(b"\r" + row(self._what, part, self._columns).encode() + b"\x1b[K")


def row(what: str, part: float, columns: int) -> str:
    """Return a row of at most ``columns`` - 1 columns: what, a bar, per cent; what does not fit is left out."""
    part = min(max(part, 0.0), 1.0)
    percent = f"{int(part * 100):3} %"
    width = min(columns - 1 - len(what) - len(percent) - 4, _WIDEST)
    if width < 5:
        return f"{what} {percent}"[: max(columns - 1, 0)]
    full = int(part * width)
    return f"{what} [{'#' * full}{'.' * (width - full)}] {percent}"
