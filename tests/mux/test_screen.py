"""A screen as the rest of the server uses it: what is fed, asked, answered, reported and typed."""

import subprocess
import sys

import pytest

from agentmux.mux import VERSION
from agentmux.mux.screen import (
    Bell,
    ClipboardWrite,
    CwdChanged,
    Notification,
    ProgramStatus,
    Progress,
    ProgressState,
    Screen,
    ScreenEvent,
    TitleChanged,
    UnknownKey,
)
from agentmux.mux.size import CEILING


def replies_to(query: bytes, size: tuple[int, int] = (80, 24)) -> bytes:
    replies: list[bytes] = []
    screen = Screen(size, on_reply=replies.append)
    screen.feed(query)
    screen.close()
    return b"".join(replies)


def events_of(data: bytes) -> list[ScreenEvent]:
    events: list[ScreenEvent] = []
    screen = Screen((80, 24), on_event=events.append)
    screen.feed(data)
    screen.close()
    return events


def test_importing_it_does_not_load_the_library() -> None:
    code = "import sys, agentmux.mux.screen; print([m for m in sys.modules if 'cffi' in m or 'emulator.ffi' in m])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# Text


def test_text_is_given_by_row_without_trailing_blanks() -> None:
    screen = Screen((20, 3))
    for number in range(5):
        screen.feed(b"line %d   \r\n" % number)
    assert screen.text_rows(0, 3) == ["line 3", "line 4", ""]
    assert screen.text_rows(-2, 1) == ["line 1", "line 2", "line 3"]
    assert screen.text_rows(-2, -1) == ["line 1"]
    assert screen.text_rows(-1000, 1000) == ["line 0", "line 1", "line 2", "line 3", "line 4", ""]
    assert screen.text_rows(2, 2) == screen.text_rows(7, 9) == []
    assert screen.history_rows == 3


def test_history_is_there_while_the_alternate_screen_is_shown() -> None:
    screen = Screen((20, 3))
    screen.feed(b"".join(b"line %d\r\n" % number for number in range(500)) + b"\x1b[?1049h\x1b[Hfull")
    assert screen.alternate
    assert screen.history_rows == 498
    assert screen.text_rows(-2, 1) == ["line 496", "line 497", "full"]
    assert len(screen.text_rows(-498, 0)) == 498


def test_styled_rows_stand_alone_and_keep_backgrounds() -> None:
    screen = Screen((8, 4))
    screen.feed(b"\x1b[1mbold\x1b[4m\r\nboth\x1b[0m  \r\n\x1b[44m\x1b[K\x1b[0m\r\n\x1b[4;5H\x1b[48;2;1;2;3m\x1b[4X")
    assert screen.text_rows(0, 4, styled=True) == [
        "\x1b[0m\x1b[1mbold\x1b[0m",
        "\x1b[0m\x1b[1m\x1b[4mboth\x1b[0m",
        "\x1b[0;48;5;4m        \x1b[0m",
        "    \x1b[0;48;2;1;2;3m    \x1b[0m",
    ]
    assert screen.text_rows(0, 4) == ["bold", "both", "", ""]


def test_styled_history_keeps_its_colours() -> None:
    screen = Screen((8, 2))
    screen.feed(b"\x1b[31mred\x1b[0m\r\n\x1b[44m\x1b[K\x1b[0m\r\nx\r\ny")
    assert screen.text_rows(-2, 0, styled=True) == ["\x1b[0m\x1b[38;5;1mred\x1b[0m", "\x1b[0;48;5;4m        \x1b[0m"]


# State


def test_title_cwd_cursor_and_modes() -> None:
    screen = Screen((80, 24))
    assert (screen.title, screen.cwd, screen.cursor) == ("", "", (0, 0, True))
    screen.feed("\x1b]2;tïtle\x07\x1b]7;file://host/home/a%20b\x07\x1b[3;5H\x1b[?25l".encode())
    assert (screen.title, screen.cwd, screen.cursor) == ("tïtle", "/home/a b", (4, 2, False))
    asked = [
        "bracketed_paste",
        "focus_reporting",
        "synchronized",
        "mouse_tracking",
        "kitty_flags",
        "alternate",
    ]
    assert not any(getattr(screen, name) for name in asked)
    screen.feed(b"\x1b[?2004;1004;2026;1002;1049h\x1b[>5u")
    assert all(getattr(screen, name) for name in asked)


