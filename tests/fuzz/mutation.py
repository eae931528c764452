"""Damage to valid input: what bits, links and other people do to it. Every function is a plain one of a Random."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

NUMBERS = (
    *(b"0", b"-1", b"1", b"127", b"128", b"255", b"256", b"32767", b"65535", b"65536", b"2147483647", b"2147483648"),
    *(b"4294967296", b"9223372036854775807", b"18446744073709551616", b"1e999", b"-1e999", b"nan", b"0.5", b"1e-400"),
    *(b"9" * 20, b"9" * 400, b"1" * 5000, b"00000000000000000001", "²".encode(), "٣".encode(), b"0x" + b"f" * 4400),
)
"""Numbers that something has gone wrong with somewhere."""

WORDS = (
    *(b"", b"\0", b"\x1b", b"\x07", b"\x9c", b"\x18", b"\r\n", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"),
    *("é".encode(), "日".encode(), "👩\u200d💻".encode(), "\u202e".encode(), "\u0130".encode(), b"%s%n", b"../../etc"),
    *(b"{" * 50, b"[" * 50, b"(" * 50, b"\\", b'"', b"'", b"a" * 300, b" " * 300, b"{}", b"[]", b"null", b"true"),
)

_DIGITS = re.compile(rb"\d+")


def damaged(random: Random, data: bytes, words: Sequence[bytes] = WORDS) -> bytes:
    """Return ``data`` with one to four edits."""
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        data = random.choice(_EDITS)(random, data, words)
    return data[: 1 << 17]


def _span(random: Random, data: bytes) -> tuple[int, int]:
    start = random.randint(0, len(data))
    return start, min(len(data), start + int(random.expovariate(1 / 8)) + 1)


def _flip(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    if not data:
        return b"\0"
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _overwrite(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    start, stop = _span(random, data)
    return data[:start] + random.randbytes(stop - start) + data[stop:]


def _delete(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    start, stop = _span(random, data)
    return data[:start] + data[stop:]


def _repeat(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    start, stop = _span(random, data)
    return data[:stop] + data[start:stop] * random.choice((1, 1, 2, 9, 300)) + data[stop:]


def _insert(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.choice(words) + data[at:]


def _swap(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    one, other = sorted((_span(random, data), _span(random, data)))
    (a, b), (c, d) = one, (max(other[0], one[1]), max(other[1], one[1]))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _cut(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    at = random.randint(0, len(data))
    return data[at:] if random.random() < 0.3 else data[:at]


def _number(random: Random, data: bytes, words: Sequence[bytes]) -> bytes:
    found = list(_DIGITS.finditer(data))
    if not found:
        return _insert(random, data, words)
    there = random.choice(found)
    return data[: there.start()] + random.choice(NUMBERS) + data[there.end() :]


_EDITS: tuple[Callable[[Random, bytes, Sequence[bytes]], bytes], ...] = (
    *(_flip, _overwrite, _delete, _repeat, _insert, _insert, _swap, _cut, _number, _number),
)

_DEEP: Any = None
for _ in range(900):
    _DEEP = [_DEEP]

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, 1e300, -1e300, float("inf"), float("-inf"), float("nan"), 1 << 31, 1 << 63),
    *(1 << 64, 10**400, -(10**400), "", "\0", "\ud800", "\udc80", "\u202e", "²", "x" * 5000, "1", "-9", "2026-01-01"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "\x1b]0;x\x07", "a\nb", [], {}, [[]], [{}], {"": []}),
    *([None] * 20, {"text": 1}, [{"type": "text", "text": {}}], _DEEP),
)
"""Values that stand in JSON where nobody expects them."""


def json_damaged(random: Random, data: bytes) -> bytes:
    """Return JSON with one to three of its values, or keys, replaced; now and then its text is damaged instead."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return damaged(random, data)
    if random.random() < 0.2:
        return damaged(random, data)
    many = 300 if len(data) < 5000 else 1
    for _ in range(random.choice((1, 1, 2, 3))):
        value, many = _changed(random, value, many), 1  # what is many already would grow by its power
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return data


def _changed(random: Random, value: Any, many: int) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        match random.randrange(8):
            case 0:
                return {name: one for name, one in value.items() if name != key}
            case 1:
                return {**value, random.choice([str(one) for one in ODD[:-1]]): value[key]}
            case _:
                return {**value, key: _changed(random, value[key], many)}
    if isinstance(value, list) and value and random.random() < 0.9:
        at = random.randrange(len(value))
        times = random.choice((0, 1, many))  # once in a value only: a list of lists would grow by its power
        inner = _changed(random, value[at], 1 if times > 1 else many)
        return [*value[:at], inner, *[value[at]] * times, *value[at + 1 :]]
    return random.choice(ODD)


def lines_damaged(
    change: Callable[[Random, bytes], bytes], separator: bytes = b"\n"
) -> Callable[[Random, bytes], bytes]:
    """Return what damages one of several pieces, or their order."""

    def damage(random: Random, data: bytes) -> bytes:
        lines = data.split(separator)
        at = random.randrange(len(lines))
        match random.randrange(8):
            case 0:
                del lines[at]
            case 1:
                lines.insert(random.randint(0, len(lines)), lines[at])
            case 2:
                random.shuffle(lines)
            case 3:
                lines[at] = damaged(random, lines[at])
            case _:
                lines[at] = change(random, lines[at])
        return separator.join(lines)

    return damage
