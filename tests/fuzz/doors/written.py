"""What people write: the configuration, profiles, and the words of a command line."""

from __future__ import annotations

import contextlib
import io
import os
import re
import warnings
from collections.abc import Callable, Iterator
from random import Random

from mutation import NUMBERS, WORDS, damaged, lines_damaged
from target import Run, Target, plainly

from agentmux.cli.output import formatted, matches, safe
from agentmux.mux import config, size
from agentmux.mux.errors import AgentmuxError, BadUsage
from agentmux.mux.profiles import BadProfile, parse
from agentmux.mux.targets import checked_name, find, free_name

VALUES = (
    b"true", b"[]", b"{}", b"'x'", b"[[]]", b'"\\u0000"', b"1979-05-27T07:32:00Z", b"07:32:00", b"-1", b"inf",
    b"nan",
    *(b"0x" + b"f" * 4400, b"1" * 400, b"[1]", b"['']", b"['a', 1]", b"[{}]", b"{a = 1}", b"''", b'"""\n"""', b"0.5"),
    *(b"'('", b"'a{99999999999}'", b"'(?P<x>'", b"'[[a]'", b"'(a+)+$'", b"'" + b"(" * 120 + b"'", b"'\\8'", b"'C-b'"),
    *(b"'1" + b"0" * 30 + b"x1'", b"'x'", b"'22:00-07:30'", b"'waiting done'", b"'\xe2\x82\xac'"),
)  # fmt: skip


def line_damaged(random: Random, line: bytes) -> bytes:
    """Give a key another value, or damage its line."""
    key, equals, _ = line.partition(b"=")
    if equals and random.random() < 0.7:
        return key + b"= " + random.choice(VALUES)
    if random.random() < 0.1:
        return line + b"\n" + b"\n".join(b"k%d = %d" % (n, n) for n in range(random.choice((3, 300))))
    return damaged(random, line, (*WORDS, *VALUES))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def configured(data: bytes) -> None:
    """Read a configuration file, and ask for each of its options."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return  # refused where the file is read
    with _quiet():
        found = config.parse(text, "/c")
    for warning in found.warnings:
        assert warning.startswith("/c: ") and len(warning) < 1000, "a warning is no line"
        safe(warning).encode()
    for option in config.OPTIONS:
        value = found.values[option.name]
        assert isinstance(value, type(option.default)) or isinstance(option.default, float), option.name
        assert not option.check(value), f"{option.name} holds what is refused"
        {str: found.text, int: found.number, float: found.seconds}[type(option.default)](option.name)
    assert set(found.keys.values()) <= config.ACTIONS
    re.compile(found.text("redact"))


def profiled(data: bytes) -> None:
    """Read a profile, and use its patterns once."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return
    try:
        with _quiet():
            profile = parse(text, "/p/x.toml")
    except BadProfile as error:
        assert len(str(error)) < 2000 and str(error).startswith("/p/x.toml: ")
        safe(str(error)).encode()
        return
    with _quiet():
        profile.signs.screen(["a screen", "> "], 1.0)
        profile.signs.title("title", 1.0)
        profile.signs.dialog(["1. yes"], 1.0)
        profile.conversations.started(["--x", "y"], "00000000-0000-0000-0000-000000000000")
        profile.conversations.on_screen(["resume with x"])
        profile.conversations.in_file("/home/x/y.jsonl")
        profile.hooks.injected(["a"], ["b"])
        profile.events.injected(["a"], 1)
        profile.log.entry('{"type": "user", "message": {"content": "x"}, "timestamp": "2026-01-01T00:00:00Z"}')
        list(profile.log.paths({"HOME": "/h"}, "id"))
        profile.published.path(1, {"HOME": "/h"})
    assert profile.stall >= 0 or profile.stall < 0, "no number"


FACTS: dict[str, object] = {
    "id": 7,
    "name": "api",
    "state": "running",
    "exit_status": None,
    "command": "claude --resume",
    "cwd": "/home/\udcff",
    "age": 77777,
    "attached": 1,
    "size": [80, 24],
    "labels": {"team": "a\x1b", "": "b"},
    "argv": ["a", "b c"],
    "created": 1.5,
    "cost": 0.25,
    "options": ["yes"],
    "status": "waiting",
}


class _Named:
    def __init__(self, id: int, name: str, live: bool, labels: dict[str, str]) -> None:
        self.id, self.name, self.live, self.labels = id, name, live, labels


SESSIONS = [
    _Named(1, "api", True, {"team": "a"}),
    _Named(2, "api-2", True, {"team": "a", "x": "y"}),
    _Named(3, "web", False, {}),
    _Named(44, "api", False, {"": ""}),
]


def _tried(call: Callable[[], object]) -> None:
    """Do what may refuse, with an error that people can read."""
    try:
        with _quiet():
            call()
    except AgentmuxError as error:
        for text in (error.problem, error.hint):
            assert "\n" not in text.replace("\\n", "") or "'" in text, "an error is no line"


def worded(data: bytes) -> None:
    """Use words of a command line as a filter, a format, a target, a name and a size, each on its own line."""
    for word in data.split(b"\n")[:20]:
        text = os.fsdecode(word.replace(b"\0", b""))

        def filtered(text: str = text) -> None:
            assert matches(text, FACTS) in (True, False)

        def shown(text: str = text) -> None:
            out = formatted(text, FACTS)
            out.encode("utf-8", "surrogateescape")
            assert len(out) <= 200 * len(text) + 10

        _tried(filtered)
        _tried(shown)
        _tried(lambda text=text: find(text, SESSIONS))  # type: ignore[misc]
        _tried(lambda text=text: checked_name(text))  # type: ignore[misc]
        assert checked_name(free_name(text, ["api", "session"]))
        with contextlib.suppress(ValueError):
            columns, rows = size.parsed(text)
            assert 1 <= columns <= 1000 and 1 <= rows <= 500
        assert len(str(BadUsage(text[:10]))) < 100


WORDED = (
    b"name=api", b"labels.team!=a", b"command~^cl", b"{name}\\t{labels.team}", b"team=a", b"80x24",
    b"name~a{9999999999}",
    *(b"name~(", b"age~" + b"(" * 200, b"{labels." + b"x" * 99 + b"}", b"{size} {cost}", b"x=", b"=", *NUMBERS[:20]),
)  # fmt: skip


def word_damaged(random: Random, data: bytes) -> bytes:
    """Damage one of the words, or put another in its place."""
    return random.choice(WORDED) if random.random() < 0.2 else damaged(random, data, (*WORDS, *WORDED))


@contextlib.contextmanager
def opened_profiles() -> Iterator[Run]:
    """Open nothing."""
    yield profiled


TARGETS = (
    Target(
        "config",
        "Whatever the file says, each option has a value that it may have, and each mistake is one short line.",
        plainly(configured),
        lines_damaged(line_damaged),
        share=2,
        tries=120,
    ),
    Target(
        "profiles",
        "Whatever a profile says, it is one that can be used, or a BadProfile of one short line.",
        opened_profiles,
        lines_damaged(line_damaged),
        share=2,
        tries=60,
    ),
    Target(
        "words",
        "Whatever word is given as a filter, format, target, name or size, it is one or refused in one short line.",
        plainly(worded),
        lines_damaged(word_damaged),
        tries=400,
    ),
)
