"""What a program prints: the sieve, the emulator behind its guard, and what is read off the screen."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC
from random import Random
from zoneinfo import ZoneInfo

import streams
from mutation import damaged, lines_damaged
from target import Run, Target, plainly, reads

from agentmux.mux import resets
from agentmux.mux.emulator.snapshot import seal, unseal
from agentmux.mux.notes import KittyNotifications
from agentmux.mux.profiles import Profiles
from agentmux.mux.reset import fresh, soft_reset
from agentmux.mux.screen import BadSnapshot, Colours, Screen
from agentmux.mux.sieve import MAX_QUERY, MAX_WRAPPED, For, Sieve
from agentmux.mux.signs import OPTIONS, TEXT
from agentmux.mux.size import CEILING

RESIZE = b"\0R"
"""Stands in an input for a resize: columns and rows follow, a byte each."""

SLOWEST = 0.5
"""Seconds that a read may take, on a busy machine, and besides for each byte and cell:"""

MOVED = 5e-10
"""For three bytes move or clear a whole screen, and no guard could tell which of them do."""

PIECES = (
    b"\x1b[?2027h", b"\x1b[?40h\x1b[?3h", b"\x1b[65535b", b"\x1b[99b", "日\x1b[65535b".encode(), b"\x1b[?1049h",
    b"\x1b[?1049l", b"\x1bc",
    b"\x1b[!p", b"\x1b[3J", b"\x1b[?69h\x1b[2;3s", b"\x1b[2;3r\x1b[?6h", b"\x1b[5;5H\x1b[1000@", b"\x1b[9999L",
    b"\x1b[9999S",
    b"\x1bPtmux;\x1b\x1b]52;c;YQ==\x07\x1b\\", b"\x1bP\x1b]9;x\x07\x1b\\", b"\x1b]52;c;?\x07",
    b"\x1b]99;i=1:p=?;\x1b\\",
    b"\x1b]8;;http://" + b"x" * 900 + b"\x07", b"\x1b[?996n", b"\x1b[?6n", b"\x1bP+q544e\x1b\\",
    b"\x1b_Ga=q,i=1;\x1b\\",
    b"\x1b]4;0;?\x07", b"\x1b]21;foreground=?\x1b\\", b"\x1b[c", b"\x1b[>q", b"\x1b[18t", b"\x05", b"\x9b5n",
    b"\x1bZ",
    b"\x1b[?2026h", b"\x1b]7501;state=working:msg=YQ\x07", b"\x1b_25a1;q\x1b\\", b"\x1b[?2027s\x1b[?2027r",
    b"\x1b]2;" + b"t" * 5000,
    *("क्षि".encode() * 30, "👩\u200d👩\u200d👧".encode() * 9, ("e" + "\u0301" * 60).encode()),
)  # fmt: skip


def damage(random: Random, data: bytes) -> bytes:
    """Damage a stream as a link would, or put among it what terminals have had trouble with."""
    head, body = data[:4], data[4:]
    match random.randrange(8):
        case 0:
            head = random.choice((b"\x50\x18\0\0", b"\1\1\0\0", b"\2\2\7\1", b"\x14\5\0\2", bytes(random.randbytes(4))))
        case 1:
            at = random.randint(0, len(body))
            body = body[:at] + RESIZE + random.choice((b"\1\1", b"\xff\xff", random.randbytes(2))) + body[at:]
        case 2 | 3:
            at = random.randint(0, len(body))
            body = body[:at] + random.choice(PIECES) * random.choice((1, 1, 1, 3, 40)) + body[at:]
        case 4 | 5:
            at = random.randint(0, len(body))
            body = body[:at] + b"".join(streams.garbage(random, random.choice((1, 3, 10)))) + body[at:]
        case 6:
            body = streams.mutated(random, body)
        case _:
            body = damaged(random, body)
    return head + body[: 1 << 16]


class _Pane:
    """A screen fed as a session feeds it."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.replies = 0
        self.sieve = Sieve()
        self.kitty = KittyNotifications()
        self.screen = Screen(size, scrollback_bytes=300_000, on_reply=self._replied)

    def _replied(self, data: bytes) -> None:
        self.replies += len(data)

    def feed(self, data: bytes) -> int:
        """Feed a read; return how many bytes the viewers get."""
        screen, shown = self.screen, 0
        for who, part in self.sieve.feed(data):
            if who is For.ALL:
                screen.feed(part)
                shown += len(part)
            elif who is For.EMULATOR:
                screen.feed(part)
            elif who is For.ANSWER:
                self.replies += len(screen.answer(part))
            elif who is For.NOTE:
                self.kitty.take(part)
            elif who is For.RESET:
                screen.feed(fresh(screen.size[0]))
            else:
                x, y, _ = screen.cursor
                screen.feed(soft_reset(x, y))
        return shown


