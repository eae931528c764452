"""agentmux kill-server: end everything."""

from __future__ import annotations

import asyncio

from agentmux.mux.asking import Asking
from agentmux.mux.errors import NotRunning
from agentmux.mux.mux import Mux


async def run(asking: Asking) -> int | None:
    """Kill all sessions, then server and keeper. Return when all are gone."""
    await stop(asking)
    return None


async def stop(asking: Asking) -> None:
    """Kill all sessions and have the keeper end; the client waits for its end.

    Goes on when the client is gone: it may run in one of these sessions.
    """
    asking.wait_for = asking.mux.keeper_pid
    await asyncio.shield(asking.loop.create_task(_end(asking.mux)))


async def _end(mux: Mux) -> None:
    try:
        await mux.kill_all(mux.live(), now=False)
    except NotRunning:
        pass  # it ended by itself meanwhile
    finally:
        mux.stop()
