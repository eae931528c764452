"""The client's end of the socket, against a listener that the test plays."""

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator

import pytest

from agentmux.mux import VERSION
from agentmux.mux.client import Connection, launch_argv, peer_uid
from agentmux.mux.errors import BadFolder, NoServer, ProtocolError, ServerSilent
from agentmux.mux.protocol import PROTOCOL, Decoder, Kind, encode, unpack


@pytest.fixture
def folder() -> Iterator[str]:
    """A private folder whose path is short enough for sockets."""
    path = tempfile.mkdtemp(prefix="amux-", dir="/tmp")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def listener(folder: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{folder}/socket")
        sock.listen()
        yield sock


@pytest.fixture
def pair(folder: str, listener: socket.socket) -> Iterator[tuple[Connection, socket.socket]]:
    connection = Connection.open(f"{folder}/socket")
    server, _ = listener.accept()
    with server:
        yield connection, server
    connection.close()


# Connecting


def test_no_folder_is_no_server(folder: str) -> None:
    with pytest.raises(NoServer):
        Connection.open(f"{folder}/none/socket")


def test_no_socket_is_no_server(folder: str) -> None:
    with pytest.raises(NoServer):
        Connection.open(f"{folder}/socket")


def test_a_socket_that_nobody_listens_on_is_no_server_and_nothing_stays_open(folder: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{folder}/socket")
    with pytest.raises(NoServer, match="socket"):  # an open one would be a ResourceWarning, which is an error here
        Connection.open(f"{folder}/socket")


@pytest.mark.usefixtures("listener")
def test_a_folder_that_others_can_enter_is_not_trusted(folder: str) -> None:
    os.chmod(folder, 0o755)
    with pytest.raises(BadFolder, match="open to others"):
        Connection.open(f"{folder}/socket")


def full(path: str) -> list[socket.socket]:
    """Fill the backlog of the listener on ``path``; return what fills it."""
    waiting = []
    while True:
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        waiting.append(sock)
        try:
            sock.connect(path)
        except BlockingIOError:
            return waiting


def test_a_full_backlog_is_waited_for_and_then_the_server_is_called_silent(folder: str) -> None:
    """Linux does not wait here when a timeout is set: it was a traceback."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/socket")
        listener.listen(0)
        waiting = full(f"{folder}/socket")
        with pytest.raises(ServerSilent, match=r"for 0\.05 s"):
            Connection.open(f"{folder}/socket", patience=0.05)
        taker = threading.Thread(target=lambda: listener.accept()[0].close())
        taker.start()
        Connection.open(f"{folder}/socket").close()
        taker.join()
        for sock in waiting:
            sock.close()


def test_who_is_at_the_other_end(pair: tuple[Connection, socket.socket]) -> None:
    connection, _ = pair
    assert peer_uid(connection.sock) == os.getuid()


# Talking


def test_hello_says_version_and_how_to_start_this_one(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    connection.hello(3)
    ((kind, body),) = Decoder().feed(server.recv(65536))
    version, protocol, attempt, *argvs = unpack(body, 5)
    assert (kind, version, protocol, attempt) == (Kind.HELLO, VERSION.encode(), b"%d" % PROTOCOL, b"3")
    assert [os.fsdecode(argv).split("\0") for argv in argvs] == list(launch_argv())


def test_frames_come_whole_however_they_were_sent(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    wire = encode(Kind.STDOUT, b"x" * 100_000) + encode(Kind.EXIT, b"")

    def send() -> None:
        for at in range(0, len(wire), 999):
            server.sendall(wire[at : at + 999])
        server.close()

    sender = threading.Thread(target=send)
    sender.start()
    assert list(connection.frames()) == [(Kind.STDOUT, b"x" * 100_000), (Kind.EXIT, b"")]
    sender.join()


def test_whoever_stops_early_finds_the_rest(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    server.sendall(encode(Kind.ATTACHED) + encode(Kind.OUTPUT, b"1") + encode(Kind.OUTPUT, b"2"))
    assert next(connection.frames()) == (Kind.ATTACHED, b"")
    assert connection.taken() == [(Kind.OUTPUT, b"1"), (Kind.OUTPUT, b"2")]
    assert connection.taken() == []


def test_a_broken_connection_shows_at_the_next_read_with_what_was_said_before(
    pair: tuple[Connection, socket.socket],
) -> None:
    connection, server = pair
    server.sendall(encode(Kind.STDERR, b"why"))
    server.close()
    connection.send(Kind.INPUT, b"x")
    assert list(connection.frames()) == [(Kind.STDERR, b"why")]
    assert not connection.receive()


def test_a_reset_connection_is_an_end_like_any_other(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    connection.send(Kind.INPUT, b"never read")
    server.close()
    assert list(connection.frames()) == []


def test_a_server_that_says_nothing_is_called_silent(pair: tuple[Connection, socket.socket]) -> None:
    connection, _ = pair
    connection.sock.settimeout(0.01)
    with pytest.raises(ServerSilent):
        connection.receive()


def test_a_server_that_reads_nothing_is_called_silent(pair: tuple[Connection, socket.socket]) -> None:
    connection, _ = pair
    connection.sock.settimeout(0.01)
    with pytest.raises(ServerSilent):
        connection.send(Kind.STDIN, bytes(1 << 22))


def test_after_the_beginning_of_a_command_there_is_no_limit(pair: tuple[Connection, socket.socket]) -> None:
    connection, _ = pair
    assert connection.sock.gettimeout() is not None
    connection.patient()
    assert connection.sock.gettimeout() is None


def test_garbage_is_a_protocol_error(pair: tuple[Connection, socket.socket]) -> None:
    connection, server = pair
    server.sendall(b"HTTP/1.1 400 Bad Request\r\n")
    with pytest.raises(ProtocolError):
        connection.receive()


def test_what_starts_a_server_is_this_tree_and_no_other() -> None:
    server, keeper = launch_argv()
    assert os.path.samefile(os.path.dirname(keeper[-1]), os.path.join(server[-1], "agentmux", "mux"))
    assert os.path.isfile(keeper[-1])
    assert "-I" in server and "-I" in keeper
