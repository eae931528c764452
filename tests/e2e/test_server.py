"""First use, server status and log, doctor, kill-server, completion in real shells."""

from __future__ import annotations

import os
import subprocess

import pytest
from world import World, wait_until


def test_twenty_first_uses_at_once_make_one_server_and_twenty_sessions(world: World) -> None:
    starting = [world.start("new", "-d", "-P", "-s", f"s{n}", "--", "cat") for n in range(20)]
    ended = [world.ended(process) for process in starting]
    assert [(ran.status, ran.err) for ran in ended] == [(0, "")] * 20
    assert sorted(int(ran.out) for ran in ended) == list(range(1, 21))
    assert sorted(world.names()) == sorted(f"s{n}" for n in range(20))
    commands = world.pids().values()
    assert sum("keeper.py" in command for command in commands) == 1
    assert sum("agentmux.cli.serve" in command and "keeper.py" not in command for command in commands) == 1


def test_twenty_first_uses_of_different_kinds_all_succeed(world: World) -> None:
    starting = [
        world.start(*words) for words in (("ls",), ("new", "-d", "cat"), ("ls", "-a"), ("has", "-t", "nobody")) * 5
    ]
    assert [(ran.status, ran.err) for ran in map(world.ended, starting)] == [(0, ""), (0, ""), (0, ""), (1, "")] * 5
    assert len(world.names()) == 5


def test_a_second_runtime_folder_does_not_share_the_first_ones_records(world: World) -> None:
    """Two servers that write one store would spoil it: the second says so, and its first user sees it."""
    world.new("api", "cat")
    other = os.path.join(world.root, "other")
    os.mkdir(other, 0o700)
    elsewhere = {"XDG_RUNTIME_DIR": other}
    failed = world.run("ls", env=elsewhere).failed("the data folder", "name another with -L")
    assert f"in use by the server on {world.socket}" in failed.err
    assert world.names() == world.run("-S", world.socket, "ls", "-F", "{name}", env=elsewhere).ok().lines
    assert world.names() == ["api"]


def test_server_status_is_true(world: World) -> None:
    world.new("api", "cat")
    status = world.status()
    pids = world.pids()
    assert "agentmux.cli.serve" in pids[status["server_pid"]]
    assert "keeper.py" in pids[status["keeper_pid"]]
    assert status["socket"] == world.socket
    assert status["version"] == world.run("-V").ok().out.split()[1]
    assert status["sessions"] == 1
    text = world.run("server", "status").ok().out
    assert f"server_pid  {status['server_pid']}" in text
    assert world.run("server").ok().lines[0] == text.splitlines()[0]


def test_server_log_prints_what_keeper_and_server_wrote(world: World) -> None:
    world.new("api", "cat")
    assert world.run("server", "log").ok().out == world.log
    assert "keeper" in world.log


def test_kill_server_leaves_nothing_and_new_right_after_works(world: World) -> None:
    for _ in range(3):
        world.new("api", "cat")
        world.new("web", "sh", "-c", "sleep 100 & wait")
        world.run("kill-server").ok()
        assert world.pids() == {}
        assert not os.path.lexists(world.socket)
    world.run("kill-server").failed("no server running on", "start a session with: agentmux new")
    assert world.names() == []
    assert len(world.names("-a")) == 6


def test_server_stop_works_also_when_the_server_hangs(world: World) -> None:
    import signal

    world.new("api", "sh", "-c", "trap '' HUP TERM; sleep 100 & sleep 100")
    world.run("server", "stop").ok()
    assert world.pids() == {}
    world.new("api", "sh", "-c", "trap '' HUP TERM; sleep 100 & sleep 100")
    status = world.status()
    for pid in (status["server_pid"], status["keeper_pid"]):
        os.kill(pid, signal.SIGSTOP)
    ran = world.run("server", "stop", "--force")
    assert (ran.status, ran.err) == (0, ""), ran
    assert world.pids() == {}
    assert not os.path.lexists(world.socket)
    world.run("server", "stop", "--force").failed("no server running on", "start a session with: agentmux new")


