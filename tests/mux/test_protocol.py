"""The wire format. Golden bytes here are promises to servers already running."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.mux.errors import ProtocolError
from agentmux.mux.protocol import MAX_BODY, PROTOCOL, Decoder, Kind, Request, encode, number, pack, unpack

FROZEN = {
    "HELLO": 0,
    "COMMAND": 1,
    "STDIN": 2,
    "STDIN_END": 3,
    "INPUT": 4,
    "RESIZE": 5,
    "DETACH": 6,
    "ACTION": 7,
    "PAUSE": 8,
    "RESUME": 9,
    "PASTE": 10,
    "MOUSE": 11,
    "FOCUS": 12,
    "REPLY": 13,
    "WELCOME": 32,
    "ACCEPTED": 33,
    "STDOUT": 34,
    "STDERR": 35,
    "EXIT": 36,
    "WANT_STDIN": 37,
    "ATTACHED": 38,
    "OUTPUT": 39,
    "NOTICE": 40,
    "SCROLLBACK": 41,
    "PLAYED": 42,
    "PLAY": 43,
}

CASES = [
    pytest.param(Kind.DETACH, b"", "0600000000", id="empty body"),
    pytest.param(Kind.INPUT, b"ls\r", "04000000036c730d", id="typed line"),
    pytest.param(Kind.PLAY, b"", "2b00000000", id="highest kind"),
    pytest.param(Kind.OUTPUT, b"\x00" * 256, "2700000100" + "00" * 256, id="length over a byte"),
]

REQUEST = Request(["new", "-d", "a\udcff"], "/tmp/\udce9", {"A": "1=2", "B": "\udc80"}, (80, 24), (True, False, True))
REQUEST_WIRE = (
    "00000006" + b"/tmp/\xe9".hex() + "00000002" + b"80".hex() + "00000002" + b"24".hex() + "00000003" + b"101".hex()
    + "00000001" + b"3".hex() + "00000003" + b"new".hex() + "00000002" + b"-d".hex() + "00000002" + b"a\xff".hex()
    + "00000005" + b"A=1=2".hex() + "00000003" + b"B=\x80".hex()
)  # fmt: skip


# Frames


def test_kind_numbers_are_frozen() -> None:
    """Adding a kind extends this table. Changing a line breaks users: don't."""
    assert {name: value for name, value in vars(Kind).items() if name.isupper()} == FROZEN
    assert PROTOCOL == 1


@pytest.mark.parametrize(("kind", "body", "wire"), CASES)
def test_encoding_is_frozen(kind: int, body: bytes, wire: str) -> None:
    assert encode(kind, body).hex() == wire


@pytest.mark.parametrize(("kind", "body", "wire"), CASES)
def test_decode_does_not_care_where_the_stream_is_cut(kind: int, body: bytes, wire: str) -> None:
    stream = bytes.fromhex(wire) * 2
    for cut in range(len(stream) + 1):
        decoder = Decoder()
        frames = [*decoder.feed(stream[:cut]), *decoder.feed(stream[cut:])]
        assert frames == [(kind, body)] * 2


def test_decode_takes_single_bytes_and_keeps_the_order() -> None:
    stream = b"".join(encode(kind, b"%d" % kind) for kind in FROZEN.values())
    decoder = Decoder()
    frames = [frame for byte in stream for frame in decoder.feed(bytes([byte]))]
    assert frames == [(kind, b"%d" % kind) for kind in FROZEN.values()]


def test_a_kind_nobody_knows_yet_is_a_frame_like_any_other() -> None:
    assert Decoder().feed(encode(255, b"x") + encode(Kind.STDOUT, b"y")) == [(255, b"x"), (Kind.STDOUT, b"y")]


def test_the_largest_body_passes_and_one_byte_more_is_refused_from_its_header() -> None:
    body = bytes(MAX_BODY)
    assert Decoder().feed(encode(Kind.COMMAND, body)) == [(Kind.COMMAND, body)]
    with pytest.raises(ProtocolError, match=str(MAX_BODY + 1)):
        Decoder().feed(bytes([Kind.COMMAND]) + (MAX_BODY + 1).to_bytes(4, "big"))


@given(st.binary(max_size=200))
def test_garbage_is_decoded_or_a_protocol_error(data: bytes) -> None:
    try:
        frames = Decoder().feed(data)
    except ProtocolError:
        return
    assert data.startswith(b"".join(encode(kind, body) for kind, body in frames))


# Fields


def test_fields_are_frozen() -> None:
    assert pack([b"", b"ab"]).hex() == "00000000" + "000000026162"
    assert pack([]) == b""


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_fields_come_back_as_they_were(fields: list[bytes]) -> None:
    assert unpack(pack(fields), len(fields)) == fields


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=4), st.data())
def test_cut_fields_are_refused(fields: list[bytes], data: st.DataObject) -> None:
    body = pack(fields)
    ends = {len(pack(fields[:count])) for count in range(len(fields) + 1)}
    cut = data.draw(st.sampled_from([n for n in range(len(body)) if n not in ends]))
    with pytest.raises(ProtocolError, match="cut short"):
        unpack(body[:cut])


