"""What an attached client draws over the session: drawn into an emulator, ended by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agentmux.cli.overlay import ACTIONS, Choose, Confirm, Help, Outcome
from agentmux.mux.config import ACTIONS as BINDABLE
from agentmux.mux.config import BINDINGS
from agentmux.mux.screen import Screen

if TYPE_CHECKING:
    from agentmux.cli.overlay import Overlay


def shown(overlay: Overlay, size: tuple[int, int] = (60, 20), before: bytes = b"") -> list[str]:
    """Return the rows of a terminal on which the overlay was drawn."""
    screen = Screen(size)
    screen.feed(before + overlay.draw(size))
    rows = screen.text_rows(0, size[1])
    assert screen.history_rows == 0, "drawing may not scroll"
    screen.close()
    return rows


LIST = ["3\t* api  'claude'", "12\t  web  'codex'"]


@pytest.mark.parametrize(
    "overlay", [Help("C-b", BINDINGS), Confirm("kill it? (y/n)", "kill"), Choose("sessions", LIST)]
)
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (10, 3), (60, 20), (300, 100)])
def test_it_fits_any_terminal(overlay: Overlay, size: tuple[int, int]) -> None:
    assert any(shown(overlay, size)) or size == (1, 1)


@pytest.mark.parametrize(
    "before",
    [b"\x1b[5;10r\x1b[?6h", b"\x1b[?2026h", b"\x1b]2;half a title", b"\x1b[4h\x1b(0\x0e", b"\x1b[?69h\x1b[10;20s"],
)
def test_it_is_readable_whatever_the_program_left(before: bytes) -> None:
    rows = shown(Choose("sessions", LIST), before=before)
    assert rows[0] == "sessions"
    assert rows[2:4] == ["     3  * api  'claude'", "    12    web  'codex'"]


# Help


def test_help_lists_every_binding_and_how_to_send_the_prefix() -> None:
    rows = shown(Help("C-a", {"d": "detach", "?": "help"}))
    assert rows[2:5] == [
        "  C-a d       detach from the session",
        "  C-a ?       this help",
        "  C-a C-a     send C-a to the program",
    ]


def test_every_action_there_is_has_its_help() -> None:
    assert set(ACTIONS) == set(BINDABLE)


def test_any_key_ends_help() -> None:
    assert Help("C-b", {}).feed(b"x") == Outcome()


# Confirm


def test_a_question_is_on_the_last_row_and_leaves_the_others() -> None:
    rows = shown(Confirm("kill session 'api'? (y/n)", "kill"), (40, 5), before=b"\x1b[Hprogram")
    assert rows == ["program", "", "", "", "kill session 'api'? (y/n)"]


@pytest.mark.parametrize(
    ("keys", "action"),
    [(b"y", "kill"), (b"Y", "kill"), (b"n", ""), (b"\r", ""), (b"\x1b", ""), (b"\x03", ""), (b"ny", "")],
)
def test_only_y_is_yes(keys: bytes, action: str) -> None:
    assert Confirm("?", "kill").feed(keys) == Outcome(action)


# Choose


@pytest.mark.parametrize(
    ("keys", "outcome"),
    [
        (b"3\r", Outcome("switch", "3")),
        (b"12\n", Outcome("switch", "12")),
        (b"13\x7f2\r", Outcome("switch", "12")),
        (b"x1y2\r", Outcome("switch", "12")),
        (b"4\r", Outcome()),
        (b"\r", Outcome()),
        (b"3q", Outcome()),
        (b"\x1b", Outcome()),
        (b"\x03", Outcome()),
        (b"3\r4\r", Outcome("switch", "3")),
        (b"1", None),
        (b"", None),
        (b"\xff\x00\xc3\xa9", None),
        (b"1" * 5000, None),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_an_id_and_enter_choose(keys: bytes, outcome: Outcome | None, at_once: bool) -> None:
    choose = Choose("sessions", LIST)
    chunks = [keys] if at_once else [bytes([key]) for key in keys]
    results = [result for chunk in chunks if (result := choose.feed(chunk)) is not None]
    assert (results[:1] or [None]) == [outcome]


@pytest.mark.parametrize("digit", ["²", "٣"])
def test_only_digits_that_an_id_has_are_taken(digit: str) -> None:
    choose = Choose("sessions", LIST)
    choose.feed(digit.encode())
    assert "²" not in "".join(shown(choose))
    assert choose.feed(b"3\r") == Outcome("switch", "3")


def test_what_was_typed_is_shown() -> None:
    choose = Choose("sessions", LIST)
    choose.feed(b"12")
    assert shown(choose)[5] == "id, then Enter (Esc goes back): 12"


def test_a_long_list_is_cut_and_says_so() -> None:
    rows = shown(Choose("sessions", [f"{n}\ts{n}" for n in range(1, 101)]), (60, 10))
    assert rows[2].strip() == "1  s1"
    assert rows[6].strip() == "... and 96 more"
    assert rows[8].startswith("id, then Enter")
    exact = shown(Choose("sessions", [f"{n}\ts{n}" for n in range(1, 6)]), (60, 10))
    assert exact[6].strip() == "5  s5"
    assert exact[8].startswith("id, then Enter")


def test_nothing_to_choose() -> None:
    """A notice without lines, such as what went wrong: shown until a key."""
    choose = Choose("agentmux: no sessions", [])
    assert shown(choose)[0] == "agentmux: no sessions"
    assert choose.feed(b"\r") == Outcome()
