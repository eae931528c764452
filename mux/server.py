"""The server: the loop, the listening socket, and its clients.

Started by the keeper with one end of a socketpair; everything else it gets
through that. It may be killed at any moment: what is not on disk is in the
kernel, and the keeper starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
import sys
import time

from agentmux.store import salvage
from agentmux.store.errors import StoreError
from agentmux.store.inbox import Inbox
from agentmux.store.stores import Stores

from . import lease, listening, paths, programs, screen
from .client import launch_argv, peer_uid
from .config import File
from .errors import AgentmuxError
from .foreign import printable
from .keeperlink import KeeperLink
from .mux import Mux
from .peer import Peer
from .profiles import Profiles
from .refusal import refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .peer import Dispatch

CLIENTS = 1000
"""Most clients connected at once: each may hold a mebibyte of output."""

LOAD_AFTER = 0.5
"""Seconds after the start at which the rest is loaded: the first client comes first."""

EMFILE_PAUSE = 1.0
"""Seconds without accepting when descriptors run out (tmux's figure)."""

RESERVE = 8
"""Descriptors that clients leave to the sessions: for a program's terminal, a journal's next file, another keeper."""

TELLING = 0.2
"""Seconds in which whoever met a damaged database is still told so."""


class Server:
    """One server of one socket."""

    def __init__(self, path: str, link: KeeperLink, dispatch: Dispatch, loading: Iterator[None]) -> None:
        self._path = path
        self._dispatch = dispatch
        self._loading = loading
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_wrong)
        self._peers: set[Peer] = set()
        self._listener: socket.socket | None = None
        data = paths.data_folder(path)
        server, keeper = launch_argv()
        self._lease = lease.take(data)
        self._data = data
        self._broken = False
        self._stores = Stores(data, self._on_broken, time.monotonic)
        if self._stores.salvaged:
            log(str(self._stores.salvaged))
        if self._stores.found:
            log(f"sessions without a record have one again: {', '.join(map(str, self._stores.found))}")
        self.mux = Mux(
            self._loop,
            link,
            self._stores,
            _inbox(path),
            socket=path,
            config=File(paths.config_file()),
            profiles=Profiles(paths.profiles_folder()),
            argv=([*server, path], keeper),
            on_listener=self._listen,
            on_keeper=self._sign,
            on_replaced=self._loop.stop,
            log=log,
        )
        self._newer: list[Peer] = []
        self._paused = False
        self._upgrade: asyncio.Task[None] | None = None

    def run(self) -> None:
        """Serve until the keeper says that we are replaced, or stops."""
        self._loop.add_signal_handler(signal.SIGUSR1, self._appear)
        self.mux.connect()
        self._loop.call_later(LOAD_AFTER, self._load)
        gc.freeze()  # what is loaded now stays: collections need not look at it again
        try:
            self._loop.run_forever()
        finally:
            if self._listener is not None:
                # The keeper holds it open: only closed, it would go on calling.
                self._loop.remove_reader(self._listener)
                self._listener.close()
            for peer in list(self._peers):
                peer.close()
            self.mux.close()
            self._stores.close()
            os.close(self._lease)
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def _listen(self, fd: int) -> None:
        self._listener = socket.socket(fileno=fd)
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)
        self._appear()

    def _sign(self, keeper: int) -> None:
        """Say who we are, for those who find no socket."""
        try:
            lease.sign(self._lease, self._path, keeper)
        except OSError as error:
            log(f"whoever deletes the socket will not find us: {error}")

    def _appear(self) -> None:
        """Make sure that clients find us."""
        if self._listener is None or self.mux.stopping:
            return  # the keeper is about to hand it over, or to go
        fd = listening.again(self._path, log)
        if fd < 0:
            return
        try:
            self.mux.listens(fd)
        except OSError as error:
            log(f"the keeper does not take the new socket: {error}")
            os.close(fd)
            return
        self._loop.remove_reader(self._listener)
        self._listener.close()  # who waits in its backlog asks again
        self._listener = socket.socket(fileno=fd)
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)
        self.mux.inbox.close()
        self.mux.inbox = _inbox(self._path)

    def _on_broken(self) -> None:
        """A part of the database can't be read: leave it to another server, which saves the rest."""
        if self._broken:
            return
        self._broken = True
        if salvage.suspect(self._data, time.time()):
            log("the database is damaged: the next server saves what it can")
            self._loop.call_later(TELLING, self._loop.stop)
        else:
            log("the database is damaged, again or on a full disk: nothing is done about it")

    def _load(self) -> None:
        for _ in self._loading:
            self._loop.call_soon(self._load)
            return
        screen.load()
        gc.freeze()

    def _accept(self) -> None:
        assert self._listener is not None
        if not programs.descriptors_left(RESERVE):
            self._pause(os.strerror(errno.EMFILE))
            return
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                raise
            self._pause(str(error.strerror))
            return
        self._paused = False
        uid = peer_uid(sock)
        if uid not in (None, os.getuid()):
            log(f"refused a client of uid {uid}")
            sock.close()
            return
        if len(self._peers) >= CLIENTS:
            log(f"refused a client: {CLIENTS} are connected")
            sock.close()
            return
        peer = Peer(sock, self.mux, self._dispatch, self._peers.discard, self._on_newer)
        self._peers.add(peer)
        peer.read()  # a client asks at once

    def _pause(self, why: str) -> None:
        """Let clients wait for a moment: what we lack is not freed by looking again at once."""
        assert self._listener is not None
        if not self._paused:
            log(f"not accepting clients until there is room: {why.lower()}")
        self._paused = True
        self._loop.remove_reader(self._listener)
        self._loop.call_later(EMFILE_PAUSE, self._accept_again)

    def _accept_again(self) -> None:
        if self._listener is not None and self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener, self._accept)

    def _on_newer(self, peer: Peer) -> None:
        """A client of a newer version came: let its version take over."""
        self._newer.append(peer)
        if self._upgrade is None:
            self._upgrade = self._loop.create_task(self._upgraded(peer))

    async def _upgraded(self, peer: Peer) -> None:
        log("a newer client came: upgrading")
        try:
            await self.mux.upgraded(*peer.launch)
        except AgentmuxError as error:
            log(str(error))
            waiting, self._newer = self._newer, []
            for newer in waiting:
                newer.go_on()
        self._upgrade = None