def printed(data: bytes) -> None:
    """Feed a pane of a size that the first two bytes tell; the fourth says what is done with it then."""
    head = data[:4].ljust(4, b"\0")
    size = (max(1, head[0]), max(1, head[1]))
    pane = _Pane(size)
    view = pane.screen.view((33, 11))
    fed = 0
    try:
        for number, part in enumerate(data[4:].split(RESIZE)):
            if number:
                columns, rows = part[:1], part[1:2]
                pane.screen.resize((columns[0] * 5 if columns else 0, rows[0] * 3 if rows else 0))
                part = part[2:]
            for piece in reads(head[2:3] + part):
                began = time.process_time()
                pane.feed(piece)
                took = time.process_time() - began
                wide, high = pane.screen.size
                most = SLOWEST + MOVED * len(piece) * wide * high
                assert took < most, f"{len(piece)} bytes took {took:.2f} s at {wide}x{high}"
                fed += len(piece)
                held = pane.sieve.held
                assert held <= MAX_QUERY or (held <= MAX_WRAPPED and b"\x1bP" in data), f"{held} bytes are held"
                assert pane.screen.size[0] <= CEILING[0] and pane.screen.size[1] <= CEILING[1]
                assert not pane.screen._terminal.mode(2027), "grapheme clustering is on"
                if head[3] & 1:
                    view.frame()
        assert pane.replies <= 4000 + 400 * fed, "replies grow"
        _looked_at(pane.screen, head[3])
    finally:
        pane.screen.close()


def _looked_at(screen: Screen, how: int) -> None:
    """Ask a screen everything that it is asked."""
    rows = screen.text_rows(-screen.history_rows, screen.size[1], styled=True, links=bool(how & 2))
    plain = screen.text_rows(0, screen.size[1])
    "\n".join(rows).encode("utf-8", "replace")
    for text in (screen.title, screen.cwd, *plain):
        text.encode()
    screen.view((20, 5), 1).frame()
    screen.view((200, 60)).frame()
    screen.input_modes()
    screen.colours()
    screen.keys(["C-c", "Up", "M-S-F5", "é"])
    screen.paste(b"a\x1b[201~\nb")
    screen.set_colours(*Colours((0, 0, 0), (255, 255, 255), (1, 2, 3)))
    screen.draw_ahead(100)
    while screen.compress():
        pass
    dump = screen.dump(history=50)
    client = Screen(screen.size)
    client.feed(dump)
    client.close()
    blob = screen.snapshot()
    if blob is None:
        return
    again = Screen.restore(blob, scrollback_bytes=300_000)
    try:
        assert again.text_rows(0, again.size[1]) == plain, "a snapshot shows something else"
        assert again.cursor == screen.cursor
        again.feed(b"\x18more\r\n")
        again.resize((77, 22))
        again.dump()
    finally:
        again.close()