def test_a_stale_socket_file_is_replaced(world: World) -> None:
    import signal

    from terminal import signal_and_wait

    world.new("api", "cat")
    status = world.status()
    os.kill(status["keeper_pid"], signal.SIGSTOP)
    signal_and_wait(status["server_pid"])
    signal_and_wait(status["keeper_pid"])
    wait_until(lambda: not world.pids(), what="end of the hung-up session")
    assert os.path.lexists(world.socket)
    world.new("web", "cat")
    assert world.names() == ["web"]


def test_doctor_looks_at_everything_with_and_without_a_server(world: World) -> None:
    ran = world.run("doctor", "--json")
    findings = {row["what"]: row for row in ran.json}
    assert {"version", "server", "socket folder", "data folder", "TERM", "configuration"} <= findings.keys()
    assert "linger" in findings or "log-out" in findings
    assert findings["server"]["ok"]
    assert world.pids() == {}
    world.new("api", "cat")
    status = world.status()
    findings = {row["what"]: row for row in world.run("doctor", "--json").json}
    assert f"pid {status['server_pid']}" in findings["server"]["found"]
    assert world.run("doctor", env={"TERM": "dumb"}).status == 1
    os.chmod(os.path.dirname(world.socket), 0o755)
    ran = world.run("doctor")
    os.chmod(os.path.dirname(world.socket), 0o700)
    assert ran.status == 1
    assert "is open to others (mode 0755)" in ran.out
    world.configure("nonsense = 1\n")
    assert "config.toml: line 1: no option 'nonsense'" in world.run("doctor").out


COMPLETE = {
    # In each shell: load the script that `agentmux completion` prints, then ask for what a person's Tab would get.
    "bash": """
        eval "$(agentmux completion bash)"
        COMP_WORDS=(agentmux attach -t al) COMP_CWORD=3 COMP_LINE="agentmux attach -t al" COMP_POINT=22
        $(complete -p agentmux | sed 's/.*-F \\([^ ]*\\).*/\\1/') agentmux al -t
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "fish": """
        agentmux completion fish | source
        complete -C 'agentmux attach -t al'
    """,
}


@pytest.mark.parametrize("shell", sorted(COMPLETE))
def test_completion_completes_the_names_of_sessions(world: World, shell: str) -> None:
    for name in ("alpha", "alps", "beta"):
        world.new(name, "cat")
    done = subprocess.run(
        [shell, "-c", COMPLETE[shell]], env=world.env, cwd=world.home, capture_output=True, timeout=60, check=False
    )
    assert sorted(line.split("\t")[0] for line in done.stdout.decode().split("\n") if line) == ["alpha", "alps"], done


def test_zsh_completes_the_names_of_sessions(world: World) -> None:
    for name in ("alpha", "beta"):
        world.new(name, "cat")
    with open(f"{world.home}/.zshrc", "w") as file:
        file.write(
            'PROMPT="> "\nautoload -Uz compinit && compinit -u -D\neval "$(agentmux completion zsh)"\nprint ready\n'
        )
    zsh = world.terminal(argv=["zsh", "-i"], env={"ZDOTDIR": world.home, "SHELL": "/usr/bin/zsh"})
    zsh.shows("ready")
    zsh.shows(">")
    zsh.type("agentmux info -t al\t")
    zsh.shows("agentmux info -t alpha")
    zsh.type("\x15agentmux kil\t")
    zsh.shows("agentmux kill")
    zsh.type("\x15exit\n")
    zsh.ended()


def test_bash_completes_at_its_prompt(world: World) -> None:
    world.new("alpha", "cat")
    with open(f"{world.home}/rc", "w") as file:
        file.write('PS1="> "\neval "$(agentmux completion bash)"\necho ready\n')
    bash = world.terminal(argv=["bash", "--rcfile", f"{world.home}/rc", "-i"])
    bash.shows("ready")
    bash.type("agentmux info -t al\t")
    bash.shows("agentmux info -t alpha")
    bash.type("\x15agentmux capt\t")
    bash.shows("agentmux capture")
    bash.type("\x15exit\n")
    bash.ended()


def test_completion_without_a_server_starts_none_and_says_nothing(world: World) -> None:
    done = subprocess.run(
        ["bash", "-c", COMPLETE["bash"]], env=world.env, cwd=world.home, capture_output=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == (b"", b"")
    assert world.pids() == {}
