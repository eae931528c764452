"""Attached in a terminal: keys, sizes, several clients, and the terminal given back as it was."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import signal
import string
import termios

import pytest
from programs import ECHO_KEYS, GRID, grid
from terminal import Terminal, stopped
from world import World, wait_until

SIZE = """
import os, signal, sys
def show(*_): print("\\x1b[2J\\x1b[Hsize %dx%d" % os.get_terminal_size(), end="", flush=True)
signal.signal(signal.SIGWINCH, show)
show()
while True: signal.pause()
"""


def test_new_attaches_and_the_prefix_key_detaches(world: World) -> None:
    terminal = world.terminal("new", "-s", "api", "--", "cat").attached()
    terminal.type("hello\r")
    terminal.shows_rows(["hello", "hello"])
    assert world.info("api")["attached"] == 1
    assert world.info("api")["size"] == [80, 24]
    terminal.type("\x02d")
    assert terminal.ended() == 0
    assert [row for row in terminal.rows() if row] == ["hello", "hello", "[detached from api]"]
    terminal.assert_as_before()
    assert world.info("api")["attached"] == 0
    assert world.info("api")["state"] == "running"
    again = world.attach("api")
    again.shows_rows(["hello", "hello"])
    again.type("more\r")
    again.shows_rows(["hello", "hello", "more", "more"])


def test_what_the_terminal_showed_before_goes_to_its_scrollback(world: World) -> None:
    world.new("api", "cat")
    terminal = world.terminal(argv=["sh", "-c", "echo before; exec agentmux attach"]).attached()
    world.run("send", "-t", "api", "hi").ok()
    terminal.shows_rows(["hi", "hi"])
    assert "before" in terminal.scrollback()


def test_scrollback_is_printed_above_the_screen_at_attach(world: World) -> None:
    world.new("api", "sh", "-c", "seq 100; exec cat", options=["-x", "80", "-y", "24"])
    world.shows("api", "100")
    terminal = world.attach("api")
    terminal.shows("100")
    rows = [row for row in [*terminal.scrollback(), *terminal.rows()] if row]
    assert rows == [str(n) for n in range(1, 101)]


def test_attach_takes_the_session_used_last_or_says_that_there_is_none(world: World) -> None:
    terminal = world.terminal("attach")
    assert terminal.ended() == 1
    terminal.shows_rows(["agentmux: no sessions", "agentmux: start one with: agentmux new"])
    terminal.assert_as_before()
    world.new("one", "sh", "-c", "echo one; exec cat")
    world.new("two", "sh", "-c", "echo two; exec cat")
    last = world.terminal("attach").attached()
    last.shows("two")
    last.type("\x02p")
    last.shows("one")
    last.type("\x02d")
    assert last.ended() == 0
    world.terminal("a").attached().shows("one")


def test_prefix_keys_make_and_switch_sessions(world: World) -> None:
    world.new("one", "sh", "-c", "echo first; exec cat")
    terminal = world.attach("one")
    terminal.shows("first")
    terminal.type("\x02c")
    terminal.shows("$")
    terminal.type("echo $((1000+1))\r")
    terminal.shows("1001")
    assert world.names() == ["one", "sh"]
    for key, text in (("n", "first"), ("n", "1001"), ("p", "first"), ("p", "1001"), ("l", "first"), ("l", "1001")):
        terminal.type("\x02" + key)
        terminal.shows(text)
        terminal.shows_not("first" if text == "1001" else "1001")
    terminal.type("\x02d")
    assert terminal.ended() == 0
    assert "[detached from sh]" in terminal.text()
    terminal.assert_as_before()


def test_help_shows_the_keys_and_any_key_ends_it(world: World) -> None:
    world.new("api", "sh", "-c", "echo here; exec cat")
    terminal = world.attach("api")
    terminal.shows("here")
    terminal.type("\x02?")
    terminal.shows("C-b d       detach from the session")
    world.run("send", "-t", "api", "meanwhile").ok()
    terminal.type(" ")
    terminal.shows_rows(["here", "meanwhile", "meanwhile"])


def test_interrupt_and_kill_keys(world: World) -> None:
    world.python("api", ECHO_KEYS, "")
    terminal = world.attach("api")
    terminal.shows("ready")
    terminal.type("\x02i")
    terminal.shows(r"b'\x03'")
    terminal.type("\x02x")
    terminal.shows("kill session 'api'? (y/n)")
    terminal.type("n")
    terminal.shows_not("kill session")
    terminal.shows(r"b'\x03'")
    assert world.names() == ["api"]
    terminal.type("\x02x")
    terminal.shows("kill session 'api'? (y/n)")
    terminal.type("y")
    assert terminal.ended() == 0
    assert "[killed]" in terminal.text()
    terminal.assert_as_before()
    assert world.names() == []


def test_an_answer_typed_ahead_is_for_the_question_and_not_for_the_program(world: World) -> None:
    world.python("api", ECHO_KEYS, "")
    terminal = world.attach("api")
    terminal.shows("ready")
    terminal.type("\x02xn")
    wait_until(lambda: b"kill session" in terminal.everything(), what="the question")
    terminal.shows_not("kill session")
    terminal.type("typed")
    terminal.shows("typed'")
    assert world.run("log", "-t", "api").ok().raw.startswith(b"ready\r\nb't")
    terminal.type("\x02xy")
    assert terminal.ended() == 0


def test_the_prefix_typed_twice_goes_to_the_program_and_an_unbound_key_to_nobody(world: World) -> None:
    world.python("api", ECHO_KEYS, "")
    terminal = world.attach("api")
    terminal.shows("ready")
    terminal.type("\x02\x02")
    terminal.shows(r"b'\x02'")
    terminal.type("\x02Z")
    terminal.type("end")
    terminal.shows("end'")
    assert not any("Z" in row for row in terminal.rows())
    assert b"\a" in terminal.everything()


PREFIXES = ("\x02", "\x1b[98;5u", "\x1b[98;5:1u", "\x1b[98;133u", "\x1b[98:66;5u", "\x1b[27;5;98~")
"""C-b as a byte; kitty's, with event, locks, shifted code; xterm's."""


def test_the_prefix_is_known_in_every_encoding(world: World) -> None:
    world.new("api", "cat")
    for prefix in PREFIXES:
        terminal = world.attach("api")
        terminal.type(prefix + "d")
        assert terminal.ended() == 0, prefix
        terminal.assert_as_before()
        if len(prefix) > 1:  # cut, but not after the ESC: a lone one is never held back, agents interrupt on it
            terminal = world.attach("api")
            terminal.type(prefix[:4])
            terminal.type(prefix[4:] + "d")
            assert terminal.ended() == 0, prefix


def test_a_prefix_with_its_release_reports_detaches_in_kitty_mode(world: World) -> None:
    world.python("api", ECHO_KEYS, r"\x1b[>11u")
    terminal = world.attach("api")
    terminal.shows("ready")
    assert terminal.screen.kitty_flags == 11
    terminal.type("\x1b[57442;5u\x1b[98;5u\x1b[98;5:3u\x1b[57442;1:3u\x1b[100u")
    assert terminal.ended() == 0
    terminal.assert_as_before()


def test_a_prefix_inside_a_paste_is_text(world: World) -> None:
    world.python("api", ECHO_KEYS, r"\x1b[?2004h")
    terminal = world.attach("api")
    terminal.shows("ready")
    assert terminal.screen.bracketed_paste
    terminal.type("\x1b[200~one\x02dtwo\x1b[98;5ud\x1b[201~")
    terminal.shows(r"\x1b[201~'")
    assert terminal.process.poll() is None
    assert world.run("log", "-t", "api").ok().raw.endswith(rb"b'\x1b[200~one\x02dtwo\x1b[98;5ud\x1b[201~'")
    terminal.type("\x02d")
    assert terminal.ended() == 0


def test_keys_arrive_at_once_and_as_typed(world: World) -> None:
    world.python("api", ECHO_KEYS, "")
    terminal = world.attach("api")
    terminal.shows("ready")
    for typed in ("\x1b", "\x1bx", "\x1b[A", "\x1bOP", "\x1b[15;2~", "é", "漢", "\x00", "\x7f"):
        before = len(world.run("log", "-t", "api").raw)
        terminal.type(typed)
        wanted = repr(typed.encode()).encode()
        wait_until(
            lambda before=before, wanted=wanted: world.run("log", "-t", "api").raw[before:] == b"\r\n" + wanted,
            what=f"{wanted!r}",
        )


def test_read_only_clients_watch_and_may_leave(world: World) -> None:
    world.new("api", "cat")
    watcher, typist = world.attach("api", "-r"), world.attach("api")
    watcher.type("no\r")
    watcher.type("\x02i")
    typist.type("yes\r")
    watcher.shows_rows(["yes", "yes"])
    watcher.resize((60, 20))
    watcher.shows_rows(["yes", "yes"])
    assert world.info("api")["size"] == [80, 24]
    watcher.type("\x02d")
    assert watcher.ended() == 0
    watcher.assert_as_before()
    assert world.run("log", "-t", "api").ok().raw == b"yes\r\nyes\r\n"


def test_attach_d_detaches_the_others(world: World) -> None:
    world.new("api", "cat")
    first, second = world.attach("api"), world.attach("api")
    third = world.attach("api", "-d")
    for terminal in (first, second):
        assert terminal.ended() == 0
        assert "[detached from api]" in terminal.text()
        terminal.assert_as_before()
    third.type("alone\r")
    third.shows_rows(["alone", "alone"])
    assert world.info("api")["attached"] == 1


def test_detach_from_a_script(world: World) -> None:
    world.new("api", "cat")
    world.new("web", "cat")
    clients = [world.attach("api"), world.attach("web"), world.attach("web")]
    world.run("detach", "-t", "api").ok()
    assert clients[0].ended() == 0
    assert "[detached from api]" in clients[0].text()
    assert clients[1].process.poll() is None
    world.run("detach", "-a").ok()
    for terminal in clients:
        assert terminal.ended() == 0
        terminal.assert_as_before()
    assert world.names() == ["api", "web"]


def test_two_clients_of_one_size_see_the_same(world: World) -> None:
    world.new("api", "cat")
    first, second = world.attach("api"), world.attach("api")
    first.type("from first\r")
    second.shows_rows(["from first"] * 2)
    second.type("from second\r")
    first.shows_rows(["from first"] * 2 + ["from second"] * 2)
    second.shows_rows(first.rows())


def test_two_clients_of_different_sizes_both_see_the_right_cells(world: World) -> None:
    world.python("api", GRID, options=["-x", "80", "-y", "24"])
    large = world.attach("api")
    large.shows_rows(grid(80, 24))
    small = world.attach("api", size=(60, 20))
    small.shows_rows([row[:60] for row in grid(80, 20)])  # it looks in, and the pane stays as it is
    small.type("x")  # now it leads
    small.shows_rows(grid(60, 20))
    large.shows_rows(grid(60, 20))
    large.type("x")
    large.shows_rows(grid(80, 24))
    small.shows_rows([row[:60] for row in grid(80, 20)])
    small.type("\x02d")
    assert small.ended() == 0
    small.assert_as_before()
    large.shows_rows(grid(80, 24))
    world.run("detach", "-a").ok()
    assert large.ended() == 0
    large.assert_as_before()


def test_a_small_watcher_follows_the_cursor(world: World) -> None:
    world.new("api", "sh", "-c", "seq 40; exec cat", options=["-x", "80", "-y", "40"])
    leader, watcher = world.attach("api", size=(80, 40)), world.attach("api", "-r", size=(30, 10))
    leader.type("bottom\r")
    watcher.shows("bottom")
    assert world.info("api")["size"] == [80, 40]
    assert "40" in watcher.rows()


def test_the_program_hears_of_a_new_size(world: World) -> None:
    world.python("api", SIZE)
    terminal = world.attach("api")
    terminal.shows("size 80x24")
    terminal.resize((100, 30))
    terminal.shows("size 100x30")
    assert world.info("api")["size"] == [100, 30]
    for columns in range(90, 70, -1):
        terminal.resize((columns, 25))
    terminal.shows("size 71x25")
    terminal.resize((1, 1))
    terminal.resize((120, 10))
    terminal.shows("size 120x10")


def test_a_resized_screen_is_right_afterwards(world: World) -> None:
    world.python("api", GRID)
    terminal = world.attach("api")
    for size in ((100, 30), (40, 12), (132, 43), (80, 24)):
        terminal.resize(size)
        terminal.shows_rows(grid(*size))


def test_the_end_of_the_program_ends_the_client_and_says_how(world: World) -> None:
    terminal = world.terminal("new", "--", "sh", "-c", "echo words; exit 3")
    assert terminal.ended() == 0
    assert [row for row in terminal.rows() if row] == ["words", "[exited 3]"]
    terminal.assert_as_before()
    killed = world.terminal("new", "--", "sh", "-c", "kill -9 $$")
    assert killed.ended() == 0
    assert "[exited on signal 9]" in killed.text()
    modes = r"printf '\033[?1049h\033[?1000h\033[?2004h\033[?25l\033[?1h\033[>1u'"
    full = world.terminal("new", "--", "sh", "-c", modes)
    assert full.ended() == 0
    assert "[exited 0]" in full.text()
    full.assert_as_before()


def test_a_program_that_cannot_start_leaves_the_terminal_alone(world: World) -> None:
    terminal = world.terminal("new", "--", "no-such-program")
    assert terminal.ended() == 1
    terminal.shows_rows(["agentmux: cannot run 'no-such-program': no such command"])
    terminal.assert_as_before()


ALL_MODES = (
    r"\x1b[?1049h\x1b[?1003h\x1b[?1006h\x1b[?1004h\x1b[?2004h\x1b[?25l\x1b[?1h\x1b="
    r"\x1b[>31u\x1b[>4;2m\x1b[5;10r\x1b[?69h"
)


@pytest.mark.parametrize("way", ["detach", "exit", "SIGTERM", "SIGHUP", "server"])
def test_every_mode_is_reset_by_whatever_road_a_client_leaves(world: World, way: str) -> None:
    world.python("api", ECHO_KEYS, ALL_MODES)
    terminal = world.attach("api")
    terminal.shows("ready")
    screen = terminal.screen
    assert screen.alternate
    assert screen.mouse_tracking
    assert screen.bracketed_paste
    assert screen.kitty_flags == 31
    assert not screen.cursor.visible
    assert not fcntl.fcntl(terminal.slave, fcntl.F_GETFL) & os.O_NONBLOCK
    assert termios.tcgetattr(terminal.slave) != terminal.settings
    expected = 0
    if way == "detach":
        terminal.type("\x1b[98;5u\x1b[100u")
    elif way == "exit":
        world.run("kill", "--now", "-t", "api").ok()
    elif way == "server":
        world.run("kill-server").ok()
    else:
        number = getattr(signal, way)
        os.kill(terminal.pid, number)
        expected = 128 + number
    assert terminal.ended() == expected
    terminal.assert_as_before()
    if way.startswith("SIG"):
        assert "[detached from api]" in terminal.text()
        wait_until(lambda: world.info("api")["attached"] == 0, what="the client to be gone")


def test_a_terminal_that_is_closed_ends_its_client_and_not_the_session(world: World) -> None:
    world.new("api", "cat")
    terminal = world.attach("api")
    terminal.type("x\r")
    terminal.shows("x")
    terminal.hang_up()
    assert terminal.process.wait(20) == 129
    wait_until(lambda: world.info("api")["attached"] == 0, what="the client to be gone")
    assert world.names() == ["api"]


def test_reset_mends_what_a_killed_client_left(world: World) -> None:
    world.python("api", ECHO_KEYS, ALL_MODES)
    command = ["sh", "-c", 'agentmux attach -t api; echo "status $?"; agentmux reset; echo mended; exec cat']
    terminal = world.terminal(argv=command)
    terminal.answering = lambda reply: None  # what comes after the client's death would be typed into the shell
    terminal.attached().shows("ready")
    (client,) = [pid for pid, words in world.pids().items() if words.rstrip().endswith("agentmux attach -t api")]
    os.kill(client, signal.SIGKILL)
    terminal.shows("mended")
    terminal.settings[0] |= termios.BRKINT  # as `stty sane` does
    terminal.assert_as_before()
    terminal.type("typed\n")
    terminal.shows_not("ready")
    wait_until(lambda: terminal.rows().count("typed") == 2, what="echo and answer of cat")


def test_a_paste_of_two_megabytes_reaches_a_program_that_reads(world: World) -> None:
    code = """
