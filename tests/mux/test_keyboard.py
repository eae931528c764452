"""Keys between keyboard protocols: a table of what each terminal sends and what each program gets."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.mux.keyboard import asked_of, for_program
from agentmux.mux.keys import split


class Row(NamedTuple):
    """One key: what terminals send (kitty's protocol, xterm's), and what programs get."""

    name: str
    kitty: bytes
    xterm: bytes
    legacy: bytes
    level1: bytes
    level2: bytes
    flags1: bytes


def other(mods: int, code: int) -> bytes:
    return b"\x1b[27;%d;%d~" % (mods, code)


def csi_u(code: int, mods: int) -> bytes:
    return b"\x1b[%d;%du" % (code, mods)


def modified(name: str, code: int, mods: int, legacy: bytes, level1: bytes = b"", *, xterm: int = 0) -> Row:
    form = other(mods, xterm or code)
    return Row(name, csi_u(code, mods), form, legacy, level1 or form, form, csi_u(code, mods))


GOLDEN = [
    modified("S-Enter", 13, 2, b"\r"),
    modified("C-Enter", 13, 5, b"\r"),
    modified("M-Enter", 13, 3, b"\x1b\r"),
    modified("C-S-Enter", 13, 6, b"\r"),
    modified("C-i", 105, 5, b"\t", b"\t"),
    modified("C-m", 109, 5, b"\r", b"\r"),
    modified("C-[", 91, 5, b"\x1b", b"\x1b"),
    modified("C-c", 99, 5, b"\x03", b"\x03"),
    modified("C-S-c", 99, 6, b"\x03", xterm=67),
    modified("C-M-c", 99, 7, b"\x1b\x03", b"\x1b\x03"),
    modified("M-x", 120, 3, b"\x1bx", b"\x1bx"),
    modified("M-S-x", 120, 4, b"\x1bX", b"\x1bX", xterm=88),
    modified("C-Space", 32, 5, b"\x00", b"\x00"),
    modified("S-Space", 32, 2, b" ", b" "),
    modified("S-Tab", 9, 2, b"\x1b[Z", b"\x1b[Z"),
    modified("C-Tab", 9, 5, b"\t"),
    modified("M-S-Tab", 9, 4, b"\x1b\x1b[Z"),
    modified("S-BSpace", 127, 2, b"\x7f", b"\x7f"),
    modified("C-BSpace", 127, 5, b"\b", b"\b"),
    modified("M-BSpace", 127, 3, b"\x1b\x7f", b"\x1b\x7f"),
    modified("M-Escape", 27, 3, b"\x1b\x1b"),
    modified("C-/", 47, 5, b"\x1f", b"\x1f"),
    modified("C-2", 50, 5, b"\x00", b"\x00"),
    modified("C-8", 56, 5, b"\x7f", b"\x7f"),
    modified("C-,", 44, 5, b","),
    modified("C-1", 49, 5, b"1"),
    modified("M-é", 233, 3, b"\x1b\xc3\xa9", b"\x1b\xc3\xa9"),
    Row("Escape", b"\x1b[27u", b"\x1b", b"\x1b", b"\x1b", b"\x1b", b"\x1b[27u"),
    Row("C-Cyrillic c", b"\x1b[1089::99;5u", other(5, 99), b"\x03", b"\x03", other(5, 99), b"\x1b[1089;5u"),
    Row("C-Cyrillic c alone", csi_u(1089, 5), other(5, 1089), b"\xd1\x81", *[other(5, 1089)] * 2, csi_u(1089, 5)),
    Row("C-c, caps lock", csi_u(99, 69), other(5, 99), b"\x03", b"\x03", other(5, 99), csi_u(99, 69)),
    Row("C-S-1 as !", b"\x1b[49:33;6u", other(6, 33), b"!", other(6, 33), other(6, 33), csi_u(49, 6)),
    Row("C-c with its event and text", b"\x1b[99;5:1;3u", other(5, 99), b"\x03", b"\x03", other(5, 99), csi_u(99, 5)),
    # Only from a terminal that sends all keys as sequences
    Row("a", b"\x1b[97;;97u", b"a", b"a", b"a", b"a", b"a"),
    Row("A", b"\x1b[97:65;2;65u", b"A", b"A", b"A", b"A", b"A"),
    Row("A, num lock", b"\x1b[97;130u", b"A", b"A", b"A", b"A", b"A"),
    Row("!", b"\x1b[49:33;2u", b"!", b"!", b"!", b"!", b"!"),
    Row("Enter", b"\x1b[13u", b"\r", b"\r", b"\r", b"\r", b"\r"),
    Row("Tab", b"\x1b[9;1:1u", b"\t", b"\t", b"\t", b"\t", b"\t"),
    Row("BSpace", b"\x1b[127u", b"\x7f", b"\x7f", b"\x7f", b"\x7f", b"\x7f"),
    Row("ß with shift", b"\x1b[223;2u", "ß".encode(), *["ß".encode()] * 4),
    Row("shift alone", b"\x1b[57441;2u", b"", b"", b"", b"", b""),
    Row("a released", b"\x1b[97;1:3u", b"", b"", b"", b"", b""),
    Row("C-Up released", b"\x1b[1;5:3A", b"", b"", b"", b"", b""),
    # Function keys
    Row("F1", b"\x1b[P", b"\x1bOP", b"\x1bOP", b"\x1bOP", b"\x1bOP", b"\x1b[P"),
    Row("F2", b"\x1b[Q", b"\x1bOQ", b"\x1bOQ", b"\x1bOQ", b"\x1bOQ", b"\x1b[Q"),
    Row("F3", b"\x1b[13~", b"\x1bOR", b"\x1bOR", b"\x1bOR", b"\x1bOR", b"\x1b[13~"),
    Row("F4", b"\x1b[S", b"\x1bOS", b"\x1bOS", b"\x1bOS", b"\x1bOS", b"\x1b[S"),
    Row("C-F1", b"\x1b[1;5P", b"\x1b[1;5P", *[b"\x1b[1;5P"] * 4),
    Row("C-F3", b"\x1b[13;5~", b"\x1b[1;5R", *[b"\x1b[1;5R"] * 3, b"\x1b[13;5~"),
    Row("S-F5", b"\x1b[15;2~", b"\x1b[15;2~", *[b"\x1b[15;2~"] * 4),
    Row("Up", b"\x1b[1;1:1A", b"\x1b[A", *[b"\x1b[A"] * 4),
    Row("Up, num lock", b"\x1b[1;129A", b"\x1b[A", *[b"\x1b[A"] * 3, b"\x1b[1;129A"),
    Row("C-Up", b"\x1b[1;5:2A", b"\x1b[1;5A", *[b"\x1b[1;5A"] * 4),
    Row("Delete", b"\x1b[3;1:1~", b"\x1b[3~", *[b"\x1b[3~"] * 4),
    Row("keypad 5", b"\x1b[57404u", b"5", b"5", b"5", b"5", b"\x1b[57404u"),
    Row("keypad Left", b"\x1b[57417;5u", b"\x1b[1;5D", *[b"\x1b[1;5D"] * 3, b"\x1b[57417;5u"),
    Row("F13", b"\x1b[57376u", b"\x1b[25~", *[b"\x1b[25~"] * 3, b"\x1b[57376u"),
    Row("volume", b"\x1b[57439u", b"", b"", b"", b"", b"\x1b[57439u"),
]  # fmt: skip


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row.name)
def test_what_a_terminal_with_kitty_sends(row: Row) -> None:
    assert for_program(row.kitty, kitty=0, other_keys=0) == row.legacy
    assert for_program(row.kitty, kitty=0, other_keys=1) == row.level1
    assert for_program(row.kitty, kitty=0, other_keys=2) == row.level2
    assert for_program(row.kitty, kitty=1, other_keys=0) == row.flags1
    assert for_program(row.kitty, kitty=31, other_keys=0) == row.kitty
    assert for_program(row.kitty, kitty=5, other_keys=2) == row.kitty


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row.name)
def test_what_a_terminal_with_other_keys_sends(row: Row) -> None:
    assert for_program(row.xterm, kitty=0, other_keys=2) == row.xterm
    assert for_program(row.xterm, kitty=5, other_keys=2) == row.xterm
    if row.xterm.startswith(b"\x1b[27;"):
        assert for_program(row.xterm, kitty=0, other_keys=0) == row.legacy
        if row.name not in ("C-c, caps lock", "C-S-1 as !", "C-Cyrillic c"):  # it doesn't tell what kitty's does
            assert for_program(row.xterm, kitty=1, other_keys=0) == row.flags1
    else:
        for kitty, other_keys in ((0, 0), (0, 1), (1, 0)):
            assert for_program(row.xterm, kitty=kitty, other_keys=other_keys) == row.xterm


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row.name)
@pytest.mark.parametrize(("kitty", "other_keys"), [(0, 0), (0, 1), (0, 2), (1, 0), (5, 2)])
def test_legacy_bytes_are_right_for_every_program(row: Row, kitty: int, other_keys: int) -> None:
    assert for_program(row.legacy, kitty=kitty, other_keys=other_keys) == row.legacy


@pytest.mark.parametrize(
    ("flags", "typed", "expected"),
    [
        (1, b"\x1b[97:65:97;6:1;65u", b"\x1b[97;6u"),
        (3, b"\x1b[97:65:97;6:1;65u", b"\x1b[97;6:1u"),
        (5, b"\x1b[97:65:97;6:1;65u", b"\x1b[97:65:97;6u"),
        (3, b"\x1b[97;5:3u", b"\x1b[97;5:3u"),
        (9, b"\x1b[97;;97u", b"\x1b[97u"),
        (25, b"\x1b[97;;97u", b"\x1b[97;;97u"),
        (9, b"\x1b[57441;2u", b"\x1b[57441;2u"),
        (1, b"\x1b[27;1:1u", b"\x1b[27u"),
        (2, b"\x1b[1;1:3A", b"\x1b[1;1:3A"),
        (1, b"\x1b[27;1;97~", b"a"),
        (9, b"\x1b[27;1;97~", b"\x1b[97u"),
        (1, b"\x1b[27;13;97~", b"\x1b[97;37u"),
    ],
)
def test_flags_decide_what_of_a_key_a_program_gets(flags: int, typed: bytes, expected: bytes) -> None:
    assert for_program(typed, kitty=flags, other_keys=0) == expected


@pytest.mark.parametrize(
    "typed",
    [
        *(
            b"",
            b"text",
            b"\x1b",
            b"\x1b[",
            b"\x1b[200~",
            b"\x1b[201~",
            b"\x1b[5A",
            b"\x1b[55296;5u",
            b"\x1b[1114112;5u",
        ),
        *(b"\x1b[0u", b"\x1b[65;30;97;1;32;1_", b"\x1b[<0;1;1M", b"\x1b[Z", b"\x1b[99~", b"\x1b" * 3, b"\x1b[[A"),
    ],
)
@pytest.mark.parametrize(("kitty", "other_keys"), [(0, 0), (0, 2), (1, 0), (5, 2)])
def test_what_is_no_such_key_stays(typed: bytes, kitty: int, other_keys: int) -> None:
    assert for_program(typed, kitty=kitty, other_keys=other_keys) == typed


def test_keys_stay_in_their_order() -> None:
    assert for_program(b"a\x1b[13;2ub\x1b[99;5:3u\x1b[1;5Ac\x1b[99;5u", kitty=0, other_keys=0) == b"a\rb\x1b[1;5Ac\x03"


@pytest.mark.parametrize(
    ("terminal", "kitty", "other_keys", "first", "later"),
    [
        (None, 5, 2, b"", b"x"),
        (None, 0, 0, b"", b"x"),
        (False, 0, 0, b"", b"\x1b[>4;0m"),
        (False, 1, 0, b"\x1b[>4;2m", b"\x1b[>4;2m"),
        (False, 5, 2, b"", b"\x1b[>4;2m"),
        (False, 0, 1, b"", b"\x1b[>4;1m"),
        (True, 0, 0, b"", b"\x1b[=0;1u"),
        (True, 0, 2, b"\x1b[=1;1u", b"\x1b[=1;1u"),
        (True, 5, 2, b"", b"\x1b[=5;1u"),
        (True, 7, 0, b"", b"\x1b[=7;1u"),
    ],
)
def test_what_a_terminal_is_asked_for(
    terminal: bool | None, kitty: int, other_keys: int, first: bytes, later: bytes
) -> None:
    assert asked_of(terminal, kitty=kitty, other_keys=other_keys) == first
    assert asked_of(terminal, kitty=kitty, other_keys=other_keys, before=b"x") == later


pieces = st.sampled_from([row.kitty for row in GOLDEN] + [row.xterm for row in GOLDEN]) | st.binary(max_size=6)
parameters = st.text("0123456789;:", max_size=14).map(str.encode)
keys = st.builds(lambda body, final: b"\x1b[" + body + final, parameters, st.sampled_from([b"u", b"~", b"A", b"R"]))


@given(st.lists(pieces | keys, max_size=6), st.integers(0, 31), st.integers(0, 2))
def test_whatever_is_typed(typed: list[bytes], kitty: int, other_keys: int) -> None:
    """It never fails, and what it returns is in the right form already."""
    whole = [token for piece in typed for token in split(piece)[0]]
    once = [for_program(token, kitty=kitty, other_keys=other_keys) for token in whole]
    assert [for_program(token, kitty=kitty, other_keys=other_keys) for token in once] == once
