"""The scrollback viewer: driven by keys and mouse reports, looked at in an emulator."""

import base64
import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentmux.cli import pager as module
from agentmux.cli.overlay import Outcome
from agentmux.cli.pager import COPY_LIMIT, Pager
from agentmux.mux.screen import Screen

SIZE = (60, 11)
"""Ten rows of text and the status line."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agentmux.cli.overlay import Overlay


class Viewed:
    """A pager on a terminal."""

    def __init__(self, pager: Pager, size: tuple[int, int] = SIZE, before: bytes = b"") -> None:
        self.pager = pager
        self.terminal = Screen(size)
        self.terminal.feed(before)
        self.copied: list[str] = []
        self.draw()

    def draw(self) -> None:
        drawn = self.pager.draw(self.terminal.size)
        if drawn.startswith(b"\x1b]52;"):
            head, _, drawn = drawn.partition(b"\x1b\\")
            self.copied.append(base64.b64decode(head.removeprefix(b"\x1b]52;c;"), validate=True).decode())
        assert b"\x1b]52" not in drawn, "copied once, and before the picture"
        self.terminal.feed(drawn)
        assert self.terminal.history_rows == 0, "drawing may not scroll"

    def feed(self, *keys: bytes) -> Outcome | None:
        for part in keys:
            if (outcome := self.pager.feed(part)) is not None:
                return outcome
            self.draw()
        return None

    def resize(self, size: tuple[int, int]) -> None:
        self.terminal.close()
        self.terminal = Screen(size)
        self.draw()

    @property
    def rows(self) -> list[str]:
        return self.terminal.text_rows(0, self.terminal.size[1])

    @property
    def text(self) -> list[str]:
        return self.rows[:-1]

    @property
    def status(self) -> str:
        return self.rows[-1]

    @property
    def runs(self) -> list[list[tuple[str, str]]]:
        """Return each row's runs of text of one look, and the look."""
        return [runs(row) for row in self.terminal.text_rows(0, self.terminal.size[1], styled=True)]

    def marked(self, look: str) -> list[str]:
        """Return all text of one look above the status line."""
        return [text for row in self.runs[:-1] for text, its in row if its == look]


def runs(styled: str) -> list[tuple[str, str]]:
    """Return the runs of a row, each with its look: sorted numbers of SGR, colours of the palette as 38;5 and 48;5."""
    found: list[tuple[str, str]] = []
    look: set[str] = set()
    for numbers, text in re.findall(r"(?:\x1b\[([0-9;:]*)m|\x1b\]8;[^\x1b\x07]*(?:\x1b\\|\x07))?([^\x1b]*)", styled):
        for number in re.findall(r"[34]8[;:]5[;:]\d+|[34]8[;:]2[;:\d]+|\d+", numbers):
            if re.fullmatch("[34][0-7]", number):
                number = f"{number[0]}8;5;{number[1]}"
            look = set() if number == "0" else look | {number}
        if text and found and found[-1][1] == " ".join(sorted(look)):
            found[-1] = (found[-1][0] + text, found[-1][1])
        elif text:
            found.append((text, " ".join(sorted(look))))
    return found


REVERSE, CURRENT, CURSOR = "7", "38;5;0 48;5;3", "4 7"


def lines(count: int) -> list[str]:
    return [f"line {number}" for number in range(1, count + 1)]


def viewed(rows: list[str], size: tuple[int, int] = SIZE, columns: int = 60) -> Viewed:
    return Viewed(Pager("api", rows, 11, columns), size)


def mouse(button: int, x: int, y: int, *, release: bool = False) -> bytes:
    """Return a report for a column and row counted from 0."""
    return b"\x1b[<%d;%d;%d%c" % (button, x + 1, y + 1, b"m" if release else b"M")


def drag(*places: tuple[int, int]) -> bytes:
    first, *rest = places
    moves = b"".join(mouse(32, *place) for place in rest)
    return mouse(0, *first) + moves + mouse(0, *places[-1], release=True)


def click(x: int, y: int) -> bytes:
    return drag((x, y))


# Opening and drawing


def test_it_is_an_overlay() -> None:
    overlay: Overlay = Pager("api", ["text"], 1, 80)
    assert overlay.takes_mouse
    assert overlay.feed(b"q") == Outcome()


def test_it_opens_at_the_bottom() -> None:
    view = viewed(lines(100))
    assert view.text == [f"line {number}" for number in range(91, 101)]
    assert view.status.startswith("api  91-100/100 (100%)")
    assert view.status.endswith("q quit  / search  v select  h help")


def test_it_opens_on_the_screen_as_it_stands_when_its_last_rows_are_blank() -> None:
    live = Screen((60, 11))
    live.feed(b"".join(b"old %d\r\n" % number for number in range(30)) + b"\x1b[H\x1b[2J\x1b[1;31mnew\x1b[0m\r\n\r\n$ ")
    view = viewed(live.text_rows(-live.history_rows, 11, styled=True))
    assert view.text == live.text_rows(0, 10)
    assert view.text[0] == "new"
    total = live.history_rows + 3
    assert view.status.startswith(f"api  {total - 2}-{total}/{total} (100%)")
    view.feed(b"k")
    assert view.text[1] == "new"
    view.feed(b"G")
    assert view.text[0] == "new"


