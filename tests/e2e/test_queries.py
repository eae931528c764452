"""What programs ask of their terminal: answered once, by the server, and never seen by a client's terminal."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence

import pytest
from programs import ASK
from terminal import Terminal
from world import World, wait_until

from agentmux.mux import VERSION
from agentmux.mux.reset import MODES

Colour = tuple[int, int, int]

ST, BELL = b"\x1b\\", b"\a"
XTVERSION = b"\x1bP>|agentmux %b\x1b\\" % VERSION.encode()
DA1 = b"\x1b[?62;22;52c"


def osc(number: bytes, colour: Colour, end: bytes) -> bytes:
    """Return the answer to a question for a colour."""
    words = b"/".join(b"%02x%02x" % (value, value) for value in colour)
    return b"\x1b]" + number + b";rgb:" + words + end


def colour_table(text: Colour, background: Colour, cursor: Colour, red: Colour) -> list[tuple[bytes, bytes]]:
    """Return every question for a colour with its answer."""
    asked = ((b"10", text), (b"11", background), (b"12", cursor), (b"4;1", red))
    return [
        *((b"\x1b]%b;?%b" % (number, end), osc(number, colour, end)) for number, colour in asked for end in (ST, BELL)),
        (b"\x1b]10;?;?\x1b\\", osc(b"10", text, ST) + osc(b"11", background, ST)),
    ]


CAPABILITY = {b"544E": b"787465726D2D323536636F6C6F72", b"436F": b"323536", b"524742": b"38"}
"""The terminal's name, its number of colours, its bits of a direct colour."""

