"""What of a program's output is for whom: for the viewers' terminals, for the emulator alone, or for us. Pure.

A query that reached a client's terminal would be answered a second time, and once per client. A notification or a
clipboard is for the terminal of whoever leads, in a form that it knows. What programs wrap for tmux or screen to pass
on is unwrapped. ``CSI 3 J`` would wipe the scrollback that belongs to the user, and what is remembered here; a
status line is no part of a pane, and a terminal that writes into one shows no more of what is printed. C1 controls in
UTF-8 are taken out: some terminals act on them, the emulator does not, and nobody looks for them here. All
the rest passes unchanged, byte for byte.

A sequence that is cut by the end of a chunk is held back while it can still become one of these: nothing visible is
ever held, and never more than MAX_HELD bytes unless it is certainly one.
"""

from __future__ import annotations

import enum
import re

from .occurs import occurs

MAX_HELD = 256
"""Most bytes held back of what may become a query. Longer ones pass."""

MAX_QUERY = 4096
"""Most bytes held back of what is for us, but has no end yet."""

MAX_WRAPPED = 1 << 19
"""Most bytes held back of what is wrapped for tmux or screen: a clipboard's 390 KB in base64."""

MAX_NESTED = 3
"""Wrappings taken off one sequence."""


class For(enum.Enum):
    """What to do with a part of the output."""

    ALL = "the emulator and the viewers"
    EMULATOR = "the emulator alone: it answers, or has an event for it"
    ANSWER = "a question to be answered in the emulator's place"
    NOTE = "something the emulator does not understand, for us"
    RESET = "RIS: everything back to defaults, but what is remembered stays"
    SOFT_RESET = "DECSTR: for the viewers as it is; the emulator needs it spelled out"


Part = tuple[For, bytes]

_STRING = rb"[^\x07\x18\x1a\x1b]*+"
_END = rb"(?:\x07|\x1b\\)"
_ENQ = b"\x05"
_LEAD = b"\xc2"
# A lead byte without its second one, too: what is taken out behind it could make it a C1 control.
_C1 = re.compile(rb"\xc2(?:[\x80-\x9f]|(?![\xa0-\xbf]))")

# Control sequences. The final byte is looked at first: nearly all in a stream are SGR, cursor movements and modes.
_CSI = rb"""
    (?= [0-9;]*+ [ -/]*+ [cnxtJpwyRS|vu}~] | [=-?] [0-9;?]*+ \$?+ [cnmpquJS] )
    (?:
        (?P<erase> \??+ 0*+ 3 J )               # erase the scrollback
      | (?P<status> [0-9;]* \$[}~] )            # DECSASD, DECSSDT
      | (?P<soft> ! p )                         # DECSTR
      | (?P<keys> \? 0*+ 4 m | > 0*+ 4 ; \? m )  # modifyOtherKeys
      | (?P<dsr> \? (?:6|15|25|26) n )          # DSR as DEC has it
      | [0-9;]* [nx]                            # DSR, DECREQTPARM
      | 0* c                                    # DA1
      | (?:1[1345689]|2[01]) (?:;[0-9;]*)? t    # window reports
      | [0-9;]* \$[puw]                         # DECRQM, DECRQTSR, DECRQPSR
      | [0-9;]* (?:\*y | \#[|RS] | "v | '\| | &u)   # checksums, SGR and colour stacks, locator
      | \? (?: u | [0-9;]* [nmS] | [0-9;]* \$p )    # kitty flags, DSR, XTQMODKEYS, XTSMGRAPHICS, DECRQM
      | > (?: [0-9;]* [cq] | [0-9]+;\?m )       # DA2, XTVERSION, XTQMODKEYS
      | = [0-9;]* c                             # DA3
    )
"""
# What is for the emulator from its first bytes on, however long: notifications, progress, clipboards, states.
_SIDE = rb"(?:9|52|777|5522|7501);"
# Operating system commands; the colours are asked for with a "?" in place of any of their values.
_OSC = rb"""
    (?:
        (?P<mark> 133 ; [A-D] (?: ; %(s)s )? )
      | (?P<note> 99 ; %(s)s )
      | (?P<paste> 52 ; [^;\x07\x18\x1a\x1b]*+ ; \? )
      | %(side)s %(s)s
      | (?:4|5|1[0-9]) ; (?: %(t)s ; )? \? (?: ; %(s)s )?
      | 21 ; (?: %(t)s ; )? [^;=\x07\x18\x1a\x1b]* =\? (?: ; %(s)s )?
      | (?:22|50) ; \? %(s)s
      | 1337 ; Report (?:CellSize|Variable) %(s)s
      | 6[01] (?: ; %(s)s )?
    )
""" % {b"s": _STRING, b"t": rb"[^\x07\x18\x1a\x1b]*", b"side": _SIDE}
# Strings whose beginning decides: XTGETTCAP, kitty graphics with a=q; DECRQSS, the glyph protocol's "do you?".
_ASKING = rb"(?: P [0-9;]* \+ q | _G (?: [^;\x07\x18\x1a\x1b]* , )? a=q (?=[,;\x1b]) )"
_ANSWERED = rb"(?: P [0-9;]* \$ q | _25a1; [sq] )"
# Groups are atomic, never possessive: before 3.11.5 Python may leave such a one at the wrong place (gh-106052).
_CHUNK = rb"(?>(?:[^\x1b]|\x1b(?![\\P])){0,1024})"  # screen takes 768 bytes
_DOUBLED = rb"(?>[^\x18\x1a\x1b]*+(?:\x1b\x1b[^\x18\x1a\x1b]*+)*)"  # tmux has each escape character twice

