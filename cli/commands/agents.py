"""agentmux agents: the agents that are known."""

from __future__ import annotations

import enum
import json as json_
import re
import shutil
import subprocess
from typing import Annotated

from agentmux.mux import paths
from agentmux.mux.errors import AgentmuxError, BadUsage
from agentmux.mux.foreign import safe
from agentmux.mux.profiles import Profile, Profiles, read

from ..app import Argument, Option
from ..main import fail, write_all
from ..output import table
from .options import Json

PATIENCE = 10.0
"""Seconds that an agent gets to say its version: some load for seconds."""


class Action(enum.Enum):
    """What to do."""

    LIST = "list"
    CHECK = "check"


def run(
    socket: str,
    action: Annotated[Action, Argument(help="What to do: list them, or check a file.")] = Action.LIST,
    file: Annotated[str, Argument(metavar="[FILE]", help="The profile to check.")] = "",
    versions: Annotated[bool, Option("--versions", help="Ask those that are installed for their version.")] = False,
    json: Json = False,
) -> int | None:
    """List the agents that are known. Where they are installed; or check a profile of your own."""
    if (action is Action.CHECK) != bool(file):
        raise BadUsage("agents: check needs one file, list none", hint="write: agentmux agents check FILE")
    if file:
        profile = read(file)
        write_all(1, f"{safe(file)}: agent {safe(profile.name)!r}, {safe(profile.title)}\n".encode())
        return None
    profiles = Profiles(paths.profiles_folder())
    known = sorted(profiles.all(), key=lambda one: one.name)
    said = _versions(known) if versions else {}
    rows = [
        {
            "name": one.name,
            "title": one.title,
            "installed": _installed(one),
            "version": said.get(one.name),
            "tested": one.tested or None,
            "profile": one.path,
        }
        for one in known
    ]
    if json:
        write_all(1, json_.dumps(rows).encode() + b"\n")
    else:
        columns = ["name", "title", "tested", *(["version"] if versions else []), "installed"]
        body = [[safe(str(row[key] or "-")) for key in columns] for row in rows]
        write_all(1, table([key.upper() for key in columns], body).encode("utf-8", "replace") + b"\n")
    for warning in profiles.warnings:
        fail(AgentmuxError(warning, hint="see: agentmux agents check FILE"))
    return 1 if profiles.warnings else 0


def _installed(profile: Profile) -> str | None:
    return next(filter(None, map(shutil.which, sorted(profile.marks.commands))), None)


def _versions(profiles: list[Profile]) -> dict[str, str]:
    """Return what those that are installed say, all asked at once."""
    asked = {}
    for one in profiles:
        if one.version and (program := shutil.which(one.version[0])):
            asked[one.name] = subprocess.Popen(
                [program, *one.version[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
    found = {}
    for name, process in asked.items():
        try:
            out, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            continue
        if number := re.search(rb"\d+(?:\.\d+)+[\w.+-]*", out):
            found[name] = number[0].decode("ascii", "replace")
    return found
