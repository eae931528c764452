"""Real programs look the same in agentmux as on a bare terminal, attached and attached again.

The terminal is a real tmux of 80x24: the same program runs in it once by itself and once in agentmux, gets the same
keys, and tmux has to show the same cells, cursor and modes.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable

import pytest
from terminal import Tmux
from world import AGENTMUX, World, wait_until

from agentmux.mux.screen import Screen

SH = {"PS1": "$ ", "HISTFILE": ""}

FOX = "the quick brown fox jumps over the lazy dog "
TEXT = "".join(f"{n:4} {FOX * (n % 4)}naïve e\u0301 漢字 🙂 end\n" for n in range(1, 201))

Steps = list[tuple[tuple[str, ...], str]]

VIM: Steps = [
    ((), "the quick"),
    (("G",), " 200 "),
    (("g", "g", "d", "d", "p", "O", "inserted", "Escape"), "inserted"),
    ((":", "set number hlsearch", "Enter", "/", "fox", "Enter"), "fox"),
    ((":", "split", "Enter", "C-d"), "file"),
    (("v", "j", "j", "l", "l"), "VISUAL"),
]
LESS: Steps = [
    ((), "the quick"),
    (("Space", "Space"), " 38 "),
    (("/", "199", "Enter"), "199"),
    (("g",), "   1 "),
    (("G",), "(END)"),
    (("k", "k", "k"), "lazy"),
]
BASH: Steps = [
    ((), "$"),
    (("printf '\\033[1;31mred\\033[0m \\033[48;5;22mgreen\\033[m\\n'", "Enter"), "green"),
    (("seq 50", "Enter"), "50"),
    (("printf '%s\\n' " + "x" * 150, "Enter"), "xxx"),
    (("echo one two", "C-a", "M-f", "C-k", "Enter", "Up", "Up", "C-e", " #"), "#"),
    (("C-c",), "^C"),  # it also throws away what was typed ahead
    (("clear", "Enter"), "$"),
    (("printf '\\033[5;10r\\033[10;1H'; seq 7", "Enter"), "7"),
]
PYTHON: Steps = [
    ((), ">>>"),
    (("for i in range(3):", "Enter"), "..."),
    (("    print(i, 'ä漢')", "Enter"), "漢"),
    (("Enter",), "2 ä漢"),
    (("1/0", "Enter"), "ZeroDivisionError"),
    (("Up", "Up", "C-a", "#"), "#"),
]
TOP: Steps = [((), "lines")]

# It asks for the background's colour; ours answers, a bare tmux does not.
VIMRC = "syntax on|set nocompatible ruler showcmd t_RB= t_RF= background=dark ttimeout ttimeoutlen=5"
PROGRAMS: dict[str, tuple[list[str], Steps]] = {
    "vim": (["vim", "-u", "NONE", "-i", "NONE", "-n", "-c", VIMRC, "file.py"], VIM),
    "less": (["less", "-R", "file.py"], LESS),
    "bash": (["bash", "--norc", "--noprofile", "-i"], BASH),
    "python": ([sys.executable, "-I", "-q"], PYTHON),
    "sequences": (
        ["bash", "--norc", "--noprofile", "-c",
         r"printf '\033#8\033[3;20H\033[1J\033[22;5H\033[K\033[10;1H\033[7mx\033[4my\033[9mz\033[m"
         r"\033[12;70H\033[?7lwrapwrapwrapwrap\033[?7h\033[14;75Hwrapped line\033[2;5Hlines'; read x"],
        TOP,
    ),
}  # fmt: skip


def press(tmux: Tmux, keys: tuple[str, ...], shows: str) -> None:
    for key in keys:
        if len(key) > 1 and not key[0].isupper():
            tmux.type(key)
        else:
            tmux.keys(key)
    tmux.shows(shows)


def picture(tmux: Tmux) -> tuple[list[str], str]:
    """Return the cells with their colours, however tmux writes them, and the cursor."""
    screen = Screen(tmux.size)
    screen.feed("\r\n".join(tmux.rows("-e", "-N")).encode())
    rows = screen.text_rows(0, tmux.size[1], styled=True)
    screen.close()
    return rows, tmux.cursor()


def same(wanted: tuple[list[str], str], ours: Tmux, when: str) -> None:
    """Wait until ours shows what the bare one does."""
    wait_until(lambda: picture(ours) == wanted, seconds=10, what=lambda: difference(when, *wanted, *picture(ours)))


def difference(when: str, wanted: list[str], cursor: str, got: list[str], our_cursor: str) -> str:
    lines = [f"equal screens {when}:", f"  bare {cursor}", f"  ours {our_cursor}"]
    for y, (one, other) in enumerate(zip(wanted, got, strict=False)):
        if one != other:
            lines += [f"{y:2} bare {one!r}", f"   ours {other!r}"]
    return "\n".join(lines)


def attaches(world: World) -> int:
    try:
        with open(f"{world.home}/again") as file:
            return len(file.readlines())
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_program_looks_as_it_does_without_agentmux(world: World, name: str) -> None:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    argv, steps = PROGRAMS[name]
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    with open(f"{world.home}/file.py", "w") as file:
        file.write(TEXT)
    clean = ["env", "-u", "TMUX", "-u", "TMUX_PANE", "-u", "TERM_PROGRAM", "TERM=xterm-256color", "COLORTERM=truecolor"]
    bare = world.tmux(argv=[*clean, *argv], env=SH)
    # Whoever detaches comes back at once.
    again = f'{AGENTMUX} new -s prog -- "$@"; while echo >> again; {AGENTMUX} attach -t prog; do :; done'
    ours = world.tmux(argv=["sh", "-c", again, "sh", *argv], env=SH)
    wanted = ([""], "")
    for number, (keys, shows) in enumerate(steps):
        press(bare, keys, shows)
        press(ours, keys, shows)
        bare.settled()
        wanted = picture(bare)
        same(wanted, ours, f"at step {number} {keys}")
    for times in (1, 2):
        ours.keys("C-b", "d")
        wait_until(lambda times=times: attaches(world) == times, what="detached client")
        wait_until(lambda: world.info("prog")["attached"] == 1, what="attached client")
        same(wanted, ours, "after detach and attach")
    watcher = world.tmux("attach", "-t", "prog", "-r")
    same(wanted, watcher, "for a second client")


def test_htop_draws_in_agentmux_and_again_after_attach(world: World) -> None:
    if shutil.which("htop") is None:
        pytest.skip("htop is not installed")
    terminal = world.terminal("new", "-s", "htop", "--", "htop").attached()

    def drawn() -> bool:
        rows = terminal.rows()
        return any("Load average" in row for row in rows) and "PID" in terminal.text() and rows[-1].startswith("F1Help")

    wait_until(drawn, what=lambda: f"htop in\n{terminal.text()}")
    terminal.type("\x02d")
    assert terminal.ended() == 0
    terminal.assert_as_before()
    terminal = world.attach("htop", size=(100, 30))
    wait_until(drawn, what=lambda: f"htop in\n{terminal.text()}")
    terminal.type("q")
    assert terminal.ended() == 0
    assert "[exited 0]" in terminal.text()
    terminal.assert_as_before()


def test_a_tmux_inside_works_and_has_its_own_prefix(world: World) -> None:
    path = f"{world.root}/inner"
    world.run("new", "-d", "-s", "inner", "-x", "80", "-y", "24", "--",
              "tmux", "-S", path, "-f", "/dev/null", "new", "cat").ok()  # fmt: skip
    terminal = world.attach("inner")
    terminal.shows("[0]")
    terminal.type("hello\r")
    terminal.shows("hello")
    terminal.type("\x02\x02%")
    terminal.shows("│")
    terminal.type("\x02d")
    assert terminal.ended() == 0
    world.attach("inner").shows("│")
    world.run("send", "-t", "inner", "--keys", "C-b", ":").ok()
    world.run("send", "-t", "inner", "kill-server").ok()
    assert world.exited("inner") in (0, 1)


def test_native_scrollback_of_the_users_terminal_has_what_scrolled_by(world: World) -> None:
    ours = world.tmux("new", "-s", "api", "--", "bash", "--norc", "--noprofile", "-i", env=SH)
    ours.shows("$")
    ours.type("seq 300")
    ours.keys("Enter")
    ours.shows("300")
    ours.settled()
    rows = [row for row in ours.rows("-S", "-") if row.isdigit()]
    assert rows == [str(n) for n in range(1, 301)]


def test_unicode_comes_through_whole_and_as_wide_as_on_a_bare_terminal(world: World) -> None:
    text = "naïve 漢字 한국어 e\u0301 ❤️ 👩\u200d👩\u200d👧 \u202eright-to-left\u202c ﷽ ─┼─ \U0001f1e9\U0001f1ea |\n"
    with open(f"{world.home}/text", "w") as file:
        file.write(text * 5)
    check: Callable[[Tmux], list[str]] = lambda tmux: [row for row in tmux.rows() if "|" in row]  # noqa: E731
    bare = world.tmux(argv=["sh", "-c", "cat text; read x"])
    ours = world.tmux("new", "-s", "u", "--", "sh", "-c", "cat text; read x")
    wait_until(lambda: len(check(bare)) == 5, what="text")
    wait_until(lambda: check(ours) == check(bare), what=lambda: f"{check(bare)} instead of {check(ours)}")
