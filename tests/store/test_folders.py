"""Who may look into the data folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentmux.store.errors import StoreError, StoreUnsafe
from agentmux.store.folders import private_folder


def test_a_missing_folder_is_made_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        private_folder(str(tmp_path / "a" / "b"))
    finally:
        os.umask(before)
    assert (tmp_path / "a" / "b").stat().st_mode & 0o7777 == 0o700


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o755, 0o777])
def test_an_open_folder_is_refused_and_left_as_it_is(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(StoreUnsafe) as caught:
        private_folder(str(folder))
    assert caught.value.hint == f"chmod 700 {folder}"
    assert folder.stat().st_mode & 0o777 == mode


def test_the_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    me = os.geteuid()
    private_folder(str(tmp_path / "data"))
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    with pytest.raises(StoreUnsafe, match="belongs to user"):
        private_folder(str(tmp_path / "data"))


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreError, match="can't make the folder"):
        private_folder(str(tmp_path / "data"))
