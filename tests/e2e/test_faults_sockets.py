"""The socket, or the folder it is in, is deleted under a server that runs: whoever comes next finds every session."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable

import pytest
from programs import Counters, keeper_pid, server_pid
from terminal import signal_and_wait
from world import World, wait_until


def delete_socket(world: World) -> None:
    """Somebody is tidy."""
    os.unlink(world.socket)


def delete_folder(world: World) -> None:
    """Something cleans temporary folders."""
    shutil.rmtree(os.path.dirname(world.socket))


def log_out_and_in(world: World) -> None:
    """The system unmounts the runtime folder with the last log-out, and makes another at the next log-in."""
    shutil.rmtree(world.runtime)
    os.mkdir(world.runtime, 0o700)


deleted = pytest.mark.parametrize("delete", [delete_socket, delete_folder, log_out_and_in], ids=lambda f: f.__name__)


def processes(world: World) -> tuple[int, int]:
    """Return how many keepers and servers run."""
    commands = list(world.pids().values())
    keepers = sum("keeper.py" in command for command in commands)
    return keepers, sum("agentmux.cli.serve" in command and "keeper.py" not in command for command in commands)


@deleted
def test_the_next_command_finds_every_session(world: World, delete: Callable[[World], None]) -> None:
    """After the socket is gone, ``ls`` lists all sessions of the same server and keeper, which lost nothing."""
    counters = Counters(world)
    counters.start("steady", 0.01)
    world.new("typed", "cat")
    keeper, server = keeper_pid(world), server_pid(world)
    watching = world.attach("typed")
    for number in range(2):
        delete(world)
        found = {row["what"]: row for row in world.run("doctor", "--json").json}
        assert found["server"]["found"].endswith("is gone")
        assert sorted(world.names()) == ["steady", "typed"]
        assert (keeper_pid(world), server_pid(world)) == (keeper, server)
        watching.type(f"round {number}\r")
        watching.shows(f"round {number}")
        world.run("send", "-t", "typed", f"sent {number}").ok()
        watching.shows(f"sent {number}")
    assert world.log.count("listening again") == 2
    assert os.path.exists(f"{world.socket}.inbox")
    counters.check()
    world.run("kill-server").ok()
    assert not os.path.lexists(world.socket)
    assert world.pids() == {}


@deleted
def test_a_command_that_starts_no_server_finds_it_too(world: World, delete: Callable[[World], None]) -> None:
    """What needs a server works without its socket; where none lives it is the same error as ever."""
    world.new("api", "cat")
    delete(world)
    assert world.run("has", "-t", "api").status == 0
    delete(world)
    assert world.status()["sessions"] == 1
    delete(world)
    world.run("kill-server").ok()
    assert world.pids() == {}
    world.run("kill-server").failed("no server running on", "start a session with: agentmux new")


def test_the_link_to_the_ssh_agent_is_back_at_the_next_attach(world: World) -> None:
    """A program that has the link as its SSH agent reaches that of whoever attaches, also after the folder is gone."""
    world.new("without", "cat")
    with_agent = {"SSH_AUTH_SOCK": "/somewhere/agent.1"}
    world.run("new", "-d", "-s", "api", "--", "cat", env=with_agent).ok()
    link = f"{world.socket}.ssh-{world.info('api')['id']}"
    assert os.readlink(link) == "/somewhere/agent.1"
    delete_folder(world)
    assert world.names() == ["without", "api"]
    world.attach("api", env={"SSH_AUTH_SOCK": "/somewhere/agent.2"})
    world.attach("without", env=with_agent)
    assert os.readlink(link) == "/somewhere/agent.2"
    assert not os.path.lexists(f"{world.socket}.ssh-1")


@pytest.mark.parametrize("clients", [6, pytest.param(40, marks=pytest.mark.prove)], ids=["few", "many"])
def test_any_number_of_clients_at_once_find_the_same_server(world: World, clients: int) -> None:
    """However many look for the server together, none starts another."""
    world.new("api", "cat")
    before = keeper_pid(world), server_pid(world)
    delete_folder(world)
    starting = [world.start("new", "-d", "-s", f"s{n}", "--", "cat") for n in range(clients)]
    assert [(ran.status, ran.err) for ran in map(world.ended, starting)] == [(0, "")] * clients
    assert (keeper_pid(world), server_pid(world)) == before
    assert processes(world) == (1, 1)
    assert len(world.names()) == clients + 1


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.prove)], ids=["once", "ten-times"])
@pytest.mark.parametrize("victim", ["server", "keeper"])
@deleted
def test_server_or_keeper_die_without_their_socket(
    world: World, delete: Callable[[World], None], victim: str, rounds: int
) -> None:
    """A crash while the socket is gone loses no byte; attached clients and new ones find the next server."""
    counters = Counters(world)
    counters.start("steady", 0.01)
    world.new("typed", "cat")
    pid = world.info("steady")["pid"]
    watching = world.attach("typed")
    for number in range(rounds):
        delete(world)
        signal_and_wait(server_pid(world) if victim == "server" else keeper_pid(world))
        assert sorted(world.names()) == ["steady", "typed"]
        world.run("send", "-t", "typed", f"round {number}").ok()
        watching.shows(f"round {number}")
        assert world.info("steady")["pid"] == pid
        wait_until(lambda: processes(world) == (1, 1), what="one keeper and one server")
    counters.check()


def test_a_server_that_hangs_without_its_socket_is_replaced_and_found(world: World) -> None:
    """Stopped, and its socket deleted: the keeper's next server listens, and the command that waited is answered."""
    world.new("api", "cat")
    delete_folder(world)
    os.kill(server_pid(world), signal.SIGSTOP)
    assert world.names() == ["api"]
    assert world.info("api")["state"] == "running"


