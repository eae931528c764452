"""What stands where a prompt is typed: on real screens, and on those that the agents draw around a draft."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agentmux.mux.composer import Composer, parsed
from agentmux.mux.profiles import Profiles

PROFILES = {profile.name: profile for profile in Profiles("/nonexistent").all()}
SCREENS = sorted((Path(__file__).parent.parent / "screens").glob("*.txt"))
RULE = "\u2500" * 40
FAINT, PLAIN, INVERSE = "\x1b[2m", "\x1b[0m", "\x1b[7m"


TYPED = {
    "aider.slash",
    "copilot.plain-multiline",
    "copilot.plain-slash",
    "copilot.slash",
    "qwen.slash",
    "claude.after-fail",
    "claude.after-limit",
}
"""Screens with a draft; Claude Code puts back what it was interrupted at."""


def screen(path: Path) -> tuple[str, str, list[str]]:
    """Return the agent of a recorded screen, what it does, and its rows."""
    text = path.read_text(encoding="utf-8")
    said = dict(re.findall(r"^([a-z]\S*): ?(.*)$", text, re.MULTILINE))
    return said["agent"], said["expected"], [line[1:] for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("path", SCREENS, ids=lambda path: path.stem)
def test_a_dialog_is_no_place_for_prompts_and_rest_is_an_empty_one(path: Path) -> None:
    name, expected, rows = screen(path)
    composer = PROFILES[name].composer
    if not composer.known:
        pytest.skip(f"{name} has no prompt.box")
    text = composer.text(rows)
    if expected.startswith("waiting") and expected not in ("waiting limit", "waiting error"):
        assert text is None
    elif expected == "idle" and path.stem not in TYPED:
        assert text == ""


def claude(*rows: str) -> list[str]:
    return ["\u25cf reply", RULE, *rows, RULE, "  ? for shortcuts"]


def codex(*rows: str) -> list[str]:
    return ["\u2022 reply", "", *rows, "", "  model \u00b7 /work", "  ? for shortcuts"]


def gemini(*rows: str) -> list[str]:
    return ["\u2584" * 40, *rows, "\u2580" * 40, " workspace"]


def opencode(*rows: str) -> list[str]:
    bar = "  \u2503"
    return [
        f"{bar}  an older prompt",
        "",
        bar,
        *(f"{bar}  {row}" for row in rows),
        bar,
        f"{bar}  Build \u00b7 Model",
        "  \u2579" + "\u2580" * 40,
        "   ctrl+p commands",
    ]


@pytest.mark.parametrize(
    ("name", "rows", "text"),
    [
        ("claude", claude("\u276f\xa0"), ""),
        ("claude", claude(f"\u276f\xa0{INVERSE} {PLAIN}"), ""),
        ("claude", claude("\u276f\xa0a draft"), "a draft"),
        ("claude", claude("\u276f\xa0a", "  b", "", "  c"), "a\nb\n\nc"),
        ("claude", claude(f"\u276f\xa0{FAINT}run the tests{PLAIN}"), ""),
        ("claude", claude(f"\u276f\xa0{INVERSE}r{PLAIN}{FAINT}un the tests{PLAIN}"), ""),
        ("claude", claude(f"\u276f\xa0{INVERSE}x{PLAIN}"), "x"),
        ("codex", codex(f"\x1b[1m\u203a{PLAIN} {FAINT}Ask Codex to do anything{PLAIN}"), ""),
        ("codex", codex("\u203a a draft"), "a draft"),
        ("codex", codex("\u203a a", "", "  b"), "a\n\nb"),
        ("codex", ["\u203a a            \u2191", *["  b"] * 20], "a\n" + "\n".join(["b"] * 20)),
        ("gemini", gemini(" >   Type your message or @path/to/file"), ""),
        ("gemini", gemini(" > first", "   second"), "first\nsecond"),
        ("opencode", opencode('Ask anything\u2026 "Fix broken tests"'), ""),
        ("opencode", opencode("a draft", "of two lines"), "a draft\nof two lines"),
        ("opencode", opencode("a draft" + " " * 60 + "beside it"), "a draft"),
    ],
)
def test_what_stands_there(name: str, rows: list[str], text: str) -> None:
    assert PROFILES[name].composer.text(rows) == text


def test_without_such_a_place_there_is_none() -> None:
    for profile in PROFILES.values():
        assert profile.composer.text(["$ ls", "file", "$"]) is None
        assert profile.composer.text([]) is None


@pytest.mark.parametrize(
    ("shown", "text", "holds"),
    [
        ("do it", "do it", True),
        ("do\nit", "do it", True),
        ("do", "do it", False),
        ("do it now", "do it", False),
        ("[Pasted 99]", "anything", True),
        ("x [Pasted 99]", "anything", False),
        ("", "", False),
    ],
)
def test_whether_a_prompt_is_what_stands_there(shown: str, text: str, holds: bool) -> None:
    assert Composer(box="(.*)", folded=r"\[Pasted \d+\]").holds(shown, text) is holds


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"boxes": ""}, "no key 'prompt.boxes'"),
        ({"box": "no group"}, "'prompt.box' needs one group"),
        ({"box": "("}, "is no regular expression"),
        ({"settle": "soon"}, "needs a number of seconds"),
        ({"settle": -1}, "needs a number of seconds"),
        ({"submit": "Enter"}, "needs a list of words"),
    ],
)
def test_a_profile_that_is_wrong_is_refused(table: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parsed(table, lambda what, *key: ValueError(what))
