"""Ending a server by process: with real processes that look like keeper, server and programs, and some that do not."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmux.cli import force
from agentmux.mux.errors import NoServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ps tells less")

WAITS = "import sys; print(flush=True); sys.stdin.read()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS


class Zoo:
    """Processes of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.socket = str(folder / "socket")
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, *words: str, code: str = WAITS, env: dict[str, str] | None = None) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", code, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(env or {})},
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        self.processes.append(process)
        return process

    def keeper(self, socket: str = "", code: str = WAITS) -> "subprocess.Popen[str]":
        config = json.dumps({"socket": socket or self.socket, "server": ["x"], "log": "/y"})
        return self.start("/opt/agentmux/mux/keeper.py", config, code=code)

    def server(self, socket: str = "") -> "subprocess.Popen[str]":
        return self.start("from agentmux.cli.serve import main; main()", "/opt", socket or self.socket, "5")

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def zoo(tmp_path: Path) -> Iterator[Zoo]:
    made = Zoo(tmp_path)
    yield made
    made.close()


def pids(socket: str) -> set[int]:
    return {process.pid for process in force.processes(socket)}


def test_keeper_and_server_of_the_socket_are_found_and_no_others(zoo: Zoo) -> None:
    keeper, server = zoo.keeper(), zoo.server()
    zoo.keeper(zoo.socket + "2")
    zoo.server(zoo.socket + "2")
    zoo.start(zoo.socket)
    zoo.start("keeper.py", zoo.socket)
    assert pids(zoo.socket) == {keeper.pid, server.pid}


@pytest.mark.parametrize("name", ["é", "a b", 'a"b', "a\\b", "a'b"])
def test_any_path_is_found(zoo: Zoo, name: str) -> None:
    """The keeper's command line has it as JSON."""
    path = os.path.join(os.path.dirname(zoo.socket), name)
    keeper, server = zoo.keeper(path), zoo.server(path)
    assert pids(path) == {keeper.pid, server.pid}


def test_stop_ends_keeper_server_and_programs_and_says_so(zoo: Zoo, capfd: pytest.CaptureFixture[str]) -> None:
    keeper, server = zoo.keeper(), zoo.server()
    program = zoo.start(env={"AGENTMUX": f"{zoo.socket},1"})
    other = zoo.start(env={"AGENTMUX": f"{zoo.socket}2,1"})
    Path(zoo.socket).touch()
    # Keeper and server would end together; here the server has to be killed, so do not wait for it.
    server.kill()
    server.wait(5)
    assert force.stop(zoo.socket) == 0
    assert (keeper.wait(5), program.wait(5)) == (-signal.SIGTERM, -signal.SIGKILL)
    assert other.poll() is None
    assert not os.path.exists(zoo.socket)
    assert capfd.readouterr().out == "stopped 1 processes of the server and 1 of sessions\n"


def test_a_stopped_keeper_hears_of_it(zoo: Zoo) -> None:
    keeper = zoo.keeper()
    keeper.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, keeper.pid, os.WSTOPPED)
    assert force.stop(zoo.socket) == 0
    assert keeper.wait(5) == -signal.SIGTERM


def test_who_does_not_obey_is_killed_in_the_end(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(force, "WAIT", 0.05)  # a constant, not code
    keeper = zoo.keeper(code=STUBBORN)
    assert force.stop(zoo.socket) == 0
    assert keeper.wait(5) == -signal.SIGKILL


def test_nothing_to_stop_is_no_server(zoo: Zoo) -> None:
    zoo.keeper(zoo.socket + "2")
    with pytest.raises(NoServer):
        force.stop(zoo.socket)