def test_without_a_place_for_the_socket_sessions_go_on(world: World) -> None:
    """Where even the parent folder is gone, a new server still reads what programs print, and is found afterwards."""
    counters = Counters(world)
    counters.start("steady", 0.01)
    world.shows("steady", "line")
    recorded = f"{world.data}/sessions/1/{0:020d}.raw"
    shutil.rmtree(world.runtime)
    signal_and_wait(server_pid(world))
    wait_until(lambda: "a crash may lose output" in world.log, what="line in the log")
    before = os.path.getsize(recorded)
    wait_until(lambda: os.path.getsize(recorded) > before, what="recording")
    world.run("ls").failed("the data folder ", "name another with -L")  # the client's socket is in /tmp now
    world.run("-S", world.socket, "ls").failed("folder ", "name another socket")
    os.mkdir(world.runtime, 0o700)
    assert world.names() == ["steady"]
    assert os.path.exists(f"{world.socket}.inbox")
    shutil.rmtree(f"{world.tmp}/agentmux-{os.getuid()}")
    counters.check()


def test_somebody_elses_socket_in_its_place_is_left_alone(world: World) -> None:
    """A folder that others may enter is not listened in, and the error says what to do; then all is found."""
    world.new("api", "cat")
    delete_folder(world)
    folder = os.path.dirname(world.socket)
    os.mkdir(folder)
    os.chmod(folder, 0o755)
    world.run("ls").failed("folder ", "close it with: chmod 700")
    os.kill(server_pid(world), signal.SIGUSR1)
    wait_until(lambda: "can't listen on" in world.log, what="line in the log")
    assert not os.path.lexists(world.socket)
    os.chmod(folder, 0o700)
    assert world.names() == ["api"]


def test_a_signal_brings_the_socket_back_without_a_client(world: World) -> None:
    """SIGUSR1 makes the server listen again, and ends nothing: neither the keeper nor a server that is reached."""
    world.new("api", "cat")
    for pid in (keeper_pid(world), server_pid(world)):
        os.kill(pid, signal.SIGUSR1)
    assert world.names() == ["api"]
    delete_socket(world)
    os.kill(server_pid(world), signal.SIGUSR1)
    wait_until(lambda: os.path.exists(world.socket), what="socket")
    assert world.names() == ["api"]
    assert world.log.count("listening again") == 1
