"""Keeps recordings within bounds for all sessions together: by bytes on disk and by age, the oldest first.

The newest segment of a session stays, whatever its age: it says where the journal ends, and what the session shows
last. Records, prompts and messages stay until they are forgotten.

What is too old is said by the clock on the wall, which may be wrong for a moment, by years: it is believed when it has
gone for an hour as the machine's other clock does, which nobody sets.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agentmux.store.stores import Stores

DAY = 86_400

STEADY = 3600.0
"""Seconds for which the clock must have gone evenly: longer than a machine that wakes up needs to set it right."""

EVEN = 3600.0
"""Seconds that it may differ all the same, with the days that are counted: it drifts, and machines sleep."""

SPARED = 3600.0
"""Seconds for which a blob without a row is left alone: it may be about to get one."""


class Steadiness:
    """How long the clock on the wall has gone evenly, as far as it was asked for."""

    __slots__ = ("_ahead", "_since")

    def __init__(self) -> None:
        self._ahead = float("-inf")
        self._since = 0.0

    def wait(self, wall: float, monotonic: float) -> float:
        """Return in how many seconds ``wall`` (Unix seconds) is believed if it goes on so; 0 for now.

        Args:
            monotonic: seconds of the clock that nobody sets.
        """
        if abs(wall - monotonic - self._ahead) > EVEN:
            self._ahead, self._since = wall - monotonic, monotonic
        return max(0.0, self._since + STEADY - monotonic)


def trim(stores: Stores, now: float, most: int, days: int, drop: Callable[[int, int], None]) -> int:
    """Drop what is over the bounds; return how many segments.

    Args:
        most: bytes on disk that blobs may take, 0 for any number.
        days: age of what is kept, 0 for any.
        drop: called with session and start of each segment that goes, a session's oldest first.

    Raises:
        StoreError: something can't be read or deleted.
    """
    before = now - days * DAY if days else float("-inf")
    excess = stores.blobs.total()[2] - most if most else 0
    dropped = 0
    for segment in stores.old_segments():
        if segment.last >= before and excess <= 0:
            break
        drop(segment.session, segment.start)
        excess -= segment.stored
        dropped += 1
    if dropped:
        stores.blobs.gc(now - SPARED)
    return dropped
