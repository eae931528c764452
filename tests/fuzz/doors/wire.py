"""The client protocol: the frames that come over the socket, and what is in them."""

from __future__ import annotations

from random import Random

from mutation import NUMBERS, WORDS, damaged
from target import Target, plainly, reads

from agentmux.mux.errors import ProtocolError
from agentmux.mux.protocol import MAX_BODY, Decoder, Kind, Request, encode, number, pack, unpack

KINDS = sorted({value for name, value in vars(Kind).items() if name.isupper()})


def damage(random: Random, data: bytes) -> bytes:
    """Damage one frame of a stream: its place, its kind, its length, a field of it; or any bytes."""
    size, data = data[:1], data[1:]
    try:
        frames = Decoder().feed(data)
    except ProtocolError:
        frames = []
    if not frames or random.random() < 0.15:
        return size + damaged(random, data)
    at = random.randrange(len(frames))
    kind, body = frames[at]
    whole = [encode(*frame) for frame in frames]
    match random.randrange(10):
        case 0:
            del whole[at]
        case 1:
            whole.insert(random.randint(0, len(whole)), whole[at])
        case 2:
            whole[at] *= random.choice((2, 20, 300))
        case 3:
            whole[at] = encode(random.choice((*KINDS, random.randrange(256))), body)
        case 4:
            lie = random.choice((0, 1, len(body) + 1, MAX_BODY, MAX_BODY + 1, (1 << 32) - 1))
            whole[at] = bytes([kind]) + lie.to_bytes(4, "big") + body
        case 5:
            size = random.randbytes(1)
        case _:
            whole[at] = encode(kind, _field_damaged(random, body))
    return size + b"".join(whole)


def _field_damaged(random: Random, body: bytes) -> bytes:
    try:
        fields = unpack(body)
    except ProtocolError:
        fields = []
    if not fields:
        return damaged(random, body)
    at = random.randrange(len(fields))
    match random.randrange(6):
        case 0:
            del fields[at]
        case 1:
            fields[at:at] = [fields[at]] * random.choice((1, 1, 500))
        case 2:
            fields[at] = random.choice(NUMBERS)
        case 3:
            fields[at] = random.choice(WORDS)
        case 4:
            return damaged(random, body)
        case _:
            fields[at] = damaged(random, fields[at])
    return pack(fields)


def run(data: bytes) -> None:
    """Decode a stream, read by read, and what its frames hold."""
    decoder, frames, fed = Decoder(), [], 0
    refused = False
    try:
        for piece in reads(data):
            fed += len(piece)
            frames += decoder.feed(piece)
            assert len(decoder._tail) <= 5 + MAX_BODY, "more is kept than one frame"
    except ProtocolError:
        refused = True
    stream = b"".join(encode(*frame) for frame in frames)
    assert data[1:].startswith(stream), "other bytes came out than went in"
    if not refused:
        assert bytes(decoder._tail) == data[1 + len(stream) :], "bytes were lost"
    for kind, body in frames:
        try:
            if kind == Kind.COMMAND:
                request = Request.unpack(body)
                assert Request.unpack(request.pack()).pack() == request.pack(), "a request does not come back"
            else:
                for field in unpack(body):
                    number(field)
        except ProtocolError:
            pass


TARGETS = (
    Target(
        "wire",
        "Whatever bytes come, however they are cut, they are frames or a ProtocolError, and no more is kept than one.",
        plainly(run),
        damage,
        share=2,
        tries=1500,
    ),
)
