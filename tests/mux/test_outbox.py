"""What a client has yet to be sent: the bound, and a model with which everything that leaves is compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.mux.outbox import CROWDED, FULL, HIGH, Outbox
from agentmux.mux.protocol import Decoder, encode

MUST, OUTPUT = 34, 39


def send(outbox: Outbox, most: int) -> bytes:
    """Send at most that many bytes, as a socket that takes no more."""
    data = b"".join(outbox.buffers())[:most]
    outbox.sent(len(data))
    return data


def drained(outbox: Outbox) -> bytes:
    sent = b""
    while outbox.size:
        sent += send(outbox, 1 << 20)
    return sent


def test_frames_leave_in_the_order_they_came() -> None:
    outbox = Outbox()
    outbox.put(b"one ")
    outbox.put_output(b"two ")
    outbox.put(b"three")
    assert outbox.buffers() == [b"one ", b"two ", b"three"]
    assert outbox.buffers(2) == [b"one ", b"two "]
    assert [send(outbox, 5), send(outbox, 100), send(outbox, 1)] == [b"one t", b"wo three", b""]
    assert outbox.size == 0


def test_over_the_bound_all_output_is_dropped_and_one_redraw_is_owed() -> None:
    outbox = Outbox(high=10)
    outbox.put_output(b"x" * 6)
    outbox.put(b"reply")
    outbox.put_output(b"y" * 6)
    assert outbox.owes_redraw
    outbox.put_output(b"z")
    assert drained(outbox) == b"reply"
    assert outbox.owes_redraw, "only the redraw pays it"


def test_output_up_to_the_bound_is_kept() -> None:
    outbox = Outbox(high=10)
    outbox.put_output(b"x" * 4)
    outbox.put_output(b"y" * 6)
    assert not outbox.owes_redraw
    assert drained(outbox) == b"xxxxyyyyyy"


def test_a_frame_over_the_bound_passes_when_nothing_else_waits() -> None:
    """Else a screen that takes more than the bound could never be shown."""
    outbox = Outbox(high=10)
    outbox.put_output(b"x" * 11)
    assert not outbox.owes_redraw
    assert drained(outbox) == b"x" * 11


def test_a_frame_that_is_partly_sent_is_finished() -> None:
    outbox = Outbox(high=10)
    outbox.put_output(b"abcdef")
    outbox.put_output(b"ghij")
    assert send(outbox, 2) == b"ab"
    outbox.drop_output()
    assert outbox.size == 4
    assert drained(outbox) == b"cdef"


def test_a_frame_that_is_wholly_sent_does_not_save_the_next_one() -> None:
    outbox = Outbox()
    outbox.put_output(b"abc")
    outbox.put_output(b"def")
    assert [send(outbox, 1), send(outbox, 2)] == [b"a", b"bc"]
    outbox.drop_output()
    assert outbox.size == 0


def test_dropping_nothing_is_no_error() -> None:
    outbox = Outbox()
    outbox.drop_output()
    assert outbox.buffers() == []


@pytest.mark.parametrize(("size", "crowded"), [(CROWDED, False), (CROWDED + 1, True)])
def test_crowded_asks_writers_that_can_wait_to_do_so(size: int, crowded: bool) -> None:
    outbox = Outbox()
    outbox.put(bytes(size))
    assert outbox.crowded is crowded
    assert CROWDED < HIGH


def test_it_is_full_of_what_must_arrive_alone() -> None:
    outbox = Outbox()
    outbox.put_output(bytes(HIGH))
    outbox.put(bytes(FULL))
    assert not outbox.full
    outbox.put(b"x")
    assert outbox.full
    outbox.sent(HIGH)
    assert outbox.full
    outbox.sent(1)
    assert not outbox.full


actions = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["put", "output"]), st.integers(0, 30)),
        st.tuples(st.just("sent"), st.integers(0, 60)),
        st.tuples(st.sampled_from(["drop", "paid"]), st.just(0)),
    ),
    max_size=40,
)


@given(actions)
def test_against_a_model(steps: list[tuple[str, int]]) -> None:
    """Must-arrive frames all arrive, output is a subsequence with no gap but an owed redraw, frames are whole."""
    high = 50
    outbox = Outbox(high)
    must: list[bytes] = []
    output: list[bytes] = []
    order: list[tuple[int, bytes]] = []
    wire = b""
    waiting_must = 0
    for number, (what, size) in enumerate(steps):
        body = b"%d:" % number + b"x" * size
        if what == "put":
            outbox.put(encode(MUST, body))
            must.append(body)
            order.append((MUST, body))
        elif what == "output":
            before = outbox.size
            outbox.put_output(encode(OUTPUT, body))
            output.append(body)
            order.append((OUTPUT, body))
            if outbox.size > before:
                assert outbox.size <= high or before == 0
        elif what == "sent":
            wire += send(outbox, size)
        elif what == "drop":
            outbox.drop_output()
        else:
            outbox.owes_redraw = False
        assert outbox.size == sum(map(len, outbox.buffers(1000)))
        waiting_must = sum(5 + len(body) for body in must)
        assert outbox.size <= waiting_must + max(high, 5 + 3 + 30)
    wire += drained(outbox)
    frames = Decoder().feed(wire)
    assert b"".join(encode(kind, body) for kind, body in frames) == wire
    assert [body for kind, body in frames if kind == MUST] == must
    arrived = iter(order)
    assert all(frame in arrived for frame in frames), "out of order, or sent twice"


@given(st.lists(st.integers(0, 30), max_size=20))
def test_nothing_is_dropped_below_the_bound(sizes: list[int]) -> None:
    outbox = Outbox(high=sum(sizes) + 1)
    for size in sizes:
        outbox.put_output(b"x" * size)
    assert not outbox.owes_redraw
    assert len(drained(outbox)) == sum(sizes)
