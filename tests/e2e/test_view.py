"""The agent view in a real tmux: keys typed, screens compared, and what came of it asked of the server."""

from __future__ import annotations

import os

import pytest
from agents import skip_without
from scripted_api import ScriptedApi
from terminal import Terminal
from viewing import SLOW, Front, installed, ours
from world import World, wait_until

REAL = ("claude", "codex", "opencode")


def tour(world: World, front: Front, agents: list[tuple[str, str]], ask: str, approved: str) -> None:
    """Go through all that a person does in a day.

    Args:
        agents: commands and the names of their sessions; the first one asks for approval when it is told to ``ask``.
        approved: a file that is there when the approved command has run.
    """
    asking = agents[0][1]
    # start
    for command, name in agents:
        front.start(command, name)
    for number in range(3):
        front.start("sh", f"sh{number}")
    for _, name in agents:
        front.listed(name, "idle", seconds=SLOW)

    # prompt, and its receipt as it becomes true
    last = agents[-1][1]
    front.select(last)
    front.prompt("hello there")
    front.shows("accepted", seconds=SLOW)
    front.press("2")
    front.shows("hello there", "[messages]", seconds=SLOW)
    front.press("1")

    # somebody needs you: seen in the list, answered from there
    front.select(asking)
    front.prompt(ask)
    front.listed(asking, "!", "waiting", seconds=SLOW)
    front.shows("1 needs you")
    front.select(last)
    front.press("i")
    front.shows(f"{asking}: waiting", "Enter: this one", seconds=SLOW)
    front.press("1")
    front.shows(f"{asking}: answered", seconds=SLOW)
    wait_until(lambda: os.path.exists(approved), seconds=SLOW, what="what was approved")
    front.listed(asking, "idle", seconds=SLOW)
    front.press("i")
    front.shows("nobody needs you")

    # interrupt
    front.select(asking)
    front.prompt("slow 300")
    front.listed(asking, "working", seconds=SLOW)
    front.shows("accepted", seconds=SLOW)
    front.press("b")
    front.shows(f"{asking}: interrupted", seconds=SLOW)
    front.listed(asking, "idle", seconds=SLOW)

    # rename
    front.select("sh0")
    front.press("r")
    front.shows("Rename sh0")
    front.press("C-u")
    front.type("shell")
    front.press("Enter")
    front.shows("sh0 is now shell")
    front.listed("shell")

    # Esc: cancel, close, and at the very end detach
    front.press("Escape")
    front.shows("Detach", "Close session", "Cancel")
    front.press("n")
    front.lacks("Close session")
    front.listed("shell")
    front.press("Escape")
    front.shows("Close session")
    front.press("c")
    front.shows("killed shell")
    front.listed("shell", "x", "exited")

    # undo
    front.press("u")
    front.shows("shell: back")
    front.until(lambda _: "exited" not in front.line("shell"), "shell runs")

    # kill with its question, and undo: an agent comes back with its conversation
    before = world.info(last)["conversation"]
    front.select(last)
    front.press("x")
    front.shows(f"Kill {last}?")
    front.press("k")
    front.shows(f"killed {last}", seconds=SLOW)
    front.listed(last, "exited")
    front.press("u")
    front.listed(last, "idle", seconds=SLOW)
    assert world.info(last)["conversation"] == before

    # the history of all prompts
    front.select(asking)
    front.press("p")
    front.shows(f"prompt for {asking}")
    front.press("C-r")
    front.type("hello")
    front.shows("hello there")
    front.press("Enter", "C-a", "C-k")
    front.press("Escape")
    front.lacks("prompt for")

    # attach and come back
    front.select("sh1")
    front.press("Enter")
    front.lacks(" agentmux ")
    front.type("echo in-the-$((40+2))")
    front.press("Enter")
    front.shows("in-the-42")
    front.press("C-b", "d")
    front.shows(" agentmux ")
    front.until(lambda _: front.line("sh1").startswith(">"), "sh1 still selected")

    # and C-b s comes back as well
    front.press("Enter")
    front.lacks(" agentmux ")
    front.press("C-b", "s")
    front.shows(" agentmux ")

    # detach: the view is over, all goes on
    front.press("Escape")
    front.shows("Close session")
    front.press("Enter")
    front.lacks("Close session")
    front.shows("ended with 0")
    assert set(world.names()) == {*(name for _, name in agents), "shell", "sh1", "sh2"}


def test_a_day_with_an_agent_and_shells(world: World) -> None:
    front = Front(world, path=ours(world))
    tour(world, front, [("ours", "one")], "ask plain Yes,No", f"{world.root}/truth")


def back_in(terminal: Terminal, name: str) -> None:
    """Wait until the session is on the terminal: not the view, which shows it too, on the other screen."""
    shown = f"this is {name}"
    wait_until(lambda: shown in terminal.text() and not terminal.screen.alternate, what=f"{shown} in the session")


def test_from_a_session_to_another_and_back(world: World) -> None:
    for name in ("one", "two", "three"):
        world.python(name, f"print('this is {name}', flush=True)\nimport time; time.sleep(1000)")
    terminal = world.attach("one")
    back_in(terminal, "one")
    terminal.type("\x02s")
    terminal.shows("> ? one")
    terminal.type("/two\r")
    terminal.shows("> ? two")
    terminal.type("\r")
    back_in(terminal, "two")
    terminal.type("\x02s")
    terminal.shows("> ? two")
    terminal.type("q")
    back_in(terminal, "two")
    terminal.type("\x02s")
    terminal.shows("> ? two")
    terminal.type("\x1b")
    terminal.shows("Close session")
    terminal.type("\r")
    assert terminal.ended() == 0
    terminal.shows("[detached from two]")
    terminal.assert_as_before()


def test_it_begins_with_the_session_that_is_named(world: World) -> None:
    numbers = [world.new(name, "cat") for name in ("one", "two", "three")]
    terminal = world.terminal("dashboard", "--select", str(numbers[0])).attached()
    terminal.shows("> ? one")
    terminal.type("q")
    assert terminal.ended() == 0
    world.run("dashboard", "--select", "x").failed("dashboard: --select 'x' is no number", "see: ", status=2)


@pytest.mark.prove
def test_a_day_with_three_real_agents_and_three_shells(world: World, api: ScriptedApi) -> None:
    for name in REAL:
        skip_without(name)
    front = Front(world, path=installed(world, api, REAL), size=(120, 36))
    tour(world, front, [(name, f"my-{name}") for name in REAL], "tool", f"{world.root}/claude/work/approved.txt")
