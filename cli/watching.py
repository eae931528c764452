"""Shows something again whenever something has changed, until the client goes."""

from __future__ import annotations

from agentmux.mux.asking import Asking
from agentmux.mux.events import FREQUENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PAUSE = 0.2
"""Least seconds between two times."""

RECENT = 60.0
"""Seconds before the last time in which a change that is told late may have been; what seems older is new, by a clock
that was set back."""

CLEAR = b"\x1b[H\x1b[2J"


async def again_and_again(asking: Asking, show: Callable[[], Awaitable[None]]) -> None:
    """Call ``show`` now and after each change; a terminal is cleared before."""
    terminal = asking.request.ttys[1]
    with asking.following(None) as changes:
        while True:
            if terminal:
                asking.write(CLEAR)
            shown_at = asking.mux.now()
            await show()
            await asking.drained()
            await asking.until(lambda wake: asking.loop.call_later(PAUSE, wake))
            async for event in changes:
                if event.kind not in FREQUENT and not shown_at - RECENT < event.at < shown_at:
                    break