import hashlib, os, sys, tty
tty.setraw(0)
print("ready", flush=True)
left, digest = int(sys.argv[1]), hashlib.sha256()
while left:
    data = os.read(0, 65536)
    left -= len(data)
    digest.update(data)
print("got", digest.hexdigest()[:16], flush=True)
"""
    text = "".join(random.Random(2).choices(string.ascii_letters + "\r", k=2_000_000)).encode()
    world.python("api", code, str(len(text)))
    terminal = world.attach("api")
    terminal.shows("ready")
    terminal.type(text)
    terminal.shows("got " + hashlib.sha256(text).hexdigest()[:16])


def test_a_paste_into_a_program_that_does_not_read_blocks_nobody(world: World) -> None:
    world.python("deaf", "import time, tty; tty.setraw(0); print('ready', flush=True); time.sleep(600)")
    world.new("other", "cat")
    terminal, other = world.attach("deaf"), world.attach("other")
    terminal.shows("ready")
    terminal.type(b"x" * 2_000_000)
    other.type("alive\r")
    other.shows_rows(["alive"] * 2)
    world.run("send", "-t", "deaf", "-").ok()
    terminal.type("\x02d")
    assert terminal.ended() == 0
    terminal.assert_as_before()


def test_new_A_attaches_to_a_session_that_runs(world: World) -> None:  # noqa: N802 - tmux's option
    world.new("api", "sh", "-c", "echo there; exec cat")
    terminal = world.terminal("new", "-A", "-s", "api", "--", "cat").attached()
    terminal.shows("there")
    assert world.names("-a") == ["api"]


def test_queries_are_answered_once_whoever_watches(world: World) -> None:
    code = """
