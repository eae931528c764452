"""Typing into sessions and reading what they print: send, capture, wait, log, events, interrupt."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from programs import ECHO_KEYS
from world import World, wait_until


def test_send_types_text_and_enter(world: World) -> None:
    world.new("api", "cat")
    world.run("send", "-t", "api", "hello", "world").ok()
    wait_until(lambda: world.screen("api") == ["hello world", "hello world"], what="echo and answer of cat")
    world.run("send", "-t", "api", "--no-enter", "abc").ok()
    world.run("send", "-t", "api", "--no-enter", "--", "-d").ok()
    wait_until(lambda: world.screen("api")[2:] == ["abc-d"], what="text without Enter")
    world.run("send", "-t", "api").ok()
    wait_until(lambda: world.screen("api")[2:] == ["abc-d", "abc-d"], what="Enter by itself")
    world.run("send", "-t", "api", "naïve 漢字 🙂").ok()
    world.shows("api", "naïve 漢字 🙂")


def test_send_takes_standard_input(world: World) -> None:
    world.python("api", "import sys\nfor line in sys.stdin: print(len(line), flush=True)")
    world.run("send", "-t", "api", "-", input=b"one\ntwo words\n").ok()
    world.shows("api", "10")
    assert world.screen("api")[-4:] == ["one", "two words", "4", "10"] or "4" in world.screen("api")


def test_keys_are_encoded_as_the_program_asked_for_them(world: World) -> None:
    world.python("plain", ECHO_KEYS, "")
    world.python("application", ECHO_KEYS, r"\x1b[?1h")
    world.python("kitty", ECHO_KEYS, r"\x1b[>1u")
    keys = ["Up", "C-c", "Enter", "Tab", "M-x", "Escape", "F5", "S-Tab", "a", "Space", "BSpace", "C-b"]
    expected = {
        "plain": rb"\x1b[A \x03 \r \t \x1bx \x1b \x1b[15~ \x1b[Z a \x20 \x7f \x02",
        "application": rb"\x1bOA \x03 \r \t \x1bx \x1b \x1b[15~ \x1b[Z a \x20 \x7f \x02",
        "kitty": rb"\x1b[A \x1b[99;5u \r \t \x1b[120;3u \x1b[27u \x1b[15~ \x1b[9;2u a \x20 \x7f \x1b[98;5u",
    }
    for name, words in expected.items():
        world.shows(name, "ready")
        for key, word in zip(keys, words.split(), strict=True):
            wanted = repr(word.decode("unicode_escape").encode())
            world.run("send", "-t", name, "--keys", key).ok()
            wait_until(
                lambda name=name, wanted=wanted: world.screen(name)[-1] == wanted,
                what=lambda name=name, wanted=wanted, key=key: (
                    f"{wanted} for {key}, {world.screen(name)[-1]} for {name}"
                ),
            )
    world.run("send", "-t", "plain", "--keys", "Nokey").failed(
        "send: no key named 'Nokey'", "names as in tmux", status=2
    )


def test_input_over_the_bound_is_an_error_and_nothing_of_it_is_sent(world: World) -> None:
    world.python("deaf", "import time, tty; tty.setraw(0); print('ready', flush=True); time.sleep(600)")
    world.shows("deaf", "ready")
    word = "x" * 120_000  # one argument may have 128 KiB on Linux
    chunk = [word] * 8
    for _ in range(20):
        ran = world.run("send", "-t", "deaf", "--no-enter", *chunk)
        if ran.status:
            break
    ran.failed("session 'deaf' is not reading its input: ", "nothing was sent; try again when the program reads")
    world.run("send", "-t", "deaf", "--no-enter", *chunk).failed("session 'deaf' is not reading", "nothing was sent")
    world.new("other", "cat")
    world.run("send", "-t", "other", "fine").ok()
    world.shows("other", "fine")
    world.run("kill", "-t", "deaf").ok()


def test_two_megabytes_on_standard_input_reach_a_program_whole_and_in_order(world: World) -> None:
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
    import hashlib
    import random

    data = random.Random(1).randbytes(2_000_000)
    world.python("reader", code, str(len(data)))
    world.shows("reader", "ready")
    world.run("send", "-t", "reader", "-", input=data).ok()
    world.shows("reader", "got " + hashlib.sha256(data).hexdigest()[:16])


def test_a_program_that_writes_while_it_is_written_to_does_not_block_anybody(world: World) -> None:
    # It reads nothing before it has written more than a terminal holds: whoever blocks on its input never gets there.
    code = """
import os, tty
tty.setraw(0)
os.write(1, b"ready\\r\\n")
os.read(0, 1)
for _ in range(200): os.write(1, b"y" * 10_000)
left = 1_999_999
while left: left -= len(os.read(0, 65536))
os.write(1, b"\\r\\nall read")
"""
    world.python("both", code)
    world.shows("both", "ready")
    world.run("send", "-t", "both", "-", input=b"x" * 2_000_000).ok()
    world.shows("both", "all read")


def test_capture_prints_the_screen_any_range_and_styles(world: World) -> None:
    code = """
