"""Taking terminal queries out of what clients get: the server answers them, once, from the emulator. Pure.

A query that reached a client's terminal would be answered a second time, and once per client. With the queries goes
``CSI 3 J``, which would wipe the scrollback of the user's own terminal. Everything else passes unchanged, byte for
byte. A sequence cut by the end of a chunk is held back while it can still become a query: nothing visible is ever
held, and never more than MAX_HELD bytes unless it is certainly a query.
"""

import re

MAX_HELD = 256
"""Most bytes held back of what may become a query. Longer ones pass."""

MAX_QUERY = 4096
"""Most bytes held back of what is a query, but has no end yet."""

_STRING = rb"[^\x07\x18\x1a\x1b]*"
_END = rb"(?:\x07|\x1b\\)"
_ENQ = b"\x05"

# Control sequences. The final byte is looked at first: nearly all in a stream are SGR, cursor movements and modes.
_CSI = rb"""
    (?= [0-9;]*+ [ -/]*+ [cnxtJpwyRS|vu] | [=-?] [0-9;?]*+ \$?+ [cnmpquJS] )
    (?:
        [0-9;]* [nx]                        # DSR, DECREQTPARM
      | 0* c                                # DA1
      | (?:1[1345689]|2[01]) (?:;[0-9;]*)? t    # window reports
      | 0* 3 J                              # not a query: erase the scrollback
      | [0-9;]* \$[puw]                     # DECRQM, DECRQTSR, DECRQPSR
      | [0-9;]* (?:\*y | \#[|RS] | "v | '\| | &u)   # checksums, SGR and colour stacks, locator
      | \? (?: u | [0-9;]* [nmS] | [0-9;]* \$p | 0*3J)    # kitty flags, DSR, XTQMODKEYS, XTSMGRAPHICS, DECRQM
      | > (?: [0-9;]* [cq] | [0-9]+;\?m)    # DA2, XTVERSION, modifyOtherKeys
      | = [0-9;]* c                         # DA3
    )
"""
# Operating system commands; the colours are asked for with a "?" in place of any of their values.
_OSC = rb"""
    (?:
        (?:4|5|1[0-9]) ; (?: %(s)s ; )? \? (?: ; %(s)s )?
      | 21 ; (?: %(s)s ; )? [^;=\x07\x18\x1a\x1b]* =\? (?: ; %(s)s )?
      | 52 ; [^;\x07\x18\x1a\x1b]* ; \?
      | (?:22|50|7501) ; \? %(s)s
      | 99 ; (?: [^;\x07\x18\x1a\x1b]* : )? p=\? %(s)s
      | 5522 ; (?: [^;\x07\x18\x1a\x1b]* : )? type=read %(s)s
      | 1337 ; Report (?:CellSize|Variable) %(s)s
      | 6[01] (?: ; %(s)s )?
    )
""" % {b"s": _STRING}
# Strings whose beginning decides: XTGETTCAP, DECRQSS, kitty graphics with a=q, the glyph protocol's "do you?".
_ASKING = rb"""
    (?: P [0-9;]* [+$] q | _G (?: [^;\x07\x18\x1a\x1b]* , )? a=q (?=[,;\x1b]) | _25a1; [sq] )
"""

_QUERY = re.compile(
    rb"\x1b (?: \[ %b | \] %b %b | %b [^\x18\x1a\x1b]* \x1b\\ | Z )" % (_CSI, _OSC, _END, _ASKING), re.VERBOSE
)
_QUERY_WITHOUT_END = re.compile(rb"\x1b (?: \] %b | %b [^\x18\x1a\x1b]* ) \x1b?" % (_OSC, _ASKING), re.VERBOSE)

# What may become a query: an unfinished CSI, or a string that has not yet shown what it is.
_MAYBE = re.compile(
    rb"""\x1b (?:
        \[ [0-?]* [ -/]*
      | \] (?: [0-9]{0,4} | (?:4|5|1[0-9]|2[12]|5[02]|6[01]|99|1337|5522|7501) ; %b ) \x1b?
      | P [0-9;]* [+$]?
      | _ (?: G [^;\x07\x18\x1a\x1b]* | 2? | 25a? | 25a1;? )
    )?"""
    % _STRING,
    re.VERBOSE,
)


class QueryFilter:
    """Removes queries from one program's output on its way to clients, whatever its chunks are."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    @property
    def pending(self) -> bytes:
        """What is held back: the start of a sequence."""
        return self._held

    def filter(self, data: bytes) -> bytes:
        """Return what of ``data``, and of what was held back, clients may have now."""
        if self._held:
            data, self._held = self._held + data, b""
        elif b"\x1b" not in data:
            return data.replace(_ENQ, b"") if _ENQ in data else data
        if _ENQ in data:
            data = data.replace(_ENQ, b"")
        data = _QUERY.sub(b"", data)
        cut = _unfinished(data)
        if cut is not None:
            self._held = data[cut:]
            data = data[:cut]
        return data

    def flush(self) -> bytes:
        """Return what is held back, and forget it: nothing more will come."""
        held, self._held = self._held, b""
        return held


def _unfinished(data: bytes) -> int | None:
    """Return where the sequence starts that must wait for more, None if there is none."""
    at = data.rfind(b"\x1b")
    if at < 0:
        return None
    if at == len(data) - 1 and at:  # perhaps half of the ST that ends a string
        start = data.rfind(b"\x1b", 0, at)
        if start >= 0 and _waits(data, start):
            return start
    return at if _waits(data, at) else None


def _waits(data: bytes, at: int) -> bool:
    length = len(data) - at
    if length <= MAX_HELD and _MAYBE.fullmatch(data, at):
        return True
    return length <= MAX_QUERY and _QUERY_WITHOUT_END.fullmatch(data, at) is not None
