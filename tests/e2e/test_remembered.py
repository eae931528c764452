"""What is remembered: prompts and replies, over restarts of the server, and not what nobody should see."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from terminal import signal_and_wait
from world import World, wait_until

from agentmux.store.texts import INLINE

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
        "send: --history takes no text and no file", status=2
    )


def test_a_password_is_typed_and_not_remembered(world: World) -> None:
    code = "import getpass\nprint(len(getpass.getpass('word: ')))\ninput()"
    world.python("api", code)
    world.shows("api", "word:")
    world.run("send", "-t", "api", "s3cret-w0rd").ok()
    world.shows("api", "11")
    assert world.run("history", "--json").ok().json == []
    assert world.run("messages", "-t", "api", "--json").ok().json == []


def test_a_reply_comes_to_the_next_server(world: World) -> None:
    go = f"{world.home}/go"
    world.python(
        "api",
        "import os, sys, time\nfor line in sys.stdin:\n    while not os.path.exists(sys.argv[1]): "
        "time.sleep(0.01)\n    print('answer to', line)",
        go,
    )
    world.run("send", "-t", "api", "slow question").ok()
    wait_until(lambda: world.run("log", "-t", "api").ok().raw == b"slow question\r\n", what="echo")
    signal_and_wait(world.status()["server_pid"], signal.SIGKILL)
    open(go, "x").close()
    assert reply(world, "api")[-1]["text"] == "answer to slow question"


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


def indexed(world: World, *query: str) -> list[dict[str, object]]:
    """Search until something is found."""

    def found() -> list[dict[str, object]] | None:
        return world.run("search", *query, "--json").json or None

    return wait_until(found, what=f"{query} found")


def test_what_was_said_and_shown_is_found_also_when_ended(world: World) -> None:
    world.python("api", ANSWERS)
    world.run(
        "new", "-d", "-s", "web", "--", "sh", "-c", "printf 'the \\033[31mquo\\033[32mkka\\033[0m sleeps\\n'"
    ).ok()
    world.run("send", "-t", "api", "explain the Zebrafish").ok()
    world.exited("web")
    [shown] = indexed(world, "quokka")
    assert (shown["name"], shown["in"], shown["snippet"]) == ("web", "output", "the quokka sleeps")
    assert b"quo" in world.run(*str(shown["show"]).split()[1:]).ok().raw
    reply(world, "api")
    found = wait_until(
        lambda: len(got := world.run("search", "zebrafish", "--json").json) == 3 and got,
        what="prompt, reply and output",
    )
    assert {one["in"] for one in found} == {"prompts", "replies", "output"}
    [prompt] = world.run("search", "--in", "prompts", "ZEBRA*", "--json").ok().json
    assert prompt["snippet"] == "explain the Zebrafish"
    assert prompt["show"] == f"agentmux send --history {prompt['source']}"
    assert {one["name"] for one in world.run("search", "-t", "web", "the", "--json").ok().json} == {"web"}
    assert len(world.run("search", "--since", "1d", "zebrafish").ok().lines) == 6, "two lines each"
    assert world.run("search", "nowhere-to-be-found").status == 1
    world.run("search", "--in", "dreams", "x").failed("search: nothing is called 'dreams'", "--in takes", status=2)
    world.run("search", "--since", "soon", "x").failed("--since 'soon' is no time", "write", status=2)


def test_secrets_are_not_found_and_not_exported(world: World) -> None:
    world.configure('redact = "sk-[a-z0-9]+"')
    world.new("api", "sh", "-c", "echo the key sk-abc123 is here; exec cat")
    world.shows("api", "is here")
    assert indexed(world, "key")[0]["snippet"] == "the key [redacted] is here"
    assert world.run("search", "abc123").status == 1
    assert "abc123" not in world.run("export", "-t", "api", "--format", "text").ok().out
    assert "abc123" in world.run("log", "-t", "api").ok().out, "the recording itself has it"


def test_a_recording_is_exported_in_every_format(world: World) -> None:
    world.run(
        "new", "-d", "-s", "api", "-x", "60", "-y", "12", "--", "sh", "-c", "seq 50; printf '\\033[31mred\\033[0m\\n'"
    ).ok()
    world.exited("api")
    lines = [*map(str, range(1, 51)), "red"]
    assert world.run("export", "-t", "api", "--format", "text").ok().lines == lines
    cast = world.run("export", "-t", "api").ok().lines
    head = json.loads(cast[0])
    assert (head["version"], head["width"], head["height"]) == (2, 60, 12)
    events = [json.loads(line) for line in cast[1:]]
    assert "".join(data for _, code, data in events if code == "o") == "".join(f"{n}\r\n" for n in range(1, 51)) + (
        "\x1b[31mred\x1b[0m\r\n"
    )
    assert events[-1][1:] == ["m", "exited 0"]
    assert json.loads(world.run("export", "--format", "asciicast-v3", "-t", "api").ok().lines[-1])[1:] == ["x", "0"]
    assert world.run("export", "-t", "api", "--format", "raw").ok().raw == world.run("log", "-t", "api").ok().raw
    kinds = {json.loads(line)["kind"] for line in world.run("export", "-t", "api", "--format", "json").ok().lines}
    assert kinds == {"output", "resize", "state"}
    page = world.run("export", "-t", "api", "--format", "html", "-o", "page.html").ok()
    assert not page.out
    with open(f"{world.home}/page.html") as file:
        assert ">red</span>" in file.read()
    assert os.stat(f"{world.home}/page.html").st_mode & 0o777 == 0o600
    world.run("export", "-t", "api", "-o", "page.html").failed("there is a file 'page.html' already", "choose")
    world.run("export", "-t", "api", "--format", "gif").failed("export: no format 'gif'", "formats: ", status=2)
    world.run("export", "-t", "api", "-o", "no/where").failed("cannot write 'no/where': no such file")


def test_a_recording_is_played_in_the_terminal(world: World) -> None:
    world.run("new", "-d", "-s", "api", "-x", "80", "-y", "24", "--", "sh", "-c", "echo one; sleep 0.3; echo two").ok()
    world.exited("api")
    player = world.terminal("replay", "-t", "api", "--idle-limit", "0.1")
    player.shows("two")
    assert [row for row in player.rows() if row][:2] == ["one", "two"]
    player.type("q")
    assert player.ended() == 0
    player.assert_as_before()
    world.run("replay", "-t", "api").failed("standard input and output are not a terminal", "run it")


def test_forgetting_leaves_no_trace(world: World) -> None:
    marker = "Xyzzyq" + "Plughq"
    code = f"import sys\nprint('{marker} output', flush=True)\nfor line in sys.stdin: print('heard', line)"
    world.run("new", "-d", "-s", "kept", "--", "sh", "-c", "echo something else; exec cat").ok()
    world.run("new", "-d", "-s", "api", "-e", f"SECRET={marker}", "--", sys.executable, "-c", code).ok()
    world.shows("api", marker)
    world.run("send", "-t", "api", f"{marker} prompt").ok()
    reply(world, "api")
    wait_until(lambda: len(world.run("search", marker, "--json").json) == 3, what="indexed")
    world.run("forget", "-t", "api").failed("session 'api' is running", "end it first")
    world.run("kill", "-t", "api").ok()
    assert found_in(world.data, marker.encode()), "else this test tests nothing"
    said = world.run("forget", "-t", "api").ok().out
    assert said.startswith("forgot 1 session: ") and "2 messages" in said
    assert world.names("-a") == ["kept"]
    assert world.run("history", "--json").ok().json == []
    assert world.run("search", marker).status == 1
    assert found_in(world.data, marker.encode()) == []
    world.run("forget").failed("forget: name what to forget", "give -t T", status=2)
    assert world.run("forget", "--older", "0s").ok().out.startswith("forgot 0 sessions: ")
    world.run("kill", "-t", "kept").ok()
    assert world.run("forget", "--older", "0s").ok().out.startswith("forgot 1 session: ")
    assert world.names("-a") == []


def found_in(folder: str, marker: bytes) -> list[str]:
    """Return the files that have the marker."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                if marker in file.read():
                    found.append(name)
    return found


