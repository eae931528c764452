"""Bytes that bring a client's terminal to a known state: before a dump, and on the way out. Pure."""

MODES = (
    *((number, False) for number in (1, 5, 9, 12)),
    *((number, True) for number in (7, 25, 1007, 1035, 1036)),
    *((number, False) for number in (45, 66, 67, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1016, 1039, 1045, 2004)),
)
"""DEC private modes that a client's terminal shares with the emulator, and their defaults.

Missing on purpose: 3 and 40 resize, 8 would stop key repeat where it is implemented, 6 and 69 are drawn with,
47/1047/1048/1049 are the screens, 2026 freezes, 2027 stays off in the emulator, and 2031, 2048 and 5522 make the
client's terminal send reports that only the server may send.
"""

ANSI_MODES = ((2, False), (20, False))

_ONLY_TURNED_OFF = (1001, 2026, 2048, 5522, 9001)
_ST = b"\x1b\\"
PRELUDE = b"\x1b[0m\x1b]8;;" + _ST + b'\x1b[0"q\x1b[?69l\x1b[r\x1b[?6l\x1b[4l\x1b[?7h' + b"\x1b(B\x1b)B\x1b*B\x1b+B\x0f"
"""Everything that changes what drawing does, off: pen, link, protection, margins, origin, insert, charsets."""


def mode(number: int, on: bool) -> bytes:
    if number == 66:  # the keypad mode that more terminals know by its older name
        return b"\x1b=" if on else b"\x1b>"
    return b"\x1b[?%d%c" % (number, b"lh"[on])


def _modes_off() -> bytes:
    private = b"".join(mode(number, on) for number, on in MODES)
    off = b"".join(mode(number, False) for number in _ONLY_TURNED_OFF)
    ansi = b"".join(b"\x1b[%d%c" % (number, b"lh"[on]) for number, on in ANSI_MODES)
    # modifyOtherKeys, cursor shape, palette, foreground, background, cursor and pointer
    rest = b"\x1b[>4;0m\x1b[0 q" + b"".join(
        b"\x1b]%s%s" % (osc, _ST) for osc in (b"104", b"110", b"111", b"112", b"22;")
    )
    return private + off + ansi + rest


_KITTY_KEYS_OFF = b"\x1b[<99u\x1b[=0;1u"  # the stack is one per screen
_CANCEL = b"\x18" + _ST  # an unfinished sequence of whatever kind

KEEP_TITLE, _OLD_TITLE = b"\x1b[22;0t", b"\x1b[23;0t"
"""Have the terminal remember the title that it shows, before the first one of ours."""


def reset_client(columns: int, *, keep_rows: int = 0) -> bytes:
    """Return the bytes that bring a used terminal to what ``dump`` starts from: blank, primary screen, defaults.

    ``keep_rows``: the terminal's height, where what its primary screen shows should first go to its own scrollback
    (at the first attach: it is the user's).
    """
    # Protected cells survive ED; printing anything unprotected is not needed, the attribute alone decides.
    screen = PRELUDE + b'\x1b[1"q\x1b[0"q' + _KITTY_KEYS_OFF + b"\x1b[H\x1b7"
    tabs = b"\x1b[3g" + b"".join(b"\x1b[%dG\x1bH" % (column + 1) for column in range(8, columns, 8))
    push = b"\x1b[%dH" % keep_rows + b"\n" * keep_rows if keep_rows else b""
    return (
        _CANCEL
        + mode(2026, False)
        + (mode(1049, True) + screen + b"\x1b[2J" + mode(1049, False) + mode(47, False))
        + (PRELUDE + push + screen + tabs + _modes_off() + b"\x1b[H\x1b[2J")
    )


def leave_client(*, title: bool = True) -> bytes:
    """Return the bytes that undo whatever a program can have done to a terminal, and leave what it shows.

    ``title``: also to its title; else the terminal remembers the old one for later.

    The cursor ends in the last row, first column: resetting margins moves it, and below everything is where a
    shell's prompt belongs.
    """
    return (
        _CANCEL
        + mode(2026, False)
        + (PRELUDE + _KITTY_KEYS_OFF)
        + (mode(1049, False) + mode(47, False))
        + (PRELUDE + _KITTY_KEYS_OFF + _modes_off() + mode(2031, False))
        + b"\x1b[?5W"  # tab stops every eight columns
        + (_OLD_TITLE if title else b"")
        + b"\x1b[0m\x1b[9999;1H"
    )


def fresh(columns: int) -> bytes:
    """Return RIS for the emulator: everything as in a new terminal but for the scrollback."""
    return reset_client(columns) + mode(2031, False)


def soft_reset(x: int, y: int) -> bytes:
    """Return DECSTR for a terminal that does not know it; the cursor, at (x, y) from 0, stays."""
    modes = mode(7, True) + mode(25, True) + mode(1, False) + mode(66, False)
    return PRELUDE + modes + b"\x1b[H\x1b7\x1b[%d;%dH" % (y + 1, x + 1)