TABLE: list[tuple[bytes, bytes]] = [
    *((query, DA1) for query in (b"\x1b[c", b"\x1b[0c", b"\x1bZ")),
    *((query, b"\x1b[>1;10;0c") for query in (b"\x1b[>c", b"\x1b[>0c")),
    (b"\x1b[=c", b"\x1bP!|00000000\x1b\\"),
    (b"\x1b[5n", b"\x1b[0n"),
    (b"\x1b[6n", b"\x1b[1;9R"),
    (b"\x1b[?6n", b"\x1b[?1;9R"),
    (b"\x1b[>q", XTVERSION),
    (b"\x1b[>0q", XTVERSION),
    *((b"\x1b[?%d$p" % number, b"\x1b[?%d;%d$y" % (number, 1 if on else 2)) for number, on in MODES),
    *((b"\x1b[?%d$p" % number, b"\x1b[?%d;2$y" % number) for number in (6, 69, 1049, 2026, 2027, 2031, 2048)),
    *((b"\x1b[?%d$p" % number, b"\x1b[?%d;0$y" % number) for number in (5522, 7777)),
    *((b"\x1b[%d$p" % number, b"\x1b[%d;2$y" % number) for number in (4, 20)),
    (b"\x1b[99$p", b"\x1b[99;0$y"),
    (b"\x1b[?u", b"\x1b[?0u"),
    (b"\x1b[>4;?m", b"\x1b[>4;0m"),
    (b"\x1b[?4m", b"\x1b[>4;0m"),
    *((b"\x1bP+q%b\x1b\\" % name, b"\x1bP1+r%b=%b\x1b\\" % (name, value)) for name, value in CAPABILITY.items()),
    (b"\x1bP+q71717171\x1b\\", b"\x1bP0+r71717171\x1b\\"),
    (b"\x1bP+q544E;71717171;524742\x1b\\",
     b"\x1bP1+r544E=787465726D2D323536636F6C6F72\x1b\\\x1bP0+r71717171\x1b\\\x1bP1+r524742=38\x1b\\"),
    (b"\x1bP$qm\x1b\\", b"\x1bP1$r0m\x1b\\"),
    (b"\x1bP$qr\x1b\\", b"\x1bP1$r1;24r\x1b\\"),
    (b"\x1bP$q q\x1b\\", b"\x1bP1$r2 q\x1b\\"),
    (b"\x1bP$qzz\x1b\\", b"\x1bP0$r\x1b\\"),
    (b"\x1b[14t", b"\x1b[4;384;640t"),
    (b"\x1b[16t", b"\x1b[6;16;8t"),
    (b"\x1b[18t", b"\x1b[8;24;80t"),
    (b"\x1b[?996n", b"\x1b[?997;1n"),
    (b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\", b"\x1b_Gi=31;ENOTSUP:images are not kept\x1b\\"),
    (b"\x1b]52;c;?\x1b\\", b"\x1b]52;c;\x1b\\"),
    (b"\x1b]52;c;?\a", b"\x1b]52;c;\a"),
    (b"\x1b]99;i=1:p=?;\x1b\\", b"\x1b]99;i=1:p=?;p=title,body,?\x1b\\"),
    (b"\x1b]7501;?\a", b"\x1b]7501;?\a"),
    (b"\x1b]7501;?\x1b\\\x1b[c", b"\x1b]7501;?\x1b\\" + DA1),  # in this order: who has DA1's stops waiting
]  # fmt: skip
"""Every question with its answer, the cursor behind eight characters, but for those for colours."""

CUT_EVERYWHERE = (
    *(b"\x1b[c", b"\x1b[?2026$p", b"\x1b]11;?\x1b\\", b"\x1b]7501;?\a", b"\x1b[>4;?m"),
    *(b"\x1bP+q524742\x1b\\", b"\x1bP$q q\x1b\\", b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"),
)

DEFAULTS = ((0xC0,) * 3, (0x10,) * 3, (0xC0,) * 3, (0xCC, 0x66, 0x66))
OWN = ((0xE1, 0xE2, 0xE3), (0x11, 0x22, 0x33), (0xFA, 0xFB, 0xFC), (0x88, 0x77, 0x66))

DRAWN = rb"\x1b\[[0-9;]*[HCmK]|\x1b\[\?(?:25|2026)[hl]"
"""What a frame has besides text."""


class Asking:
    """A session of 80x24 whose program asks what the test tells it to."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.number = 0
        self.path = os.path.join(world.home, "asked")
        sessions = os.path.join(world.data, "sessions")
        self.session = world.python("api", ASK, self.path, f"{sessions}/1", options=["-x", "80", "-y", "24"])
        assert self.session == 1
        self.world.shows("api", "ready")

    def begin(self, questions: Sequence[tuple[Sequence[bytes], bytes]]) -> None:
        """Let it ask, each question in pieces that are read one by one, and each until the answer ends with that."""
        self.number += 1
        with open(f"{self.path}.new", "w") as file:
            json.dump([([piece.hex() for piece in pieces], end.hex()) for pieces, end in questions], file)
        os.rename(f"{self.path}.new", f"{self.path}.{self.number}")

    def end(self) -> list[tuple[bytes, float]]:
        """Return the answers and how long each took."""
        path = f"{self.path}.{self.number}.answered"
        wait_until(lambda: os.path.exists(path), seconds=60, what="answers")
        with open(path) as file:
            return [(bytes.fromhex(answer), took) for answer, took in json.load(file)]

    def ask(self, *questions: bytes | Sequence[bytes]) -> list[bytes]:
        """Return the answer to each, whole or in pieces."""
        self.begin([([question] if isinstance(question, bytes) else question, b"") for question in questions])
        return [answer for answer, _ in self.end()]


def with_colours(terminal: Terminal, colours: tuple[Colour, ...]) -> Terminal:
    """Give the terminal these default colours, before it is asked for them; return it."""
    text, background, cursor, red = colours
    terminal.screen.set_colours(text, background, cursor, [(0, 0, 0), red])
    return terminal


@pytest.mark.parametrize("clients", [0, 1, 2])
def test_every_query_is_answered_once_and_shown_to_nobody(world: World, clients: int) -> None:
    asking = Asking(world)
    terminals = []
    if clients:
        terminals.append(with_colours(world.attach("api"), OWN).has_answered())
        wait_until(lambda: asking.ask(b"\x1b]11;?\a") == [osc(b"11", OWN[1], BELL)], what="the terminal's colours")
    if clients > 1:
        terminals.append(with_colours(world.attach("api", size=(60, 20)), OWN).has_answered())
    asking.ask(b"\x1b[2J\x1b[Hmark-one")
    for terminal in terminals:
        terminal.shows_rows(["mark-one"])
    table = TABLE + colour_table(*(OWN if clients else DEFAULTS))
    trials = [([query], reply) for query, reply in table]
    trials += [([query[: len(query) // 2], query[len(query) // 2 :]], reply) for query, reply in table]
    replies = dict(table)
    for query in CUT_EVERYWHERE:
        trials += [([query[:at], query[at:]], replies[query]) for at in range(1, len(query))]
    answers = asking.ask(*(pieces for pieces, _ in trials))
    wrong = [
        (pieces, answer, reply) for (pieces, reply), answer in zip(trials, answers, strict=True) if answer != reply
    ]
    assert not wrong, "\n".join(
        f"{b'|'.join(pieces)!r}: {answer!r} instead of {reply!r}" for pieces, answer, reply in wrong
    )
    asking.ask(b" mark-two")
    for terminal in terminals:
        terminal.shows_rows(["mark-one mark-two"])
        _, _, since = terminal.everything().rpartition(b"mark-one")
        assert (since if terminal.size == (80, 24) else re.sub(DRAWN, b"", since)) == b" mark-two"
        asking.begin([([], b"typed")])  # whatever terminals answered has gone the same way by then
        terminal.type("typed")
        assert asking.end()[0][0] == b""


def test_the_answers_for_modes_follow_what_the_program_sets(world: World) -> None:
    asking = Asking(world)
    reports = {2048: b"\x1b[48;24;80;384;640t"}  # what setting it brings at once
    numbers = [*(number for number, _ in MODES if number != 1004), 6, 69, 2026, 2031, 2048]
    questions, wanted = [], []
    for number in numbers:
        for on in (True, False):
            questions.append(b"\x1b[?%d%c\x1b[?%d$p" % (number, b"lh"[on], number))
            wanted.append((reports.get(number, b"") if on else b"") + b"\x1b[?%d;%d$y" % (number, 1 if on else 2))
    answers = asking.ask(*questions)
    assert dict(zip(questions, answers, strict=True)) == dict(zip(questions, wanted, strict=True))
    asking.begin([([b"\x1b[?1004h\x1b[?1004$p"], b"\x1b[O")])  # which says that nobody looks
    assert asking.end()[0][0] == b"\x1b[?1004;1$y"
    assert asking.ask(b"\x1b[?1004l\x1b[?1004$p") == [b"\x1b[?1004;2$y"]
    assert asking.ask(b"\x1b[?2027h\x1b[?2027$p") == [b"\x1b[?2027;2$y"]  # never on: it makes the emulator crash
    assert asking.ask(b"\x1b[4h\x1b[4$p\x1b[4l", b"\x1b[20h\x1b[20$p\x1b[20l") == [b"\x1b[4;1$y", b"\x1b[20;1$y"]


def test_the_answers_for_keyboard_and_pen_follow_what_the_program_sets(world: World) -> None:
    asking = Asking(world)
    terminals = [world.attach("api").has_answered(), world.attach("api", size=(60, 20)).has_answered()]
    asking.ask(b"\x1b[2J\x1b[Hmark-one")
    for terminal in terminals:
        terminal.shows_rows(["mark-one"])
    assert asking.ask(
        *(b"\x1b[>5u\x1b[?u", b"\x1b[>7u\x1b[?u", b"\x1b[<u\x1b[?u", b"\x1b[<u\x1b[?u"),
        *(b"\x1b[>4;2m\x1b[>4;?m", b"\x1b[?4m", b"\x1b[>4;0m\x1b[?4m"),
        *(b"\x1b[1;31m\x1bP$qm\x1b\\", b"\x1b[m\x1b[5;10r\x1bP$qr\x1b\\", b"\x1b[r\x1b[4 q\x1bP$q q\x1b\\"),
        *(b"\x1b[7;3H\x1b[6n", b"\x1b[?6n"),
    ) == [
        *(b"\x1b[?5u", b"\x1b[?7u", b"\x1b[?5u", b"\x1b[?0u"),
        *(b"\x1b[>4;2m", b"\x1b[>4;2m", b"\x1b[>4;0m"),
        *(b"\x1bP1$r0;1;31m\x1b\\", b"\x1bP1$r5;10r\x1b\\", b"\x1bP1$r4 q\x1b\\"),
        *(b"\x1b[7;3R", b"\x1b[?7;3R"),
    ]
    asking.ask(b"\x1b[Hmark-two")
    for terminal in terminals:
        terminal.shows_rows(["mark-two"])
        since = terminal.everything().rpartition(b"mark-one")[2]
        for query in (b"\x1b[?u", b"\x1b[>4;?m", b"\x1b[?4m", b"\x1bP$q", b"\x1b[6n", b"\x1b[?6n", b"$p"):
            assert query not in since


def test_a_change_of_the_client_terminals_theme_reaches_a_program_that_asked_for_it(world: World) -> None:
    asking = Asking(world)
    terminal = with_colours(world.attach("api"), OWN).has_answered()
    wait_until(lambda: asking.ask(b"\x1b]11;?\a") == [osc(b"11", OWN[1], BELL)], what="the terminal's colours")
    asking.ask(b"\x1b[?2031h")
    light = ((0x20, 0x21, 0x22), (0xFA, 0xFA, 0xF0), (0x30, 0x31, 0x32), (0x99, 0, 0))
    asking.begin([([], b"\x1b[?997;2n")])
    with_colours(terminal, light)
    path = f"{asking.path}.{asking.number}.answered"
    wait_until(lambda: terminal.everything() and os.path.exists(path), what="the news of the theme")
    assert asking.end()[0][0] == b""
    table = [*colour_table(*light), (b"\x1b[?996n", b"\x1b[?997;2n")]
    assert asking.ask(*(query for query, _ in table)) == [reply for _, reply in table]
    asking.ask(b"\x1b[?2031l")
    with_colours(terminal, OWN)
    wait_until(lambda: terminal.everything() and asking.ask(b"\x1b[?996n") == [b"\x1b[?997;1n"], what="the dark theme")


def colour_answers(numbers: Sequence[bytes], colours: Sequence[Colour]) -> bytes:
    return b"".join(osc(number, colour, BELL) for number, colour in zip(numbers, colours, strict=True))


PALETTE: list[Colour] = [
    *((0x1D, 0x1F, 0x21), (0xCC, 0x66, 0x66), (0xB5, 0xBD, 0x68), (0xF0, 0xC6, 0x74)),
    *((0x81, 0xA2, 0xBE), (0xB2, 0x94, 0xBB), (0x8A, 0xBE, 0xB7), (0xC5, 0xC8, 0xC6)),
    *((0x66, 0x66, 0x66), (0xD5, 0x4E, 0x53), (0xB9, 0xCA, 0x4A), (0xE7, 0xC5, 0x47)),
    *((0x7A, 0xA6, 0xDA), (0xC3, 0x97, 0xD8), (0x70, 0xC0, 0xB1), (0xEA, 0xEA, 0xEA)),
]
GRAPHICS = b"\x1b_Gi=%d,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
NO_GRAPHICS = b"\x1b_Gi=%d;ENOTSUP:images are not kept\x1b\\"

BURSTS = {
    # Gemini CLI 0.61.0, terminalCapabilityManager.ts: nothing else happens for a second if one answer is missing
    "gemini": (
        b"\x1b[8m\x1b[?u\x1b]11;?\x1b\\\x1b[>q\x1b[>4;?m\x1b[c\x1b[2K\r\x1b[0m",
        b"\x1b[?0u" + osc(b"11", DEFAULTS[1], ST) + XTVERSION + b"\x1b[>4;0m" + DA1,
    ),
    # opencode 1.18.33 (opentui's terminal.zig) as recorded: its tmux wrapping too
    "opencode": (
        b"\x1b]10;?\a\x1b]11;?\a\x1b[>0q\x1b[?25l\x1b[s\x1b[6n\x1bP+q4d73\x1b\\\x1b[?1016$p\x1b[?2027$p\x1b[?2031$p"
        b"\x1b[?1004$p\x1b[?2004$p\x1b[?2026$p\x1b[?u\x1b]99;i=opentui-notifications:p=?;\x1b\\"
        b"\x1b]1337;Capabilities\x1b\\\x1b[H\x1b]66;w=1; \x1b\\\x1b[6n\x1b[H\x1b]66;s=2; \x1b\\\x1b[6n\x1b[u\x1b[s"
        b"\x1b[?1049h\x1b[>4;1m\x1b[?2027h\x1b[?2004h\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1006h\x1b[14t"
        b"\x1bPtmux;\x1b\x1b]4;0;?\a\x1b\\" + GRAPHICS % 31337 + b"\x1b[c"
        b"\x1bPtmux;" + b"".join(b"\x1b\x1b]4;%d;?\a" % number for number in range(16)) + b"\x1b\\"
        b"\x1b]10;?\a\x1b]11;?\a\x1b]12;?\a",
        colour_answers([b"10", b"11"], DEFAULTS[:2]) + XTVERSION + b"\x1b[1;1R"
        b"\x1bP1+r4D73=5C455D35323B25703125733B25703225735C303037\x1b\\"
        b"\x1b[?1016;2$y\x1b[?2027;2$y\x1b[?2031;2$y\x1b[?1004;2$y\x1b[?2004;2$y\x1b[?2026;2$y\x1b[?0u"
        b"\x1b]99;i=opentui-notifications:p=?;p=title,body,?\x1b\\\x1b[1;1R\x1b[1;1R\x1b[4;384;640t"
        + colour_answers([b"4;0"], PALETTE[:1]) + NO_GRAPHICS % 31337 + DA1
        + colour_answers([b"4;%d" % number for number in range(16)], PALETTE)
        + colour_answers([b"10", b"11", b"12"], DEFAULTS[:3]),
    ),
    # Codex CLI 0.169.0 as recorded (crossterm's probe of the keyboard, then the cursor and the colours)
    "codex": (
        b"\x1b[?2004h\x1b[>4;0m\x1b[>7u\x1b[?1004h\x1b[?u\x1b[c\x1b[6n\x1b]10;?\x1b\\\x1b]11;?\x1b\\",
        b"\x1b[?7u" + DA1 + b"\x1b[1;1R" + osc(b"10", DEFAULTS[0], ST) + osc(b"11", DEFAULTS[1], ST) + b"\x1b[O",
    ),
    # Claude Code 2.1.330 as recorded: what it asks at first, and what it asks once DA1 has come
    "claude": (
        b"\x1b[>0q\x1b[?u\x1b]7501;?\a\x1b[c\x1b[<u\x1b[>5u\x1b[>4;2m\x1b[?2026$p" + GRAPHICS % 31
        + b"\x1b[16t\x1b[?1016$p\x1b[c",
        XTVERSION + b"\x1b[?0u\x1b]7501;?\a" + DA1 + b"\x1b[?2026;2$y" + NO_GRAPHICS % 31
        + b"\x1b[6;16;8t\x1b[?1016;2$y" + DA1,
    ),
    # prompt_toolkit 3.0 (aider): bracketed paste, then the cursor at each prompt
    "prompt_toolkit": (b"\x1b[?1l\x1b[?2004h\x1b[6n", b"\x1b[1;1R"),
}  # fmt: skip
"""What agents ask when they start, and all that they should hear, in order, with nobody attached."""


def test_what_agents_ask_at_their_start_is_answered_within_ten_milliseconds(world: World) -> None:
    asking = Asking(world)
    late = (
        b"\x1b[O"  # what mode 1004 brings comes behind the answers to all that was read with it, perhaps a round late
    )
    for agent, (burst, wanted) in BURSTS.items():
        asking.begin([([b"\x1bc"], b""), ([burst], b"")] * 20)
        asked = asking.end()[1::2]
        for answer, _ in asked:
            assert answer.replace(late, b"") == wanted.replace(late, b""), agent
        assert min(took for _, took in asked) < 0.01, (agent, sorted(took for _, took in asked))
