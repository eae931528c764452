"""Replies to queries that the library leaves unanswered, or answers for a terminal that we are not."""

import re
from collections.abc import Callable

_STATES = {
    b"\x1b[?15n": b"\x1b[?13n",  # no printer
    b"\x1b[?25n": b"\x1b[?20n",  # user-defined keys are not locked
    b"\x1b[?26n": b"\x1b[?27;1;0;0n",  # North American keyboard
}
_CAPABILITIES = re.compile(rb"\x1bP[0-9;]*\+q([^\x1b]*)")
_CLIPBOARD = re.compile(rb"\x1b\](52;[^;]*;)\?(.*)", re.DOTALL)
_MAX_NAMES = 64
"""Names in one XTGETTCAP that are answered: the longest list known, opencode's, has 7."""


def answer(question: bytes, ask: Callable[[bytes], bytes], other_keys: Callable[[], int]) -> bytes:
    """Return the reply to ``question``, b"" where none is due.

    Args:
        ask: returns the library's own reply to a query.
        other_keys: returns the level of modifyOtherKeys.
    """
    if question.endswith(b"m"):
        return b"\x1b[>4;%dm" % other_keys()
    if question == b"\x1b[?6n":  # DECXCPR: a CPR that cannot be mistaken for F3
        return ask(b"\x1b[6n").replace(b"\x1b[", b"\x1b[?")
    if state := _STATES.get(question):
        return state
    if question.startswith(b"\x1b_"):
        return _graphics(question)
    if clipboard := _CLIPBOARD.match(question):  # never given away, but nobody shall wait for it
        return b"\x1b]" + clipboard[1] + clipboard[2]
    if names := _CAPABILITIES.match(question):
        return b"".join(_capability(name, ask) for name in names[1].split(b";")[:_MAX_NAMES])
    return b""


def _capability(name: bytes, ask: Callable[[bytes], bytes]) -> bytes:
    if not re.fullmatch(rb"(?:[0-9A-Fa-f]{2}){1,32}", name):
        return b"\x1bP0+r\x1b\\"
    return ask(b"\x1bP+q" + name + b"\x1b\\") or b"\x1bP0+r" + name + b"\x1b\\"


def _graphics(question: bytes) -> bytes:
    """Answer "can you show images?" with no: they pass to the terminal in front, but none is there at reattach."""
    keys = dict(pair.split(b"=", 1) for pair in question[3:].split(b";")[0].split(b",") if b"=" in pair)
    number = keys.get(b"i", b"")
    if not number.isdigit() or len(number) > 10 or keys.get(b"q") == b"2":
        return b""
    return b"\x1b_Gi=%b;ENOTSUP:images are not kept\x1b\\" % number
