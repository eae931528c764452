"""Feeding that a program cannot use to crash or block the server.

The library is compiled without safety checks. One crash is known: with grapheme clustering (mode 2027) on, a
conjunct printed outside a margin. So 2027 never stays on: wherever a chunk could set it, the write is cut behind
the final byte and the mode taken back. So is mode 40, which lets a program resize its terminal (DECCOLM).
One stall is known: REP (``CSI n b``) of 65535 wide or linked characters takes 0.2 s for 8 bytes. So counts over a
line's width draw from a bounded pool. Between margins left and right (mode 69) each two characters may scroll the
screen, cell by cell, and a line's width takes 0.1 s: there only _FEW are free.

Whether bytes *are* such a sequence is not decided here, only whether they could be: control bytes may stand
inside a sequence, 0x9b introduces one inside some strings, and a chunk may begin anywhere. The terminal, fed up to
the byte in question, says what it has. A chunk of plain text costs one search for ESC.
"""

import re

from .terminal import Terminal

_DEL = b"\x7f"
_NEVER_ON = (40, 2027)
_POOL = 10_000
"""Characters that the REPs of one feed may repeat beyond a line's width each: 30 ms at the worst."""

_MARGINS = 69
_FEW = 9
"""Characters that a REP between margins may repeat in any case: what it takes is no worse per byte than printing."""

_SCROLLS = 20
"""What each further one costs the pool."""

_LONG = 4096
"""Bytes from which on an unfinished string is not looked into."""

_LOOSE = rb"\x00-\x1a\x1c-\x1f\x7f-\xff"  # what may stand inside a control sequence without being part of it
# A literal first and a look-behind: 50 to 120 us for 64 KiB, where a pattern from the ESC on takes 300 to 1000.
_REPEAT = re.compile(rb"b(?<=[0-9%b]b)" % _LOOSE)
_SET = re.compile(rb"h(?<=[0-?%b]h)" % _LOOSE)
_NEVER = re.compile(rb"4[%b]*0|2[%b]*0[%b]*2[%b]*7" % ((_LOOSE,) * 4))
_BETWEEN = re.compile(rb"6[%b]*9" % _LOOSE)
_DIGITS = re.compile(rb"[0-9%b]*" % _LOOSE)
_FINISHED = re.compile(rb"[0-?%b]*([bh])" % _LOOSE)
_CONTROLS = bytes([*range(0x1B), *range(0x1C, 0x20), 0x7F])
_LOOSE_BYTES = _CONTROLS + bytes(range(0x80, 0x100))
_C1 = re.compile(rb"[\x90\x98\x9b\x9d-\x9f]")
_C1_KINDS = {b"\x9b": b"[", b"\x9d": b"]", b"\x90": b"P"}
_PASSING_THROUGH = re.compile(rb"[:@-~]")  # a DCS behind its parameters


class Guard:
    """Feeds one terminal. Remembers how its unfinished sequence begins; asking the library takes 20 us a kilobyte."""

    __slots__ = ("_start",)

    def __init__(self, pending: bytes = b"") -> None:
        self._start = pending[:_LONG]

    def feed(self, terminal: Terminal, data: bytes, ground: bool, columns: int) -> None:
        """Write ``data``; ``ground`` says whether the terminal is between sequences."""
        if _DEL in data:
            data = data.replace(_DEL, b"")  # no terminal shows it, the library would
        if ground and b"\x1b" not in data:
            terminal.write(data)
            return
        position = 0
        pool = _POOL
        may_be_between = not ground or terminal.mode(_MARGINS) or _BETWEEN.search(data) is not None
        for at, final in _cuts(data, ground, _FEW if may_be_between else columns):
            if final == ord("h"):
                terminal.write(data[position : at + 1])
                position = at + 1
                for number in _NEVER_ON:
                    if terminal.mode(number):
                        terminal.set_mode(number, False)
                continue
            terminal.write(data[position:at])
            position = at
            count = 0 if terminal.state()[1] else _repeat_count(self._unfinished(data, at))
            free, price = (_FEW, _SCROLLS) if may_be_between and terminal.mode(_MARGINS) else (columns, 1)
            if count > free:
                extra = min(count - free, pool // price)
                pool -= extra * price
                terminal.write(b"\x18\x1b[%db" % (free + extra))  # CAN: ours instead of the program's
                position = at + 1
        terminal.write(data[position:] if position else data)
        self._start = self._unfinished(data, len(data))

    def _unfinished(self, data: bytes, at: int) -> bytes:
        """Return the bytes from the last ESC to ``at``, those of one that is _LONG cut."""
        escape = data.rfind(b"\x1b", 0, at)
        if escape >= 0:
            return data[escape : min(at, escape + _LONG)]
        return (self._start + data[: min(at, _LONG)])[:_LONG]


def _cuts(data: bytes, ground: bool, free: int) -> list[tuple[int, int]]:
    """Return where a final byte may be one to stop at, in order, with that byte."""
    cuts = []
    low = 0
    if not ground and (start := _FINISHED.match(data)):
        low = start.start(1)
        cuts.append((low, data[low]))
    first = low
    strings = b"\x9b" in data
    for match in _REPEAT.finditer(data, low):
        at = match.start()
        introducer = data.rfind(b"[", low, at)
        if strings:
            introducer = max(introducer, data.rfind(b"\x9b", low, at))
        if introducer >= 0 and (digits := _DIGITS.fullmatch(data, introducer + 1, at)) and _number(digits[0]) > free:
            cuts.append((at, ord("b")))
        low = at
    low = first
    for match in _SET.finditer(data, low):
        at = match.start()
        private = data.rfind(b"?", low, at)
        if private >= 0 and _NEVER.search(data, private, at):
            cuts.append((at, ord("h")))
        low = at
    cuts.sort()
    return [cut for index, cut in enumerate(cuts) if index == 0 or cut[0] != cuts[index - 1][0]]


def _number(digits: bytes) -> int:
    return int(digits.translate(None, _LOOSE_BYTES).lstrip(b"0")[:9] or 0)


def _repeat_count(unfinished: bytes) -> int:
    """Return the count of the REP that only lacks its final byte, 0 if something else is unfinished.

    C1 bytes start another sequence, but not in all strings, just as in the library's parser. In a long string this is
    not followed: one REP behind each goes unclamped, no worse per byte than what passes anyway.
    """
    if len(unfinished) >= _LONG:
        return 0
    unfinished = unfinished.translate(None, _CONTROLS)
    kind, start = unfinished[1:2], 2
    for match in _C1.finditer(unfinished, 1):
        if kind == b"]" or (kind == b"P" and _PASSING_THROUGH.search(unfinished, start, match.start())):
            return 0
        kind, start = _C1_KINDS.get(match[0], b"_"), match.end()
    digits = unfinished[start:]
    return _number(digits) if kind == b"[" and _DIGITS.fullmatch(digits) else 0
