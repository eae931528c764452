"""How often the view is drawn for what comes from the server: as often as that is cheap.

Keys draw at once. Everything else waits in proportion to what drawing takes, which is long on a large terminal, so that
the view never takes more than its share of a core, however much sessions print.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

SHARE = 7
"""Drawing may take one part in so many of the time."""

SOONEST, LATEST = 0.05, 0.5
"""Bounds of the seconds between two drawings."""


class Pace:
    """When to draw next.

    Args:
        draw: has the view drawn.
        calm: draw as rarely as may be.
    """

    def __init__(self, draw: Callable[[], None], *, calm: bool) -> None:
        self._draw = draw
        self._calm = calm
        self._began = 0.0
        self._cost = 0.0  # seconds that the last drawing took
        self._drawn = 0.0  # monotonic time of it
        self._due: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        """Draw soon."""
        if self._due is None:
            pause = LATEST if self._calm else max(SOONEST, min(LATEST, SHARE * self._cost))
            wait = max(0.0, self._drawn + pause - time.monotonic())
            self._due = asyncio.get_running_loop().call_later(wait, self._now)

    def _now(self) -> None:
        self._due = None
        self._draw()

    def begins(self) -> None:
        """It is being drawn."""
        self._began = time.monotonic()

    def ends(self) -> None:
        """It was drawn."""
        self._drawn = time.monotonic()
        self._cost = self._drawn - self._began

    def stop(self) -> None:
        """Draw no more."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