_SPECIAL = re.compile(
    rb"""
    \x1b (?:
        \[ %(csi)s
      | \] %(osc)s %(end)s
      | (?P<asking> %(asking)s [^\x18\x1a\x1b]* ) \x1b\\
      | %(answered)s [^\x18\x1a\x1b]* \x1b\\
      | (?P<tmux> Ptmux; %(doubled)s ) \x1b\\
      | (?P<screen> P \x1b[]P_] %(chunk)s \x1b\\ (?> (?: (?<!\x07\x1b\\) \x1bP %(chunk)s \x1b\\ )* ) )
      | (?P<reset> c )
      | Z
    )
    """
    % {
        b"csi": _CSI,
        b"osc": _OSC,
        b"end": _END,
        b"asking": _ASKING,
        b"answered": _ANSWERED,
        b"chunk": _CHUNK,
        b"doubled": _DOUBLED,
    },
    re.VERBOSE,
)
_KINDS = {
    "keys": For.ANSWER,
    "dsr": For.ANSWER,
    "paste": For.ANSWER,
    "asking": For.ANSWER,
    "note": For.NOTE,
    "reset": For.RESET,
    "soft": For.SOFT_RESET,
    None: For.EMULATOR,
}

_WITHOUT_END = re.compile(
    rb"\x1b (?: \] %b | (?: %b | %b ) [^\x18\x1a\x1b]* ) \x1b?" % (_OSC, _ASKING, _ANSWERED), re.VERBOSE
)
_SIDE_WITHOUT_END = re.compile(rb"\x1b\](?:%b|99;)%b" % (_SIDE, _STRING))
_WRAPPED_WITHOUT_END = re.compile(
    rb"""
    \x1bP (?: tmux; %(doubled)s \x1b?
      | \x1b[]P_] %(chunk)s (?> (?: (?<!\x07)\x1b\\ (?> (?: \x1b\Z | \x1bP %(chunk)s )? ) )* ) )
    """
    % {b"chunk": _CHUNK, b"doubled": _DOUBLED},
    re.VERBOSE,
)

# What may become a special one: an unfinished CSI, or a string that has not yet shown what it is.
_MAYBE = re.compile(
    rb"""\x1b (?:
        \[ [0-?]* [ -/]*
      | \] (?: [0-9]{0,4} | (?:4|5|1[0-9]|2[12]|50|6[01]|133|1337) ; %b ) \x1b?
      | P (?: [0-9;]* [+$]? | t | tm | tmu | tmux | \x1b )
      | _ (?: G [^;\x07\x18\x1a\x1b]* | 2? | 25a? | 25a1;? )
    )?"""
    % _STRING,
    re.VERBOSE,
)

# Whether to look closer at all. Without "[", parameters and intermediates each final byte stands behind its ESC, and
# one that matters is mapped to Q: 1.2 ms a megabyte of frames, where one match per ESC takes 10.
_LOOK = bytes.maketrans(b"cnqptuxRyw|v}~ZP_", b"Q" * 17)
_PARAMETERS = bytes(range(0x20, 0x40)) + b"["
_ASKED = re.compile(rb"\?(?:4?m|[0-9;]*S)")  # XTQMODKEYS, XTSMGRAPHICS: their final bytes are common elsewhere
_OSC_TO_LOOK_AT = re.compile(rb"\x1b\](?![0-28];)")  # not titles and links
_STRING_ENDS = re.compile(rb"[\x07\x18\x1a\x1b]")


def _suspicious(data: bytes) -> bool:
    looked = data.translate(_LOOK, _PARAMETERS)
    if occurs(b"\x1bQ", looked) or occurs(b"3J", data) or occurs(b"#S", data) or _ASKED.search(data):
        return True
    return occurs(b"\x1b]", looked) and _OSC_TO_LOOK_AT.search(data) is not None


