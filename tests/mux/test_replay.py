"""What of a recording is played on a viewer's terminal."""

from agentmux.mux import replay
from agentmux.mux.playback import Keyframe
from agentmux.mux.reset import reset_client
from agentmux.mux.screen import Screen
from agentmux.store.records import Kind, Record, encode_size


def output(*pieces: bytes) -> list[Record]:
    return [Record(Kind.OUTPUT, float(index), 0, piece) for index, piece in enumerate(pieces)]


def test_what_is_not_for_viewers_is_left_out() -> None:
    records = output(b"one\x1b[c", b"two\x1b]52;c;aGk=\x07\x1b", b"[6nthree", b"\x1b[5n")
    assert list(replay.events((40, 6), records)) == [(0.0, b"one"), (1.0, b"two"), (2.0, b"three")]


def test_sizes() -> None:
    records = [*output(b"one"), Record(Kind.RESIZE, 1.0, 3, encode_size((50, 7))), Record(Kind.ATTACH, 2.0, 3, b"1")]
    assert list(replay.events((40, 6), records)) == [(0.0, b"one"), (1.0, (50, 7))]


def test_a_keyframe_draws_what_was_there() -> None:
    piece = b"".join(b"\x1b[3%dmline %d\x1b[0m\r\n" % (number % 8, number) for number in range(20_000))
    events = list(replay.events((40, 6), output(*[piece] * 5, b"\x1bc\x1b[31mlast")))
    (index,) = [index for index, (_, told) in enumerate(events) if isinstance(told, Keyframe)]
    told, drawn = Screen((40, 6)), Screen((40, 6))
    drawn.feed(reset_client(40))
    for number, (_, data) in enumerate(events):
        assert isinstance(data, bytes)
        if number != index:
            told.feed(data)
        if number >= index:
            drawn.feed(data)
        if number == index:
            assert drawn.text_rows(0, 6, styled=True) == told.text_rows(0, 6, styled=True)
    assert drawn.text_rows(0, 6, styled=True) == told.text_rows(0, 6, styled=True)
    assert told.text_rows(0, 1) == ["last"]
    told.close()
    drawn.close()
