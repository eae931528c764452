"""Events: everyone is told, nobody is waited for, and who fell behind is told how far."""

from agentmux.mux.events import KINDS, QUEUE, Bus, Happened


def event(number: int, session: int = 1) -> Happened:
    return Happened(float(number), "bell", session, "api", {"number": number})


def nothing() -> None:
    pass


def test_events_come_in_order_to_everyone() -> None:
    bus = Bus()
    first, second = bus.subscribe(nothing), bus.subscribe(nothing)
    bus.publish(event(1))
    bus.publish(event(2))
    assert first.take() == second.take() == [event(1), event(2)]
    assert first.take() == []
    assert first.empty


def test_one_session_may_be_followed() -> None:
    bus = Bus()
    one = bus.subscribe(nothing, session=1)
    bus.publish(event(1, session=2))
    assert one.empty
    bus.publish(event(2, session=1))
    assert one.take() == [event(2)]


def test_a_reader_is_woken_by_what_is_for_it() -> None:
    bus = Bus()
    woken: list[int] = []
    bus.subscribe(lambda: woken.append(1), session=1)
    bus.publish(event(1, session=2))
    assert woken == []
    bus.publish(event(2))
    assert woken == [1]


def test_who_has_left_is_told_nothing() -> None:
    bus = Bus()
    assert not bus.followed
    gone, there = bus.subscribe(nothing), bus.subscribe(nothing)
    assert bus.followed
    bus.unsubscribe(gone)
    bus.publish(event(1))
    assert gone.empty and not there.empty
    bus.unsubscribe(there)
    assert not bus.followed


def test_a_slow_reader_has_a_bound_and_is_told_what_it_missed() -> None:
    bus = Bus()
    slow = bus.subscribe(nothing)
    for number in range(QUEUE + 5):
        bus.publish(event(number))
    assert slow.take() == [event(number) for number in range(QUEUE)]
    bus.publish(event(9000))
    missed, newest = slow.take()
    assert (missed.kind, missed.session, missed.facts) == ("missed", 0, {"count": 5})
    assert newest == event(9000)
    bus.publish(event(9001))
    assert slow.take() == [event(9001)], "told once"


def test_the_queue_stays_bounded_whoever_takes_and_when() -> None:
    bus = Bus()
    slow = bus.subscribe(nothing)
    for number in range(QUEUE):
        bus.publish(event(number))
    for round_ in range(3):
        bus.publish(event(round_))
        assert len(slow.take()) <= QUEUE + 1
        for number in range(QUEUE * 2):
            bus.publish(event(number))
    assert len(slow.take()) <= QUEUE + 1


def test_the_notice_is_a_kind_like_any_other() -> None:
    assert "missed" in KINDS and len(set(KINDS)) == len(KINDS)
