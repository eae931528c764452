"""A recording in the formats that others read."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Iterable
from html import unescape
from typing import Any

import pytest
from terminal import Terminal

from agentmux.mux import transcript
from agentmux.mux.export import BATCH, Format, Header, export
from agentmux.mux.redact import NOTHING, Redaction
from agentmux.mux.screen import Screen
from agentmux.store.records import Kind, Record, encode_size

START = 1_700_000_000.0
HEADER = Header("demo", ("sh", "-c", "a b"), (40, 6), START, {"TERM": "xterm-256color", "SHELL": "/bin/sh", "KEY": "x"})


def recording(*told: tuple[float, Kind, bytes]) -> list[Record]:
    offset, records = 0, []
    for at, kind, data in told:
        records.append(Record(kind, START + at, offset, data))
        offset += len(data) if kind is Kind.OUTPUT else 0
    return records


def printed(*pieces: bytes) -> list[Record]:
    return recording(*((index / 10, Kind.OUTPUT, piece) for index, piece in enumerate(pieces)))


def made(form: Format, records: Iterable[Record], redaction: Redaction = NOTHING, header: Header = HEADER) -> bytes:
    return b"".join(export(form, header, records, redaction))


def lines(form: Format, records: Iterable[Record], redaction: Redaction = NOTHING) -> list[Any]:
    return [json.loads(line) for line in made(form, records, redaction).splitlines()]


def text(records: Iterable[Record], size: tuple[int, int] = (40, 6)) -> list[str]:
    return list(transcript.rows(size, records))


SESSION = recording(
    (0.0, Kind.STATE, b"started 2"),
    (0.5, Kind.OUTPUT, b"\x1b[31mcaf\xc3"),
    (0.25, Kind.OUTPUT, b"\xa9\r\n"),  # the clock was set back
    (1.0, Kind.ATTACH, b"1"),
    (1.0, Kind.RESIZE, encode_size((50, 7))),
    (1.0, Kind.RESIZE, encode_size((50, 7))),
    (2.000001, Kind.PROMPT, b"\n do this\nand that"),
    (3.0, Kind.OUTPUT, b"\xff done \xe2\x82"),
    (4.0, Kind.STATE, b"exited 3"),
)


def test_asciicast_2() -> None:
    header, *events = lines(Format.ASCIICAST_2, SESSION)
    assert header == {
        "version": 2,
        "width": 40,
        "height": 6,
        "timestamp": 1_700_000_000,
        "title": "demo",
        "command": "sh -c 'a b'",
        "env": {"TERM": "xterm-256color", "SHELL": "/bin/sh"},
    }
    assert events == [
        [0.0, "m", "started 2"],
        [0.5, "o", "\x1b[31mcaf"],
        [0.5, "o", "é\r\n"],
        [1.0, "r", "50x7"],
        [2.000001, "m", "do this"],
        [3.0, "o", "\ufffd done "],
        [4.0, "m", "exited 3"],
        [4.0, "o", "\ufffd"],
    ]


def test_asciicast_3() -> None:
    header, *events = lines(Format.ASCIICAST_3, SESSION)
    assert header["version"] == 3
    assert header["term"] == {"cols": 40, "rows": 6, "type": "xterm-256color"}
    assert header["env"] == {"SHELL": "/bin/sh"}
    assert [event[0] for event in events] == [0.0, 0.5, 0.0, 0.5, 1.000001, 0.999999, 1.0, 0.0, 0.0]
    assert events[-1] == [0.0, "x", "3"]


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([b"started 1", b"exited 0"], "0"),
        ([b"exited -9"], "137"),
        ([b"exited 1", b"started 2"], None),
        ([b"lost"], None),
        ([b"exited oddly"], None),
    ],
)
def test_the_exit_status_is_told_if_the_last_run_ended(states: list[bytes], status: str | None) -> None:
    events = lines(Format.ASCIICAST_3, recording(*((1.0, Kind.STATE, state) for state in states)))[1:]
    assert [event[2] for event in events if event[1] == "x"] == ([] if status is None else [status])


def test_intervals_do_not_drift() -> None:
    records = recording(*((index / 3, Kind.OUTPUT, b"x") for index in range(3001)))
    assert sum(event[0] for event in lines(Format.ASCIICAST_3, records)[1:]) == pytest.approx(1000, abs=1e-6)


def test_raw_and_json() -> None:
    assert made(Format.RAW, SESSION) == b"\x1b[31mcaf\xc3\xa9\r\n\xff done \xe2\x82"
    told = lines(Format.JSON, SESSION)
    assert [one["kind"] for one in told] == [record.kind.name.lower() for record in SESSION]
    assert told[0] == {"kind": "state", "at": START, "offset": 0, "text": "started 2"}
    assert told[4] == {"kind": "resize", "at": START + 1.0, "offset": 12, "columns": 50, "rows": 7}
    data = [
        one["text"].encode() if "text" in one else base64.b64decode(one["base64"]) for one in told if "rows" not in one
    ]
    assert data == [record.data for record in SESSION if record.kind is not Kind.RESIZE]


@pytest.mark.parametrize("form", Format)
def test_pieces_are_small_and_taken_one_by_one(form: Format) -> None:
    taken = 0

    def records() -> Iterable[Record]:
        nonlocal taken
        for taken in range(3000):
            yield Record(Kind.OUTPUT, START + taken, taken * 1000, b"%998d\r\n" % taken)

    pieces = export(form, HEADER, records())
    first = next(pieces)
    assert taken < 2000
    assert max(len(first), *map(len, pieces)) < 3 * BATCH


@pytest.mark.parametrize("form", Format)
def test_a_recording_without_records(form: Format) -> None:
    assert b"secret" not in made(form, [], Redaction(["secret"]))


# Redaction


@pytest.mark.parametrize("form", Format)
def test_no_secret_in_any_format(form: Format) -> None:
    header = Header("sk-1234", ("run", "sk-1234"), (40, 6), START, {"SHELL": "sk-1234"}, "sk-1234")
    records = recording(
        (0, Kind.OUTPUT, b"one sk"),
        (0, Kind.PROMPT, b"use sk-1234 please"),
        (1, Kind.OUTPUT, b"-12"),
        (2, Kind.OUTPUT, b"34 two caf\xc3"),
        (3, Kind.OUTPUT, b"\xa9\xff"),
    )
    out = made(form, records, Redaction([r"sk-\w+"]), header)
    assert b"1234" not in out and b"-12" not in out
    assert b"[redacted]" in out


def test_all_but_secrets_stays_byte_for_byte() -> None:
    records = printed(b"\xff\xc3", b"\xa9 sk-1", b"23 \xe2\x82")
    assert made(Format.RAW, records, Redaction([r"sk-\w+"])) == b"\xff\xc3\xa9 [redacted] \xe2\x82"


@pytest.mark.parametrize("form", [Format.TEXT, Format.HTML])
def test_a_secret_with_a_colour_in_it_is_found_where_it_was_rendered(form: Format) -> None:
    out = made(form, printed(b"one sk-\x1b[31m12\x1b[0m34 two"), Redaction([r"sk-\w+"]))
    assert b"[redacted]" in out and b"12" not in out.partition(b"<pre>")[2] and b"34" not in out.partition(b"<pre>")[2]


# What it showed


def test_every_row_once() -> None:
    many = [b"line %d\r\n" % number for number in range(60_000)]
    assert text(printed(*many)) == [line.decode().rstrip() for line in many]
    assert text(printed(b"".join(many))) == [line.decode().rstrip() for line in many]


@pytest.mark.parametrize("size", [(20, 2), (80, 24), (1000, 50)])
def test_no_row_leaves_the_scrollback_unseen(size: tuple[int, int]) -> None:
    """The worst case: nothing but line feeds between rows, and rows as expensive as they get."""
    data = b"".join(b"%d\n\r" % number for number in range(20_000)) + b"\n" * 50_000 + b"end"
    rows = text(printed(data), size)
    assert [row for row in rows if row] == [*map(str, range(20_000)), "end"]
    assert len(rows) == 70_001


def test_rows_of_several_sizes() -> None:
    told: list[tuple[float, Kind, bytes]] = []
    for number in range(300):
        told.append((0, Kind.OUTPUT, b"line %d\r\n" % number))
        if number % 7 == 0:
            told.append((0, Kind.RESIZE, encode_size((20 + number % 90, 3 + number % 40))))
    assert [row for row in text(recording(*told)) if row] == [f"line {number}" for number in range(300)]


@pytest.mark.parametrize("clear", [b"\x1b[H\x1b[2J\x1b[3J", b"\x1b[H\x1b[J", b"\x1bc", b"\x1b[2J\x1b[3J\x1b[H"])
def test_what_is_cleared_was_shown(clear: bytes) -> None:
    data = b"".join(b"%d\r\n" % number for number in range(20)) + clear + b"after"
    expected = [*map(str, range(20)), "after"]
    assert [row.strip() for row in text(printed(data)) if row] == expected
    assert [row.strip() for row in text(printed(*(bytes([byte]) for byte in data))) if row] == expected


@pytest.mark.parametrize(("enter", "leave"), [(b"\x1b[?1049h", b"\x1b[?1049l"), (b"\x1b[?25;47h", b"\x1b[?47;25l")])
def test_what_a_full_screen_program_left(enter: bytes, leave: bytes) -> None:
    data = b"before\r\n" + enter + b"\x1b[Hfirst\x1b[2J\x1b[Hmenu\r\nentry" + leave + b"after"
    for records in (printed(data), printed(*(bytes([byte]) for byte in data))):
        assert [row.strip() for row in text(records) if row.strip()] == ["menu", "entry", "before", "after"]


def test_a_full_screen_program_that_still_runs() -> None:
    assert text(printed(b"before\r\n\x1b[?1049h\x1b[Hmenu")) == ["menu", "before"]


@pytest.mark.parametrize("tail", [b"\x1b[31", b"\x1b]0;title", b"\xe2\x82", b"\x1b", b"\x1b[H", b"\x1b[2J"])
def test_the_end_is_in_the_middle_of_something(tail: bytes) -> None:
    assert text(printed(b"one\r\ntwo\r\n" + tail))[:2] == ["one", "two"]


def test_sequences_in_strings_clear_nothing() -> None:
    assert text(printed(b"one\r\n\x1b]0;a\x1b", b"[2J\rtwo")) == ["one", "", "two"]  # it ends the string
    assert text(printed(b"one\r\n\x1bP1;2q\x9b2J\x1b\\two")) == ["one", "two"]


# The page


def page(data: bytes, **changes: Any) -> str:
    header = Header("demo", (), (40, 6), START, {}, changes.get("title", ""))
    return made(Format.HTML, printed(data), header=header).decode()


def body(page: str) -> str:
    return page.partition("<pre>\n")[2].partition("</pre>")[0]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a < b & c", "a &lt; b &amp; c\n"),
        (b"\x1b[31mred\x1b[0m", '<span class="f1">red</span>\n'),
        (b"\x1b[1;3;92;104mx\x1b[0m", '<span class="B I f10 b12">x</span>\n'),
        (b"\x1b[38;5;196mx\x1b[0m", '<span style="color:#ff0000">x</span>\n'),
        (b"\x1b[48;2;1;2;3mx\x1b[0m", '<span style="background:#010203">x</span>\n'),
        (b"\x1b[7mx\x1b[0m", '<span style="color:#141414;background:#c8c8c8">x</span>\n'),
        (b"\x1b[7;31mx\x1b[0m", '<span class="b1" style="color:#141414">x</span>\n'),
        (b"\x1b[2mx\x1b[0m", '<span style="color:#808080">x</span>\n'),
        (b"\x1b[4:3;58;5;196mx\x1b[0m", '<span style="text-decoration:underline wavy #ff0000">x</span>\n'),
        (b"\x1b[9;4mx\x1b[0m", '<span style="text-decoration:underline solid"><s>x</s></span>\n'),
        (b"\x1b[8msecret\x1b[0m.", "      .\n"),
        ("漢x".encode(), '<span class="w">漢</span>x\n'),
        (b"\x1b[44m \x1b[0m", '<span class="b4"> </span>\n'),
    ],
)
def test_the_page(data: bytes, expected: str) -> None:
    assert body(page(data)) == expected


def test_the_page_has_nothing_from_elsewhere() -> None:
    made = page(b"<script>alert(1)</script>", title="</title><script>\x1b\n")
    assert "<script" not in made
    assert "<title>&lt;/title&gt;&lt;script&gt;  </title>" in made
    assert "src=" not in made and "url(" not in made and "@import" not in made


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("http://a.b/?c=d&e", True),
        ("HTTPS://a.b/", True),
        ("mailto:a@b.c", True),
        ("javascript:alert(1)", False),
        ("file:///etc/passwd", False),
        ("data:text/html,x", False),
        ("http://a b", False),
        (" javascript:x//http://a", False),
    ],
)
def test_links(link: str, kept: bool) -> None:
    from agentmux.mux.html import page

    out = body("".join(page("t", [f'\x1b]8;;{link}\x1b\\x"<\x1b]8;;\x1b\\'])))
    escaped = link.replace("&", "&amp;")
    shown = "x&quot;&lt;"
    assert out == (f'<a href="{escaped}" rel="noopener noreferrer">{shown}</a>\n' if kept else shown + "\n")


@pytest.mark.parametrize("cut", range(4))
@pytest.mark.parametrize("scrolled", [0, 100])
def test_the_links_of_a_program_are_in_the_page(scrolled: int, cut: int) -> None:
    link = b"\x1b]8;id=1;http://a.example\x1b\\\x1b[31mred\x1b[m and not\x1b]8;;\x1b\\"
    pieces = [b"before " + link[:cut], link[cut:] + b" behind\r\nnext" + b"\r\nmore" * scrolled]
    page = made(Format.HTML, printed(*pieces)).decode()
    link = '<a href="http://a.example" rel="noopener noreferrer"'
    assert f'before {link} class="f1">red</a>{link}> and not</a> behind\nnext' in page
    assert "http" not in made(Format.TEXT, printed(*pieces)).decode()


def test_a_link_that_comes_byte_by_byte_is_in_the_page() -> None:
    stream = b"\x1b]8;;http://a.example\x1b\\here\x1b]8;;\x1b\\"
    page = made(Format.HTML, printed(*(stream[at : at + 1] for at in range(len(stream))))).decode()
    assert '<a href="http://a.example" rel="noopener noreferrer">here</a>' in page


def test_a_quote_does_not_end_a_link() -> None:
    from agentmux.mux.html import page

    out = body("".join(page("t", ['\x1b]8;;http://a"onclick="b\x1b\\x\x1b]8;;\x1b\\'])))
    assert 'href="http://a&quot;onclick=&quot;b"' in out


def test_the_page_has_the_rows_of_the_text() -> None:
    data = b"".join(
        b"\x1b[%dm%d <&>\x1b[0m \xe6\xbc\xa2 a\xcc\x81\r\n" % (30 + number % 8, number) for number in range(500)
    )
    rows = unescape(re.sub(r"<[^>]*>", "", body(page(data))))
    assert rows == made(Format.TEXT, printed(data)).decode()


# The real asciinema

ASCIINEMA = shutil.which("asciinema")


@pytest.mark.skipif(ASCIINEMA is None, reason="needs asciinema")
@pytest.mark.parametrize("words", [("cat",), ("play", "-s", "1000")])
def test_asciinema_plays_it(words: tuple[str, ...], tmp_path: Any) -> None:
    data = b"\x1b[31mred\x1b[0m caf\xc3\xa9 \xe6\xbc\xa2\r\n" + b"".join(b"%d\r\n" % number for number in range(30))
    data += b"\x1b[2;5H\x1b[7mhere\x1b[0m\x1b[5;1Hend"
    pieces = [(index / 100, Kind.OUTPUT, data[index : index + 5]) for index in range(0, len(data), 5)]
    records = recording((0, Kind.STATE, b"started 1"), *pieces[:9], (0.09, Kind.PROMPT, b"go"), *pieces[9:])
    path = tmp_path / "demo.cast"
    path.write_bytes(made(Format.ASCIICAST_2, records))
    screen = Screen((40, 6))
    screen.feed(data)
    assert ASCIINEMA is not None
    terminal = Terminal(
        [ASCIINEMA, *words, str(path)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"},
        cwd=str(tmp_path),
        size=(40, 6),
    )
    try:
        assert terminal.ended() == 0, terminal.text()
        assert terminal.styled() == screen.text_rows(0, 6, styled=True)
        assert "here" in terminal.text()
    finally:
        terminal.close()
        screen.close()
