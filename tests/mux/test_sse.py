"""Server-sent events, however their bytes come."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.mux.sse import LONGEST, BadChunk, Chunks, Events


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@given(st.lists(st.text(max_size=40), max_size=6), st.sampled_from(["\n", "\r\n", "\r"]), CUTS)
def test_events_come_out_as_they_went_in(told: list[str], end: str, cuts: list[int]) -> None:
    lines = []
    for value in told:
        lines += [": a comment", "event: x", f"data: {json.dumps(value)}", "id: 5", ""]
    data = (end.join(lines) + end * 2).encode()
    events = Events()
    found = [one for piece in [*pieces(data, cuts), b": "] for one in events.feed(piece)]
    assert [json.loads(one) for one in found] == told


def test_an_event_may_have_several_lines_and_no_blank() -> None:
    assert Events().feed(b"data:a\ndata: b\ndata\n\n") == ["a\nb\n"]
    assert Events().feed(b"event: x\n\n\n\n") == []
    events = Events()
    assert events.feed(b"data: a\r") == []
    assert events.feed(b"\ndata: b\r\n\r\n") == ["a\nb"]


@pytest.mark.parametrize("line", [b"x" * 100_000, b"data: " + b"y" * 100_000])
def test_one_that_is_too_long_is_left_out_and_nothing_is_kept(line: bytes) -> None:
    events = Events()
    assert events.feed(b"data: 1\n\ndata: ") == ["1"]
    for _ in range(2 * LONGEST // len(line)):
        assert events.feed(line) == []
        assert len(events._rest) <= LONGEST + len(line)
    assert events.feed(b"\ndata: rest\n\ndata: 2\n\n") == ["2"]
    many = b"".join(b"data: " + b"z" * 1000 + b"\n" for _ in range(LONGEST // 1000 + 5))
    assert events.feed(many) == [] and sum(map(len, events._data)) <= LONGEST
    assert events.feed(b"\ndata: 3\n\n") == ["3"]
    assert events._rest == b"" and not events._data


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6), CUTS)
def test_chunks_come_out_as_one_body(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(b"%X;name=value\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    chunks = Chunks()
    assert b"".join(chunks.feed(piece) for piece in pieces(data, cuts)) == b"".join(parts)
    assert chunks.over


@pytest.mark.parametrize("data", [b"\r\n", b"nonsense\r\n", b"-5\r\n", b"1" * 300])
def test_what_is_no_chunk_is_an_error(data: bytes) -> None:
    with pytest.raises(BadChunk):
        Chunks().feed(data)
