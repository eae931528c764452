"""The prefix key: which typed bytes are ours and which are the pane's. Pure; runs in the client.

    PASS --prefix------> ARMED --bound key--> PASS  (Act)
      |                        --prefix-----> PASS  (the prefix, as typed, to the pane)
      |                        --other------> PASS  (both dropped, Act("bell"))
      '--CSI 200 ~--> PASTE --CSI 201 ~--> PASS     (nothing in between is looked at)

A key may arrive in three encodings, depending on what the program asked of the
terminal: the legacy byte, kitty's ``CSI code ; mods : event u`` and xterm's
``CSI 27 ; mods ; code ~``. Lock bits (caps, num) are masked out, repeats and
releases of the prefix are swallowed with its press.

A lone ESC is never held back: agents interrupt on it. Only an unfinished
``CSI`` with at least one digit, which no person types, waits for its end. Paste
markers are found wherever they are cut: what the pane has got of one counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LOCKS = 64 | 128  # caps lock, num lock
_SHIFT, _ALT, _CTRL = 1, 2, 4
_PRESS, _RELEASE = 1, 3
_PASTE_START, _PASTE_END = b"\x1b[200~", b"\x1b[201~"
_HELD = re.compile(rb"\x1b\[[0-9][0-9;:]{0,30}\Z")
_KEY = re.compile(
    rb"\x1b\[(?P<kitty>\d+)(?::(?P<shifted>\d*))?(?::(?P<latin>\d*))?(?:;(?P<mods>\d*)(?::(?P<event>\d+))?(?:;[\d:]*)?)?u"
    rb"|\x1b\[27;(?P<xmods>\d+);(?P<xcode>\d+)~"
    rb"|\x1b\[[0-?]*[ -/]*[@-~]|\x1bO[ -~]|\x1b[ -Z\\-~]|\x1b"
    rb"|[\xc2-\xf4][\x80-\xbf]{1,3}|[\x00-\xff]",
)
_FUNCTIONAL = re.compile(rb"\x1b\[(\d+);(\d+)(?::(\d+))?([A-Z~])")  # number, modifiers, event
_NAMED = {
    b"\x1b[A": "Up",
    b"\x1b[B": "Down",
    b"\x1b[C": "Right",
    b"\x1b[D": "Left",
    b"\x1bOA": "Up",
    b"\x1bOB": "Down",
    b"\x1bOC": "Right",
    b"\x1bOD": "Left",
    b"\x1b[5~": "PageUp",
    b"\x1b[6~": "PageDown",
    b"\x1b[H": "Home",
    b"\x1b[F": "End",
    b"\x1b": "Escape",
    b"\r": "Enter",
    b"\t": "Tab",
    b" ": "Space",
    b"\x7f": "BSpace",
    b"\x00": "C-Space",
}
_CODES = {13: "Enter", 9: "Tab", 27: "Escape", 32: "Space", 127: "BSpace"}
_MODIFIER_KEYS = range(57358, 57455)  # kitty's codes for shift, ctrl, locks and media keys alone


@dataclass(frozen=True, slots=True)
class Typed:
    """Bytes for the pane, as typed."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Act:
    """A bound key was typed after the prefix."""

    action: str


def _with_mods(base: str, mods: int) -> str:
    if mods & _SHIFT and len(base) == 1 and base.isalpha():
        base, mods = base.upper(), mods & ~_SHIFT
    shift = "S-" if mods & _SHIFT and len(base) > 1 else ""
    return ("C-" if mods & _CTRL else "") + ("M-" if mods & _ALT else "") + shift + base


