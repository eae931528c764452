"""The client's end of the socket: find or start the server, ask, hand over what comes back.

Imported at every command, so it uses the C module ``_socket``: ``socket`` and
what it pulls in take as long as a bare interpreter start.
"""

import _socket
import os
import sys
import time

from . import VERSION, paths
from .errors import BadFolder, NoServer, ServerSilent
from .protocol import PROTOCOL, Decoder, Kind, encode, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 40.0
"""Seconds without an answer before the client gives up. The keeper replaces a
hung server within 15 s, and the next one answers what waits in the backlog."""


def launch_argv() -> tuple[list[str], list[str]]:
    """Return how this installation starts a server and a keeper: (server, keeper).

    The server gets the folder that holds the package, so that a copied or
    linked tree starts its own code and nobody else's.
    """
    mux = os.path.dirname(os.path.abspath(__file__))
    root = os.path.dirname(os.path.dirname(mux))
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from agentmux.cli.serve import main; main()"
    return [sys.executable, "-I", "-c", code, root], [sys.executable, "-I", os.path.join(mux, "keeper.py")]


def hook_argv(socket: str) -> list[str]:
    """Return what runs the client of this installation for a hook, wherever PATH leads: its words follow."""
    return [sys.executable, "-I", "-S", *_client_words(socket), "hook"]


def view_argv(socket: str, words: list[str]) -> list[str]:
    """Return what runs the view of this installation, wherever PATH leads, with what is installed beside it."""
    return [sys.executable, "-I", *_client_words(socket), "dashboard", *words]


def _client_words(socket: str) -> list[str]:
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from agentmux.cli.main import entry; entry()"
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return ["-c", code, root, "-S", socket]


def greeting(attempt: int, command: bytes = b"") -> bytes:
    """Return the frames that say who we are, and what is asked: the body of a COMMAND, if any.

    A server older than us upgrades itself, the first time it is asked.
    """
    server, keeper = launch_argv()
    fields = [
        VERSION.encode(),
        b"%d" % PROTOCOL,
        b"%d" % attempt,
        os.fsencode("\0".join(server)),
        os.fsencode("\0".join(keeper)),
    ]
    return encode(Kind.HELLO, pack(fields)) + (encode(Kind.COMMAND, command) if command else b"")


class Connection:
    """A blocking connection to the server.

    Owns its socket. Reads time out after ``PATIENCE`` until :meth:`patient` is called.
    """

    def __init__(self, sock: _socket.socket, path: str) -> None:
        self.sock = sock
        self.path = path
        self._decoder = Decoder()
        self._ready: list[tuple[int, bytes]] = []
        sock.settimeout(PATIENCE)

    @classmethod
    def open(cls, path: str, patience: float = PATIENCE) -> "Connection":
        """Connect to the server that listens on ``path``.

        Raises:
            NoServer: nobody does. Start one with ``start.start_server``.
            BadFolder: the socket's folder is not private, or the server is not ours.
            ServerSilent: so many wait for it that there was no room for ``patience`` seconds.
        """
        if not os.path.lexists(os.path.dirname(path)):
            raise NoServer(path)
        paths.private_folder(os.path.dirname(path), create=False)
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            deadline = time.monotonic() + patience
            while True:
                try:
                    sock.connect(path)
                    break
                except BlockingIOError:  # the backlog is full
                    if time.monotonic() > deadline:
                        raise ServerSilent(path, patience) from None
                    time.sleep(0.02)
            uid = peer_uid(sock)
            if uid not in (None, os.getuid()):
                raise BadFolder(path, f"is served by uid {uid}", "name another socket with -S")
        except (FileNotFoundError, ConnectionRefusedError):
            sock.close()
            raise NoServer(path) from None
        except BaseException:
            sock.close()
            raise
        return cls(sock, path)

    def hello(self, attempt: int, command: bytes = b"") -> None:
        """Say who we are, and with it the body of a COMMAND: the server then wakes up once."""
        self._send(greeting(attempt, command))

    def send(self, kind: int, body: bytes = b"") -> None:
        """Send one frame. A broken connection shows at the next read, with what was said before."""
        self._send(encode(kind, body))

    def _send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        except TimeoutError:
            raise ServerSilent(self.path, PATIENCE) from None

    def patient(self) -> None:
        """Wait for ever from now on: the server has begun the command."""
        self.sock.settimeout(None)

    def receive(self) -> bool:
        """Read once from the socket; False when the connection ended.

        Raises:
            ServerSilent: nothing came for ``PATIENCE`` seconds.
        """
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            raise ServerSilent(self.path, PATIENCE) from None
        except ConnectionResetError:
            return False
        self._ready += self._decoder.feed(data)
        return bool(data)

    def taken(self) -> list[tuple[int, bytes]]:
        """Return the frames that have arrived and were not handed out yet."""
        ready, self._ready = self._ready, []
        return ready

    def frames(self) -> "Iterator[tuple[int, bytes]]":
        """Yield frames until the connection ends. Whoever stops early finds the rest in :meth:`taken`."""
        while True:
            while self._ready:
                yield self._ready.pop(0)
            if not self.receive():
                return

    def close(self) -> None:
        """Close the socket."""
        self.sock.close()


def peer_uid(sock: _socket.socket) -> int | None:
    """Return the uid at the other end, or None where the system can't tell."""
    if sys.platform == "linux":
        credentials = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)  # pid, uid, gid
        return int.from_bytes(credentials[4:8], sys.byteorder)
    elif sys.platform == "darwin":
        # struct xucred { u_int cr_version; uid_t cr_uid; ... } by SOL_LOCAL (0), LOCAL_PEERCRED (1)
        return int.from_bytes(sock.getsockopt(0, 1, 76)[4:8], sys.byteorder)
    else:
        return None
