"""What is remembered: prompts and replies, over restarts of the server, and not what nobody should see."""

from __future__ import annotations

import os
import signal
import time

from terminal import signal_and_wait
from world import World, wait_until

ANSWERS = r"""
import sys
print("ready")
for line in sys.stdin:
    print("> ", end="") if line == "\n" else print(f"you said: {line.strip()}\nthat is {len(line.strip())} letters")
"""


def reply(world: World, name: str, count: int = 1) -> list[dict[str, object]]:
    """Wait for so many replies of a session; return its messages."""

    def messages() -> list[dict[str, object]] | None:
        found: list[dict[str, object]] = world.run("messages", "-t", name, "--json").ok().json
        return found if len([m for m in found if m["role"] == "agent"]) >= count else None

    return wait_until(messages, what="reply")


def test_a_prompt_and_its_reply_are_remembered(world: World) -> None:
    world.python("api", ANSWERS)
    world.shows("api", "ready")
    world.run("last", "-t", "api").failed("session 'api' has not replied yet", "ask it")
    before = time.time()
    world.run("send", "-t", "api", "hello", "there").ok()
    user, agent = reply(world, "api")
    assert (user["role"], user["source"], user["text"]) == ("user", "send", "hello there")
    assert (agent["role"], agent["source"]) == ("agent", "screen")
    assert agent["text"] == "you said: hello there\nthat is 11 letters"
    assert agent["proof"] == {"start": len("ready\r\n"), "end": world.info("api")["recorded_bytes"]}
    assert isinstance(user["at"], float) and before - 1 < user["at"] < time.time() + 1
    assert world.run("last", "-t", "api").ok().out == "you said: hello there\nthat is 11 letters\n"
    world.run("send", "-t", "api", "again").ok()
    reply(world, "api", 2)
    assert world.run("last", "-t", "api").ok().out == "you said: again\nthat is 5 letters\n"
    assert [m["text"] for m in world.run("messages", "-t", "api", "-n", "2", "--json").ok().json] == [
        "again",
        "you said: again\nthat is 5 letters",
    ]
    shown = world.run("messages", "-t", "api").ok().out
    assert "user  20" in shown and "\nhello there\n" in shown


def test_a_shells_own_prompt_is_not_its_reply(world: World) -> None:
    world.new("api", "sh", "-c", "PS1='$ ' exec bash --norc -i")
    world.shows("api", "$")
    world.run("send", "-t", "api", "seq 3").ok()
    assert reply(world, "api")[1]["text"] == "1\n2\n3"
    world.run("send", "-t", "api", "seq 100").ok()
    numbers = reply(world, "api", 2)[3]["text"]
    assert numbers == "\n".join(map(str, range(1, 101))), "what scrolled out is part of it"
    long = "echo " + "x" * 150
    world.run("send", "-t", "api", long).ok()
    assert reply(world, "api", 3)[5]["text"] in ("x" * 150, "x" * 120 + "\n" + "x" * 30)


def test_a_full_screen_program_replies_with_what_it_shows(world: World) -> None:
    code = "import sys\nprint('\\x1b[?1049h', end='', flush=True)\nfor line in sys.stdin:\n"
    world.python("api", code + " print('\\x1b[2J\\x1b[Hshown: ' + line.strip() + '\\x1b[5;1Hbelow', flush=True)")
    wait_until(lambda: world.run("capture", "-t", "api", "--json").ok().json["alternate"], what="alternate screen")
    world.run("send", "-t", "api", "page").ok()
    assert reply(world, "api")[1]["text"] == "shown: page\n\n\n\nbelow"


def test_what_came_before_the_end_is_the_reply(world: World) -> None:
    world.new("api", "sh", "-c", "read line; echo done with $line")
    world.run("send", "-t", "api", "it").ok()
    world.exited("api")
    assert reply(world, "api")[1]["text"] == "done with it"


def test_the_history_is_found_by_text_folder_and_number(world: World) -> None:
    world.new("api", "cat")
    os.mkdir(f"{world.home}/other")
    world.run("new", "-d", "-s", "web", "-c", f"{world.home}/other", "--", "cat").ok()
    world.run("send", "-t", "api", "first prompt\nof two lines").ok()
    world.run("send", "-t", "web", "second one").ok()
    world.run("send", "-t", "api", "third").ok()
    world.run("send", "-t", "api", "--no-enter", "only typed").ok()
    found = world.run("history", "--json").ok().json
    assert [(p["name"], p["text"]) for p in found] == [
        ("api", "first prompt\nof two lines"),
        ("web", "second one"),
        ("api", "third"),
    ]
    assert [p["text"] for p in world.run("history", "-n", "1", "--json").ok().json] == ["third"]
    assert [p["text"] for p in world.run("history", "SECOND", "--json").ok().json] == ["second one"]
    here = world.run("history", "--here", "--json", cwd=f"{world.home}/other").ok().json
    assert [p["text"] for p in here] == ["second one"]
    assert "api      first prompt ...\n" in world.run("history").ok().out
    assert world.run("history", "nothing like it").ok().out == ""
    world.run("send", "-t", "web", "--history", str(found[0]["id"])).ok()
    world.shows("web", "of two lines")
    assert world.run("history", "-n", "1", "--json").ok().json[0]["text"] == "first prompt\nof two lines"
    world.run("send", "-t", "web", "--history", "99").failed("no prompt with id 99 in the history", "list them")
    world.run("send", "-t", "web", "--history", "1", "text").failed(
        "send: --history takes no text and no keys", status=2
    )


def test_a_password_is_typed_and_not_remembered(world: World) -> None:
    code = "import getpass\nprint(len(getpass.getpass('word: ')))\ninput()"
    world.python("api", code)
    world.shows("api", "word:")
    world.run("send", "-t", "api", "s3cret-w0rd").ok()
    world.shows("api", "11")
    assert world.run("history", "--json").ok().json == []
    assert world.run("messages", "-t", "api", "--json").ok().json == []


def test_all_of_it_outlives_the_server(world: World) -> None:
    world.python("api", ANSWERS)
    world.run("send", "-t", "api", "hello").ok()
    before = reply(world, "api")
    status = world.status()
    signal_and_wait(status["server_pid"], signal.SIGKILL)
    assert world.run("messages", "-t", "api", "--json").ok().json == before
    assert world.run("history", "--json").ok().json[0]["text"] == "hello"
    world.run("send", "-t", "api", "more").ok()
    assert reply(world, "api", 2)[3]["text"] == "you said: more\nthat is 4 letters"
