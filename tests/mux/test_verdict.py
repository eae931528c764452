"""The arbiter, as a table of what is read and what follows; and what flickers."""

import itertools

import pytest

from agentmux.mux.lifecycle import State
from agentmux.mux.verdict import HOLD, START_HOLD, Reading, Settling, Source, Status, Verdict, judge, over

IDLE, WORKING, WAITING, UNKNOWN = Status.IDLE, Status.WORKING, Status.WAITING, Status.UNKNOWN
PROCESS, PUBLISHED, FILE, STREAM, HOOK, TITLE, PROGRESS, SCREEN = list(Source)[:8]


def verdict(*said: tuple[Source, Status] | tuple[Source, Status, float]) -> Verdict:
    readings = {}
    for source, status, *at in said:
        readings[source] = Reading(source, status, f"{source.value} rule", at[0] if at else 10.0)
    return judge(readings, 20.0)


@pytest.mark.parametrize(
    ("said", "status", "because"),
    [
        ([], UNKNOWN, None),
        ([(SCREEN, UNKNOWN)], UNKNOWN, SCREEN),
        ([(SCREEN, IDLE)], IDLE, SCREEN),
        # what is published counts, but for a dialog that is there, and for rest without a place to type into
        ([(PUBLISHED, WORKING), (SCREEN, IDLE)], WORKING, PUBLISHED),
        ([(PUBLISHED, WORKING), (TITLE, IDLE), (SCREEN, UNKNOWN)], WORKING, PUBLISHED),
        ([(PUBLISHED, IDLE), (SCREEN, WORKING)], IDLE, PUBLISHED),
        ([(PUBLISHED, IDLE), (SCREEN, IDLE)], IDLE, PUBLISHED),
        ([(PUBLISHED, IDLE)], IDLE, PUBLISHED),
        ([(PUBLISHED, IDLE), (SCREEN, WAITING)], WAITING, SCREEN),
        ([(PUBLISHED, IDLE), (SCREEN, UNKNOWN)], UNKNOWN, SCREEN),
        ([(PUBLISHED, WORKING), (SCREEN, WAITING)], WAITING, SCREEN),
        ([(PUBLISHED, WAITING), (SCREEN, IDLE)], WAITING, PUBLISHED),
        # so does what its own file and its event stream say: of several that which was said last
        *[
            row
            for own in (FILE, STREAM)
            for row in (
                ([(own, WORKING), (SCREEN, IDLE)], WORKING, own),
                ([(own, WORKING), (HOOK, IDLE), (TITLE, IDLE), (SCREEN, UNKNOWN)], WORKING, own),
                ([(own, IDLE), (SCREEN, WORKING)], IDLE, own),
                ([(own, IDLE)], IDLE, own),
                ([(own, IDLE), (SCREEN, WAITING)], WAITING, SCREEN),
                ([(own, IDLE), (SCREEN, UNKNOWN)], UNKNOWN, SCREEN),
                ([(own, WAITING), (SCREEN, IDLE)], WAITING, own),
                ([(own, IDLE, 9.0), (PUBLISHED, WORKING, 8.0)], IDLE, own),
                ([(own, IDLE, 8.0), (PUBLISHED, WORKING, 9.0)], WORKING, PUBLISHED),
                ([(own, WAITING, 9.0), (PUBLISHED, IDLE, 9.0)], IDLE, PUBLISHED),
                ([(own, WORKING, 8.0), (HOOK, WAITING, 9.0), (SCREEN, UNKNOWN, 7.0)], WORKING, own),
            )
        ],
        # titles and progress tell of work
        ([(TITLE, WORKING), (SCREEN, IDLE)], WORKING, TITLE),
        ([(TITLE, IDLE), (SCREEN, WORKING)], WORKING, SCREEN),
        ([(TITLE, IDLE), (SCREEN, IDLE)], IDLE, TITLE),
        ([(TITLE, IDLE), (SCREEN, UNKNOWN)], UNKNOWN, SCREEN),
        ([(TITLE, IDLE)], IDLE, TITLE),
        ([(TITLE, WAITING), (SCREEN, UNKNOWN)], WAITING, TITLE),
        ([(TITLE, WORKING), (SCREEN, WAITING)], WAITING, SCREEN),
        ([(PROGRESS, WORKING), (SCREEN, IDLE)], WORKING, PROGRESS),
        ([(PROGRESS, WORKING), (SCREEN, WAITING)], WAITING, SCREEN),
        # a hook tells of a moment: what was seen since counts
        ([(HOOK, WORKING, 9.0), (SCREEN, IDLE, 8.0)], WORKING, HOOK),
        ([(HOOK, WORKING, 9.0), (SCREEN, IDLE, 9.5)], IDLE, SCREEN),
        ([(HOOK, WORKING, 9.0), (SCREEN, UNKNOWN, 9.5)], WORKING, HOOK),
        ([(HOOK, WAITING, 9.0), (SCREEN, UNKNOWN, 9.5)], WAITING, HOOK),
        ([(HOOK, WAITING, 9.0), (SCREEN, WORKING, 9.5)], WORKING, SCREEN),
        ([(HOOK, IDLE, 9.0), (SCREEN, UNKNOWN, 8.0)], UNKNOWN, SCREEN),
        ([(HOOK, IDLE, 9.0)], IDLE, HOOK),
        ([(HOOK, WORKING, 9.0), (TITLE, IDLE, 9.5), (SCREEN, IDLE, 5.0)], IDLE, TITLE),
        # shells
        ([(PROCESS, IDLE)], IDLE, PROCESS),
        ([(PROCESS, WORKING)], WORKING, PROCESS),
        ([(PROCESS, UNKNOWN)], UNKNOWN, PROCESS),
    ],
)
def test_what_follows_from_what_is_read(
    said: list[tuple[Source, Status]], status: Status, because: Source | None
) -> None:
    found = verdict(*said)
    assert found.status is status
    assert (found.reason.source if found.reason else None) is because


