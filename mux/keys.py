"""What a client's terminal sends, taken apart: typed bytes, the prefix key, mouse, focus, replies. Pure; in the client.

    PASS --prefix------> ARMED --bound key--> PASS  (Act)
      |                        --prefix-----> PASS  (the prefix, as typed, to the pane)
      |                        --other------> PASS  (both dropped, Act("bell"))
      |--CSI 200 ~--> PASTE --CSI 201 ~-----> PASS  (nothing in between is looked at)
      '--OSC 11 ;---> REPLY --BEL, ST-------> PASS  (none of it is for the pane)

A key may arrive in three encodings, depending on what the program asked of the
terminal: the legacy byte, kitty's ``CSI code ; mods : event u`` and xterm's
``CSI 27 ; mods ; code ~``. Lock bits (caps, num) are masked out, repeats and
releases of the prefix are swallowed with its press.

A lone ESC is not held back: agents interrupt on it. It is remembered instead, so
that what follows at once is still known for what it is. Only where one ESC too
many does harm is it held: while replies are due, and behind the prefix. Any other
sequence without its end is held, for :attr:`InputDecoder.wait` seconds at most.
Paste markers are found wherever they are cut: what the pane has got of one counts.

A quarter of the file is tables: what keys send and are called.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REPLY_LIMIT = 1 << 20
"""Bytes of one reply, such as a clipboard's, that are kept. A longer one is dropped as it comes."""

SHORT_WAIT = 0.05
"""Seconds that the rest of a cut key sequence may take: a terminal sends it in one write."""

LONG_WAIT = 0.5
"""Seconds that the rest of a cut reply may take. It is tmux's figure."""

SHIFT, ALT, CTRL, LOCKS = 1, 2, 4, 64 | 128
"""Modifier bits, as in the parameter of a key sequence less one. Locks are caps lock and num lock."""

PRESS, RELEASE = 1, 3
"""kitty's key events. Between them is a key that repeats, which counts as pressed."""

PASTE_START, PASTE_END = b"\x1b[200~", b"\x1b[201~"
_ESC = b"\x1b"

# One whole sequence or character. A mouse report in UTF-8 (mode 1005) has positions of one or two bytes; where one of
# two could also be two plain bytes, what follows decides: no plain report is followed by a lower position.
_TOKEN = re.compile(
    rb"\x1b(?:\[(?:M[\x00 -\xff](?:[\xc2-\xdf][\x80-\xbf](?:[\xc2-\xdf][\x80-\xbf]|[!-\x7f])"
    rb"|[\x00 -\xff](?:[\xc2-\xdf][\x80-\xbf]|[\x00 -\xff]))"
    rb"|\[[A-E]|[0-?]*[ -/]*[@-~])"
    rb"|O[ -~]|\][lL][^\x00-\x1f]{0,1024}(?:\x07|\x1b\\)|[ -Z\\-~])?"
    rb"|[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x00-\xff]"
)
# The end of what was read, if it may be the start of something longer. A lone ESC is looked at elsewhere.
_CUT = re.compile(
    rb"(?:\x1b(?:\[(?:\[|[0-9:;<]{0,250}[ -/]?|M(?:[\x00 -\xff](?:[\x00 -\xff]?|[\xc2-\xdf][\x80-\xbf][\xc2-\xdf]?"
    rb"|[\x00 -\xff][\xc2-\xdf]))?)"
    rb"|O|\](?:[0-9]{0,5}|[lL][^\x00-\x1f]{0,1024}\x1b?)|P[0-9;]{0,8}[>!$+]?|_(?:G[A-Za-z]?|25?a?1?)?)"
    rb"|[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z"
)
# How a reply begins, where no key does: private CSI, numbered OSC, known DCS, kitty graphics and glyph APC.
_REPLY = re.compile(
    rb"\x1b(?:(\[[=>?])|\][0-9]{1,5};|P(?:>\||[0-9;]{0,8}(?:![|~]|[$+][A-Za-z]))|_(?:G[A-Za-z]?[=;]|25a1;))"
)
_STRING_END = re.compile(rb"[\x00-\x1f]")  # BEL, the ESC of ST; anything else breaks the reply off
_CSI_END = re.compile(rb"[\x00-\x1f@-~]")
# Reports without a private mark. A cursor position in row 1 may be F3 with modifiers.
_REPORT = re.compile(rb"\x1b\[(?:[0-9;]+(?:[cntx]|\$y)|([0-9]+);([0-9]+)R)")
_MOUSE = re.compile(rb"\x1b\[(?:<[0-9]+;[0-9]+;[0-9]+[Mm]|[0-9]+;[0-9]+;[0-9]+M|M.{3,})", re.DOTALL)

