"""The blocking client: one connection for each call, one for each stream. Threads may share everything here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Generic, TypeVar

from agentmux.cli.main import RESENDS, connect
from agentmux.mux.client import Connection
from agentmux.mux.errors import ServerLost

from . import calls
from .calls import LIMIT, SIZE, Call, Follow
from .coming import Coming
from .exchange import Exchange
from .model import Event, Info, Message, Outcome, Queue, Receipt
from .request import packed, socket_of

T = TypeVar("T")


class Agentmux:
    """A server and its sessions. It is started when it is needed, as on the command line.

    Args:
        socket: the path of its socket, as ``-S``.
        name: its name, as ``-L``. Without either: the server that this process runs in, else ``default``.
    """

    def __init__(self, socket: str | os.PathLike[str] | None = None, name: str | None = None) -> None:
        self.socket = socket_of(socket, name)

    def create(
        self,
        argv: Sequence[str] = (),
        *,
        name: str = "",
        cwd: str | os.PathLike[str] = "",
        env: Mapping[str, str] | None = None,
        size: tuple[int, int] | None = None,
        labels: Mapping[str, str] | None = None,
        record: bool = True,
    ) -> Session:
        """Start a session.

        It gets the environment, the umask and, unless ``cwd`` names another, the working directory of this process.

        Args:
            argv: program and arguments; the user's shell if empty.
            name: the program's if empty.
            env: variables to set besides.
            size: columns and rows.
            labels: names and what they say, by which it can be found.
            record: whether what it prints and is told is remembered.
        """
        call = calls.create(
            argv, name=name, cwd=os.fspath(cwd), env=env or {}, size=size, labels=labels or {}, record=record
        )
        return Session(self, self._ask(call))

    def sessions(self, all: bool = False) -> list[Info]:
        """Return the running sessions, those first that wait for a person; with ``all`` the ended ones, too."""
        return self._ask(calls.sessions(everything=all))

    def session(self, target: str | int) -> Session:
        """Return the session that an id, a name, a unique prefix or a label means now."""
        return Session(self, self._ask(calls.resolve(str(target))))

    def events(self) -> Stream[Event]:
        """Follow what happens in all sessions from now on. Without end."""
        return Stream(self.socket, calls.events(None))

    def _ask(self, call: Call[T]) -> T:
        request = packed(call.words, starts=call.starts)
        for attempt in range(RESENDS):
            connection = connect(call.command, self.socket)
            try:
                exchange = call.exchange()
                connection.hello(attempt, request)
                while exchange.answer is None and _receive(connection, exchange):
                    pass
            finally:
                connection.close()
            if exchange.answer is not None:
                return call.parse(exchange.answer)
            exchange.lost()
        raise ServerLost


class Session:
    """One session: its id, and nothing that could be out of date. In a ``with`` block, it is ended behind it."""

    def __init__(self, mux: Agentmux, id: int) -> None:
        self.id = id
        self._mux = mux

    def __repr__(self) -> str:
        return f"<agentmux session {self.id}>"

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def info(self) -> Info:
        """Return what is known of it now."""
        return self._mux._ask(calls.info(self.id))

    def send(self, text: str, *, when: str = "idle", wait: bool = False, timeout: float | None = None) -> Receipt:
        """Deliver a prompt to an agent, or type text and Enter into another program.

        Args:
            when: ``idle``: it is queued until the agent takes prompts; ``now``: else it is refused.
            wait: until the turn is over; the receipt has the reply.
            timeout: seconds.

        Raises:
            Refused, Uncertain, Unfinished: what became of it instead; each has the receipt.
        """
        return self._mux._ask(calls.send(self.id, text, when=when, wait=wait, timeout=timeout))

    def type(self, text: str) -> None:
        """Type text, without Enter."""
        self._mux._ask(calls.type_text(self.id, text))

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names: ``Enter``, ``C-c``, ``M-x``, ``Up``, ``F5``."""
        self._mux._ask(calls.press(self.id, keys))

    def wait(self, *until: str, output: str = "", timeout: float | None = None) -> Outcome:
        """Wait until its program ends, or until one of several things.

        Args:
            until: ``idle``, ``waiting``, ``working`` or ``exit``.
            output: a regular expression that a row on the screen matches.
            timeout: seconds.

        Raises:
            TimedOut.
        """
        return self._mux._ask(calls.wait(self.id, until, output=output, timeout=timeout))

    def interrupt(self, wait: bool = True, *, hard: bool = False, timeout: float = 5.0) -> None:
        """Stop what it does now, with the agent's own key or with Ctrl-C.

        Args:
            wait: until the turn has stopped.
            hard: Ctrl-C for an agent as well, if its own key does not help.
            timeout: seconds.

        Raises:
            TimedOut: it goes on.
        """
        self._mux._ask(calls.interrupt(self.id, wait=wait, hard=hard, timeout=timeout))

    def answer(self, option: int | str | None = None, *, text: str | None = None, seen: str | None = None) -> Receipt:
        """Answer what it asks.

        Args:
            option: the number of one that it offers, ``yes`` or ``no``.
            text: instead of an option.
            seen: the token of the question that is meant; it is refused when another is on the screen.
        """
        return self._mux._ask(calls.answer(self.id, option, text=text, seen=seen))

    def capture(self, start: int | None = 0, end: int | None = None, *, styled: bool = False) -> list[str]:
        """Return the rows that it shows.

        Args:
            start: the first row: 0 is the top of the screen, -1 the row above it, None the oldest there is.
            end: the last row, counted likewise; None for the bottom.
            styled: with colours and attributes, as SGR sequences.
        """
        return self._mux._ask(calls.capture(self.id, start=start, end=end, styled=styled))

    def output(self, start: int = 0, limit: int = LIMIT) -> bytes:
        """Return the bytes that it has printed from byte ``start`` on, ``limit`` at most, as far as they are kept."""
        return self._mux._ask(calls.output(self.id, start=start, limit=limit))

    def messages(self, last: int | None = None) -> list[Message]:
        """Return prompts and replies, the oldest first; with ``last`` only the newest so many."""
        return self._mux._ask(calls.messages(self.id, last=last))

    def last_reply(self) -> str | None:
        """Return what its agent said last, None if it has said nothing."""
        return self._mux._ask(calls.last_reply(self.id))

    def queue(self, all: bool = False) -> Queue:
        """Return the prompts that wait for it, the next first; with ``all`` those that are over, too."""
        return self._mux._ask(calls.queue(self.id, everything=all))

    def drop(self, *prompts: int) -> None:
        """Take prompts out of its queue."""
        if prompts:
            self._mux._ask(calls.drop(self.id, prompts))

    def pause_queue(self) -> None:
        """Deliver nothing that is queued until ``resume_queue``."""
        self._mux._ask(calls.pause_queue(self.id, paused=True))

    def resume_queue(self) -> None:
        """Go on with what is queued, also after an interrupt, which pauses it."""
        self._mux._ask(calls.pause_queue(self.id, paused=False))

    def events(self) -> Stream[Event]:
        """Follow what happens in it from now on, until it ends."""
        return Stream(self._mux.socket, calls.events(self.id))

    def attach(self, size: tuple[int, int] = SIZE) -> Stream[bytes]:
        """Watch it on a terminal of ``size``: what such a terminal gets, until the session ends. Never resizes it.

        Of the session's own size it is the program's own bytes behind a first drawing; else a drawing of the part
        around the cursor. Begins anew, with a drawing, when the server is replaced.
        """
        return Stream(self._mux.socket, calls.attach(self.id, size=size))

    def restart(self, *, kill: bool = False, afresh: bool = False) -> None:
        """Start it again when it has ended, with its agent's conversation.

        Args:
            kill: end it first if it runs.
            afresh: begin a new conversation.
        """
        self._mux._ask(calls.restart(self.id, kill=kill, afresh=afresh))

    def resume(self) -> None:
        """Open its agent's conversation again, or fail; nothing to do if it runs."""
        self._mux._ask(calls.resume(self.id))

    def fork(self, name: str = "") -> Session:
        """Begin a second conversation from its agent's, in a new session."""
        return Session(self._mux, self._mux._ask(calls.fork(self.id, name=name)))

    def close(self, *, now: bool = False) -> None:
        """End it, and every process of it; its record stays. Nothing to do if it has ended.

        Args:
            now: without a chance to clean up.
        """
        self._mux._ask(calls.close(self.id, now=now))