def test_nothing_is_idle_without_evidence_or_under_a_dialog() -> None:
    """Whatever all of them say, and whoever said it last."""
    says = [None, IDLE, WORKING, WAITING, UNKNOWN]
    sources = [PUBLISHED, FILE, STREAM, HOOK, TITLE, SCREEN]
    count = 0
    for last in (PUBLISHED, FILE, STREAM, HOOK):
        for values in itertools.product(says, repeat=len(sources)):
            pairs = zip(sources, values, strict=True)
            said = [(source, status, 11.0 if source is last else 10.0) for source, status in pairs if status]
            found = verdict(*said).status
            count += 1
            if values[-1] is WAITING:
                assert found is WAITING
            if values[-1] is UNKNOWN:
                assert found is not IDLE
            if IDLE not in values:
                assert found is not IDLE
    assert count == 4 * len(says) ** len(sources)


def test_what_says_otherwise_is_named() -> None:
    found = verdict((PUBLISHED, IDLE), (TITLE, WORKING), (SCREEN, WAITING))
    assert [one.source for one in found.against] == [PUBLISHED, TITLE]
    assert verdict((TITLE, WORKING), (SCREEN, IDLE)).against == (), "one can type while it works"
    assert verdict((TITLE, WORKING), (SCREEN, UNKNOWN)).against == ()


def of(status: Status, source: Source = SCREEN, at: float = 0.0, text: str = "") -> Verdict:
    return Verdict(status, at, Reading(source, status, "r", at, text=text))


def test_what_the_screen_says_of_rest_must_stand_for_a_moment() -> None:
    settling = Settling(of(WORKING))
    again = settling.take(of(IDLE, at=1.0), 1.0)
    assert again == 1.0 + HOLD[IDLE] and settling.verdict.status is WORKING
    assert settling.take(of(WORKING, at=1.1), 1.1) is None
    assert settling.take(of(IDLE, at=1.2), 1.2) == 1.2 + HOLD[IDLE], "it begins anew"
    assert settling.take(of(IDLE, at=1.2), 1.2 + HOLD[IDLE]) is None
    assert (settling.verdict.status, settling.verdict.since) == (IDLE, 1.2)


@pytest.mark.parametrize("source", [PROCESS, PUBLISHED, FILE, STREAM, HOOK, TITLE])
def test_who_knows_is_believed_at_once(source: Source) -> None:
    settling = Settling(of(WORKING))
    assert settling.take(of(IDLE, source), 1.0) is None
    assert settling.verdict.status is IDLE


def test_the_first_rest_must_stand_whoever_says_so() -> None:
    settling = Settling(of(Status.STARTING))
    assert settling.take(of(IDLE, TITLE), 1.0) == 1.0 + START_HOLD
    settling.take(of(WAITING), 1.1)
    assert settling.verdict.status is WAITING
    settling = Settling(of(Status.STARTING))
    settling.take(of(IDLE, PUBLISHED), 1.0)
    settling.take(of(IDLE, PUBLISHED), 1.0 + START_HOLD)
    assert settling.verdict.status is IDLE


@pytest.mark.parametrize("status", [WAITING, WORKING])
def test_work_and_dialogs_count_at_once(status: Status) -> None:
    settling = Settling(of(IDLE))
    assert settling.take(of(status), 1.0) is None
    assert settling.verdict.status is status


def test_another_dialog_is_news_and_another_reason_is_not() -> None:
    settling = Settling(of(WAITING, text="run a?", at=1.0))
    settling.take(of(WAITING, text="run b?", at=2.0), 2.0)
    assert settling.verdict.since == 2.0
    settling = Settling(of(WORKING, at=1.0))
    settling.take(of(WORKING, TITLE, at=2.0), 2.0)
    assert settling.verdict.since == 1.0
    assert settling.verdict.reason is not None and settling.verdict.reason.source is TITLE


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State.STARTING, Status.STARTING),
        (State.EXITED, Status.EXITED),
        (State.LOST, Status.LOST),
    ],
)
def test_without_a_program_the_lifecycle_says_all(state: State, status: Status) -> None:
    assert over(state, 5.0) == Verdict(status, 5.0)
