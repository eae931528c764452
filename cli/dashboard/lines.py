"""How sessions, counts and hints look on one line each: pieces of text with the names of their styles. Pure.

Nothing is told by colour alone: each status has a sign and a word, the selected line begins with ``>``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agentmux.api.model import Info, Status
from agentmux.mux.foreign import safe

from ..cells import cut, fitted, width
from .keymap import BY_NAME, Action, keys_of
from .model import Group, Heading, group_of

Piece = tuple[str, str]
"""A style, as the toolkit names styles, and text."""

SIGNS = {
    Status.WAITING: "!",
    Status.STALLED: "!",
    Status.WORKING: "*",
    Status.STARTING: "*",
    Status.IDLE: "-",
    Status.EXITED: "x",
    Status.LOST: "x",
}
UNKNOWN, UNREAD, MARKED, SELECTED = "?", "+", "#", ">"

STYLES = {group: f"class:{group.name.lower()}" for group in Group}

MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that there is room for, in cells; 0: not shown."""

    name: int
    status: int
    agent: int
    detail: int
    place: int


def columns(total: int, infos: Sequence[Info]) -> Columns:
    """Return how ``total`` columns are shared out."""
    room = max(0, total - 4 - 5)  # what stands before the name, and the age
    longest = max((width(safe(info.name)) for info in infos), default=8)
    name = max(4, min(longest, 24, max(room // 3, room - 21)))
    status = max(0, min(19, room - name - 2))
    room -= name + status + 2
    agent = 9 if room >= 24 else 0
    room -= agent
    place = min(36, room // 3) if room >= 60 else 0
    return Columns(name, status, agent, max(0, room - place), place)


def age(since: float, now: float) -> str:
    """Return how long ago something was, to the minute: what changes each second would never let the view rest."""
    seconds = max(0, int(now - since))
    for unit, length in (("d", DAY), ("h", HOUR), ("m", MINUTE)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return "now"


def status(info: Info) -> str:
    """Return what a session does, in words."""
    word = info.status.value
    if info.status is Status.OTHER:
        word = str(info.facts.get("status", word))
    if info.exit_status is not None:
        return f"{word} {info.exit_status}"
    return f"{word}: {info.about}" if info.about else word


def sign(info: Info) -> str:
    """Return the character for what a session does."""
    return SIGNS.get(info.status, UNKNOWN)


def detail(info: Info) -> str:
    """Return what it waits for, or what it said last, or what it shows as its title."""
    if group_of(info) is Group.NEEDS and info.asks:
        return " ".join(info.asks.split())
    return info.said or info.title or info.command


def place(info: Info, home: str) -> str:
    """Return where it was started: its folder, and the branch there."""
    folder = info.cwd
    if home and (folder == home or folder.startswith(home.rstrip("/") + "/")):
        folder = "~" + folder[len(home.rstrip("/")) :]
    return f"{folder} ({info.branch})" if info.branch else folder


def session(info: Info, layout: Columns, *, now: float, home: str, selected: bool, marked: bool) -> list[Piece]:
    """Return the line of a session in the list."""
    group = group_of(info)
    look = STYLES[group]
    lead = (SELECTED if selected else " ") + (MARKED if marked else " ")
    pieces = [
        ("", lead),
        (look, sign(info)),
        ("class:unread", UNREAD if info.unread else " "),
        ("class:name", fitted(safe(info.name), layout.name) + " "),
    ]
    if layout.status:
        pieces.append((look, fitted(safe(status(info)), layout.status) + " "))
    since = info.ended if group is Group.ENDED and info.ended else info.since or info.created
    pieces.append(("", f"{age(since, now):>4} "))
    if layout.agent:
        pieces.append(("class:dim", fitted(safe(info.agent or "-"), layout.agent - 1) + " "))
    if layout.detail > 2:
        queue = f"[{info.queued} queued] " if info.queued else ""
        text = cut(queue, layout.detail - 1)
        pieces.append(("class:queue", text))
        room = layout.detail - 1 - width(text)
        pieces.append(("", fitted(safe(detail(info)), room) + " "))
    if layout.place:
        pieces.append(("class:dim", _tail(safe(place(info, home)), layout.place)))
    return [("class:selected", text) for _, text in pieces] if selected else pieces


def _tail(text: str, room: int) -> str:
    """Return the end of a text: of a folder the end tells most."""
    if width(text) <= room:
        return fitted(text, room)
    while width(text) > room - 1:
        text = text[1:]
    return fitted("~" + text, room)


def heading(row: Heading) -> list[Piece]:
    """Return the line above a group."""
    return [("class:heading", f" {safe(row.text)} ({row.count})")]


def top(counts: Mapping[Group, int], *, server: str, query: str, marked: int, columns: int) -> list[Piece]:
    """Return the first line: how many do what, and which server it is."""
    pieces: list[Piece] = [("class:bar class:title", " agentmux ")]
    for group, count in counts.items():
        if count:
            word = "need you" if group is Group.NEEDS and count > 1 else group.value
            pieces.append((f"class:bar {STYLES[group]}", f" {count} {word} "))
    if marked:
        pieces.append(("class:bar", f" {marked} marked "))
    if query:
        pieces.append(("class:bar class:title", f" /{safe(query)} "))
    used = sum(width(text) for _, text in pieces)
    right = f"{safe(server)} "
    if used + width(right) <= columns:
        pieces.append(("class:bar", " " * (columns - used - width(right)) + right))
    else:
        pieces.append(("class:bar", " " * max(0, columns - used)))
    return pieces


def about(info: Info, *, now: float, home: str) -> list[list[Piece]]:
    """Return the two lines above the preview: all that is known of the selected session."""
    look = STYLES[group_of(info)]
    first: list[Piece] = [
        ("class:name", f" {safe(info.name)} "),
        (look, f"{sign(info)} {safe(status(info))}, {age(info.since or info.created, now)} "),
        ("class:dim", f" {safe(info.agent or info.command)} "),
    ]
    if info.queued or info.paused:
        held = ", held" if info.paused else ""
        first.append(("class:queue", f" {info.queued} queued{held} "))
    if info.attached:
        first.append(("class:dim", f" on {info.attached} terminal{'s' if info.attached > 1 else ''} "))
    if info.labels:
        first.append(("class:dim", " " + safe(" ".join(f"{k}={v}" for k, v in info.labels.items()))))
    second: list[Piece] = [("class:dim", f" {safe(place(info, home))}  "), ("", safe(detail(info)))]
    return [first, second]


def exactly(line: Sequence[Piece], columns: int) -> list[Piece]:
    """Return a line that takes exactly so many columns."""
    pieces: list[Piece] = []
    for look, text in line:
        text = cut(text, columns)
        pieces.append((look, text))
        columns -= width(text)
        if columns <= 0:
            break
    return [*pieces, ("", " " * columns)]


def hints(names: Sequence[str], keys: Mapping[str, Action], columns: int) -> list[Piece]:
    """Return as many keys with what they do as there is room for."""
    pieces: list[Piece] = []
    used = 0
    for name in names:
        action = BY_NAME[name]
        found = keys_of(action, keys)
        if not found:
            continue
        text = f" {found[0]} ", f"{_short(action)} "
        used += sum(map(width, text))
        if used > columns:
            break
        pieces += [("class:key", text[0]), ("class:hint", text[1])]
    return pieces


_SHORT = {"next-needing": "next", "palette": "all", "close": "close", "attach": "attach", "prompt": "prompt"}


def _short(action: Action) -> str:
    return _SHORT.get(action.name, action.name)