def test_a_terminal_higher_than_the_session_is_filled() -> None:
    assert viewed(lines(100), (60, 31)).text[0] == "line 71"
    assert viewed([*lines(100), *[""] * 9], (60, 31)).text[:22] == [f"line {n}" for n in range(80, 101)] + [""]


@pytest.mark.parametrize("rows", [[], [""], ["", ""], ["one"]])
def test_there_may_be_nearly_nothing(rows: list[str]) -> None:
    view = viewed(rows)
    assert view.text == [*(row for row in rows if row), *[""] * (10 - len("".join(rows) and rows))]
    view.feed(b"vjky", b"/x\r", b"n", b"?\r", b"G", b"g", b"5j", drag((0, 0), (5, 5)), click(0, 0) * 3, b" b")
    assert view.feed(b"q") == Outcome()


def test_colours_and_links_are_shown_and_end_with_their_row() -> None:
    live = Screen((60, 4))
    live.feed(b"\x1b[1;31mred\x1b[0m \x1b]8;;http://a/b\x1b\\link\r\nmore\x1b]8;;\x1b\\ \x1b[44mblue\r\n")
    rows = live.text_rows(0, 4, styled=True)
    view = viewed([*rows[:1], "\x1b[32m\x1b]8;;http://c\x07open", "plain"])
    assert view.runs[0] == runs(rows[0]) == [("red", "1 38;5;1"), (" link", "")]
    drawn = view.pager.draw(SIZE)
    assert b"http://c\x07open\x1b[0m\x1b]8;;\x1b\\" in drawn
    assert view.runs[2] == [("plain", "")]
    assert view.terminal.text_rows(2, 3, styled=True)[0].count("http") == 0


def test_other_controls_are_taken_out() -> None:
    bad = "a\x1b[2Jb\x1b]2;title\x07c\x1b]52;c;eA==\x1b\\d\te\rf\x9bg\ah\x1b(0i\x1bPj\x1b\\k"
    bad += "\x1b[31;l\x1bc\x7fm\x1b]8;;x\x1b"
    view = viewed([bad, "next\nrow", "last"])
    assert view.text[0] == "abcdefghik" + "m8;;x"
    assert view.text[1:3] == ["nextrow", "last"]
    view.feed(b"/efgh\r")
    assert view.marked(CURRENT) == ["efgh"]
    view.feed(b"/last\r")
    assert view.marked(CURRENT) == ["last"]


@pytest.mark.parametrize(
    "before",
    [
        b"\x1b[5;10r\x1b[?6h",
        b"\x1b[?2026h",
        b"\x1b]2;half a title",
        b"\x1b[4h\x1b(0\x0e",
        b"\x1b[?69h\x1b[10;20s",
        b"\x1b[41m\x1b]8;;http://a\x07text",
    ],
)
def test_it_is_readable_whatever_the_program_left(before: bytes) -> None:
    view = Viewed(Pager("api", lines(30), 11, 60), before=before)
    assert view.text == lines(30)[-10:]
    assert view.runs[0] == [("line 21", "")]


def test_the_terminal_reports_the_mouse_and_has_no_cursor() -> None:
    view = Viewed(Pager("api", lines(30), 11, 60), before=b"\x1b[?1003h\x1b[?1016h")
    modes = {mode: view.terminal._terminal.mode(mode) for mode in (1000, 1002, 1003, 1006, 1016, 25, 7, 2026)}
    assert modes == {1000: True, 1002: True, 1003: False, 1006: True, 1016: False, 25: False, 7: True, 2026: False}


def test_only_what_changed_is_drawn_until_somebody_else_wrote() -> None:
    pager = Pager("api", lines(30), 11, 60)
    whole = pager.draw(SIZE)
    assert b"line 21" in whole
    assert pager.feed(b"/") is None
    assert b"line 21" not in pager.draw(SIZE)
    assert b"line 21" in pager.draw(SIZE)
    pager.feed(b"\x1b")
    assert b"line 21" in pager.draw((61, 11))
    pager.feed(b"\x0c")
    assert b"line 21" in pager.draw((61, 11))


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (2, 2), (5, 3), (10, 2), (300, 100)])
def test_it_fits_any_terminal(size: tuple[int, int]) -> None:
    view = viewed([*lines(50), "日本語 " * 30], size)
    for keys in (b"g", b"/line 3\r", b"n", b"N", b"?", b"x" * 20, b"\x1b", b"v", b"j", b"y", b"h", b"j", b"q", b"50g"):
        view.feed(keys, mouse(65, 0, 0), drag((0, 0), (size[0] - 1, size[1] - 1)))