@contextlib.contextmanager
def sealed() -> Iterator[Run]:
    """Open a folder of snapshots: the input is one that another wrote over the first bytes of."""
    screen = Screen((40, 10))
    screen.feed(b"\x1b[31mhello\r\n" * 20)
    whole = screen.snapshot()
    screen.close()
    assert whole is not None

    def run(data: bytes) -> None:
        blob = bytearray(whole)
        for edit in data.split(b";")[:50]:
            at, _, new = edit.partition(b"=")
            start = int(at) % (len(blob) + 1) if at.isdigit() and len(at) < 9 else 0
            blob[start : start + len(new)] = new
        found = bytes(blob) if data[:1] != b"!" else data[1:]
        for _ in range(2):
            try:
                Screen.restore(found).close()
            except BadSnapshot:
                pass
            else:
                assert found.startswith(whole) and found[: len(whole)] == whole, "damage was not seen"
            try:
                assert unseal(seal(data)) == data
            except BadSnapshot as error:
                raise AssertionError("what was sealed can't be opened") from error
            found = found[: len(found) // 2]

    yield run


ZONES = (UTC, ZoneInfo("America/New_York"), ZoneInfo("Pacific/Apia"))
NOW = 1_800_000_000.0


@contextlib.contextmanager
def looked_at() -> Iterator[Run]:
    """Open the door of screens: a title, and rows."""
    profiles = Profiles("/nowhere").all()

    def run(data: bytes) -> None:
        title, *rows = data.decode("utf-8", "replace").split("\n")
        shown = [row[:400] for row in rows[:200]]
        for number, profile in enumerate(profiles):
            zone = ZONES[number % len(ZONES)]
            profile.signs.title(title[:1000], NOW)
            profile.signs.takes_prompt(shown)
            for paste in (None, True, False):
                found = profile.signs.screen(shown, NOW, zone=zone, paste=paste)
                if found is None:
                    continue
                assert len(found.text) <= TEXT and len(found.options) <= OPTIONS
                if found.resets is not None:
                    assert abs(found.resets - NOW) < 500 * 86400, "a limit ends never"
            dialog = profile.signs.dialog(shown, NOW, paste=True)
            if dialog is not None:
                profile.signs.parted(dialog.reading)
            profile.composer.text(shown)
            profile.conversations.on_screen(shown)
        for row in (title, *shown[:30]):
            for zone in ZONES:
                resets.parsed(row, NOW, zone)

    yield run


SAID = (
    b"8pm (America/New_York)", b"Dec 3, 9am", b"3:05 PM", b"Dec 3rd, 2026 9:00 AM", b"8pm gmt+99",
    b"in 2 days 3 hours",
    *(b"8:30 PM PDT", b"0001-01-01T00:00:00", b"9999-12-31", b"tomorrow 9:00", b"feb 29, 0000 8am", b"12am ../../x"),
    *(
        "❯ 1. Yes".encode(),  # noqa: RUF001 - a prompt of Claude Code
        b"  2. No, and tell Claude what to do",
        "│ > ".encode(),
        "╰────╯".encode(),
        "────────".encode(),
    ),
    *(b"esc to interrupt", b"Do you want to proceed?", b"You've hit your limit", b"resets 3am (UTC)", "▌ ".encode()),
    *(b"\x1b[7m> \x1b[27m", b"usage limit reached", b"Allow?", b"(y/n)", b" " * 300 + b"x", b"1. " * 60, b"> " * 99),
)  # fmt: skip


def row_damaged(random: Random, row: bytes) -> bytes:
    """Damage a row, or put words of a dialog in its place."""
    match random.randrange(5):
        case 0:
            return random.choice(SAID)
        case 1:
            return row + b" " + random.choice(SAID)
        case 2:
            return (random.choice(SAID) + b"\n") * random.choice((1, 2, 30))
        case _:
            return damaged(random, row, SAID)


def edit_damaged(random: Random, data: bytes) -> bytes:
    """Add an edit, or damage one."""
    new = random.randbytes(random.choice((1, 2, 4, 9)))
    edits = [*data.split(b";"), b"%d=%b" % (random.choice((random.randrange(90), random.randrange(9999))), new)]
    return b";".join(edits[-random.randint(1, 6) :]) if random.random() < 0.8 else damaged(random, data)


TARGETS = (
    Target(
        "screen",
        "Whatever a program prints, at any size, each read takes its time at most, and the screen can be asked, "
        "dumped, kept and restored.",
        plainly(printed),
        damage,
        share=8,
        tries=60,
        patience=15.0,
    ),
    Target(
        "snapshots",
        "Whatever stands in the file of a snapshot, it is the one that was written or a BadSnapshot.",
        sealed,
        edit_damaged,
        tries=300,
    ),
    Target(
        "signs",
        "Whatever a screen shows, it is read in time, and what is made of it is within its bounds.",
        looked_at,
        lines_damaged(row_damaged),
        share=3,
        tries=60,
        patience=4.0,
    ),
)