def test_an_unfinished_sequence_is_pending() -> None:
    screen = Screen((80, 24))
    screen.feed(b"text\x1b]2;half")
    assert not screen.at_ground and screen.pending() == b"\x1b]2;half"
    screen.feed(b" a title\x07")
    assert screen.at_ground and screen.pending() == b"" and screen.title == "half a title"


def test_bytes_of_any_kind_are_fed() -> None:
    screen = Screen((80, 24))
    for data in (b"a", bytearray(b"b"), memoryview(b"c"), b"", memoryview(b"xdx")[1:2]):
        screen.feed(data)
    assert screen.text_rows(0, 1) == ["abcd"]


# Size


@pytest.mark.parametrize(
    ("asked", "got"), [((0, 0), (1, 1)), ((65535, 65535), CEILING), ((-5, 40), (1, 40)), ((132, 43), (132, 43))]
)
def test_sizes_are_clamped(asked: tuple[int, int], got: tuple[int, int]) -> None:
    screen = Screen(asked)
    assert screen.size == screen._terminal.size() == got
    other = Screen((80, 24))
    other.resize(asked)
    assert other.size == other._terminal.size() == got
    other.feed(b"\x1b[999;999Hx")


def test_a_program_cannot_resize_the_screen() -> None:
    screen = Screen((80, 24))
    screen.feed(b"\x1b[?40h\x1b[?3hx")
    assert screen.size == screen._terminal.size() == (80, 24)


def test_a_screen_whose_resize_fails_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    from agentmux.mux.emulator import terminal

    screen = Screen((80, 24))
    screen.feed(b"text\x1b]2;half")
    before, generation = screen._terminal, screen.generation
    real = terminal.Terminal.resize

    def fail_once(self: terminal.Terminal, size: tuple[int, int]) -> None:
        monkeypatch.setattr(terminal.Terminal, "resize", real)
        raise terminal.EmulatorError("resize", -1)

    monkeypatch.setattr(terminal.Terminal, "resize", fail_once)
    screen.resize((100, 30))
    assert screen._terminal is not before and before.h is None
    assert screen.size == screen._terminal.size() == (100, 30)
    screen.feed(b"works\x1b]11;?\x07")
    assert screen.text_rows(0, 1) == ["works"] and screen.generation > generation


def test_a_resize_is_reported_to_a_program_that_asked() -> None:
    replies: list[bytes] = []
    screen = Screen((80, 24), on_reply=replies.append)
    screen.feed(b"\x1b[?2048h")
    replies.clear()
    screen.resize((100, 30))
    assert replies == [b"\x1b[48;30;100;480;800t"]


# Answers


@pytest.mark.parametrize(
    ("query", "reply"),
    [
        (b"\x1b[c", b"\x1b[?62;22;52c"),
        (b"\x1b[>c", b"\x1b[>1;10;0c"),
        (b"\x1b[=c", b"\x1bP!|00000000\x1b\\"),
        (b"\x1b[5n", b"\x1b[0n"),
        (b"\x1b[3;7H\x1b[6n", b"\x1b[3;7R"),
        (b"\x1b[>q", b"\x1bP>|agentmux %s\x1b\\" % VERSION.encode()),
        (b"\x1b[?2026$p", b"\x1b[?2026;2$y"),
        (b"\x1b[?u", b"\x1b[?0u"),
        (b"\x1b]10;?\x07", b"\x1b]10;rgb:c0c0/c0c0/c0c0\x07"),
        (b"\x1b]11;?\x1b\\", b"\x1b]11;rgb:1010/1010/1010\x1b\\"),
        (b"\x1b]12;?\x07", b"\x1b]12;rgb:c0c0/c0c0/c0c0\x07"),
        (b"\x1b[14t", b"\x1b[4;384;640t"),
        (b"\x1b[16t", b"\x1b[6;16;8t"),
        (b"\x1b[18t", b"\x1b[8;24;80t"),
        (b"\x1b[21t", b""),
        (b"\x1b[?996n", b"\x1b[?997;1n"),
        (b"\x1bP+q544e\x1b\\", b"\x1bP1+r544E=" + b"xterm-256color".hex().upper().encode() + b"\x1b\\"),
        (b"\x1b]7501;?\x1b\\\x1b[c", b"\x1b]7501;?\x1b\\\x1b[?62;22;52c"),
        (b"\x1b]7501;?\x07", b"\x1b]7501;?\x07"),
        (b"\x1b]52;c;?\x07", b""),
        (b"\x1b_Gi=31,a=q;AAAA\x1b\\", b""),
        (b"\x05", b""),
    ],
)
def test_queries_are_answered(query: bytes, reply: bytes) -> None:
    assert replies_to(query) == reply


