"""Pictures of the view for the README, made from what a terminal really shows. Run as a program, it makes them anew.

python tests/support/portraits.py pictures
"""

from __future__ import annotations

import html
import os
import sys
from collections.abc import Sequence
from contextlib import closing

from scripted_api import ScriptedApi
from terminal import Terminal
from viewing import SLOW, installed
from world import AGENTMUX, World, wait_until

from agentmux.cli.cells import width
from agentmux.mux.sgr import Rgb, Style, rgb, runs

CELL, LINE, MARGIN = 8.4, 18, 16
FOREGROUND: Rgb = (0xD8, 0xD8, 0xD8)
BACKGROUND: Rgb = (0x16, 0x18, 0x1D)
SIZE = (112, 30)


def svg(rows: Sequence[str], columns: int) -> str:
    """Return rows with SGR as a picture."""
    made = []
    for number, row in enumerate(rows):
        x = 0
        for style, text in runs(row):
            ink, paper = _colours(style)
            y = MARGIN + number * LINE
            room = width(text)
            if paper != BACKGROUND:
                place = f'x="{MARGIN + x * CELL:.1f}" y="{y}" width="{room * CELL:.1f}" height="{LINE}"'
                made.append(f'<rect {place} fill="{_hex(paper)}"/>')
            if text.strip():
                look = "".join((' font-weight="bold"' * style.bold, ' font-style="italic"' * style.italic))
                underline = ' text-decoration="underline"' * bool(style.underline)
                made.append(
                    f'<text x="{MARGIN + x * CELL:.1f}" y="{y + 13}" fill="{_hex(ink)}"{look}{underline} '
                    f'textLength="{room * CELL:.1f}" xml:space="preserve">{html.escape(text)}</text>'
                )
            x += room
    across, down = f"{2 * MARGIN + columns * CELL:.0f}", f"{2 * MARGIN + len(rows) * LINE}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{across}" height="{down}" viewBox="0 0 {across} {down}"'
    font = 'font-family="ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="14"'
    frame = f'<rect width="100%" height="100%" rx="8" fill="{_hex(BACKGROUND)}"/>'
    return "\n".join([f"{head} {font}>", frame, *made, "</svg>\n"])


def _colours(style: Style) -> tuple[Rgb, Rgb]:
    ink = FOREGROUND if style.foreground is None else rgb(style.foreground)
    paper = BACKGROUND if style.background is None else rgb(style.background)
    if style.inverse:
        ink, paper = paper, ink
    if style.faint:
        ink = tuple((one + other) // 2 for one, other in zip(ink, paper, strict=True))  # type: ignore[assignment]
    return ink, paper


def _hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def save(terminal: Terminal, path: str) -> None:
    """Write a picture of what a terminal shows."""
    rows = terminal.styled()
    with open(path, "w", encoding="utf-8") as file:
        file.write(svg(rows, terminal.size[0]))


def main(folder: str) -> None:
    """Make the pictures: three agents and a shell, one of which asks."""
    world = World()
    try:
        with closing(ScriptedApi()) as api:
            path = installed(world, api, ("claude", "codex", "opencode"))
            env = {"PATH": f"{path}:{world.env['PATH']}", "COLORTERM": "truecolor"}
            for name, command in (("api", "claude"), ("web", "codex"), ("docs", "opencode"), ("tests", "bash --norc")):
                work = f"{world.home}/src/{name}"
                os.makedirs(f"{work}/.git")
                with open(f"{work}/.git/HEAD", "w") as file:
                    file.write(f"ref: refs/heads/{'main' if name != 'web' else 'login-form'}\n")
                world.run("new", "-d", "-s", name, "-c", work, "--", *command.split(), env=env).ok()
            for name in ("api", "web", "docs"):
                world.does(name, "idle", SLOW)
            world.run("send", "-t", "docs", "hello").ok()
            world.run("send", "-t", "web", "slow 300")
            world.run("send", "-t", "api", "tool")
            world.does("api", "waiting", SLOW)
            wait_until(lambda: world.run("inbox", "--json").json[0]["options"], what="its answers")
            world.run("send", "-t", "tests", "ls -a /etc/skel").ok()
            view = world.terminal(argv=(AGENTMUX,), size=SIZE, env=env).attached()
            view.shows("> !")
            view.shows("Yes")
            save(view, f"{folder}/view.svg")
            view.type("i")
            view.shows("Enter: this one")
            save(view, f"{folder}/question.svg")
            view.type("\x1b")
            view.shows_not("Enter: this one")
            view.type("g")
            view.shows("arrows: choose")
            view.shows("Do you want")
            view.shows("$ ls -a")
            save(view, f"{folder}/grid.svg")
    finally:
        world.close()


if __name__ == "__main__":
    main(sys.argv[1])
