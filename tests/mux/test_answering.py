"""How answers are picked, beside dialogs that take them in all the ways that there are: never another one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from agentmux.mux.answer import Ways, parsed
from agentmux.mux.answering import AGAIN, GONE, ONLY_MARKS, Answering, Choice, Do, Next, Seen
from agentmux.mux.dialog import Dialog, token
from agentmux.mux.signs import parsed as signs_of
from agentmux.mux.verdict import Reading, Source, Status, Verdict

OPTIONS = ("red", "green", "blue")
WAYS = Ways(digits=True, text="^Other")
STEP = 0.05


def dialog(options: tuple[str, ...] = OPTIONS, marked: int | None = 0, **changes: object) -> Dialog:
    reading = Reading(Source.SCREEN, Status.WAITING, "r", 1.0, "question", "Which?", options)
    about = changes.pop("about", "question")
    made = Dialog(replace(reading, about=str(about)), marked, True, False, "".join(options))
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass
class Program:
    """A program that shows a dialog. ``picked`` is what became of it."""

    shown: Dialog
    digit: str = "pick"  # pick, mark or nothing
    deaf: int = 0  # keys that are lost
    swap_after: int | None = None  # another dialog takes its place after so many keys
    closes: bool = True
    picked: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    typed: str = ""
    there: bool = True

    def press(self, key: str) -> None:
        self.keys.append(key)
        if self.deaf:
            self.deaf -= 1
            return
        options, marked = self.shown.options, self.shown.marked
        if key in ("Up", "Down", "Left", "Right") and marked is not None:
            step = 1 if key in ("Down", "Right") else -1
            self.shown = replace(self.shown, marked=(marked + step) % len(options))
        elif key == "Enter" and marked is not None:
            self.pick(self.typed or options[marked])
        elif key.isdigit() and self.digit != "nothing":
            self.shown = replace(self.shown, marked=int(key) - 1)
            if self.digit == "pick" and not options[int(key) - 1].startswith("Other"):
                self.pick(options[int(key) - 1])
        if self.swap_after is not None and len(self.keys) >= self.swap_after:
            turned = replace(self.shown.reading, options=tuple(reversed(options)))
            self.shown, self.swap_after = replace(self.shown, reading=turned), None

    def pick(self, what: str) -> None:
        self.picked.append(what)
        self.there = not self.closes

    def paste(self, text: str) -> None:
        self.typed += text
        self.shown = replace(self.shown, tail=self.shown.tail + "".join(text.split()))


def through(program: Program, machine: Answering, text: str = "", **changes: object) -> Next:
    """Let the machine answer; return how it ended."""
    now = 0.0
    while now < 60:
        shown = program.shown if program.there else None
        name = "" if shown is None else "/".join(shown.options)
        seen = Seen(now, True, shown is not None, shown, name, 10.0, float("-inf"))
        following = machine.next(replace(seen, **changes))  # type: ignore[arg-type]
        if following.do is Do.PRESS:
            for key in following.keys:
                program.press(key)
        elif following.do is Do.PASTE:
            program.paste(text)
        elif following.do is Do.WAIT:
            assert following.at is None or following.at > now
            now += STEP
        else:
            return following
    raise AssertionError("it never ends")


@pytest.mark.parametrize("digit", ["pick", "mark"])
@pytest.mark.parametrize(("wanted", "marked"), list(itertools.product(range(3), range(3))))
@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("deaf", [0, 1])
def test_the_wanted_answer_is_picked_and_no_other(
    wanted: int, marked: int, digit: str, numbered: bool, deaf: int
) -> None:
    program = Program(dialog(marked=marked, numbered=numbered), digit, deaf)
    end = through(program, Answering(Choice(wanted + 1), WAYS, seen="", hands=2.0))
    if end.do is Do.ACCEPT:
        assert program.picked == [OPTIONS[wanted]]
    else:
        assert deaf and not numbered and end.do is Do.REFUSE, "an arrow that is lost is not pressed again"
        assert program.picked == []


@pytest.mark.parametrize("beside", [True, False])
def test_answers_in_a_row_are_reached_sideways(beside: bool) -> None:
    program = Program(dialog(numbered=False, beside=beside))
    assert through(program, Answering(Choice(2), WAYS, seen="", hands=2.0)).do is Do.ACCEPT
    assert program.keys == [("Right" if beside else "Down"), "Enter"]


@pytest.mark.parametrize("after", range(1, 4))
@pytest.mark.parametrize("wanted", range(3))
def test_nothing_is_picked_in_a_dialog_that_took_the_others_place(after: int, wanted: int) -> None:
    program = Program(dialog(numbered=False), swap_after=after)
    end = through(program, Answering(Choice(wanted + 1), WAYS, seen="", hands=2.0))
    if not program.picked:
        assert end.do is Do.REFUSE
    else:
        assert program.picked == [OPTIONS[wanted]]


def test_a_stale_token_is_refused_before_any_key() -> None:
    for seen in ("another", "red/green"):
        program = Program(dialog())
        end = through(program, Answering(Choice(1), WAYS, seen=seen, hands=2.0))
        assert (end.do, end.why, program.keys) == (Do.REFUSE, "it is not the dialog that was shown", [])
    program = Program(dialog())
    assert through(program, Answering(Choice(2), WAYS, seen="red/green/blue", hands=2.0)).do is Do.ACCEPT


def pressed(shown: Callable[[float], Dialog | None]) -> tuple[Do, list[str]]:
    """Answer with 2 in what is shown so many seconds after the first key; return the end, and the keys."""
    machine, now, first, keys = Answering(Choice(2), WAYS, seen="", hands=2.0), 0.0, None, []
    while True:
        there = dialog() if first is None else shown(now - first)
        following = machine.next(Seen(now, True, True, there, "same", 10.0, float("-inf")))
        keys += following.keys
        if following.keys and first is None:
            first = now
        if following.do in (Do.ACCEPT, Do.DOUBT, Do.REFUSE):
            return following.do, keys
        now += STEP


def test_a_key_that_picks_is_pressed_again_only_where_nothing_has_moved() -> None:
    assert pressed(lambda since: dialog()) == (Do.DOUBT, ["2", "2", "2"]), f"lost keys, every {AGAIN} s"
    assert pressed(lambda since: None if since < GONE - STEP else dialog()) == (Do.DOUBT, ["2"]), "the same once more"
    assert pressed(lambda since: dialog(marked=2)) == (Do.DOUBT, ["2"]), "somebody else has moved"
    assert pressed(lambda since: dialog() if since < AGAIN - STEP else None) == (Do.ACCEPT, ["2"])


def test_a_number_that_marks_before_it_picks_is_not_followed_by_enter() -> None:
    assert pressed(lambda since: dialog(marked=1) if since < ONLY_MARKS - 2 * STEP else None) == (Do.ACCEPT, ["2"])
    assert pressed(lambda since: dialog(marked=1) if since < 2 * ONLY_MARKS else None) == (Do.ACCEPT, ["2", "Enter"])


def test_what_is_wanted_must_be_there() -> None:
    for choice, why in (
        (Choice(4), "none of its answers has number 4"),
        (Choice(means=True), "none of its answers means yes"),
        (Choice(means=False), "none of its answers means no"),
        (Choice(text="x"), "none of its answers takes a text"),
    ):
        program = Program(dialog())
        end = through(program, Answering(choice, WAYS, seen="", hands=2.0))
        assert (end.do, end.why, program.keys) == (Do.REFUSE, why, [])
    unmarked = Program(dialog(marked=None, numbered=False))
    assert through(unmarked, Answering(Choice(2), WAYS, seen="", hands=2.0)).do is Do.REFUSE
    assert unmarked.keys == []


@pytest.mark.parametrize("marked", range(3))
def test_a_text_is_typed_at_its_answer_and_entered_once_it_shows(marked: int) -> None:
    program = Program(dialog(("red", "Other", "blue"), marked=marked))
    machine = Answering(Choice(text="red wine"), WAYS, seen="", hands=2.0)
    assert through(program, machine, "red wine").do is Do.ACCEPT
    assert program.picked == ["red wine"]
    hidden = Program(dialog(("red", "Other", "blue")))
    end = through(hidden, Answering(Choice(text="red wine"), WAYS, seen="", hands=2.0), "")
    assert (end.do, hidden.picked) == (Do.DOUBT, [])


def test_what_was_recorded_decides_of_a_question_and_of_nothing_else() -> None:
    recorded: dict[str, object] = {"recorded": True}
    for records, about, do in (
        (("green",), "question", Do.ACCEPT),
        (("red", "green"), "question", Do.ACCEPT),
        (("red",), "question", Do.DOUBT),
        ((), "question", Do.ACCEPT),
        (("red",), "approval", Do.ACCEPT),
    ):
        program = Program(dialog(about=about))
        machine = Answering(Choice(2), WAYS, seen="", hands=2.0)
        assert through(program, machine, **recorded, records=records).do is do, records


def test_who_types_is_waited_for() -> None:
    machine = Answering(Choice(1), WAYS, seen="", hands=2.0)
    first = machine.next(Seen(1.0, True, True, dialog(), "t", 9.0, 0.5))
    assert first.do is Do.WAIT
    assert machine.next(Seen(1.2, True, True, dialog(), "t", 9.0, 0.5)) == Next(Do.WAIT, at=2.5)
    assert machine.next(Seen(2.5, True, True, dialog(), "t", 9.0, 0.5)).do is Do.PRESS


def test_a_dialog_that_has_just_come_is_left_alone_for_a_moment() -> None:
    machine = Answering(Choice(1), replace(WAYS, rests=0.4), seen="t", hands=0.0)
    assert machine.next(Seen(1.0, True, True, dialog(), "t", 0.1, 0.0)).do is Do.WAIT
    assert machine.next(Seen(1.2, True, True, dialog(), "t", 0.3, 0.0)).do is Do.WAIT
    assert machine.next(Seen(1.4, True, True, dialog(), "t", 0.5, 0.0)).do is Do.PRESS


def test_yes_is_this_once() -> None:
    ways = Ways()
    assert ways.says_yes(["Yes, and don't ask again", "Yes, and always allow", "Yes, allow all edits", "Yes"]) == 3
    assert ways.says_yes(["Allow for this session", "Allow once"]) == 1
    assert ways.says_yes(["No, exit", "Yes, I trust this folder"]) == 1
    assert ways.says_no(["Yes", "Nothing", "No, and tell Codex"]) == 2
    assert ways.says_yes(["red"]) is None


def test_a_token_is_of_one_dialog() -> None:
    reading = dialog().reading
    verdict = Verdict(Status.WAITING, 5.0, reading)
    others = (
        replace(verdict, since=6.0),
        replace(verdict, reason=replace(reading, text="Why?")),
        replace(verdict, reason=replace(reading, options=("red", "blue"))),
        replace(verdict, reason=replace(reading, about="approval")),
    )
    assert len({token(1, verdict), token(2, verdict), *(token(1, one) for one in others)}) == 6
    assert token(1, verdict) == token(1, replace(verdict, reason=replace(reading, at=9.0)))
    assert token(1, replace(verdict, status=Status.IDLE)) == ""


def wrong(what: str, *key: str | int) -> ValueError:
    return ValueError(f"{what} at {key}")


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"digit": "pick"}, "no key 'answer.digit'"),
        ({"digits": "mark"}, "'answer.digits' can only be pick"),
        ({"yes": "("}, "'answer.yes' is no regular expression"),
        ({"letter": "x"}, "'answer.letter' needs one group"),
        ({"amend": "Tab"}, "'answer.amend' needs a list of words"),
        ({"rests": -1}, "'answer.rests' needs a number of seconds"),
    ],
)
def test_a_table_that_is_wrong_is_refused(table: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("(", r"\(")):
        parsed(table, wrong)


def test_which_answer_is_marked_shows_by_a_sign_or_a_background() -> None:
    table = {
        "rules": [
            {"name": "n", "says": "waiting", "about": "question", "where": "bottom 9", "every": ["Which"]},
            {
                "name": "r",
                "says": "waiting",
                "about": "approval",
                "where": "bottom 9",
                "every": ["May"],
                "answers": r"(Yes) +(No)",
            },
        ]
    }
    signs = signs_of(table, wrong, compiled=True)

    def shown(*rows: str) -> tuple[tuple[str, ...], int | None, bool, bool]:
        found = signs.dialog(rows, 1.0)
        assert found is not None
        return found.options, found.marked, found.numbered, found.beside

    numbered = ("red", "blue"), True, False
    for rows, marked in (
        (("\u276f 1. red", "  2. blue"), 0),
        (("│   1. red  │", "│ ● 2. blue │"), 1),
        (("  1. red", "  2. blue"), None),
        (("> 1. red", "> 2. blue"), None),
        (("\x1b[44m 1. red \x1b[0m", " 2. blue"), None),
        ((" 1. \x1b[44mred\x1b[0m           ", " 2. blue"), 0),
    ):
        assert shown("Which?", *rows) == (numbered[0], marked, True, False), rows
    assert shown("May I?", "  Yes  \x1b[44mNo\x1b[0m          select") == (("Yes", "No"), 1, False, True)
    assert shown("May I?", "  \x1b[44mYes\x1b[0m  No          select") == (("Yes", "No"), 0, False, True)
    assert signs.dialog(["nothing"], 1.0) is None


def test_a_dialog_is_parted_into_its_question_and_the_rest() -> None:
    signs = signs_of({}, wrong, compiled=True)
    reading = Reading(Source.SCREEN, Status.WAITING, "r", 1.0, "question", "Do it?\ntouch x\nReally?\nNote")
    assert signs.parted(reading) == ("Really?", "Do it?\ntouch x\nNote")
    assert signs.parted(replace(reading, text="a\nb")) == ("b", "a")
