"""The user's terminal and the session beyond its screen: keys, titles, notifications, clipboard, scrollback, status."""

from __future__ import annotations

import os
import re

from programs import ECHO_KEYS
from terminal import Terminal
from world import World, wait_until


def lines(world: World, name: str, last: int) -> None:
    """Start a session that has printed the numbers up to ``last`` and then echoes lines."""
    world.new(name, "sh", "-c", f"seq {last}; exec cat", options=["-x", "80", "-y", "24"])
    world.shows(name, str(last))


def answers(terminal: Terminal, pattern: bytes, instead: bytes) -> None:
    """Have a terminal answer something else where ``pattern`` is in what it would say."""
    terminal.answering = lambda reply: terminal.type(re.sub(pattern, instead, reply))


def status_of(terminal: Terminal) -> str:
    return terminal.rows()[-1]


# The scrollback


def test_the_scrollback_is_looked_through_without_leaving(world: World) -> None:
    lines(world, "api", 500)
    terminal = world.attach("api")
    terminal.shows("500")
    terminal.type("\x02[")
    terminal.shows("/500")
    assert terminal.rows()[22] == "500"
    terminal.type("g")
    terminal.shows(" 1-23/500")
    assert terminal.rows()[:23] == [*map(str, range(1, 24))]
    terminal.type("/321\r")
    terminal.shows("321")
    terminal.type("\x1b[<64;5;5M")  # the wheel
    terminal.shows("318")
    terminal.type("q")
    terminal.shows_rows([*map(str, range(478, 501))])
    terminal.type("typed\r")
    terminal.shows_rows([*map(str, range(480, 501)), "typed", "typed"])
    assert not terminal.screen.mouse_tracking


def test_keys_typed_ahead_are_for_what_comes(world: World) -> None:
    lines(world, "api", 500)
    terminal = world.attach("api")
    terminal.shows("500")
    terminal.type("\x02[g/77\rq")
    terminal.type("\x02?x" + "after\r")
    terminal.shows("after")
    assert world.screen("api")[-2:] == ["after", "after"]


def test_the_scrollback_viewer_follows_the_size_of_the_terminal(world: World) -> None:
    lines(world, "api", 500)
    terminal = world.attach("api")
    terminal.shows("500")
    terminal.type("\x02[g")
    terminal.shows(" 1-23/500")
    terminal.resize((60, 10))
    terminal.shows(" 1-9/500")
    terminal.type("q")
    terminal.shows_rows([*map(str, range(492, 501))])


def test_the_scrollback_reaches_beyond_what_attach_printed_and_shows_full_screen_programs_too(world: World) -> None:
    world.configure("history-lines = 0")
    world.new("api", "sh", "-c", r"seq 90; printf '\033[?1049h\033[Hfull screen'; exec cat")
    world.shows("api", "full screen")
    terminal = world.attach("api")
    terminal.shows("full screen")
    assert "60" not in terminal.scrollback()
    terminal.type("\x02[/60\r")
    terminal.shows("60")
    terminal.type("q")
    terminal.shows_rows(["full screen"])
    assert terminal.screen.alternate


def test_what_is_selected_in_the_scrollback_is_copied(world: World) -> None:
    lines(world, "api", 100)
    terminal = world.attach("api")
    terminal.shows("100")
    terminal.type("\x02[/50\rvjy")
    terminal.shows("copied")
    assert b"\x1b]52;c;NTAKNTE=\x1b\\" in terminal.everything()
    terminal.type("q\x02d")
    assert terminal.ended() == 0
    terminal.assert_as_before()


def test_a_pipe_takes_all_of_the_scrollback(world: World) -> None:
    lines(world, "api", 5000)
    assert world.run("capture", "-t", "api", "-S", "-").ok().lines[:5000] == [str(n) for n in range(1, 5001)]


def test_lines_that_scroll_out_of_a_region_at_the_top_are_kept(world: World) -> None:
    """Codex inserts what it has said above its composer: DECSTBM from row 1, then line feeds at its bottom."""
    insert = (
        r"printf '\033[1;20r\033[20;1H'; for n in $(seq 100); do printf '\r\nsaid %d' $n; done; printf '\033[r'; cat"
    )
    world.new("api", "sh", "-c", insert, options=["-x", "80", "-y", "24"])
    world.shows("api", "said 100")
    rows = [row for row in world.run("capture", "-t", "api", "-S", "-").ok().lines if row]
    assert rows == [f"said {n}" for n in range(1, 101)]
    terminal = world.attach("api")
    terminal.shows("said 100")
    assert "said 1" in terminal.scrollback()


# The keyboard


