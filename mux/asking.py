"""What a command sees of the world: the mux, who asks, and where to print."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TypeVar

from agentmux.store.ledger import NOTE, Entry
from agentmux.store.messages import Role
from agentmux.store.queue import Phase, Queued
from agentmux.store.search import Found, Where
from agentmux.store.usage import Used

from .answers import Outcome
from .foreign import as_json, safe
from .onlooker import Facts, Onlooker, Picture
from .playback import Keyframe
from .progress import Progress
from .protocol import Kind, pack
from .sessionerrors import NeedsTerminal, Nested
from .turnend import TurnEnd

__all__ = ["NOTE", "Asking", "Entry", "Facts", "Found", "Phase", "Picture", "Queued", "Used", "Where"]

T = TypeVar("T")

PIECE = 1 << 22
"""Bytes of output in one frame: what has more in a line, such as a huge screen full of colours, takes several."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence

    from agentmux.store.blobs import Work
    from agentmux.store.history import History
    from agentmux.store.ledger import Ledger
    from agentmux.store.messages import Message, Messages
    from agentmux.store.queue import Queue
    from agentmux.store.usage import Usage

    from .answering import Choice
    from .events import Happened
    from .mux import Mux
    from .peer import Peer
    from .protocol import Request
    from .session import Session
    from .size import Size
    from .turnend import End


