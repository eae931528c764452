"""Follows the event streams of the agents of one server: what they are started with, and who hears what they tell."""

from __future__ import annotations

import secrets
import socket
import sys
from typing import Protocol

from . import opening, programs, sweep
from .eventstream import HOST, Access, EventStream, decoded
from .streamed import Followed
from .streamlog import Heard
from .verdict import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Sequence

    from .agentlogs import AgentLogs
    from .config import Config
    from .profiles import Profile
    from .session import Session
    from .streamed import Streamed


class Owner(Protocol):
    """What is needed of the mux."""

    loop: AbstractEventLoop

    def now(self) -> float:
        """Return Unix seconds."""
        ...

    def config(self) -> Config:
        """Return the configuration."""
        ...


class Following:
    """The event streams of one server's sessions."""

    def __init__(
        self,
        owner: Owner,
        *,
        profile: Callable[[Sequence[str]], Profile | None],
        named: Callable[[Session, str], None],
        logs: AgentLogs,
    ) -> None:
        """Follow none so far.

        Args:
            named: gets the conversation that a session's agent has open.
            logs: gets what is said in it.
        """
        self._owner = owner
        self._profile = profile
        self._named = named
        self._logs = logs
        self._prepared: dict[int, Access] = {}
        self._held: dict[int, socket.socket] = {}
        self._streams: dict[int, EventStream] = {}

    def prepare(self, session: Session, argv: Sequence[str], environment: dict[str, str]) -> list[str]:
        """Return ``argv`` with what makes its agent serve its events, and add to ``environment`` who may read them."""
        self.ended(session)
        profile = self._profile(session.row.argv)
        port = None if profile is None or not profile.events.words else self._port(session)
        if profile is None or port is None:
            return list(argv)
        words = opening.streamed(profile, argv, port)
        if words == list(argv):
            self.ended(session)
            return words
        table = profile.events
        user = environment[table.user] = environment.get(table.user) or "agentmux"
        password = environment[table.password] = environment.get(table.password) or secrets.token_urlsafe(24)
        self._prepared[session.id] = Access(port, table.path, user, password)
        return words

    def started(self, session: Session) -> None:
        """Its program runs."""
        access = self._prepared.pop(session.id, None)
        if access is not None:
            self._follow(session, access, whole=True)

    def found(self, session: Session) -> None:
        """It outlived the server before us: what it was started with is asked of the system."""
        profile = self._profile(session.row.argv)
        if profile is None or not profile.events.words or self._owner.config().text("agent-hooks") != "on":
            return
        table = profile.events
        port = table.port(programs.argv_of(session.pid))
        variables = sweep.variables(session.pid) if port is not None else {}
        if port is not None and variables.get(table.password):
            access = Access(port, table.path, variables.get(table.user, ""), variables[table.password])
            self._follow(session, access, whole=False)

    def judged(self, session: Session) -> None:
        """It does something else now: what could not be connected to may be there."""
        if (stream := self._streams.get(session.id)) is not None:
            stream.hurry()

    def ended(self, session: Session) -> None:
        """It is over, or begins anew."""
        self._prepared.pop(session.id, None)
        self._let_go(session.id)
        if (stream := self._streams.pop(session.id, None)) is not None:
            stream.close()

    def close(self) -> None:
        """Follow nothing any more."""
        for number in list(self._held):
            self._let_go(number)
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()

    def _follow(self, session: Session, access: Access, *, whole: bool) -> None:
        """``whole``: nothing was told by its stream before."""
        profile = self._profile(session.row.argv)
        if profile is None:
            return
        one = _One(self._owner, session, profile.events, self._named, self._logs, whole)

        def begun() -> None:
            one.begun()
            self._let_go(session.id)

        def refused(why: str) -> None:
            self._let_go(session.id)
            session.warn(f"its events can't be followed: {why}")

        self._streams[session.id] = EventStream(
            self._owner.loop, access, take=one.take, begun=begun, lost=one.lost, refused=refused
        )

    def _port(self, session: Session) -> int | None:
        """Return a port that is free, and stays so for this session where the system can keep it: opencode hangs
        at its start if somebody else has taken it meanwhile."""
        held = socket.socket()
        try:
            if sys.platform == "linux":  # where two that share an address do so until one listens
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind((HOST, 0))
            port = int(held.getsockname()[1])
        except OSError:
            held.close()
            return None
        if sys.platform == "linux":
            self._held[session.id] = held
        else:
            held.close()
        return port

    def _let_go(self, number: int) -> None:
        if (held := self._held.pop(number, None)) is not None:
            held.close()


class _One:
    """What one stream tells, and who is told of it."""

    def __init__(
        self,
        owner: Owner,
        session: Session,
        table: Streamed,
        named: Callable[[Session, str], None],
        logs: AgentLogs,
        whole: bool,
    ) -> None:
        self._owner = owner
        self._session = session
        self._table = table
        self._named = named
        self._logs = logs
        self._followed = Followed(table, "")
        self._heard = Heard(table.messages) if table.messages else None
        self._whole = whole
        self._told = False

    def begun(self) -> None:
        """It is connected. What was said before is known from it only if there was no time before."""
        self._followed = Followed(self._table, self._session.row.conversation or "")
        if self._heard is not None:
            self._logs.followed(self._session, self._whole)
        self._whole = self._told = False

    def lost(self) -> None:
        """The connection has broken."""
        self._session.streamed(None)
        self._logs.followed(self._session, None)

    def take(self, data: str) -> None:
        """Take an event."""
        event = decoded(data, self._table.type, self._table.values)
        if event is None:
            return
        followed, session = self._followed, self._session
        changed = followed.take(*event, self._owner.now())
        if changed and followed.conversation:
            self._named(session, followed.conversation)
        if self._heard is not None and (entries := self._heard.take(*event, *followed.speaker(event[1]))):
            self._told = True
            self._logs.followed(session, True)
            self._logs.told(session, entries)
        if not changed:
            return
        if followed.reading is not None and followed.reading.says is Status.IDLE and not self._told:
            self._logs.followed(session, None)  # a turn is over, and not a message was told: the screen has it
        session.streamed(followed.reading)
