"""Key names as tmux has them, encoded for the modes the program has set; and pasted text."""

from typing import Any

from .errors import UnknownKey
from .ffi import ffi, lib
from .terminal import Terminal, check

SHIFT, CTRL, ALT = 1, 2, 4
_MODIFIERS = {"S": SHIFT, "C": CTRL, "M": ALT}

_NAMED = {
    "Enter": "ENTER",
    "Tab": "TAB",
    "Escape": "ESCAPE",
    "Space": "SPACE",
    "BSpace": "BACKSPACE",
    "Up": "ARROW_UP",
    "Down": "ARROW_DOWN",
    "Left": "ARROW_LEFT",
    "Right": "ARROW_RIGHT",
    "Home": "HOME",
    "End": "END",
    "PPage": "PAGE_UP",
    "PageUp": "PAGE_UP",
    "PgUp": "PAGE_UP",
    "NPage": "PAGE_DOWN",
    "PageDown": "PAGE_DOWN",
    "PgDn": "PAGE_DOWN",
    "IC": "INSERT",
    "Insert": "INSERT",
    "DC": "DELETE",
    "Delete": "DELETE",
    **{f"F{number}": f"F{number}" for number in range(1, 13)},
}
_BY_LOWER_NAME = {name.lower(): name for name in _NAMED}

_PUNCTUATION = {
    "`": "BACKQUOTE",
    "\\": "BACKSLASH",
    "[": "BRACKET_LEFT",
    "]": "BRACKET_RIGHT",
    ",": "COMMA",
    "=": "EQUAL",
    "-": "MINUS",
    ".": "PERIOD",
    "'": "QUOTE",
    ";": "SEMICOLON",
    "/": "SLASH",
    " ": "SPACE",
}
_SHIFTED = dict(zip('~|{}<+_>":?)!@#$%^&*(', "`\\[],=-.';/0123456789", strict=True))

# What a terminal without any key protocol sends, where Ghostty's encoder has newer forms that shells print.
_LEGACY = {
    ("i", CTRL): b"\t",
    ("m", CTRL): b"\r",
    ("[", CTRL): b"\x1b",
    ("Enter", SHIFT): b"\r",
    ("Enter", CTRL): b"\r",
}


def split_name(name: str) -> tuple[str, int]:
    """Return a key's name without its ``C-``, ``M-`` and ``S-``, and these as bits.

    A single character stands for itself; BTab is Tab with Shift; ``^x`` is ``C-x``.

    Raises:
        UnknownKey: the rest is neither a name nor one character.
    """
    rest, modifiers = name, 0
    if len(rest) == 2 and rest[0] == "^":
        rest, modifiers = rest[1], CTRL
    while len(rest) > 2 and rest[1] == "-" and rest[0] in _MODIFIERS:
        modifiers |= _MODIFIERS[rest[0]]
        rest = rest[2:]
    if rest.lower() == "btab":
        return "Tab", modifiers | SHIFT
    if rest == " ":
        return "Space", modifiers
    if known := _BY_LOWER_NAME.get(rest.lower()):
        return known, modifiers
    if len(rest) != 1 or not rest.isprintable():
        raise UnknownKey(name)
    return rest, modifiers


class Keyboard:
    """Encodes keys for one terminal at a time. Owns the library's encoder."""

    def __init__(self) -> None:
        encoder, event = ffi.new("GhosttyKeyEncoder*"), ffi.new("GhosttyKeyEvent*")
        check(lib.ghostty_key_encoder_new(ffi.NULL, encoder), "key_encoder_new")
        check(lib.ghostty_key_event_new(ffi.NULL, event), "key_event_new")
        self._encoder = ffi.gc(encoder[0], lib.ghostty_key_encoder_free)
        self._event = ffi.gc(event[0], lib.ghostty_key_event_free)
        self._out = ffi.new("char[]", 128)
        self._length = ffi.new("size_t*")

    def encode(self, terminal: Terminal, keys: list[tuple[str, int]]) -> bytes:
        """Return what the keys send in the terminal's current modes; ``keys`` is what ``split_name`` gave."""
        lib.ghostty_key_encoder_setopt_from_terminal(self._encoder, terminal.h)
        legacy = not terminal.kitty_flags() and not terminal.extra("keyboard")[1]
        return b"".join(self._one(name, modifiers, legacy) for name, modifiers in keys)

    def _one(self, name: str, modifiers: int, legacy: bool) -> bytes:
        if legacy and (fixed := _LEGACY.get((name, modifiers & ~ALT))):
            return b"\x1b" + fixed if modifiers & ALT else fixed
        if name in _NAMED:
            text = " " if name == "Space" else ""
            return self._encode(_NAMED[name], modifiers, 0, text.encode(), 32 if text else 0)
        if modifiers & CTRL and name.isascii() and name.isalpha():  # C-A is C-a, as in tmux
            name = name.lower()
        plain = _SHIFTED.get(name, name.lower())
        shift = SHIFT if plain != name else 0
        if modifiers & SHIFT and not shift:
            name = next((upper for upper, lower in _SHIFTED.items() if lower == plain), name.upper())
            shift = SHIFT if name != plain else 0
        encoded = self._encode(_physical(plain), modifiers | shift, shift, name.encode(), ord(plain[0]))
        return encoded or (b"" if modifiers & (CTRL | ALT) else name.encode())

    def _encode(self, key: str, modifiers: int, consumed: int, text: bytes, unshifted: int) -> bytes:
        event = self._event
        lib.ghostty_key_event_set_action(event, lib.GHOSTTY_KEY_ACTION_PRESS)
        lib.ghostty_key_event_set_key(event, getattr(lib, "GHOSTTY_KEY_" + key))
        lib.ghostty_key_event_set_mods(event, modifiers)
        lib.ghostty_key_event_set_consumed_mods(event, consumed)
        memory = ffi.new("char[]", text)
        lib.ghostty_key_event_set_utf8(event, memory if text else ffi.NULL, len(text))
        lib.ghostty_key_event_set_unshifted_codepoint(event, unshifted)
        code = lib.ghostty_key_encoder_encode(self._encoder, event, self._out, len(self._out), self._length)
        check(code, "key_encode")
        return bytes(ffi.buffer(self._out, self._length[0]))


def _physical(character: str) -> str:
    if character.isascii() and character.isalpha():
        return character.upper()
    if character.isascii() and character.isdigit():
        return "DIGIT_" + character
    return _PUNCTUATION.get(character, "UNIDENTIFIED")


keyboard = Keyboard()


def paste(text: bytes, *, bracketed: bool) -> bytes:
    """Return pasted text as the program should get it: nothing in it can act as a key or end the brackets."""
    text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    source = ffi.new("char[]", text)  # a copy: the library changes it
    room = len(text) + 32
    out: Any = ffi.new("char[]", room)
    length = ffi.new("size_t*")
    check(lib.ghostty_paste_encode(source, len(text), bracketed, out, room, length), "paste_encode")
    return bytes(ffi.buffer(out, length[0]))
