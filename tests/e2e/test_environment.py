"""What a program finds around it when it starts in a session."""

from __future__ import annotations

import json
import os
import sys

from world import World

LOOK = """
import json, os, signal, sys
fds = {}
for fd in os.listdir("/proc/self/fd"):
    try: fds[int(fd)] = os.readlink("/proc/self/fd/" + fd)
    except OSError: pass
with open("/proc/self/status") as file:
    status = dict(line.split(":\\t", 1) for line in file if ":\\t" in line)
with open("/proc/self/stat") as file:
    stat = file.read().rpartition(")")[2].split()
mask = os.umask(0)
found = {
    "env": dict(os.environ), "fds": fds, "umask": mask, "cwd": os.getcwd(),
    "blocked": status["SigBlk"].strip(), "ignored": status["SigIgn"].strip(),
    "leader": os.getpid() == os.getsid(0) == os.getpgid(0) == os.tcgetpgrp(0),
    "tty": os.ttyname(0), "nofile": __import__("resource").getrlimit(__import__("resource").RLIMIT_NOFILE),
}
with open(sys.argv[1] + ".new", "w") as file:
    json.dump(found, file)
os.rename(sys.argv[1] + ".new", sys.argv[1])
"""


def look(world: World, name: str, **settings: object) -> dict[str, object]:
    path = f"{world.home}/{name}.json"
    # The shell execs: what it inherited is what Python inherits. Python alone would ignore SIGPIPE.
    command = [sys.executable, "-I", "-S", "-c", LOOK.replace("found = {", "found = {", 1), path]
    world.run("new", "-d", "-s", name, "--", *command, **settings).ok()  # type: ignore[arg-type]
    assert world.exited(name) == 0
    with open(path) as file:
        return dict(json.load(file))


def test_the_environment_is_the_callers_less_other_terminals_plus_ours(world: World) -> None:
    foreign = {
        "TMUX": "/tmp/x,1,0", "TMUX_PANE": "%1", "STY": "x", "KITTY_WINDOW_ID": "1", "ZELLIJ": "0",
        "ZELLIJ_SESSION_NAME": "x", "WEZTERM_PANE": "1", "GHOSTTY_BIN_DIR": "/x", "VTE_VERSION": "1", "COLUMNS": "10",
        "LINES": "5", "CLAUDECODE": "1", "WINDOWID": "1",
    }  # fmt: skip
    found = look(world, "env", env={**foreign, "TERM": "linux", "MINE": "kept", "ODD": "a\nb=c\x01"})
    env = found["env"]
    assert isinstance(env, dict)
    assert not foreign.keys() & env.keys()
    assert env["TERM"] == "xterm-256color"
    assert env["COLORTERM"] == "truecolor"
    assert env["TERM_PROGRAM"] == "agentmux"
    assert env["MINE"] == "kept"
    assert env["ODD"] == "a\nb=c\x01"
    assert env["HOME"] == world.home
    assert env["PWD"] == found["cwd"] == world.home
    socket, _, pid = env["AGENTMUX"].rpartition(",")
    assert socket == world.socket
    assert int(pid) == world.status()["keeper_pid"]
    assert env["AGENTMUX_SESSION"] == "1"
    assert not [name for name in env if name.startswith("AGENTMUX_") and name != "AGENTMUX_SESSION"]


def test_each_session_gets_the_environment_of_who_asks_not_of_who_came_first(world: World) -> None:
    look(world, "first", env={"WHO": "first", "ONLY": "here"})
    env = look(world, "second", env={"WHO": "second"})["env"]
    assert isinstance(env, dict)
    assert env["WHO"] == "second"
    assert "ONLY" not in env


def test_no_descriptor_is_inherited_and_the_terminal_is_its_own(world: World) -> None:
    reading, writing = os.pipe()
    try:
        found = look(world, "fds", pass_fds=(reading, writing), close_fds=True)
    finally:
        os.close(reading)
        os.close(writing)
    fds = {fd: what for fd, what in found["fds"].items() if not what.startswith("/proc/")}  # type: ignore[attr-defined]
    assert fds == {"0": found["tty"], "1": found["tty"], "2": found["tty"]}
    assert found["leader"]


def test_no_signal_is_blocked_and_sigpipe_kills(world: World) -> None:
    found = look(world, "signals")
    assert int(str(found["blocked"]), 16) == 0
    # Python itself ignores SIGPIPE (13) and SIGXFSZ (25); nothing else may be ignored.
    # 32 and 33 are glibc's own, which its posix_spawn ignores.
    assert int(str(found["ignored"]), 16) & ~(1 << 12 | 1 << 24 | 1 << 31 | 1 << 32) == 0
    world.new("pipe", "sh", "-c", "grep SigIgn /proc/self/status; yes | head -1; echo over")
    assert world.exited("pipe") == 0
    rows = world.screen("pipe")
    assert int(rows[0].split()[1], 16) & 0x7FFF_FFFF == 0
    assert rows[1:] == ["y", "over"]


def test_ctrl_c_ends_a_program_though_the_server_was_started_in_the_background(world: World) -> None:
    # A shell without job control ignores SIGINT in what it runs in the background, and that is inherited.
    world.run("new", "-d", "-s", "one", "--", "sleep", "100",
              argv=["/bin/sh", "-c", 'trap "" INT QUIT; "$@"', "sh", "agentmux"]).ok()  # fmt: skip
    world.run("interrupt", "-t", "one").ok()
    assert world.exited("one") == -2


def test_umask_and_file_limit_are_those_of_the_caller(world: World) -> None:
    found = look(world, "first", argv=["/bin/sh", "-c", 'umask 027; ulimit -Sn 512; "$@"', "sh", "agentmux"])
    assert found["umask"] == 0o027
    assert found["nofile"][0] == 512  # type: ignore[index]


def test_a_later_callers_umask_counts_too(world: World) -> None:
    look(world, "first", argv=["/bin/sh", "-c", 'umask 027; "$@"', "sh", "agentmux"])
    assert look(world, "second", argv=["/bin/sh", "-c", 'umask 002; "$@"', "sh", "agentmux"])["umask"] == 0o002


def test_keeper_and_server_hold_nothing_of_their_starters(world: World) -> None:
    reading, writing = os.pipe()
    try:
        world.run("new", "-d", "--", "cat", pass_fds=(reading, writing)).ok()
        os.close(writing)
        writing = -1
        os.set_blocking(reading, False)
        assert os.read(reading, 1) == b""  # an end of file: nobody holds the other end
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    status = world.status()
    for pid in (status["server_pid"], status["keeper_pid"]):
        targets = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in ("0", "1", "2")]
        assert targets[0] == "/dev/null"
        assert set(targets[1:]) == {os.path.join(world.data, "server.log")}
        assert os.getsid(pid) != os.getsid(0)
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
