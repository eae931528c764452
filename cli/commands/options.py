"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from typing import Annotated

from agentmux.mux import limits, notifier
from agentmux.mux.errors import BadUsage

from ..app import Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def _names(incomplete: str) -> list[str]:
    from ..local import session_names

    return [name for name in session_names() if name.startswith(incomplete)]


Target = Annotated[
    str | None,
    Option(
        "-t",
        "--target",
        metavar="T",
        help="Id, name, unique prefix or label; default: the last one used.",
        autocompletion=_names,
    ),
]
Targets = Annotated[
    list[str] | None,
    Option("-t", "--target", metavar="T", help="Session; may be given more than once.", autocompletion=_names),
]
Json = Annotated[bool, Option("--json", help="Print JSON.")]
Timeout = Annotated[float, Option("--timeout", metavar="S", min=0, help="Give up after S seconds, with status 5.")]
Since = Annotated[str, Option("--since", metavar="AGO", help="Only what came since: 90s, 10m, 2h, 3d, 1w.")]
Detached = Annotated[bool, Option("-d", "--detached", help="Do not attach.")]
Cwd = Annotated[str, Option("-c", "--cwd", metavar="DIR", help="Working directory; default: here.")]
Env = Annotated[list[str] | None, Option("-e", "--env", metavar="K=V", help="Set a variable.")]
Label = Annotated[list[str] | None, Option("--label", metavar="K=V", help="Attach a label.")]
Print = Annotated[bool, Option("-P", "--print", help="Print the new session's id.")]
JsonOfNew = Annotated[bool, Option("--json", help="Print the new session as JSON.")]


LABELS: dict[str, Callable[[str], str]] = {
    notifier.LABEL: notifier.label_wrong,
    limits.LABEL: limits.label_wrong,
}
"""Labels that mean something: what tells what is wrong with a value of each."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def ago(text: str, option: str) -> float:
    """Return how many seconds ``90s``, ``10m``, ``2h``, ``3d`` or ``1w`` are; a bare number is seconds.

    Raises:
        BadUsage: it is nothing like that.
    """
    number, unit = (text[:-1], text[-1:]) if text[-1:] in _SECONDS else (text, "s")
    try:
        seconds = float(number) * _SECONDS[unit]
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e11:
        raise BadUsage(f"{option} {text!r} is no time", hint="write 90s, 10m, 2h, 3d or 1w")
    return seconds


def moment(text: str, now: float) -> float:
    """Return the Unix seconds of ``14:30`` (the next), ``2026-05-01T08:00`` or ``+10m``, by the clock here.

    Raises:
        BadUsage: it is nothing like that.
    """
    if text.startswith("+"):
        return now + ago(text[1:], "--at")
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}", text):
            today = datetime.fromtimestamp(now).astimezone()
            hour, minute = map(int, text.split(":"))
            then = today.replace(hour=hour, minute=minute, second=0, microsecond=0)
            return (then if then > today else then + timedelta(days=1)).timestamp()
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        raise BadUsage(f"--at {text!r} is no time", hint="write 14:30, 2026-05-01T08:00 or +10m") from None


def folder(here: str, given: str) -> str:
    """Return the absolute path of ``given`` (empty: ``here``) for a client whose working directory is ``here``."""
    return os.path.normpath(os.path.join(here, given))


def labels(given: list[str] | None, option: str) -> dict[str, str]:
    """Return ``K=V`` labels as a mapping; of those that mean something to us, only values that do.

    Raises:
        BadUsage: one has no ``=`` or an empty key, or a value that means nothing.
    """
    found = pairs(given, option)
    for key, value in found.items():
        if value and (wrong := LABELS[key](value) if key in LABELS else ""):
            raise BadUsage(f"{option} {f'{key}={value}'!r} {wrong}")
    return found


def pairs(given: list[str] | None, option: str) -> dict[str, str]:
    """Return ``K=V`` values as a mapping.

    Raises:
        BadUsage: one has no ``=`` or an empty key.
    """
    result = {}
    for item in given or ():
        key, equals, value = item.partition("=")
        if not equals or not key or "\0" in item:
            raise BadUsage(f"{option} {item!r} is not KEY=VALUE")
        result[key] = value
    return result
