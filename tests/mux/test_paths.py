"""Where the socket is, and which folders are private enough to be trusted."""

import os
from pathlib import Path

import pytest

from agentmux.mux import paths
from agentmux.mux.errors import BadFolder, PathTooLong

UID = os.getuid()
OWN = f"/run/user/{UID}"


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    made = tmp_path / "run"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def private(tmp_path: Path) -> Path:
    made = tmp_path / "private"
    made.mkdir(mode=0o700)
    return made


# The runtime folder


def test_the_runtime_folder_is_in_xdgs(runtime: Path) -> None:
    assert paths.runtime_folder({"XDG_RUNTIME_DIR": str(runtime), "TMPDIR": "/x"}) == f"{runtime}/agentmux"


@pytest.mark.parametrize("env", [{}, {"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "/nowhere"}])
def test_without_it_the_systems_own_is_found_all_the_same(env: dict[str, str]) -> None:
    """Else one user has two servers: one from the desktop, one from ssh or cron."""
    expected = f"{OWN}/agentmux" if os.path.isdir(OWN) and os.access(OWN, os.W_OK) else f"/tmp/agentmux-{UID}"
    assert paths.runtime_folder(env) == expected


@pytest.mark.skipif(os.path.isdir(OWN), reason="this system has a runtime folder")
@pytest.mark.parametrize(
    ("env", "expected"),
    [({"TMPDIR": "/var/tmp"}, f"/var/tmp/agentmux-{UID}"), ({"TMPDIR": ""}, f"/tmp/agentmux-{UID}")],
)
def test_without_either_it_is_in_the_temporary_folder(env: dict[str, str], expected: str) -> None:
    assert paths.runtime_folder(env) == expected


def test_a_file_is_no_runtime_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert not paths.runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path / "file")}).startswith(str(tmp_path))


@pytest.mark.skipif(UID == 0, reason="root may write everywhere")
def test_a_runtime_folder_that_cannot_be_written_is_passed_over(runtime: Path) -> None:
    runtime.chmod(0o500)
    assert not paths.runtime_folder({"XDG_RUNTIME_DIR": str(runtime)}).startswith(str(runtime))


# The socket


def test_socket_names_and_paths(runtime: Path) -> None:
    env = {"XDG_RUNTIME_DIR": str(runtime)}
    assert paths.socket_path(env) == f"{runtime}/agentmux/default"
    assert paths.socket_path(env, "work") == f"{runtime}/agentmux/work"
    assert paths.socket_path(env, "work", "/x/y") == "/x/y"
    assert paths.socket_path(env, path="y") == os.path.join(os.getcwd(), "y")


def test_inside_a_session_its_server_is_meant_unless_another_is_named(runtime: Path) -> None:
    env = {"XDG_RUNTIME_DIR": str(runtime), "AGENTMUX": "/a,b/socket,42"}
    assert paths.socket_path(env) == "/a,b/socket"
    assert paths.socket_path(env, "work") == f"{runtime}/agentmux/work"
    assert paths.socket_path(env, path="/x/y") == "/x/y"
    assert paths.socket_path({**env, "AGENTMUX": "rubbish"}) == f"{runtime}/agentmux/default"


def test_a_path_that_the_system_cannot_bind_is_refused_in_bytes() -> None:
    longest = "/" + "x" * (paths.SOCKET_LIMIT - 1)
    assert paths.socket_path({}, path=longest) == longest
    with pytest.raises(PathTooLong, match=f"{paths.SOCKET_LIMIT + 1} bytes"):
        paths.socket_path({}, path=longest + "x")
    with pytest.raises(PathTooLong):
        paths.socket_path({}, path="/" + "é" * (paths.SOCKET_LIMIT // 2 + 1))


# Private folders


def test_a_folder_is_made_for_this_user_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        paths.private_folder(str(tmp_path / "new"))
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o7777 == 0o700
    paths.private_folder(str(tmp_path / "new"))
    paths.private_folder(str(tmp_path / "new"), create=False)


def test_a_folder_is_not_made_where_nobody_asked_for_it(tmp_path: Path) -> None:
    with pytest.raises(BadFolder, match="does not exist"):
        paths.private_folder(str(tmp_path / "new"), create=False)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(BadFolder, match="can't be made: No such file"):
        paths.private_folder(str(tmp_path / "no" / "parent"))


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701, 0o770, 0o777, 0o1777])
def test_a_folder_that_is_open_to_others_is_refused(private: Path, mode: int) -> None:
    private.chmod(mode)
    with pytest.raises(BadFolder, match=f"mode {mode:04o}") as caught:
        paths.private_folder(str(private))
    assert caught.value.hint == f"close it with: chmod 700 {private}"


def test_a_symbolic_link_is_refused_even_to_a_private_folder(private: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(private)
    with pytest.raises(BadFolder, match="symbolic link"):
        paths.private_folder(str(tmp_path / "link"))


def test_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadFolder, match="symbolic link"):
        paths.private_folder(str(tmp_path / "link"))
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o600)
    with pytest.raises(BadFolder, match="not a folder"):
        paths.private_folder(str(tmp_path / "file"))


@pytest.mark.skipif(UID != 0, reason="only root can give a folder away")
def test_somebody_elses_folder_is_refused(private: Path) -> None:
    os.chown(private, 12345, -1)
    with pytest.raises(BadFolder, match="belongs to uid 12345"):
        paths.private_folder(str(private))


# Data


def test_two_sockets_never_share_a_data_folder(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("XDG_DATA_HOME", str(runtime / "data"))
    usual = paths.data_folder(f"{runtime}/agentmux/default")
    assert usual == f"{runtime}/data/agentmux/default"
    others = {paths.data_folder(path) for path in ("/a/default", "/b/default", f"{runtime}/agentmux/work")}
    assert len({usual, *others}) == 4
    assert {os.path.dirname(path) for path in others} == {f"{runtime}/data/agentmux"}
    assert paths.log_file("/a/default") == paths.data_folder("/a/default") + "/server.log"


def test_a_data_folder_is_the_same_when_the_sockets_folder_is_gone(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    socket = paths.socket_path(os.environ)
    before = paths.data_folder(socket)
    runtime.rmdir()
    assert paths.data_folder(socket) == before


def test_the_configuration_is_where_xdg_says(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(runtime))
    assert paths.config_file() == f"{runtime}/agentmux/config.toml"
