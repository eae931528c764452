"""However the view ends, no session notices, and the terminal is as it was, or ``agentmux reset`` makes it so."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import termios
from collections.abc import Iterable

import pytest
from programs import server_pid
from terminal import Terminal
from world import AGENTMUX, World, wait_until

KEYS = ["j", "k", "p", "x", "n", "?", ":", "/", "g", "z", "2", "3", "\x1b", "\x1b[5~", "\x1b[A", "a", "i", "\t", "\r"]
"""What a person may have typed by then, but for what ends something."""

END_IT = "p=$(jobs -p %1); kill %1; while kill -0 $p; do sleep 0.1; done; echo go''ne"
"""For a shell: end its first job, and tell when it has."""


def sessions(world: World) -> list[str]:
    """Start what must not notice anything; return its names."""
    world.new("one", "sh")
    world.python("two", "import itertools, time\nfor n in itertools.count(): print(n); time.sleep(0.01)")
    return world.names()


def pids(world: World) -> list[int]:
    return [one["pid"] for one in world.run("ls", "--json").ok().json]


def view(world: World, *words: str, **settings: object) -> Terminal:
    terminal = world.terminal(*words, **settings).attached()
    terminal.shows(" agentmux ")
    terminal.shows("one")
    return terminal


def stopped(world: World) -> Terminal:
    """Open a view from a shell, and stop it."""
    sessions(world)
    terminal = world.terminal(argv=("bash", "--norc", "-i"))
    terminal.shows("$")
    terminal.type("agentmux\r")
    terminal.shows(" agentmux ")
    terminal.type("\x1a")
    terminal.shows("Stopped")
    return terminal


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_the_terminal_whole(world: World, number: signal.Signals) -> None:
    names, before = sessions(world), pids(world)
    terminal = view(world)
    terminal.type("p")
    terminal.shows("prompt for")
    os.kill(terminal.pid, number)
    assert terminal.ended() == 128 + number
    terminal.assert_as_before()
    assert (world.names(), pids(world)) == (names, before)


def test_q_leaves_as_if_nothing_had_been_there(world: World) -> None:
    names = sessions(world)
    terminal = world.terminal(argv=("sh", "-c", 'echo before; "$0"; echo after $?', AGENTMUX))
    terminal.shows("one")
    terminal.type("q")
    terminal.ended()
    assert [row for row in terminal.rows() if row] == ["before", "after 0"]
    terminal.assert_as_before()
    assert world.names() == names


def test_a_terminal_that_hangs_up_ends_it(world: World) -> None:
    names = sessions(world)
    terminal = view(world)
    terminal.hang_up()
    terminal.ended()
    assert world.names() == names


@pytest.mark.parametrize("meanwhile", ["", "bg; "])
def test_a_view_that_is_stopped_can_be_ended(world: World, meanwhile: str) -> None:
    terminal = stopped(world)
    terminal.type(f"{meanwhile}{END_IT}\r")
    terminal.shows("gone")
    terminal.type("exit\r")
    terminal.ended()
    terminal.assert_as_before()


@pytest.mark.parametrize("command", ["", "attach -t one"])
def test_what_is_started_in_the_background_waits_and_can_be_ended(world: World, command: str) -> None:
    sessions(world)
    terminal = world.terminal(argv=("bash", "--norc", "-i"))
    terminal.shows("$")
    terminal.type(f"agentmux {command} & until jobs | grep Stopped; do sleep 0.1; done\r")
    terminal.shows("Stopped")
    terminal.type(f"{END_IT}\r")
    terminal.shows("gone")
    terminal.type("exit\r")
    terminal.ended()
    terminal.assert_as_before()


def test_a_view_that_is_stopped_and_goes_on(world: World) -> None:
    terminal = stopped(world)
    terminal.type("fg\r")
    terminal.shows(" agentmux ")
    terminal.type("q")
    terminal.shows_not(" agentmux ")
    terminal.type("exit\r")
    terminal.ended()


def killed(world: World, terminal: Terminal) -> None:
    """Kill a view without a chance for it; then give the terminal back."""
    os.kill(terminal.pid, signal.SIGKILL)
    terminal.ended()
    slave = terminal.slave
    subprocess.run([AGENTMUX, "reset"], stdin=slave, stdout=slave, stderr=slave, env=world.env, check=True)
    with open(os.ttyname(slave), "wb", buffering=0) as shell:
        shell.write(b"the shell's prompt")
    terminal.shows("the shell's prompt")
    terminal.settings[0] |= termios.BRKINT  # as `stty sane` has it
    terminal.assert_as_before()


@pytest.mark.parametrize("times", [3, pytest.param(50, marks=pytest.mark.prove)])
def test_kill_9_at_random(world: World, times: int) -> None:
    names, before = sessions(world), pids(world)
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    for _ in range(times):
        terminal = world.terminal().attached()
        if chance.random() < 0.8:
            terminal.shows("one")
        for _ in range(chance.randrange(6)):
            terminal.type(chance.choice(KEYS[:-1]))
        killed(world, terminal)
        terminal.close()
        world.terminals.remove(terminal)
        assert (world.names(), pids(world)) == (names, before), f"seed {seed}"
    counted = world.run("capture", "-t", "two").ok().lines
    wait_until(lambda: world.run("capture", "-t", "two").ok().lines != counted, what="a session that goes on")


def test_it_survives_the_server(world: World) -> None:
    """It says that the server is gone, comes back with the same selection, and shows what is new."""
    sessions(world)
    terminal = view(world)
    terminal.type("j")
    terminal.shows("> ? two")
    os.kill(world.status()["server_pid"], signal.SIGKILL)
    world.new("three", "sh")
    terminal.shows("three")
    terminal.shows("> ? two")
    world.run("kill-server").ok()
    terminal.shows("no server running")
    world.new("four", "sh")
    terminal.shows("four")
    terminal.shows_not("no server running")
    terminal.type("q")
    assert terminal.ended() == 0


def test_two_views_do_not_disturb_each_other(world: World) -> None:
    sessions(world)
    one, two = view(world), view(world, size=(120, 40))
    one.type("/two\r")
    one.shows_not("? one")
    assert any(" one " in row for row in two.rows())
    world.run("rename", "-t", "one", "changed").ok()
    two.shows("changed")
    one.type("q")
    assert one.ended() == 0
    two.type("j")
    two.type("q")
    assert two.ended() == 0


def test_the_key_in_a_session_opens_it_there_and_another_session_is_shown(world: World) -> None:
    for name in ("one", "two"):
        world.new(name, "sh", "-c", f"echo in {name}; exec cat")
    terminal = world.attach("one")
    terminal.shows_rows(["in one"])
    terminal.type("\x02s")
    terminal.shows("> ? one")
    terminal.type("k")
    terminal.shows("> ? two")
    terminal.type("\r")
    terminal.shows_rows(["in two"])
    terminal.type("\x02s")
    terminal.shows("> ? two")
    terminal.type("q")
    terminal.shows_rows(["in two"])
    terminal.type("\x02d")
    assert terminal.ended() == 0
    terminal.assert_as_before()


def test_it_begins_with_the_session_it_is_told(world: World) -> None:
    numbers = [world.new(name, "cat") for name in ("one", "two")]
    terminal = world.terminal("dashboard", "--select", str(numbers[0]))
    terminal.shows("> ? one")
    terminal.type("q")
    assert terminal.ended() == 0


def test_another_server_is_watched_where_the_one_before_was(world: World) -> None:
    code = "import itertools, time\nfor n in itertools.count(): print('n', n); time.sleep(0.05)"
    for name in ("one", "two"):
        world.python(name, code)
    terminal = world.terminal().attached()
    terminal.shows("> ? two")

    def goes_on(column: int) -> None:
        """Insist that what is shown of a session changes."""
        numbers = {row[column:].split("|")[0] for row in terminal.rows() if row[column:].startswith("n ")}
        wait_until(lambda: {row[column:].split("|")[0] for row in terminal.rows()} & numbers == set(), what="changes")

    def restarted(columns: Iterable[int]) -> None:
        wait_until(lambda: [row for row in terminal.rows() if row[max(columns) :].startswith("n ")], what="numbers")
        os.kill(server_pid(world), signal.SIGKILL)
        wait_until(lambda: world.run("ls").status == 0, what="another server")
        for column in columns:
            goes_on(column)

    restarted([0])
    terminal.type("g")
    restarted([0, 40])
    terminal.type("qq")
    assert terminal.ended() == 0


def test_an_editor_may_remove_the_prompt_and_leave_the_terminal_raw(world: World) -> None:
    world.new("one", "cat")
    editor = f"{world.root}/editor"
    with open(os.open(editor, os.O_CREAT | os.O_WRONLY, 0o755), "w") as file:
        file.write('#!/bin/sh\nstty raw -echo; rm "$1"; exit 3\n')
    terminal = world.terminal(env={"EDITOR": editor}).attached()
    terminal.shows("> ? one")
    terminal.type("p")
    terminal.shows("prompt for one")
    terminal.type("a thought\x0f")
    terminal.shows("ended with 3")
    terminal.shows("a thought")
    terminal.type("\x1b")
    terminal.shows_not("prompt for one")
    terminal.type("q")
    assert terminal.ended() == 0
    terminal.assert_as_before()


def test_a_folder_that_is_gone_is_no_end(world: World) -> None:
    world.new("one", "cat")
    folder = f"{world.root}/gone"
    os.mkdir(folder)
    terminal = world.terminal(argv=("sh", "-c", f'cd {folder}; rmdir {folder}; exec "$0"', AGENTMUX))
    terminal.shows("> ? one")
    terminal.type("n")
    terminal.shows("Start a session")
    terminal.shows(world.home[-20:])
    terminal.type("\x1b")
    terminal.shows_not("Start a session")
    terminal.type("q")
    assert terminal.ended() == 0