def test_the_status_line_gives_up_the_hint_then_the_name() -> None:
    for columns, expected in [
        (60, "api  90-99/99 (100%)      q quit  / search  v select  h help"),
        (40, "api  90-99/99 (100%)      q quit  h help"),
        (30, "api  90-99/99 (100%)    q quit"),
        (21, "api  90-99/99 (100%)"),
        (18, "90-99/99 (100%)"),
        (7, "90-99/9"),
    ]:
        assert viewed(lines(99), (columns, 11)).status == expected


def test_the_status_line_is_reversed_to_the_edge() -> None:
    view = viewed(lines(99), (30, 4))
    assert view.runs[-1] == [("api  97-99/99 (100%)    q quit", REVERSE)]
    view.resize((21, 4))
    assert view.runs[-1] == [("api  97-99/99 (100%) ", REVERSE)]


def test_another_size_keeps_the_top_line() -> None:
    view = viewed(lines(100))
    view.feed(b"40g")
    for size in [(30, 5), (30, 1), (80, 40), (60, 11)]:
        view.resize(size)
        assert view.text[:1] == ["line 40"][: size[1] - 1]
    view.feed(b"G")
    view.resize((60, 21))
    assert view.text[0] == "line 81"


# Moving


@pytest.mark.parametrize(
    ("keys", "top"),
    [
        (b"j", 51),
        (b"\x1b[B", 51),
        (b"\x1bOB", 51),
        (b"\r", 51),
        (b"e", 51),
        (b"\x05", 51),
        (b"\x0e", 51),
        (b"\x1b[101;5u", 51),
        (b"\x1b[27;5;101~", 51),
        (b"k", 49),
        (b"\x1b[A", 49),
        (b"y", 49),
        (b"\x19", 49),
        (b"\x10", 49),
        (b" ", 60),
        (b"f", 60),
        (b"\x1b[6~", 60),
        (b"\x06", 60),
        (b"\x16", 60),
        (b"\x1b[32u", 60),
        (b"b", 40),
        (b"\x1b[5~", 40),
        (b"\x02", 40),
        (b"\x1bv", 40),
        (b"d", 55),
        (b"\x04", 55),
        (b"u", 45),
        (b"\x15", 45),
        (b"g", 1),
        (b"<", 1),
        (b"\x1b[H", 1),
        (b"\x1bOH", 1),
        (b"\x1b[1~", 1),
        (b"G", 191),
        (b">", 191),
        (b"\x1b[F", 191),
        (b"\x1b[4~", 191),
        (b"\x1b[103;2u", 191),
        (b"70g", 70),
        (b"70G", 70),
        (b"\x1b[55;1u\x1b[48ug", 70),
        (b"999g", 191),
        (b"0g", 1),
        (b"7j", 57),
        (b"7k", 43),
        (b"70\x7fj", 57),
        (b"70\x03j", 51),
        (b"70xj", 51),
        (mouse(65, 3, 3), 53),
        (mouse(64, 3, 3), 47),
        (mouse(65 + 4, 3, 3), 53),
        (mouse(65, 3, 3) * 3, 59),
        (b"jjk", 51),
        (b"\x1b[106;1:3u", 50),
        (b"\x1b[1;1:3B", 50),
        (b"\x1b[1;1:2B", 51),
        (b"\x1b[57441u", 50),
        (b"\x1b[200~jjj\x1bOBq\x1b[201~", 50),
        (b"\x1b[200~jjj\x1b[201~j", 51),
        (b"\x1b[I\x1b[O\x1b[M !!\xff\xc3\xa9z\x1bq", 50),
        (mouse(35, 3, 3) + mouse(2, 3, 3) + mouse(2, 3, 3, release=True), 50),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_keys_scroll_as_in_less(keys: bytes, top: int, at_once: bool) -> None:
    view = viewed(lines(200))
    view.feed(b"50g" + keys if at_once else b"50g", *([] if at_once else [keys]))
    assert view.text[0] == f"line {top}"


def test_a_paste_in_parts_is_no_keys() -> None:
    view = viewed(lines(200))
    assert view.feed(b"g\x1b[200~jj", b"q", b"jj\x1b[201~j") is None
    assert view.text[0] == "line 2"
    assert view.feed(b"\x1b[200~jj\x1b[2", b"01", b"~j") is None
    assert view.text[0] == "line 3"
    assert view.feed(b"\x1b[200~jj", b"q", b"\x1b", b"j") is None, "a paste whose end is lost can be left"
    assert view.text[0] == "line 4"
    view.feed(b"/\x1b[200~li", b"ne 9", b"5\x1b", b"[201~\r")
    assert view.marked(CURRENT) == ["line 95"]


@pytest.mark.parametrize("keys", [b"q", b"Q", b"\x1b", b"\x03", b"jjq", b"\x1b[27u", b"\x1b[99;5u", b"\x1b[27;5;99~"])
def test_it_ends(keys: bytes) -> None:
    assert viewed(lines(30)).feed(keys) == Outcome()


def test_the_number_typed_is_shown() -> None:
    view = viewed(lines(200))
    view.feed(b"123")
    assert view.status.startswith(":123  ")
    view.feed(b"g")
    assert view.status.startswith("api  123-132/200 (66%)")


def test_wide_lines_are_scrolled_to_the_side() -> None:
    row = "".join(f"{number:<5}" for number in range(0, 100, 5))  # each number says its column
    view = viewed([f"\x1b[32m{row}\x1b[0m"], (20, 11), columns=100)
    assert view.text[0] == row[:20].rstrip()
    view.feed(b"\x1b[C")
    assert view.text[0] == row[10:30].rstrip()
    assert view.runs[0] == [(row[10:30], "38;5;2")]
    assert "col 11" in view.status
    view.feed(b"\x1b[C" * 20)
    assert view.text[0] == row[80:].rstrip()
    view.feed(b"\x1b[D")
    assert view.text[0] == row[70:90].rstrip()
    view.feed(b"\x1b[D" * 20)
    assert view.text[0] == row[:20].rstrip()
    view.resize((100, 11))
    view.feed(b"\x1b[C")
    assert view.text[0] == row.rstrip()


def test_half_a_wide_character_at_an_edge_is_blank() -> None:
    view = viewed(["日本語日本語"], (4, 3), columns=12)
    assert view.text[0] == "日本"
    view.feed(mouse(67, 0, 0))
    assert view.text[0] == " 語"
    view.resize((5, 3))
    assert view.text[0] == " 語日"
    view.feed("/本\r".encode())
    assert view.text[0] == " 本語", "a match that was cut is scrolled to"


# Searching


SOME = [f"row {number}: {word}" for number, word in enumerate(["alpha", "Beta", "gamma beta", "delta"] * 25, 1)]


def test_a_search_goes_to_the_first_match_and_marks_all() -> None:
    view = viewed(SOME)
    view.feed(b"g", b"/beta\r")
    assert view.text[0] == "row 1: alpha"
    assert view.marked(CURRENT) == ["Beta"]
    assert view.marked(REVERSE) == ["beta", "Beta", "beta", "Beta"]
    view.feed(b"n")
    assert view.marked(CURRENT) == ["beta"]
    assert view.marked(REVERSE) == ["Beta", "Beta", "beta", "Beta"]
    view.feed(b"N")
    assert view.marked(CURRENT) == ["Beta"]
    view.feed(b"nnnnn")
    assert view.text[3] == "row 11: gamma beta", "a match elsewhere is shown with some rows above it"
    assert view.marked(CURRENT) == ["beta"]


def test_a_pattern_with_capitals_is_exact() -> None:
    view = viewed(SOME)
    view.feed(b"g", b"/Beta\r")
    assert view.marked(CURRENT) == ["Beta"]
    assert view.marked(REVERSE) == ["Beta", "Beta"]
    view.feed(b"n")
    assert view.marked(CURRENT) == ["Beta"]
    assert view.marked(REVERSE) == ["Beta", "Beta"]


def test_backward_is_from_the_bottom_and_n_goes_on_that_way() -> None:
    view = viewed(SOME)
    view.feed(b"?row 9\r")
    assert view.text.index("row 99: gamma beta") == 8
    assert view.runs[8][0] == ("row 9", CURRENT)
    view.feed(b"n" * 9)
    assert view.text[3] == "row 90: Beta"
    view.feed(b"n")
    assert view.text[3] == "row 9: alpha"
    view.feed(b"n")
    assert view.status.startswith("went on from the bottom  ")
    assert view.text[-2] == "row 99: gamma beta"
    view.feed(b"N")
    assert view.status.startswith("went on from the top  ")
    assert "row 9: alpha" in view.text


def test_matches_in_one_row_are_gone_through() -> None:
    view = viewed(["aaa b a", "c a"])
    view.feed(b"/a\r")
    seen = []
    for _ in range(6):
        seen.append(view.pager._match)
        view.feed(b"n")
    assert seen == [(0, 0), (0, 1), (0, 2), (0, 6), (1, 2), (0, 0)]
    view.feed(b"?a\r")
    seen = []
    for _ in range(6):
        seen.append(view.pager._match)
        view.feed(b"n")
    assert seen == [(1, 2), (0, 6), (0, 2), (0, 1), (0, 0), (1, 2)]


def test_a_pattern_that_is_nowhere() -> None:
    view = viewed(SOME)
    view.feed(b"/nowhere\r")
    assert view.status.startswith("pattern not found  ")
    assert view.text == SOME[-10:]
    view.feed(b"k")
    assert view.status.startswith("api  ")


def test_a_pattern_is_plain_text_within_a_row_and_not_in_escapes() -> None:
    view = viewed(["a.c", "\x1b[31mab\x1b[1mc\x1b[0m[31m", "(x", "y)"], columns=60)
    view.feed(b"/a.c\r", b"n")
    assert view.marked(CURRENT) == ["a.c"]
    view.feed(b"/abc\r")
    assert view.marked(CURRENT) == ["abc"], "colours in it are no part of it"
    view.feed(b"/[31m\r")
    assert view.marked(CURRENT) == ["[31m"]
    view.feed(b"/(xy\r")
    assert view.status.startswith("pattern not found")


def test_letters_whose_lower_case_is_longer() -> None:
    view = viewed(["\u0130\u0130\u0130 needle \u0130x"])
    view.feed(b"/needle\r")
    assert view.marked(CURRENT) == ["needle"]
    letters = "".join(map(chr, range(sys.maxunicode + 1)))
    assert len(module._lower(letters)) == len(letters)


def test_a_pattern_is_typed_at_the_bottom_row() -> None:
    view = viewed(SOME)
    for keys, shown in [
        (b"/", "/"),
        (b"be x", "/be x"),
        (b"\x7f\x7f", "/be"),
        (b"\b", "/b"),
        ("\u65e5\u00e9".encode(), "/b\u65e5\u00e9"),
        (b"\x15", "/"),
        (b"qjvhn?/", "/qjvhn?/"),
        (b"\x17", "/"),
        (b"a b\x17", "/a"),
        (b"\x1b[67;2u\x1b[32u\x1b[97;;98u\x1b[27;2;65~\x1b[97;1:3u", "/a C bA"),
        (b"\x1b[200~p q\nr\x1b[201~", "/a C bAp q"),
        (b"\x1b[D\x1b[1;5C\x1bx\x00\xff\t" + mouse(0, 1, 1) + mouse(64, 1, 1), "/a C bAp q"),
        (b"z" * 100, "z" * 59),
    ]:
        view.feed(keys)
        assert view.status == shown.rstrip(), keys
    assert view.feed(b"\x1b") is None
    assert view.status.startswith("api  ")
    for keys in (b"/\x03", b"?\x7f", b"/x\x7f\x7f"):
        assert view.feed(keys) is None
        assert view.status.startswith("api  "), "given up"


def test_the_pattern_typed_is_in_the_status_line_with_a_cursor() -> None:
    view = viewed(SOME, (20, 5))
    view.feed(b"?ab")
    assert view.runs[-1] == [("?ab", REVERSE), (" ", ""), (" " * 16, REVERSE)]


def test_patterns_before_come_back() -> None:
    view = viewed(SOME)
    view.feed(b"/one\r", b"/two\r", b"/one\r", b"?")
    shown = []
    for key in (b"\x1b[A", b"\x1b[A", b"\x1b[A", b"\x1b[B", b"\x1b[B"):
        view.feed(key)
        shown.append(view.status)
    assert shown == ["?one", "?two", "?two", "?one", "?"]


def test_an_empty_pattern_is_the_last_one() -> None:
    view = viewed(SOME)
    view.feed(b"n")
    assert view.status.startswith("no pattern yet  ")
    view.feed(b"g/\r")
    assert view.status.startswith("no pattern yet  ")
    view.feed(b"/delta\r", b"/\r")
    assert view.text[7] == "row 8: delta"
    assert view.pager._match == (7, 7)
    view.feed(b"?\r")
    assert view.pager._match == (3, 7)


def test_a_match_to_the_side_is_scrolled_to() -> None:
    view = viewed(["x" * 50 + "needle" + "y" * 44], (20, 5), columns=100)
    view.feed(b"/needle\r")
    assert view.marked(CURRENT) == ["needle"]
    view.feed(b"/xxx\r")
    assert view.marked(CURRENT) == ["xxx"]


def test_a_search_does_no_work_per_row() -> None:
    def work(rows: int) -> int:
        """Return how many functions ran for a search with a match far away, and one without."""
        pager = Pager("api", [f"\x1b[32mrow {row}\x1b[0m é {'word ' * 10}" for row in range(rows)], 50, 80)
        pager.draw((80, 50))
        pager.feed(b"/row 1 \r")
        calls = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        before = sys.getprofile()
        sys.setprofile(count)
        try:
            pager.feed(b"n?nothing\rG?row 7 \r")
        finally:
            sys.setprofile(before)
        return calls

    assert work(20_000) <= work(200) + 10


# Selecting with the mouse


TEXT = ["one two  ", "日本語 café.txt:7, x", "", "(cd ~/src/app && make)   ", "e\u0301e\u0301 end"]


@pytest.mark.parametrize(
    ("places", "copied"),
    [
        ([(0, 0), (2, 0)], "one"),
        ([(2, 0), (0, 0)], "one"),
        ([(4, 0), (40, 0)], "two"),
        ([(4, 0), (3, 1)], "two\n日本"),
        ([(4, 0), (2, 1)], "two\n日本"),
        ([(5, 1), (2, 1)], "本語"),
        ([(3, 1), (3, 1), (4, 1)], "本語"),
        ([(4, 0), (0, 3)], "two\n日本語 café.txt:7, x\n\n("),
        ([(0, 4), (1, 4)], "e\u0301e\u0301"),
        ([(1, 4), (1, 4), (0, 4)], "e\u0301e\u0301"),
        ([(2, 0), (3, 0), (2, 0)], "e"),
        ([(4, 4), (9, 8)], "nd"),
        ([(9, 0), (9, 0)], None),
        ([(2, 0), (2, 0)], None),
        ([(0, 2), (9, 2)], None),
    ],
)
def test_dragging_copies_from_character_to_character(places: list[tuple[int, int]], copied: str | None) -> None:
    view = viewed(TEXT)
    view.feed(drag(*places))
    assert view.copied == ([] if copied is None else [copied])
    if copied is not None:
        assert view.status.startswith(f"copied {len(copied)} characters")
    view.draw()
    assert len(view.copied) <= 1


def test_what_is_being_dragged_over_is_marked_until_the_next_key() -> None:
    view = viewed(TEXT)
    view.feed(mouse(0, 4, 0), mouse(32, 3, 1))
    assert view.marked(REVERSE) == ["two   ", "日本"]
    view.feed(mouse(32, 0, 3))
    assert view.marked(REVERSE) == ["two   ", "日本語 café.txt:7, x ", " ", "("], "line ends are marked as well"
    view.feed(mouse(0, 0, 3, release=True))
    assert view.marked(REVERSE)
    view.feed(mouse(65, 0, 3), mouse(35, 5, 5), b"\x1b[106;1:3u")
    assert view.marked(REVERSE)
    view.feed(b"k")
    assert not view.marked(REVERSE)
    view.feed(drag((0, 0), (2, 0)), click(0, 1))
    assert not view.marked(REVERSE)


def test_marks_cover_colours_and_these_come_back_after() -> None:
    view = viewed(["\x1b[31mred \x1b[7mfull\x1b[0m plain"])
    view.feed(drag((2, 0), (5, 0)))
    assert view.runs[0] == [
        ("re", "38;5;1"),
        ("d fu", REVERSE),
        ("ll", "38;5;1 7"),
        (" plain", ""),
    ]


def test_selecting_where_it_was_scrolled_to() -> None:
    view = viewed(["0123456789" * 10] * 3, (20, 5), columns=100)
    view.feed(b"\x1b[C", drag((2, 1), (4, 1)))
    assert view.copied == ["234"]
    assert view.marked(REVERSE) == ["234"]


def test_dragging_past_an_edge_scrolls() -> None:
    view = viewed(lines(100))
    view.feed(b"50g", mouse(0, 0, 5), mouse(32, 0, 1), mouse(32, 0, 0), mouse(32, 1, 0))
    assert view.text[0] == "line 48"
    view.feed(mouse(0, 1, 0, release=True))
    assert view.copied[-1].split("\n") == ["ine 48", *[f"line {n}" for n in range(49, 55)], "l"]
    view.feed(b"50g", mouse(0, 0, 8), *[mouse(32, x, 10) for x in range(4)])
    assert view.text[0] == "line 54"
    view.feed(mouse(0, 3, 10, release=True))
    assert view.copied[-1].split("\n") == [*[f"line {n}" for n in range(58, 63)], "line"]


def test_a_drag_along_the_first_row_does_not_scroll() -> None:
    view = viewed(lines(100))
    view.feed(b"50g", drag((0, 0), (1, 0), (2, 0), (3, 0)))
    assert view.text[0] == "line 50"
    assert view.copied == ["line"]


def test_the_wheel_scrolls_within_a_drag() -> None:
    view = viewed(lines(100))
    view.feed(b"50g", mouse(0, 0, 0), mouse(65, 0, 0), mouse(32, 3, 0), mouse(0, 3, 0, release=True))
    assert view.copied == ["line 50\nline 51\nline 52\nline"]


@pytest.mark.parametrize(
    ("place", "word"),
    [
        ((1, 0), "one"),
        ((9, 1), "café.txt:7"),
        ((16, 1), "café.txt:7"),
        ((1, 1), "日本語"),
        ((1, 3), "cd"),
        ((6, 3), "~/src/app"),
        ((0, 3), "("),
        ((17, 1), ","),
        ((1, 4), "e\u0301e\u0301"),
        ((3, 0), None),
        ((0, 2), None),
    ],
)
def test_a_double_click_copies_a_word(place: tuple[int, int], word: str | None) -> None:
    view = viewed(TEXT)
    view.feed(click(*place), click(*place))
    assert view.copied == ([] if word is None else [word])
    if word is None:
        assert view.status.startswith("nothing to copy")
    else:
        assert view.marked(REVERSE) == [word]


def test_a_word_before_a_stop_ends_there() -> None:
    view = viewed(["see a/b.py: it's there."])
    view.feed(click(5, 0) * 2)
    view.feed(b"k", click(19, 0) * 2)
    assert view.copied == ["a/b.py", "there"]


def test_a_triple_click_copies_a_line() -> None:
    view = viewed(TEXT)
    view.feed(click(1, 3), click(1, 3), click(1, 3))
    assert view.copied == ["cd", TEXT[3].rstrip()]
    view.feed(click(1, 3))
    assert len(view.copied) == 2
    assert not view.marked(REVERSE)


def test_clicks_apart_are_single() -> None:
    view = viewed(TEXT)
    view.feed(click(1, 3), click(2, 3), b"k", click(2, 3), mouse(65, 1, 1) + b"j", click(2, 3))
    view.feed(b"k", drag((2, 3), (3, 3), (2, 3)), click(2, 3))
    assert view.copied == ["d"]


def test_a_press_on_the_status_line_selects_nothing() -> None:
    view = viewed(lines(30))
    view.feed(mouse(0, 0, 10), mouse(32, 5, 3), mouse(0, 5, 3, release=True))
    assert not view.copied


# Selecting with keys


def test_lines_are_marked_from_the_top_one() -> None:
    view = viewed(lines(100))
    view.feed(b"50g", b"v")
    assert view.marked(CURSOR) == ["line 50".ljust(60)]
    assert view.status.startswith("1 lines  50-59/100 (59%)")
    view.feed(b"jj")
    assert view.marked(REVERSE) == ["line 50".ljust(60), "line 51".ljust(60)]
    assert view.marked(CURSOR) == ["line 52".ljust(60)]
    view.feed(b"y")
    assert view.copied == ["line 50\nline 51\nline 52"]
    assert view.status.startswith("copied 23 characters")
    assert not view.marked(REVERSE)
    view.feed(b"y")
    assert view.text[0] == "line 49", "y scrolls again"


@pytest.mark.parametrize(
    ("keys", "copied"),
    [
        (b"Vy", (50, 50)),
        (b"v\r", (50, 50)),
        (b"v\x1b[13u", (50, 50)),
        (b"vky", (49, 50)),
        (b"vjjvjy", (52, 53)),
        (b"v12jy", (50, 62)),
        (b"v y", (50, 60)),
        (b"vby", (40, 50)),
        (b"vdy", (50, 55)),
        (b"vgy", (1, 50)),
        (b"vGy", (50, 100)),
        (b"v70gy", (50, 70)),
        (b"v999jy", (50, 100)),
        (b"v/line 77\ry", (50, 77)),
        (b"/line 53\rvjy", (53, 54)),
    ],
)
def test_all_moves_extend_the_marked_lines(keys: bytes, copied: tuple[int, int]) -> None:
    view = viewed(lines(100))
    view.feed(b"50g", keys)
    assert view.copied == ["\n".join(lines(100)[copied[0] - 1 : copied[1]])]


def test_the_line_where_one_is_stays_in_view() -> None:
    view = viewed(lines(100))
    view.feed(b"50gv", b"j" * 12)
    assert view.marked(CURSOR) == ["line 62".ljust(60)]
    assert view.text[-1] == "line 62"
    view.feed(b"k" * 20)
    assert view.text[0] == "line 42"


@pytest.mark.parametrize("key", [b"\x1b", b"\x03", b"\x1b[27u"])
def test_escape_stops_marking_only(key: bytes) -> None:
    view = viewed(lines(100))
    assert view.feed(b"vj", key) is None
    assert not view.marked(REVERSE)
    assert not view.copied
    assert view.feed(key) == Outcome()


def test_a_click_stops_marking() -> None:
    view = viewed(lines(100))
    view.feed(b"vj", click(3, 3), b"y")
    assert not view.copied


# Copying


def test_copying_is_bounded() -> None:
    view = viewed(["é" * 1000] * 1000)
    view.feed(b"gvGy")
    assert COPY_LIMIT - 4 < len(view.copied[0].encode()) <= COPY_LIMIT
    assert view.status.startswith(f"copied {len(view.copied[0])} characters, the rest is too much")


def test_only_the_last_of_two_copies_is_sent() -> None:
    view = viewed(lines(20))
    view.feed(b"gvyjvy")
    assert view.copied == ["line 2"]


# Help


@pytest.mark.parametrize("key", [b"h", b"\x1bOP", b"\x1b[11~", b"\x1b[P", b"\x1b[[A"])
def test_help_is_a_pager_of_its_own(key: bytes) -> None:
    view = viewed(lines(100))
    view.feed(b"50g", key)
    assert view.text[0] == module._HELP[0]
    assert view.status.startswith("keys  1-10/")
    assert view.status.endswith("q back")
    view.feed(b"G")
    assert view.text[-1] == module._HELP[-1]
    view.feed(b"/drag\r", b"\x1b[200~q")
    assert view.marked(CURRENT) == ["drag"]
    view.feed(b"q\x1b[201~")
    assert view.feed(b"q") is None
    assert view.text[0] == "line 50"
    assert view.feed(b"hhj") is None
    assert view.text[0] == "line 51"


def test_help_names_every_action() -> None:
    page = " ".join(module._HELP)
    for action in set(module._ACTIONS.values()):
        names = [name for name, what in module._ACTIONS.items() if what == action]
        assert any(re.search(rf"(?:^| ){re.escape(name)}(?: |pattern)", page) for name in names), action


def test_what_was_copied_before_help_is_sent() -> None:
    view = viewed(lines(100))
    view.feed(b"gvyh")
    assert view.copied == ["line 1"]


# Anything

PIECES = [
    *("word ", "x" * 30, "日本", "e\u0301", "👩\u200d💻", "🇩🇪", "\u200b", "ｱ", "한", "\u0301", " "),
    *("\x1b[31m", "\x1b[0m", "\x1b[7;44m", "\x1b[38;2;1;2;3m", "\x1b[0;1m", "\x1b[m"),
    *("\x1b]8;;http://a\x1b\\", "\x1b]8;id=1;b\x07", "\x1b]8;;\x1b\\", "\x1b]8;;"),
    *("\x1b", "\x1b[", "\x1b[2J", "\r", "\t", "\n", "\x9b", "\x1b]2;x\x07", "\udc80", "\ud800", "\x1b(0", "\x1b\\"),
]
KEYS = [
    *(b"j", b"k", b" ", b"b", b"g", b"G", b"7", b"0", b"u", b"d", b"v", b"y", b"\r", b"n", b"N", b"/", b"?", b"h"),
    *(b"w", b"/w\r", b"?d\r", "/日\r".encode(), "/\u0301\r".encode(), b"\x7f", b"\x15", b"\x1b[A", b"\x1b[C"),
    *(b"\x1b[D", b"\x1b", b"\x1b[200~w\x1b[201~", b"\x1b[200~", b"\x1b[201~", b"\x1b[118;1u", b"\x0c"),
]
BUTTONS = st.sampled_from([0, 0, 32, 32, 2, 35, 64, 65, 66, 67, 99999])
PLACE = st.tuples(BUTTONS, st.integers(-1, 50), st.integers(-1, 14))
FED = st.one_of(
    st.lists(st.sampled_from(KEYS), max_size=6).map(b"".join),
    st.lists(st.builds(lambda place, up: mouse(*place, release=up), PLACE, st.booleans()), max_size=5).map(b"".join),
    st.binary(max_size=20),
)
RESIZED = st.tuples(st.integers(0, 45), st.integers(0, 14))
Step = tuple[tuple[int, int] | None, bytes]


ROWS = st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), max_size=30)
STEPS = st.lists(st.tuples(st.none() | RESIZED, FED), max_size=12)


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, screen_rows=st.integers(-1, 35), steps=STEPS)
def test_any_keys_at_any_size(rows: list[str], screen_rows: int, steps: list[Step]) -> None:
    follow(rows, screen_rows, steps)


