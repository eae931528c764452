"""Foreign text made safe to print: nothing of it reaches a terminal that the terminal would act on. Pure."""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def safe(text: str) -> str:
    """Return ``text`` with control, bidirectional and undecodable characters as escapes."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def printable(text: str) -> str:
    """Return ``text`` of several lines without what a terminal would act on, but for tabs and line ends."""
    return "\n".join("\t".join(map(safe, line.split("\t"))) for line in text.split("\n"))
