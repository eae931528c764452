"""A prompt on its way: what is done at what is seen, and what is never done whatever is seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmux.mux.composer import Composer
from agentmux.mux.delivery import AGAIN, ECHO, PRESSES, PROOF, RECORD, Delivery, Do, Seen, deliverable, same
from agentmux.mux.verdict import Status

COMPOSER = Composer(box="^> (.*)\\Z", folded=r"^\[Pasted \d+\]$", settle=0.1, rests=1.0)
TEXT = "do it"
IDLE = Seen(
    now=100.0,
    live=True,
    status=Status.IDLE,
    about="",
    composer="",
    shown=90.0,
    hands=0.0,
    rests=50.0,
)


def delivery(text: str = TEXT, *, at_once: bool = False) -> Delivery:
    return Delivery(text, COMPOSER, at_once=at_once)


def typed(text: str = TEXT) -> Delivery:
    one = delivery(text)
    assert one.next(IDLE).do is Do.TYPE
    return one


def submitted() -> Delivery:
    one = typed()
    assert one.next(replace(IDLE, now=101.0, composer=TEXT, shown=100.5)).do is Do.SUBMIT
    return one


def test_into_an_empty_place_at_rest_it_is_typed() -> None:
    typed()


HURDLES = [
    (replace(IDLE, status=Status.WORKING), "working", False),
    (replace(IDLE, status=Status.STARTING), "starting", True),
    (replace(IDLE, status=Status.UNKNOWN), "unknown", True),
    (replace(IDLE, status=Status.WAITING, about="approval"), "waits for approval", True),
    (replace(IDLE, composer=None), "no place to type into", True),
    (replace(IDLE, composer="half a"), "a draft is there", True),
]


@pytest.mark.parametrize(("seen", "why", "refused"), HURDLES)
def test_what_is_in_the_way_is_waited_for_or_refused(seen: Seen, why: str, refused: bool) -> None:
    waits = delivery().next(seen)
    assert (waits.do, waits.why, waits.at) == (Do.WAIT, why, None)
    at_once = delivery(at_once=True).next(seen)
    assert at_once.do is (Do.REFUSE if refused else Do.TYPE)


@pytest.mark.parametrize("at_once", [False, True])
def test_who_types_is_let_finish(at_once: bool) -> None:
    found = delivery(at_once=at_once).next(replace(IDLE, hands=101.5))
    assert (found.do, found.at) == (Do.WAIT, 101.5)
    assert delivery().next(replace(IDLE, hands=100.0)).do is Do.TYPE


def test_a_program_that_has_just_come_up_is_left_alone() -> None:
    found = delivery().next(replace(IDLE, rests=99.5))
    assert (found.do, found.at) == (Do.WAIT, 100.5)


def test_enter_comes_when_all_of_it_stands_there_and_the_screen_rests() -> None:
    one = typed()
    assert one.next(replace(IDLE, composer="do")).do is Do.WAIT
    wait = one.next(replace(IDLE, now=101.0, composer="do it", shown=100.95))
    assert (wait.do, wait.at) == (Do.WAIT, pytest.approx(101.05))
    assert one.next(replace(IDLE, now=101.1, composer="do it", shown=100.95)).do is Do.SUBMIT


@pytest.mark.parametrize("shown", ["do it", "do\n it", "[Pasted 4]"])
def test_it_is_recognised_however_it_is_shown(shown: str) -> None:
    assert typed().next(replace(IDLE, now=101.0, composer=shown)).do is Do.SUBMIT


def test_a_part_of_a_long_text_is_enough_where_no_more_fits() -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    assert typed(text).next(replace(IDLE, now=101.0, composer="line 97\nline 98\nline 99")).do is Do.SUBMIT
    assert typed(text).next(replace(IDLE, now=101.0, composer="line 97")).do is Do.WAIT


def test_with_something_else_it_is_not_submitted() -> None:
    one = typed()
    assert one.next(replace(IDLE, composer="HALF do it")).do is Do.WAIT
    found = one.next(replace(IDLE, now=102.0, composer="HALF do it"))
    assert found.do is Do.DOUBT and "something else" in found.why


def test_a_dialog_that_opens_meanwhile_gets_no_enter() -> None:
    found = typed().next(replace(IDLE, status=Status.WAITING, about="approval", composer=None))
    assert found.do is Do.DOUBT and "approval" in found.why


def test_what_never_shows_is_in_doubt() -> None:
    one = typed()
    assert one.next(replace(IDLE, now=100.1)).at == 100.0 + ECHO
    assert one.next(replace(IDLE, now=100.0 + ECHO)).do is Do.DOUBT


def test_its_own_record_is_the_proof() -> None:
    found = submitted().next(replace(IDLE, now=101.1, composer="", record="id-7", recorded=True))
    assert (found.do, found.why) == (Do.ACCEPT, "record")


def test_without_a_record_an_empty_place_is() -> None:
    found = submitted().next(replace(IDLE, now=101.1, composer="", status=Status.WORKING))
    assert (found.do, found.why) == (Do.ACCEPT, "screen")


def test_a_record_that_should_come_is_waited_for() -> None:
    one = submitted()
    empty = replace(IDLE, now=101.1, composer="", recorded=True)
    assert one.next(empty).at == pytest.approx(101.1 + RECORD)
    assert one.next(replace(empty, now=101.2 + RECORD)).why == "screen"


def test_enter_is_pressed_again_only_while_it_still_stands_there() -> None:
    one = submitted()
    still = replace(IDLE, now=101.0 + AGAIN, composer=TEXT, shown=101.0)
    assert one.next(replace(still, now=101.1)).do is Do.WAIT
    assert one.next(still).do is Do.SUBMIT
    assert one.next(replace(still, now=102.0, composer=None, status=Status.IDLE)).do is Do.WAIT


def test_a_dialog_after_enter_gets_no_second_one() -> None:
    one = submitted()
    waits = replace(IDLE, now=103.0, composer=TEXT, shown=101.0, status=Status.WAITING)
    assert one.next(waits).do is Do.WAIT


def test_who_never_takes_it_leaves_it_in_doubt() -> None:
    one, now, presses = submitted(), 101.0, 1
    while (found := one.next(replace(IDLE, now=now, composer=TEXT, shown=101.0))).do is not Do.DOUBT:
        presses += found.do is Do.SUBMIT
        now += 0.25
    assert presses == PRESSES and now <= 101.0 + PROOF + 0.25


@pytest.mark.parametrize(("stage", "do"), [(delivery, Do.REFUSE), (typed, Do.DOUBT), (submitted, Do.DOUBT)])
def test_the_end_of_its_program_is_an_answer_only_before_it_was_typed(stage: object, do: Do) -> None:
    assert callable(stage)
    assert stage().next(replace(IDLE, now=102.0, live=False, composer=None)).do is do


def test_what_a_server_before_typed_is_not_typed_again() -> None:
    one = delivery()
    one.resume(100.0)
    assert one.next(replace(IDLE, now=100.1)).do is Do.WAIT
    assert one.next(replace(IDLE, now=101.0, composer=TEXT)).do is Do.SUBMIT
    lost = delivery()
    lost.resume(100.0)
    assert lost.next(replace(IDLE, now=100.0 + ECHO)).do is Do.DOUBT


SEEN = st.builds(
    lambda step, status, composer, shown, typed_ago, record: (step, status, composer, shown, typed_ago, record),
    st.floats(0.01, 3.0),
    st.sampled_from([Status.IDLE, Status.WORKING, Status.WAITING, Status.UNKNOWN]),
    st.sampled_from([None, "", TEXT, "do", "other", "HALF do it", "[Pasted 1]"]),
    st.floats(0.0, 1.0),
    st.floats(0.0, 5.0),
    st.sampled_from(["", "", "", "id"]),
)


@given(st.lists(SEEN, max_size=60), st.booleans(), st.booleans())
@settings(max_examples=300)
def test_whatever_is_seen_it_is_typed_once_and_submitted_alone(
    moments: list[tuple[float, Status, str | None, float, float, str]], at_once: bool, recorded: bool
) -> None:
    one, now, typings = delivery(at_once=at_once), 100.0, 0
    for step, status, composer, ago, hands, record in moments:
        now += step
        seen = Seen(now, True, status, "", composer, now - ago, now + 3.0 - hands, 50.0, record, recorded)
        found = one.next(seen)
        if found.do is Do.TYPE:
            typings += 1
            assert composer == "" and status in (Status.IDLE, Status.WORKING) and hands >= 3.0
        if found.do is Do.SUBMIT:
            assert typings == 1 and composer in (TEXT, "[Pasted 1]") and status is not Status.WAITING
        if found.do is Do.ACCEPT:
            assert typings == 1
        if found.do in (Do.ACCEPT, Do.REFUSE, Do.DOUBT):
            assert found.do is not Do.REFUSE or not typings
            return
        assert found.at is None or found.at >= now
    assert typings <= 1


@pytest.mark.parametrize(
    ("text", "typed_text"),
    [
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\x1b[201~b\x00\x03\x7f\x9b1m", "a[201~b1m"),
        ("tab\there", "tab\there"),
        ("\nleading", "\nleading"),
        ("ä €\u200b\U0001f389", "ä €\u200b\U0001f389"),
    ],
)
def test_what_a_terminal_can_carry(text: str, typed_text: str) -> None:
    assert deliverable(text, "\n") == typed_text


@pytest.mark.parametrize("text", ["", " \n\t", "\x1b\x03"])
def test_nothing_is_no_prompt(text: str) -> None:
    with pytest.raises(ValueError):
        deliverable(text, "\n")


def test_a_record_is_the_prompt_whatever_the_agent_did_to_its_blanks() -> None:
    assert same(["x", "a b\nc"], " a  b\nc\t") == 1
    assert same(["a bc d"], "a b") is None
