"""One client's terminal: what its answers teach, what it is sent in return, and that hostile answers do no harm."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.mux.clientterminal import CLIPBOARD_LIMIT, ClientTerminal
from agentmux.mux.keys import InputDecoder, Reply

XTERM = {"TERM": "xterm-256color"}
ST = b"\x1b\\"


def terminal(version: str = "", **env: str) -> ClientTerminal:
    """Return a terminal that called itself ``version``, in this environment."""
    found = ClientTerminal({**XTERM, **env})
    if version:
        assert found.reply(b"\x1bP>|" + version.encode() + ST)
    return found


def test_all_is_asked_and_the_attributes_come_last() -> None:
    asked = terminal().queries()
    for query in (b"\x1b]10;?", b"\x1b]11;?", b"\x1b]12;?", b"\x1b]4;0;?", b"\x1b]4;15;?", b"\x1b[?u", b"\x1b[>q"):
        assert asked.count(query) == 1
    assert asked.endswith(b"\x1b[?2026$p\x1b[?2031h\x1b[c")
    assert b"\x1b[?996n" in asked
    colours = terminal().colour_queries()
    assert asked.startswith(colours)
    assert colours.endswith(b"\x1b[?996n")
    assert colours.count(b"?") == 20


@pytest.mark.parametrize("term", ["", "dumb", "linux"])
def test_a_plain_terminal_is_left_in_peace(term: str) -> None:
    plain = ClientTerminal({"TERM": term, "KITTY_WINDOW_ID": "1", "WT_SESSION": "x"})
    assert plain.queries() == plain.colour_queries() == b""
    assert plain.notification("a", "b") == b"\a"
    assert plain.progress(1, 50) == b""
    assert plain.clipboard(b"a", False) == b""
    assert ClientTerminal({}).queries() == b""


def test_apples_terminal_is_not_asked_what_it_would_print() -> None:
    asked = terminal(TERM_PROGRAM="Apple_Terminal").queries()
    assert b"$p" not in asked
    assert b">q" not in asked


# What it answers


def test_kittys_protocol() -> None:
    found = terminal()
    assert found.kitty is None
    assert found.reply(b"\x1b[?0u")
    assert found.kitty is True
    assert not found.reply(b"\x1b[?62;22c")
    assert found.kitty is True
    without = terminal()
    assert without.reply(b"\x1b[?1;2c")
    assert without.kitty is False
    assert without.reply(b"\x1b[?1u")  # the first one was late, and meant for somebody else
    assert without.kitty is True


@pytest.mark.parametrize(("value", "known"), [(0, False), (1, True), (2, True), (3, False), (4, False)])
def test_synchronized_output(value: int, known: bool) -> None:
    found = terminal()
    assert found.reply(b"\x1b[?2026;%d$y" % value) is known
    assert found.synchronized is known
    assert not found.reply(b"\x1b[?2027;1$y")


@pytest.mark.parametrize(
    ("text", "colour"),
    [
        (b"rgb:1010/1111/ffff", (16, 17, 255)),
        (b"rgb:10/11/ff", (16, 17, 255)),
        (b"rgb:0/8/f", (0, 136, 255)),
        (b"rgb:fff/000/800", (255, 0, 128)),
        (b"rgba:ffff/0000/8080/aaaa", (255, 0, 128)),
        (b"#08f", (0, 136, 255)),
        (b"#0080ff", (0, 128, 255)),
        (b"#00008080ffff", (0, 128, 255)),
        (b"rgb:1/2", None),
        (b"rgb:12345/1/1", None),
        (b"#12345", None),
        (b"?", None),
        (b"red", None),
    ],
)
def test_colours(text: bytes, colour: tuple[int, int, int] | None) -> None:
    found = terminal()
    for number in (10, 11, 12):
        assert found.reply(b"\x1b]%d;%b" % (number, text) + ST) is (colour is not None)
    assert found.reply(b"\x1b]4;3;%b\x07" % text) is (colour is not None)
    assert (found.foreground, found.background, found.cursor) == (colour, colour, colour)
    assert found.palette == [colour if place == 3 else None for place in range(16)]
    assert not found.reply(b"\x1b]4;16;%b\x07" % text)
    assert not found.reply(b"\x1b]4;3;%b\x07" % text)


def test_several_colours_in_one_reply() -> None:
    found = terminal()
    assert found.reply(b"\x1b]4;0;#000;1;#f00\x07")
    assert found.palette[:3] == [(0, 0, 0), (255, 0, 0), None]


def test_a_reply_of_any_length_may_come() -> None:
    found = terminal()
    for reply in (
        b"\x1b]4;" + b"0" * 2000 + b"3;#fff\x07",
        b"\x1b[?" + b"9" * 9000 + b"u",
        b"\x1b]11;" + b"#" * 9000 + ST,
    ):
        assert not found.reply(reply)


def test_dark_by_the_background_until_it_says_so_itself() -> None:
    found = terminal()
    assert found.dark is None
    found.reply(b"\x1b]11;#fff\x07")
    assert found.dark is False
    found.reply(b"\x1b]11;#123\x07")
    assert found.dark is True
    assert found.reply(b"\x1b[?997;2n")
    assert found.dark is False


def test_colours_are_asked_for_again_when_they_change_and_never_in_a_circle() -> None:
    found = terminal()
    found.queries()
    assert found.reply(b"\x1b[?997;1n")  # the answer
    assert not found.asked_again
    for theme in (2, 1, 1):
        assert found.reply(b"\x1b[?997;%dn" % theme)  # news
        assert found.asked_again
        found.colour_queries()
        assert not found.asked_again
        assert not found.reply(b"\x1b[?997;%dn" % theme)  # the answer
        assert not found.asked_again


def test_a_version_is_only_text_and_short() -> None:
    assert terminal("kitty(0.42.1)").version == "kitty(0.42.1)"
    assert terminal("a\u009c\u202eb\u00a0c" + "x" * 500).version == "a b c" + "x" * 95
    assert terminal("é" * 400).version == "é" * 100
    found = terminal()
    assert not found.reply(b"\x1bP>|\xff\x80" + ST) or found.version.isprintable()


# What it is sent

KITTY = b"\x1b]99;i=agentmux1:d=0:e=1;" + b64encode(b"api") + ST + b"\x1b]99;i=agentmux1:d=1:p=body:e=1;ZG9uZQ==" + ST
OSC_9 = b"\x1b]9;api: done" + ST
OSC_777 = b"\x1b]777;notify;api;done" + ST
BELL = b"\a"


@pytest.mark.parametrize(
    ("version", "env", "notification", "progress"),
    [
        ("", {}, BELL, False),
        ("kitty(0.42.1)", {}, KITTY, False),
        ("", {"TERM": "xterm-kitty"}, KITTY, False),
        ("", {"KITTY_WINDOW_ID": "1"}, KITTY, False),
        ("ghostty 1.2.3", {}, OSC_777, True),
        ("ghostty 1.1.3", {}, OSC_777, False),
        ("", {"TERM": "xterm-ghostty", "TERM_PROGRAM_VERSION": "1.3.1"}, OSC_777, True),
        ("", {"TERM": "xterm-ghostty"}, OSC_777, False),
        ("iTerm2 3.6.6", {}, OSC_9, True),
        ("iTerm2 3.5.14", {}, OSC_9, False),
        ("", {"LC_TERMINAL": "iTerm2", "LC_TERMINAL_VERSION": "3.6.10"}, OSC_9, True),
        ("", {"TERM_PROGRAM": "iTerm.app", "TERM_PROGRAM_VERSION": "3.4.0"}, OSC_9, False),
        ("WezTerm 20240203-110809-5046fc22", {}, OSC_777, False),
        ("WezTerm 20250612-000000-abcdef01", {}, OSC_777, True),
        ("foot(1.22.0)", {}, OSC_777, False),
        ("", {"TERM": "foot-extra"}, OSC_777, False),
        ("", {"TERM": "rxvt-unicode-256color"}, OSC_777 + BELL, False),
        ("VTE(8003)", {}, OSC_777 + BELL, True),
        ("", {"VTE_VERSION": "7603"}, OSC_777 + BELL, False),
        ("", {"WT_SESSION": "guid"}, OSC_777 + BELL, True),
        ("", {"ConEmuANSI": "ON"}, BELL, True),
        ("", {"ConEmuANSI": "OFF"}, BELL, False),
        ("Konsole 26.04.1", {}, BELL, True),
        ("", {"KONSOLE_VERSION": "260400"}, BELL, True),
        ("", {"KONSOLE_VERSION": "251203"}, BELL, False),
        ("mintty 3.6.1", {}, BELL, True),
        ("XTerm(390)", {}, BELL, False),
        ("tmux 3.4", {}, BELL, False),
        ("tmux 3.7a", {"TERM": "tmux-256color"}, BELL, True),
        ("tmux next-3.8", {}, BELL, False),
        ("", {"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, BELL, False),
        ("", {"TERM": "screen-256color", "WT_SESSION": "guid"}, BELL, False),
        ("", {"TMUX": "/tmp/x,1,0", "KITTY_WINDOW_ID": "1"}, BELL, False),
        ("kitty(0.42.1)", {"TMUX": "/tmp/x,1,0"}, KITTY, False),
        ("", {"STY": "1.pts", "KITTY_WINDOW_ID": "1"}, BELL, False),
        ("", {"ZELLIJ": "0", "KITTY_WINDOW_ID": "1"}, BELL, False),
        ("", {"TERM_PROGRAM": "vscode", "VTE_VERSION": "8003"}, BELL, True),
    ],
)
def test_each_terminal_gets_what_it_knows(
    version: str, env: dict[str, str], notification: bytes, progress: bool
) -> None:
    found = terminal(version, **env)
    assert found.notification("api", "done") == notification
    assert found.progress(1, 50) == (b"\x1b]9;4;1;50" + ST if progress else b"")


@pytest.mark.parametrize(
    ("state", "value", "sent"),
    [
        (0, None, b"\x1b]9;4;0"),
        (0, 50, b"\x1b]9;4;0"),
        (1, None, b"\x1b]9;4;1;0"),
        (1, 1000, b"\x1b]9;4;1;100"),
        (2, None, b"\x1b]9;4;2"),
        (2, -5, b"\x1b]9;4;2;0"),
        (3, 7, b"\x1b]9;4;3"),
        (4, 7, b"\x1b]9;4;4;7"),
    ],
)
def test_progress(state: int, value: int | None, sent: bytes) -> None:
    assert terminal(WT_SESSION="x").progress(state, value) == sent + ST


@pytest.mark.parametrize("state", [-1, 5])
def test_no_such_progress(state: int) -> None:
    assert terminal(WT_SESSION="x").progress(state, 1) == b""


def test_a_notification_says_what_it_can() -> None:
    foot, iterm = terminal("foot(1.22)"), terminal("iTerm2 3.6.6")
    assert foot.notification("a;b", "c;d") == b"\x1b]777;notify;a,b;c;d" + ST
    assert foot.notification("", "only") == b"\x1b]777;notify;only;" + ST
    assert foot.notification("a\x1b]52;c;AAAA\x07\u009db\n", "\x00") == b"\x1b]777;notify;a ]52,c,AAAA b;" + ST
    assert foot.notification("\udc80", "") == b"\a"
    assert iterm.notification("4;1;50", "") == b"\x1b]9; 4;1;50" + ST
    assert terminal("kitty(0.42)").notification("a", "") == b"\x1b]99;i=agentmux1:e=1;YQ==" + ST


def test_each_notification_is_another_one_to_kitty() -> None:
    found = terminal("kitty(0.42)")
    assert found.notification("a", "b") != found.notification("a", "b")


@pytest.mark.parametrize("version", ["kitty(1)", "iTerm2 3", "foot(1)", "VTE(1)", ""])
def test_a_notification_has_a_bound(version: str) -> None:
    sent = terminal(version).notification("ü" * 100_000, "語" * 100_000)
    assert len(sent) < 1500
    assert b"\xc3" + ST not in sent


def test_clipboard() -> None:
    found = terminal()
    assert found.clipboard(b"hi", False) == b"\x1b]52;c;aGk=" + ST
    assert found.clipboard(b"hi", True) == b"\x1b]52;p;aGk=" + ST
    assert found.clipboard(b"", False) == b""
    assert found.clipboard(b"a" * (CLIPBOARD_LIMIT + 1), False) == b""
    assert terminal(TERM="tmux-256color").clipboard(b"hi", False) == b"\x1b]52;c;aGk=" + ST
    assert terminal(TERM="screen-256color").clipboard(b"hi", False) == b"\x1b]52;c;aGk=" + ST
    assert terminal(TERM="screen", STY="1.pts").clipboard(b"hi", False) == b""
    assert terminal(TERM_PROGRAM="Apple_Terminal").clipboard(b"hi", False) == b""


# Whatever it answers

words = st.sampled_from(
    [
        *(b"\x1b[?", b"\x1b]4;", b"\x1b]11;", b"\x1bP>|", b"rgb:", b"ffff/", b"997;", b"2026;1$y", b"u", b"c", b"n"),
        *(b";", b"9" * 300, b"\x07", ST, b"kitty(", b"\xb2", b"3.6"),
    ]
)
replies = st.lists(words | st.binary(max_size=4), max_size=10).map(b"".join) | st.binary()
texts = st.text() | st.text(st.characters(max_codepoint=0xA0))
names = st.sampled_from(["TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "LC_TERMINAL", "VTE_VERSION", "TMUX"])


@given(st.lists(replies, max_size=6), st.dictionaries(names, texts), texts, texts)
def test_nothing_hostile_gets_through(answers: list[bytes], env: dict[str, str], title: str, body: str) -> None:
    found = ClientTerminal({"TERM": "xterm", **env})
    for answer in answers:
        found.reply(answer)
    assert len(found.version) <= 100
    assert found.version.isprintable()
    colours = [found.foreground, found.background, found.cursor, *found.palette]
    assert all(0 <= part <= 255 for colour in colours if colour for part in colour)
    sent = found.notification(title, body)
    assert len(sent) < 1500
    parts = sent.replace(ST, b"\n").split(b"\n")
    for part in parts[:-1]:  # each a sequence without an end inside
        inside = part.removeprefix(b"\x1b]").decode()
        assert part.startswith(b"\x1b]")
        assert inside.isprintable()
    assert parts[-1] in (b"", b"\a")
    found.progress(1, 2)


@given(st.lists(replies, max_size=6))
def test_whatever_the_decoder_takes_for_a_reply_can_be_learned(chunks: list[bytes]) -> None:
    decoder, found = InputDecoder("", {}), terminal()
    for chunk in chunks:
        for part in decoder.feed(chunk):
            if isinstance(part, Reply):
                found.reply(part.data)
