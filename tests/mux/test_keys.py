"""What a terminal sends: tables of (bytes, tokens), and the laws that hold for whatever comes and however it is cut."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentmux.mux.keys import (
    LONG_WAIT,
    REPLY_LIMIT,
    SHORT_WAIT,
    Act,
    Focus,
    InputDecoder,
    Mouse,
    Reply,
    Token,
    Typed,
    key_name,
    split,
)

BINDINGS = {"d": "detach", "?": "help", "Up": "choose", "C-Up": "next", "M-x": "kill", "PageUp": "last", "B": "new"}
BINDINGS |= {"F5": "redraw", "IC": "interrupt"}
PASTE, END = b"\x1b[200~", b"\x1b[201~"


def joined(parts: Iterable[Token]) -> list[Token]:
    """Return ``parts`` with neighbouring runs of the same kind made one."""
    found: list[Token] = []
    for part in parts:
        last = found[-1] if found else None
        if isinstance(part, Typed) and isinstance(last, Typed) and part.paste == last.paste:
            found[-1] = Typed(last.data + part.data, part.paste)
        else:
            found.append(part)
    return found


def decoded(*chunks: bytes, prefix: str = "C-b", expecting: bool = False) -> list[Token]:
    """Return what ``chunks`` mean when nothing follows."""
    decoder = InputDecoder(prefix, BINDINGS)
    decoder.expecting = expecting
    parts = [part for chunk in chunks for part in decoder.feed(chunk)]
    while decoder.holding:
        parts += decoder.flush()
    return joined(parts)


def content(parts: Iterable[Token]) -> bytes:
    """Return the bytes that ``parts`` were made of."""
    whole = b""
    for part in parts:
        if isinstance(part, Focus):
            whole += b"\x1b[I" if part.focused else b"\x1b[O"
        elif isinstance(part, Typed | Mouse | Reply):
            whole += part.data
    return whole


def pasted(data: bytes) -> Typed:
    return Typed(data, True)


DETACH = Act("detach")
BELL = Act("bell")
NOISE = [Mouse(b"\x1b[<35;3;4M"), Focus(True), Reply(b"\x1b[?1;2c")]

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
    pytest.param(b"\x02\x1b[15~d", [Act("redraw"), Typed(b"d")], id="function key"),
    pytest.param(b"\x02\x1b[25~d", [BELL, Typed(b"d")], id="a key without a name disarms"),
    pytest.param(b"\x02\x1b[2~", [Act("interrupt")], id="tmux's other name"),
    pytest.param(b"\x02\x1b[<35;3;4M\x1b[I\x1b[?1;2cd", [*NOISE, DETACH], id="what is no key does not disarm"),
    pytest.param(b"\x1b]\x1bP\x1b_\x1b[", [Typed(b"\x1b]\x1bP\x1b_\x1b[")], id="alt and a bracket"),
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
    pytest.param(b"\x1b[98;5u\x1b[1114112ud", [BELL, Typed(b"d")], id="a code that is no character"),
    pytest.param(b"\x1b[57442;5u", [Typed(b"\x1b[57442;5u")], id="ctrl alone passes"),
    pytest.param(b"\x1b[98;5u\x1b[57376ud", [BELL, Typed(b"d")], id="a key without a name disarms"),
    pytest.param(b"\x1b[98;5u\x1b[57399;129u", [BELL], id="keypad"),
    pytest.param(b"\x1b[27;5;98~d", [DETACH], id="xterm"),
    pytest.param(b"\x1b[27;133;98~\x1b[27;1;100~", [DETACH], id="xterm with num lock"),
    pytest.param(b"\x1b[27;5;98~\x1b[27;5;98~", [Typed(b"\x1b[27;5;98~")], id="xterm literal"),
]

PASTES = [
    pytest.param(PASTE + b"a\x02d" + END, [pasted(PASTE + b"a\x02d" + END)], id="prefix inside"),
    pytest.param(PASTE + b"\x1b[98;5ud" + END, [pasted(PASTE + b"\x1b[98;5ud" + END)], id="kitty prefix inside"),
    pytest.param(PASTE + b"\x1b[?1c\x1b[I" + END, [pasted(PASTE + b"\x1b[?1c\x1b[I" + END)], id="a reply inside"),
    pytest.param(PASTE + END + b"\x02d", [pasted(PASTE + END), DETACH], id="prefix behind"),
    pytest.param(PASTE + b"\x1b[20" + END + b"\x02d", [pasted(PASTE + b"\x1b[20" + END), DETACH], id="nearly an end"),
    pytest.param(PASTE * 2 + b"\x02" + END + b"\x02d", [pasted(PASTE * 2 + b"\x02" + END), DETACH], id="start inside"),
    pytest.param(b"\x02" + PASTE + b"d" + END + b"d", [pasted(PASTE + b"d" + END), Typed(b"d")], id="a paste disarms"),
    pytest.param(b"a" + PASTE + b"d" + END + b"b", [Typed(b"a"), pasted(PASTE + b"d" + END), Typed(b"b")], id="mixed"),
    pytest.param(END + b"\x02d", [Typed(END), DETACH], id="an end alone"),
    pytest.param(PASTE, [pasted(PASTE)], id="a start alone"),
]  # fmt: skip

REPLIES = [
    *(b"\x1b[?62;22;52c", b"\x1b[>1;10;0c", b"\x1b[=0c", b"\x1b[?2026;2$y", b"\x1b[4;1$y", b"\x1b[0n", b"\x1b[3n"),
    *(b"\x1b[?997;1n", b"\x1b[?15n", b"\x1b[5;12R", b"\x1b[1;1R", b"\x1b[1;400R", b"\x1b[?1;2R", b"\x1b[?5u"),
    *(b"\x1b[>4;2m", b"\x1b[4;600;800t", b"\x1b[8;24;80t", b"\x1b[48;24;80;432;720t", b"\x1b[1t", b"\x1b[3;0;0t"),
    *(b"\x1b]11;rgb:1010/1111/1212\x1b\\", b"\x1b]4;1;rgb:cc/66/66\x07", b"\x1b]52;c;aGk=\x07", b"\x1b]12;#fff\x07"),
    *(b"\x1b]21;foreground=rgb:0/0/0\x1b\\", b"\x1b]60;allowWindowOps\x1b\\", b"\x1b]99;i=1:p=?;a=focus\x1b\\"),
    *(b"\x1b]7501;?\x07", b"\x1b]1337;ReportCellSize=18;9\x1b\\", b"\x1b]lmy \xc3\xa9\x1b\\", b"\x1b]Licon\x1b\\"),
    *(b"\x1bP>|kitty(0.42)\x1b\\", b"\x1bP!|00000000\x1b\\", b"\x1bP1$r0m\x1b\\", b"\x1bP0+r\x1b\\"),
    *(b"\x1bP1+r544e=41\x1b\\", b"\x1bP1$u1;1;1\x1b\\", b"\x1b_Gi=31;OK\x1b\\", b"\x1b_25a1;s;fmt=glyf\x1b\\"),
]  # fmt: skip

KEYS = [
    *(b"\x1b", b"\x1b[A", b"\x1bOP", b"\x1b[1;2R", b"\x1b[1;131R", b"\x1b[R", b"\x1b[P", b"\x1b[c", b"\x1b[Z"),
    *(b"\x1b[13;2u", b"\x1b[27;2;13~", b"\x1b[97;1:3u", b"\x1b[[A", b"\x1b[65;30;97;1;32;1_", b"\x1b]"),
    *(b"\x1bP", b"\x1b_", b"\x1b^", b"\x1b[15~", b"\x1b[3;5~", b"\x1bx", b"\x1b\x1b[A", b"\x1b]1", b"\x1b[0;0"),
]  # fmt: skip

MICE = [
    *(b"\x1b[<0;11;6M", b"\x1b[<64;300;200M", b"\x1b[<0;1;1m", b"\x1b[32;11;6M", b"\x1b[M +&", b"\x1b[M \xdf\xff"),
    *(b"\x1b[M#\xc5\x90", b"\x1b[M \x00\x00", b"\x1b[M \xc5\x90\xc3\x80", b"\x1b[M +\xc3\x80", b"\x1b[M \xc5\x90!"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), [*LEGACY, *KITTY, *PASTES])
def test_typed(data: bytes, expected: list[Token]) -> None:
    assert decoded(data) == expected


@pytest.mark.parametrize(("data", "expected"), [*LEGACY, *KITTY, *PASTES])
def test_a_sequence_may_be_cut_anywhere(data: bytes, expected: list[Token]) -> None:
    for cut in range(1, len(data)):
        assert decoded(data[:cut], data[cut:], expecting=True) == expected, data[:cut]
        if not data[:cut].endswith(b"\x1b"):
            assert decoded(data[:cut], data[cut:]) == expected, data[:cut]


@pytest.mark.parametrize("flushed", [False, True])
def test_a_paste_is_known_wherever_its_markers_are_cut(flushed: bool) -> None:
    """Lost once: a tail that was held when the paste began, an end marker that came after a flush."""
    data = b"x" + PASTE + b"\x02d" + END + b"\x02d"
    for first in range(len(data)):
        for second in range(first, len(data)):
            decoder = InputDecoder("C-b", BINDINGS)
            parts: list[Token] = []
            for chunk in (data[:first], data[first:second], data[second:]):
                parts += decoder.feed(chunk)
                if flushed:
                    parts += decoder.flush()
            assert (content(parts), parts[-1]) == (data[:-2], DETACH), (first, second)


def test_a_paste_is_known_byte_by_byte() -> None:
    data = PASTE + b"\x02d" + END + b"\x02d"
    chunks = [bytes([byte]) for byte in data]
    assert decoded(*chunks) == [Typed(b"\x1b"), pasted(data[1:-2]), DETACH]
    assert decoded(*chunks, expecting=True) == [pasted(data[:-2]), DETACH]


@pytest.mark.parametrize("prefix", ["[", "0"])
def test_a_cut_marker_holds_no_prefix(prefix: str) -> None:
    parts = decoded(b"\x1b", b"[20", b"0~d", END, prefix=prefix)
    assert parts == [Typed(b"\x1b"), pasted(b"[200~d" + END)]


def test_a_paste_is_not_held_back() -> None:
    decoder = InputDecoder("C-b", BINDINGS)
    for chunk in (PASTE + b"a", b"b\x1b[20", b"1", b"~"):
        assert list(decoder.feed(chunk)) == [pasted(chunk)]
        assert not decoder.holding


def test_the_prefix_and_its_key_may_come_apart() -> None:
    assert decoded(b"a\x02", b"", b"d") == [Typed(b"a"), DETACH]


def test_escape_passes_at_once() -> None:
    decoder = InputDecoder("C-b", BINDINGS)
    for data in (b"\x1b", b"ab\x1b", b"\x1b\x1b"):
        assert list(decoder.feed(data)) == [Typed(data)]
        assert list(decoder.flush()) == []
        assert not decoder.holding


@pytest.mark.parametrize(
    "data", [b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b_", b"\x1bO", b"\x1b[98;5", b"\x1b]11", b"\x1b[M !"]
)
def test_what_may_go_on_is_held_for_a_moment(data: bytes) -> None:
    decoder = InputDecoder("C-b", BINDINGS)
    assert list(decoder.feed(b"a" + data)) == [Typed(b"a")]
    assert decoder.holding
    assert decoder.wait == SHORT_WAIT
    assert list(decoder.flush()) == [Typed(data)]
    assert not decoder.holding
    assert list(decoder.flush()) == []
    assert list(decoder.feed(b"u")) == [Typed(b"u")]


def test_what_is_held_has_a_bound() -> None:
    decoder = InputDecoder("C-b", BINDINGS)
    assert list(decoder.feed(b"\x1b[" + b"1" * 1000)) == [Typed(b"\x1b[" + b"1" * 1000)]


# What isn't typed


@pytest.mark.parametrize("reply", REPLIES)
def test_a_reply_is_swallowed_whole_wherever_it_is_cut(reply: bytes) -> None:
    assert decoded(b"a" + reply * 2 + b"b") == [Typed(b"a"), Reply(reply), Reply(reply), Typed(b"b")]
    for cut in range(len(reply)):
        assert decoded(reply[:cut], reply[cut:], expecting=True) == [Reply(reply)], reply[:cut]
    assert decoded(*(bytes([byte]) for byte in reply), expecting=True) == [Reply(reply)]


@pytest.mark.parametrize("reply", REPLIES)
def test_a_reply_that_nobody_expects_may_be_cut_behind_its_escape(reply: bytes) -> None:
    assert decoded(b"\x1b", reply[1:]) == [Typed(b"\x1b"), Reply(reply)]
    assert decoded(*(bytes([byte]) for byte in reply)) == [Typed(b"\x1b"), Reply(reply)]


def test_a_key_after_the_prefix_may_be_cut_behind_its_escape() -> None:
    assert decoded(b"\x02\x1b", b"[A") == [Act("choose")]


def test_what_follows_a_key_later_is_typed() -> None:
    decoder = InputDecoder("C-b", BINDINGS)
    assert list(decoder.feed(b"\x1b")) == [Typed(b"\x1b")]
    assert decoder.holding  # not the ESC, but what it may be the beginning of
    assert list(decoder.flush()) == []
    assert list(decoder.feed(b"[I")) == [Typed(b"[I")]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("expecting", [False, True])
def test_a_key_is_no_reply(key: bytes, expecting: bool) -> None:
    assert decoded(key, expecting=expecting) == [Typed(key)]


@pytest.mark.parametrize("mouse", MICE)
def test_mouse_reports_come_one_by_one(mouse: bytes) -> None:
    assert decoded(mouse) == [Mouse(mouse)]
    assert decoded(mouse + mouse + b"\x1b[A") == [Mouse(mouse), Mouse(mouse), Typed(b"\x1b[A")]
    for cut in range(len(mouse)):
        assert decoded(mouse[:cut], mouse[cut:] + b"\x1b[I", expecting=True) == [Mouse(mouse), Focus(True)]


def test_focus() -> None:
    assert decoded(b"a\x1b[O\x1b[Ib") == [Typed(b"a"), Focus(False), Focus(True), Typed(b"b")]


def test_escape_waits_while_replies_are_due() -> None:
    decoder = InputDecoder("C-b", BINDINGS)
    decoder.expecting = True
    assert list(decoder.feed(b"a\x1b")) == [Typed(b"a")]
    assert decoder.wait == LONG_WAIT
    assert list(decoder.flush()) == [Typed(b"\x1b")]


@pytest.mark.parametrize("head", [b"\x1b]11;", b"\x1b[?6", b"\x1bP>|", b"\x1b_Gi=", b"\x1b]52;c;AA\x1b"])
def test_a_slow_reply_gets_more_time_and_never_reaches_the_pane(head: bytes) -> None:
    tail = b"2c" if head.startswith(b"\x1b[") else b"\\" if head.endswith(b"\x1b") else b"rest\x07"
    decoder = InputDecoder("C-b", BINDINGS)
    assert list(decoder.feed(head)) == []
    assert (decoder.holding, decoder.wait) == (True, LONG_WAIT)
    assert list(decoder.flush()) == [Reply(head.rstrip(b"\x1b"))]
    assert decoder.holding
    assert list(decoder.feed(tail + b"\x02d")) == [DETACH]
    assert not decoder.holding


def test_a_reply_without_an_end_traps_nobody() -> None:
    decoder = InputDecoder("C-b", BINDINGS)
    assert list(decoder.feed(b"\x1b]11;rgb:")) == []
    assert list(decoder.flush()) == [Reply(b"\x1b]11;rgb:")]
    assert list(decoder.feed(b"ls")) == []
    assert list(decoder.flush()) == []
    assert list(decoder.feed(b"ls")) == [Typed(b"ls")]


@pytest.mark.parametrize("rest", [b"\x03", b"\r", b"\x1b[A", b"\x02\x02"])
def test_a_key_breaks_a_reply_off(rest: bytes) -> None:
    typed = rest[:1] if rest == b"\x02\x02" else rest
    assert decoded(b"\x1b]11;rgb:" + rest) == [Reply(b"\x1b]11;rgb:"), Typed(typed)]


def test_a_key_breaks_a_report_off() -> None:
    assert decoded(b"\x1b[?6\x03") == [Reply(b"\x1b[?6"), Typed(b"\x03")]


@pytest.mark.parametrize("step", [1000, 65536])
def test_a_reply_has_a_bound(step: int) -> None:
    head, end = b"\x1b]52;c;", b"\x1b\\"
    fits = head + b"A" * (REPLY_LIMIT - len(head) - len(end)) + end
    for reply, expected in ((fits, [Reply(fits), DETACH]), (fits[:-2] + b"A" + end, [DETACH])):
        data = reply + b"\x02d"
        assert decoded(*(data[at : at + step] for at in range(0, len(data), step))) == expected


def test_bare_looks_for_no_prefix() -> None:
    decoder = InputDecoder("C-b", BINDINGS)
    assert list(decoder.feed(b"\x02", bare=True)) == [Typed(b"\x02")]
    assert list(decoder.feed(b"d")) == [Typed(b"d")]
    assert list(decoder.feed(b"\x02")) == []
    assert list(decoder.feed(b"d\x1b[I", bare=True)) == [Typed(b"d"), Focus(True)]
    assert list(decoder.feed(b"d")) == [Typed(b"d")]


def test_a_held_key_is_looked_at_when_nothing_follows() -> None:
    assert decoded(b"\x02\x1b[") == [BELL]
    assert decoded(b"\x1b]", prefix="M-]") == []
    assert decoded(b"\x1b]\x1b]", prefix="M-]") == [Typed(b"\x1b]")]


def test_a_large_paste_takes_no_step_per_byte() -> None:
    data = b"some text, " * 6000
    decoder = InputDecoder("C-b", BINDINGS)
    for chunk in (data, PASTE + data, data):
        assert [len(part.data) for part in decoder.feed(chunk) if isinstance(part, Typed)] == [len(chunk)]


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
        ("F5", b"\x1b[15~"),
        ("DC", b"\x1b[3~"),
        ("é", "é".encode()),
        ("C-\\", b"\x1c"),
    ],
)
def test_other_prefixes(prefix: str, typed: bytes) -> None:
    assert decoded(typed + b"d", prefix=prefix) == [DETACH] or typed == b"\x1b"
    assert decoded(typed, b"d", prefix=prefix) == [DETACH]
    assert decoded(typed, typed, prefix=prefix) == [Typed(typed)]


FUNCTIONS = [f"F{number}" for number in range(1, 13)]
NUMBERS = [11, 12, 13, 14, 15, 17, 18, 19, 20, 21, 23, 24]


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
        (b"\x1b[25~", "", 1),
        *((b"\x1bO" + final, name, 1) for final, name in zip((b"P", b"Q", b"R", b"S"), FUNCTIONS, strict=False)),
        *((b"\x1b[" + final, name, 1) for final, name in zip((b"P", b"Q", b"R", b"S"), FUNCTIONS, strict=False)),
        *((b"\x1b[%d~" % number, name, 1) for number, name in zip(NUMBERS, FUNCTIONS, strict=True)),
        *((b"\x1b[[%c" % (65 + number), name, 1) for number, name in enumerate(FUNCTIONS[:5])),
        (b"\x1b[1;5R", "C-F3", 1),
        (b"\x1b[24;2:3~", "S-F12", 3),
        (b"\x1b[2~", "Insert", 1),
        (b"\x1b[3;5~", "C-Delete", 1),
        (b"\x1b[Z", "BTab", 1),
        (b"\x1b[1;5Z", "C-BTab", 1),
        (b"\x1b[9;2u", "BTab", 1),
        (b"\x1b[27;6;65~", "C-A", 1),
        (b"\x1b[57399u", "0", 1),
        (b"\x1b[57423;5u", "C-Home", 1),
        (b"\x1bOM", "Enter", 1),
        (b"\x1bOp", "0", 1),
        (b"\x1b[u", "", 1),
        (b"\x1b[1;" + b"9" * 9000 + b"u", "", 1),
        (b"\x1b[?0u", "", 1),
        (b"ab", "", 1),
        (b"\x1b[<0;1;1M", "", 1),
    ],
)
def test_key_names_are_those_of_tmux(key: bytes, name: str, event: int) -> None:
    assert key_name(key) == (name, event)


@pytest.mark.parametrize(
    ("data", "tokens", "rest"),
    [
        (b"", [], b""),
        (b"a\xc3\xa9\x1b[A\x1bx", [b"a", b"\xc3\xa9", b"\x1b[A", b"\x1bx"], b""),
        (PASTE + b"\x1b[<0;1;1M" + END, [PASTE, b"\x1b[<0;1;1M", END], b""),
        (b"\x1b[M !!x", [b"\x1b[M !!", b"x"], b""),
        (b"\x1b", [b"\x1b"], b""),
        (b"a\x1b[1;", [b"a"], b"\x1b[1;"),
        (b"a\xe2\x82", [b"a"], b"\xe2\x82"),
    ],
)
def test_split(data: bytes, tokens: list[bytes], rest: bytes) -> None:
    assert split(data) == (tokens, rest)


def test_tokens_are_compared_and_shown_by_their_content() -> None:
    assert Typed(b"a") == Typed(b"a")
    assert Typed(b"a") != Typed(b"a", True)
    assert Typed(b"a") != Mouse(b"a")
    assert len({Typed(b"a"), Typed(b"a"), Reply(b"a")}) == 2
    assert repr(Typed(b"a", True)) == "Typed(b'a', True)"


# For whatever comes

pieces = st.sampled_from([b"\x1b", b"[", b"2", b"0", b"1", b"~", b"\x1b[1;5", b"97;5u", b"\x1b[A", PASTE, END, b"x"])
known = st.sampled_from(
    [*REPLIES, *KEYS, *MICE, b"\x1b[I", b"\x1b[O", b"\x1b]11;", b"\x1b[?", b"\x1b\\", b"\x07", b"G"]
)
without_prefix = st.lists(
    pieces | known | st.binary(max_size=3).map(lambda data: data.replace(b"\x02", b"")), max_size=12
)


@given(without_prefix)
@example([PASTE, b"abc\x1b[20", b"1~"])
@example([b"\x1b[20", b"0~x"])
@example([b"\x1b[["])
def test_without_the_prefix_nothing_is_lost_or_doubled(chunks: list[bytes]) -> None:
    decoder = InputDecoder("C-b", BINDINGS)
    decoder.expecting = True
    parts = [part for chunk in chunks for part in decoder.feed(chunk)]
    while decoder.holding:
        parts += decoder.flush()
    assert not any(isinstance(part, Act) or (isinstance(part, Typed) and not part.data) for part in parts)
    assert content(parts) == b"".join(chunks)


streams = st.lists(pieces | known | st.sampled_from([b"\x02", b"\x02d", b"\x1b[98;5u", b"\xc3\xa9"]), max_size=10)


@given(streams, st.lists(st.integers(0, 120), max_size=8))
def test_it_does_not_matter_where_a_stream_is_cut(stream: list[bytes], cuts: list[int]) -> None:
    data = b"".join(stream)
    ends = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    chunks = [data[start:end] for start, end in pairwise(ends)]
    assert decoded(*chunks, expecting=True) == decoded(data, expecting=True)


whole = st.lists(
    st.sampled_from([*REPLIES, *MICE, *KEYS[:-2], b"a", b"\xc3\xa9", PASTE + b"\x1b[?1c" + END]), max_size=10
)


@given(whole, st.lists(st.integers(0, 200), max_size=8))
@example([b"\x1b", b"\x1b[I"], [1])
def test_no_byte_of_a_reply_is_ever_typed(stream: list[bytes], cuts: list[int]) -> None:
    data = b"\x1b[A".join(stream)  # what can't be told apart is left out: a key right before what makes it longer
    ends = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    parts = decoded(*(data[start:end] for start, end in pairwise(ends)), expecting=True)
    replies = [piece for piece in stream if piece in REPLIES]
    assert [part.data for part in parts if isinstance(part, Reply)] == replies
    assert [part.data for part in parts if isinstance(part, Mouse)] == [piece for piece in stream if piece in MICE]


@given(without_prefix, st.lists(st.booleans(), min_size=12, max_size=12), st.booleans())
def test_after_whatever_came_the_prefix_works(chunks: list[bytes], flushes: list[bool], expecting: bool) -> None:
    """The law that keeps a user from being trapped: whatever came before, an end marker and the prefix detach."""
    decoder = InputDecoder("C-b", BINDINGS)
    decoder.expecting = expecting
    for chunk, flush in zip(chunks, flushes, strict=False):
        list(decoder.feed(chunk))
        if flush:
            list(decoder.flush())
    list(decoder.feed(b" " + END))
    list(decoder.flush())
    assert list(decoder.feed(b"\x02d")) == [DETACH]


def test_what_follows_a_bound_key_can_be_kept_for_later() -> None:
    decoder = InputDecoder("C-b", {"[": "scrollback"})
    for token in decoder.feed(b"ab\x02[/cd\x02d\x1b[200~"):
        if isinstance(token, Act):
            break
    assert decoder.unread == b"/cd\x02d\x1b[200~"
    assert list(decoder.feed(b"xy")) == [Typed(b"xy")], "and the decoder is between keys"