def test_after_the_machine_went_down_all_is_still_there(world: World) -> None:
    world.python("api", ANSWERS)
    world.run("send", "-t", "api", "remember me").ok()
    before = reply(world, "api")
    wait_until(lambda: len(world.run("search", "remember", "--json").json) == 3, what="indexed")
    screen = world.screen("api")
    exported = world.run("export", "-t", "api", "--format", "raw").ok().raw
    world.kill_all(world.pids())
    shutil.rmtree(os.path.dirname(world.socket))
    assert world.run("ls", "-a", "-F", "{name} {state}").ok().lines == ["api lost"]
    assert world.screen("api") == screen
    assert world.run("messages", "-t", "api", "--json").ok().json == before
    assert len(world.run("search", "remember", "--json").ok().json) == 3
    assert world.run("export", "-t", "api", "--format", "raw").ok().raw == exported
    world.run("restart", "-t", "api").ok()
    world.shows("api", "ready")
    world.run("send", "-t", "api", "again").ok()
    assert reply(world, "api", 2)[-1]["text"] == "you said: again\nthat is 5 letters"


def test_nothing_is_remembered_of_a_session_that_is_not_recorded(world: World) -> None:
    code = "print('output', flush=True)\nfor line in __import__('sys').stdin: print('heard', line, flush=True)"
    world.run("new", "-d", "-s", "api", "--no-record", "--", sys.executable, "-c", code).ok()
    world.shows("api", "output")
    world.run("send", "-t", "api", "a secret prompt").ok()
    world.shows("api", "heard a secret")
    assert world.info("api")["record"] == "off"
    assert world.info("api")["recorded_bytes"] == 0
    assert world.run("history", "--json").ok().json == world.run("messages", "-t", "api", "--json").ok().json == []
    assert world.run("log", "-t", "api").ok().raw == b""
    world.run("kill", "-t", "api").ok()
    assert found_in(world.data, b"secret prompt") == []
    assert world.run("search", "secret").status == 1


