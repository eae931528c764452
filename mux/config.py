"""The configuration: one table of options, and the file that sets them.

The table is the truth for the file, for ``agentmux doctor`` and for
agentmux.conf(5), which a test compares with it. A file that does not parse, or
a value that does not fit, never stops anything: the default stands, and the
warning names the line.
"""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from dataclasses import dataclass, field

from . import limits, size, statusline
from .events import FREQUENT, KINDS
from .notifier import kinds_wrong, quiet_hours_wrong
from .tables import BAD_PATTERN, LARGEST, QUOTED, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Value = str | int | float

RECORD = ("all", "screen", "off")
"""How much of a session can be remembered: all, what it shows last, nothing."""


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


THEMES = ("auto", "dark", "light", "mono")
"""What the view can look like."""

LONGEST = 1 << 16
"""Characters of a file that are looked at: it is parsed again and again to find the lines of what is wrong."""

MOST_PARSED = 40
"""Parts of a file that are parsed to find a line: 7 where no value has several lines."""

MOST_WARNINGS = 10
"""Mistakes that are told one by one."""

_KEY = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]|C-[a-hj-ln-z\\\]^_]|C-Space|M-[!-Z\\-~]|Escape|Tab")
"""What every terminal can send: ``C-i`` is Tab, ``C-m`` Enter, ``C-[`` Escape, and shift with ctrl is often lost."""


def _a_key(value: Value) -> str:
    return "" if _KEY.fullmatch(str(value)) else "is not a key such as 'C-b'"


def _a_size(value: Value) -> str:
    try:
        size.parsed(str(value))
    except ValueError:
        return "is not COLUMNSxROWS, such as '120x40'"
    return ""


def _a_command(value: Value) -> str:
    try:
        shlex.split(str(value))
    except ValueError as error:
        return f"is no command line ({error})".lower()
    return ""


def _a_regex(value: Value) -> str:
    try:
        re.compile(str(value))
    except BAD_PATTERN as error:
        return f"is no regular expression ({error})"
    return ""


def _one_of(*words: str) -> Callable[[Value], str]:
    return lambda value: "" if value in words else f"is none of {', '.join(words)}"


def _at_least(least: float) -> Callable[[Value], str]:
    def check(value: Value) -> str:
        if not (isinstance(value, (int, float)) and value >= least):
            return f"is below {least:g}"
        return "" if value <= LARGEST else f"is above {LARGEST}"

    return check


OPTIONS = (
    Option("prefix", "C-b", "The prefix key.", _a_key),
    Option("default-command", "", "What a session without a command runs; empty: the user's shell.", _a_command),
    Option("default-agent", "claude", "What agentmux run starts: an agent, or a command line.", _a_command),
    Option(
        "default-size", "{}x{}".format(*size.DETACHED), "Size of a session that nobody has attached to yet.", _a_size
    ),
    Option(
        "history-lines",
        500,
        "Rows of scrollback printed above the screen at attach; 0: none, -1: as many as the screen has.",
        _at_least(-1),
    ),
    Option("window-size", "latest", "Whose size a session takes: latest, smallest or manual.", _one_of(*size.POLICIES)),
    Option("status", "off", "A line with the session's state: off, bottom or top.", _one_of(*statusline.PLACES)),
    Option("set-clipboard", "on", "Whether programs may set the leading client's clipboard.", _one_of("on", "off")),
    Option("scrollback-bytes", 10_000_000, "Memory for the scrollback of one session, in bytes.", _at_least(0)),
    Option(
        "journal-bytes",
        268_435_456,
        "Raw output kept on disk for one session, in bytes; the oldest goes first.",
        _at_least(16_777_216),
    ),
    Option(
        "store-bytes",
        10_000_000_000,
        "Compressed recordings kept on disk for all sessions, in bytes; the oldest go first; 0: any number.",
        _at_least(0),
    ),
    Option("keep-days", 0, "Days for which recordings are kept; 0: for ever.", _at_least(0)),
    Option(
        "record",
        "all",
        "How much of a session is remembered: all, screen (what it shows last) or off.",
        _one_of(*RECORD),
    ),
    Option("redact", "", "A regular expression: what matches is neither indexed nor exported.", _a_regex),
    Option(
        "agent-hooks",
        "on",
        "Whether agents are started with hooks that tell what they do, where their profile says how.",
        _one_of("on", "off"),
    ),
    Option("typing-pause", 3.0, "Seconds for which nobody may have typed before a prompt is delivered.", _at_least(0)),
    Option(
        "notify",
        "waiting stalled",
        "What people are told of sessions that nobody looks at: waiting, stalled, done, exited.",
        kinds_wrong,
    ),
    Option("quiet-hours", "", "When nobody is told, such as '22:00-07:30'; empty: never.", quiet_hours_wrong),
    Option("notify-desktop", "off", "Whether the desktop shows notifications, too.", _one_of("on", "off")),
    Option(
        limits.LABEL,
        "off",
        "Whether sessions go on by themselves after a usage limit, where their profile says how.",
        _one_of(*limits.SWITCH),
    ),
    Option("view-theme", "auto", "The view's colours: auto (the terminal's), dark, light, mono.", _one_of(*THEMES)),
    Option("view-mouse", "on", "Whether the view takes the mouse.", _one_of("on", "off")),
    Option(
        "view-animation",
        "on",
        "Whether the view moves, or draws twice a second at most.",
        _one_of("on", "off"),
    ),
    Option("view-plain", "off", "Whether the view is plain, for a screen reader.", _one_of("on", "off")),
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
    "[": "scrollback",
    "?": "help",
}
"""Keys after the prefix; the table ``[keys]`` of the file adds to it, an empty action removes one."""