def key_name(key: bytes) -> tuple[str, int]:
    """Return tmux's name of one key (``C-b``, ``d``, ``Up``) and its kitty event.

    Events are 1 press, 2 repeat, 3 release. The name is empty for a key that can't be bound, such as a modifier alone.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        return "", 1
    code_text = match["kitty"] or match["xcode"]
    if code_text:
        code = int(code_text[:9])
        mods = (int((match["mods"] or match["xmods"] or b"1")[:9]) - 1) & ~_LOCKS
        event = int((match["event"] or b"1")[:9])
        if mods & _SHIFT and match["shifted"]:
            code, mods = int(match["shifted"][:9]), mods & ~_SHIFT
        if code > 127 and match["latin"]:  # what the key is on a Latin keyboard
            code = int(match["latin"][:9])
        if code in _MODIFIER_KEYS or code > 0x10FFFF:
            return "", event
        return _with_mods(_CODES.get(code) or chr(code), mods), event
    if found := _FUNCTIONAL.fullmatch(key):
        number, mods_text, event_text, final = found.groups()
        named = _NAMED.get(b"\x1b[" + (number if final == b"~" else b"") + final)
        mods = (int(mods_text[:9]) - 1) & ~_LOCKS
        return _with_mods(named, mods) if named else "", int((event_text or b"1")[:9])
    if named := _NAMED.get(key):
        return named, 1
    if len(key) == 1 and key[0] < 32:
        return "C-" + chr(key[0] + 64).lower(), 1
    if len(key) == 2 and key[0] == 27:
        return "M-" + chr(key[1]), 1
    if key[0] == 27:
        return "", 1
    return key.decode("utf-8", "replace"), 1


class PrefixDecoder:
    """Split typed bytes into what the pane gets and what the user asks of us.

    Args:
        prefix: the prefix key's name, such as ``C-b``; empty for none.
        bindings: key name to action.
    """

    def __init__(self, prefix: str, bindings: Mapping[str, str]) -> None:
        self._prefix = prefix
        self._prefix_byte = prefix.encode("utf-8", "surrogateescape")  # as it is typed, if it is a plain character
        self._bindings = bindings
        self._armed = False
        self._pasting = False
        self._held = b""
        self._begun = b""  # what was passed on last, if it may begin a paste marker

    @property
    def holding(self) -> bool:
        """Whether an unfinished sequence is held. Call :meth:`flush` when nothing follows at once."""
        return bool(self._held)

    def flush(self) -> bytes:
        """Return the held bytes for the pane."""
        held, self._held = self._held, b""
        if held:
            self._begun = self._marker_in(held)
        return held

    def feed(self, data: bytes) -> Iterator[Typed | Act]:
        """Yield what ``data`` means, in the order it was typed."""
        start = at = len(self._begun)  # the pane has these
        data = self._begun + self._held + data
        self._begun = self._held = b""
        if self._pasting:
            at = 0
        elif start and data.startswith(_PASTE_START):
            self._pasting, at = True, len(_PASTE_START)
        elif start and _PASTE_START.startswith(data):
            at = len(data)
        while at < len(data):
            if self._pasting:
                end = data.find(_PASTE_END, at)
                if end < 0:
                    break
                self._pasting = False
                at = end + len(_PASTE_END)
                continue
            if data[at] == 27 and _HELD.match(data, at):
                self._held = data[at:]
                data = data[:at]
                break
            match = _KEY.match(data, at)
            assert match is not None  # its last branch takes any byte
            key, end = match[0], match.end()
            if key == _PASTE_START:
                self._pasting, self._armed = True, False
                at = end
                continue
            if not self._armed and len(key) == 1 and key[0] >= 32 and key != self._prefix_byte:
                at = end
                continue
            name, event = key_name(key)
            is_prefix = bool(self._prefix) and name == self._prefix
            if not self._armed and not is_prefix:
                at = end
                continue
            if self._armed and is_prefix and event == _PRESS:
                if start < at:
                    yield Typed(data[start:at])
                start = at  # the key itself stays in the run: it goes to the pane as typed
                self._armed = False
                at = end
                continue
            if start < at:
                yield Typed(data[start:at])
            start = at = end
            if not self._armed:
                self._armed = event == _PRESS
            elif name and event != _RELEASE and not is_prefix:
                self._armed = False
                yield Act(self._bindings.get(name, "bell"))
        if not self._held:
            self._begun = self._marker_in(data)
        if start < len(data):
            yield Typed(data[start:])

    def _marker_in(self, data: bytes) -> bytes:
        """Return the part of a paste marker, the one due next, with which ``data`` ends."""
        marker = _PASTE_END if self._pasting else _PASTE_START
        lengths = range(len(marker) - 1, 0, -1)
        return next((marker[:length] for length in lengths if data.endswith(marker[:length])), b"")