def _wrong(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Tell what went wrong where nobody waits for it: what is on disk in a line, a bug with its traceback."""
    error = context.get("exception")
    if isinstance(error, StoreError):
        log(f"not up to date with the disk: {error}")
    elif isinstance(error, MemoryError):
        try:
            log("out of memory: leaving it to the next server")
        finally:  # there may be no memory for that line either
            os._exit(1)  # nothing that we hold can be relied on, and all that counts is elsewhere
    else:
        loop.default_exception_handler(context)


def log(text: str) -> None:
    """Write a line to the log, which is standard error; a full disk loses it."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    line = f"{stamp} server[{os.getpid()}] {printable(text)}\n".encode()
    with contextlib.suppress(OSError):  # whoever warns of the disk goes on, too
        os.write(2, line)


def _inbox(path: str) -> Inbox:
    """Return the inbox beside the socket; one without a file where there can be none, for sessions go on."""
    try:
        paths.private_folder(os.path.dirname(path))
        return Inbox(path + ".inbox")
    except (AgentmuxError, StoreError) as error:
        log(f"{error}: a crash may lose output until that is mended")
        return Inbox("")


def serve(path: str, link_fd: int, dispatch: Dispatch, loading: Iterator[None]) -> None:
    """Run a server on the keeper's socketpair end ``link_fd``.

    Args:
        dispatch: runs a command.
        loading: each step loads something that a command may need later.
    """
    link = KeeperLink(socket.socket(fileno=link_fd))
    try:
        server = Server(path, link, dispatch, loading)
    except (StoreError, AgentmuxError) as error:
        log(f"can't serve: {error}")
        refuse(link, AgentmuxError(error.problem, error.hint), [*launch_argv()[0], path], log)
        sys.exit(1)
    server.run()
