"""Text that others wrote, made harmless to whoever prints it: names, titles, messages, what is on a screen. Pure.

What acts on a terminal, and what turns text round or breaks its lines where nobody sees it, is shown as an escape.
"""

from __future__ import annotations

import json
import re

UNSAFE = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""C0, DEL, C1, marks of direction, separators of lines, bytes that are no UTF-8: a set for regular expressions."""

_UNSAFE = re.compile(f"[{UNSAFE}]")
_COLOURS = re.compile(r"(\x1b\[[0-9;:]*m)")


def safe(text: str) -> str:
    """Return ``text`` on one line, with what is unsafe as escapes."""
    return _UNSAFE.sub(_escape, text)


def printable(text: str) -> str:
    """Return ``text`` of several lines likewise, but for its tabs and line ends."""
    return "\n".join("\t".join(map(safe, line.split("\t"))) for line in text.split("\n"))


def without(text: str) -> str:
    """Return ``text`` without what is unsafe, for what goes to a terminal inside a sequence."""
    return _UNSAFE.sub("", text)


def coloured(row: str) -> str:
    """Return a row likewise, but for its colours (SGR)."""
    return "".join(safe(part) if n % 2 == 0 else part for n, part in enumerate(_COLOURS.split(row)))


def as_json(value: object) -> str:
    r"""Return ``value`` as one line of JSON that is as harmless, and means the same: ``\u009b`` is U+009B."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