def test_keys_are_told_apart_as_the_program_asks_in_the_terminals_own_way(world: World) -> None:
    world.python("api", ECHO_KEYS, r"\x1b[>5u")
    terminal = world.terminal("attach", "-t", "api")
    answers(terminal, rb"\x1b\[\?\d+u", b"")  # it knows no kitty keyboard
    terminal.attached().shows("ready")
    wait_until(lambda: b"\x1b[>4;2m" in terminal.everything(), what=lambda: repr(terminal.everything()[-900:]))
    for typed, got in (
        ("\x1b[27;2;13~", r"\x1b[13;2u"),  # Shift+Enter
        ("\x1b[27;5;13~", r"\x1b[13;5u"),
        ("\r", r"\r"),
        ("\x1b", r"\x1b"),
    ):
        before = world.run("log", "-t", "api").raw
        terminal.type(typed)
        wanted = f"\r\nb'{got}'".encode()
        wait_until(
            lambda before=before, wanted=wanted: world.run("log", "-t", "api").raw[len(before) :] == wanted,
            what=f"{wanted!r}",
        )
    terminal.type("\x1b[27;5;98~d")  # C-b d
    assert terminal.ended() == 0
    terminal.assert_as_before()


def test_a_terminal_that_knows_what_the_program_asks_for_is_left_alone(world: World) -> None:
    world.python("api", ECHO_KEYS, r"\x1b[>5u")
    terminal = world.attach("api").has_answered()
    terminal.shows("ready")
    terminal.type("\x1b[13;2u")
    terminal.shows(r"b'\x1b[13;2u'")
    assert b"\x1b[>4;2m" not in terminal.everything()
    assert terminal.screen.kitty_flags == 5
    terminal.type("\x1b[98;5ud")
    assert terminal.ended() == 0
    terminal.assert_as_before()


# Beyond the screen


def test_what_a_program_calls_out_reaches_who_leads_in_its_terminals_words(world: World) -> None:
    world.python("api", ECHO_KEYS, "")
    leader, other = world.terminal("attach", "-t", "api"), world.attach("api")
    answers(leader, rb">\|agentmux [0-9.]+", b">|kitty(0.42.1)")
    for terminal in (leader, other):
        terminal.shows("ready")
    leader.has_answered().type("x")  # now it leads for sure
    world.new("say", "sh", "-c", r"read x; printf '\033]9;the build is done\033\134\033]52;c;aGVsbG8=\a'; cat")
    leader.type("\x02n")
    world.run("send", "-t", "say", "go").ok()
    wait_until(lambda: b"\x1b]99;" in leader.everything(), what="kitty's notification")
    wait_until(lambda: b"\x1b]52;c;aGVsbG8=" in leader.everything(), what="clipboard")
    assert b"\x1b]9;the build" not in leader.everything()
    assert b"]99;" not in other.everything() and b"]52;" not in other.everything()
    world.configure('set-clipboard = "off"')
    before = leader.everything().count(b"\x1b]52;")
    world.run("send", "-t", "say", "more").ok()
    leader.shows("more")
    assert leader.everything().count(b"\x1b]52;") == before


def test_the_title_is_the_programs_and_afterwards_the_users_again(world: World) -> None:
    world.new("api", "sh", "-c", r"printf '\033]2;from the program\033\134ready'; exec cat")
    start = r"printf '\033]2;mine\033\134'; agentmux attach -t api; echo back; exec cat"
    tmux = world.tmux(argv=["sh", "-c", start])
    tmux.shows("ready")
    wait_until(lambda: tmux.run("display", "-p", "#{pane_title}").strip() == "from the program", what="its title")
    tmux.keys("C-b", "d")
    tmux.shows("back")
    assert tmux.run("display", "-p", "#{pane_title}").strip() == "mine"


def test_the_terminals_colours_are_what_programs_are_told(world: World) -> None:
    ask = r"""
import os, select, sys, tty
tty.setraw(0)
print("ready", flush=True)
while os.read(0, 1) == b"?":
    os.write(1, b"\x1b]11;?\x1b\\")
    got = b""
    while not got.endswith(b"\\"): got += os.read(0, 100)
    print("\r\n" + repr(got)[7:-5], flush=True)
"""
    world.python("api", ask)
    world.shows("api", "ready")
    world.run("send", "-t", "api", "--no-enter", "?").ok()
    world.shows("api", "rgb:1010/1010/1010")
    terminal = world.terminal("attach", "-t", "api")
    terminal.screen.set_colours((0, 0, 0), (0xFD, 0xF6, 0xE3), (0, 0, 0))
    terminal.attached().has_answered()
    terminal.type("?")
    terminal.shows("rgb:fdfd/f6f6/e3e3")
    terminal.type("\x02d")
    assert terminal.ended() == 0
    world.run("send", "-t", "api", "--no-enter", "?").ok()
    wait_until(lambda: "\n".join(world.screen("api")).count("rgb:fdfd/f6f6/e3e3") == 2, what="the colours kept")


