"""The file in which an agent publishes what it does: what it says, and which are not believed."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentmux.mux import sweep
from agentmux.mux.profiles import Profiles
from agentmux.mux.published import Said, parsed
from agentmux.mux.statusfile import MOST, StatusFile
from agentmux.mux.verdict import Reading, Source, Status

CLAUDE = next(one for one in Profiles("/nonexistent").all() if one.name == "claude").published


def text(**values: object) -> bytes:
    return json.dumps({"pid": 7, "procStart": "55", "sessionId": "c1", "statusUpdatedAt": 5000, **values}).encode()


@pytest.mark.parametrize(
    ("status", "about", "says", "what"),
    [
        ("idle", None, Status.IDLE, ""),
        ("shell", None, Status.IDLE, ""),
        ("busy", None, Status.WORKING, ""),
        ("waiting", "permission prompt", Status.WAITING, "approval"),
        ("waiting", "input needed", Status.WAITING, "question"),
        ("waiting", "another thing", Status.WAITING, "dialog"),
        ("waiting", None, Status.WAITING, "dialog"),
    ],
)
def test_what_claude_publishes(status: str, about: str | None, says: Status, what: str) -> None:
    said = CLAUDE.said(text(status=status, waitingFor=about), 7, "55", 9.0)
    rule = f"status {status} {about}" if what in ("approval", "question") else f"status {status}"
    assert said == Said(Reading(Source.FILE, says, rule, 5.0, what), "c1")


def test_a_status_that_is_not_known_says_nothing() -> None:
    for status in ("resting", None, 5, ["idle"], ""):
        assert CLAUDE.said(text(status=status), 7, "55", 9.0) == Said(None, "c1")
    assert CLAUDE.said(text(status="idle", sessionId=5), 7, "55", 9.0) == Said(
        Reading(Source.FILE, Status.IDLE, "status idle", 5.0)
    )


def test_nothing_was_said_in_the_future() -> None:
    for since in (99_000, 10**400, -1, "5", None, True):
        said = CLAUDE.said(text(status="idle", statusUpdatedAt=since), 7, "55", 9.0)
        assert said is not None and said.reading is not None and 0 < said.reading.at <= 9.0


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"5", b'{"pid": 7', b"[" * 9000, b"\xff", text(pid=8), text(procStart="56")]
)
def test_what_is_another_process_or_none_is_not_believed(data: bytes) -> None:
    assert CLAUDE.said(data, 7, "55", 9.0) is None


def test_where_it_is() -> None:
    assert CLAUDE.path(7, {"HOME": "/h"}) == "/h/.claude/sessions/7.json"
    assert CLAUDE.path(7, {"HOME": "/h", "CLAUDE_CONFIG_DIR": "/c"}) == "/c/sessions/7.json"
    assert CLAUDE.path(7, {"HOME": "/h", "CLAUDE_CONFIG_DIR": ""}) == "/h/.claude/sessions/7.json"
    assert CLAUDE.path(7, {"HOME": "h"}) == CLAUDE.path(7, {}) == ""


GOOD = {"file": ["$HOME/{pid}"], "pid": "p", "started": "s", "status": "x"}


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"files": []}, "no key 'published.files'; there are: file, pid, "),
        ({**GOOD, "file": "$HOME/{pid}"}, "'published.file' needs a list of words"),
        ({**GOOD, "file": ["/tmp/{pid}"]}, "'published.file' needs paths as "),
        ({**GOOD, "file": ["$HOME/x"]}, "'published.file' needs paths as "),
        ({**GOOD, "pid": ""}, "'published' needs file, pid, started and status"),
        ({**GOOD, "states": {"busy": "resting"}}, "'busy' is none of working"),
        ({**GOOD, "states": {"busy": "waiting"}}, "'busy' is none of working"),
        ({**GOOD, "states": {"busy": 1 << 20000}}, "'busy' is none of working"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(table: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError) as caught:
        parsed(table, lambda what, *key: ValueError(what))
    assert str(caught.value).startswith(problem)


# -- the file itself


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Callable[..., tuple[StatusFile, Path]]]:
    """Return what starts a process and returns its file, read and not."""
    processes = []

    def start() -> tuple[StatusFile, Path]:
        env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        process = subprocess.Popen(["sh", "-c", "echo; read x"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None and process.stdout.readline()
        folder = tmp_path / ".claude" / "sessions"
        folder.mkdir(parents=True, exist_ok=True)
        return StatusFile(CLAUDE, process.pid), folder / f"{process.pid}.json"

    yield start
    for process in processes:
        process.communicate()


def mine(path: Path, **values: object) -> str:
    pid = int(path.stem)
    return text(pid=pid, procStart=sweep.started(pid), **values).decode()


def says(file: StatusFile) -> Status | None:
    said = file.read(9e9)
    return said.reading.says if said is not None and said.reading is not None else None


def test_it_is_read_when_it_has_changed(agent: Callable[..., tuple[StatusFile, Path]]) -> None:
    file, path = agent()
    assert file.there and says(file) is None
    path.write_text(mine(path, status="busy"))
    assert says(file) is Status.WORKING
    path.write_text(mine(path, status="idle", more="x"))
    assert says(file) is Status.IDLE
    path.write_text(mine(path, status="idle")[:50])
    assert says(file) is None, "it is being written"
    path.write_text(mine(path, status="waiting"))
    assert says(file) is Status.WAITING
    path.unlink()
    assert says(file) is None


def test_what_did_not_change_is_not_opened(
    agent: Callable[..., tuple[StatusFile, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, path = agent()
    path.write_text(mine(path, status="busy"))
    assert says(file) is Status.WORKING
    opened: list[object] = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda *words: opened.append(words) or real(*words))
    assert says(file) is Status.WORKING and not opened


def test_links_pipes_folders_and_what_is_big_are_not_read(agent: Callable[..., tuple[StatusFile, Path]]) -> None:
    file, path = agent()
    other = path.with_name("other")
    other.write_text(mine(path, status="busy"))
    path.symlink_to(other)
    assert says(file) is None
    path.unlink()
    os.mkfifo(path)
    assert says(file) is None, "and it did not wait for a writer"
    writer = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    os.write(writer, mine(path, status="busy").encode())
    assert says(file) is None
    os.close(writer)
    path.unlink()
    path.mkdir()
    assert says(file) is None
    path.rmdir()
    path.write_text(mine(path, status="busy") + " " * MOST)
    assert says(file) is None
    path.write_text(mine(path, status="busy"))
    assert says(file) is Status.WORKING


@pytest.mark.skipif(os.getuid() != 0, reason="needs another user's file")
def test_another_users_file_is_not_believed(agent: Callable[..., tuple[StatusFile, Path]]) -> None:
    file, path = agent()
    path.write_text(mine(path, status="busy"))
    os.chown(path, 12345, 12345)
    assert says(file) is None


def test_who_is_gone_has_none() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    file = StatusFile(CLAUDE, process.pid)
    assert not file.there and file.read(1.0) is None