ACTIONS = frozenset(BINDINGS.values())

VIEW_ACTIONS = frozenset(
    {
        *("answer", "attach", "close", "copy-reply", "detach-others", "down", "drop-prompt", "export", "filter"),
        *("find", "find-in-preview", "first", "forget", "fork", "grid", "group", "help", "interrupt", "kill"),
        *("label", "last", "mark", "mark-all", "messages", "mute", "new", "next-needing", "page-down", "page-up"),
        *("palette", "pause-queue", "prompt", "queue", "quit", "redraw", "rename", "restart", "resume"),
        *("screen", "sort"),
        *("suspend", "undo", "unmark", "up", "why", "zoom"),
    }
)
"""What the table ``[view-keys]`` can bind a key to; the view has the table of what they do."""

_VIEW_KEY = re.compile(r"Up|Down|Left|Right|Page(Up|Down)|Home|End|Enter|Space|Delete|F[1-9]|F1[0-2]")
"""Keys of the view besides those that can be bound behind the prefix."""


@dataclass(frozen=True, slots=True)
class Config:
    """What holds now.

    Attributes:
        values: one for each of OPTIONS.
        warnings: lines for the user, each naming file and line.
        hooks: shell commands by the kind of event that they are run at.
        view_keys: changes of the view's keys: actions by keys, empty to take one away.
    """

    values: Mapping[str, Value]
    keys: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    hooks: Mapping[str, str] = field(default_factory=dict)
    view_keys: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return a string option."""
        return str(self.values[name])

    def number(self, name: str) -> int:
        """Return a whole-number option."""
        return int(self.values[name])

    def history_rows(self, screen: int) -> int:
        """Return how many rows go above a screen of that many at attach."""
        rows = self.number("history-lines")
        return screen if rows < 0 else rows

    def seconds(self, name: str) -> float:
        """Return an option in seconds."""
        return float(self.values[name])


DEFAULT = Config({option.name: option.default for option in OPTIONS}, BINDINGS)


def parse(text: str, path: str) -> Config:
    """Return the configuration that the file's ``text`` gives."""
    if len(text) > LONGEST:
        return Config(DEFAULT.values, DEFAULT.keys, (f"{path}: is longer than {LONGEST}; defaults hold",))
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the second for nesting, the first also for absurdly long numbers
        return Config(DEFAULT.values, DEFAULT.keys, (f"{path}: {lower(str(error))}; defaults hold",))
    values = dict(DEFAULT.values)
    keys = dict(BINDINGS)
    hooks: dict[str, str] = {}
    view_keys: dict[str, str] = {}
    warnings: list[str] = []
    untold = 0

    def warn(what: str, *name: str) -> None:
        nonlocal untold
        if len(warnings) < MOST_WARNINGS:
            warnings.append(f"{path}: line {line_of(text, name)}: {what}")
        else:
            untold += 1

    for name, value in table.items():
        option = next((option for option in OPTIONS if option.name == name), None)
        if name == "keys" and isinstance(value, dict):
            for key, action in value.items():
                if _a_key(key) and not re.fullmatch(r"Up|Down|Left|Right|Page(Up|Down)|Home|End", key):
                    warn(f"{quoted(key)} {_a_key(key)}", name, key)
                elif action == "":
                    keys.pop(key, None)
                elif isinstance(action, str) and action in ACTIONS:
                    keys[key] = action
                else:
                    warn(f"no action {quoted(action)}; one of: {', '.join(sorted(ACTIONS))}", name, key)
        elif name == "view-keys" and isinstance(value, dict):
            for key, action in value.items():
                if _a_key(key) and not _VIEW_KEY.fullmatch(key):
                    warn(f"{quoted(key)} {_a_key(key)}", name, key)
                elif isinstance(action, str) and action in VIEW_ACTIONS | {""}:
                    view_keys[key] = action
                else:
                    warn(f"no action {quoted(action)}; one of: {', '.join(sorted(VIEW_ACTIONS))}", name, key)
        elif name == "hooks" and isinstance(value, dict):
            for event, command in value.items():
                if event not in KINDS or event in FREQUENT:
                    warn(f"no event {quoted(event)} to run a command at", name, event)
                elif not isinstance(command, str):
                    warn(f"{quoted(event)} needs a command, a string", name, event)
                elif command:
                    hooks[event] = command
        elif option is None:
            warn(f"no option {quoted(name)}", name)
        elif not _fits(value, option.default):
            warn(f"{name!r} needs a {type(option.default).__name__}; its default {option.default!r} holds", name)
        elif wrong := option.check(value):
            warn(f"{name!r}: {quoted(value)} {wrong}; its default {option.default!r} holds", name)
        else:
            values[name] = value
    if untold:
        warnings.append(f"{path}: {untold} more lines are wrong")
    return Config(values, keys, tuple(warnings), hooks, view_keys)


