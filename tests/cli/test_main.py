"""The client, against a server that the test plays: what it sends, prints, repeats, and exits with."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator

import pytest

from agentmux.cli.commands import COMMANDS, Command
from agentmux.cli.main import RESENDS, main, make_request
from agentmux.mux import VERSION
from agentmux.mux.protocol import Decoder, Kind, Request, encode, pack, unpack

Frames = list[tuple[int, bytes]]
Answer = Callable[[socket.socket], None]


def exit_(status: int, line: str = "") -> bytes:
    return encode(Kind.EXIT, pack([b"%d" % status, line.encode(), b"0", b"0"]))


ACCEPTED = encode(Kind.ACCEPTED)


class Server:
    """Answers each connection with the next of ``answers``, the last one again and again."""

    def __init__(self, folder: str) -> None:
        self.path = f"{folder}/socket"
        self.answers: list[bytes | Answer] = [ACCEPTED + exit_(0)]
        self.got: list[Frames] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def request(self) -> Request:
        return Request.unpack(next(body for kind, body in self.got[-1] if kind == Kind.COMMAND))

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                decoder, frames = Decoder(), Frames()
                while Kind.COMMAND not in [kind for kind, _ in frames]:
                    data = connection.recv(65536)
                    if not data:
                        return
                    frames += decoder.feed(data)
                self.got.append(frames)
                answer = self.answers[min(len(self.got), len(self.answers)) - 1]
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client may leave early
                    if callable(answer):
                        answer(connection)
                    else:
                        connection.sendall(answer)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self.path)
        self._thread.join()
        self._listener.close()


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AGENTMUX", "_AGENTMUX"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def folder() -> Iterator[str]:
    """A private folder whose path is short enough for sockets."""
    path = tempfile.mkdtemp(prefix="amux-", dir="/tmp")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def server(folder: str) -> Iterator[Server]:
    made = Server(folder)
    yield made
    made.close()


Capture = pytest.CaptureFixture[str]

# Without a server


@pytest.mark.parametrize("option", ["-V", "--version"])
def test_the_version_needs_nothing(option: str, capfd: Capture) -> None:
    assert main([option]) == 0
    assert capfd.readouterr() == (f"agentmux {VERSION}\n", "")


@pytest.mark.parametrize(
    ("argv", "problem", "hint"),
    [
        (["lss"], "no command named 'lss'", "did you mean 'ls'?"),
        (["lss", "--help"], "no command named 'lss'", "did you mean 'ls'?"),
        (["qqqqq"], "no command named 'qqqqq'", "list them with: agentmux --help"),
        (["-x"], "unknown option '-x'", "see: agentmux --help"),
        (["--Larch", "ls"], "unknown option '--Larch'", "see: agentmux --help"),
        (["-L"], "option '-L' needs a value", "see: agentmux --help"),
        (["-S", ""], "option '-S' needs a value", "see: agentmux --help"),
        (["-L", "a/b", "ls"], "'a/b' can't be a server name: it has a '/'", "give a path with -S"),
    ],
)
def test_a_wrong_command_line_is_status_2(argv: list[str], problem: str, hint: str, capfd: Capture) -> None:
    assert main(argv) == 2
    assert capfd.readouterr() == ("", f"agentmux: {problem}\nagentmux: {hint}\n")


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["-L", "x", "--help"]])
def test_help_is_printed_by_the_client(argv: list[str], capfd: Capture) -> None:
    assert main(argv) == 0
    sys.stdout.flush()
    out, err = capfd.readouterr()
    assert out.startswith("Usage: agentmux ") and "Commands:" in out
    assert err == ""


@pytest.mark.parametrize("argv", [["ls", "--help"], ["--help", "ls"], ["list", "-h"]])
def test_help_of_one_command(argv: list[str], capfd: Capture) -> None:
    assert main(argv) == 0
    sys.stdout.flush()
    assert capfd.readouterr().out.startswith("Usage: agentmux ls ")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_help_that_is_printed_by_the_client(command: Command, capfd: Capture) -> None:
    assert main([command.name, "--help"]) == 0
    sys.stdout.flush()
    out, err = capfd.readouterr()
    assert out.startswith(f"Usage: agentmux {command.name} ") and err == ""


@pytest.mark.parametrize("argv", [["detach"], ["kill-server"], ["events", "--json"]])
def test_without_a_server_some_commands_are_an_error_and_start_none(
    argv: list[str], folder: str, capfd: Capture
) -> None:
    path = f"{folder}/none"
    assert main(["-S", path, *argv]) == 1
    assert capfd.readouterr().err.startswith(f"agentmux: no server running on {path}\n")
    assert os.listdir(folder) == []


def test_a_folder_that_is_not_private_is_refused(folder: str, capfd: Capture) -> None:
    os.chmod(folder, 0o755)
    assert main(["-S", f"{folder}/socket", "detach"]) == 1
    assert "is open to others (mode 0755)" in capfd.readouterr().err


def test_a_path_that_is_too_long_is_told(capfd: Capture) -> None:
    assert main(["-S", "/tmp/" + "x" * 200, "ls"]) == 1
    assert "over the system's limit" in capfd.readouterr().err


# With one


def test_what_the_server_says_is_printed_and_its_status_returned(server: Server, capfd: Capture) -> None:
    said = encode(Kind.STDOUT, b"one ") + encode(Kind.STDERR, b"two\n") + encode(Kind.STDOUT, b"three\n")
    server.answers = [ACCEPTED + said + exit_(7)]
    assert main(["-S", server.path, "ls", "-a"]) == 7
    assert capfd.readouterr() == ("one three\n", "two\n")
    assert server.request.argv == ["ls", "-a"]


def test_a_last_line_comes_last(server: Server, capfd: Capture) -> None:
    server.answers = [ACCEPTED + encode(Kind.STDOUT, b"x\n") + exit_(0, "[bye]")]
    assert main([f"-S{server.path}", "ls"]) == 0
    assert capfd.readouterr().out == "x\n[bye]\n"


def test_without_words_it_lists(server: Server) -> None:
    assert main(["-S", server.path]) == 0
    assert server.request.argv == ["ls"]


def test_a_kind_from_the_future_is_skipped(server: Server) -> None:
    server.answers = [encode(99, b"?") + ACCEPTED + exit_(3)]
    assert main(["-S", server.path, "ls"]) == 3


def test_the_server_gets_everything_a_command_may_need(
    server: Server, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.setenv("MARK", "\udcff=x")
    main(["-S", server.path, "new", "--", "prog", "\udcff", "--flag"])
    request = server.request
    assert request.argv == ["new", "--", "prog", "\udcff", "--flag"]
    assert request.env["MARK"] == "\udcff=x"
    assert request.cwd == os.getcwd()
    assert request.ttys[1:] == (False, False)
    assert server.got[0][0][0] == Kind.HELLO


def test_a_working_folder_that_is_gone_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    before = os.open(".", os.O_RDONLY)
    os.mkdir(f"{folder}/gone")
    os.chdir(f"{folder}/gone")
    os.rmdir(f"{folder}/gone")
    try:
        monkeypatch.setenv("HOME", "/home/me")
        assert make_request(["ls"]).cwd == "/home/me"
    finally:
        os.fchdir(before)
        os.close(before)


def test_the_umask_is_asked_for_and_left_as_it_was() -> None:
    before = os.umask(0o027)
    try:
        assert make_request(["ls"]).umask == 0o027
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_standard_input_is_sent_when_it_is_asked_for(server: Server) -> None:
    got: Frames = []

    def reads(connection: socket.socket) -> None:
        connection.sendall(ACCEPTED + encode(Kind.WANT_STDIN))
        decoder = Decoder()
        while Kind.STDIN_END not in [kind for kind, _ in got]:
            got.extend(decoder.feed(connection.recv(65536)))
        connection.sendall(exit_(0))

    server.answers = [reads]
    text = b"x" * 200_000
    done = subprocess.run(
        [sys.executable, "-m", "agentmux.cli.main", "-S", server.path, "send", "-"],
        input=text, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"".join(body for kind, body in got if kind == Kind.STDIN) == text


# A server that goes away


def test_a_command_that_had_not_begun_is_sent_again(server: Server, capfd: Capture) -> None:
    server.answers = [b"", encode(Kind.WELCOME, pack([b"1", b"1", b"1", b"1"])), ACCEPTED + exit_(5)]
    assert main(["-S", server.path, "kill"]) == 5
    attempts = [unpack(frames[0][1])[2] for frames in server.got]
    assert attempts == [b"0", b"1", b"2"]
    assert capfd.readouterr().err == ""


def test_a_command_that_had_begun_is_not_sent_again(server: Server, capfd: Capture) -> None:
    server.answers = [ACCEPTED, ACCEPTED + exit_(0)]
    assert main(["-S", server.path, "kill"]) == 4
    assert len(server.got) == 1
    assert capfd.readouterr().err.startswith("agentmux: the server went away while it ran")


def test_a_command_that_changes_nothing_is_sent_again_all_the_same(server: Server) -> None:
    server.answers = [ACCEPTED, ACCEPTED + exit_(0)]
    assert main(["-S", server.path, "has"]) == 0
    assert len(server.got) == 2


def test_what_was_printed_is_not_printed_twice(server: Server, capfd: Capture) -> None:
    server.answers = [ACCEPTED + encode(Kind.STDOUT, b"half\n"), ACCEPTED + encode(Kind.STDOUT, b"whole\n") + exit_(0)]
    assert main(["-S", server.path, "log"]) == 4
    assert capfd.readouterr().out == "half\n"


def test_it_is_not_sent_for_ever(server: Server) -> None:
    server.answers = [b""]
    assert main(["-S", server.path, "ls"]) == 4
    assert len(server.got) == RESENDS


def test_a_server_that_speaks_something_else_is_status_3(server: Server, capfd: Capture) -> None:
    server.answers = [b"HTTP/1.1 400 Bad Request\r\n\r\n"]
    assert main(["-S", server.path, "ls"]) == 3
    assert capfd.readouterr().err.startswith("agentmux: protocol error: ")


# Where the output goes


def run(*argv: str, stdout: int) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "agentmux.cli.main", *argv], stdout=stdout, stderr=subprocess.PIPE, check=False
    )


@pytest.mark.parametrize("argv", [["-V"], ["ls"]])
def test_a_reader_that_left_is_no_error_message(server: Server, argv: list[str]) -> None:
    server.answers = [ACCEPTED + encode(Kind.STDOUT, b"x" * 100_000) + exit_(0)]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run("-S", server.path, *argv, stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux only")
def test_a_full_disk_is_an_error_message() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = run("-V", stdout=full)
    finally:
        os.close(full)
    assert (done.returncode, done.stderr) == (1, b"agentmux: cannot write: no space left on device\n")


def test_an_interrupt_is_status_130(server: Server) -> None:
    def interrupts(connection: socket.socket) -> None:
        connection.sendall(ACCEPTED)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        while connection.recv(65536):
            pass

    server.answers = [interrupts]
    assert main(["-S", server.path, "wait"]) == 130
