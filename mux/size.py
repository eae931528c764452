"""Terminal sizes, always (columns, rows), and which one a pane gets. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

Size = tuple[int, int]

DETACHED: Size = (120, 40)
"""What a program gets when nobody looks: wide enough that agents don't wrap."""

FLOOR: Size = (20, 5)
"""Smaller clients are ignored: at 2x1 a full-screen agent breaks for good, and
a client that reports 0x0 has no size at all."""

CEILING: Size = (1000, 500)
"""Larger ones are clamped: the emulator's memory is columns times rows, and a huge size makes it corrupt itself."""

LARGEST = 9999
"""Columns or rows of a terminal that are believed: what is drawn there grows with them."""


def clamped(size: Size) -> Size:
    """Return ``size`` within CEILING, and at least 1x1."""
    return max(1, min(size[0], CEILING[0])), max(1, min(size[1], CEILING[1]))


def bounded(size: Size) -> Size:
    """Return the size that a client's terminal may have, whatever it says."""
    return max(0, min(size[0], LARGEST)), max(0, min(size[1], LARGEST))


def usable(size: Size) -> bool:
    """Whether a client of this size may decide a pane's size."""
    return size[0] >= FLOOR[0] and size[1] >= FLOOR[1]


POLICIES = ("latest", "smallest", "manual")
"""Whose size a pane takes: that of the client that typed last, one that fits all clients, or nobody's."""


def agreed_size(sizes: Sequence[Size], policy: str) -> Size | None:
    """Return a pane's size by ``policy``, clamped; ``sizes`` come most recently active client first.

    Sizes that are not usable don't count. None means: keep the size the pane has.
    """
    good = [clamped(size) for size in sizes if usable(size)]
    if not good or policy == "manual":
        return None
    if policy == "smallest":
        return min(size[0] for size in good), min(size[1] for size in good)
    return good[0]


def parsed(text: str) -> Size:
    """Return the size in ``COLUMNSxROWS``.

    Raises:
        ValueError: it is not one, or below 1x1.
    """
    columns, _, rows = text.partition("x")
    size = int(columns), int(rows)
    if min(size) < 1:
        raise ValueError(text)
    return clamped(size)
