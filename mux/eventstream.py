"""One agent's stream of events, read from loopback for as long as its session lives: connected to again when it breaks.

Only what this user's own processes serve is asked: else whoever got the port first would get the password.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from dataclasses import dataclass, field

from .sse import BadChunk, Chunks, Events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, StreamReader
    from collections.abc import Callable, Mapping

HOST = "127.0.0.1"

FIRST, LONGEST = 0.25, 30.0
"""Seconds between two tries to connect: twice as many each time, few again once its session does something else."""

ANSWER = 2.0
"""Seconds to wait for an answer: opencode leaves those without one who ask while it is starting."""

HEAD = 1 << 14
"""Bytes that the head of an answer may have."""

READ = 1 << 14
"""Bytes read at once: the 90 small events of a reply that they hold take 0.5 ms to parse, then others have a turn."""


class Refused(Exception):
    """It does not serve what was asked for, and won't."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where a stream is, and what it takes to read it. No text that is made of it has the password."""

    port: int
    path: str
    user: str
    password: str = field(repr=False)

    def request(self) -> bytes:
        """Return the request for the stream."""
        proof = base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")
        lines = (
            f"GET {self.path} HTTP/1.1",
            f"Host: {HOST}:{self.port}",
            f"Authorization: Basic {proof}",
            "Accept: text/event-stream",
        )
        return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


class EventStream:
    """Follows one stream until it is closed."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        access: Access,
        *,
        take: Callable[[str], None],
        begun: Callable[[], None],
        lost: Callable[[], None],
        refused: Callable[[str], None],
    ) -> None:
        """Begin.

        Args:
            take: gets the data of each event.
            begun: called when a connection is there; events before it were missed.
            lost: called when it has broken.
            refused: called with the reason when there is nothing to read, and no further try.
        """
        self._access = access
        self._take = take
        self._begun = begun
        self._lost = lost
        self._refused = refused
        self._pause = FIRST
        self._hurried = asyncio.Event()
        self._task = loop.create_task(self._follow())

    def hurry(self) -> None:
        """Something shows that its agent does something: try soon, if there is no connection."""
        self._pause = FIRST
        self._hurried.set()

    def close(self) -> None:
        """Follow no more."""
        self._task.cancel()

    async def _follow(self) -> None:
        while True:
            try:
                if listens(self._access.port):
                    await self._read()
            except Refused as error:
                self._refused(str(error))
                return
            except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, BadChunk):
                pass  # it is not there yet, or not any more
            self._hurried.clear()
            try:
                async with asyncio.timeout(self._pause):
                    await self._hurried.wait()
            except TimeoutError:
                self._pause = min(2 * self._pause, LONGEST)

    async def _read(self) -> None:
        async with asyncio.timeout(ANSWER):
            reader, writer = await asyncio.open_connection(HOST, self._access.port, limit=HEAD)
        try:
            if not listens(self._access.port):
                return  # somebody else has got the port since: this connection may be theirs
            async with asyncio.timeout(ANSWER):
                writer.write(self._access.request())
                head = _headers(await reader.readuntil(b"\r\n\r\n"))
            await self._events(reader, "chunked" in head.get("transfer-encoding", ""))
        finally:
            writer.close()

    async def _events(self, reader: StreamReader, chunked: bool) -> None:
        chunks, events = Chunks() if chunked else None, Events()
        self._pause = FIRST
        self._begun()
        try:
            while data := await reader.read(READ):
                for event in events.feed(chunks.feed(data) if chunks is not None else data):
                    self._take(event)
                if chunks is not None and chunks.over:
                    break
        finally:
            self._lost()


def _headers(head: bytes) -> dict[str, str]:
    """Return the header fields of an answer that is a stream of events.

    Raises:
        Refused: it is none.
    """
    status, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.strip().lower(): value.strip().lower() for name, _, value in (line.partition(":") for line in lines)}
    code = status.partition(" ")[2][:3]
    if code != "200":
        raise Refused(f"the answer is {code if code.isdecimal() else 'no HTTP'}")
    if not fields.get("content-type", "").startswith("text/event-stream"):
        raise Refused("the answer is no stream of events")
    return fields


def decoded(data: str, kind: str, values: str) -> tuple[str, Mapping[str, object]] | None:
    """Return what kind of event it is and what it tells, given the keys of both; None where it tells neither."""
    try:
        event: object = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    name, told = event.get(kind), event.get(values)
    return (name, told) if isinstance(name, str) and isinstance(told, dict) else None


def listens(port: int) -> bool:
    """Whether a process of this user listens there on loopback; yes where the system does not tell."""
    if sys.platform != "linux":
        return True
    place, uid = f"0100007F:{port:04X}", str(os.getuid())
    try:
        with open("/proc/net/tcp", encoding="ascii") as file:
            rows = [line.split() for line in file if place in line]
    except OSError:
        return True
    return any(row[1] == place and row[3] == "0A" and row[7] == uid for row in rows)
