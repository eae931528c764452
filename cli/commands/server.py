"""agentmux server: look after the server itself."""

from __future__ import annotations

import enum
import os
from typing import Annotated

from agentmux.mux import VERSION, paths
from agentmux.mux.asking import Asking
from agentmux.mux.errors import NoServer
from agentmux.mux.foreign import printable, safe

from ..app import Argument, Option
from .kill_server import stop
from .options import Json


class Action(enum.Enum):
    """What to do."""

    STATUS = "status"
    STOP = "stop"
    UPGRADE = "upgrade"
    LOG = "log"


async def run(
    asking: Asking,
    action: Annotated[Action, Argument(help="What to do with the server.")] = Action.STATUS,
    json: Json = False,
    force: Annotated[bool, Option("--force", help="stop: without asking the server; works when it hangs.")] = False,
) -> int | None:
    """Show, stop or upgrade the server, or print its log. An upgrade leaves the sessions running."""
    mux = asking.mux
    if action is Action.STATUS:
        facts = {
            "server_pid": os.getpid(),
            "keeper_pid": mux.keeper_pid,
            "socket": mux.socket,
            "version": VERSION,
            "sessions": len(mux.live()),
            "log": paths.log_file(mux.socket),
        }
        if json:
            asking.json(facts)
        else:
            asking.out("\n".join(f"{key.ljust(10)}  {safe(str(value))}" for key, value in facts.items()))
    elif action is Action.STOP:
        await stop(asking)
    elif action is Action.UPGRADE:
        await asking.upgrade()
    else:
        await _log(asking)
    return None


async def _log(asking: Asking) -> None:
    try:
        path = paths.log_file(asking.mux.socket)
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:  # noqa: ASYNC230 - read in pieces
            while text := file.read(1 << 16):
                asking.write(printable(text).encode())
                await asking.drained()
    except FileNotFoundError:
        raise NoServer(asking.mux.socket) from None