def test_replies_come_after_the_feed_in_one_piece_and_may_feed_again() -> None:
    seen: list[tuple[bytes, list[str]]] = []

    def answer(reply: bytes) -> None:
        seen.append((reply, screen.text_rows(0, 1)))
        screen.feed(b"!")

    screen = Screen((80, 24), on_reply=answer)
    screen.feed(b"\x1b[5na\x1b[6nb")
    assert seen == [(b"\x1b[0n\x1b[1;2R", ["ab"])]
    assert screen.text_rows(0, 1) == ["ab!"]


def test_colours_can_be_set_and_a_program_that_asked_hears_of_dark_and_light() -> None:
    replies: list[bytes] = []
    screen = Screen((80, 24), on_reply=replies.append)
    screen.feed(b"\x1b[?2031h")
    screen.set_colours((0, 0, 0), (255, 255, 255), (1, 2, 3))
    screen.feed(b"\x1b]11;?\x07\x1b[?996n")
    assert replies == [b"\x1b[?997;2n", b"\x1b]11;rgb:ffff/ffff/ffff\x07\x1b[?997;2n"]
    assert b"\x1b]11" not in screen.dump()


# Events


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"\x07", [Bell()]),
        (b"\x1b]0;one\x07\x1b]2;two\x1b\\", [TitleChanged("one"), TitleChanged("two")]),
        (b"\x1b]7;file://host/a%20b\x07", [CwdChanged("/a b")]),
        (b"\x1b]9;done\x07", [Notification("", "done")]),
        (b"\x1b]777;notify;agent;done\x07", [Notification("agent", "done")]),
        (b"\x1b]9;4;1;50\x07", [Progress(ProgressState.SET, 50)]),
        (b"\x1b]9;4;3\x07", [Progress(ProgressState.INDETERMINATE, None)]),
        (b"\x1b]52;c;aGVsbG8=\x07", [ClipboardWrite(b"hello", primary=False)]),
        (b"\x1b]52;p;aGVsbG8=\x07", [ClipboardWrite(b"hello", primary=True)]),
        (b"\x1b]52;c;" + b"QUFB" * 600_000 + b"\x07", []),
        (b"\x1b]7501;state=blocked:kind=permission\x07", [ProgramStatus("state=blocked:kind=permission")]),
        (b"\x1b]633;A\x07", []),
    ],
)
def test_events_are_reported(data: bytes, events: list[ScreenEvent]) -> None:
    assert events_of(data) == events


def test_an_event_is_reported_wherever_the_bytes_are_cut() -> None:
    data = b"\x1b]7501;state=idle\x1b\\"
    for cut in range(len(data)):
        events: list[ScreenEvent] = []
        screen = Screen((80, 24), on_event=events.append)
        screen.feed(data[:cut])
        screen.feed(data[cut:])
        assert events == [ProgramStatus("state=idle")]


# Keys


@pytest.mark.parametrize(
    ("setup", "names", "sent"),
    [
        (b"", "Enter Tab BTab Escape Space BSpace", b"\r\t\x1b[Z\x1b \x7f"),
        (b"", "Up Down Right Left Home End", b"\x1b[A\x1b[B\x1b[C\x1b[D\x1b[H\x1b[F"),
        (b"\x1b[?1h", "Up Home", b"\x1bOA\x1bOH"),
        (
            b"",
            "PPage PageUp NPage PageDown IC Insert DC Delete",
            b"\x1b[5~\x1b[5~\x1b[6~\x1b[6~\x1b[2~\x1b[2~\x1b[3~\x1b[3~",
        ),
        (b"", "F1 F4 F5 F12", b"\x1bOP\x1bOS\x1b[15~\x1b[24~"),
        (b"", "C-c ^C C-C C-a C-Space C-\\ C-_", b"\x03\x03\x03\x01\x00\x1c\x1f"),
        (b"", "C-i C-m C-[ S-Enter C-Enter M-Enter", b"\t\r\x1b\r\r\x1b\r"),
        (b"", "M-x M-X C-M-x", b"\x1bx\x1bX\x1b\x18"),
        (b"", "S-Up C-Up M-Up C-S-Up S-F5", b"\x1b[1;2A\x1b[1;5A\x1b[1;3A\x1b[1;6A\x1b[15;2~"),
        (b"", "a A 1 ! ~ é 日 -", "aA1!~é日-".encode()),
        (b"", "S-a enter pageup", b"A\r\x1b[5~"),
        (b"\x1b[>1u", "Enter S-Enter C-c Escape C-i", b"\r\x1b[13;2u\x1b[99;5u\x1b[27u\x1b[105;5u"),
        (b"\x1b[>4;2m", "C-c S-Enter", b"\x1b[27;5;99~\x1b[27;2;13~"),
    ],
)
def test_keys_are_sent_as_the_program_wants_them(setup: bytes, names: str, sent: bytes) -> None:
    screen = Screen((80, 24))
    screen.feed(setup)
    assert screen.keys(names.split()) == sent


