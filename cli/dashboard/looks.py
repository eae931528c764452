"""Themes: what each style's name means. Pure.

``auto`` uses the terminal's own colours only, which are right on light and dark as its user has set them.
"""

from __future__ import annotations

from collections.abc import Mapping

_COMMON = {
    "selected": "reverse",
    "name": "bold",
    "unread": "bold",
    "heading": "bold",
    "title": "bold",
    "needs": "bold",
    "match": "reverse",
    "key": "bold",
    "chosen": "reverse",
    "bar": "reverse",
    "question": "bold",
    "border": "",
    "frame.border": "",
    "error": "bold",
    "chip": "reverse",
    "field": "underline",
}

THEMES: Mapping[str, Mapping[str, str]] = {
    "auto": {
        **_COMMON,
        "needs": "bold fg:ansired",
        "working": "fg:ansigreen",
        "idle": "fg:ansiblue",
        "running": "",
        "ended": "fg:ansibrightblack",
        "dim": "fg:ansibrightblack",
        "queue": "fg:ansimagenta",
        "error": "bold fg:ansired",
        "border": "fg:ansibrightblack",
        "frame.border": "fg:ansibrightblack",
        "unread": "bold fg:ansiyellow",
    },
    "dark": {
        **_COMMON,
        "bar": "bg:#303848 fg:#e0e0e0",
        "selected": "bg:#2f4a6d fg:#ffffff",
        "needs": "bold fg:#ff8787",
        "working": "fg:#87d787",
        "idle": "fg:#87afff",
        "ended": "fg:#8a8a8a",
        "dim": "fg:#9e9e9e",
        "queue": "fg:#d7afff",
        "error": "bold fg:#ff8787",
        "border": "fg:#6c6c6c",
        "frame.border": "fg:#6c6c6c",
        "unread": "bold fg:#ffd75f",
    },
    "light": {
        **_COMMON,
        "bar": "bg:#d0d7e2 fg:#1c1c1c",
        "selected": "bg:#bcd4f5 fg:#000000",
        "needs": "bold fg:#af0000",
        "working": "fg:#005f00",
        "idle": "fg:#00479b",
        "ended": "fg:#6c6c6c",
        "dim": "fg:#5f5f5f",
        "queue": "fg:#5f00af",
        "error": "bold fg:#af0000",
        "border": "fg:#8a8a8a",
        "frame.border": "fg:#8a8a8a",
        "unread": "bold fg:#875f00",
    },
    "mono": _COMMON,
}
