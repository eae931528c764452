"""The parsed declarations are cached for the next start, and only where nobody else can write."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
from agentmux.mux.screen import Screen
screen = Screen((80, 24))
screen.feed(b"works")
print(screen.text_rows(0, 1)[0], "pycparser" in sys.modules)
"""


def start(cache: Path) -> tuple[str, str]:
    """Run a screen in a new process; return whether it works, and whether it had to parse."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "HOME": str(cache)}
    result = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    works, parsed = result.stdout.split()
    return works, parsed


def folder(cache: Path) -> Path:
    return next(path for path in cache.rglob("agentmux") if path.is_dir())


def test_the_second_start_does_not_parse(tmp_path: Path) -> None:
    assert start(tmp_path) == ("works", "True")
    assert start(tmp_path) == ("works", "False")
    assert folder(tmp_path).stat().st_mode & 0o777 == 0o700
    assert [path.suffix for path in folder(tmp_path).iterdir() if path.is_file()] == [".py"]


@pytest.mark.parametrize("what", ["folder", "file", "link"])
def test_a_cache_others_can_write_is_not_run(tmp_path: Path, what: str) -> None:
    start(tmp_path)
    cached = next(folder(tmp_path).glob("*.py"))
    if what == "folder":
        folder(tmp_path).chmod(0o777)
    elif what == "file":
        cached.chmod(0o666)
    else:
        elsewhere = tmp_path / "elsewhere.py"
        cached.rename(elsewhere)
        cached.symlink_to(elsewhere)
    assert start(tmp_path) == ("works", "True")


def test_a_home_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert start(tmp_path / "file") == ("works", "True")
