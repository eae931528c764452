"""What is installed: every module, the manual, and nothing else; and that it runs without the source."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest
from world import World

import agentmux.mux

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PARTS = ("cli", "mux", "store")


def project() -> dict[str, Any]:
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        return tomllib.load(file)


def installed(path: str) -> str:
    """Return where a file or folder of ours is below ``agentmux``."""
    return path.removeprefix("cli/") if f"{path}/".startswith("cli/api/") else path


def sources() -> list[str]:
    """Return the files of the three parts, without what Python has made."""
    found = []
    for part in PARTS:
        for folder, folders, names in os.walk(os.path.join(ROOT, part)):
            folders[:] = [name for name in folders if name != "__pycache__"]
            found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return sorted(found)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A wheel built from a copy: a build leaves things in the tree, which the next one would put into its wheel."""
    copy = tmp_path_factory.mktemp("copy")
    for part in (*PARTS, "man"):
        shutil.copytree(os.path.join(ROOT, part), copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(os.path.join(ROOT, name), copy)
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), str(copy)]
    if _has_setuptools():
        command.insert(4, "--no-build-isolation")  # works without a network
    subprocess.run(command, check=True, capture_output=True, cwd=out)
    (built,) = out.iterdir()
    yield str(built)


def _has_setuptools() -> bool:
    try:
        return int(version("setuptools").split(".")[0]) >= 77
    except PackageNotFoundError:
        return False


def test_the_list_of_packages_is_complete() -> None:
    folders = {os.path.dirname(path) for path in sources() if path.endswith(".py")}
    listed = project()["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted("agentmux." + installed(folder).replace("/", ".") for folder in folders)


def test_each_package_folder_has_an_init() -> None:
    """Without one it is a namespace, which any other distribution could add to."""
    folders = {os.path.dirname(path) for path in sources() if path.endswith(".py")}
    assert [folder for folder in sorted(folders) if f"{folder}/__init__.py" not in sources()] == []


def test_the_version_is_the_same_everywhere() -> None:
    assert project()["project"]["version"] == agentmux.mux.VERSION
    with open(os.path.join(ROOT, "CHANGELOG.md"), encoding="utf-8") as file:
        assert f"## [{agentmux.mux.VERSION}]" in file.read()


def test_the_tests_test_what_is_installed() -> None:
    """Or, while developing, the links in .typecheck: never the folders of the working directory."""
    folder = os.path.dirname(os.path.abspath(agentmux.mux.__file__))
    assert os.path.basename(os.path.dirname(folder)) == "agentmux"


def test_the_wheel_has_every_module_and_nothing_else(wheel: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
    base = "-".join(os.path.basename(wheel).split("-")[:2])
    meta = {name for name in names if name.startswith(f"{base}.dist-info/")}
    manual = {name.removeprefix(f"{base}.data/data/") for name in names if name.startswith(f"{base}.data/data/")}
    command = f"{base}.data/scripts/agentmux"
    modules = set(names) - meta - {command, *(f"{base}.data/data/{name}" for name in manual)}
    assert command in names
    assert modules == {f"agentmux/{installed(path)}" for path in sources()}
    assert manual == {
        "share/man/man1/agentmux.1",
        "share/man/man3/agentmux-api.3",
        "share/man/man5/agentmux.conf.5",
        "share/man/man7/agentmux-protocol.7",
    }
    assert {os.path.basename(name) for name in meta} >= {"METADATA", "RECORD", "LICENSE"}


def test_each_part_is_marked_as_typed(wheel: str) -> None:
    assert "Typing :: Typed" in project()["project"]["classifiers"]
    with zipfile.ZipFile(wheel) as archive:
        assert {f"agentmux/{part}/py.typed" for part in (*PARTS, "api")} <= set(archive.namelist())


def test_the_wheel_claims_no_top_level_name_but_ours(wheel: str) -> None:
    """A top-level `cli` would break every other program that has one in the same environment."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.startswith("agentmux_cli-")} == {"agentmux"}


def test_the_installed_wheel_runs_without_the_source(wheel: str, world: World) -> None:
    """In an environment that has the wheel and, as links, what it depends on: no other copy of ours can step in."""
    place = os.path.join(world.root, "venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    python = os.path.join(place, "bin", "python")
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    for name in os.listdir(sysconfig.get_path("purelib")):
        if not name.startswith("agentmux") and not name.endswith(".pth"):
            os.symlink(os.path.join(sysconfig.get_path("purelib"), name), os.path.join(site, name))
    install = ["--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run([sys.executable, "-m", "pip", *install], check=True, capture_output=True)
    script = [os.path.join(place, "bin", "agentmux")]
    assert world.run("--version", argv=script).ok().out == f"agentmux {agentmux.mux.VERSION}\n"
    assert "kill-server" in world.run("--help", argv=script).ok().out
    world.run("new", "-d", "-s", "one", "--", "cat", argv=script).ok()
    assert world.run("ls", "-F", "{name} {state}", argv=script).ok().out == "one running\n"
    if sys.platform == "linux":
        server = world.run("server", "status", "--json", argv=script).ok().json["server_pid"]
        with open(f"/proc/{server}/cmdline", "rb") as file:
            assert os.fsencode(site) in file.read().split(b"\0")
    assert world.run("info", "--json", argv=script).ok().json["command"] == "cat"
    world.run("kill-server", argv=script).ok()
    assert os.path.exists(os.path.join(place, "share", "man", "man1", "agentmux.1"))


def test_patterns_mean_the_same_in_every_python() -> None:
    """Before 3.11.5 a possessive group may leave off at the wrong place (gh-106052); an atomic one does not."""
    possessive = re.compile(r"\)(?:[*+?]|\{\d*,?\d*\})\+")
    for path in sources():
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            found = [line for line in file if possessive.search(line)]
        assert not found, f"{path}: in place of (?:...)*+ write (?>(?:...)*): {found}"
