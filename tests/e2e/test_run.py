"""agentmux run: an agent asked from a shell pipeline and from a Makefile."""

from __future__ import annotations

import subprocess
import sys

import composing
from world import World


def program(world: World) -> str:
    return world.agent(composing.PROFILE, f'#!/bin/sh\nexec {sys.executable} -I -S {composing.__file__} "$@"\n')


def words(world: World, *more: str) -> list[str]:
    env = ["-e", f"TRUTH={world.root}/truth", "-e", f"OURS_LOG={world.root}"]
    return ["run", "--agent", program(world), *env, *more]


def shell(world: World, script: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["sh", "-c", script], env=world.env, cwd=world.home, capture_output=True, timeout=60)


def test_a_prompt_goes_in_and_the_reply_comes_out(world: World) -> None:
    world.configure('default-size = "90x30"\n')
    ran = world.run(*words(world, "hello", "there")).ok()
    assert ran.out == "you said hello there\n"
    [row] = world.run("ls", "--json").ok().json
    assert (row["agent"], row["status"], row["size"]) == ("ours", "idle", [90, 30])
    assert world.run("last", "-t", row["name"]).ok().out == "you said hello there\n"


def test_rm_leaves_nothing(world: World) -> None:
    assert world.run(*words(world, "--rm", "hello")).ok().out == "you said hello\n"
    assert world.run("ls", "-a", "--json").ok().json == []
    assert world.run("history", "--json").ok().json == []


def test_it_works_in_a_pipeline(world: World) -> None:
    command = " ".join(words(world, "-"))
    done = shell(world, f"echo some text | agentmux {command} | tr a-z A-Z")
    assert (done.returncode, done.stdout) == (0, b"YOU SAID SOME TEXT\n"), done


def test_it_works_in_a_makefile(world: World) -> None:
    with open(f"{world.home}/Makefile", "w") as file:
        file.write(f"answer:\n\tagentmux {' '.join(words(world, '-f', 'question'))} > $@\n")
        file.write(f"asks:\n\tagentmux {' '.join(words(world, 'ask'))} > $@\n")
    with open(f"{world.home}/question", "w") as file:
        file.write("what\nis it\n")
    assert shell(world, "make answer").returncode == 0
    with open(f"{world.home}/answer") as file:
        assert file.read() == "you said what\nis it\n"
    done = shell(world, "make asks")
    assert done.returncode == 2 and b"needs a person" in done.stderr and b"Error 8" in done.stderr


def test_the_status_says_how_it_ended(world: World) -> None:
    assert world.run(*words(world, "--json", "ask")).status == 8
    failed = world.run(*words(world, "--json", "fail"))
    assert (failed.status, failed.json["state"], failed.json["why"]) == (12, "failed", "error")
    late = world.run(*words(world, "--json", "--timeout", "1", "work 60"))
    assert (late.status, late.json["state"]) == (5, "timeout")
    gone = world.run("run", "--agent", f"{world.home}/ours --end", "-e", "TRUTH=/dev/null", "hello")
    assert gone.status in (6, 10, 11), gone


def test_several_are_asked_at_once(world: World) -> None:
    ran = world.run(*words(world, "--agent", f"{world.home}/ours -v", "--json", "hello"))
    assert [(one["state"], one["reply"]) for one in ran.json] == [("done", "you said hello")] * 2


def test_what_is_no_agent_is_not_asked(world: World) -> None:
    world.run("run", "--agent", "cat", "hello").failed("'cat' is no agent that takes prompts", "see: agentmux agents")
    world.run("run", "--agent", "'", "hello").failed('run: --agent "\'" is no command line', status=2)
    world.run("run").failed("there is nothing to send", "give a text", status=2)
    world.run("run", "-f", "nowhere").failed("run: can't read 'nowhere': no such file", status=2)
    assert world.run("ls", "-a", "--json").ok().json == []
