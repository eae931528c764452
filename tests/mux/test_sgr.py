"""Styled rows, taken apart."""

import pytest

from agentmux.mux.screen import Screen
from agentmux.mux.sgr import PLAIN, Style, rgb, runs, styled


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("31", Style(foreground=1)),
        ("97;104", Style(foreground=15, background=12)),
        ("38;5;200", Style(foreground=200)),
        ("38:5:200", Style(foreground=200)),
        ("38;2;1;2;3;1", Style(foreground=(1, 2, 3), bold=True)),
        ("48:2::9:8:7", Style(background=(9, 8, 7))),
        ("48:2:9:8:7", Style(background=(9, 8, 7))),
        ("38;2;999;2;3", Style(foreground=(255, 2, 3))),
        ("4", Style(underline=1)),
        ("4:3;58;5;9", Style(underline=3, underline_colour=9)),
        ("4:9", Style(underline=5)),
        ("21", Style(underline=2)),
        ("1;2;3;5;7;8;9;53", Style(bold=True, faint=True, italic=True, blink=True, inverse=True,
                                   invisible=True, strike=True, overline=True)),
        ("1;31;0", PLAIN),
        ("1;;3", Style(italic=True)),
        ("", PLAIN),
        ("38", PLAIN),
        ("38;5", PLAIN),
        ("38;7;1", Style(inverse=True, bold=True)),
        ("999;1", Style(bold=True)),
        ("99999999999", PLAIN),
    ],
)  # fmt: skip
def test_a_style_after_an_sgr(parameters: str, expected: Style) -> None:
    assert styled(PLAIN, parameters) == expected


def test_everything_can_be_turned_off_by_itself() -> None:
    on = styled(PLAIN, "1;2;3;4;5;7;8;9;53;31;42;58;5;1")
    assert styled(on, "22;23;24;25;27;28;29;55;39;49;59") == PLAIN


def test_a_link_outlives_a_reset() -> None:
    row = "a\x1b]8;id=1;http://x/y\x1b\\b\x1b[1mc\x1b[0md\x1b]8;;\x07e"
    link = Style(link="http://x/y")
    assert list(runs(row)) == [
        (PLAIN, "a"),
        (link, "b"),
        (Style(bold=True, link="http://x/y"), "c"),
        (link, "d"),
        (PLAIN, "e"),
    ]


@pytest.mark.parametrize(
    "row", ["a\x1b[2Kb", "a\x1b]0;title\x07b", "a\x1b(Bb", "a\x00b\x1b", "a\x9bb", "a\x1bP1;2q#\x1b\\b"]
)
def test_what_is_no_text_is_left_out(row: str) -> None:
    assert "".join(text for _, text in runs(row)) == "ab"


def test_rows_of_the_emulator() -> None:
    screen = Screen((40, 2))
    screen.feed(b"\x1b[1;31mred\x1b[0m \x1b[38;2;1;2;3;4:3mcurly\x1b[0m\x1b[44m  \x1b[0m")
    (row, _) = screen.text_rows(0, 2, styled=True)
    screen.close()
    assert list(runs(row)) == [
        (Style(foreground=1, bold=True), "red"),
        (PLAIN, " "),
        (Style(foreground=(1, 2, 3), underline=3), "curly"),
        (Style(background=4), "  "),
    ]


def test_colours_of_the_palette() -> None:
    assert rgb(16) == (0, 0, 0)
    assert rgb(196) == (255, 0, 0)
    assert rgb(67) == (95, 135, 175)
    assert rgb(231) == (255, 255, 255)
    assert rgb(232) == (8, 8, 8)
    assert rgb(255) == (238, 238, 238)
    assert rgb((1, 2, 3)) == (1, 2, 3)
