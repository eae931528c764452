"""Where things are: the socket, its lock, the data folder. Private to the user, or refused.

The client finds the socket without ``platformdirs``, which costs more than a
bare interpreter start; everything that a plain command does not need asks it.
"""

import os
import stat
import sys

from .errors import BadFolder, PathTooLong

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET_LIMIT = 103 if sys.platform == "darwin" else 107
"""Bytes that fit into ``sun_path`` beside its NUL: 104 on macOS and the BSDs, 108 on Linux."""


def runtime_folder(env: "Mapping[str, str]") -> str:
    """Return the folder for sockets.

    ``/run/user/UID`` is used even where the variable is unset, as over ssh or
    in cron: otherwise the same user has two servers without knowing.
    """
    *better, last = _runtime_folders(env)
    for folder in better:
        base = os.path.dirname(folder)
        if os.path.isdir(base) and os.access(base, os.W_OK):
            return folder
    return last


def _runtime_folders(env: "Mapping[str, str]") -> list[str]:
    """Return the folders that sockets may be in, best first, whether they exist or not."""
    uid = os.getuid()
    bases = [base for base in (env.get("XDG_RUNTIME_DIR", ""), f"/run/user/{uid}") if base]
    return [*(os.path.join(b, "agentmux") for b in bases), os.path.join(env.get("TMPDIR") or "/tmp", f"agentmux-{uid}")]


def socket_path(env: "Mapping[str, str]", name: str = "", path: str = "") -> str:
    """Return the absolute path of the socket that ``-L name`` or ``-S path`` means.

    Without either: the server that this process runs in, else ``default``.

    Raises:
        PathTooLong: the system can't bind it.
    """
    if not path:
        inside = env.get("AGENTMUX", "").rpartition(",")[0]
        path = inside if inside and not name else os.path.join(runtime_folder(env), name or "default")
    path = os.path.abspath(path)
    length = len(os.fsencode(path))
    if length > SOCKET_LIMIT:
        raise PathTooLong(path, length, SOCKET_LIMIT)
    return path


def private_folder(path: str, *, create: bool = True) -> None:
    """Make sure that ``path`` is a folder that only this user can enter.

    Raises:
        BadFolder: it is not, and it is not ours to mend.
    """
    if create:
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        except OSError as error:
            raise BadFolder(path, f"can't be made: {error.strerror}", "name another socket with -S") from None
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        raise BadFolder(path, "does not exist", "start a session with: agentmux new") from None
    if stat.S_ISLNK(found.st_mode):
        raise BadFolder(path, "is a symbolic link", "remove it, or name another socket with -S")
    if not stat.S_ISDIR(found.st_mode):
        raise BadFolder(path, "is not a folder", "remove it, or name another socket with -S")
    if found.st_uid != os.getuid():
        raise BadFolder(path, f"belongs to uid {found.st_uid}", "name another socket with -S")
    if found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise BadFolder(path, f"is open to others (mode {mode:04o})", f"close it with: chmod 700 {path}")


def data_folder(socket: str) -> str:
    """Return the folder for what outlives the server of ``socket``: its store and its log.

    One folder per socket: one server, one writer. A ``-S`` path elsewhere gets
    one by its name and hash. That the socket's folder is gone changes nothing.
    """
    import hashlib

    import platformdirs

    base = platformdirs.user_data_dir("agentmux", appauthor=False)
    name = os.path.basename(socket)
    if os.path.dirname(socket) not in _runtime_folders(os.environ):
        name += "-" + hashlib.sha256(os.fsencode(socket)).hexdigest()[:10]
    return os.path.join(base, name)


def config_file() -> str:
    """Return the path of the user's configuration, whether it exists or not."""
    import platformdirs

    return os.path.join(platformdirs.user_config_dir("agentmux", appauthor=False), "config.toml")


def profiles_folder() -> str:
    """Return the folder of the user's own profiles of agents, whether it exists or not."""
    return os.path.join(os.path.dirname(config_file()), "agents")


def log_file(socket: str) -> str:
    """Return the path of the log of keeper and server."""
    return os.path.join(data_folder(socket), "server.log")
