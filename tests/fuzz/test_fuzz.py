"""Every target for a moment: the inputs that are kept, and a bounded number damaged from them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from doors import TARGETS
from fuzz import CORPUS, Bench, Stuck, apart
from target import Target

SEED = os.environ.get("AGENTMUX_FUZZ_SEED", "1")
"""Another one tries other inputs."""

MOST = 300_000
"""Bytes that all kept inputs may have together: they are read at every run."""


@pytest.mark.parametrize("times", [1, pytest.param(40, marks=pytest.mark.prove)])
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_its_law_holds(target: Target, times: int, tmp_path: Path) -> None:
    apart(target.name, 60.0 * times, target.tries * times, SEED, tmp_path, guided=False, patience=target.patience)
    found = "\n".join(path.read_text("utf-8", "replace") for path in tmp_path.glob("*-why"))
    assert not found, f"seed {SEED}, inputs in {tmp_path}: {target.law}\n{found}"
    assert int((tmp_path / "tried").read_text()) >= target.tries * times, "there was no time for all of it"


def test_inputs_are_kept_for_each_target_and_no_other_and_they_are_few() -> None:
    kept = {folder.name: sorted(folder.iterdir()) for folder in CORPUS.iterdir()}
    assert set(kept) == {target.name for target in TARGETS}
    assert all(kept.values())
    assert sum(path.stat().st_size for paths in kept.values() for path in paths) < MOST


def test_what_breaks_a_law_is_kept_once_for_each_place(tmp_path: Path) -> None:
    def run(data: bytes) -> None:
        assert data != b"bad"
        while data == b"slow":
            pass

    bench = Bench(tmp_path, 0.05)
    errors = [type(bench.try_(run, data)) for data in (b"good", b"bad", b"slow", b"bad", b"")]
    assert errors == [type(None), AssertionError, Stuck, type(None), type(None)]
    assert sorted(path.read_bytes() for path in tmp_path.glob("*-input")) == [b"bad", b"slow"]


def test_a_process_that_dies_is_a_finding_and_so_is_one_that_never_began(tmp_path: Path) -> None:
    assert apart("no such target", 5.0, 1, SEED, tmp_path, guided=False, patience=1.0)
    assert list(tmp_path.glob("*-why"))
