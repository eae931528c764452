"""agentmux for Python: what the command line does, for scripts and tests. See agentmux-api(3).

A front end like the command line: each call is a command, sent with ``--json`` over the same socket.
"""

from agentmux.mux.errors import (
    AgentmuxError,
    BadFolder,
    BadUsage,
    NoServer,
    PathTooLong,
    ProtocolError,
    ServerLost,
    ServerSilent,
    StartFailed,
    UnknownCommand,
)
from agentmux.mux.sessionerrors import (
    AmbiguousTarget,
    BadName,
    InputFull,
    NameTaken,
    NoConversation,
    NoSuchPrompt,
    NothingToSend,
    NotQueued,
    NotRunning,
    SpawnFailed,
    StillRunning,
    StoreFailed,
    TimedOut,
    TooLong,
    UnknownSession,
)

from .blocking import Agentmux, Session, Stream
from .errors import Refused, Uncertain, Unfinished
from .model import Delivery, Event, Info, Message, Outcome, Prompt, Queue, Receipt, Role, State, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .aio import AsyncAgentmux, AsyncSession, AsyncStream
else:

    def __getattr__(name: str) -> object:
        """Load the other client when it is asked for: who blocks shall not wait for asyncio."""
        if name not in ("AsyncAgentmux", "AsyncSession", "AsyncStream"):
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import aio

        return getattr(aio, name)


__all__ = [
    "Agentmux",
    "AgentmuxError",
    "AmbiguousTarget",
    "AsyncAgentmux",
    "AsyncSession",
    "AsyncStream",
    "BadFolder",
    "BadName",
    "BadUsage",
    "Delivery",
    "Event",
    "Info",
    "InputFull",
    "Message",
    "NameTaken",
    "NoConversation",
    "NoServer",
    "NoSuchPrompt",
    "NotQueued",
    "NotRunning",
    "NothingToSend",
    "Outcome",
    "PathTooLong",
    "Prompt",
    "ProtocolError",
    "Queue",
    "Receipt",
    "Refused",
    "Role",
    "ServerLost",
    "ServerSilent",
    "Session",
    "SpawnFailed",
    "StartFailed",
    "State",
    "Status",
    "StillRunning",
    "StoreFailed",
    "Stream",
    "TimedOut",
    "TooLong",
    "Uncertain",
    "Unfinished",
    "UnknownCommand",
    "UnknownSession",
]
