"""The client for asyncio: the same calls, awaited. Cancelling one closes its connection, which ends the command."""

from __future__ import annotations

import asyncio
import os
import socket as sockets
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Generic, TypeVar

from agentmux.cli.commands import STARTS, Command
from agentmux.cli.main import RESENDS
from agentmux.mux.client import PATIENCE, Connection, greeting
from agentmux.mux.errors import NoServer, ServerLost, ServerSilent
from agentmux.mux.protocol import Decoder, encode
from agentmux.mux.start import find_server, start_server

from . import calls
from .calls import LIMIT, SIZE, Call, Follow
from .coming import Coming
from .exchange import Exchange
from .model import Event, Info, Message, Outcome, Queue, Receipt
from .request import packed, socket_of

T = TypeVar("T")

_FULL = 0.02
"""Seconds until a full backlog is tried again: nothing tells when there is room."""


class AsyncAgentmux:
    """A server and its sessions, as ``Agentmux``."""

    def __init__(self, socket: str | os.PathLike[str] | None = None, name: str | None = None) -> None:
        self.socket = socket_of(socket, name)

    async def create(
        self,
        argv: Sequence[str] = (),
        *,
        name: str = "",
        cwd: str | os.PathLike[str] = "",
        env: Mapping[str, str] | None = None,
        size: tuple[int, int] | None = None,
        labels: Mapping[str, str] | None = None,
        record: bool = True,
    ) -> AsyncSession:
        """As ``Agentmux.create``."""
        call = calls.create(
            argv, name=name, cwd=os.fspath(cwd), env=env or {}, size=size, labels=labels or {}, record=record
        )
        return AsyncSession(self, await self._ask(call))

    async def sessions(self, all: bool = False) -> list[Info]:
        """As ``Agentmux.sessions``."""
        return await self._ask(calls.sessions(everything=all))

    async def session(self, target: str | int) -> AsyncSession:
        """As ``Agentmux.session``."""
        return AsyncSession(self, await self._ask(calls.resolve(str(target))))

    def events(self) -> AsyncStream[Event]:
        """As ``Agentmux.events``."""
        return AsyncStream(self.socket, calls.events(None))

    async def _ask(self, call: Call[T]) -> T:
        return await ask(self.socket, call)


async def ask(socket: str, call: Call[T]) -> T:
    """Make a call to the server on a socket; return what comes of it."""
    request = packed(call.words, starts=call.starts)
    for attempt in range(RESENDS):
        exchange = call.exchange()
        wire = await _Wire.open(call.command, socket)
        try:
            await wire.send(greeting(attempt, request))
            while exchange.answer is None and await wire.receive(exchange):
                pass
        finally:
            await wire.close()
        if exchange.answer is not None:
            return call.parse(exchange.answer)
        exchange.lost()
    raise ServerLost


class AsyncSession:
    """One session, as ``Session``. In an ``async with`` block, it is ended behind it."""

    def __init__(self, mux: AsyncAgentmux, id: int) -> None:
        self.id = id
        self._mux = mux

    def __repr__(self) -> str:
        return f"<agentmux session {self.id}>"

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def info(self) -> Info:
        """As ``Session.info``."""
        return await self._mux._ask(calls.info(self.id))

    async def send(
        self,
        text: str,
        *,
        when: str = "idle",
        wait: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - the command's own: the server ends the wait
    ) -> Receipt:
        """As ``Session.send``. Cancelled, the prompt stays in the queue."""
        return await self._mux._ask(calls.send(self.id, text, when=when, wait=wait, timeout=timeout))

    async def type(self, text: str) -> None:
        """As ``Session.type``."""
        await self._mux._ask(calls.type_text(self.id, text))

    async def press(self, *keys: str) -> None:
        """As ``Session.press``."""
        await self._mux._ask(calls.press(self.id, keys))

    async def wait(
        self,
        *until: str,
        output: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 - the command's own
    ) -> Outcome:
        """As ``Session.wait``."""
        return await self._mux._ask(calls.wait(self.id, until, output=output, timeout=timeout))

    async def interrupt(
        self,
        wait: bool = True,
        *,
        hard: bool = False,
        timeout: float = 5.0,  # noqa: ASYNC109 - the command's own
    ) -> None:
        """As ``Session.interrupt``."""
        await self._mux._ask(calls.interrupt(self.id, wait=wait, hard=hard, timeout=timeout))

    async def answer(
        self, option: int | str | None = None, *, text: str | None = None, seen: str | None = None
    ) -> Receipt:
        """As ``Session.answer``."""
        return await self._mux._ask(calls.answer(self.id, option, text=text, seen=seen))

    async def capture(self, start: int | None = 0, end: int | None = None, *, styled: bool = False) -> list[str]:
        """As ``Session.capture``."""
        return await self._mux._ask(calls.capture(self.id, start=start, end=end, styled=styled))

    async def output(self, start: int = 0, limit: int = LIMIT) -> bytes:
        """As ``Session.output``."""
        return await self._mux._ask(calls.output(self.id, start=start, limit=limit))

    async def messages(self, last: int | None = None) -> list[Message]:
        """As ``Session.messages``."""
        return await self._mux._ask(calls.messages(self.id, last=last))

    async def last_reply(self) -> str | None:
        """As ``Session.last_reply``."""
        return await self._mux._ask(calls.last_reply(self.id))

    async def queue(self, all: bool = False) -> Queue:
        """As ``Session.queue``."""
        return await self._mux._ask(calls.queue(self.id, everything=all))

    async def drop(self, *prompts: int) -> None:
        """As ``Session.drop``."""
        if prompts:
            await self._mux._ask(calls.drop(self.id, prompts))

    async def pause_queue(self) -> None:
        """As ``Session.pause_queue``."""
        await self._mux._ask(calls.pause_queue(self.id, paused=True))

    async def resume_queue(self) -> None:
        """As ``Session.resume_queue``."""
        await self._mux._ask(calls.pause_queue(self.id, paused=False))

    def events(self) -> AsyncStream[Event]:
        """As ``Session.events``."""
        return AsyncStream(self._mux.socket, calls.events(self.id))

    def attach(self, size: tuple[int, int] = SIZE) -> AsyncStream[bytes]:
        """As ``Session.attach``."""
        return AsyncStream(self._mux.socket, calls.attach(self.id, size=size))

    async def restart(self, *, kill: bool = False, afresh: bool = False) -> None:
        """As ``Session.restart``."""
        await self._mux._ask(calls.restart(self.id, kill=kill, afresh=afresh))

    async def resume(self) -> None:
        """As ``Session.resume``."""
        await self._mux._ask(calls.resume(self.id))

    async def fork(self, name: str = "") -> AsyncSession:
        """As ``Session.fork``."""
        return AsyncSession(self._mux, await self._mux._ask(calls.fork(self.id, name=name)))

    async def close(self, *, now: bool = False) -> None:
        """As ``Session.close``."""
        await self._mux._ask(calls.close(self.id, now=now))


