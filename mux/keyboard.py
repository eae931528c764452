"""Keys between keyboard protocols: what a terminal sends, in the form that the program asked for. Pure.

There are three: the legacy bytes, xterm's modifyOtherKeys (``CSI 27 ; mods ; code ~``) and kitty's
(``CSI code ; mods u``). A client's terminal may speak another one than the program: it knows only
one of the two newer ones, or is still set up for the program that was shown before.
"""

import re

from .keys import ALT, CTRL, LOCKS, PRESS, RELEASE, SHIFT

EVENTS, ALTERNATES, ALL_KEYS, TEXT = 2, 4, 8, 16
"""kitty's flags: report events, alternate codes, all keys as sequences, the associated text."""

_META = 32
_SEQUENCE = re.compile(rb"\x1b\[([0-9;:]*)([A-HPQRSu~])")
_ENTER, _TAB, _SPACE, _BACKSPACE = 13, 9, 32, 127
_PRIVATE = range(57344, 63744)  # kitty's codes for keys without a character

# kitty's codes: the keypad as characters, and keys that have a legacy sequence (number, final).
_KEYPAD = {57414: _ENTER, **{57399 + place: ord(character) for place, character in enumerate("0123456789./*-+")}}
_KEYPAD |= {57415: ord("="), 57416: ord(",")}
_FUNCTIONS = {
    57417: (1, b"D"),
    57418: (1, b"C"),
    57419: (1, b"A"),
    57420: (1, b"B"),
    57423: (1, b"H"),
    57424: (1, b"F"),
}
_FUNCTIONS |= {
    57427: (1, b"E"),
    57421: (5, b"~"),
    57422: (6, b"~"),
    57425: (2, b"~"),
    57426: (3, b"~"),
    57363: (29, b"~"),
}
_FUNCTIONS |= {57376 + place: (number, b"~") for place, number in enumerate((25, 26, 28, 29, 31, 32, 33, 34))}
_TILDES = {*range(1, 9), *range(11, 16), *range(17, 22), *range(23, 27), 28, 29, *range(31, 35)}
_F1_TO_F4 = {11: b"P", 12: b"Q", 13: b"R", 14: b"S"}

_CONTROL = {ord(character): ord(character) & 31 for character in "abcdefghijklmnopqrstuvwxyz@[\\]^_ "}
_CONTROL |= {ord("2"): 0, ord("3"): 27, ord("4"): 28, ord("5"): 29, ord("6"): 30, ord("7"): 31, ord("8"): 127}
_CONTROL |= {ord("/"): 31, ord("?"): 127, ord("~"): 30}


def for_program(typed: bytes, *, kitty: int, other_keys: int) -> bytes:
    """Return ``typed`` with each key in a form that the program asked for.

    What is in such a form already stays as it is, byte for byte. A program that asked for both
    newer protocols, as Claude Code does, understands both.

    Args:
        typed: whole sequences, nothing pasted.
        kitty: the program's kitty flags, 0 for off.
        other_keys: the program's modifyOtherKeys level, 0 for off.
    """
    if b"\x1b[" not in typed or (kitty and other_keys):
        return typed
    return _SEQUENCE.sub(lambda found: _translated(found, kitty, other_keys), typed)


def asked_of(terminal_has_kitty: bool | None, *, kitty: int, other_keys: int, before: bytes = b"") -> bytes:
    """Return what a client's terminal must be told so that it tells apart the keys that the program wants.

    Nothing while the program's own request, which passes through, does. From the first answer on always the whole
    setting, never a difference: send an answer when it is not the one before. A terminal with kitty's protocol has one
    setting per screen: when the program changes screens, start again from nothing.

    Args:
        terminal_has_kitty: whether it knows kitty's protocol; None for unknown.
        kitty: the program's kitty flags, 0 for off.
        other_keys: the program's modifyOtherKeys level, 0 for off.
        before: the answer that was sent last.
    """
    if terminal_has_kitty is None:
        return before
    if terminal_has_kitty:
        translated = other_keys and not kitty
        setting = b"\x1b[=%d;1u" % (kitty or bool(other_keys))
    else:
        translated = kitty and not other_keys
        setting = b"\x1b[>4;%dm" % (other_keys or 2 * bool(kitty))
    return setting if translated or before else b""


def _number(text: bytes, default: int) -> int:
    return int(text[:9]) if text else default