import time
for n in range(100): print(f"\\x1b[31mline {n}\\x1b[0m")
print("end", end="", flush=True)
time.sleep(60)
"""
    world.python("api", code, options=["-x", "40", "-y", "10"])
    world.shows("api", "end")
    assert world.run("capture", "-t", "api").ok().lines == [*(f"line {n}" for n in range(91, 100)), "end"]
    assert world.run("capture", "-t", "api", "-S", "-").ok().lines == [*(f"line {n}" for n in range(100)), "end"]
    assert world.run("capture", "-t", "api", "-S", "-2", "-E", "0").ok().lines == ["line 89", "line 90", "line 91"]
    assert world.run("capture", "-t", "api", "-S", "8").ok().lines == ["line 99", "end"]
    assert world.run("capture", "-t", "api", "-S", "-999", "-E", "-90").ok().lines == ["line 0", "line 1"]
    assert world.run("capture", "-t", "api", "-S", "5", "-E", "2").ok().out == ""
    styled = world.run("capture", "-t", "api", "-e", "-E", "0").ok().out
    assert styled.startswith("\x1b[0m\x1b[")
    assert "line 91" in styled
    facts = world.run("capture", "-t", "api", "--json", "-S", "-1").ok().json
    assert facts["rows"][0] == "line 90"
    assert (facts["first"], facts["size"], facts["cursor"]) == (-1, [40, 10], [3, 9])
    assert facts["alternate"] is False
    ran = world.run("capture", "-t", "api", "-S", "top")
    assert (ran.status, ran.err.splitlines()[0]) == (2, "agentmux: capture: -S 'top' is not a row number")


def test_capture_of_an_ended_session_still_shows_its_last_words(world: World) -> None:
    world.new("done", "sh", "-c", "echo last words; exit 3")
    assert world.exited("done") == 3
    assert world.screen("done") == ["last words"]
    assert world.run("log", "-t", "done").ok().raw == b"last words\r\n"


@pytest.mark.parametrize(
    ("command", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", -9), ("kill -15 $$", -15)]
)
def test_exit_statuses_are_reported_true(world: World, command: str, status: int) -> None:
    world.new("done", "sh", "-c", command)
    assert world.exited("done") == status


def test_wait_has_a_status_for_each_way_it_ends(world: World) -> None:
    world.new("api", "cat")
    assert world.run("wait", "-t", "api", "--timeout", "0.2").failed("not seen within 0.2 s", status=5)
    reached = world.start("wait", "-t", "api", "--output", "needle [0-9]+")
    missed = world.start("wait", "-t", "api", "--output", "never")
    ended = world.start("wait", "-t", "api", "--exit")
    waiting = (reached, missed, ended)
    wait_until(lambda: all(world.connected(process.pid) for process in waiting), what="three waiting clients")
    world.run("ls").ok()  # the server has seen the clients before this one
    world.run("send", "-t", "api", "a needle 42 here").ok()
    assert world.ended(reached).status == 0
    assert (missed.poll(), ended.poll()) == (None, None)
    world.run("send", "-t", "api", "--keys", "C-d").ok()
    assert [world.ended(process).status for process in waiting[1:]] == [6, 0]
    assert world.run("wait", "-t", "api", "--output", "needle").status == 0
    assert world.run("wait", "-t", "api", "--output", "never").status == 6
    assert world.run("wait", "-t", "api").status == 0
    world.new("victim", "cat")
    killed = world.start("wait", "-t", "victim", "--output", "never"), world.start("wait", "-t", "victim")
    wait_until(lambda: all(world.connected(process.pid) for process in killed), what="two waiting clients")
    world.run("ls").ok()  # the server has seen the clients before this one
    world.run("kill", "-t", "victim").ok()
    assert [world.ended(process).status for process in killed] == [7, 7]
    world.run("wait", "-t", "api", "--output", "(").failed("wait: '(' is no regular expression", status=2)


def test_wait_sees_output_that_has_scrolled_out_already(world: World) -> None:
    world.new("api", "sh", "-c", "read go; echo needle; seq 5000; exec cat")
    waiting = world.start("wait", "-t", "api", "--output", "^needle$", "--timeout", "20")
    wait_until(lambda: world.connected(waiting.pid), what="the client")
    world.run("ls").ok()  # the server has seen the client before this one
    world.run("send", "-t", "api", "go").ok()
    assert world.ended(waiting).status == 0


def test_wait_ends_with_the_server_and_says_so(world: World) -> None:
    world.new("api", "cat")
    waiting = world.start("wait", "-t", "api")
    wait_until(lambda: world.connected(waiting.pid), what="the client")
    world.run("kill-server").ok()
    ran = world.ended(waiting)
    assert ran.status in (4, 7), ran


def test_log_is_every_byte_and_follows(world: World) -> None:
    world.new("api", "cat")
    following = world.start("log", "-f", "-t", "api")
    world.run("send", "-t", "api", "one").ok()
    world.run("send", "-t", "api", "two").ok()
    world.shows("api", "two")
    world.run("send", "-t", "api", "--keys", "C-d").ok()
    ran = world.ended(following)
    assert ran.status == 0
    assert ran.raw.replace(b"^D\b\b", b"") == b"one\r\none\r\ntwo\r\ntwo\r\n"
    assert world.run("log", "-t", "api").ok().raw == ran.raw


def test_log_of_many_megabytes_is_whole(world: World) -> None:
    world.new("flood", "sh", "-c", "seq 600000")
    assert world.exited("flood") == 0
    assert world.run("log", "-t", "flood").ok().raw == b"".join(b"%d\r\n" % n for n in range(1, 600_001))


def test_a_reader_that_leaves_early_is_no_error(world: World) -> None:
    world.new("flood", "sh", "-c", "seq 100000; exec cat")
    world.shows("flood", "100000")
    done = subprocess.run(
        ["/bin/sh", "-c", "agentmux log -t flood | head -1"],
        env=world.env, cwd=world.home, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == (b"1\r\n", b"", 0)
    assert world.names() == ["flood"]


def test_events_tell_the_life_of_sessions(world: World) -> None:
    world.new("first", "cat")
    stream = world.start("events", "--json")
    assert stream.stdout is not None
    wait_until(lambda: world.connected(stream.pid), what="the client")
    world.run("ls").ok()  # the server has seen the client before this one
    world.new("api", "sh", "-c", "read x; printf '\\033]2;hi\\007\\007'; read y; exit 4")
    world.run("send", "-t", "api", "x").ok()
    world.run("rename", "-t", "api", "web").ok()
    world.run("label", "-t", "web", "k=v").ok()
    wait_until(lambda: world.info("web")["title"] == "hi", what="title")
    world.run("send", "-t", "web", "y").ok()
    seen = []
    for line in stream.stdout:
        seen.append(json.loads(line))
        if seen[-1]["event"] == "exited":
            break
    stream.send_signal(signal.SIGINT)
    assert world.ended(stream).status == 130
    kinds = [event["event"] for event in seen if event["session"] == 2]
    assert kinds[:2] == ["created", "started"]
    assert {"input", "output-activity", "title", "bell", "renamed", "labelled"} <= set(kinds)
    assert kinds[-1] == "exited"
    assert seen[-1]["exit_status"] == 4
    assert seen[-1]["name"] == "web"
    assert [event["title"] for event in seen if event["event"] == "title"] == ["hi"]


def test_events_of_one_session_end_with_it(world: World) -> None:
    world.new("api", "cat")
    world.new("other", "cat")
    stream = world.start("events", "-t", "api")
    wait_until(lambda: world.connected(stream.pid), what="the client")
    world.run("ls").ok()
    world.run("send", "-t", "other", "noise").ok()
    world.run("kill", "-t", "api").ok()
    ran = world.ended(stream)
    assert ran.status == 0
    assert all(line.split()[2:4] == ["1", "api"] for line in ran.lines), ran
    assert ran.lines[-1].split()[1] == "exited"


def test_interrupt_reaches_the_program_attached_or_not(world: World) -> None:
    world.python(
        "api",
        "import time\ntry: print('ready', flush=True); time.sleep(60)\nexcept KeyboardInterrupt: print('stopped')",
    )
    world.shows("api", "ready")
    world.run("interrupt", "-t", "api").ok()
    assert world.exited("api") == 0
    assert "stopped" in world.screen("api")[-1]
    world.run("interrupt", "-t", "api").failed("session 'api' is not running (exited)", "start it again with")


def test_commands_work_with_a_closed_standard_input_or_output(world: World) -> None:
    world.new("api", "cat")
    for redirect in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(
            ["/bin/sh", "-c", f"agentmux send -t api hi {redirect}"],
            env=world.env, cwd=world.home, capture_output=True, timeout=30, check=False,
        )  # fmt: skip
        assert b"Traceback" not in done.stderr, redirect
        assert done.returncode == 0, (redirect, done.stderr)
    wait_until(lambda: world.screen("api") == ["hi"] * 8, what="four times hi and its echo")
    full = subprocess.run(
        ["/bin/sh", "-c", "agentmux ls > /dev/full"], env=world.env, capture_output=True, timeout=30, check=False
    )
    assert (full.returncode, full.stderr) == (1, b"agentmux: cannot write: no space left on device\n")


def test_a_command_from_a_deleted_folder_works(world: World) -> None:
    world.new("api", "cat")
    done = subprocess.run(
        ["/bin/sh", "-c", "mkdir gone; cd gone; rmdir ../gone; agentmux ls -q; agentmux new -d -P cat"],
        env=world.env, cwd=world.home, capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr
    assert done.stdout.split()[:1] == [b"1"]


def test_ctrl_c_ends_a_waiting_command_quietly(world: World) -> None:
    world.new("api", "cat")
    waiting = world.start("wait", "-t", "api")
    wait_until(lambda: world.connected(waiting.pid), what="a client that waits")
    waiting.send_signal(signal.SIGINT)
    ran = world.ended(waiting)
    assert (ran.status, ran.err) == (130, "")