def _fits(value: object, default: Value) -> bool:
    if isinstance(value, bool):
        return isinstance(default, bool)
    if isinstance(default, float):
        return isinstance(value, (int, float))
    return isinstance(value, type(default))


def line_of(text: str, name: Sequence[str | int]) -> int:
    """Return the line on which what sets ``name`` begins: the parser tells of no lines, so it gets parts of the text.

    A number in ``name`` is a place in an array. Where nothing sets it, or it can't be told in time, a line before.
    """
    lines = text.split("\n")
    before, behind = 0, len(lines)  # so many lines don't have it, so many do
    parsed = 0
    while behind - before > 1 and parsed < MOST_PARSED:
        middle = (before + behind) // 2
        for at in (*range(middle, behind), *range(middle - 1, before, -1)):  # it may be in the middle of a value
            parsed += 1
            found = _parsed(lines[:at])
            if found is not None or parsed >= MOST_PARSED:
                break
        else:
            break
        if found is None:
            break
        if _has(found, name):
            behind = at
        else:
            before = at
    return before + 1


def _parsed(lines: Sequence[str]) -> object:
    try:
        return tomllib.loads("\n".join(lines) + "\n")
    except (ValueError, RecursionError):
        return None


def _has(found: object, name: Sequence[str | int]) -> bool:
    for part in name:
        if isinstance(found, list):
            found = found[part] if isinstance(part, int) and part < len(found) else None
        else:
            found = found.get(part) if isinstance(found, dict) else None
    return found is not None


def lower(text: str) -> str:
    """Return a sentence as the rest of one, without its middle where it is long: at its end stands the line."""
    text = text if len(text) <= 2 * QUOTED else text[:QUOTED] + "..." + text[-QUOTED:]
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
                    self._config = parse(file.read(LONGEST + 1), self._path)
                self._seen = stamp
        except FileNotFoundError:
            self._config, self._seen = DEFAULT, None
        except (OSError, UnicodeDecodeError) as error:
            self._config = Config(DEFAULT.values, DEFAULT.keys, (f"{self._path}: {error}; defaults hold",))
            self._seen = None
        return self._config
