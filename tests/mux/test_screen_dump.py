"""A dump rebuilds the screen: of random streams cut anywhere, for a client that was used before, of real programs."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from itertools import combinations
from typing import Any, NamedTuple

import pytest
from alike import cells, differences, state
from streams import PROGRAMS, TEXT, agent, garbage, mutated, record

from agentmux.mux.emulator import clone
from agentmux.mux.emulator.cells import RESET
from agentmux.mux.reset import MODES, leave_client, reset_client
from agentmux.mux.screen import Screen

STREAMS = 400
"""Random streams in the ordinary run, of each sort. The seeds are fixed."""

BLOCK = 8000
SORTS = ["garbage"] * 5 + ["mutated"] * 3 + ["agent", "bytes"]
"""Blocks of random streams in the long run."""

CUTS = 2500
"""Places where the recording of each real program is cut in the long run."""

SIZES = [(80, 24), (20, 6), (120, 40), (10, 3), (37, 11)]

RECORDINGS = os.path.join(os.path.dirname(__file__), os.pardir, "recordings")

Size = tuple[int, int]


class Difference(NamedTuple):
    """What differs, right after the dump or once the rest of the stream has followed."""

    when: str
    names: frozenset[str]


def compare(size: Size, before: bytes, after: bytes, used: bytes | None = None) -> Difference | None:
    """Dump a screen into a fresh client, or a used one, give both the rest of the stream, and return what differs."""
    screen, client = Screen(size, scrollback_bytes=200_000), Screen(size)
    try:
        screen.feed(before)
        if used is not None:
            client.feed(used)
            client.feed(b"\x18\x1b\\\x1b]2;" + screen.title.encode() + b"\x1b\\")  # one without a title leaves it
            client.feed(reset_client(size[0]))
        client.feed(screen.dump())
        assert not client.synchronized
        if found := differences(screen, client) | ({"pending"} if client.pending() != screen.pending() else set()):
            return Difference("now", frozenset(found))
        screen.feed(after)
        client.feed(after)
        found = differences(screen, client)
        return Difference("later", frozenset(found)) if found else None
    finally:
        screen.close()
        client.close()


# What the library cannot be made to do

ENTER = re.compile(rb"\x1b\[\?(?:[\d;]*;)?(?:47|1047|1049)(?:;[\d;]*)?h")
_WIPE = rb"\g<0>" + b'\x1b[1"q\x1b[0"q\x1b[2J\x1b7\x1b[<99u\x1b[=0;1u'


class Kind(NamedTuple):
    """A kind of difference: it is one if the same stream without its cause makes none."""

    reason: str
    cause: re.Pattern[bytes]
    before: bytes | None
    """What stands for the cause in the bytes before the cut; None where it is no cause there."""
    after: bytes | None
    example: tuple[bytes, bytes]

    def taken_out(self, before: bytes, after: bytes) -> tuple[bytes, bytes]:
        """Return the stream without the cause, which may stand across the cut."""
        whole, cut = before + after, len(before)
        parts, at = ([], []), 0
        for found in self.cause.finditer(whole):
            start, end = found.span()
            late = end > cut
            instead = self.after if late else self.before
            parts[0].append(whole[at : min(start, cut)])
            parts[1].append(whole[max(at, cut) : start])
            parts[late].append(found[0] if instead is None else found.expand(instead))
            at = end
        parts[0].append(whole[at:cut])
        parts[1].append(whole[max(at, cut) :])
        return b"".join(parts[0]), b"".join(parts[1])


KINDS = {
    "repeated character": Kind(
        "the character that REP repeats is not what stands before the cursor",
        re.compile(rb"\x1b\[\d*b"), None, b"", (b"a\x1b[2K", b"\x1b[2b"),
    ),
    "old alternate screen": Kind(
        "what an alternate screen that is not shown had, has saved or pushed",
        ENTER, None, _WIPE, (b"\x1b[?47hx\x1b[?47l", b"\x1b[?47h"),
    ),
    "cursor shape": Kind(
        "it is one per screen, and that of the other one cannot be asked for",
        re.compile(rb"\x1b\[\d* q"), b"", b"", (b"\x1b[3 q\x1b[?1049h", b"\x1b[?1049l"),
    ),
    "prompt marks": Kind(
        "which rows are a prompt, so that clearing the screen scrolls them away",
        re.compile(rb"\x1b\]133;[^\x07\x1b]*(?:\x07|\x1b\\)?"), b"", b"", (b"a\x1b]133;A\x07", b"\n\x1b[?2J"),
    ),
    "wide blank": Kind(
        "a wide character under a character set becomes a space of two columns, which no client has",
        re.compile(rb"\x1b[()*+][ -~]|[\x0e\x0f]|\x1b[no|}~]"), b"", b"", (b"12345678\x1b(0\xe6\xbc\xa2", b""),
    ),
    "wrap at a margin": Kind(
        "a wrap that is pending, or saved, at a right margin which is another one now",
        re.compile(rb"\x1b\[\?69h"), b"", b"", (b"\x1b[?69h\x1b[1;2sxx\x1b7", b"\x1b8"),
    ),
    "wrap after a back tab": Kind(
        "the library keeps a wrap pending when CBT leaves the margin; no printing gets there",
        re.compile(rb"\x1b\[\d*Z"), b"", b"", (b"0123456789\x1b[2Z", b""),
    ),
    "origin outside of margins": Kind(
        "only restoring a saved cursor gets there, which costs the saved one",
        re.compile(rb"\x1b\[\?6h"), b"", b"", (b"\x1b[?6h\x1b7\x1b[2;3r\x1b8\x1b[C", b""),
    ),
}  # fmt: skip
END = "end of a row"
"""The style of the cell that a wide character left empty at the end of a row: told by its place."""


def kind_of(size: Size, before: bytes, after: bytes, used: bytes | None, found: Difference) -> str | None:
    """Return which kind a difference is of, or which two: a stream may have the causes of both."""
    if found.names <= {"ends", "primary ends"}:
        return END
    singles = [(name,) for name in KINDS]
    for names in (*singles, *combinations(KINDS, 2)):
        stream, client = (before, after), used
        for kind in map(KINDS.__getitem__, names):
            stream = kind.taken_out(*stream)
            client = client if client is None or kind.before is None else kind.cause.sub(kind.before, client)
        if (*stream, client) != (before, after, used):
            without = compare(size, *stream, client)
            if without is None or without.names <= {"ends", "primary ends"}:
                return " and ".join(names)
    return None


@pytest.mark.parametrize("name", KINDS)
def test_a_difference_is_of_a_known_kind(name: str) -> None:
    before, after = KINDS[name].example
    found = compare((10, 3), before, after)
    assert found is not None, "it is restored now: take it out"
    assert kind_of((10, 3), before, after, None, found) == name


def test_a_difference_of_two_kinds_at_once_is_known() -> None:
    before, after, used = b"\x1b[40E\x1b7\x1b[?47h\x1b[>1u\x1b[?1049l", b"\na\x1b[2J\x1b[?1049h", b"\x1b]133;A\x1b"
    found = compare((120, 40), before, after, used)
    assert found is not None
    assert kind_of((120, 40), before, after, used, found) == "old alternate screen and prompt marks"


def test_the_end_of_a_row_that_a_wide_character_left_free_keeps_its_background() -> None:
    assert compare((10, 3), "123456789\x1b[44m漢\x1b[2K".encode(), b"") is None


def test_another_difference_is_of_no_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentmux.mux.emulator.dump.title", lambda _: b"")
    stream = b"\x1b(0\x1b[3 qa\x1b]2;name\x07"
    found = compare((80, 24), stream, b"\x1b[b")
    assert found == ("now", {"title"}) and kind_of((80, 24), stream, b"\x1b[b", None, found) is None


def test_cells_that_no_erasing_removes_stay_so() -> None:
    for stream in (b"\x1bVkept", b"\x1bVkept\x1bW", b"\x1bVkept\x1bW\x1b[?1049hother"):
        assert compare((20, 4), stream, b"more\x1b[2J\x1b[?1049l\x1b[2J") is None
    assert compare((20, 4), b'\x1b[1"qgone\x1b[0"q', b"\x1b[2J") is None


# Random streams


def stream(sort: str, rng: random.Random, size: Size, real: list[bytes]) -> bytes:
    if sort == "agent":
        return agent(rng, size)
    if sort == "mutated":
        data = rng.choice(real)
        at = rng.randrange(len(data))
        return mutated(rng, data[at : at + rng.choice([300, 3000])])
    if sort == "bytes":
        return rng.randbytes(rng.choice([20, 200, 2000]))
    return b"".join(garbage(rng, rng.choice([3, 10, 40, 150])))


def check(sort: str, seeds: range, real: list[bytes]) -> dict[str, int]:
    """Compare streams of a sort; return how many differ, by kind; those of no kind by their seed."""
    failed: Counter[str] = Counter()
    for seed in seeds:
        rng = random.Random(f"{sort} {seed}")
        size = rng.choice(SIZES)
        data = stream(sort, rng, size, real)
        cut = rng.randrange(len(data) + 1)
        used = b"".join(garbage(rng, rng.choice([3, 40, 150]))) if rng.random() < 0.5 else None
        if found := compare(size, data[:cut], data[cut:], used):
            kind = kind_of(size, data[:cut], data[cut:], used, found)
            failed[kind or f"unknown, seed {seed}: {found.when} {sorted(found.names)}"] += 1
    return dict(failed)


def in_two_processes(work: Callable[[range], dict[str, int]], count: int) -> Counter[str]:
    """Do half of the work in a child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(work(range(1, count, 2))).encode())
        finally:
            os._exit(0)
    os.close(writing)
    total = Counter(work(range(0, count, 2)))
    with open(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return total + Counter(json.loads(said))


def insist(failed: Counter[str], count: int, share: float) -> None:
    unknown = {kind: number for kind, number in failed.items() if kind.startswith("unknown")}
    assert not unknown, f"{failed} of {count}"
    assert failed.total() <= count * share, f"{failed} of {count}"


@pytest.mark.parametrize("sort", ["garbage", "agent", "bytes"])
def test_a_dump_rebuilds_what_random_bytes_made(sort: str) -> None:
    count = STREAMS if sort == "garbage" else STREAMS // 4
    insist(Counter(check(sort, range(count), [])), count, 0.02)


@pytest.mark.prove
@pytest.mark.parametrize("block", range(len(SORTS)))
def test_a_dump_rebuilds_what_many_random_bytes_made(block: int, tmp_path: Any) -> None:
    sort, first = SORTS[block], block * BLOCK
    programs = [name for name in PROGRAMS if sort == "mutated" and shutil.which(PROGRAMS[name][0][0])]
    real = [recording(name, tmp_path)[1] for name in programs]
    failed = in_two_processes(lambda numbers: check(sort, range(first + numbers.start, first + BLOCK, 2), real), BLOCK)
    insist(failed, BLOCK, 0.02)


# Real programs


def recording(name: str, folder: Any) -> tuple[Size, bytes]:
    argv, keys = PROGRAMS[name]
    (folder / "file").write_text(TEXT)
    size = (80, 24)
    return size, record([word.format(file=folder / "file") for word in argv], keys, size)


def kept() -> dict[str, str]:
    found = sorted(os.listdir(RECORDINGS)) if os.path.isdir(RECORDINGS) else []
    return {name.partition(".")[0]: os.path.join(RECORDINGS, name) for name in found if name.endswith(".raw.gz")}


def output_of(name: str, folder: Any) -> tuple[Size, bytes]:
    if name in PROGRAMS:
        if not shutil.which(PROGRAMS[name][0][0]):
            pytest.skip(f"{name} is not installed")
        return recording(name, folder)
    with gzip.open(kept()[name]) as file:
        return AGENTS_SIZE, file.read()


AGENTS_SIZE = (120, 40)


def check_cuts(name: str, size: Size, output: bytes, numbers: range) -> dict[str, int]:
    """Cut a recording at random places; nothing may differ."""
    failed: Counter[str] = Counter()
    for number in numbers:
        rng = random.Random(f"{name} {number}")
        cut = rng.randrange(len(output) + 1)
        more = rng.randrange(cut, len(output) + 1)
        used = b"".join(garbage(rng, 40)) if rng.random() < 0.5 else None
        if found := compare(size, output[:cut], output[cut:more], used):
            failed[f"unknown, {name} cut at {cut}, then on to {more}: {found.when} {sorted(found.names)}"] += 1
    return dict(failed)


@pytest.mark.parametrize("name", [*PROGRAMS, *kept()])
def test_a_dump_anywhere_in_a_real_program_rebuilds_it_and_the_rest_follows(name: str, tmp_path: Any) -> None:
    size, output = output_of(name, tmp_path)
    assert len(output) > 300
    insist(Counter(check_cuts(name, size, output, range(25))), 25, 0)


@pytest.mark.prove
@pytest.mark.parametrize("name", [*PROGRAMS, *kept()])
def test_a_dump_at_many_places_in_a_real_program_rebuilds_it(name: str, tmp_path: Any) -> None:
    size, output = output_of(name, tmp_path)
    insist(in_two_processes(lambda numbers: check_cuts(name, size, output, numbers), CUTS), CUTS, 0)


# Scrollback above the dump


@pytest.mark.parametrize("alternate", [False, True])
def test_a_dump_with_history_fills_the_clients_scrollback(alternate: bool) -> None:
    for seed in range(10):
        rng = random.Random(seed)
        size = rng.choice([(80, 24), (20, 6), (120, 40)])
        screen, client = Screen(size), Screen(size)
        for number in range(rng.choice([5, 60, 300, 700])):
            start = rng.choice([b"", b"\x1b[3%dm" % rng.randrange(8), b"\x1b[0m", b"\x1b[44m"])
            text = rng.choice(
                [
                    b"",
                    b"a\tb\x1b[3Cc",
                    b"\x1b[20X",
                    b"word " * rng.randrange(1, 40),
                    "\u65e5\u672c ".encode() * rng.randrange(1, 20),
                    b"\x1b[K",
                ]
            )
            screen.feed(start + b"%d " % number + text + b"\r\n")
        if alternate:
            screen.feed(b"\x1b[?1049h\x1b[Hfull screen")
        rows = min(rng.choice([10, 100, 5000]), screen.history_rows)
        client.feed(screen.dump(history=rows))
        assert client.history_rows == rows
        assert client.text_rows(-rows, 24) == screen.text_rows(-rows, 24)
        assert _looks(client, rows) == _looks(screen, rows)
        assert not differences(screen, client)
        screen.close()
        client.close()


def _looks(screen: Screen, above: int) -> list[Any]:
    """Return text and style of every cell of the scrollback, however the rows are written."""
    found = []
    rows = screen.text_rows(-above, 0, styled=True)
    for start in range(0, len(rows), 400):
        paper = Screen((screen.size[0], min(len(rows) - start, 400)))
        paper.feed("\r\n".join(rows[start : start + 400]).encode())
        found += [
            [(text, style if text else _seen(style)) for text, style, *_ in row] for row in cells(paper._terminal)
        ]
        paper.close()
    return found


def _seen(style: bytes) -> bytes:
    """Return what of a style a blank shows, as long as that is a background only."""
    background = re.search(rb"(?:4[0-7]|48;5;\d+)(?=m|$)", style)
    return b"" if background is None else background[0]


GAPS = "\x1b[4mx\ty\x1b[m\r\n\x1b[41m é漢\x1b[2Cz\x1b[m\r\n\x1b[42m\x1b[3X\x1b[m"
GAPS_STYLED = [
    "\x1b[0;4mx\x1b[0m       \x1b[0;4my\x1b[0m",
    "\x1b[0;41m é漢\x1b[0m  \x1b[0;41mz\x1b[0m",
    "\x1b[0;48;5;2m   \x1b[0m",
]


def test_a_style_does_not_run_on_over_untouched_cells() -> None:
    screen = Screen((20, 4))
    screen.feed(GAPS.encode())
    assert screen.text_rows(0, 3, styled=True) == GAPS_STYLED


@pytest.mark.parametrize("alternate", [False, True])
@pytest.mark.parametrize("scrolled", [5, 700])
def test_nor_does_it_in_the_scrollback_and_in_the_clients(scrolled: int, alternate: bool) -> None:
    screen, client = Screen((20, 4)), Screen((20, 4))
    screen.feed(b"\r\n" * 30 + GAPS.encode() + b"\r\n" * scrolled + b"\x1b[?1049h" * alternate)
    above = screen.history_rows
    assert screen.text_rows(30 - above, 33 - above, styled=True) == GAPS_STYLED
    client.feed(screen.dump(history=above))
    assert _looks(client, above) == _looks(screen, above)


CHANGES: dict[str, Callable[[Screen], object]] = {
    "text": lambda screen: screen.feed(b"x"),
    "size": lambda screen: screen.resize((30, 4)),
    "colour": lambda screen: screen.feed(b"\x1b]11;rgb:12/34/56\x07"),
    "history": lambda screen: screen.feed(b"\r\n" * 9),
}


@pytest.mark.parametrize("history", [0, 4])
@pytest.mark.parametrize("change", CHANGES)
def test_a_dump_is_made_again_when_something_changed(change: str, history: int) -> None:
    with closing(Screen((20, 5))) as screen, closing(Screen((20, 5))) as other:
        screen.feed(b"one\r\n" * 9)
        other.feed(b"one\r\n" * 9)
        before = screen.dump(history=history)
        assert screen.dump(history=history) == before
        assert screen.dump(history=2) != before
        assert screen.draw_ahead(history) and not screen.draw_ahead(history)
        assert screen.dump(history=history) == before
        CHANGES[change](screen)
        CHANGES[change](other)
        assert screen.draw_ahead(history)
        assert screen.dump(history=history) == other.dump(history=history) != before


def test_a_string_too_long_to_copy_still_gives_a_dump() -> None:
    screen, client = Screen((40, 5)), Screen((40, 5))
    screen.feed(b"shown\x1b[1;5H\x1b[?2004h\x1b[>5u\x1b[1m\x1b]52;c;" + b"A" * (1 << 21))
    client.feed(screen.dump())
    for terminal in (screen, client):
        terminal.feed(b"AAAA\x07more")
        assert terminal.text_rows(0, 1) == ["showmore"]
    assert client.bracketed_paste and client.kitty_flags == 5


def test_a_string_with_a_c1_byte_still_gives_a_dump() -> None:
    """The library cannot encode this one, although it has the bytes."""
    screen, client = Screen((40, 5)), Screen((40, 5))
    screen.feed(b"shown\x1b_abc\x90def")
    assert screen.snapshot() is None
    client.feed(screen.dump())
    assert client.pending() == screen.pending()
    assert client.text_rows(0, 1) == ["shown"]


# On the way out


def _texts(rows: list[list[Any]]) -> list[list[bytes]]:
    return [[cell[0] for cell in row] for row in rows]


def test_leaving_undoes_every_mode_and_leaves_the_primary_screen_as_it_is() -> None:
    for seed in range(150):
        rng = random.Random(seed)
        client = Screen(rng.choice(SIZES))
        for piece in garbage(rng, 60):
            client.feed(piece)
        client.feed(b"\x18")
        with clone.decode_ready(clone.encode_prefix(client._terminal)) as copy:
            copy.write(b"\x1b[?47l")
            primary = _texts(cells(copy))
        client.feed(leave_client())
        found = state(client._terminal)
        assert _texts(found["cells"]) == primary
        assert not found["alternate"] and found["kitty"] == b"" and found["other keys"] == b"" and found["ansi"] == []
        assert found["modes"] == [number for number, default in MODES if default]
        assert found["margins"] == b"" and found["pen"] == RESET and found["colours"] == b"" and found["shape"] == 2
        assert not any(client._terminal.mode(number) for number in (2026, 2027, 2031, 2048))
        assert client.cursor == (0, client.size[1] - 1, True)


def test_leaving_clears_nothing() -> None:
    assert not re.search(rb"\x1bc|\x1b\[[0-3]?J|\x1b\[\d*K", leave_client())


def test_the_users_screen_goes_to_the_scrollback_at_the_first_attach() -> None:
    client = Screen((20, 4))
    client.feed(b"one\r\ntwo\r\nthree")
    client.feed(reset_client(20, keep_rows=4))
    assert client.text_rows(0, 4) == [""] * 4
    assert client.text_rows(-4, 0)[:3] == ["one", "two", "three"]
