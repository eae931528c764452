"""The configuration: one table of options, and the file that sets them.

The table is the truth for the file, for ``agentmux doctor`` and for
agentmux.conf(5), which a test compares with it. A file that does not parse, or
a value that does not fit, never stops anything: the default stands, and the
warning names the line.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field

from . import size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its default's type is its type.

    Attributes:
        check: returns what is wrong with a value, or "".
    """

    name: str
    default: Value
    help: str
    check: Callable[[Value], str] = field(default=lambda value: "")


def _a_key(value: Value) -> str:
    return "" if re.fullmatch(r"(C-|M-)?\S|Escape|Tab|C-Space", str(value)) else "is not a key such as 'C-b'"


def _a_size(value: Value) -> str:
    try:
        size.parsed(str(value))
    except ValueError:
        return "is not COLUMNSxROWS, such as '120x40'"
    return ""


def _at_least(least: float) -> Callable[[Value], str]:
    return lambda value: "" if isinstance(value, (int, float)) and value >= least else f"is below {least:g}"


OPTIONS = (
    Option("prefix", "C-b", "The prefix key.", _a_key),
    Option("default-command", "", "What a session without a command runs; empty: the user's shell."),
    Option("default-size", "120x40", "Size of a session that nobody has attached to yet.", _a_size),
    Option(
        "history-lines",
        2000,
        "Rows of scrollback printed above the screen at attach; 0: none.",
        _at_least(0),
    ),
    Option("scrollback-bytes", 10_000_000, "Memory for the scrollback of one session, in bytes.", _at_least(0)),
    Option(
        "journal-bytes",
        268_435_456,
        "Raw output kept on disk for one session, in bytes; the oldest goes first.",
        _at_least(16_777_216),
    ),
    Option("kill-grace", 2.0, "Seconds between SIGTERM and SIGKILL when a session is killed.", _at_least(0)),
)
"""Every option of the file's top level."""

BINDINGS: Mapping[str, str] = {
    "d": "detach",
    "c": "new",
    "n": "next",
    "p": "previous",
    "l": "last",
    "s": "choose",
    "i": "interrupt",
    "x": "kill",
    "r": "redraw",
    "?": "help",
}
"""Keys after the prefix; the table ``[keys]`` of the file adds to it, an empty action removes one."""

ACTIONS = frozenset(BINDINGS.values())


@dataclass(frozen=True, slots=True)
class Config:
    """What holds now.

    Attributes:
        values: one for each of OPTIONS.
        warnings: lines for the user, each naming file and line.
    """

    values: Mapping[str, Value]
    keys: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    def text(self, name: str) -> str:
        """Return a string option."""
        return str(self.values[name])

    def number(self, name: str) -> int:
        """Return a whole-number option."""
        return int(self.values[name])

    def seconds(self, name: str) -> float:
        """Return an option in seconds."""
        return float(self.values[name])


DEFAULT = Config({option.name: option.default for option in OPTIONS}, BINDINGS)


def parse(text: str, path: str) -> Config:
    """Return the configuration that the file's ``text`` gives."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Config(DEFAULT.values, DEFAULT.keys, (f"{path}: {_lower(str(error))}; defaults hold",))
    values = dict(DEFAULT.values)
    keys = dict(BINDINGS)
    warnings = []

    def warn(name: str, what: str) -> None:
        warnings.append(f"{path}: line {_line_of(text, name)}: {what}")

    for name, value in table.items():
        option = next((option for option in OPTIONS if option.name == name), None)
        if name == "keys" and isinstance(value, dict):
            for key, action in value.items():
                if _a_key(key) and not re.fullmatch(r"Up|Down|Left|Right|Page(Up|Down)|Home|End", key):
                    warn(key, f"{key!r} {_a_key(key)}")
                elif action == "":
                    keys.pop(key, None)
                elif action in ACTIONS:
                    keys[key] = str(action)
                else:
                    warn(key, f"no action {action!r}; one of: {', '.join(sorted(ACTIONS))}")
        elif option is None:
            warn(name, f"no option {name!r}")
        elif not _fits(value, option.default):
            warn(
                name,
                f"{name!r} needs a {type(option.default).__name__}; its default {option.default!r} holds",
            )
        elif wrong := option.check(value):
            warn(name, f"{name!r}: {value!r} {wrong}; its default {option.default!r} holds")
        else:
            values[name] = value
    return Config(values, keys, tuple(warnings))


def _fits(value: object, default: Value) -> bool:
    if isinstance(value, bool):
        return isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, (int, float))
    return isinstance(value, type(default))


def _line_of(text: str, name: str) -> int:
    found = re.search(rf"""^[ \t]*["']?{re.escape(name)}["']?[ \t]*[=.]""", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 1


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


class File:
    """The user's file, read again when it changed: a stat for each question."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._config = DEFAULT

    def config(self) -> Config:
        """Return what the file says now; defaults where there is none."""
        try:
            found = os.stat(self._path)
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp != self._seen:
                with open(self._path, encoding="utf-8") as file:
                    self._config = parse(file.read(), self._path)
                self._seen = stamp
        except FileNotFoundError:
            self._config, self._seen = DEFAULT, None
        except (OSError, UnicodeDecodeError) as error:
            self._config = Config(DEFAULT.values, DEFAULT.keys, (f"{self._path}: {error}; defaults hold",))
            self._seen = None
        return self._config
