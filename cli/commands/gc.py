"""agentmux gc: free what nothing needs any more."""

from __future__ import annotations

from agentmux.mux.asking import Asking

from ..output import size


async def run(asking: Asking) -> int | None:
    """Remove content that nothing names any more. It is done by itself, too."""
    swept = await asking.in_turns("collecting", asking.mux.memory.collecting_garbage())
    asking.out(f"removed {swept.files} file{'s' * (swept.files != 1)}, {size(swept.freed)}")
    return None