@pytest.mark.prove
@settings(max_examples=2000, deadline=None)
@given(rows=ROWS, screen_rows=st.integers(-1, 35), steps=STEPS)
def test_any_keys_at_any_size_for_long(rows: list[str], screen_rows: int, steps: list[Step]) -> None:
    follow(rows, screen_rows, steps)


def follow(rows: list[str], screen_rows: int, steps: list[Step]) -> None:
    """Draw and feed a pager in turn, and check each picture."""
    pager = Pager("a\x1b日", rows, screen_rows, 40)
    size = (20, 6)
    terminal = Screen(size)
    for new_size, keys in steps:
        if new_size is not None:
            terminal.close()
            size = new_size
            terminal = Screen((max(1, size[0]), max(1, size[1])))
        drawn = pager.draw(size)
        terminal.feed(drawn)
        check(drawn, terminal)
        if pager.feed(keys) is not None:
            pager = Pager("again", rows, screen_rows, 40)
        terminal.feed(pager.draw(size))
        shown = terminal.text_rows(0, terminal.size[1], styled=True)
        drawn = pager.draw(size)
        terminal.feed(drawn)
        assert terminal.text_rows(0, terminal.size[1], styled=True) == shown, "what changed makes the whole picture"
        check(drawn, terminal)
    terminal.close()


def check(drawn: bytes, terminal: Screen) -> None:
    """Check that a whole picture stayed inside the terminal, and what it left behind."""
    columns, rows = terminal.size
    assert terminal.history_rows == 0
    assert terminal._terminal.mode(7), "autowrap"
    assert not terminal._terminal.mode(2026)
    assert not re.search(rb"[\n\r\t]", drawn)
    assert all(int(row) <= rows for row in re.findall(rb"\x1b\[(\d+);1H", drawn))
    larger = Screen((columns + 9, rows + 4))
    larger.feed(drawn + b"\x1b[%d;%dHPEN" % (rows + 2, columns + 1))
    assert runs(larger.text_rows(rows + 1, rows + 2, styled=True)[0]) == [(" " * columns + "PEN", "")], "no pen is left"
    shown = larger.text_rows(0, rows + 4)
    # With autowrap off, an accent in the last column goes to the character before.
    wide, exact = (
        [re.sub("[\u0301\u200b\u200d]", "", row).rstrip() for row in some]
        for some in (shown[:rows], terminal.text_rows(0, rows))
    )
    assert wide == exact, "nothing is drawn to the right of it"
    assert not any(shown[rows : rows + 1] + shown[rows + 2 :]), "nothing is drawn below it"
    larger.close()
