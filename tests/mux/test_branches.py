"""The branch of a folder is what git says it is, read when it may be another one, and waited for not long."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentmux.mux import branches
from agentmux.mux.branches import FRESH, WAIT, Branches, Known, read


def git(folder: Path, *words: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    named = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *named, *words], cwd=folder, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "x")
    return folder


def branch(folder: Path | str) -> str | None:
    return read(str(folder)).branch


def test_a_branch_is_named_in_every_folder_below(repo: Path) -> None:
    (repo / "a" / "b").mkdir(parents=True)
    assert branch(repo) == branch(repo / "a" / "b") == branch(repo / "gone") == "main"
    git(repo, "switch", "-q", "-c", "fix/the-thing")
    assert branch(repo / "a") == "fix/the-thing"


def test_a_commit_that_is_checked_out_is_named_shortly(repo: Path) -> None:
    git(repo, "switch", "-q", "--detach")
    assert branch(repo) == git(repo, "rev-parse", "HEAD")[:7]


def test_worktrees_and_submodules_have_branches_of_their_own(repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    assert branch(tmp_path / "tree") == "other"
    git(tmp_path / "tree", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repo), "sub")
    git(tmp_path / "tree" / "sub", "switch", "-q", "-c", "inner")
    assert branch(tmp_path / "tree" / "sub") == "inner"


def test_outside_there_is_none(tmp_path: Path) -> None:
    assert branch(tmp_path) is None
    assert branch("/") is None
    assert branch("relative") is None
    assert branch("") is None


@pytest.mark.parametrize(
    ("head", "shown"),
    [
        ("ref: refs/heads/a\x1b[31mb\x07\n", "a [31mb"),
        ("ref: refs/heads/" + "x" * 5000, "x" * 200),
        ("ref: refs/remotes/origin/x\n", "refs/remotes/origin/x"),
        ("what is this", None),
        ("", None),
        ("ref: ", None),
        ("0123456789" * 4, "0123456"),
        ("0123456789abcdef" * 4, "0123456"),
    ],
)
def test_what_stands_there_is_somebody_elses_text(tmp_path: Path, head: str, shown: str | None) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(head)
    assert branch(tmp_path) == shown


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    os.mkfifo(tmp_path / ".git" / "HEAD")
    assert branch(tmp_path) is None
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / ".git").write_text("gitdir: /dev/zero\n")
    assert branch(tmp_path / "two") is None


def test_nothing_is_read_again_that_is_as_it_was(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read(str(repo))
    monkeypatch.setattr(branches.files, "whole", lambda *_: b"ref: refs/heads/read-again\n")
    assert read(str(repo), before) is before
    os.utime(repo / ".git" / "HEAD", ns=(1, 1))
    assert read(str(repo), before).branch == "read-again"


# The cache


class Loop(asyncio.SelectorEventLoop):
    """A loop whose clock runs as usual, and can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0
        super().__init__()

    def time(self) -> float:
        return super().time() + self.ahead


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def test_a_branch_is_fresh_for_who_waits_and_told_when_it_changes(repo: Path, loop: Loop) -> None:
    told: list[set[str]] = []
    known = Branches(loop, told.append)
    folder = str(repo)
    assert known.of(folder) is None
    loop.run_until_complete(known.fresh([folder]))
    assert known.of(folder) == "main"
    git(repo, "switch", "-q", "-c", "other")
    loop.run_until_complete(known.fresh([folder]))
    assert known.of(folder) == "main"
    loop.ahead += FRESH
    loop.run_until_complete(known.fresh([folder]))
    assert known.of(folder) == "other"
    assert told == [{folder}, {folder}]
    known.close()


def test_what_happened_in_a_folder_is_seen_by_itself(repo: Path, loop: Loop) -> None:
    """Also when it was read a moment before."""
    asked: list[asyncio.Future[None]] = [loop.create_future()]
    known = Branches(loop, lambda _: asked[-1].set_result(None))
    known.soon(str(repo))
    loop.run_until_complete(asked[-1])
    asked.append(loop.create_future())
    git(repo, "switch", "-q", "-c", "other")
    known.soon(str(repo))
    loop.run_until_complete(asked[-1])
    assert known.of(str(repo)) == "other"
    known.close()


def test_a_file_system_that_hangs_is_waited_for_once(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(branches, "read", lambda *_: hangs.wait() and Known())
    known = Branches(loop, lambda _: None)
    for most in (WAIT + 1, WAIT / 2):
        began = loop.time()
        loop.run_until_complete(known.fresh(["/hung"]))
        assert loop.time() - began < most
    hangs.set()
    known.close()
