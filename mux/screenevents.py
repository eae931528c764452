"""What a program tells the outside through its terminal, as values. Pure."""

import enum
from dataclasses import dataclass


class ProgressState(enum.Enum):
    """The states of OSC 9;4, numbered as on the wire."""

    REMOVED = 0
    SET = 1
    ERROR = 2
    INDETERMINATE = 3
    PAUSED = 4


@dataclass(frozen=True, slots=True)
class Bell:
    """The program rang the bell."""


@dataclass(frozen=True, slots=True)
class TitleChanged:
    """OSC 0 or 2. The title is free of control characters and at most 1024 bytes long."""

    title: str


@dataclass(frozen=True, slots=True)
class CwdChanged:
    """OSC 7 or a relative of it. ``path`` is decoded from the URI; "" when the program withdrew it."""

    path: str


@dataclass(frozen=True, slots=True)
class Notification:
    """OSC 9 or 777. OSC 9 has no title."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Progress:
    """OSC 9;4. ``value`` is a percentage, None where the program gave none."""

    state: ProgressState
    value: int | None


@dataclass(frozen=True, slots=True)
class ClipboardWrite:
    """OSC 52 or a relative of it: ``data`` for the clipboard, or for the primary selection. b"" clears it."""

    data: bytes
    primary: bool


@dataclass(frozen=True, slots=True)
class ProgramStatus:
    """OSC 7501, the report of a program about itself: ``state=working:app=...``, not decoded further."""

    report: str


ScreenEvent = Bell | TitleChanged | CwdChanged | Notification | Progress | ClipboardWrite | ProgramStatus