def test_erasing_the_scrollback_is_not_for_the_users_terminal(world: World) -> None:
    world.new("api", "sh", "-c", r"read x; printf 'gone\n\033[H\033[2J\033[3J\033cnew'; exec cat")
    terminal = world.terminal(argv=["sh", "-c", "seq 100; exec agentmux attach"]).attached()
    world.run("send", "-t", "api", "go").ok()
    terminal.shows("new")
    assert [row for row in terminal.scrollback() if row.isdigit()][:3] == ["1", "2", "3"]


def test_a_program_hears_when_nobody_looks(world: World) -> None:
    world.python("api", ECHO_KEYS, r"\x1b[?1004h")
    world.shows("api", r"\x1b[O")
    terminal = world.attach("api")
    terminal.shows(r"\x1b[I")
    terminal.type("\x1b[O")
    wait_until(lambda: len(re.findall(r"\[O", "\n".join(terminal.rows()))) == 2, what="focus lost")
    terminal.type("\x1b[I\x02d")
    assert terminal.ended() == 0
    wait_until(lambda: len(re.findall(r"\[O", "\n".join(world.screen("api")))) == 3, what="nobody looks")


# The status line


def test_a_status_line_says_where_one_is_and_who_waits(world: World) -> None:
    world.configure('status = "bottom"')
    world.new("api", "sh", "-c", "stty size; exec cat")
    world.new("other", "sh", "-c", r"read x; printf '\033]7501;state=blocked:app=t:kind=permission\033\134'; cat")
    terminal = world.terminal("new", "-s", "mine", "--", "sh", "-c", "stty size; exec cat").attached()
    terminal.shows("23 80")
    terminal.shows("[mine] running")
    assert status_of(terminal) == "[mine] running"
    world.run("send", "-t", "other", "go").ok()
    terminal.shows("waiting: other")
    terminal.type("typed\r")
    wait_until(lambda: terminal.rows()[:4] == ["23 80", "typed", "typed", ""], what="the echo")
    terminal.type("\x02d")
    assert terminal.ended() == 0
    terminal.assert_as_before()
    assert world.info("other")["waits"] is True
    assert world.info("other")["program_status"]["state"] == "blocked"


# The agent that holds the keys


def test_the_ssh_agent_of_whoever_attached_last_is_the_sessions(world: World) -> None:
    first, second = (os.path.join(world.root, name) for name in ("agent-1", "agent-2"))
    code = "import os, time\nprint(os.environ['SSH_AUTH_SOCK'], flush=True)\ntime.sleep(600)"
    started = world.run("new", "-d", "-s", "api", "--", "python3", "-c", code, env={"SSH_AUTH_SOCK": first})
    assert started.status == 0
    world.new("without", "sh", "-c", 'echo "none: $SSH_AUTH_SOCK."; exec cat')
    (link,) = world.shows("api", "ssh-")
    assert os.readlink(link) == first
    terminal = world.attach("api", env={"SSH_AUTH_SOCK": second})
    wait_until(lambda: os.readlink(link) == second, what="the link re-pointed")
    plain = world.attach("api")
    plain.shows("ssh-")
    assert os.readlink(link) == second, "a client without an agent leaves it"
    assert "none: ." in world.screen("without")
    for one in (terminal, plain):
        one.type("\x02d")
        assert one.ended() == 0
    world.run("kill", "-t", "api").ok()
    wait_until(lambda: not os.path.lexists(link), what="the link gone")


# Resizing


def test_a_session_that_nobody_sizes_can_be_resized(world: World) -> None:
    world.new("api", "sh", "-c", "trap 'stty size' WINCH; while :; do sleep 0.05; done")
    world.run("resize", "-t", "api", "100x30").ok()
    assert world.info("api")["size"] == [100, 30]
    world.shows("api", "30 100")
    terminal = world.attach("api")
    terminal.shows("24 80")
    refused = world.run("resize", "-t", "api", "90x20")
    assert (refused.status, refused.err.count("\n")) == (2, 2)
    assert "window-size" in refused.err
    assert world.run("resize", "-t", "api", "90").status == 2
    world.configure('window-size = "manual"')
    world.run("resize", "-t", "api", "90x20").ok()
    assert world.info("api")["size"] == [90, 20]