_LETTERS = {
    b"A": "Up",
    b"B": "Down",
    b"C": "Right",
    b"D": "Left",
    b"F": "End",
    b"H": "Home",
    b"P": "F1",
    b"Q": "F2",
    b"R": "F3",
    b"S": "F4",
    b"Z": "BTab",
}
_NUMBERS = {1: "Home", 2: "Insert", 3: "Delete", 4: "End", 5: "PageUp", 6: "PageDown", 7: "Home", 8: "End"}
_NUMBERS |= {code: f"F{key}" for key, code in enumerate((*range(11, 16), *range(17, 22), 23, 24), 1)}
_BYTES = {0: "C-Space", 9: "Tab", 13: "Enter", 27: "Escape", 32: "Space", 127: "BSpace"}
_CODES = {13: "Enter", 9: "Tab", 27: "Escape", 32: "Space", 127: "BSpace", 57414: "Enter"}
# kitty's codes for the keypad
_CODES |= dict(enumerate("0123456789./*-+", 57399))
_CODES |= {57417: "Left", 57418: "Right", 57419: "Up", 57420: "Down", 57421: "PageUp", 57422: "PageDown"}
_CODES |= {57423: "Home", 57424: "End", 57425: "Insert", 57426: "Delete"}
_ALONE = (57358, 57359, 57360, *range(57441, 57455))  # kitty's codes for locks and modifiers, pressed alone
_ALIASES = {"IC": "Insert", "DC": "Delete", "S-Tab": "BTab"}
_ALIASES |= {"PPage": "PageUp", "PgUp": "PageUp", "NPage": "PageDown", "PgDn": "PageDown"}


class Token:
    """A part of what a terminal sends. Equal to another one of the same kind and content."""

    __slots__: tuple[str, ...] = ()

    def _content(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Token) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash((type(self), self._content()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._content()))})"


class Typed(Token):
    """Bytes for the pane, as typed; or as pasted, the markers included."""

    __slots__ = ("data", "paste")

    def __init__(self, data: bytes, paste: bool = False) -> None:
        self.data = data
        self.paste = paste


class Act(Token):
    """A bound key was typed after the prefix."""

    __slots__ = ("action",)

    def __init__(self, action: str) -> None:
        self.action = action


class Mouse(Token):
    """One whole mouse report."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


class Focus(Token):
    """The terminal got or lost the focus."""

    __slots__ = ("focused",)

    def __init__(self, focused: bool) -> None:
        self.focused = focused


class Reply(Token):
    """A reply or report of the terminal, which is never for the pane. Whole, unless the terminal broke it off."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def _number(text: bytes, default: int) -> int:
    return int(text[:9]) if text.isdigit() else default


def with_modifiers(base: str, mods: int) -> str:
    """Return tmux's name of a key with modifiers."""
    if mods & SHIFT and len(base) == 1 and base.isalpha():
        base, mods = base.upper(), mods & ~SHIFT
    if mods & SHIFT and base == "Tab":
        base, mods = "BTab", mods & ~SHIFT
    shift = "S-" if mods & SHIFT and len(base) > 1 else ""
    return ("C-" if mods & CTRL else "") + ("M-" if mods & ALT else "") + shift + base


def _csi_name(key: bytes) -> tuple[str, int]:
    final = key[-1:]
    fields = [field.split(b":") for field in key[2:-1].split(b";")]
    if final == b"~" and fields[0] == [b"27"] and len(fields) == 3:  # xterm's
        fields, final = [fields[2], fields[1]], b"u"
    modifiers = fields[1] if len(fields) > 1 else []
    mods = (_number(modifiers[0], 1) - 1 if modifiers else 0) & ~LOCKS
    event = _number(modifiers[1], PRESS) if len(modifiers) > 1 else PRESS
    code = _number(fields[0][0], 0)
    if final == b"u" and code:
        if mods & SHIFT and len(fields[0]) > 1 and (shifted := _number(fields[0][1], 0)):
            code, mods = shifted, mods & ~SHIFT
        if code > 127 and len(fields[0]) > 2:  # what the key is on a Latin keyboard
            code = _number(fields[0][2], code)
        name = _CODES.get(code, "")
        if not name and (32 < code < 57344 or 63743 < code <= 0x10FFFF):  # in between are kitty's codes
            name = chr(code)
    elif final == b"~":
        name = _NUMBERS.get(code, "")
    else:
        mods &= ~SHIFT if final == b"Z" else mods
        name = _LETTERS.get(final, "") if code in (0, 1) else ""
    return with_modifiers(name, mods) if name else "", event


