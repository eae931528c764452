"""The life of a session: what the table says, and that every other pair is loud."""

import itertools

import pytest

from agentmux.mux.lifecycle import TRANSITIONS, Event, State, next_state

IMPOSSIBLE = [pair for pair in itertools.product(State, Event) if pair not in TRANSITIONS]


def life(*events: Event) -> State:
    state = State.STARTING
    for event in events:
        state = next_state(state, event)
    return state


@pytest.mark.parametrize(("state", "event"), IMPOSSIBLE)
def test_every_other_pair_is_loud(state: State, event: Event) -> None:
    with pytest.raises(AssertionError, match=f"{event.value}.*{state.value}"):
        next_state(state, event)


def test_output_is_drained_before_a_session_has_exited() -> None:
    assert life(Event.EXEC_OK, Event.EXITED) is State.DRAINING
    assert life(Event.EXEC_OK, Event.EXITED, Event.DRAINED) is State.EXITED
    assert [pair for pair, after in TRANSITIONS.items() if after is State.EXITED] == [
        (State.STARTING, Event.EXEC_FAILED),
        (State.DRAINING, Event.DRAINED),
    ]


@pytest.mark.parametrize(
    "ended",
    [
        [Event.EXEC_FAILED],
        [Event.VANISHED],
        [Event.EXEC_OK, Event.VANISHED],
        [Event.EXEC_OK, Event.EXITED, Event.DRAINED],
    ],
)
def test_whatever_ended_can_be_restarted(ended: list[Event]) -> None:
    assert not life(*ended).live
    assert life(*ended, Event.RESTARTED) is State.STARTING


def test_a_state_without_a_way_on_would_trap_a_session() -> None:
    assert {state for state, _ in TRANSITIONS} == set(State)


def test_what_users_see() -> None:
    assert {state: state.shown for state in State} == {
        State.STARTING: "starting",
        State.RUNNING: "running",
        State.DRAINING: "running",
        State.EXITED: "exited",
        State.LOST: "lost",
    }
    assert {state for state in State if state.live} == {State.STARTING, State.RUNNING, State.DRAINING}
