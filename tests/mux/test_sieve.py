"""What of the output is for whom, however it is cut; what is for viewers is never touched or held for long."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmux.mux.sieve import MAX_HELD, MAX_NESTED, MAX_QUERY, MAX_WRAPPED, For, Part, Sieve

QUERIES = [
    *(b"\x1b[c", b"\x1b[0c", b"\x1bZ", b"\x1b[>c", b"\x1b[>0c", b"\x1b[=c", b"\x1b[=0c"),
    *(b"\x1b[5n", b"\x1b[6n", b"\x1b[?6n", b"\x1b[?15n", b"\x1b[?996n", b"\x1b[x", b"\x1b[1x"),
    *(b"\x1b[>q", b"\x1b[>0q", b"\x1b[?2026$p", b"\x1b[4$p", b"\x1b[2$w", b"\x1b[1;1;1;1;2;2*y"),
    *(
        b"\x1b[?u",
        b"\x1b[?4m",
        b"\x1b[>4;?m",
        b"\x1b[?1;1;0S",
        b"\x1b[#|",
        b"\x1b[#R",
        b"\x1b[#S",
        b"\x1b['|",
        b"\x1b[&u",
    ),
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
    *(b"\x1b[1$}", b"\x1b[$}", b"\x1b[2$~", b"\x1b[0;1$~"),
]
"""What viewers never get: queries, what erases the scrollback, what writes into a status line."""

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
    *(b"\x1b]8;;http://x/?a=?\x1b\\",),
    *(
        b"\x1b]1337;SetMark\x07",
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


SIDE = [
    *(b"\x1b]52;c;aGk=\x07", b"\x1b]9;hm?\x07", b"\x1b]9;4;1;5\x07", b"\x1b]777;notify;a;b\x1b\\"),
    *(b"\x1b]7501;state=idle\x07", b"\x1b]5522;type=write\x1b\\"),
]
"""What the emulator turns into events."""

ANSWERS = [
    *(b"\x1b[?4m", b"\x1b[>4;?m", b"\x1b[?6n", b"\x1b[?15n", b"\x1b[?25n", b"\x1b[?26n", b"\x1b]52;c;?\x07"),
    *(b"\x1bP+q544e\x1b\\", b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"),
]
NOTES = [b"\x1b]99;i=1;text\x1b\\", b"\x1b]99;;\x07", b"\x1b]99;i=1:p=?;\x1b\\"]
MARKS = [b"\x1b]133;A\x07", b"\x1b]133;C\x1b\\", b"\x1b]133;D;1\x07"]


def through(pieces: list[bytes], sieve: Sieve | None = None) -> list[Part]:
    """Return the parts of a stream in pieces, neighbours for the same joined."""
    sieve = sieve or Sieve()
    joined: list[Part] = []
    for piece in pieces:
        for who, data in sieve.feed(piece):
            if joined and joined[-1][0] is who:
                joined[-1] = (who, joined[-1][1] + data)
            else:
                joined.append((who, data))
    return joined


def shown(parts: list[Part]) -> bytes:
    """Return what viewers get."""
    return b"".join(data for who, data in parts if who is For.ALL)


def fed(parts: list[Part]) -> bytes:
    """Return what the emulator gets."""
    return b"".join(data for who, data in parts if who in (For.ALL, For.EMULATOR))


def cuts_of(data: bytes) -> list[list[bytes]]:
    """Return ``data`` in three pieces, in every way."""
    return [
        [data[:first], data[first:second], data[second:]]
        for first in range(len(data) + 1)
        for second in range(first, len(data) + 1)
    ]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_not_shown_wherever_it_is_cut(query: bytes) -> None:
    for first, second, third in cuts_of(query):
        for before, after in ((b"", b""), (b"a\x1b[1mb", b"c\x1b[0md"), (query, query)):
            sieve = Sieve()
            parts = through([before + first, second, third + after], sieve)
            assert (shown(parts), sieve.held) == ((before + after).replace(query, b""), 0)


@pytest.mark.parametrize("other", OTHERS)
def test_anything_else_passes_wherever_it_is_cut(other: bytes) -> None:
    for first, second, third in cuts_of(other):
        sieve = Sieve()
        parts = through([b"a" + first, second, third + b"b\x1b[m"], sieve)
        assert parts == [(For.ALL, b"a" + other + b"b\x1b[m")]


@pytest.mark.parametrize(
    ("sequence", "who"),
    [
        *(
            (sequence, [For.EMULATOR])
            for sequence in [*SIDE, b"\x1b[c", b"\x1b[?2026$p", b"\x1b]11;?\x07", b"\x1bP$qm\x1b\\"]
        ),
        *((sequence, [For.ANSWER]) for sequence in ANSWERS),
        *((sequence, [For.NOTE]) for sequence in NOTES),
        *((sequence, [For.ALL, For.NOTE]) for sequence in MARKS),
        (b"\x1bc", [For.RESET]),
        (b"\x1b[!p", [For.SOFT_RESET]),
        (b"\x1b[3J", []),
        (b"\x1b[1$}", []),
        (b"\x1b[2$~", []),
        (b"\x05", []),
    ],
)
def test_who_gets_what(sequence: bytes, who: list[For]) -> None:
    for pieces in cuts_of(sequence):
        assert through(pieces) == [(one, sequence) for one in who]
    around = through([b"a\x1b[m" + sequence + b"\x1b[1mb"])
    assert shown(around).replace(sequence, b"") == b"a\x1b[m\x1b[1mb"
    assert [one for one, data in around if data == sequence and one is not For.ALL] == [
        w for w in who if w is not For.ALL
    ]


@pytest.mark.parametrize("sequence", [*SIDE, *NOTES, *ANSWERS, *MARKS, b"\x1b]0;title\x07", b"\x1b[31mred"])
def test_what_is_wrapped_for_tmux_is_unwrapped_wherever_it_is_cut(sequence: bytes) -> None:
    wrapped = b"\x1bPtmux;" + sequence.replace(b"\x1b", b"\x1b\x1b") + b"\x1b\\"
    for pieces in cuts_of(wrapped):
        assert through(pieces) == through([sequence])
    twice = b"\x1bPtmux;" + wrapped.replace(b"\x1b", b"\x1b\x1b") + b"\x1b\\"
    assert through([twice]) == through([sequence])


@pytest.mark.parametrize("sequence", [b"\x1b]52;c;aGk=\x07", b"\x1b]0;title\x07", b"\x1b]9;note\x07"])
@pytest.mark.parametrize("size", [1, 5, 768])
def test_what_is_wrapped_for_screen_is_unwrapped_wherever_it_is_cut(sequence: bytes, size: int) -> None:
    """screen takes strings of 768 bytes at most, so what is longer comes in several."""
    chunks = (
        [sequence[:2], *(sequence[at : at + size] for at in range(2, len(sequence), size))] if size < 9 else [sequence]
    )
    wrapped = b"".join(b"\x1bP" + chunk + b"\x1b\\" for chunk in chunks)
    for pieces in cuts_of(wrapped) if len(wrapped) < 60 else [[wrapped], [wrapped[:9], wrapped[9:]]]:
        assert through([*pieces, b"."]) == through([sequence, b"."])


def test_a_long_clipboard_is_passed_to_the_emulator_as_it_comes() -> None:
    sequence = b"\x1b]52;c;" + b"QUJD" * 500_000 + b"\x1b\\"
    sieve = Sieve()
    pieces = [sequence[at : at + 4095] for at in range(0, len(sequence), 4095)]
    parts = through([b"a", *pieces, b"b\x1b[m"], sieve)
    assert parts == [(For.ALL, b"a"), (For.EMULATOR, sequence), (For.ALL, b"b\x1b[m")]
    through(pieces[:10], sieve)
    assert sieve.hidden and sieve.held <= 1


@pytest.mark.parametrize("end", [b"\x07", b"\x1b\\", b"\x18", b"\x1a", b"\x1b[31m", b"\x1b[6n", b"\x1bc"])
def test_a_long_string_ends_as_it_does_in_a_terminal(end: bytes) -> None:
    start = b"\x1b]52;c;" + b"A" * 10_000
    for cut in range(len(end) + 1):
        sieve = Sieve()
        parts = through([start, end[:cut], end[cut:] + b"text"], sieve)
        assert b"".join(data for _, data in parts) == start + end + b"text"
        assert shown(parts).endswith(b"text") and b"AAAA" not in shown(parts)
        assert not sieve.hidden


def test_a_restored_emulator_may_be_inside_a_hidden_string() -> None:
    sieve = Sieve()
    sieve.resume(b"\x1b]52;c;" + b"A" * 9000)
    assert sieve.hidden
    assert through([b"AAA\x07text"], sieve) == [(For.EMULATOR, b"AAA\x07"), (For.ALL, b"text")]
    sieve.resume(b"\x1b]2;half a ti")
    assert not sieve.hidden
    assert through([b"tle\x07"], sieve) == [(For.ALL, b"tle\x07")]


def test_wrapping_has_a_bottom() -> None:
    sequence = b"\x1b]0;t\x07"
    for _ in range(MAX_NESTED + 1):
        sequence = b"\x1bPtmux;" + sequence.replace(b"\x1b", b"\x1b\x1b") + b"\x1b\\"
    assert through([b"a", sequence, b"b"]) == [(For.ALL, b"ab")]


def test_of_what_is_wrapped_and_has_no_end_only_so_much_is_held() -> None:
    for start in (b"\x1bPtmux;", b"\x1bP\x1b]52;"):
        sieve = Sieve()
        parts = through([start, *[b"x" * 4000] * 200], sieve)
        assert sieve.held <= MAX_WRAPPED
        assert len(fed(parts)) + sieve.held == len(start) + 800_000


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.sampled_from([*OTHERS, *QUERIES, *SIDE, *NOTES, *ANSWERS, *MARKS, b"\x1bc", b"\xc2", b"\x9bc"]), max_size=12
    ),
    st.data(),
)
def test_the_result_does_not_depend_on_the_chunks(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts) + b"\x1b[m"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    assert through([stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]) == through([stream])


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from([*OTHERS, *SIDE, *QUERIES]) | st.binary(max_size=6), max_size=8), st.data())
def test_the_emulator_misses_nothing_but_what_is_answered_for_it(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts).translate(None, b"\x05\xc2}~").replace(b"3J", b"") + b"\x1b[m"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    out = through([stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)])
    if not any(who in (For.RESET, For.NOTE) for who, _ in out) and b"\x1bP" not in stream:
        assert b"".join(part for _, part in out) == stream


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_only_the_start_of_a_sequence_is_held(first: bytes, second: bytes) -> None:
    sieve = Sieve()
    for data in (first, b"\x1b[38;5;" + second, b"\x1b]4;" + second, b"\x1b_G" + second):
        sieve.feed(data)
        assert sieve.held <= MAX_QUERY


@pytest.mark.parametrize("start", [b"\x1b[", b"\x1b]4;1;", b"\x1b_G", b"\x1bP"])
def test_little_is_held_of_what_may_be_a_query(start: bytes) -> None:
    sieve = Sieve()
    data = start + b"1" * 100_000
    parts = through([data[at : at + 7] for at in range(0, len(data), 7)], sieve)
    assert sieve.held <= MAX_HELD
    assert len(shown(parts)) + sieve.held == len(data)


def test_a_query_without_an_end_is_not_held_forever() -> None:
    sieve = Sieve()
    parts = through([b"\x1bP+q", *[b"41" * 100] * 100], sieve)
    assert sieve.held <= MAX_QUERY and len(shown(parts)) > 10_000


def test_plain_text_is_returned_as_it_is() -> None:
    data = b"plain text\r\n" * 5000
    assert Sieve().feed(data)[0][1] is data


@pytest.mark.parametrize(
    "data",
    [
        b"\x1b[" * 30_000,
        b"\x1b]4;" * 20_000,
        b"\x1b[" + b"1;" * 30_000,
        b"\x1b_G" + b"a," * 30_000,
        b"\x1b]4;" + b";?1" * 20_000,
        b"\x1bPtmux;" * 8_000,
        b"\x1bP\x1b]" * 10_000,
        b"\x1bP\x1b\\" * 10_000,
        b"\x1b]133;A;" + b";?1" * 20_000,
    ],
)
def test_no_input_is_slow(data: bytes) -> None:
    sieve = Sieve()
    start = time.process_time()
    for at in range(0, len(data), 16_384):
        sieve.feed(data[at : at + 16_384])
    assert time.process_time() - start < 1


C1 = [*(chr(number).encode() for number in range(0x80, 0xA0)), "\x9d52;c;aGk=\x9c".encode(), "\x9bc".encode()]


@pytest.mark.parametrize("control", C1)
def test_a_c1_control_in_utf_8_reaches_nobody_wherever_it_is_cut(control: bytes) -> None:
    """xterm and VTE act on them, the emulator does not: with them a program gets past the sieve."""
    harmless = re.sub(rb"\xc2[\x80-\x9f]", b"", control)
    for before, after in ((b"", b""), (b"a\x1b[1m", b"\x1b[0mb"), ("\u00e9\u00a0".encode(), "\u00bf".encode())):
        for pieces in cuts_of(before + control + after):
            sieve = Sieve()
            parts = through(pieces, sieve)
            assert shown(parts) == fed(parts) == before + harmless + after, pieces
            assert sieve.held == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\xc2\xc2\x9b\x9bc",
        b"\xc2\x05\x9bc",
        b"\xc2\x1b[c\x9bc",
        b"\xc2\x1b[3J\x9bc",
        b"\xc2\xc2\xc2\x9b",
        b"\xe2\xc2\x9b",
    ],
)
def test_taking_something_out_makes_no_c1_control(data: bytes) -> None:
    for pieces in cuts_of(data):
        assert not re.search(rb"\xc2[\x80-\x9f]", shown(through([*pieces, b"."]))), pieces
