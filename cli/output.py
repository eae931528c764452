"""How sessions are shown: the facts of one, lists, formats. Everything foreign is made safe here.

Rules: names, commands, titles and labels come from programs and other people;
no control character of theirs reaches a terminal. ``--json`` prints one line,
keys never change meaning, keys are only added.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache

from agentmux.mux.asking import Used
from agentmux.mux.errors import BadUsage
from agentmux.mux.foreign import safe
from agentmux.mux.mux import HIT, HIT_END, Mux, Record
from agentmux.mux.tables import BAD_PATTERN
from agentmux.mux.verdict import Verdict

Facts = dict[str, object]

_ESCAPES = {"t": "\t", "n": "\n", "\\": "\\"}
_FIELD = re.compile(r"\{([a-z_]+(?:\.[^{}]+)?)\}")


def facts(mux: Mux, row: Record) -> Facts:
    """Return what there is to say of a session. Times are Unix seconds, ``age`` is whole seconds."""
    end = row.ended if row.ended is not None else mux.now()
    return {
        "id": row.id,
        "name": row.name,
        "state": row.state,
        "exit_status": row.exit_status,
        "command": _command(row.argv),
        "cwd": row.cwd,
        "age": max(0, int(end - (row.started or row.created))),
        "attached": mux.attached(row.id),
        "size": list(row.size),
        "labels": dict(row.labels),
        "pid": mux.pid(row.id),
        "argv": list(row.argv),
        "env_names": list(row.env_names),
        "created": row.created,
        "started": row.started,
        "ended": row.ended,
        "starts": row.starts,
        "record": row.record,
        "title": mux.title(row.id),
        "branch": mux.branches.of(row.cwd),
        "agent": row.agent,
        "conversation": row.conversation,
        "parent": row.parent,
        **doing(mux, row),
        "unread": row.unread,
        "said": mux.said(row.id),
        "queued": mux.queued(row.id),
        "paused": row.paused,
        **used(mux.used(row.id)),
    }


_command = lru_cache(1000)(shlex.join)  # sessions are listed again and again


def used(one: Used) -> Facts:
    """Return what an agent took, in tokens and US dollars; ``cached`` is a part of what went in."""
    return {"tokens_in": one.input, "tokens_cached": one.cached, "tokens_out": one.output, "cost": one.cost}


def doing(mux: Mux, row: Record) -> Facts:
    """Return what a session does, and since when: ``about`` is what it waits for, ``asks`` in its own words."""
    verdict = mux.verdict(row)
    reason = verdict.reason if verdict.about else None
    return {
        "status": verdict.status.value,
        "since": verdict.since,
        "about": verdict.about or None,
        "asks": reason.text or None if reason else None,
        "options": list(reason.options) if reason else [],
        "resets": verdict.resets,
        "resumes": mux.resumes(row),
    }


def for_how_long(verdict: Verdict, now: float) -> str:
    """Return what a session does, what for, and for how long already."""
    about = f" for {verdict.about}" if verdict.about else ""
    return f"{verdict.status.value}{about}, for {age(max(0, int(now - verdict.since)))}"


def asked(verdict: Verdict) -> list[str]:
    """Return the lines of the dialog that a session waits in: what it says, and its answers with their numbers."""
    if not verdict.about or verdict.reason is None:
        return []
    lines = [safe(line) for line in verdict.reason.text.split("\n")] if verdict.reason.text else []
    return [*lines, *(f"{number}. {safe(option)}" for number, option in enumerate(verdict.reason.options, 1))]


def shown(key: str, value: object) -> str:
    """Return one fact as people read it."""
    if value is None:
        return "-"
    if key == "age":
        return age(int(str(value)))
    if isinstance(value, float) and key == "cost":
        return f"{value:.4f}"
    if key == "size" and isinstance(value, list):
        return "x".join(map(str, value))
    if isinstance(value, Mapping):
        return safe(",".join(f"{name}={text}" for name, text in value.items()))
    if isinstance(value, list):
        return safe(" ".join(map(str, value)))
    return safe(str(value))


def highlighted(snippet: str, on: str, off: str) -> str:
    """Return a snippet of a search with what was found between ``on`` and ``off``."""
    pieces = snippet.replace(HIT_END, HIT).split(HIT)
    return "".join(f"{on}{safe(piece)}{off}" if number % 2 else safe(piece) for number, piece in enumerate(pieces))


def first_line(text: str | None, limit: int = 100) -> str:
    """Return the beginning of a text, with a sign that there is more."""
    if text is None:
        return "[damaged: see agentmux doctor]"
    line, _, rest = text.strip().partition("\n")
    shown_ = safe(line[:limit])
    return f"{shown_} ..." if rest or len(line) > limit else shown_


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    value, unit = float(count), "B"
    while value >= 1024 and unit != "TiB":
        value /= 1024
        unit = {"B": "KiB", "KiB": "MiB", "MiB": "GiB", "GiB": "TiB"}[unit]
    return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"


def when(at: float) -> str:
    """Return a time as the clock on the wall has it, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def ahead(at: float, now: float) -> str:
    """Return when something will be, and in how long."""
    return f"at {when(at)}, in {age(int(at - now))}" if at > now else f"at {when(at)}"


def age(seconds: int) -> str:
    """Return a duration in its two largest units."""
    for unit, length, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= length:
            return f"{seconds // length}{unit}{seconds % length // part}{smaller}"
    return f"{seconds}s"


def formatted(template: str, values: Facts) -> str:
    """Return ``template`` with each ``{key}`` replaced; ``{labels.KEY}`` names one label, backslash escapes work.

    Raises:
        BadUsage: there is no such key.
    """

    def fill(match: re.Match[str]) -> str:
        key, _, label = match[1].partition(".")
        if key not in values:
            raise BadUsage(f"no field {key!r} to format", hint="fields: " + ", ".join(values))
        value = values[key]
        if label and isinstance(value, Mapping):
            return safe(str(value.get(label, "")))
        return shown(key, value)

    plain = re.sub(r"\\([tn\\])", lambda match: _ESCAPES[match[1]], template)
    return _FIELD.sub(fill, plain)


def matches(expression: str, values: Facts) -> bool:
    """Whether a session's facts fit ``KEY=VALUE``, ``KEY!=VALUE`` or ``KEY~REGEX``.

    Raises:
        BadUsage: it is none of these.
    """
    found = re.fullmatch(r"([a-z_]+(?:\.[^=!~]+)?)(!=|=|~)(.*)", expression, re.DOTALL)
    if found is None:
        raise BadUsage(f"{expression!r} is no filter", hint="write KEY=VALUE, KEY!=VALUE or KEY~REGEX")
    key, operator, wanted = found.groups()
    value = formatted("{" + key + "}", values)
    if operator == "~":
        try:
            return re.search(wanted, value) is not None
        except BAD_PATTERN as error:
            raise BadUsage(f"{wanted!r} is no regular expression: {error}") from None
    return (value == wanted) == (operator == "=")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return lines in columns. The last column is not padded."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]) for line in lines
    )
