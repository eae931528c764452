"""agentmux kill-server: end everything."""

from __future__ import annotations

from agentmux.mux.asking import Asking


async def run(asking: Asking) -> int | None:
    """Kill all sessions, then server and keeper. Return when all are gone."""
    await stop(asking)
    return None


async def stop(asking: Asking) -> None:
    """Kill all sessions and have the keeper end; the client waits for its end."""
    asking.wait_for = asking.mux.keeper_pid
    await asking.mux.end()
