"""The prefix key: tables of (bindings, typed bytes, answer), and the laws that hold for whatever is typed."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentmux.mux.keys import Act, PrefixDecoder, Typed, key_name

BINDINGS = {"d": "detach", "?": "help", "Up": "choose", "C-Up": "next", "M-x": "kill", "PageUp": "last", "B": "new"}
PASTE, END = b"\x1b[200~", b"\x1b[201~"


def decoded(*chunks: bytes, prefix: str = "C-b", flush: bool = True) -> list[Typed | Act]:
    """Return what ``chunks`` mean, neighbouring runs of typed bytes joined."""
    decoder = PrefixDecoder(prefix, BINDINGS)
    parts: list[Typed | Act] = []
    for chunk in chunks:
        parts += decoder.feed(chunk)
    if flush and (held := decoder.flush()):
        parts.append(Typed(held))
    joined: list[Typed | Act] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, Typed) and isinstance(last, Typed):
            joined[-1] = Typed(last.data + part.data)
        else:
            joined.append(part)
    return joined


DETACH = Act("detach")
BELL = Act("bell")

LEGACY = [
    pytest.param(b"", [], id="nothing"),
    pytest.param(b"ls\r", [Typed(b"ls\r")], id="no prefix"),
    pytest.param(b"\x02d", [DETACH], id="bound key"),
    pytest.param(b"a\x02db", [Typed(b"a"), DETACH, Typed(b"b")], id="in the middle"),
    pytest.param(b"\x02\x02", [Typed(b"\x02")], id="literal prefix"),
    pytest.param(b"a\x02\x02b", [Typed(b"a\x02b")], id="literal prefix in its place"),
    pytest.param(b"\x02\x02d", [Typed(b"\x02d")], id="a literal prefix disarms"),
    pytest.param(b"\x02\x02\x02d", [Typed(b"\x02"), DETACH], id="literal, then a command"),
    pytest.param(b"\x02q", [BELL], id="unbound"),
    pytest.param(b"\x02qd", [BELL, Typed(b"d")], id="unbound disarms"),
    pytest.param(b"\x02D", [BELL], id="case counts"),
    pytest.param(b"\x02\x02B", [Typed(b"\x02B")], id="capital after literal"),
    pytest.param(b"\x02B", [Act("new")], id="capital"),
    pytest.param(b"\x02\x1b[Ax", [Act("choose"), Typed(b"x")], id="arrow"),
    pytest.param(b"\x02\x1bOA", [Act("choose")], id="arrow in application mode"),
    pytest.param(b"\x02\x1b[1;5A", [Act("next")], id="arrow with ctrl"),
    pytest.param(b"\x02\x1b[1;129A", [Act("choose")], id="arrow with num lock"),
    pytest.param(b"\x02\x1b[1;1:1A", [Act("choose")], id="arrow with an event"),
    pytest.param(b"\x02\x1b[1;1:3A\x1b[A", [Act("choose")], id="release of an earlier arrow"),
    pytest.param(b"\x02\x1b[5~", [Act("last")], id="page up"),
    pytest.param(b"\x02\x1b[5;193~", [Act("last")], id="page up with both locks"),
    pytest.param(b"\x02\x1bx", [Act("kill")], id="alt"),
    pytest.param(b"\x02\x1b", [BELL], id="escape is a key"),
    pytest.param(b"\x02\xc3\xa9x", [BELL, Typed(b"x")], id="a character is one key"),
    pytest.param(b"\x1b[A\x1b[1;5C\xc3\xa9", [Typed(b"\x1b[A\x1b[1;5C\xc3\xa9")], id="sequences pass"),
    pytest.param(b"\x1b[<0;3;4M\x1b[I", [Typed(b"\x1b[<0;3;4M\x1b[I")], id="mouse and focus pass"),
]

KITTY = [
    pytest.param(b"\x1b[98;5ud", [DETACH], id="press"),
    pytest.param(b"\x1b[98;5:1ud", [DETACH], id="press with its event"),
    pytest.param(b"\x1b[98;69ud", [DETACH], id="caps lock"),
    pytest.param(b"\x1b[98;133ud", [DETACH], id="num lock"),
    pytest.param(b"\x1b[98;197:1ud", [DETACH], id="both locks"),
    pytest.param(b"\x1b[98::98;5u\x1b[100u", [DETACH], id="alternate keys"),
    pytest.param(b"\x1b[1080::98;5ud", [DETACH], id="another alphabet"),
    pytest.param(b"\x1b[98;5;2ud", [DETACH], id="with text"),
    pytest.param(b"\x1b[98;5u\x1b[98;5:3ud", [DETACH], id="released before the command"),
    pytest.param(b"\x1b[98;5u\x1b[98;1:3u\x1b[57442;5:3ud", [DETACH], id="ctrl released first"),
    pytest.param(b"\x1b[98;5ud\x1b[98;5:3u", [DETACH], id="released after the command"),
    pytest.param(b"\x1b[98;5u\x1b[98;5:2u\x1b[98;5:2ud", [DETACH], id="held down for long"),
    pytest.param(b"\x1b[98;5:3ud", [Typed(b"d")], id="a release alone does not arm"),
    pytest.param(b"\x1b[98;5:2ud", [Typed(b"d")], id="a repeat alone does not arm"),
    pytest.param(b"\x1b[98;5u\x1b[57441;2u?", [Act("help")], id="shift alone does not disarm"),
    pytest.param(b"\x1b[98;5u\x1b[57441;2u\x1b[47:63;2u", [Act("help")], id="shifted key"),
    pytest.param(b"\x1b[98;5u\x1b[98;2u", [Act("new")], id="shifted letter"),
    pytest.param(b"\x1b[98;5u\x1b[57358;65ud", [DETACH], id="caps lock pressed meanwhile"),
    pytest.param(b"\x1b[98;5u\x1b[98;5u", [Typed(b"\x1b[98;5u")], id="literal prefix as typed"),
    pytest.param(b"\x1b[98;5u\x1b[98;5:3u\x1b[98;5u", [Typed(b"\x1b[98;5u")], id="literal after a release"),
    pytest.param(b"\x02\x1b[98;5u", [Typed(b"\x1b[98;5u")], id="encodings mixed"),
    pytest.param(b"\x1b[98;5u\x1b[120;3u", [Act("kill")], id="alt"),
    pytest.param(b"\x1b[98;6ud", [Typed(b"\x1b[98;6ud")], id="with shift it is another key"),
    pytest.param(b"\x1b[98;5u\x1b[1114112ud", [DETACH], id="a code that is no character"),
    pytest.param(b"\x1b[57442;5u", [Typed(b"\x1b[57442;5u")], id="ctrl alone passes"),
    pytest.param(b"\x1b[?0u", [Typed(b"\x1b[?0u")], id="an answer of the terminal is no key"),
    pytest.param(b"\x1b[27;5;98~d", [DETACH], id="xterm"),
    pytest.param(b"\x1b[27;133;98~\x1b[27;1;100~", [DETACH], id="xterm with num lock"),
    pytest.param(b"\x1b[27;5;98~\x1b[27;5;98~", [Typed(b"\x1b[27;5;98~")], id="xterm literal"),
]

PASTES = [
    pytest.param(PASTE + b"a\x02d" + END, [Typed(PASTE + b"a\x02d" + END)], id="prefix inside"),
    pytest.param(PASTE + b"\x1b[98;5ud" + END, [Typed(PASTE + b"\x1b[98;5ud" + END)], id="kitty prefix inside"),
    pytest.param(PASTE + END + b"\x02d", [Typed(PASTE + END), DETACH], id="prefix behind"),
    pytest.param(PASTE + b"\x1b[20" + END + b"\x02d", [Typed(PASTE + b"\x1b[20" + END), DETACH], id="nearly an end"),
    pytest.param(PASTE * 2 + b"\x02" + END + b"\x02d", [Typed(PASTE * 2 + b"\x02" + END), DETACH], id="a start inside"),
    pytest.param(b"\x02" + PASTE + b"d" + END + b"d", [Typed(PASTE + b"d" + END + b"d")], id="a paste disarms"),
    pytest.param(END + b"\x02d", [Typed(END), DETACH], id="an end alone"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), [*LEGACY, *KITTY, *PASTES])
def test_typed(data: bytes, expected: list[Typed | Act]) -> None:
    assert decoded(data) == expected


@pytest.mark.parametrize(("data", "expected"), [*KITTY, *PASTES])
def test_a_sequence_may_be_cut_behind_its_first_digit(data: bytes, expected: list[Typed | Act]) -> None:
    """Before it, an ESC could be the Escape key, which is never held back."""
    for cut in range(1, len(data)):
        if data[:cut].endswith((b"\x1b", b"\x1b[")):
            continue
        assert decoded(data[:cut], data[cut:]) == expected, data[:cut]


@pytest.mark.parametrize("flushed", [False, True])
def test_a_paste_is_known_wherever_its_markers_are_cut(flushed: bool) -> None:
    """Lost once: a tail that was held when the paste began, an end marker that came after a flush."""
    data = b"x" + PASTE + b"\x02d" + END + b"\x02d"
    for first in range(len(data)):
        for second in range(first, len(data)):
            decoder = PrefixDecoder("C-b", BINDINGS)
            typed, acts = b"", []
            for chunk in (data[:first], data[first:second], data[second:]):
                for part in decoder.feed(chunk):
                    if isinstance(part, Typed):
                        typed += part.data
                    else:
                        acts.append(part)
                if flushed:
                    typed += decoder.flush()
            assert (typed, acts) == (data[:-2], [DETACH]), (first, second)


def test_a_paste_is_known_byte_by_byte() -> None:
    data = PASTE + b"\x02d" + END + b"\x02d"
    assert decoded(*(bytes([byte]) for byte in data)) == [Typed(data[:-2]), DETACH]


@pytest.mark.parametrize("prefix", ["[", "0"])
def test_a_cut_marker_holds_no_prefix(prefix: str) -> None:
    assert decoded(b"\x1b", b"[20", b"0~d", END, prefix=prefix) == [Typed(PASTE + b"d" + END)]


def test_the_prefix_and_its_key_may_come_apart() -> None:
    assert decoded(b"a\x02", b"", b"d") == [Typed(b"a"), DETACH]


def test_escape_passes_at_once() -> None:
    decoder = PrefixDecoder("C-b", BINDINGS)
    for data in (b"\x1b", b"\x1b[", b"ab\x1b", b"\x1b\x1b"):
        assert list(decoder.feed(data)) == [Typed(data)]
        assert not decoder.holding


def test_a_cut_sequence_is_held_and_flushed() -> None:
    decoder = PrefixDecoder("C-b", BINDINGS)
    assert list(decoder.feed(b"a\x1b[98;5")) == [Typed(b"a")]
    assert decoder.holding
    assert decoder.flush() == b"\x1b[98;5"
    assert not decoder.holding
    assert decoder.flush() == b""
    assert list(decoder.feed(b"u")) == [Typed(b"u")]


def test_what_is_held_has_a_bound() -> None:
    decoder = PrefixDecoder("C-b", BINDINGS)
    assert list(decoder.feed(b"\x1b[" + b"1" * 1000)) == [Typed(b"\x1b[" + b"1" * 1000)]


def test_without_a_prefix_everything_passes() -> None:
    assert decoded(b"\x00\x02d\x1b[98;5u", prefix="") == [Typed(b"\x00\x02d\x1b[98;5u")]


@pytest.mark.parametrize(
    ("prefix", "typed"),
    [
        ("C-a", b"\x01"),
        ("C-Space", b"\x00"),
        ("C-Space", b"\x1b[32;5u"),
        ("M-b", b"\x1bb"),
        ("M-b", b"\x1b[98;3u"),
        ("Escape", b"\x1b"),
        ("Escape", b"\x1b[27u"),
        ("Tab", b"\t"),
        ("`", b"`"),
        ("`", b"\x1b[96u"),
        ("C-\\", b"\x1c"),
    ],
)
def test_other_prefixes(prefix: str, typed: bytes) -> None:
    assert decoded(typed + b"d", prefix=prefix) == [DETACH] or typed == b"\x1b"
    assert decoded(typed, b"d", prefix=prefix) == [DETACH]
    assert decoded(typed, typed, prefix=prefix) == [Typed(typed)]


@pytest.mark.parametrize(
    ("key", "name", "event"),
    [
        (b"a", "a", 1),
        (b"\r", "Enter", 1),
        (b"\x1b[13u", "Enter", 1),
        (b"\x1b[13;2u", "S-Enter", 1),
        (b"\x1b[1;2A", "S-Up", 1),
        (b"\x1b[6;3:2~", "M-PageDown", 2),
        (b"\x1b[97;8u", "C-M-A", 1),
        (b"\x1b[97;1:3u", "a", 3),
        (b"\x1f", "C-_", 1),
        ("é".encode(), "é", 1),
        (b"\x1b[57441;2:3u", "", 3),
        (b"\x1b[15~", "", 1),
        (b"ab", "", 1),
        (b"\x1b[<0;1;1M", "", 1),
    ],
)
def test_key_names_are_those_of_tmux(key: bytes, name: str, event: int) -> None:
    assert key_name(key) == (name, event)


# For whatever is typed

pieces = st.sampled_from([b"\x1b", b"[", b"2", b"0", b"1", b"~", b"\x1b[1;5", b"97;5u", b"\x1b[A", PASTE, END, b"x"])
without_prefix = st.lists(pieces | st.binary(max_size=3).map(lambda data: data.replace(b"\x02", b"")), max_size=12)


@given(without_prefix)
@example([PASTE, b"abc\x1b[20", b"1~"])
@example([b"\x1b[20", b"0~x"])
def test_without_the_prefix_every_byte_passes_in_order_whatever_the_chunks(chunks: list[bytes]) -> None:
    decoder = PrefixDecoder("C-b", BINDINGS)
    parts = [part for chunk in chunks for part in decoder.feed(chunk)]
    assert all(isinstance(part, Typed) and part.data for part in parts)
    assert b"".join(part.data for part in parts if isinstance(part, Typed)) + decoder.flush() == b"".join(chunks)


@given(without_prefix, st.lists(st.booleans(), min_size=12, max_size=12))
def test_after_any_paste_is_over_the_prefix_works(chunks: list[bytes], flushes: list[bool]) -> None:
    """The law that keeps a user from being trapped: whatever came before, an end marker and the prefix detach."""
    decoder = PrefixDecoder("C-b", BINDINGS)
    for chunk, flush in zip(chunks, flushes, strict=False):
        list(decoder.feed(chunk))
        if flush:
            decoder.flush()
    list(decoder.feed(b" " + END))
    decoder.flush()
    assert list(decoder.feed(b"\x02d")) == [DETACH]
