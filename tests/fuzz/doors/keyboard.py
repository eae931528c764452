"""What a client's terminal sends: keys, replies, pastes, and what overlays make of them."""

from __future__ import annotations

from random import Random

from mutation import WORDS, damaged, lines_damaged
from target import Target, plainly, reads

from agentmux.cli.overlay import Choose, Confirm, Help
from agentmux.cli.pager import COPY_LIMIT, PATTERN_LIMIT, Pager
from agentmux.mux import keyboard
from agentmux.mux.clientterminal import ClientTerminal
from agentmux.mux.config import BINDINGS
from agentmux.mux.keys import REPLY_LIMIT, Act, InputDecoder, Mouse, Reply, Typed, key_name, split

WHOLE = (
    b"\x1b[A", b"\x1bOP", b"\x1b[1;5C", b"\x1b[3~", b"\x1b[97;5u", b"\x1b[98:66;6:3u", b"\x1b[27;5;98~",
    b"\x02", b"d",
    b"\x1b[200~", b"\x1b[201~", b"\x1b[<0;3;4M", b"\x1b[<35;3;4m", b"\x1b[M !!", b"\x1b[I", b"\x1b[O", b"\x1b",
    b"\x1b\\",
    *(b"\x1b]11;rgb:1111/2222/3333\x1b\\", b"\x1b[?62;22c", b"\x1bP>|foot(1.2)\x1b\\", b"\x1b[1;2R", b"\x1b[?997;1n"),
    b"\x1b[?2026;2$y", b"\x1b[?1u", b"\x1b_Gi=1;OK\x1b\\", b"\x1b]52;c;YQ==\x07", b"\x1b[1;00000000020R",
    b"\x1b]4;3;#fff\x07",
)  # fmt: skip


def damage(random: Random, data: bytes) -> bytes:
    """Put whole keys and replies among what is there, or damage it."""
    if random.random() < 0.4:
        at = random.randint(min(1, len(data)), len(data))
        return data[:at] + random.choice(WHOLE) + data[at:]
    return damaged(random, data, (*WORDS, *WHOLE))


def typed(data: bytes) -> None:
    """Decode what is typed as a client does, and let the server translate what goes to the program."""
    decoder, terminal = InputDecoder("C-b", BINDINGS), ClientTerminal({"TERM": "xterm"})
    decoder.expecting = bool(len(data) & 1)
    size = 0
    for number, piece in enumerate(reads(data)):
        for token in decoder.feed(piece, bare=number % 5 == 4):
            if isinstance(token, Reply):
                assert len(token.data) <= REPLY_LIMIT + len(piece)
                terminal.reply(token.data)
            elif isinstance(token, Typed):
                size += len(token.data)
                for kitty, other in ((0, 0), (1, 0), (31, 2), (0, 2)):
                    keyboard.for_program(token.data, kitty=kitty, other_keys=other)
            elif isinstance(token, Mouse):
                size += len(token.data)
        if number % 3 == 2 and decoder.holding:
            size += sum(len(token.data) for token in decoder.flush() if isinstance(token, Typed))
    assert size <= len(data), "more is typed than came"
    for key in split(data[:512])[0]:
        key_name(key)
    terminal.notification("title", "body")
    # The law that keeps a user from being trapped: whatever came before, an end marker and the prefix detach.
    list(decoder.feed(b" \x1b[201~"))
    for _ in range(3):
        list(decoder.flush())
    assert list(decoder.feed(b"\x02d")) == [Act("detach")], "the prefix key is dead"


ROWS = [
    "\x1b[31mred\x1b[0m word",
    "日本語 \x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\",
    "e\u0301 " * 40,
    "",
    "x" * 300,
] * 8


def overlaid(data: bytes) -> None:
    """Show each overlay, on terminals of sizes that the input tells, and type into it."""
    overlays: list[Pager | Choose | Help | Confirm] = [
        Pager("name\x1b", ROWS, 24, 80),
        Choose("sessions", ["1\ta", "22\tb\x1b[2J"]),
        Help("C-b", BINDINGS),
        Confirm("kill?", "kill"),
    ]
    for at, overlay in enumerate(overlays):
        for piece in reads(data):
            size = (piece[0] if piece else 0, len(piece) % 60)
            drawn = overlay.draw(size)
            assert len(drawn) < (COPY_LIMIT * 2 if at == 0 else 1 << 16), "a drawing grows"
            # A sequence is never cut between two calls: the client's decoder sees to that.
            if overlay.feed(piece) is not None:
                break
    pager = overlays[0]
    assert isinstance(pager, Pager)
    assert len(pager._typing or "") <= PATTERN_LIMIT and len(pager._count) <= 9, "what is typed grows"


TARGETS = (
    Target(
        "keys",
        "Whatever a terminal sends, each byte is typed at most once, and after it the prefix key still works.",
        plainly(typed),
        damage,
        share=2,
        tries=500,
    ),
    Target(
        "overlays",
        "Whatever keys come, an overlay draws within a bound at any size and goes on or says how it ended.",
        plainly(overlaid),
        lines_damaged(damage, b"\x1b["),
        tries=200,
    ),
)
