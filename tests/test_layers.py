"""Who may import whom: cli -> mux -> store, pure files, and one door for each foreign library.

The rules are read from the source, so an import that only runs at times, or only
for the type checker, counts as well, unless a rule says otherwise.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from typing import NamedTuple

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

BELOW = {"store": {"store"}, "mux": {"mux", "store"}, "cli": {"cli", "mux"}, "api": {"api", "cli", "mux"}}
"""What each part may import: itself, and what is below it. cli speaks with the store through mux only."""

FOLDERS = {"api": "cli/api"}
"""Where a part is, if not in the folder of its name."""

OF_A_CLIENT = {
    *("cli/commands/__init__.py", "cli/main.py"),
    *("mux/client.py", "mux/errors.py", "mux/paths.py", "mux/protocol.py", "mux/sessionerrors.py", "mux/start.py"),
}
"""What the API may import besides itself: it asks a server, as the command line does, and is none."""

PURE = {
    "cli/api/calls.py",
    "cli/api/coming.py",
    "cli/api/errors.py",
    "cli/api/exchange.py",
    "cli/api/model.py",
    "cli/commands/__init__.py",
    "cli/cells.py",
    "cli/dashboard/fuzzy.py",
    "cli/dashboard/keymap.py",
    "cli/dashboard/lines.py",
    "cli/dashboard/model.py",
    "cli/overlay.py",
    "cli/pager.py",
    "mux/__init__.py",
    "mux/agentlog.py",
    "mux/answer.py",
    "mux/answering.py",
    "mux/audience.py",
    "mux/clientterminal.py",
    "mux/composer.py",
    "mux/conversation.py",
    "mux/delivery.py",
    "mux/dialog.py",
    "mux/environment.py",
    "mux/evidence.py",
    "mux/errors.py",
    "mux/events.py",
    "mux/foreign.py",
    "mux/hooks.py",
    "mux/html.py",
    "mux/keyboard.py",
    "mux/keys.py",
    "mux/lifecycle.py",
    "mux/limits.py",
    "mux/notes.py",
    "mux/occurs.py",
    "mux/outbox.py",
    "mux/playback.py",
    "mux/progress.py",
    "mux/protocol.py",
    "mux/published.py",
    "mux/recognise.py",
    "mux/redact.py",
    "mux/reset.py",
    "mux/resets.py",
    "mux/screenevents.py",
    "mux/sessionerrors.py",
    "mux/sgr.py",
    "mux/sieve.py",
    "mux/signs.py",
    "mux/size.py",
    "mux/sse.py",
    "mux/statusline.py",
    "mux/streamed.py",
    "mux/streamlog.py",
    "mux/tables.py",
    "mux/targets.py",
    "mux/verdict.py",
}
"""Files that do no I/O and read no clock: they import each other and HARMLESS, and nothing else."""

HARMLESS = {
    *("__future__", "collections", "collections.abc", "dataclasses", "types", "typing"),
    *(
        "base64",
        "binascii",
        "bisect",
        "difflib",
        "enum",
        "functools",
        "hashlib",
        "html",
        "math",
        "json",
        "re",
        "shlex",
        "unicodedata",
    ),
    *("datetime", "zoneinfo"),  # for what is passed in: no clock is read, and of files only the system's zones
}

EFFECTS = {"open", "input", "print", "exec", "eval", "compile", "__import__", "breakpoint"}
"""Builtins that a pure file does not use."""

DOORS = {
    "asyncio": {
        *("cli/api/aio.py", "cli/dashboard/"),
        *("mux/server.py", "mux/mux.py", "mux/killer.py", "mux/programs.py", "mux/eventstream.py"),
    },
    "cffi": {"mux/emulator/"},
    "_cffi_backend": {"mux/emulator/"},
    "click": {"cli/app.py"},
    "platformdirs": {"mux/paths.py", "mux/emulator/"},
    "prompt_toolkit": {"cli/dashboard/"},
    "ptyprocess": {"mux/keeper.py"},
    "pyghostty": {"mux/emulator/"},
    "sqlite3": {"store/database.py", "store/schema.py"},
    "typer": {"cli/app.py"},
    "zstandard": {"mux/emulator/", "store/"},
}
"""Where a library may be imported: files, or folders by their final slash. TYPE_CHECKING imports are free."""


class Import(NamedTuple):
    """One imported module, or name in a module: both are looked at."""

    name: str
    line: int
    only_types: bool  # stands under `if TYPE_CHECKING`


def files() -> list[str]:
    found = []
    for top in ("cli", "mux", "store"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names if name.endswith(".py")]
    return sorted(found)


FILES = files()


def part(path: str) -> str:
    """Return the part that a file belongs to."""
    return next((name for name, folder in FOLDERS.items() if path.startswith(f"{folder}/")), path.split("/")[0])


def package(path: str) -> list[str]:
    """Return the words of the package that a file is in, as installed."""
    folder = FOLDERS.get(part(path), part(path))
    return ["agentmux", part(path), *path.removeprefix(f"{folder}/").split("/")[:-1]]


def parsed(path: str) -> ast.Module:
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return ast.parse(file.read(), path)


def imported(path: str) -> list[Import]:
    """Return all that a file imports by absolute names, ``agentmux.mux.keys`` for ``from .keys import X``."""
    return list(_imports(parsed(path), package(path), False))


def _imports(node: ast.AST, package: list[str], only_types: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, node.lineno, only_types)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        if node.module:
            yield Import(module, node.lineno, only_types)
        for alias in node.names:
            # `from . import paths` is a module, `from .paths import X` is not: harmless to look at as if it were.
            yield Import(f"{module}.{alias.name}", node.lineno, only_types)
    elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        for child in node.body:
            yield from _imports(child, package, True)
        for child in node.orelse:
            yield from _imports(child, package, only_types)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, package, only_types)


def ours(found: Import) -> str:
    """Return the file of ours that an import means, such as ``mux/keys.py`` or ``mux/__init__.py``; "" for others."""
    words = found.name.split(".")
    if words[0] != "agentmux":
        return ""
    for length in range(len(words), 1, -1):
        path = "/".join([FOLDERS.get(words[1], words[1]), *words[2:length]])
        if path + ".py" in FILES:
            return path + ".py"
        if os.path.isdir(os.path.join(ROOT, path)):
            return path + "/__init__.py"
    return words[1] if len(words) > 1 else "agentmux"


def test_the_parts_are_found_where_they_are() -> None:
    assert ours(Import("agentmux.api.calls.Call", 1, False)) == "cli/api/calls.py"
    assert ours(Import("agentmux.api", 1, False)) == "cli/api/__init__.py"
    assert part("cli/api/calls.py") == "api" and part("cli/app.py") == "cli"
    assert package("cli/api/calls.py") == ["agentmux", "api"]
    assert package("cli/commands/ls.py") == ["agentmux", "cli", "commands"]


def said(path: str, wrong: list[Import]) -> str:
    return ", ".join(f"{path}:{found.line} imports {found.name}" for found in wrong)


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 60
    assert set(FILES) >= PURE
    assert Import("agentmux.mux.errors", 20, False).name in {found.name for found in imported("mux/protocol.py")}


@pytest.mark.parametrize("path", FILES)
def test_a_part_imports_only_what_is_below_it(path: str) -> None:
    allowed = BELOW[part(path)] | ({"api"} if path.startswith("cli/dashboard/") else set())
    wrong = [found for found in imported(path) if (target := ours(found)) and part(target) not in allowed]
    assert not wrong, said(path, wrong)


@pytest.mark.parametrize("path", FILES)
def test_imports_are_relative_inside_a_part_and_absolute_across(path: str) -> None:
    wrong = []
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            if node.level > len(package(path)) - 1:
                wrong.append(f"{path}:{node.lineno} leaves the part by dots")
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            own = f"agentmux.{part(path)}."
            wrong += [f"{path}:{node.lineno} imports {name}" for name in names if f"{name}.".startswith(own)]
    assert not wrong


@pytest.mark.parametrize("path", sorted(PURE))
def test_a_pure_file_imports_only_what_is_pure(path: str) -> None:
    wrong = []
    for found in imported(path):
        target = ours(found)
        module = found.name if found.name in HARMLESS else found.name.rpartition(".")[0]
        if target not in PURE if target else module not in HARMLESS:
            wrong.append(found)
    assert not wrong, said(path, wrong)


@pytest.mark.parametrize("path", sorted(PURE))
def test_a_pure_file_uses_no_builtin_with_effects(path: str) -> None:
    calls = [node.func for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
    used = {called.id for called in calls if isinstance(called, ast.Name)}
    assert not used & EFFECTS


@pytest.mark.parametrize("path", FILES)
def test_each_library_has_one_door(path: str) -> None:
    wrong = []
    for found in imported(path):
        doors = DOORS.get(found.name.split(".")[0])
        if doors is None or found.only_types:
            continue
        if not any(path.startswith(door) if door.endswith("/") else path == door for door in doors):
            wrong.append(found)
    assert not wrong, said(path, wrong)


def test_every_third_party_library_has_a_rule() -> None:
    tops = {found.name.split(".")[0] for path in FILES for found in imported(path)}
    assert tops - set(sys.stdlib_module_names) - {"agentmux"} <= set(DOORS)


@pytest.mark.parametrize("path", [path for path in FILES if not path.startswith("mux/emulator/")])
def test_the_emulator_has_one_door(path: str) -> None:
    if path == "mux/screen.py":
        return
    wrong = [found for found in imported(path) if ours(found).startswith("mux/emulator")]
    assert not wrong, said(path, wrong)


def test_the_emulator_imports_nothing_else_of_ours() -> None:
    """It could be moved into a worker process, with what is pure."""
    for path in FILES:
        if path.startswith("mux/emulator/"):
            wrong = [
                found
                for found in imported(path)
                if (target := ours(found)) and target not in PURE and not target.startswith("mux/emulator")
            ]
            assert not wrong, said(path, wrong)


def test_only_one_file_opens_databases() -> None:
    opening = {
        path
        for path in FILES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr == "connect" and getattr(node.value, "id", "") == "sqlite3"
    }
    assert opening == {"store/database.py"}


@pytest.mark.parametrize("path", [path for path in FILES if part(path) == "api"])
def test_the_api_is_a_client_and_no_more(path: str) -> None:
    wrong = []
    for found in imported(path):
        target = ours(found)
        if target and part(target) != "api" and target not in OF_A_CLIENT | {"mux/__init__.py"}:
            wrong.append(found)
    assert not wrong, said(path, wrong)


def test_the_keeper_imports_nothing_of_ours() -> None:
    wrong = [
        found
        for found in imported("mux/keeper.py")
        if (word := found.name.split(".")[0]) not in sys.stdlib_module_names and word != "ptyprocess"
    ]
    assert not wrong, said("mux/keeper.py", wrong)


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith("store/")])
def test_the_store_needs_no_event_loop_and_no_network(path: str) -> None:
    wrong = [
        found for found in imported(path) if found.name.split(".")[0] in {"asyncio", "socket", "selectors", "time"}
    ]
    assert not wrong, said(path, wrong)
