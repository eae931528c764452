"""The environment of a program in a session."""

import pytest

from agentmux.mux import VERSION
from agentmux.mux.environment import DROPPED, DROPPED_PREFIXES, child_environment


def child(client: dict[str, str], extra: dict[str, str] | None = None) -> dict[str, str]:
    return child_environment(client, session="7", socket="/run/x/default", pid=42, extra=extra or {})


def test_it_is_the_clients() -> None:
    assert child({"PATH": "/bin", "LANG": "C", "EMPTY": ""}) == {
        "PATH": "/bin",
        "LANG": "C",
        "EMPTY": "",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "TERM_PROGRAM": "agentmux",
        "TERM_PROGRAM_VERSION": VERSION,
        "AGENTMUX": "/run/x/default,42",
        "AGENTMUX_SESSION": "7",
    }


@pytest.mark.parametrize("name", [*sorted(DROPPED - {"TERM_PROGRAM_VERSION"}), *(p + "X" for p in DROPPED_PREFIXES)])
def test_what_names_another_terminal_or_multiplexer_is_dropped(name: str) -> None:
    assert name not in child({name: "1"})


@pytest.mark.parametrize("name", ["TMUX", "COLUMNS", "LINES", "STY", "CLAUDECODE", "KITTY_WINDOW_ID", "ZELLIJ_PANE_ID"])
def test_the_ones_that_are_known_to_do_harm(name: str) -> None:
    assert name not in child({name: "1"})


@pytest.mark.parametrize("name", ["TMUX_TMPDIR", "LINES_X", "MY_KITTY_", "WINDOWS", "EDITOR"])
def test_similar_names_are_kept(name: str) -> None:
    assert child({name: "1"})[name] == "1"


def test_the_user_overrides_what_is_dropped_and_what_is_set() -> None:
    assert child({}, {"TERM": "screen", "TMUX": "x"})["TERM"] == "screen"
    assert child({"TMUX": "outer"}, {"TMUX": "x"})["TMUX"] == "x"


def test_nobody_overrides_which_session_it_is() -> None:
    forged = {"AGENTMUX": "/else,1", "AGENTMUX_SESSION": "1"}
    made = child(forged, forged)
    assert (made["AGENTMUX"], made["AGENTMUX_SESSION"]) == ("/run/x/default,42", "7")
