"""A timer that is asked for more than once: it rings at the earliest of the times, and then forgets the others."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable


class Alarm:
    """One timer of a loop."""

    __slots__ = ("_due", "_loop", "_ring", "_timer")

    def __init__(self, loop: AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._timer: TimerHandle | None = None
        self._due = 0.0

    def at(self, due: float) -> None:
        """Ring at ``due`` (loop time) at the latest."""
        if self._timer is not None:
            if due >= self._due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_at(due, self._rings)

    def stop(self) -> None:
        """Ring at none of the times that were asked for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _rings(self) -> None:
        self._timer = None
        self._ring()
