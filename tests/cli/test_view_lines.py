"""How the view looks, line by line: widths, words beside colours, foreign text, screens, chips, receipts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.utils import get_cwidth

from agentmux.api.model import Info, State, Status
from agentmux.cli.cells import cut, fitted, steady, width, wrapped
from agentmux.cli.dashboard import lines, looks
from agentmux.cli.dashboard.chips import CHARACTERS, FIRST, LINES, Chips
from agentmux.cli.dashboard.doing import help_lines
from agentmux.cli.dashboard.keymap import ACTIONS, bound, keys_of, sequence
from agentmux.cli.dashboard.lines import Piece
from agentmux.cli.dashboard.model import Group
from agentmux.cli.dashboard.picture import Picture, pieces
from agentmux.cli.dashboard.receipts import Receipts
from agentmux.mux.config import THEMES, VIEW_ACTIONS

NOW = 1_000_000.0


def text(line: list[Piece]) -> str:
    return "".join(piece for _, piece in line)


def info(**more: Any) -> Info:
    facts = {"id": 1, "name": "api", "state": State.RUNNING, "status": Status.WAITING, "about": "approval"}
    facts |= {"since": NOW - 130, "command": "claude", "cwd": "/home/ada/src/api", "agent": "claude"}
    return Info(**{**facts, **more})


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 130, 240])
def test_a_line_takes_no_more_than_there_is(columns: int) -> None:
    names = [info(name=name, said="done " * 40, queued=3) for name in ("a", "api", "x" * 64, "\u4e16\u754c" * 20)]
    layout = lines.columns(columns, names)
    for one in names:
        made = text(lines.session(one, layout, now=NOW, home="/home/ada", selected=True, marked=False))
        assert width(made) <= columns, made
        assert made.startswith(">"), "selected is told by more than colour"
        assert "!" in made[:4]
        assert "waiting"[:3] in made


def test_what_a_line_tells() -> None:
    one = info(asks="Do you want\nto proceed?", branch="main", unread=True, queued=2)
    layout = lines.columns(140, [one])
    made = text(lines.session(one, layout, now=NOW, home="/home/ada", selected=False, marked=True))
    for part in (
        " #!+api",
        "waiting: approval",
        "2m",
        "claude",
        "[2 queued]",
        "Do you want to proceed?",
        "~/src/api (main)",
    ):
        assert part in made


def test_foreign_text_can_do_nothing() -> None:
    evil = "\x1b]52;c;eA==\x07\x9b31m\u202e\nx"
    one = info(name=evil, agent=evil, about=evil, said=evil, asks=evil, branch=evil, cwd=evil, labels={evil: evil})
    layout = lines.columns(200, [one])
    made = [lines.session(one, layout, now=NOW, home="", selected=False, marked=False)]
    made += lines.about(one, now=NOW, home="")
    made.append(lines.top({Group.NEEDS: 1}, server=evil, query=evil, marked=0, columns=200))
    for line in made:
        assert not [char for char in text(line) if char != " " and not char.isprintable()], line


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "now"), (59, "now"), (60, "1m"), (3599, "59m"), (3600, "1h"), (86400 * 3, "3d"), (-9, "now")],
)
def test_ages_are_to_the_minute(seconds: int, shown: str) -> None:
    assert lines.age(NOW - seconds, NOW) == shown


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_word_and_a_sign(status: Status) -> None:
    one = info(status=status, about=None, facts={"status": "dreaming"})
    assert lines.status(one) == ("dreaming" if status is Status.OTHER else status.value)
    assert len(lines.sign(one)) == 1


def test_hints_stop_where_there_is_no_room() -> None:
    keys = bound({})
    assert text(lines.hints(["attach", "new", "quit"], keys, 30)) == " Enter attach  n new  q quit "
    assert text(lines.hints(["attach", "new", "quit"], keys, 20)) == " Enter attach "


# -- the table of actions


def test_the_configuration_knows_every_action() -> None:
    assert {action.name for action in ACTIONS} == VIEW_ACTIONS


def test_no_key_does_two_things_and_every_key_is_one() -> None:
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys))
    assert all(sequence(key) for key in keys)


def test_keys_can_be_changed() -> None:
    keys = bound({"x": "", "K": "kill", "q": "help"})
    by_name = {action.name: action for action in ACTIONS}
    assert "x" not in keys
    assert keys_of(by_name["kill"], keys) == ["K"]
    assert keys["q"].name == "help"
    shown = "\n".join(text(line) for line in help_lines(keys, 74))
    assert re.search(r"^ +K +Kill$", shown, re.MULTILINE)
    assert re.search(r"^ +- +Leave", shown, re.MULTILINE), "what has no key is in the help as well"


@pytest.mark.parametrize(
    ("key", "wanted"), [("C-x", ("c-x",)), ("M-x", ("escape", "x")), ("F5", ("f5",)), ("Nope", None)]
)
def test_names_of_keys(key: str, wanted: tuple[str, ...] | None) -> None:
    assert sequence(key) == wanted


def test_themes_are_those_of_the_configuration() -> None:
    assert set(looks.THEMES) == set(THEMES)
    names = set(looks.THEMES["dark"])
    for theme in ("auto", "light"):
        assert set(looks.THEMES[theme]) | {"running"} == names | {"running"}
    assert not any("fg:" in look or "bg:" in look for look in looks.THEMES["mono"].values())


# -- screens


def frame(rows: dict[int, str], size: tuple[int, int] = (20, 5), cursor: tuple[int, int] = (0, 0)) -> dict[str, Any]:
    return {
        "rows": {str(at): row for at, row in rows.items()},
        "size": list(size),
        "cursor": list(cursor),
        "cursor_visible": True,
    }


def test_a_picture_takes_what_has_changed() -> None:
    picture = Picture()
    picture.take(frame({0: "one", 1: "\x1b[31mred\x1b[0m", 2: "", 3: "", 4: ""}))
    picture.take(frame({0: "two"}))
    assert [text(picture.row(at)) for at in range(5)] == ["two", "red", "", "", ""]
    assert picture.row(1) == [("fg:ansired", "red")]
    picture.take(frame({0: "new"}, size=(30, 2)))
    assert text(picture.row(1)) == ""


@pytest.mark.parametrize(
    ("rows", "cursor", "height", "top"),
    [
        ({0: "a"}, (0, 0), 3, 0),
        ({4: "a"}, (0, 4), 3, 2),
        ({4: "a"}, (0, 0), 3, 0),  # a full screen with its cursor on top: what is typed there is seen
        ({2: "a"}, (0, 3), 3, 1),
    ],
)
def test_what_is_shown_where_not_all_rows_fit(
    rows: dict[int, str], cursor: tuple[int, int], height: int, top: int
) -> None:
    picture = Picture()
    picture.take(frame(dict.fromkeys(range(5), "") | rows, cursor=cursor))
    assert picture.top(height) == top


@pytest.mark.parametrize(
    ("row", "look"),
    [
        ("\x1b[1;3;4;7;9mx", "bold italic strike underline reverse"),
        ("\x1b[2mx", "dim"),
        ("\x1b[97;44mx", "fg:ansiwhite bg:ansiblue"),
        ("\x1b[38;5;196mx", "fg:#ff0000"),
        ("\x1b[38;2;1;2;3mx", "fg:#010203"),
        ("\x1b[90mx", "fg:ansibrightblack"),
    ],
)
def test_colours_and_attributes(row: str, look: str) -> None:
    ((found, _),) = pieces(row)
    assert set(found.split()) == set(look.split())


def test_a_screen_turns_no_text_round() -> None:
    assert pieces("a\u202eb\u2066c\u2028d\x9be") == [("", "abcde")]


# -- chips


def test_a_large_paste_is_one_character_until_it_is_sent() -> None:
    chips = Chips()
    large = "\n".join(f"line {n}" for n in range(LINES + 1))
    chip = chips.put(large)
    assert len(chip) == 1
    assert chips.label(chip) == f"[pasted {LINES + 1} lines]"
    assert chips.whole(f"look at {chip}!") == f"look at {large}!"
    assert chips.put("short") == "short"
    assert chips.label(chips.put("x" * (CHARACTERS + 1))) == f"[pasted {CHARACTERS + 1} characters]"


@given(st.text(alphabet=st.characters(min_codepoint=FIRST - 2, max_codepoint=FIRST + 5)))
def test_what_looks_like_a_chip_is_none(foreign: str) -> None:
    chips = Chips()
    chips.put("x" * 5000)
    pasted = chips.put(foreign)
    assert chips.whole(pasted) == pasted
    assert not [char for char in pasted if chips.label(char)]


# -- receipts


def receipt(state: str, prompt: int | None = 7, why: str | None = None) -> dict[str, Any]:
    return {"session": 1, "name": "api", "prompt": prompt, "state": state, "why": why}


def test_a_receipt_tells_each_step_as_it_becomes_true() -> None:
    receipts = Receipts()
    receipts.begin([receipt("queued", why="it works")])
    assert receipts.line == "api: queued (it works)"
    for state in ("typing", "submitted", "accepted"):
        assert receipts.happened(1, {"prompt": 7, "state": state, "why": None})
    assert receipts.line == "api: queued (it works) > typing > submitted > accepted"
    assert not receipts.happened(1, {"prompt": 8, "state": "accepted"}), "somebody else's"
    assert not receipts.wrong


def test_events_may_be_faster_than_the_receipt() -> None:
    receipts = Receipts()
    receipts.happened(1, {"prompt": 7, "state": "typing", "why": None})
    receipts.happened(1, {"prompt": 7, "state": "accepted", "why": "hook"})
    receipts.begin([receipt("accepted")])
    assert receipts.line == "api: queued > typing > accepted"


@pytest.mark.parametrize("state", ["refused", "uncertain", "dropped"])
def test_what_goes_wrong_is_said(state: str) -> None:
    receipts = Receipts()
    receipts.begin([receipt(state, why="a draft is there"), receipt("typed", prompt=None)])
    assert receipts.wrong
    assert receipts.line == f"api: queued > {state} (a draft is there)   api: typed"


def test_of_many_it_is_counted_how_many_got_how_far() -> None:
    receipts = Receipts()
    many = [{**receipt("queued", prompt=number), "session": number, "name": f"s{number}"} for number in range(1, 1501)]
    receipts.begin(many)
    assert receipts.line == "1500 prompts: 1500 queued"
    for number in range(1, 1501):
        receipts.happened(
            number, {"prompt": number, "state": "refused" if number == 7 else "accepted", "why": "a draft"}
        )
    assert receipts.line == "1500 prompts: 1499 accepted, 1 refused   s7: refused (a draft)"
    receipts.begin([{**receipt("typed", prompt=None), "name": f"s{number}"} for number in range(5)])
    assert receipts.line == "5 prompts: 5 typed"


# -- room


@given(st.text(max_size=40), st.integers(0, 30))
def test_a_text_is_made_to_fit(given_text: str, columns: int) -> None:
    assert width(cut(given_text, columns)) <= columns
    assert width(fitted(given_text, columns)) == columns


CLUSTERS = (
    "\U0001f469\u200d\U0001f4bb",
    "\U0001f1e9\U0001f1ea",
    "\u2764\ufe0f",
    "\U0001f44d\U0001f3fd",
    "1\ufe0f\u20e3",
)


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_what_terminals_disagree_about_is_drawn_apart(cluster: str) -> None:
    made = steady(f"a {cluster} b")
    assert width(made) == width(f"a {cluster} b") == get_cwidth(made)
    assert cluster not in made and steady(made) == made


def test_flags_are_letters_and_what_is_drawn_as_it_is_stays() -> None:
    assert steady("\U0001f1e9\U0001f1ea") == "\uff24\uff25"
    assert steady("a\u202eb\u200bc\u2066d") == "abcd"
    assert steady("e\u0301 \u65e5\u672c \U0001f600 ascii") == "e\u0301 \u65e5\u672c \U0001f600 ascii"


@given(st.text(alphabet="ab \u4e16", max_size=60), st.integers(2, 20))
def test_wrapped_lines_fit_and_lose_nothing_but_blanks(given_text: str, columns: int) -> None:
    made = wrapped(given_text, columns)
    assert all(width(line) <= columns for line in made)
    assert "".join(made).replace(" ", "") == given_text.replace(" ", "")