@pytest.mark.parametrize("name", ["", "Entr", "C-", "X-a", "C-Foo", "ab", "\x01", "F13"])
def test_an_unknown_key_is_refused_and_nothing_is_sent(name: str) -> None:
    with pytest.raises(UnknownKey, match="no key named") as caught:
        Screen((80, 24)).keys(["a", name])
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("setup", "text", "sent"),
    [
        (b"", b"a\r\nb\nc\r", b"a\rb\rc\r"),
        (b"\x1b[?2004h", b"a\r\nb", b"\x1b[200~a\nb\x1b[201~"),
        (b"\x1b[?2004h", b"x\x1b[201~rm -rf\r", b"\x1b[200~x [201~rm -rf\n\x1b[201~"),
        (b"", b"a\x03\x1b]0;x\x07\tb", b"a  ]0;x\x07\tb"),
        (b"", b"", b""),
        (b"", "日本\xe9".encode(), "日本\xe9".encode()),
    ],
)
def test_pasted_text_cannot_act(setup: bytes, text: bytes, sent: bytes) -> None:
    screen = Screen((80, 24))
    screen.feed(setup)
    assert screen.paste(text) == sent


def test_input_modes_are_all_said() -> None:
    screen, client = Screen((80, 24)), Screen((80, 24))
    client.feed(b"\x1b[?1000;1006h\x1b[>31u\x1b[>4;2m")
    screen.feed(b"\x1b[?2004;1h\x1b[>5u")
    client.feed(screen.input_modes())
    assert client.keys(["Up", "C-c"]) == screen.keys(["Up", "C-c"])
    assert client.bracketed_paste and not client.mouse_tracking and client.kitty_flags == 5


# Hostile text


def test_del_is_no_character() -> None:
    screen, beside = Screen((20, 2)), Screen((20, 2))
    screen.feed(b"a\x7fb\x1b[3\x7f1mc\x7f")
    beside.feed(b"ab\x1b[31mc")
    assert screen.text_rows(0, 1, styled=True) == beside.text_rows(0, 1, styled=True)
    assert screen.cursor == beside.cursor


HOSTILE = "x\x9b31m\x9c\x9d0;y\x9c\x85\u202e\u2028z"


def test_a_title_has_nothing_that_acts_on_a_terminal() -> None:
    screen = Screen((20, 2))
    screen.feed(f"\x1b]2;{HOSTILE}\x1b\\".encode())
    assert screen.title == "x31m0;yz"
    assert screen.dump().endswith(b"\x1b]2;x31m0;yz\x1b\\")


def test_a_link_has_nothing_that_acts_on_a_terminal() -> None:
    screen = Screen((20, 2))
    screen.feed(b"\x1b]8;;http://" + HOSTILE.encode() + b"\x9c\xff\x1b\\here\x1b]8;;\x1b\\")
    wanted = b"\x1b]8;;http://x31m0;yz\x1b\\here"
    assert wanted in screen.dump()
    assert wanted in screen.view((10, 2)).frame()
    assert wanted.decode() in screen.text_rows(0, 1, styled=True, links=True)[0]
    kept = Screen((20, 2))
    kept.feed("\x1b]8;;http://x/\u00e9?a=%20\x1b\\here".encode())
    assert "http://x/\u00e9?a=%20".encode() in kept.dump()
