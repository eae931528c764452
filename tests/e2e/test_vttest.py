"""vttest shows the same screens in agentmux as on a bare terminal, attached and attached again.

The terminal is a tmux; in one vttest runs by itself, in another one agentmux does, with vttest in it.
"""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from typing import Any

import pytest
from alike import cells as cells_of
from terminal import Tmux
from world import AGENTMUX, World, wait_until

from agentmux.mux.screen import Screen

SIZE = (80, 24)
MENU = "Enter choice number"
SCREENS = {"1": 6, "2": 15, "3": 1, "8": 14}
"""Menus, and how many screens each has."""

_132 = "132 columns: the pane keeps its size, as in tmux, but the rest of a read is drawn in 132 first, if it is there"
EXCEPTIONS: dict[tuple[str, int], str] = {
    ("1", 1): _132,
    (
        "1",
        2,
    ): "tmux does not end a pending wrap where it should; here the margins have all letters",
    ("1", 3): _132,
    ("2", 2): _132,
    ("2", 4): _132,
    ("2", 10): "in origin mode DECSTBM puts the cursor to the margins' corner; with tmux to the screen's",
    **{("8", number): _132 for number in range(7, 14)},
    ("3", 0): "tmux does not know the British character set",
}
"""Screens that would differ after attaching again, and why. Before, clients get the program's own bytes."""


def picture(tmux: Tmux) -> tuple[list[list[Any]], str]:
    """Return text and style of every cell, and the cursor."""
    with closing(Screen(SIZE)) as screen:
        screen.feed(b"\x1b)0")  # tmux writes line drawing with SO and SI
        screen.feed("\r\n".join(tmux.rows("-e", "-N")).encode())
        rows = [[cell[:2] for cell in row] for row in cells_of(screen._terminal)]
    return rows, tmux.cursor()


def difference(wanted: tuple[list[list[Any]], str], got: tuple[list[list[Any]], str]) -> str:
    lines = [f"cursor {wanted[1]}\n  ours {got[1]}"]
    for y, (one, other) in enumerate(zip(wanted[0], got[0], strict=True)):
        if one != other:
            lines.append(
                f"row {y}: {[(x, a, b) for x, (a, b) in enumerate(zip(one, other, strict=False)) if a != b][:5]}"
            )
    return "\n".join(lines)


def drive(world: World, menu: str) -> None:
    bare = world.tmux(argv=["vttest"])
    command = f"{AGENTMUX} new -s vt -- vttest; while echo >> again; {AGENTMUX} attach -t vt; do :; done"
    ours = world.tmux(argv=["sh", "-c", command])
    for tmux in (bare, ours):
        tmux.shows(MENU)
        tmux.type(menu + "\r")
    if menu == "3":  # agentmux says it is a VT220, for which there is a menu of its own
        ours.shows("Test VT100 Character Sets")
        ours.type("8\r")
        ours.shows("These are the installed")
    times = 0
    for number in range(SCREENS[menu]):
        wait_until(lambda: prompts(bare) and prompts(ours), what=lambda n=number: f"screen {n} of {menu}")
        for tmux in (bare, ours):
            tmux.settled()
        what = lambda n=number: f"screen {n} of {menu}:\n{difference(picture(bare), picture(ours))}"  # noqa: E731
        wait_until(lambda: picture(ours) == picture(bare), what=what)
        if (menu, number) not in EXCEPTIONS:
            wanted = picture(bare)
            times += 1
            reattach(world, ours, times)
            again = lambda n=number: f"screen {n} of {menu} again:\n{difference(picture(bare), picture(ours))}"  # noqa: E731
            wait_until(lambda w=wanted: picture(ours) == w, what=again)
        for tmux in (bare, ours):
            tmux.type("\r")
    for tmux in (bare, ours):
        tmux.shows(MENU)


def prompts(tmux: Tmux) -> bool:
    """Return whether the cursor stands behind vttest's prompt."""
    x, y = map(int, tmux.cursor().partition(" ")[0].split(","))
    return tmux.rows()[y][:x].endswith("Push <RETURN>")


def reattach(world: World, ours: Tmux, times: int) -> None:
    """Detach; the loop in the terminal attaches again."""
    ours.keys("C-b", "d")
    count = os.path.join(world.home, "again")
    wait_until(lambda: os.path.exists(count) and os.path.getsize(count) == times, what="detached client")
    wait_until(lambda: world.info("vt")["attached"] == 1, what="attached client")


def test_the_first_menu_of_vttest_looks_the_same(world: World) -> None:
    if shutil.which("vttest") is None or shutil.which("tmux") is None:
        pytest.skip("vttest or tmux is not installed")
    drive(world, "1")


@pytest.mark.prove
@pytest.mark.parametrize("menu", [menu for menu in SCREENS if menu != "1"])
def test_vttest_looks_the_same(world: World, menu: str) -> None:
    if shutil.which("vttest") is None or shutil.which("tmux") is None:
        pytest.skip("vttest or tmux is not installed")
    drive(world, menu)