class Stream(Generic[T]):
    """What comes and comes, one by one; blocks until the next does.

    It has begun when it is there: nothing that happens afterwards is missed. Closed behind a ``with`` block, or at its
    end.
    """

    def __init__(self, socket: str, follow: Follow[T]) -> None:
        self._socket = socket
        self._coming = Coming(follow, RESENDS)
        self._connection: Connection | None = None
        self._open()

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Stream[T]:
        return self

    def __next__(self) -> T:
        coming = self._coming
        while not coming.items:
            if self._connection is None:
                raise StopIteration
            if coming.exchange.answer is not None:
                self.close()
                coming.exchange.answer.check()
                raise StopIteration
            if _receive(self._connection, coming.exchange):
                coming.take()
            else:
                self._lost()
        return coming.items.popleft()

    def close(self) -> None:
        """End it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> None:
        """Connect, and wait until it has begun."""
        coming, follow = self._coming, self._coming.follow
        self._connection = connect(follow.command, self._socket)
        try:
            self._connection.hello(coming.attempts, packed(follow.words, size=follow.size))
            while not coming.exchange.ready:
                if not _receive(self._connection, coming.exchange):
                    self._lost()
                    return
            if coming.exchange.answer is not None:
                coming.exchange.answer.check()
        except BaseException:
            self.close()
            raise
        coming.take()

    def _lost(self) -> None:
        self.close()
        self._coming.lost()
        self._open()


def _receive(connection: Connection, exchange: Exchange) -> bool:
    """Read once; False when the connection has ended."""
    going = connection.receive()
    for kind, body in connection.taken():
        for back in exchange.take(kind, body):
            connection.send(*back)
    if exchange.accepted:
        connection.patient()
    return going or exchange.answer is not None