import os, select, sys, time, tty
tty.setraw(0)
print("ready", flush=True)
os.read(0, 1)
os.write(1, b"\\x1b[c\\x1b[6n\\x1b]11;?\\x1b\\\\")
time.sleep(1.0)
got = os.read(0, 9999)
print(repr(got), "end", flush=True)
time.sleep(600)
"""
    world.python("api", code)
    clients: list[Terminal] = [world.attach("api"), world.attach("api"), world.attach("api", "-r", size=(60, 20))]
    clients[0].shows("ready")
    world.run("send", "-t", "api", "--no-enter", "x").ok()
    world.shows("api", "end")
    (row,) = [row for row in world.run("log", "-t", "api").ok().out.split("\n") if row.endswith("end")]
    answer = row[row.index("b'") :]
    assert answer.count(r"\x1b[?") == 1
    assert answer.count("R") == 1
    assert answer.count("rgb:") == 1
    for terminal in clients:
        assert b"\x1b[c" not in terminal.everything().rpartition(b"ready")[2]  # before that we asked
        assert b"\x1b[6n" not in terminal.everything()


def test_what_was_typed_ahead_is_not_lost(world: World) -> None:
    world.new("api", "cat")
    terminal = world.terminal("attach", "-t", "api")
    terminal.type("early\r")
    terminal.attached()
    world.shows("api", "early")


def test_a_client_that_was_stopped_takes_the_terminal_again(world: World) -> None:
    world.new("api", "cat")
    terminal = world.attach("api")
    terminal.type("before\r")
    terminal.shows("before")
    os.kill(terminal.pid, signal.SIGSTOP)
    wait_until(lambda: stopped(terminal.pid), what="a stopped client")
    termios.tcsetattr(terminal.slave, termios.TCSANOW, terminal.settings)  # as a shell does with a job that stopped
    os.write(terminal.slave, b"\x1b[2J$ fg\r\n")
    terminal.shows("$ fg")
    os.kill(terminal.pid, signal.SIGCONT)
    terminal.attached()
    terminal.shows_rows(["before", "before"])
    terminal.type("after\r")
    terminal.shows("after")
    terminal.type("\x02d")
    assert terminal.ended() == 0
    terminal.assert_as_before()
