"""What others test their terminals with, run against ours. A folder that has it is named, or it is left out.

What is known to fail is in tests/conformance/, each with its reason. Both another failure and one that is gone are red.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib

import checksums
import pytest
from world import AGENTMUX, World

HERE = os.path.dirname(os.path.abspath(__file__))
SUPPORT = os.path.join(os.path.dirname(HERE), "support")
REGRESS = os.environ.get("AGENTMUX_TEST_TMUX_REGRESS", "")
ESCTEST = os.environ.get("AGENTMUX_TEST_ESCTEST", "")

SCRIPTS = [
    *("input-cursor", "input-edit", "input-malformed", "input-modes", "input-osc", "input-raw-controls"),
    *("input-raw-cursor", "input-raw-edit", "input-raw-history", "input-raw-reflow", "input-raw-scroll"),
    *("input-raw-sgr", "input-raw-unicode", "input-raw-wrap", "input-replies", "input-scroll", "input-sgr"),
    *("input-unicode", "input-keys", "cursor-test1", "cursor-test2", "cursor-test3", "cursor-test4"),
]
"""Those of tmux's scripts that test what a terminal does, not tmux's own commands."""

CHECKS = re.compile(r"^\s*(?:check_\w+|query(?:_timeout)?|assert_key)\s|\s--\s+'", re.MULTILINE)
FAILED = re.compile(r"^(?:FAIL: (.*)|\[FAIL\] (\S+) -> .*)$", re.MULTILINE)


def expected(name: str) -> dict[str, dict[str, str]]:
    """Return what is known to fail, with the reason, by script or class."""
    with open(os.path.join(os.path.dirname(HERE), "conformance", name), "rb") as file:
        return tomllib.load(file)


def compared(failed: set[str], known: dict[str, str], said: str) -> None:
    """Insist that nothing else fails than what is known to, and that all of that still does."""
    new, gone = sorted(failed - known.keys()), sorted(known.keys() - failed)
    assert not new, f"fail: {new}\n{said[-6000:]}"
    assert not gone, f"fail no more, take them out: {gone}"


def test_what_is_known_to_fail_has_a_reason() -> None:
    for name in ("tmux-regress.toml", "esctest.toml"):
        for script, known in expected(name).items():
            assert known and all(known.values()), script
    assert expected("tmux-regress.toml").keys() <= set(SCRIPTS)


@pytest.mark.prove
@pytest.mark.skipif(not REGRESS, reason="AGENTMUX_TEST_TMUX_REGRESS names no folder with tmux's regress/")
@pytest.mark.parametrize("script", SCRIPTS)
def test_tmux_own_tests(world: World, script: str) -> None:
    path = os.path.join(world.home, "tmux")
    shim = os.path.join(SUPPORT, "tmux_shim.py")
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o755), "w") as file:
        file.write(f'#!/bin/sh\nexec {sys.executable} -I -S {shim} "$@"\n')
    env = {"TEST_TMUX": path, "SHIM_AGENTMUX": AGENTMUX, "SHIM_STATE": world.home, "TMPDIR": world.home}
    done = subprocess.run(
        ["/bin/sh", f"{script}.sh"],
        cwd=REGRESS,
        env=world.environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=1200,
        check=False,
    )
    said = done.stdout.decode("utf-8", "replace")
    failed = {check or key for check, key in FAILED.findall(said)} or ({"all"} if done.returncode else set())
    with open(os.path.join(REGRESS, f"{script}.sh")) as file:
        checks = max(1, len(CHECKS.findall(file.read())))
    sys.stdout.write(f"\n{script}: {checks} checks, {len(failed)} fail\n")
    compared(failed, expected("tmux-regress.toml").get(script, {}), said)


@pytest.mark.prove
@pytest.mark.skipif(not ESCTEST, reason="AGENTMUX_TEST_ESCTEST names no folder with esctest.py")
def test_esctest(world: World) -> None:
    log = os.path.join(world.home, "log")
    settings = ("--expected-terminal=xterm", "--max-vt-level=4", "--timeout=1", "--no-print-logs", f"--logfile={log}")
    argv = [sys.executable, "-B", "esctest.py", *settings]
    checksums.run(argv, cwd=ESCTEST, env=world.environment(), seconds=1200)
    with open(log, errors="replace") as file:
        told = file.read()
    [(passed, left_out)] = re.findall(
        r"^\*\*\* (\d+) tests? passed, (\d+) known bugs?, \d+ TESTS? FAILED", told, re.MULTILINE
    )
    failed = set(re.findall(r"^\*\*\* TEST (\S+) FAILED:", told, re.MULTILINE))
    sys.stdout.write(f"\nesctest: {passed} pass, {len(failed)} fail, {left_out} say themselves that they do not hold\n")
    known = {f"{group}.{test}": why for group, tests in expected("esctest.toml").items() for test, why in tests.items()}
    compared(failed, known, told)
