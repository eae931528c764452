"""What programs say past the emulator: kitty notifications, shell marks, an agent's word on its own state. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from .foreign import UNSAFE
from .screenevents import Notification

MAX_TEXT = 1024
"""Characters kept of any text a program gives us to show."""

MAX_OPEN = 8
"""Notifications that may be under way at once; the oldest is forgotten."""

_CONTROLS = re.compile(f"[{UNSAFE}]+")


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """Return ``text`` on one line, without what would steer a terminal or turn its direction round."""
    return _CONTROLS.sub(" ", text)[:limit].strip()


@dataclass(frozen=True, slots=True)
class ShellMark:
    """OSC 133: ``A`` a prompt begins, ``B`` it ends, ``C`` a command runs, ``D`` it ended, perhaps with a status."""

    mark: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """OSC 7501, a program's report on itself.

    Attributes:
        state: idle, working, blocked, done, error or clear.
        kind: of what it is blocked by: permission, question, auth.
    """

    state: str
    app: str = ""
    kind: str = ""
    message: str = ""


_MARK = re.compile(rb"\x1b\]133;([A-D])(?:;(-?\d{1,9})?[^\x07\x1b]*)?")


def shell_mark(sequence: bytes) -> ShellMark | None:
    """Return what an OSC 133 says, None if it is none."""
    found = _MARK.match(sequence)
    if found is None:
        return None
    return ShellMark(found[1].decode(), int(found[2]) if found[2] and found[1] == b"D" else None)


def status(report: str) -> Report | None:
    """Return what the body of an OSC 7501 says, None for what is no report."""
    fields = dict(part.split("=", 1) for part in report[:4096].split(":") if "=" in part)
    if fields.get("state") not in ("idle", "working", "blocked", "done", "error", "clear"):
        return None
    message = _decoded(fields.get("msg", "").encode()).decode("utf-8", "replace")
    return Report(fields["state"], clean(fields.get("app", ""), 64), clean(fields.get("kind", ""), 64), clean(message))


def _decoded(data: bytes) -> bytes:
    try:
        return base64.b64decode(data + b"=" * (-len(data) % 4))
    except (binascii.Error, ValueError):
        return b""


class KittyNotifications:
    """OSC 99 in pieces: title and body come one by one, each perhaps in several. (kitty, desktop-notifications.rst)"""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[bytes, dict[bytes, bytes]] = {}

    def take(self, sequence: bytes) -> Notification | bytes | None:
        """Return a notification that is complete, bytes to answer the program with, or None."""
        body = sequence[len(b"\x1b]99;") :].removesuffix(b"\x07").removesuffix(b"\x1b\\")
        metadata, _, payload = body.partition(b";")
        fields = dict(part.split(b"=", 1) for part in metadata.split(b":") if b"=" in part)
        name = re.sub(rb"[^A-Za-z0-9_.+-]", b"", fields.get(b"i", b""))[:64]
        what = fields.get(b"p", b"title")
        if what == b"?":
            end = b"\x07" if sequence.endswith(b"\x07") else b"\x1b\\"
            return b"\x1b]99;i=%b:p=?;p=title,body,?%b" % (name or b"0", end)
        if what not in (b"title", b"body"):
            return None
        note = self._open.pop(name, {})
        self._open[name] = note
        if len(self._open) > MAX_OPEN:
            del self._open[next(iter(self._open))]
        text = _decoded(payload) if fields.get(b"e") == b"1" else payload
        note[what] = (note.get(what, b"") + text)[: 4 * MAX_TEXT]
        if fields.get(b"d") == b"0":
            return None  # more follows
        del self._open[name]
        title, body_text = (note.get(part, b"").decode("utf-8", "replace") for part in (b"title", b"body"))
        return Notification(clean(title), clean(body_text)) if title or body_text else None
