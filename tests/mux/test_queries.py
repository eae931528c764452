"""Queries are taken out of what clients get, however they are cut; nothing else is touched or held for long."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmux.mux.queries import MAX_HELD, MAX_QUERY, QueryFilter

QUERIES = [
    *(b"\x1b[c", b"\x1b[0c", b"\x1bZ", b"\x1b[>c", b"\x1b[>0c", b"\x1b[=c", b"\x1b[=0c"),
    *(b"\x1b[5n", b"\x1b[6n", b"\x1b[?6n", b"\x1b[?15n", b"\x1b[?996n", b"\x1b[x", b"\x1b[1x"),
    *(b"\x1b[>q", b"\x1b[>0q", b"\x1b[?2026$p", b"\x1b[4$p", b"\x1b[2$w", b"\x1b[1;1;1;1;2;2*y"),
    *(b"\x1b[?u", b"\x1b[?4m", b"\x1b[>4;?m", b"\x1b[?1;1;0S", b"\x1b[#|", b"\x1b[#R", b"\x1b['|", b"\x1b[&u"),
    *(b"\x1b[%dt" % number for number in (11, 13, 14, 15, 16, 18, 19, 20, 21)),
    *(b"\x1b[14;2t", b"\x1b[13;2t"),
    *(b"\x1b]4;1;?\x07", b"\x1b]4;1;?;2;?\x1b\\", b"\x1b]4;1;rgb:00/00/00;2;?\x07", b"\x1b]5;0;?\x07"),
    *(b"\x1b]%d;?\x1b\\" % number for number in range(10, 20)),
    *(b"\x1b]10;?;?\x07", b"\x1b]21;foreground=?;1=?\x1b\\", b"\x1b]21;cursor=red;1=?\x07"),
    *(b"\x1b]52;c;?\x07", b"\x1b]52;;?\x1b\\", b"\x1b]7501;?\x1b\\", b"\x1b]7501;?1\x07", b"\x1b]22;?pointer\x1b\\"),
    *(b"\x1b]5522;type=read;Lg==\x1b\\", b"\x1b]5522;id=1:type=read;Lg==\x07", b"\x1b]99;i=1:p=?;\x1b\\"),
    *(b"\x1b]1337;ReportCellSize\x07", b"\x1b]50;?\x07"),
    *(b"\x1bP+q544e\x1b\\", b"\x1bP+q544e;436f\x1b\\", b"\x1bP$qm\x1b\\", b'\x1bP$q"p\x1b\\', b"\x1bP$q q\x1b\\"),
    *(b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\", b"\x1b_Ga=q;AAAA\x1b\\", b"\x1b_Ga=q\x1b\\", b"\x1b_25a1;s\x1b\\"),
    *(b"\x05", b"\x1b[3J", b"\x1b[03J", b"\x1b[?3J"),
]
OTHERS = [
    *(
        b"text",
        b"\r\n",
        "\u65e5\u672c \U0001f600".encode(),
        b"\x07",
        b"\x18",
        b"\x9b6n",
        b"6n",
        b"c",
        b"\x1b7",
        b"\x1b(0",
        b"\x1bc",
    ),
    *(
        b"\x1b[m",
        b"\x1b[0;1;38;5;200m",
        b"\x1b[4:3m",
        b"\x1b[>4;2m",
        b"\x1b[>4m",
        b"\x1b[H",
        b"\x1b[2J",
        b"\x1b[J",
        b"\x1b[1;3J",
    ),
    *(
        b"\x1b[13;3H",
        b"\x1b[6P",
        b"\x1b[s",
        b"\x1b[u",
        b"\x1b[>5u",
        b"\x1b[<u",
        b"\x1b[=1;1u",
        b"\x1b[5u",
        b"\x1b[8;24;80t",
        b"\x1b[22;0t",
    ),
    *(
        b"\x1b[2 q",
        b'\x1b[1"q',
        b"\x1b[!p",
        b"\x1b[?25h",
        b"\x1b[?2026l",
        b"\x1b[?1049h",
        b"\x1b[?6h",
        b"\x1b[>4n",
        b"\x1b[3S",
        b"\x1b[1$z",
    ),
    *(
        b"\x1b]0;title?\x07",
        b"\x1b]2;why\x1b\\",
        b"\x1b]4;1;#102030\x1b\\",
        b"\x1b]11;#000\x07",
        b"\x1b]104\x07",
        b"\x1b]110\x1b\\",
    ),
    *(
        b"\x1b]8;;http://x/?a=?\x1b\\",
        b"\x1b]52;c;aGk=\x07",
        b"\x1b]9;hm?\x07",
        b"\x1b]9;4;1;5\x07",
        b"\x1b]7501;state=idle\x07",
    ),
    *(
        b"\x1b]1337;SetMark\x07",
        b"\x1b]133;A\x07",
        b"\x1b]99;i=1;text p=?\x1b\\",
        b"\x1b]5522;type=write\x1b\\",
        b"\x1b]22;pointer\x07",
    ),
    *(
        b"\x1bPq#0;2;0;0;0~\x1b\\",
        b"\x1bP1$r0m\x1b\\",
        b"\x1b_Ga=T,f=24;AAAA\x1b\\",
        b"\x1b_Gm=1;a=q\x1b\\",
        b"\x1b_other\x1b\\",
    ),
]


def through(pieces: list[bytes]) -> tuple[bytes, QueryFilter]:
    queries = QueryFilter()
    return b"".join(queries.filter(piece) for piece in pieces), queries


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_removed_wherever_it_is_cut(query: bytes) -> None:
    for first in range(len(query) + 1):
        for second in range(first, len(query) + 1):
            for before, after in ((b"", b""), (b"a\x1b[1mb", b"c\x1b[0md"), (query, query)):
                pieces = [before + query[:first], query[first:second], query[second:] + after]
                out, queries = through(pieces)
                assert (out, queries.pending) == ((before + after).replace(query, b""), b"")


@pytest.mark.parametrize("other", OTHERS)
def test_anything_else_passes_wherever_it_is_cut(other: bytes) -> None:
    for first in range(len(other) + 1):
        for second in range(first, len(other) + 1):
            out, queries = through([b"a" + other[:first], other[first:second], other[second:] + b"b"])
            assert (out + queries.flush(), queries.pending) == (b"a" + other + b"b", b"")


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.sampled_from(OTHERS) | st.binary(max_size=4).filter(lambda b: b"\x1b" not in b and b"\x05" not in b)),
    st.data(),
)
def test_a_stream_without_queries_is_unchanged(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    out, queries = through([stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)])
    assert out + queries.flush() == stream


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(OTHERS + QUERIES), max_size=12), st.data())
def test_the_result_does_not_depend_on_the_chunks(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    out, queries = through([stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)])
    assert out + queries.flush() == b"".join(part for part in parts if part not in QUERIES)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_only_the_start_of_a_sequence_is_held(first: bytes, second: bytes) -> None:
    queries = QueryFilter()
    for data in (first, b"\x1b[38;5;" + second, b"\x1b]4;" + second, b"\x1b_G" + second):
        queries.filter(data)
        assert not queries.pending or queries.pending.startswith(b"\x1b")
        assert len(queries.pending) <= MAX_QUERY


@pytest.mark.parametrize("start", [b"\x1b[", b"\x1b]4;1;", b"\x1b]52;c;", b"\x1b_G", b"\x1bP"])
def test_little_is_held_of_what_may_be_a_query(start: bytes) -> None:
    queries = QueryFilter()
    data = start + b"1" * 100_000
    out = b"".join(queries.filter(data[at : at + 7]) for at in range(0, len(data), 7))
    assert len(data) - len(out) <= MAX_HELD
    assert out + queries.flush() == data


def test_a_query_without_an_end_is_not_held_forever() -> None:
    queries = QueryFilter()
    out = b"".join(queries.filter(piece) for piece in [b"\x1bP+q", *[b"41" * 100] * 100])
    assert len(queries.pending) <= MAX_QUERY and len(out) > 10_000


def test_plain_text_is_returned_as_it_is() -> None:
    queries = QueryFilter()
    data = b"plain text\r\n" * 5000
    assert queries.filter(data) is data


@pytest.mark.parametrize(
    "data",
    [
        b"\x1b[" * 30_000,
        b"\x1b]4;" * 20_000,
        b"\x1b[" + b"1;" * 30_000,
        b"\x1b_G" + b"a," * 30_000,
        b"\x1b]4;" + b";?1" * 20_000,
    ],
)
def test_no_input_is_slow(data: bytes) -> None:
    queries = QueryFilter()
    start = time.perf_counter()
    for at in range(0, len(data), 16_384):
        queries.filter(data[at : at + 16_384])
    assert time.perf_counter() - start < 1
