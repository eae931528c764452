"""What the client of a plain command imports. Counts modules, not milliseconds, so it never flakes.

Whoever has to add to ALLOWED: measure what it costs (``python -X importtime``), at each command that anybody types.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from world import AGENTMUX, World

OURS = {
    "agentmux",
    "agentmux.cli",
    "agentmux.cli.commands",
    "agentmux.cli.main",
    "agentmux.mux",
    "agentmux.mux.client",
    "agentmux.mux.errors",
    "agentmux.mux.paths",
    "agentmux.mux.protocol",
}

ALLOWED = OURS | {"_socket"}
"""All that a command imports on top of what the interpreter itself does. Built-in modules cost nothing.

The script that pip writes is counted too: pips before 25.1 have it import ``re``, which makes it half as slow again.
"""

HEAVY = {
    "__future__",
    "argparse",
    "asyncio",
    "click",
    "contextlib",
    "dataclasses",
    "enum",
    "importlib.metadata",
    "inspect",
    "json",
    "logging",
    "pathlib",
    "platformdirs",
    "prompt_toolkit",
    "pydantic",
    "re",
    "selectors",
    "signal",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "typer",
    "typing",
}
"""What must never come in, by whatever road: together it is many times a bare interpreter's start."""


def imported(world: World, *words: str, status: int = 0) -> set[str]:
    """Return what the console script imports when it runs a command, less what any Python program does."""
    run = {"env": world.env, "cwd": world.home, "capture_output": True, "text": True, "check": False}
    bare = subprocess.run([sys.executable, "-X", "importtime", "-c", "import sys"], **run)
    ran = subprocess.run([sys.executable, "-X", "importtime", AGENTMUX, *words], **run)
    assert ran.returncode == status, ran.stderr
    return modules(ran.stderr) - modules(bare.stderr)


def modules(report: str) -> set[str]:
    """Return the names in what ``-X importtime`` printed."""
    rows = [
        line.removeprefix("import time:").split("|") for line in report.splitlines() if line.startswith("import time:")
    ]
    return {row[2].strip() for row in rows[1:]} - set(sys.builtin_module_names)


@pytest.mark.parametrize(
    "words",
    [
        ["ls"],
        [],
        ["ls", "-a", "--json"],
        ["has", "-t", "one"],
        ["send", "-t", "one", "--no-enter", "x"],
        ["capture", "-t", "one"],
        ["info", "-t", "one"],
        ["rename", "-t", "one", "two"],
        ["new", "-d", "--", "true"],
        ["--version"],
    ],
    ids=" ".join,
)
def test_a_plain_command_starts_light(world: World, words: list[str]) -> None:
    world.new("one", "cat")
    found = imported(world, *words)
    assert not found & HEAVY
    assert found <= ALLOWED, sorted(found - ALLOWED)


def test_an_error_from_the_server_is_as_light(world: World) -> None:
    world.new("one", "cat")
    assert imported(world, "kill", "-t", "none", status=1) <= ALLOWED


def test_the_measure_measures(world: World) -> None:
    """It sees what a command imports that is not plain."""
    world.new("one", "cat")
    assert imported(world, "ls") >= OURS - {"agentmux"}
    assert "typer" in imported(world, "--help")


def test_the_server_loads_no_toolkit(world: World) -> None:
    """What runs for days for everybody is not made bigger by what only some clients draw with."""
    code = "import sys, agentmux.cli.serve; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=world.env)
    assert not {"prompt_toolkit", "rich", "pydantic", "pygments"} & set(done.stdout.split())
