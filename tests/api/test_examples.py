"""agentmux-api(3) and the library, compared: each name, method, field and word is there; each example runs."""

from __future__ import annotations

import enum
import inspect
import os
import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from typing import Any

import composing
import pytest
from world import World

from agentmux import api
from agentmux.api import Agentmux, AgentmuxError, Info, Session

PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "man", "agentmux-api.3")

with open(PAGE, encoding="utf-8") as page_:
    TEXT = page_.read()


def section(title: str) -> str:
    """Return the source of a section, its subsections included."""
    found = re.search(rf"^\.S[hs] {title}\n(.*?)(?=^\.S[hs] |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def exported(kind: type) -> dict[str, Any]:
    """Return what is exported, of one kind."""
    there = {name: getattr(api, name) for name in api.__all__}
    return {name: value for name, value in there.items() if isinstance(value, type) and issubclass(value, kind)}


def words(macro: str, text: str) -> set[str]:
    """Return the names on lines of a macro."""
    lines = re.findall(rf"^\.{macro} (.*)$", text, re.MULTILINE)
    return {word for line in lines for word in re.findall(r"\w+", line)}


def entry(name: str) -> str:
    """Return what is said of a value."""
    found = re.search(rf"^\.It Vt {name}\n(.*?)(?=^\.It |^\.El)", section("VALUES"), re.MULTILINE | re.DOTALL)
    assert found, name
    return found[1]


def test_each_name_is_in_the_manual() -> None:
    assert sorted(api.__all__) == list(api.__all__)
    assert words("Vt", TEXT) | set(re.findall(r"^\.It Vt (\w+)", TEXT, re.MULTILINE)) == set(api.__all__)


def test_each_error_is_in_the_manual_and_exported() -> None:
    documented = re.findall(r"^\.It Vt (\w+)", section("ERRORS"), re.MULTILINE)
    assert sorted([*documented, "AgentmuxError"]) == sorted(exported(AgentmuxError))


@pytest.mark.parametrize(("kind", "title"), [(Agentmux, "Methods of a server"), (Session, "Methods of a session")])
def test_each_method_and_argument_is_in_the_manual(kind: type, title: str) -> None:
    documented = dict(re.findall(r"^\.It Fn (\w+)(.*)$", section(title), re.MULTILINE))
    there = {
        name: [one for one in inspect.signature(method).parameters if one != "self"]
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }
    assert {name: re.findall(r"\w+", given) for name, given in documented.items()} == there


@pytest.mark.parametrize("name", sorted(set(exported(object)) - set(exported(AgentmuxError))))
def test_each_field_and_word_is_in_the_manual(name: str) -> None:
    kind = getattr(api, name)
    if is_dataclass(kind):
        assert words("Va", entry(name)) | {"facts"} == {one.name for one in fields(kind)}
    elif issubclass(kind, enum.Enum):
        assert words("Dv", entry(name)) == set(kind.__members__) - {"OTHER"}


def test_each_key_of_a_session_is_a_field(world: World) -> None:
    world.new("one", "cat")
    assert set(world.run("ls", "--json").ok().json[0]) <= {one.name for one in fields(Info)}


EXAMPLES = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed", section("EXAMPLES"), re.MULTILINE | re.DOTALL)

PRINTED = [
    r"\['>>> print\(6 \* 7\)', '42'\]\n",
    r"you said run the tests\n",
    r"(?:[a-z-]+ job\n)+exited job\n3\n",
    r"\[0, 1, 2\]\n",
    r"seen\n",
]


def test_each_example_is_run() -> None:
    assert len(EXAMPLES) == len(PRINTED)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(world: World, number: int) -> None:
    path = world.agent(composing.PROFILE, f'#!/bin/sh\nexec {sys.executable} -I -S {composing.__file__} "$@"\n')
    world.new("api", path, options=["-e", f"TRUTH={world.root}/given", "-e", f"OURS_LOG={world.root}"])
    world.does("api", "idle")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "dev", "-c", EXAMPLES[number]],
        capture_output=True, text=True, check=False, env=world.env, cwd=world.home, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(PRINTED[number], done.stdout), done.stdout