def test_missing_fields_are_refused_and_more_are_a_newer_peer() -> None:
    with pytest.raises(ProtocolError, match="1 fields where 2"):
        unpack(pack([b"a"]), 2)
    assert unpack(pack([b"a", b"b", b"c"]), 2) == [b"a", b"b", b"c"]


@given(st.binary(max_size=60), st.integers(0, 4))
def test_garbage_fields_are_unpacked_or_a_protocol_error(body: bytes, at_least: int) -> None:
    try:
        fields = unpack(body, at_least)
    except ProtocolError:
        return
    assert pack(fields) == body and len(fields) >= at_least


@pytest.mark.parametrize("value", [0, 7, -15, 10**18])
def test_numbers(value: int) -> None:
    assert number(b"%d" % value) == value


@pytest.mark.parametrize("field", [b"", b"-", b"--1", b"+1", b" 1", b"1.5", b"1_0", "٣".encode(), b"9" * 21])
def test_what_is_no_number(field: bytes) -> None:
    with pytest.raises(ProtocolError, match="not a number"):
        number(field)


# Requests

words = st.text(st.characters(codec="utf-8") | st.sampled_from("\udc80\udcff"), max_size=8)
names = st.text(string.ascii_letters + "_é", min_size=1, max_size=5)


def facts(request: Request) -> tuple[object, ...]:
    return request.argv, request.cwd, request.env, request.size, request.ttys


def test_a_request_is_frozen() -> None:
    assert REQUEST.pack().hex() == REQUEST_WIRE
    assert facts(Request.unpack(bytes.fromhex(REQUEST_WIRE))) == facts(REQUEST)


@given(
    st.lists(words, max_size=5),
    words,
    st.dictionaries(names, words, max_size=4),
    st.tuples(st.integers(0, 99999), st.integers(0, 99999)),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_a_request_comes_back_as_it_was(
    argv: list[str], cwd: str, env: dict[str, str], size: tuple[int, int], ttys: tuple[bool, bool, bool]
) -> None:
    # Lone surrogates stand for single bytes: together they may spell a character, as os.fsdecode would read it.
    def read(text: str) -> str:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")

    got = Request.unpack(Request(argv, cwd, env, size, ttys).pack())
    assert facts(got) == ([*map(read, argv)], read(cwd), {k: read(v) for k, v in env.items()}, size, ttys)


def test_what_a_client_tells_besides_is_no_variable() -> None:
    told = Request(["ls"], "/", {"A": "umask 9", "began 5": "x"}, (80, 24), (True, True, True), 0o22, 123_456)
    got = Request.unpack(told.pack())
    assert (got.env, got.umask, got.began) == (told.env, 0o22, 123_456)
    got = Request.unpack(Request(["ls", "began 5"], "/", {}, (80, 24), (True, True, True)).pack())
    assert (got.umask, got.began) == (None, None), "an older client tells less"


def test_an_environment_entry_without_equals_is_left_out() -> None:
    body = pack([b"/", b"0", b"0", b"000", b"1", b"ls", b"broken", b"A=", b"B=x"])
    assert Request.unpack(body).env == {"A": "", "B": "x"}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([b"/", b"80", b"24", b"000"], id="too few"),
        pytest.param([b"/", b"80", b"24", b"000", b"2", b"ls"], id="more words than fields"),
        pytest.param([b"/", b"80", b"24", b"000", b"-1", b"ls"], id="less than no words"),
        pytest.param([b"/", b"80", b"24", b"00", b"1", b"ls"], id="two terminals"),
        pytest.param([b"/", b"x", b"24", b"000", b"1", b"ls"], id="columns"),
        pytest.param([b"/", b"80", b"", b"000", b"1", b"ls"], id="rows"),
    ],
)
def test_a_request_that_does_not_add_up_is_refused(fields: list[bytes]) -> None:
    with pytest.raises(ProtocolError):
        Request.unpack(pack(fields))


def test_terminals_are_bytes_not_characters() -> None:
    """Three bytes may be fewer characters: this raised IndexError."""
    request = Request.unpack(pack([b"/", b"0", b"0", "é1".encode(), b"1", b"ls"]))
    assert request.ttys == (False, False, True)


@given(
    st.binary(max_size=80)
    | st.lists(st.binary(max_size=4) | st.sampled_from([b"1", b"2", b"000", b"\xc3\xa91"]), max_size=9).map(pack)
)
def test_a_garbage_request_is_a_request_or_a_protocol_error(body: bytes) -> None:
    try:
        Request.unpack(body)
    except ProtocolError:
        pass
