"""Which agent a command line starts, also behind wrappers, shells, interpreters and package runners. Pure.

Only what is written there counts, and a doubt is a no: a program that is taken for an agent would be typed into.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DEEPEST = 8
"""Wrappers in wrappers that are looked into."""

WRAPPERS: dict[str, frozenset[str]] = {
    "caffeinate": frozenset({"-t", "-w"}),
    "chrt": frozenset(),
    "command": frozenset(),
    "env": frozenset({"-u", "--unset", "-C", "--chdir"}),
    "exec": frozenset({"-a"}),
    "ionice": frozenset({"-c", "-n"}),
    "nice": frozenset({"-n"}),
    "nohup": frozenset(),
    "setsid": frozenset(),
    "stdbuf": frozenset({"-i", "-o", "-e"}),
    "time": frozenset({"-f", "-o"}),
    "timeout": frozenset({"-k", "-s"}),
}
"""Commands that run what follows, and those of their options that take the next word."""

POSITIONAL = {"timeout": 1, "chrt": 1}
"""Words of their own that stand between their options and what they run."""

RUNNERS: dict[str, frozenset[str]] = {
    "bunx": frozenset(),
    "npx": frozenset(),
    "pnpx": frozenset(),
    "uvx": frozenset(),
    "bun": frozenset({"x"}),
    "npm": frozenset({"exec", "x"}),
    "pipx": frozenset({"run"}),
    "pnpm": frozenset({"dlx", "exec"}),
    "uv": frozenset({"run"}),
    "yarn": frozenset({"dlx", "exec"}),
}
"""Commands that run a package, and the words that make them do so, none for always."""

RUNNER_VALUES = frozenset({"-p", "--package", "--from", "--with", "--python", "--registry"})
INTERPRETERS = re.compile(r"(?:node|nodejs|bun|deno|python[0-9.]*|pypy[0-9.]*)\Z")
INTERPRETER_VALUES = frozenset({"-r", "--require", "--import", "--loader", "-W", "-X"})
SHELLS = frozenset({"ash", "bash", "dash", "fish", "ksh", "mksh", "sh", "zsh"})

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_VERSION = re.compile(r"(?<=.)@[^/@]*\Z|(?:==|>=|~=|\[).*\Z")


@dataclass(frozen=True, slots=True)
class Marks:
    """By what one agent is known: the names of its commands, and of the packages that hold them."""

    commands: frozenset[str]
    packages: frozenset[str] = frozenset()


def recognised(argv: Sequence[str], agents: Iterable[tuple[str, Marks]]) -> str | None:
    """Return the name of the agent that ``argv`` starts, None where it is none that is known."""
    known = list(agents)
    for word in _programs(list(argv), DEEPEST):
        for name, marks in known:
            if _is(word, marks):
                return name
    return None


def place(argv: Sequence[str], marks: Marks) -> int | None:
    """Return where in ``argv`` the agent's own words begin; None where they are a part of a shell's command."""
    programs = _programs(list(argv), DEEPEST)
    scripts = [
        at for at, word in enumerate(argv) if _base(word) in SHELLS and _script(list(argv[at + 1 :])) is not None
    ]
    end = scripts[0] if scripts else len(argv)
    found = [at for at, word in enumerate(argv[:end]) if word in programs and _is(word, marks)]
    return found[-1] + 1 if found else None


def _is(program: str, marks: Marks) -> bool:
    package = _VERSION.sub("", program)
    return (
        package in marks.packages
        or _base(package) in marks.commands
        or any(f"/node_modules/{one}/" in program for one in marks.packages)
    )


def _programs(words: list[str], depth: int) -> list[str]:
    """Return the programs that these words run, as a path or the name of a package; those of a shell's commands too."""
    while words and _ASSIGNMENT.match(words[0]):
        words = words[1:]
    if not words or depth == 0:
        return []
    program, *rest = words
    name = _base(program)
    if name in WRAPPERS:
        return _programs(_behind(rest, WRAPPERS[name])[POSITIONAL.get(name, 0) :], depth - 1)
    if name in SHELLS and (script := _script(rest)) is not None:
        return [found for command in _commands(script) for found in _programs(command, depth - 1)]
    if name in RUNNERS and (not RUNNERS[name] or (rest[:1] and rest[0] in RUNNERS[name])):
        return _behind(rest[bool(RUNNERS[name]) :], RUNNER_VALUES)[:1]
    if name == "uv" and rest[:2] == ["tool", "run"]:
        return _behind(rest[2:], RUNNER_VALUES)[:1]
    if INTERPRETERS.match(name):
        return _interpreted(rest)
    if "--" in rest and name != "--":  # an unknown wrapper, such as: direnv exec . -- claude
        behind = _programs(rest[rest.index("--") + 1 :], depth - 1)
        return [program, *behind]
    return [program]


def _base(path: str) -> str:
    base = path.rsplit("/", 1)[-1]
    return re.sub(r"\.(?:exe|cmd|js|mjs|cjs|py)\Z", "", base)


def _behind(words: list[str], values: frozenset[str]) -> list[str]:
    """Return the words behind leading options; of ``values`` each takes the next word, too."""
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "-":
        if words[at] == "--":
            return words[at + 1 :]
        at += 2 if words[at] in values else 1
    return words[at:]


def _script(words: list[str]) -> str | None:
    """Return what a shell gets with -c, also as in -lc."""
    for at, word in enumerate(words):
        if not word.startswith("-") or word == "--":
            return None
        if re.fullmatch(r"-[a-z]*c", word):
            return words[at + 1] if at + 1 < len(words) else None
    return None


def _commands(script: str) -> list[list[str]]:
    """Return the simple commands of a shell script, as far as splitting at control operators goes."""
    lexer = shlex.shlex(script.replace("\n", ";"), posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    commands: list[list[str]] = [[]]
    try:
        for word in lexer:
            if re.fullmatch(r"[();<>|&]+", word):
                commands.append([])
            else:
                commands[-1].append(word)
    except ValueError:  # a quote that does not end
        return []
    return commands


def _interpreted(words: list[str]) -> list[str]:
    for at, word in enumerate(words):
        if word == "-m":
            return words[at + 1 : at + 2]
        if not word.startswith("-"):
            break
    return _behind(words, INTERPRETER_VALUES)[:1]
