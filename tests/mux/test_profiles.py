"""Profiles of agents: ours, the user's, and what is wrong with one."""

import os
from pathlib import Path

import pytest

from agentmux.mux.profiles import FOLDER, BadProfile, Profiles, parse, read


def name(profiles: Profiles, command: str) -> str | None:
    profile = profiles.of([command])
    return profile.name if profile else None


RULE = """[[signs.rules]]
name = "x"
says = "waiting"
where = "dialog"
every = ['x']
about = "trust"
"""
GOOD = 'title = "Mine"\n[recognise]\ncommands = ["mine"]\n'


def test_all_of_ours_are_good() -> None:
    profiles = Profiles("/nonexistent")
    names = [one.name for one in profiles.all()]
    assert names == sorted(name.removesuffix(".toml") for name in os.listdir(FOLDER))
    assert {"claude", "codex", "gemini", "opencode", "aider", "copilot", "pi", "qwen", "shell"} <= set(names)
    assert profiles.warnings == []


def test_the_users_own_come_first_and_are_read_again(tmp_path: Path) -> None:
    profiles = Profiles(str(tmp_path))
    assert name(profiles, "mine") is None
    (tmp_path / "mine.toml").write_text(GOOD)
    assert name(profiles, "mine") == "mine"
    (tmp_path / "claude.toml").write_text(GOOD.replace("mine", "klaus"))
    assert (name(profiles, "klaus"), name(profiles, "claude")) == ("claude", None)
    os.unlink(tmp_path / "claude.toml")
    assert (name(profiles, "klaus"), name(profiles, "claude")) == (None, "claude")


def test_a_bad_one_is_left_out_and_told(tmp_path: Path) -> None:
    (tmp_path / "claude.toml").write_text("titel = 1\n")
    profiles = Profiles(str(tmp_path))
    assert name(profiles, "claude") == "claude"
    assert len(profiles.warnings) == 1 and "line 1: no key 'titel'" in profiles.warnings[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title = ", "invalid value (at end of document)"),
        (
            'title = "x"\n\nnonsense = 1\n',
            "line 3: no key 'nonsense'; there are: title, tested, version, record, stall, recognise, conversation, ",
        ),
        ("\ntitle = 1\n", "line 2: 'title' needs a string"),
        ('title = "x"\nversion = "x"\n', "line 2: 'version' needs a list of words"),
        ('title = "x"\nversion = [1]\n', "line 2: 'version' needs a list of words"),
        ('title = "x"\nrecognise = 5\n', "line 2: 'recognise' needs a table"),
        ('title = "x"\nrecord = "some"\n', "line 2: 'record' must be one of all, screen, off"),
        (GOOD + "command = []\n", "line 4: no key 'recognise.command'; there are: commands, packages"),
        (GOOD + 'packages = [""]\n', "line 4: 'recognise.packages' needs a list of words"),
        (GOOD + "[signs]\nrule = []\n", "line 5: no key 'signs.rule'; there are: composer, rules"),
        (
            GOOD + "[signs]\ncomposer = '('\n",
            "line 5: '(' is no regular expression: missing ), unterminated subpattern",
        ),
        (GOOD + RULE + RULE.replace("every", "evry"), "line 14: no key 'evry' of a rule; there are: name, says, "),
        (GOOD + RULE.replace("dialog", "title") + "paste = true\n", "line 10: 'paste' is for rules of the screen"),
        (GOOD + RULE + "paste = 1\n", "line 10: 'paste' needs true or false"),
        (GOOD + RULE.replace("['x']", "'x'"), "line 8: 'every' needs a list of patterns"),
        (GOOD + RULE.replace("waiting", "resting"), "line 6: 'says' must be one of working, waiting, idle"),
        (GOOD + "[limit]\nresume = ['Escape']\n", "line 4: 'limit.prompt' needs a line of text"),
        (
            GOOD + RULE.replace("'x'", f"'x{{{'9' * 5000}}}'"),
            "line 4: 'x{" + "9" * 94 + "... is no regular expression: ",
        ),
        (GOOD + "x" * 5000 + " = 1\n", "line 4: no key 'recognise." + "x" * 86 + "...; there are: "),
        (GOOD + "[limit]\nprompt = 'go on'\nmargin = -1\n", "line 6: 'limit.margin' is below 0"),
        (GOOD + RULE.replace("dialog", "there"), "line 7: 'where' must be title, screen, dialog, 'bottom N'"),
        (GOOD + RULE.replace("about", "# about"), "line 4: 'about' must be one of approval, question, "),
        (GOOD + RULE.replace("'x'", "'['"), "line 4: '[' is no regular expression: "),
        (
            GOOD + RULE.replace("'x'", "'x{99999999999}'"),
            "line 4: 'x{99999999999}' is no regular expression: the repetition number is too large",
        ),
        (GOOD + RULE.replace("'x'", f"'{'(' * 9000}'"), "line 4: '" + "(" * 96 + "... is no regular expression: "),
        (GOOD + f"[limit]\nprompt = 'go on'\nmargin = {1 << 50}\n", "line 6: 'limit.margin' is above"),
        (GOOD + "#" * 70_000, "is longer than 65536"),
        (GOOD.replace("title", "tested"), "'title' is missing"),
        ('title = "x"\n', "'recognise.commands' is missing: what is it started with?"),
        ("a = " + "[" * 5000, "too deep"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(BadProfile) as caught:
        parse(text, "/x/mine.toml")
    assert caught.value.problem.startswith("/x/mine.toml: ")
    if problem != "too deep":
        assert caught.value.problem.startswith(f"/x/mine.toml: {problem}")


def test_what_can_not_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match="no such file"):
        read(str(tmp_path / "none.toml"))
    with pytest.raises(BadProfile, match="is a directory"):
        read(str(tmp_path))
    (tmp_path / "x.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(BadProfile, match="not UTF-8"):
        read(str(tmp_path / "x.toml"))