class AsyncStream(Generic[T]):
    """What comes and comes, one by one, as ``Stream``. It has begun inside its ``async with`` block."""

    def __init__(self, socket: str, follow: Follow[T]) -> None:
        self._socket = socket
        self._coming = Coming(follow, RESENDS)
        self._wire: _Wire | None = None
        self._over = False

    async def __aenter__(self) -> AsyncStream[T]:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncStream[T]:
        return self

    async def __anext__(self) -> T:
        if self._wire is None and not self._over:
            await self._open()
        coming = self._coming
        while not coming.items:
            if self._wire is None:
                raise StopAsyncIteration
            if coming.exchange.answer is not None:
                await self.aclose()
                coming.exchange.answer.check()
                raise StopAsyncIteration
            if await self._wire.receive(coming.exchange):
                coming.take()
            else:
                await self._lost()
        return coming.items.popleft()

    async def aclose(self) -> None:
        """End it."""
        self._over = True
        if self._wire is not None:
            wire, self._wire = self._wire, None
            await wire.close()

    async def _open(self) -> None:
        """Connect, and wait until it has begun."""
        coming, follow = self._coming, self._coming.follow
        try:
            self._wire = await _Wire.open(follow.command, self._socket)
            await self._wire.send(greeting(coming.attempts, packed(follow.words, size=follow.size)))
            while not coming.exchange.ready:
                if not await self._wire.receive(coming.exchange):
                    await self._lost()
                    return
            if coming.exchange.answer is not None:
                coming.exchange.answer.check()
        except BaseException:
            await self.aclose()
            raise
        coming.take()

    async def _lost(self) -> None:
        if self._wire is not None:
            wire, self._wire = self._wire, None
            await wire.close()
        try:
            self._coming.lost()
        except ServerLost:
            self._over = True
            raise
        await self._open()


class _Wire:
    """A connection to the server. Owns its socket."""

    def __init__(self, path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._path = path
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder()

    @classmethod
    async def open(cls, command: Command, path: str) -> _Wire:
        """Connect, to a new server if ``command`` starts one."""
        connection = await _connected(command, path)
        sock = sockets.socket(fileno=connection.sock.detach())
        try:
            sock.setblocking(False)
            reader, writer = await asyncio.open_unix_connection(sock=sock)
        except BaseException:
            sock.close()
            raise
        return cls(path, reader, writer)

    async def send(self, data: bytes) -> None:
        """Send frames. A broken connection shows at the next read, with what was said before."""
        self._writer.write(data)
        try:
            async with asyncio.timeout(PATIENCE):
                await self._writer.drain()
        except (BrokenPipeError, ConnectionResetError):
            pass
        except TimeoutError:
            raise ServerSilent(self._path, PATIENCE) from None

    async def receive(self, exchange: Exchange) -> bool:
        """Read once; False when the connection has ended."""
        try:
            async with asyncio.timeout(None if exchange.accepted else PATIENCE):
                data = await self._reader.read(65536)
        except TimeoutError:
            raise ServerSilent(self._path, PATIENCE) from None
        except (BrokenPipeError, ConnectionResetError):  # asyncio tells the reader how a write has failed
            data = b""
        for kind, body in self._decoder.feed(data):
            for back in exchange.take(kind, body):
                await self.send(encode(*back))
        return bool(data) or exchange.answer is not None

    async def close(self) -> None:
        """Close it, whatever is still to be sent."""
        self._writer.transport.abort()
        try:
            await self._writer.wait_closed()
        except (BrokenPipeError, ConnectionResetError):
            pass


async def _connected(command: Command, path: str) -> Connection:
    patience = asyncio.get_running_loop().time() + PATIENCE
    sought = False
    while True:
        try:
            return Connection.open(path, patience=0.0)
        except ServerSilent:
            if asyncio.get_running_loop().time() > patience:
                raise ServerSilent(path, PATIENCE) from None
            await asyncio.sleep(_FULL)
        except NoServer:
            if sought:
                raise
            sought = True
            await asyncio.to_thread(_seek, path, start_server if command.server == STARTS else find_server)


def _seek(path: str, seek: Callable[[str], Connection]) -> None:
    """Start or find a server. Keeps no connection to it: whoever was cancelled meanwhile would not take it."""
    seek(path).close()
