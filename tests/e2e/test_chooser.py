"""The key that opens the view: its client lends it the terminal, and takes that back whatever becomes of it.

The view here is a program of the tests, in a copy of what is installed: a key says what it does.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import termios

import pytest
from programs import server_pid
from terminal import Terminal, signal_and_wait
from world import World, wait_until

import agentmux.mux

VIEW = r'''"""A view that does what it is told by a key."""
import os, signal, sys, termios


def run(words, socket):
    fd = int(words[words.index("--choose-fd") + 1])
    columns, rows = os.get_terminal_size(0)
    if columns < 30:
        return 64
    flags = termios.tcgetattr(0)[3] & (termios.ECHO | termios.ICANON)
    screen = "\x1b[?1049h\x1b[?1000h\x1b[?2004h\x1b[?1h\x1b[31;44m\x1b[2J\x1b[H\x1b]2;the view\x07"
    text = "VIEW of %s on %dx%d %d" % (words[words.index("--select") + 1], columns, rows, flags)
    os.write(1, (screen + text).encode())
    key = os.read(0, 1)
    if key.isdigit():
        os.write(fd, key)
    elif key == b"q":
        os.write(fd, b"quit")
    elif key == b"x":
        return 3
    elif key == b"k":
        os.kill(os.getpid(), signal.SIGKILL)
    elif key == b"c":
        return 64
    elif key == b"o":
        os.write(fd, b"999")
    elif key == b"t":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(1, b" deaf")
        os.read(0, 1)
    os.write(1, b"\x1b[0m\x1b[?1l\x1b[?2004l\x1b[?1000l\x1b[?1049l")
    return 0
'''

CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from agentmux.cli.main import entry; entry()"


@pytest.fixture
def argv(world: World) -> list[str]:
    """The command line of a client whose view is ours, with two sessions to show."""
    source = os.path.dirname(os.path.dirname(agentmux.mux.__file__))
    tree = f"{world.root}/tree"
    shutil.copytree(source, f"{tree}/agentmux", ignore=shutil.ignore_patterns("__pycache__", "dashboard"))
    os.mkdir(f"{tree}/agentmux/cli/dashboard")
    with open(f"{tree}/agentmux/cli/dashboard/__init__.py", "w") as file:
        file.write(VIEW)
    for name in ("one", "two"):
        world.new(name, "sh", "-c", f"printf '\\033]2;title of {name}\\007'; echo in {name}; exec cat")
        world.shows(name, f"in {name}")
    return [sys.executable, "-I", "-c", CODE, tree, "attach", "-t", "one"]


def attached(world: World, argv: list[str], *options: str, size: tuple[int, int] = (80, 24)) -> Terminal:
    terminal = world.terminal(argv=[*argv, *options], size=size)
    terminal.shows("in one")
    return terminal


def viewing(terminal: Terminal) -> None:
    terminal.type("\x02s")
    terminal.shows("VIEW of 1 on 80x24 0")


def goes_on(world: World, terminal: Terminal, name: str) -> None:
    """Insist that a session is shown, with nothing left of the view, and that it can be typed into and left."""
    terminal.shows_rows([f"in {name}"])  # the view shows it, too, among other things
    terminal.type("typed\r")
    terminal.shows_rows([f"in {name}", "typed", "typed"])
    assert not terminal.screen.mouse_tracking and not terminal.screen.bracketed_paste
    assert not terminal.screen.alternate and terminal.screen.keys(["Up"]) == b"\x1b[A"
    assert terminal.screen.title == f"title of {name}"
    assert terminal.styled()[0] == f"in {name}"
    iflag, oflag, _, lflag, *_ = termios.tcgetattr(terminal.slave)
    assert not iflag & termios.ICRNL and not oflag & termios.OPOST and not lflag & termios.ECHO, "raw as before"
    assert world.info(name)["attached"] == 1
    terminal.type("\x02d")
    assert terminal.ended() == 0
    terminal.shows(f"[detached from {name}]")
    terminal.assert_as_before()


def test_another_session_is_chosen(world: World, argv: list[str]) -> None:
    terminal = attached(world, argv)
    viewing(terminal)
    terminal.type("2")
    goes_on(world, terminal, "two")
    assert world.info("one")["attached"] == 0


@pytest.mark.parametrize("key", ["n", "1"])
def test_without_a_choice_the_session_goes_on(world: World, argv: list[str], key: str) -> None:
    terminal = attached(world, argv)
    viewing(terminal)
    terminal.type(key)
    goes_on(world, terminal, "one")


@pytest.mark.parametrize("key", ["x", "k"])
def test_a_view_that_dies_is_cleared_away(world: World, argv: list[str], key: str) -> None:
    terminal = attached(world, argv)
    viewing(terminal)
    terminal.type(key)
    goes_on(world, terminal, "one")


def test_the_view_may_have_its_client_leave(world: World, argv: list[str]) -> None:
    terminal = attached(world, argv)
    viewing(terminal)
    terminal.type("q")
    assert terminal.ended() == 0
    terminal.shows("[detached from one]")
    terminal.assert_as_before()


def test_a_choice_that_there_is_not_is_told(world: World, argv: list[str]) -> None:
    terminal = attached(world, argv)
    viewing(terminal)
    terminal.type("o")
    terminal.shows("agentmux: no session named '999'")
    terminal.type("\x1b")
    goes_on(world, terminal, "one")


def test_where_the_view_cannot_be_shown_there_is_a_list(world: World, argv: list[str]) -> None:
    terminal = attached(world, argv, size=(29, 24))
    terminal.type("\x02s")
    terminal.shows("two")
    assert any(row.split()[:3] == ["1", "*", "one"] for row in terminal.rows())
    terminal.type("\x1b")
    terminal.shows_rows(["in one"])
    terminal.type("\x02s")
    terminal.shows("two")
    terminal.type("2\r")
    goes_on(world, terminal, "two")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("key", ["", "t"])
def test_what_ends_the_client_ends_the_view(world: World, argv: list[str], number: signal.Signals, key: str) -> None:
    terminal = attached(world, argv)
    viewing(terminal)
    if key:
        terminal.type(key)
        terminal.shows("deaf")
    os.kill(terminal.pid, number)
    assert terminal.ended() == 128 + number
    terminal.assert_as_before()
    assert [command for command in world.pids().values() if "dashboard" in command] == []
    assert world.info("one")["attached"] == 0


def test_a_terminal_that_hangs_up_ends_both(world: World, argv: list[str]) -> None:
    terminal = attached(world, argv)
    viewing(terminal)
    terminal.hang_up()
    assert terminal.ended() == 129
    wait_until(lambda: not any("dashboard" in one for one in world.pids().values()), what="the view's end")


@pytest.mark.parametrize(("key", "name"), [("n", "one"), ("2", "two")])
def test_the_server_may_die_meanwhile(world: World, argv: list[str], key: str, name: str) -> None:
    terminal = attached(world, argv)
    viewing(terminal)
    signal_and_wait(server_pid(world))
    world.run("ls").ok()
    terminal.type(key)
    goes_on(world, terminal, name)


def test_the_session_may_end_meanwhile(world: World, argv: list[str]) -> None:
    terminal = attached(world, argv)
    viewing(terminal)
    world.run("kill", "-t", "one", "--now").ok()
    terminal.type("2")
    goes_on(world, terminal, "two")
    world.run("restart", "-t", "one").ok()
    terminal = attached(world, argv)
    viewing(terminal)
    world.run("kill", "-t", "one", "--now").ok()
    terminal.type("n")
    assert terminal.ended() == 0
    terminal.shows("[killed]")
    terminal.assert_as_before()


def test_the_window_may_change_meanwhile(world: World, argv: list[str]) -> None:
    terminal = attached(world, argv)
    viewing(terminal)
    terminal.resize((60, 20))
    terminal.type("n")
    wait_until(lambda: world.info("one")["size"] == [60, 20], what="the new size")
    goes_on(world, terminal, "one")


def test_the_agent_is_not_typed_what_was_meant_for_the_view(world: World, argv: list[str]) -> None:
    terminal = attached(world, argv)
    terminal.type("\x02sabc")
    terminal.shows("VIEW")
    terminal.type("n")
    goes_on(world, terminal, "one")


# A client that the view has lent its own terminal

LENDER = """
import os, subprocess, sys
reading, writing = os.pipe()
os.write(1, b"the view's own screen")
done = subprocess.run([*sys.argv[2:], "--in-view", "--line-fd", str(writing)], pass_fds=[writing])
os.close(writing)
with open(sys.argv[1], "w") as file:
    file.write("%d %s" % (done.returncode, os.read(reading, 4096).decode()))
"""


def lent(world: World, argv: list[str]) -> tuple[Terminal, str]:
    told = f"{world.root}/told"
    return world.terminal(argv=[sys.executable, "-I", "-c", LENDER, told, *argv]), told


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


@pytest.mark.parametrize("keys", ["\x02s", "\x02d"])
def test_in_the_view_both_keys_lead_back_to_it(world: World, argv: list[str], keys: str) -> None:
    terminal, told = lent(world, argv)
    terminal.shows("in one")
    terminal.type(keys)
    assert terminal.ended() == 0
    assert read(told) == "0 "
    assert "[detached" not in terminal.text() and "VIEW" not in terminal.text()
    terminal.assert_as_before()


def test_the_view_is_told_how_a_session_ended(world: World, argv: list[str]) -> None:
    terminal, told = lent(world, argv)
    terminal.shows("in one")
    terminal.type("\x04")
    assert terminal.ended() == 0
    assert read(told) == "0 [exited 0]"
    assert "[exited" not in terminal.text()
    terminal, told = lent(world, argv)
    assert terminal.ended() == 0
    assert read(told).startswith("1 agentmux: session 'one' is not running")
    assert "agentmux" not in terminal.text()