class Asking:
    """One command being run for one client. The context of every function in ``cli/commands``.

    Attributes:
        request: argv, cwd, environment and terminal of the client.
        last_line: printed by the client at its very end.
        wait_for: pid that the client waits for before it exits; 0 for none.
    """

    def __init__(self, mux: Mux, peer: Peer, request: Request) -> None:
        self.mux = mux
        self.request = request
        self.last_line = ""
        self.wait_for = 0
        self._peer = peer

    @property
    def loop(self) -> AbstractEventLoop:
        """The server's loop."""
        return self.mux.loop

    @property
    def began(self) -> float:
        """When the client first asked, in the loop's time: perhaps a server before us."""
        began, now = self.request.began, self.loop.time()
        return now if began is None else min(now, began / 1e6)

    # -- output

    def out(self, text: str) -> None:
        """Print ``text`` on the client's standard output, with a newline."""
        self.write(text.encode("utf-8", "surrogateescape") + b"\n")

    def write(self, data: bytes) -> None:
        """Print bytes on the client's standard output."""
        for at in range(0, len(data), PIECE):
            self._peer.send(Kind.STDOUT, data[at : at + PIECE])

    def json(self, value: object) -> None:
        """Print ``value`` as one line of JSON."""
        self.out(as_json(value))

    def err(self, text: str) -> None:
        """Print a line on the client's standard error, as ``agentmux: text``."""
        self._peer.send(Kind.STDERR, f"agentmux: {safe(text)}\n".encode())

    async def drained(self) -> None:
        """Wait while the client is behind: whoever prints much calls this in between."""
        await self._peer.drained()

    async def turn(self) -> None:
        """Let everybody else have a turn: whoever works for long calls this every few milliseconds."""
        await self.until(self.loop.call_soon)

    def progress(self, what: str, *, printing: bool = False) -> Progress:
        """Return what shows on the client's terminal how far work is, if its standard error is one.

        ``printing``: output is written meanwhile, so not where that goes to a terminal.
        """
        shown = self.request.ttys[2] and not (printing and self.request.ttys[1])
        columns = (self.request.size[0] or 80) if shown else 0
        return Progress(what, columns, lambda data: self._peer.send(Kind.STDERR, data), self.loop.time)

    async def in_turns(self, what: str, work: Work[T]) -> T:
        """Do long work a step at each turn of the loop; return what came of it."""
        with self.progress(what) as progress:
            while True:
                try:
                    progress.at(next(work))
                except StopIteration as end:
                    result: T = end.value
                    return result
                await self.turn()

    def play(self, at: float, event: bytes | Size | Keyframe) -> None:
        """Send the client something to play, ``at`` Unix seconds."""
        if isinstance(event, tuple):
            what, data = b"r", b"%dx%d" % event
        else:
            what, data = b"k" if isinstance(event, Keyframe) else b"o", bytes(event)
        self._peer.send(Kind.PLAYED, pack([what, b"%d" % round(at * 1_000_000), data]))

    def play_all(self, size: Size, speed: float, idle_limit: float | None) -> None:
        """Have the client play what it got, on a pane that had ``size`` before."""
        limit = b"" if idle_limit is None else b"%d" % round(idle_limit * 1_000_000)
        self._peer.send(Kind.PLAY, pack([b"%d" % size[0], b"%d" % size[1], b"%d" % round(speed * 1000), limit]))

    async def stdin(self) -> AsyncIterator[bytes]:
        """Yield the client's standard input until its end."""
        peer = self._peer
        peer.send(Kind.WANT_STDIN)
        while True:
            while peer.stdin:
                data = peer.stdin.pop(0)
                peer.stdin_size -= len(data)
                peer.go_on_reading()
                yield data
            if peer.stdin_ended:
                return
            await self.until(lambda wake: setattr(peer, "on_stdin", wake))

    async def until(self, register: Callable[[Callable[[], None]], object]) -> None:
        """Wait until the callback that ``register`` is given is called."""
        future = self.loop.create_future()
        register(lambda: None if future.done() else future.set_result(None))
        await future

    async def changed(self, sessions: Sequence[Session], deadline: float | None) -> bool:
        """Wait until one of ``sessions`` prints, does something else, or ends; False at ``deadline`` (loop time)."""
        future = self.loop.create_future()

        def wake(reached: bool) -> None:
            if not future.done():
                future.set_result(reached)

        def changed() -> None:
            wake(True)

        timer = None if deadline is None else self.loop.call_at(deadline, wake, False)
        for session in sessions:
            session.watchers.append(changed)
        try:
            return bool(await future)
        finally:
            for session in sessions:
                session.watchers.remove(changed)
            if timer is not None:
                timer.cancel()

    async def becomes(self, prompt: Queued, deadline: float | None) -> bool:
        """Wait until something becomes of a queued prompt; False at ``deadline`` (loop time)."""
        future = self.loop.create_future()

        def wake(reached: bool = True) -> None:
            if not future.done():
                future.set_result(reached)

        self.mux.courier.when(prompt.id, wake)
        timer = None if deadline is None else self.loop.call_at(deadline, wake, False)
        try:
            return bool(await future)
        finally:
            if timer is not None:
                timer.cancel()

    async def answer(self, session: Session, choice: Choice, seen: str) -> Outcome:
        """Answer a session's dialog; ``seen`` is the token of the one that was shown, "" for the one that is there.

        Raises:
            NotRunning, NothingToSend.
        """
        future: Future[Outcome] = self.loop.create_future()
        self.mux.answers.begin(
            session, choice, seen, lambda outcome: None if future.done() else future.set_result(outcome)
        )
        return await future

    def turn_of(self, session: Session, *, after: int) -> TurnEnd:
        """Return what watches the turn that begins now; what is said in it comes after message ``after``."""
        return TurnEnd(session, self.mux.courier, self.mux.memory, self.messages, self.loop, after=after)

    async def turn_end(self, turn: TurnEnd, session: Session, deadline: float | None) -> End | None:
        """Wait for the end of a turn; None if there is none by ``deadline`` (loop time)."""
        while True:
            end, again = turn.look()
            if end is not None:
                return end
            if deadline is not None and self.loop.time() >= deadline:
                return None
            times = [time for time in (again, deadline) if time is not None]
            await self.changed([session], min(times) if times else None)

    async def events(self, session: Session | None) -> AsyncIterator[Happened]:
        """Yield events from now on, of one session or of all, until the client goes."""
        with self.following(session) as events:
            async for event in events:
                yield event

    @contextmanager
    def following(self, session: Session | None) -> Iterator[AsyncIterator[Happened]]:
        """Have the events from now on, also those that happen before one is asked for; until the block is left."""
        waiting: list[Future[None]] = []

        def wake() -> None:
            if waiting and not waiting[0].done():
                waiting[0].set_result(None)

        subscription = self.mux.bus.subscribe(wake, None if session is None else session.id)

        async def events() -> AsyncIterator[Happened]:
            while True:
                for event in subscription.take():
                    yield event
                waiting[:] = [self.loop.create_future()]
                if not subscription.empty:
                    continue
                await waiting[0]

        try:
            yield events()
        finally:
            self.mux.bus.unsubscribe(subscription)

    def pictures(self, session: Session, *, styled: bool, seen: bool) -> AsyncIterator[Picture]:
        """Yield what a session shows, now and whenever that has changed, until it ends or the client goes.

        ``seen``: meanwhile nothing of it is unread.
        """
        looking = Onlooker(session, self.loop, styled=styled, seen=seen)
        return looking.pictures(lambda: self._peer.drained(wholly=True))

    async def upgrade(self) -> None:
        """Have the client's version of keeper and server take over.

        Raises:
            UpgradeRefused: it does not run here.
        """
        server, keeper = self._peer.launch
        await self.mux.upgraded(server, keeper)

    # -- what is remembered

    @property
    def history(self) -> History:
        """Every prompt that was sent."""
        return self.mux.stores.history

    @property
    def messages(self) -> Messages:
        """What was said in each session."""
        return self.mux.stores.messages

    @property
    def ledger(self) -> Ledger:
        """What each session did when."""
        return self.mux.stores.ledger

    @property
    def queue(self) -> Queue:
        """Prompts to be delivered."""
        return self.mux.stores.queue

    @property
    def usage(self) -> Usage:
        """What agents' models took."""
        return self.mux.stores.usage

    def search(
        self,
        query: str,
        *,
        session: int | None,
        since: float | None,
        where: Collection[Where] | None,
        limit: int,
    ) -> list[Found]:
        """Return what was found, best first; see ``store.search``."""
        return self.mux.stores.search.search(query, session=session, since=since, where=where, limit=limit)

    def last_reply(self, session: Session) -> Message | None:
        """Return the newest turn of a session's agent."""
        return self.messages.last(session.id, Role.AGENT)

    # -- sessions

    @property
    def own_session(self) -> int:
        """The id of the session that the client runs in; 0 if in none of ours."""
        env = self.request.env
        inside = env.get("AGENTMUX", "").rpartition(",")[0] == self.mux.socket
        number = env.get("AGENTMUX_SESSION", "")
        return int(number) if inside and re.fullmatch("[0-9]{1,18}", number) else 0

    def session(self, target: str | None) -> Session:
        """Return what ``-t`` names; without it the session we are in, else the last one used.

        Raises:
            UnknownSession, AmbiguousTarget, NoSession.
        """
        if target is not None:
            return self.mux.find(target)
        if own := self.own_session:
            return self.mux.find(str(own))
        return self.mux.latest()

    def can_attach(self, hint: str = "run it in a terminal") -> None:
        """Raise what ``attach`` would, before something is started; ``hint``: what to do without a terminal.

        Raises:
            NeedsTerminal, Nested.
        """
        if not (self.request.ttys[0] and self.request.ttys[1]):
            raise NeedsTerminal(hint)
        if self.request.env.get("AGENTMUX"):
            raise Nested

    def attach(self, session: Session, *, read_only: bool = False, again: bool = False) -> None:
        """Show ``session`` on the client's terminal. The command ends, the client stays.

        Args:
            again: the client was attached already, to a server that is gone.

        Raises:
            NeedsTerminal, Nested.
        """
        from .attachment import Attachment

        self.can_attach()
        attachment = Attachment(self.mux, self._peer, self.request, read_only=read_only)
        attachment.show(session, first=not again)
        self._peer.attachment = attachment