def key_name(key: bytes) -> tuple[str, int]:
    """Return tmux's name of one key (``C-b``, ``d``, ``Up``) and its kitty event.

    Events are 1 press, 2 repeat, 3 release. The name is empty for a key that can't be bound, such as a modifier alone.
    """
    if len(key) == 1:
        byte = key[0]
        return _BYTES.get(byte) or ("C-" + chr(byte + 64).lower() if byte < 32 else key.decode("utf-8", "replace")), 1
    if _TOKEN.fullmatch(key) is None:
        return "", PRESS
    if key[0] != 27:
        return key.decode("utf-8", "replace"), PRESS
    if len(key) == 2:
        return "M-" + chr(key[1]), PRESS
    if key[1:2] == b"O":
        letter = key[2:]
        if b"j" <= letter <= b"y":
            return "*+,-./0123456789"[letter[0] - 106], PRESS
        return "Enter" if letter == b"M" else _LETTERS.get(letter, ""), PRESS
    if key.startswith(b"\x1b[["):  # the Linux console's
        return f"F{key[3] - 64}" if len(key) > 3 else "", PRESS
    if key.startswith(b"\x1b[") and not key[2:-1].strip(b"0123456789:;"):
        return _csi_name(key)
    return "", PRESS


def _alone(key: bytes) -> bool:
    """Whether this is a modifier or lock key, which belongs to the key that comes next."""
    return key.startswith(b"\x1b[") and key.endswith(b"u") and _number(key[2:7], 0) in _ALONE


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the whole keys, mouse reports and paste markers in ``data``, and its unfinished rest.

    An ESC at the end is a whole key.
    """
    tokens, at = [], 0
    while at < len(data):
        if _CUT.match(data, at):
            break
        match = _TOKEN.match(data, at)
        assert match is not None  # its last branch takes any byte
        tokens.append(match[0])
        at = match.end()
    return tokens, data[at:]


class InputDecoder:
    """Split what a terminal sends into what the pane gets, what is ours, and what the user asks of us.

    Args:
        prefix: the prefix key's name, such as ``C-b``; empty for none.
        bindings: key name to action.

    Attributes:
        expecting: whether replies of the terminal are due. Set by the caller; an ESC is then held back as well.
        unread: what follows the Act that :meth:`feed` has just yielded. A caller may stop there and feed it later.
    """

    def __init__(self, prefix: str, bindings: Mapping[str, str]) -> None:
        self.expecting = False
        self.unread = b""
        self._prefix = _ALIASES.get(prefix, prefix)
        self._bindings = {_ALIASES.get(name, name): action for name, action in bindings.items()}
        # Where to look closer while nothing is armed: ESC, and how a prefix that is no sequence begins.
        plain = [byte for byte in range(128) if self._prefix and key_name(b"%c" % byte)[0] == self._prefix]
        if len(prefix) == 1:
            plain += prefix.encode("utf-8", "surrogateescape")[:1]
        self._stops = re.compile(b"[\x1b%b]" % b"".join(re.escape(b"%c" % byte) for byte in plain))
        self._bare = False
        self._armed = False
        self._pasting = False
        self._reply: bytearray | None = None  # the reply that is coming in
        self._reply_end = _STRING_END
        self._dropping = False  # and it isn't kept
        self._held = b""
        self._begun = b""  # what was passed on last, if it may begin a paste marker or, when fresh, any sequence
        self._fresh = False

    @property
    def holding(self) -> bool:
        """Whether :meth:`flush` is to be called when nothing follows within :attr:`wait` seconds."""
        return bool(self._held) or self._fresh or self._reply is not None

    @property
    def wait(self) -> float:
        """Seconds that the rest of what is held may take."""
        return LONG_WAIT if self.expecting or self._reply is not None else SHORT_WAIT

    def flush(self) -> Iterator[Token]:
        """Yield what is held, for what it is by itself: nothing followed.

        Of a reply that broke off, the end is still swallowed if it comes within another :attr:`wait`.
        """
        if self._reply is not None and not self._dropping:
            yield Reply(bytes(self._reply))
            self._dropping = True
            return
        self._reply, self._dropping, self._fresh = None, False, False
        held, self._held = self._held, b""
        if not held:
            return
        passed, self._begun = self._begun, _marker_in(self._begun + held, PASTE_START)
        meaning = None if passed else self._meaning(held)
        yield from (Typed(held),) if meaning is None else meaning

    def feed(self, data: bytes, *, bare: bool = False) -> Iterator[Token]:
        """Yield what ``data`` means, in the order it was typed.

        Args:
            data: what the terminal sent.
            bare: don't look for the prefix key: something else has the keyboard.
        """
        self._bare = bare
        self._armed = self._armed and not bare
        if not data:
            return
        start = len(self._begun)  # the pane has these
        data = self._begun + self._held + data
        at = 0 if self._fresh or self._pasting or data.startswith(PASTE_START) else start
        if start and not at and not self._pasting and not self._fresh:
            self._pasting = True
        elif at and PASTE_START.startswith(data):
            self._begun = data
            yield Typed(data[start:])
            return
        self._begun, self._held, self._fresh = b"", b"", False
        while at < len(data):
            if self._reply is not None:
                end, whole = self._end_of_reply(data, at)
                if not self._dropping:
                    self._reply += data[at:end]
                    if len(self._reply) > REPLY_LIMIT:
                        self._reply.clear()
                        self._dropping = True
                if not whole:
                    self._held = data[end:]
                    return
                if not self._dropping:
                    yield Reply(bytes(self._reply))
                self._reply, self._dropping = None, False
                start = at = end
                continue
            if self._pasting:
                end = data.find(PASTE_END, at)
                self._pasting = end < 0
                at = len(data) if end < 0 else end + len(PASTE_END)
                self._begun = _marker_in(data, PASTE_END) if end < 0 else b""
                yield Typed(data[start:at], True)
                start = at
                continue
            if not self._armed:
                stop = self._stops.search(data, at)
                if stop is None:
                    break
                at = stop.start()
            if head := _REPLY.match(data, at):
                if start < at:
                    yield Typed(data[start:at])
                self._reply = bytearray(head[0])
                self._reply_end = _CSI_END if head[1] else _STRING_END
                start = at = head.end()
                continue
            alone = at == len(data) - 1 and data[at] == 27
            if _CUT.match(data, at) or (alone and (self.expecting or self._armed)):
                if start < at:
                    yield Typed(data[start:at])
                else:
                    self._begun, self._fresh = data[at:start], at < start
                self._held = data[max(start, at) :]
                return
            token = _TOKEN.match(data, at)
            assert token is not None  # its last branch takes any byte
            key = token[0]
            if key == PASTE_START:
                if start < at:
                    yield Typed(data[start:at])
                self._pasting, self._armed = True, False
                start = max(start, at)
                continue
            meaning = self._meaning(key)
            if meaning is not None:
                if start < at:
                    yield Typed(data[start:at])
                start = token.end()
                self.unread = data[start:] if meaning and isinstance(meaning[0], Act) else b""
                yield from meaning
            at = token.end()
        if start < len(data):
            self._fresh = data.endswith(_ESC)
            self._begun = _ESC if self._fresh else b""
            yield Typed(data[start:])

    def _end_of_reply(self, data: bytes, at: int) -> tuple[int, bool]:
        """Return where the reply that is coming in ends, or what is known to be its, and whether that is its end."""
        found = self._reply_end.search(data, at)
        if found is None:
            return len(data), False
        end, byte = found.start(), data[found.start()]
        if self._reply_end is _CSI_END:
            return end + (byte > 63), True
        if byte == 27:
            if end + 1 == len(data):
                return end, False  # perhaps half of ST
            return end + 2 * data.startswith(b"\x1b\\", end), True
        return end + (byte == 7), True

    def _meaning(self, key: bytes) -> tuple[Token, ...] | None:
        """Return what one whole key or report is to us, None if it is for the pane as typed."""
        if key.startswith(b"\x1b[") and len(key) > 2:
            if key in (b"\x1b[I", b"\x1b[O"):
                return (Focus(key == b"\x1b[I"),)
            if _MOUSE.fullmatch(key):
                return (Mouse(key),)
            if (report := _REPORT.fullmatch(key)) and not _may_be_f3(report[1], report[2]):
                return (Reply(key),)
        elif key.startswith(b"\x1b]") and key.endswith((b"\x07", b"\x1b\\")):
            return (Reply(key),)
        if self._bare or not self._prefix:
            return None
        name, event = key_name(key)
        if name == self._prefix:
            if self._armed and event == PRESS:
                self._armed = False
                return None
            self._armed = self._armed or event == PRESS
            return ()
        if not self._armed:
            return None
        if event == RELEASE or _alone(key):
            return ()
        self._armed = False
        return (Act(self._bindings.get(name, "bell")),)


def _may_be_f3(row: bytes | None, column: bytes | None) -> bool:
    """Whether a cursor position could as well be F3 with modifiers."""
    mods = _number(column or b"", 1) - 1
    return row == b"1" and 0 < mods <= 255 and not mods & 48


def _marker_in(data: bytes, marker: bytes) -> bytes:
    """Return the beginning of a paste marker with which ``data`` ends."""
    lengths = range(len(marker) - 1, 0, -1)
    return next((marker[:length] for length in lengths if data.endswith(marker[:length])), b"")