def _translated(found: re.Match[bytes], kitty: int, other_keys: int) -> bytes:
    fields = [field.split(b":") for field in found[1].split(b";")]
    final = found[2]
    of_xterm = final == b"~" and len(fields) == 3 and fields[0] == [b"27"]
    if of_xterm:
        if other_keys:
            return found[0]
        fields, final = [fields[2], fields[1]], b"u"
    code = _number(fields[0][0], 1)
    modifiers = fields[1] if len(fields) > 1 else [b""]
    mods = max(_number(modifiers[0], 1) - 1, 0)
    event = _number(modifiers[1], PRESS) if len(modifiers) > 1 else PRESS
    if (final == b"~" and code not in _TILDES) or (final not in b"u~" and code != 1):
        return found[0]
    if final == b"u" and (not 0 < code <= 0x10FFFF or 0xD800 <= code < 0xE000):
        return found[0]
    if event == RELEASE and not kitty & EVENTS:
        return b""
    if of_xterm:
        mods = (mods & ~8) | (_META if mods & 8 else 0)  # xterm's bit for meta is kitty's for super
    if kitty:
        return _kitty_of_xterm(code, mods, kitty) if of_xterm else _less_of_kitty(found, fields, mods, kitty)

    mods = (mods & (SHIFT | ALT | CTRL)) | (ALT if mods & _META else 0)
    if final != b"u":
        return _function(code, final, mods)
    if code in _FUNCTIONS:
        return _function(*_FUNCTIONS[code], mods)
    code = _KEYPAD.get(code, code)
    if code in _PRIVATE:
        return b""  # a media key, a modifier alone: it has no other form
    shifted, latin = (_character(fields[0][place]) if len(fields[0]) > place else 0 for place in (1, 2))
    if mods & CTRL and code > 127 and latin:
        code, shifted = latin, 0
    if mods & SHIFT:
        code = shifted or _upper(code)
    return _other_key(code, mods, other_keys) if other_keys else _legacy(code, mods)


def _character(text: bytes) -> int:
    """Return a code that is a character, 0 for others."""
    code = _number(text, 0)
    return code if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else 0


def _upper(code: int) -> int:
    upper = chr(code).upper()
    return ord(upper) if len(upper) == 1 else code


def _lower(code: int) -> int:
    lower = chr(code).lower()
    return ord(lower) if len(lower) == 1 else code


def _function(number: int, final: bytes, mods: int) -> bytes:
    """Return xterm's sequence of a function key."""
    if final == b"~" and number in _F1_TO_F4:
        number, final = 1, _F1_TO_F4[number]
    if mods:
        return b"\x1b[%d;%d%b" % (number, mods + 1, final)
    if final in b"PQRS":
        return b"\x1bO" + final
    return b"\x1b[%d~" % number if final == b"~" else b"\x1b[" + final


def _legacy(code: int, mods: int) -> bytes:
    """Return what a terminal without any protocol sends; shift is in the character already."""
    alt = b"\x1b" if mods & ALT else b""
    if code == _TAB and mods & SHIFT:
        return alt + b"\x1b[Z"
    if code == _BACKSPACE and mods & CTRL:
        return alt + b"\b"
    if mods & CTRL:
        code = _CONTROL.get(_lower(code), code)
    return alt + chr(code).encode()


def _other_key(code: int, mods: int, level: int) -> bytes:
    """Return xterm's form of a key; at level 1 only of those that have no well-known one."""
    if not mods or (mods == SHIFT and code > _SPACE and code != _BACKSPACE):
        return _legacy(code, mods)
    if level == 1:
        known = (code >= _SPACE and (not mods & CTRL or (code in _CONTROL and not mods & SHIFT))) or code == _BACKSPACE
        if known or (code == _TAB and mods == SHIFT):
            return _legacy(code, mods)
    return b"\x1b[27;%d;%d~" % (mods + 1, code)


def _kitty_of_xterm(code: int, mods: int, kitty: int) -> bytes:
    plain = _plain(code, mods, kitty)
    if plain is not None:
        return plain
    return b"\x1b[%d;%du" % (_lower(code), mods + 1) if mods else b"\x1b[%du" % code


def _plain(code: int, mods: int, kitty: int) -> bytes | None:
    """Return the bytes of a key that is none to kitty's protocol unless all keys are: text, Enter, Tab, Backspace."""
    if kitty & ALL_KEYS:
        return None
    if not mods and code in (_ENTER, _TAB, _BACKSPACE):
        return b"%c" % code
    if mods in (0, SHIFT) and code >= _SPACE and code != _BACKSPACE and (code > _SPACE or not mods):
        return chr(_upper(code) if mods else code).encode()
    return None


def _less_of_kitty(found: re.Match[bytes], fields: list[list[bytes]], mods: int, kitty: int) -> bytes:
    """Return a key in kitty's protocol without what the program's flags don't ask for."""
    codes, modifiers = fields[0], fields[1] if len(fields) > 1 else [b""]
    final = found[2]
    if final == b"u" and not kitty & ALL_KEYS:
        code = _number(codes[0], 1)
        if code in (57358, 57359, 57360, *range(57441, 57455)):
            return b""  # a modifier or a lock alone
        shifted = _character(codes[1]) if len(codes) > 1 and mods & SHIFT else 0
        plain = None if code in _PRIVATE else _plain(shifted or code, mods & ~LOCKS, kitty)
        if plain is not None:
            return plain
    texts = fields[2:] if kitty & TEXT else []
    if not kitty & ALTERNATES:
        codes = codes[:1]
    if not kitty & EVENTS:
        modifiers = modifiers[:1]
    kept = [codes, modifiers, *texts] if len(fields) > 1 else [codes]
    if kept == fields:
        return found[0]
    if kept[1:] in ([[b""]], [[b"1"]]):
        kept = [codes] if final in b"u~" else [[b""]]
    return b"\x1b[" + b";".join(b":".join(field) for field in kept) + final