class Sieve:
    """Takes one program's output apart, whatever its chunks are."""

    __slots__ = ("_held", "_inside", "_lead", "_nested")

    def __init__(self, *, nested: int = 0) -> None:
        self._held = b""
        self._lead = b""  # of what may become a C1 control
        self._inside = False  # of a string that only the emulator gets
        self._nested = nested

    @property
    def held(self) -> int:
        """How many bytes are held back: the start of a sequence that neither emulator nor viewers have."""
        return len(self._held) + len(self._lead)

    @property
    def hidden(self) -> bool:
        """Whether the emulator is in the middle of a string that viewers don't get."""
        return self._inside

    def resume(self, pending: bytes) -> None:
        """Go on behind ``pending``, the unfinished sequence that a restored emulator has."""
        self._held, self._lead, self._inside = b"", b"", _SIDE_WITHOUT_END.match(pending) is not None

    def feed(self, data: bytes) -> list[Part]:
        """Return what ``data``, with what was held back, has for each, in order."""
        data = self._without_controls(data)
        if self._held:
            data, self._held = self._held + data, b""
        parts: list[Part] = []
        if self._inside:
            data = self._go_on(data, parts)
            if not data:
                return parts
        at = 0
        if b"\x1b" in data:
            cut = None
            if _suspicious(data):
                cut = _unfinished_wrapping(data)
                at = self._take_out(data, len(data) if cut is None else cut, parts)
            if cut is None:
                cut = _unfinished(data, at)
            if cut is not None:
                if cut > at:
                    parts.append((For.ALL, data[at:cut]))
                self._wait(data[cut:], parts)
                return parts
        if at < len(data):
            parts.append((For.ALL, data[at:] if at else data))
        return parts

    def _without_controls(self, data: bytes) -> bytes:
        if self._lead:
            data, self._lead = self._lead + data, b""
        if _ENQ in data:
            data = data.replace(_ENQ, b"")  # the answerback is empty
        if _LEAD in data:
            if data.endswith(_LEAD):
                data, self._lead = data[:-1], _LEAD
            if _C1.search(data):
                data = _C1.sub(b"", data)
        return data

    def _take_out(self, data: bytes, stop: int, parts: list[Part]) -> int:
        """Append what ``data`` has up to the last special sequence before ``stop``; return where that ends."""
        at = 0
        for match in _SPECIAL.finditer(data, 0, stop):
            kind, sequence = match.lastgroup, match[0]
            if match.start() > at:
                parts.append((For.ALL, data[at : match.start()]))
            at = match.end()
            if kind == "tmux":
                self._unwrap(sequence[7:-2].replace(b"\x1b\x1b", b"\x1b"), parts)
            elif kind == "screen":
                inner = sequence[2:-2].replace(b"\x1b\\\x1bP", b"")
                self._unwrap(inner if inner.endswith(b"\x07") else inner + b"\x1b\\", parts)
            elif kind == "mark":
                parts += [(For.ALL, sequence), (For.NOTE, sequence)]
            elif kind not in ("erase", "status"):
                parts.append((_KINDS[kind], sequence))
        return at

    def _unwrap(self, inner: bytes, parts: list[Part]) -> None:
        if self._nested < MAX_NESTED:
            parts += Sieve(nested=self._nested + 1).feed(inner)

    def _wait(self, data: bytes, parts: list[Part]) -> None:
        """Keep an unfinished sequence, or begin to pass it to the emulator."""
        if len(data) > MAX_QUERY and _SIDE_WITHOUT_END.match(data):
            end = len(data) - data.endswith(b"\x1b")
            parts.append((For.EMULATOR, data[:end]))
            self._inside = True
            data = data[end:]
        self._held = data

    def _go_on(self, data: bytes, parts: list[Part]) -> bytes:
        """Pass the rest of a hidden string to the emulator; return what follows it."""
        found = _STRING_ENDS.search(data)
        end = found.end() if found else len(data)
        if found and found[0] == b"\x1b":
            if end == len(data):
                self._held = b"\x1b"  # half an ST, or the start of something else
                end -= 1
            else:
                end += 1 if data[end] == ord("\\") else -1
                self._inside = False
        elif found:
            self._inside = False
        if end:
            parts.append((For.EMULATOR, data[:end]))
        return b"" if self._inside else data[end:]


def _unfinished_wrapping(data: bytes) -> int | None:
    """Return where something starts that is wrapped for tmux or screen and may go on, None if nothing does."""
    start = data.find(b"\x1bP")
    while start >= 0:
        if len(data) - start <= MAX_WRAPPED and _WRAPPED_WITHOUT_END.fullmatch(data, start):
            return start
        start = data.find(b"\x1bP", start + 2)
    return None


def _unfinished(data: bytes, at: int) -> int | None:
    """Return where the sequence starts, not before ``at``, that must wait for more; None if there is none."""
    last = data.rfind(b"\x1b", at)
    if last < 0:
        return None
    if last == len(data) - 1:  # perhaps half of the ST that ends a string
        start = data.rfind(b"\x1b", at, last)
        if start >= 0 and _waits(data, start):
            return start
    return last if _waits(data, last) else None


def _waits(data: bytes, at: int) -> bool:
    length = len(data) - at
    if length <= MAX_HELD and _MAYBE.fullmatch(data, at):
        return True
    if length <= MAX_QUERY and _WITHOUT_END.fullmatch(data, at):
        return True
    return _SIDE_WITHOUT_END.fullmatch(data, at, len(data) - data.endswith(b"\x1b")) is not None
