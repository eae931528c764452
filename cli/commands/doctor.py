"""agentmux doctor: what could go wrong here, and what does."""

from __future__ import annotations

import json as json_
import os
import shutil
import subprocess
import sys
import time
from functools import partial

from agentmux.mux import VERSION, lease, paths
from agentmux.mux.checkup import check
from agentmux.mux.config import File
from agentmux.mux.errors import AgentmuxError, NoServer
from agentmux.mux.foreign import safe
from agentmux.mux.progress import Progress

from ..local import ask
from ..main import terminal_size, write_all
from ..output import size
from .options import Json

PATIENCE = 3.0
"""Seconds that the server gets to answer."""


def run(socket: str, json: Json = False) -> int | None:
    """Check this installation, and what would end sessions. Server, folders, memory, versions, terminal."""
    findings = [
        *_versions(), *_server(socket), *_folders(socket), *_memory(socket), *_terminal(), *_logout(), *_config()
    ]  # fmt: skip
    if json:
        rows = [{"what": what, "ok": ok, "found": found, "hint": hint} for what, ok, found, hint in findings]
        write_all(1, json_.dumps(rows).encode() + b"\n")
    else:
        for what, ok, found, hint in findings:
            lines = f"{'ok  ' if ok else 'LOOK'}  {what}: {safe(found)}\n"
            lines += f"      {safe(hint)}\n" if hint and not ok else ""
            write_all(1, lines.encode())
    return 0 if all(ok for _, ok, _, _ in findings) else 1


Finding = tuple[str, bool, str, str]


def _versions() -> list[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    found = [("version", True, f"agentmux {VERSION}, Python {sys.version.split()[0]}, {sys.platform}", "")]
    for name in ("pyghostty", "prompt_toolkit", "typer", "ptyprocess", "zstandard", "platformdirs"):
        try:
            found.append((name, True, version(name), ""))
        except PackageNotFoundError:
            found.append((name, False, "not installed", f"install it with: pip install {name}"))
    return found


def _server(socket: str) -> list[Finding]:
    try:
        status = json_.loads(ask(socket, ["server", "status", "--json"], PATIENCE))
    except NoServer:
        if (found := lease.holder(paths.data_folder(socket))) and found.socket == socket:
            return [("server", False, f"runs, and its socket {socket} is gone", "bring it back with: agentmux ls")]
        return [("server", True, f"none runs on {socket}", "")]
    except (AgentmuxError, ValueError) as error:
        return [("server", False, f"{error}", "it is replaced within 20 s; end it with: agentmux server stop --force")]
    same = status["version"] == VERSION
    facts = f"version {status['version']}, pid {status['server_pid']}, keeper {status['keeper_pid']}, on {socket}"
    return [("server", same, facts, "bring it to this version with: agentmux server upgrade")]


def _folders(socket: str) -> list[Finding]:
    found = []
    for what, path in (("socket folder", os.path.dirname(socket)), ("data folder", paths.data_folder(socket))):
        if not os.path.lexists(path):
            found.append((what, True, f"{path} (not there yet)", ""))
            continue
        try:
            paths.private_folder(path, create=False)
            free = shutil.disk_usage(path).free
            found.append(
                (what, free > 1 << 28, f"{path}, {free >> 20} MiB free", "make room: output is recorded there")
            )
        except AgentmuxError as error:
            found.append((what, False, error.problem, error.hint))
    return found


def _memory(socket: str) -> list[Finding]:
    columns = (terminal_size()[0] or 80) if os.isatty(2) else 0
    with Progress("checking what is remembered", columns, partial(write_all, 2), time.monotonic) as progress:
        found = check(paths.data_folder(socket), progress.at)
    if found is None:
        return [("memory", True, "nothing is remembered yet", "")]
    if found.problems:
        return [("memory", False, problem, found.hint) for problem in found.problems]
    said = f"{found.sessions} sessions; {found.blobs} blobs of {size(found.size)}, all as they were written"
    return [("memory", True, said, "")]


def _terminal() -> list[Finding]:
    term = os.environ.get("TERM", "")
    if not sys.stdout.isatty() and not term:
        return [("TERM", True, "no terminal", "")]
    known = bool(term) and term not in ("dumb", "unknown")
    return [("TERM", known, term or "not set", "attach needs a terminal that understands xterm's sequences")]


def _logout() -> list[Finding]:
    if sys.platform != "linux" or not os.path.isdir("/run/systemd/system"):
        return [("log-out", True, "no systemd: nothing ends sessions at log-out", "")]
    import getpass

    user = getpass.getuser()
    linger = os.path.exists(f"/var/lib/systemd/linger/{user}")
    done = subprocess.run(
        ["busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1",
         "org.freedesktop.login1.Manager", "KillUserProcesses"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    kills = "true" in done.stdout
    return [
        (
            "linger",
            linger or not kills,
            "on" if linger else "off",
            f"keep sessions with: loginctl enable-linger {user}",
        ),
        ("KillUserProcesses", linger or not kills, "yes" if kills else "no", "log-out ends sessions; see linger"),
    ]


def _config() -> list[Finding]:
    path = paths.config_file()
    warnings = File(path).config().warnings
    if not warnings:
        return [("configuration", True, path if os.path.exists(path) else f"{path} (none: defaults)", "")]
    return [("configuration", False, warning, "see: man agentmux.conf") for warning in warnings]