def test_only_the_last_screen_is_remembered_where_that_is_asked_for(world: World) -> None:
    world.configure('record = "screen"')
    world.python("api", ANSWERS)
    world.run("send", "-t", "api", "hello").ok()
    world.shows("api", "5 letters")
    screen = world.screen("api")
    snapshots = f"{world.data}/sessions/1"
    wait_until(lambda: os.path.isdir(snapshots) and os.listdir(snapshots), what="snapshot at rest")
    signal_and_wait(world.status()["server_pid"], signal.SIGKILL)
    assert world.screen("api") == screen
    world.run("kill", "-t", "api").ok()
    assert world.screen("api") == screen
    assert world.run("log", "-t", "api").ok().raw == b""
    assert world.run("messages", "-t", "api", "--json").ok().json == []


def test_a_backup_is_another_data_folder(world: World) -> None:
    world.python("api", ANSWERS)
    world.run("send", "-t", "api", "keep this").ok()
    before = reply(world, "api")
    wait_until(lambda: len(world.run("search", "keep", "--json").json) == 3, what="indexed")
    log = world.run("log", "-t", "api").ok().raw
    screen = world.screen("api")
    said = world.run("backup", "all.tar").ok().out
    assert said.startswith("wrote all.tar: ")
    assert os.stat(f"{world.home}/all.tar").st_mode & 0o777 == 0o600
    world.run("backup", "all.tar").failed("there is a file 'all.tar' already", "choose")
    world.run("backup", "no/where.tar").failed(f"no backup to {world.home}/no/where.tar: no such file")
    assert sorted(name for name in os.listdir(world.home) if "all.tar" in name) == ["all.tar"]
    assert not [name for name in os.listdir(world.data) if name.startswith("backup-")]
    world.run("kill-server").ok()
    shutil.rmtree(world.data)
    os.mkdir(world.data, 0o700)
    subprocess.run(["tar", "xf", f"{world.home}/all.tar"], cwd=world.data, check=True)
    assert world.run("ls", "-a", "-F", "{name} {state}").ok().lines == ["api lost"]
    assert world.run("messages", "-t", "api", "--json").ok().json == before
    assert world.run("log", "-t", "api").ok().raw == log
    assert world.screen("api") == screen
    assert len(world.run("search", "keep", "--json").ok().json) == 3


def test_a_backup_touches_no_file_that_is_there(world: World) -> None:
    world.new("api", "cat")
    for name in ("new.tar.partial", "elsewhere"):
        with open(f"{world.home}/{name}", "w") as file:
            file.write("mine")
    os.symlink("elsewhere", f"{world.home}/link.tar")
    world.run("backup", "link.tar").failed("there is a file 'link.tar' already", "choose")
    world.run("backup", "new.tar").ok()
    for name in ("new.tar.partial", "elsewhere"):
        with open(f"{world.home}/{name}") as file:
            assert file.read() == "mine"


def test_what_nothing_names_is_collected(world: World) -> None:
    world.new("api", "cat")
    folder = f"{world.data}/blobs/ab"
    os.mkdir(folder, 0o700)
    path = f"{folder}/{'0' * 62}.zst"
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
        file.write(b"orphan")
    os.utime(path, (1, 1))
    assert world.run("gc").ok().out == "removed 1 file, 6 B\n"
    assert not os.path.exists(path)
    assert world.run("gc").ok().out == "removed 0 files, 0 B\n"


@pytest.mark.parametrize("running", [True, False])
def test_doctor_finds_what_is_damaged(world: World, running: bool) -> None:
    world.python("api", ANSWERS)
    world.run("send", "-t", "api", "x " * INLINE).ok()  # goes into a blob
    assert _memory(world) == ["ok"]
    [blob] = [f"{place}/{name}" for place, _, names in os.walk(f"{world.data}/blobs") for name in names]
    if not running:
        world.run("kill-server").ok()
    with open(blob, "r+b") as file:
        whole = file.read()
        file.truncate(len(whole) // 2)
    assert _memory(world) == [f"the blob {blob} is damaged: its end is missing"]
    os.rename(blob, f"{world.home}/away")
    assert _memory(world) == [f"the blob {blob} is missing"]
    os.rename(f"{world.home}/away", blob)
    with open(blob, "r+b") as file:
        file.write(whole)
    assert _memory(world) == ["ok"]
    world.run("kill-server")
    with open(f"{world.data}/store.db", "r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096)
    assert "ok" not in _memory(world)


def _memory(world: World) -> list[str]:
    ran = world.run("doctor", "--json")
    assert ran.err == ""
    found = [row for row in ran.json if row["what"] == "memory"]
    assert all(row["hint"] for row in found if not row["ok"])
    return ["ok" if row["ok"] else row["found"] for row in found]
