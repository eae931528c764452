"""What screens and titles of agents say: real ones, those that a user reported, and rules taken away.

A file in ``tests/screens`` is a test: what ``agentmux report`` writes, with what is right in its line ``expected``.
"""

import os
import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from agents import moments, recordings

from agentmux.mux.profiles import Profile, Profiles
from agentmux.mux.signs import Rule, Signs
from agentmux.mux.verdict import Source, Status, Verdict, judge

SCREENS = Path(__file__).parent.parent / "screens"
PROFILES = {profile.name: profile for profile in Profiles("/nonexistent").all()}


class Shown:
    """One file of SCREENS."""

    def __init__(self, path: Path) -> None:
        lines = path.read_text(encoding="utf-8").splitlines()
        said = dict(re.findall(r"^([a-z]\S*): ?(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE))
        self.name = path.stem
        self.profile = PROFILES[said["agent"]]
        status, _, self.about = said["expected"].partition(" ")
        self.status = Status(status)
        self.title = said.get("title", "")
        self.paste = {"on": True, "off": False}.get(said.get("paste", ""))
        self.rows = [line[1:] for line in lines if line.startswith("|")]

    def __repr__(self) -> str:
        return self.name

    def verdict(self, signs: Signs, *, rows: list[str] | None = None) -> Verdict:
        screen = signs.screen(self.rows if rows is None else rows, 1.0, paste=self.paste)
        found = [signs.title(self.title, 1.0), screen]
        return judge({one.source: one for one in found if one is not None}, 2.0)


ALL = [Shown(path) for path in sorted(SCREENS.glob("*.txt"))]
WAITING = [shown for shown in ALL if shown.status is Status.WAITING]
DIALOGS = [shown for shown in WAITING if not shown.profile.signs.takes_prompt(shown.rows)]
LINES = [shown for shown in WAITING if shown not in DIALOGS]


def test_there_are_screens_of_each_kind() -> None:
    names = {"aider", "claude", "codex", "copilot", "gemini", "opencode", "qwen"}
    assert {shown.profile.name for shown in ALL} >= names
    assert {shown.status for shown in ALL} >= {Status.WORKING, Status.WAITING, Status.IDLE}


@pytest.mark.parametrize("shown", ALL, ids=repr)
def test_a_screen_says_what_is_right(shown: Shown) -> None:
    verdict = shown.verdict(shown.profile.signs)
    assert (verdict.status, verdict.about) == (shown.status, shown.about)


@pytest.mark.parametrize("shown", DIALOGS, ids=repr)
def test_a_dialog_is_read(shown: Shown) -> None:
    reading = shown.profile.signs.screen(shown.rows, 1.0, paste=shown.paste)
    assert reading is not None and reading.source is Source.SCREEN
    assert len(reading.options) >= 2, reading
    assert re.search(r"touch|sleep|colour|trust|git|What do you want", reading.text), reading


@pytest.mark.parametrize("shown", [one for one in DIALOGS if one.profile.name not in ("aider", "opencode")], ids=repr)
def test_the_first_answer_is_the_marked_one(shown: Shown) -> None:
    """Of opencode's only the colours tell, which are not in these files; aider takes a letter."""
    dialog = shown.profile.signs.dialog(shown.rows, 1.0)
    reading = shown.profile.signs.screen(shown.rows, 1.0)
    assert dialog is not None and reading is not None
    assert dialog.reading == replace(reading, resets=None)
    assert dialog.marked == 0


@pytest.mark.parametrize("shown", DIALOGS, ids=repr)
def test_a_dialog_that_no_rule_knows_is_never_taken_for_rest(shown: Shown) -> None:
    signs = shown.profile.signs
    for removed in signs.rules:
        fewer = Signs(signs.composer, tuple(rule for rule in signs.rules if rule is not removed))
        assert shown.verdict(fewer).status in (Status.WAITING, Status.UNKNOWN), removed.name
    none = Signs(signs.composer, tuple(rule for rule in signs.rules if rule.says is not Status.WAITING))
    assert shown.verdict(none).status in (Status.UNKNOWN, Status.WORKING)


@pytest.mark.parametrize("shown", DIALOGS, ids=repr)
def test_what_is_published_does_not_deny_a_dialog(shown: Shown) -> None:
    from agentmux.mux.verdict import Reading

    idle = Reading(Source.PUBLISHED, Status.IDLE, "program status idle", 3.0)
    for rules in (shown.profile.signs.rules, ()):
        screen = Signs(shown.profile.signs.composer, rules).screen(shown.rows, 1.0, paste=shown.paste)
        assert screen is not None
        assert judge({Source.PUBLISHED: idle, Source.SCREEN: screen}, 4.0).status is not Status.IDLE


@pytest.mark.parametrize("name", recordings())
def test_recorded_agents_at_rest_and_asking(name: str) -> None:
    for moment, (_, rows) in moments(name).items():
        reading = PROFILES[name].signs.screen(rows, 1.0)
        assert reading is not None
        wanted = {"approval": Status.WAITING, "end": Status.UNKNOWN}.get(moment, Status.IDLE)
        assert reading.says is wanted, moment


WORDS = """Do you want to proceed?
❯ 1. Yes
  2. No
Esc to cancel · Tab to amend
• Working (3s • esc to interrupt)
 ⠋ Thinking... (esc to cancel, 3s)
  ⬝⬝■■■■  esc interrupt
Would you like to run the following command?
Press enter to confirm or esc to cancel
│ Allow execution of [Shell]?
△ Permission required
  ⎿  You've hit your session limit · resets 8pm (UTC)
■ You've hit your usage limit. Try again at 3:05 PM.
""".splitlines()  # noqa: RUF001


@pytest.mark.parametrize("shown", [one for one in ALL if one.status is not Status.WAITING], ids=repr)
def test_words_about_dialogs_change_nothing(shown: Shown) -> None:
    """They come where an agent's text stands: above what the screen ends with."""
    signs, rows = shown.profile.signs, shown.rows
    before = shown.verdict(signs)
    at = next((at for at in range(len(rows) - 1, -1, -1) if re.match(r"[●•✦] |     \w", rows[at])), 0) + 1
    for word in WORDS:
        changed = [*rows[:at], f"  {word}", *rows[at:]]
        assert shown.verdict(signs, rows=changed).status is before.status, word


def day(month: int, number: int, hour: int, minute: int) -> float:
    return datetime(2026, month, number, hour, minute, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("name", "resets"),
    [
        ("claude.usage", day(11, 27, 20, 44)),
        ("claude.usage-cancelled", day(11, 27, 20, 44)),
        ("claude.usage-menu", day(11, 30, 1, 48)),
        ("codex.usage", day(11, 27, 20, 45)),
        ("codex.usage-date", day(11, 30, 1, 49)),
        ("claude.approval", None),
    ],
)
def test_when_a_limit_ends_is_read(name: str, resets: float | None) -> None:
    [shown] = [one for one in ALL if one.name == name]
    reading = shown.profile.signs.screen(shown.rows, day(11, 27, 18, 15), zone=UTC)
    assert reading is not None and reading.resets == resets
    if "usage" in name and shown in LINES:
        assert re.match("You.ve hit your ", reading.text) and not reading.options


def test_there_are_limits_that_leave_a_place_to_type_into() -> None:
    assert {shown.profile.name for shown in LINES} == {"claude", "codex"}


@pytest.mark.parametrize("shown", LINES, ids=repr)
def test_a_limit_counts_only_while_it_is_the_last_that_was_said(shown: Shown) -> None:
    signs, rows = shown.profile.signs, shown.rows
    start = next(at for at, row in enumerate(rows) if re.match(r"(■|  ⎿\s+)\s?You.ve hit", row))
    composer = max(at for at, row in enumerate(rows) if re.match("[❯›]", row)) - (shown.profile.name == "claude")  # noqa: RUF001
    for said in ("● It is done.", "• It is done.", "  and more of it"):
        changed = [*rows[:composer], said, "", *rows[composer:]]
        assert shown.verdict(signs, rows=changed).status is not Status.WAITING, said
    prose = [f"  {row.strip()}" if start <= at < composer else row for at, row in enumerate(rows)]
    assert shown.verdict(signs, rows=prose).status is Status.IDLE, "an agent may speak of limits"
    quoted = [*rows[:start], f"● {rows[start].strip(' ⎿■')}", "", *rows[composer:]]
    assert shown.verdict(signs, rows=quoted).status is Status.IDLE


BOXED = """
╭──────────────────────────────────────────────────────────╮
│                                                          │
│ Usage limit reached for all Pro models.                  │
│ Access resets at 8:30 PM PST.                            │
│ /stats model for usage details                           │
│ /model to switch models.                                 │
│                                                          │
│ ● 1. Keep trying                                         │
│   2. Stop                                                │
│                                                          │
╰──────────────────────────────────────────────────────────╯
"""


def test_when_a_limit_in_a_box_ends_is_read() -> None:
    reading = PROFILES["gemini"].signs.screen(BOXED.splitlines(), day(11, 27, 18, 15), zone=UTC)
    assert reading is not None
    assert (reading.about, reading.options, reading.resets) == ("limit", ("Keep trying", "Stop"), day(11, 28, 4, 30))


def test_the_first_rule_that_matches_counts() -> None:
    rules = (
        Rule("a", Status.WORKING, "bottom 1", every=("x",), none=("y",)),
        Rule("b", Status.WAITING, "bottom 1", any=("x", "z"), about="dialog"),
    )
    signs = Signs("", rules)

    def rule(*rows: str) -> str:
        reading = signs.screen(rows, 0.0)
        assert reading is not None
        return reading.rule

    assert [rule("x"), rule("x y"), rule("z"), rule("x", "w")] == ["a", "b", "b", "no rule matches"]
    assert rule("x", "", "  ") == "a", "blank rows at the end do not count"


def test_a_rule_may_ask_whether_lines_are_read() -> None:
    signs = Signs("^>", (Rule("reads none", Status.WORKING, "screen", every=("^>",), paste=False),))
    said = {paste: signs.screen(["> go"], 0.0, paste=paste) for paste in (True, False, None)}
    assert {paste: one and one.says for paste, one in said.items()} == {
        True: Status.IDLE,
        False: Status.WORKING,
        None: Status.IDLE,
    }


def test_the_question_in_the_row_of_the_answers_is_read() -> None:
    rule = Rule("confirm", Status.WAITING, "bottom 1", every=(r"\[y/n\]",), about="approval", answers=r"\[(y)/(n)\]")
    reading = Signs("", (rule,)).screen(["touch it", "Run that? [y/n]"], 0.0)
    assert reading is not None
    assert (reading.text, reading.options) == ("touch it\nRun that?", ("y", "n"))


def test_the_title_and_nothing_else_is_for_a_rule_of_titles() -> None:
    signs = Signs("", (Rule("t", Status.WORKING, "title", every=("^busy",)),))
    assert signs.screen(["busy"], 0.0) is None
    title = signs.title("busy with it", 5.0)
    assert title is not None and (title.says, title.at) == (Status.WORKING, 5.0)
    assert signs.title("not busy", 5.0) is None


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_our_patterns_are_good(profile: Profile) -> None:
    for pattern in (profile.signs.composer, *(p for rule in profile.signs.rules for p in (*rule.every, *rule.any))):
        re.compile(pattern)
    assert all(re.compile(rule.resets).groups == 1 for rule in profile.signs.rules if rule.resets)
    assert len({rule.name for rule in profile.signs.rules}) == len(profile.signs.rules), "why names them"
    assert replace(profile) == profile
    assert os.path.basename(profile.path) == f"{profile.name}.toml"


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_no_screen_takes_long(profile: Profile) -> None:
    """Patterns that go back and forth take seconds for some screens; ours take a millisecond or two."""
    rules = ["─" * 200, "▀" * 200, "▄" * 200, "╭" + "─" * 198 + "╮", "> ", "\u203a ", "\u276f ", "  ", "a" * 200]
    rules += [" " * 200, "a-" * 100, "┃" + " " * 100, "esc to " * 28, "│ " * 100, "(esc to cancel" * 14]
    rules += ["  ⎿  You've hit your limit" + " · resets" * 20, "■ You've hit your usage limit" + " try again" * 15]
    screens = [[row] * 60 for row in rules] + [[one, other] * 30 for one in rules for other in rules]
    began = time.process_time()
    for rows in screens:
        profile.signs.screen(rows, 0.0)
        profile.signs.screen([*rows, "x"], 0.0)
    assert (time.process_time() - began) / len(screens) < 0.05
