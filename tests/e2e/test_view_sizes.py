"""The view at the smallest size, the usual one and a large one: whole screens, and all that is done with them.

To accept changed screens, delete them in tests/views and run this twice.
"""

from __future__ import annotations

import os

import dialogs
import pytest
from viewing import Front, ours
from world import World, wait_until

VIEWS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "views")
SIZES = [(40, 10), (80, 24), (240, 60)]


def compare(front: Front, name: str, new: list[str]) -> None:
    """Insist that the screen is the one on record; what has none is put there, and into ``new``."""
    columns, rows = front.tmux.size
    path = f"{VIEWS}/{columns}x{rows}-{name}.txt"
    shown = "\n".join(front.tmux.settled()) + "\n"
    if not os.path.exists(path):
        os.makedirs(VIEWS, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(shown)
        new.append(path)
    with open(path, encoding="utf-8") as file:
        assert shown == file.read(), f"{path} is not what is shown:\n{shown}"


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}".format(*size))
def test_a_size(world: World, size: tuple[int, int]) -> None:
    path, new = ours(world), list[str]()
    options = ["-c", "/", "-x", "60", "-y", "12"]
    world.new("quiet", "cat", options=options)
    world.run("send", "-t", "quiet", "a line of its screen").ok()
    world.new("over", "true", options=options)
    world.exited("over")
    world.new("api", f"{path}/ours", options=[*options, "--label", "team=blue"])
    world.does("api", "idle")
    world.run("send", "-t", "api", f"ask {dialogs.PLAIN} Yes,No")
    world.does("api", "waiting")
    wait_until(lambda: world.run("inbox", "--json").json[0]["options"], what="the dialog's answers")
    wait_until(lambda: world.info("quiet")["said"], what="a reply")

    front = Front(world, size=size)
    front.listed("api", "!")
    front.listed("over", "exited")
    front.until(lambda _: front.line("api").startswith(">"), "api selected")
    compare(front, "list", new)
    front.press("i")
    front.shows("May I?", "1  Yes")
    compare(front, "question", new)
    front.press("Escape")
    front.lacks("1  Yes")
    front.press("j")
    front.until(lambda _: front.line("quiet").startswith(">"), "quiet selected")
    front.press("p")
    front.shows("prompt for quiet")
    front.type("a prompt, longer than the narrowest of screens is wide")
    front.shows("prompt for quiet", "wide")
    compare(front, "prompt", new)
    front.press("Escape")
    front.lacks("prompt for")
    front.press("?")
    front.shows("Keys", "Looking around")
    compare(front, "help", new)
    front.press("q")
    front.lacks("Looking around")
    front.press("z")
    front.shows("a line of its screen")
    compare(front, "zoomed", new)
    front.press("z", "g")
    front.shows(">? quiet", "a line of its scree", "May I?")
    compare(front, "grid", new)
    front.press("Escape")
    front.listed("quiet")
    front.press("Escape")
    front.shows("Close session")
    compare(front, "leaving", new)
    front.press("Escape")
    front.lacks("Close session")
    front.press("i")
    front.shows("1  Yes")
    front.press("2")
    front.shows("api: answered")
    front.listed("api", "idle")
    front.press("q")
    wait_until(lambda: front.tmux.run("display", "-p", "#{pane_dead}").strip() == "1", what="end of the view")
    assert not new, "look at these"


def test_smaller_than_that_is_said(world: World) -> None:
    terminal = world.terminal(size=(19, 5))
    assert terminal.ended() == 1
    terminal.shows("smaller than 20x5"[:8])


def test_it_follows_the_size_of_its_terminal(world: World) -> None:
    world.new("one", "cat")
    terminal = world.terminal(size=(80, 24)).attached()
    terminal.shows("> ? one")
    for size in ((40, 10), (150, 50), (20, 5), (80, 24)):
        terminal.resize(size)
        terminal.shows("> ? one")
        assert terminal.rows()[0].startswith(" agentmux ")
    terminal.type("q")
    assert terminal.ended() == 0
