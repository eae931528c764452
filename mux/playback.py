"""Where a recording stands that is played: what is due, pause, speed, seeking. Pure; runs in the client.

Positions are seconds of the recording in which no pause is longer than the idle limit. Times called ``now`` are the
caller's clock, which only goes forwards.
"""

from __future__ import annotations

from bisect import bisect_right

from .size import Size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Keyframe(bytes):
    """What draws everything before it on a terminal that was reset: where seeking starts. Not shown otherwise."""

    __slots__ = ()


Event = tuple[float, bytes | Size | Keyframe]
"""Something to play, and its time in seconds: output, a new size of the pane, a keyframe."""

SLOWEST, FASTEST = 1 / 16, 64.0


class Playback:
    """The state of a player.

    Attributes:
        shown: how many events the viewer has got.
        speed: seconds of the recording in a second.
        paused: nothing becomes due by itself.

    Args:
        times: of the events, in seconds, in order; where the clock was set back they count as at once.
        idle_limit: seconds that a pause between events lasts at most; None for as long as it was.
    """

    def __init__(self, times: Sequence[float], *, speed: float = 1.0, idle_limit: float | None = None) -> None:
        self._at: list[float] = []
        position = 0.0
        for index, time in enumerate(times):
            if index:
                idle = max(0.0, time - times[index - 1])
                position += idle if idle_limit is None else min(idle, idle_limit)
            self._at.append(position)
        self.shown = 0
        self.paused = False
        self.speed = min(max(speed, SLOWEST), FASTEST)
        self._from = 0.0  # the position at _since
        self._since = 0.0

    def start(self, now: float) -> None:
        """Begin to play at the start."""
        self._since = now

    @property
    def length(self) -> float:
        """The position of the last event."""
        return self._at[-1] if self._at else 0.0

    @property
    def ended(self) -> bool:
        """Whether everything was shown."""
        return self.shown >= len(self._at)

    def position(self, now: float) -> float:
        """Return where it is."""
        played = 0.0 if self.paused else (now - self._since) * self.speed
        return min(self._from + played, self.length)

    def due(self, now: float) -> range:
        """Return the events that are to be shown now, and count them as shown."""
        first = self.shown
        self.shown = max(first, bisect_right(self._at, self.position(now)))
        return range(first, self.shown)

    def next_at(self, now: float) -> float | None:
        """Return the time at which another event is due; None while it is paused, or when all were shown."""
        if self.paused or self.ended:
            return None
        return now + max(0.0, self._at[self.shown] - self.position(now)) / self.speed

    def toggle(self, now: float) -> None:
        """Pause, or go on."""
        self._move(now, self.position(now))
        self.paused = not self.paused

    def accelerate(self, now: float, factor: float) -> None:
        """Play faster by a factor, or slower."""
        self._move(now, self.position(now))
        self.speed = min(max(self.speed * factor, SLOWEST), FASTEST)

    def step(self, now: float) -> None:
        """Go to the next event and pause there."""
        self._move(now, self.length if self.ended else self._at[self.shown])
        self.paused = True

    def seek(self, now: float, position: float) -> bool:
        """Go to a position; return whether it is before what was shown, so that all up to there is due anew."""
        position = min(max(0.0, position), self.length)
        back = position < self.position(now)
        self._move(now, position)
        if back:
            self.shown = 0
        return back

    def _move(self, now: float, position: float) -> None:
        self._from, self._since = position, now
