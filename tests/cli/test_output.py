"""How sessions are shown, and that nothing of a program's or another person's reaches a terminal as control."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentmux.cli.output import Facts, age, facts, formatted, matches, shown, table
from agentmux.mux.asking import Used
from agentmux.mux.errors import BadUsage
from agentmux.mux.foreign import safe
from agentmux.mux.mux import Mux, Record
from agentmux.mux.verdict import Status, Verdict

ROW = Record(
    id=7,
    name="api",
    argv=("claude", "--resume", "a b"),
    cwd="/home/me",
    env={"KEY": "secret"},
    size=(120, 40),
    labels={"issue": "42", "team": "red"},
    state="running",
    exit_status=None,
    created=1000.0,
    started=1001.0,
    ended=None,
    parent=None,
    starts=1,
    agent=None,
    conversation=None,
    record="all",
)


@dataclass
class Owner:
    """What facts need of the mux."""

    time: float = 4723.9
    watched: dict[int, int] = field(default_factory=lambda: {7: 2})

    def now(self) -> float:
        return self.time

    def attached(self, session: int) -> int:
        return self.watched.get(session, 0)

    def pid(self, session: int) -> int | None:
        return 4242 if session in self.watched else None

    def resumes(self, row: Record) -> float | None:
        return None

    def verdict(self, row: Record) -> Verdict:
        return Verdict(Status.UNKNOWN, 0.0)

    @property
    def branches(self) -> Owner:
        return self

    def of(self, folder: str) -> str | None:
        return f"main of {folder}"

    def title(self, session: int) -> str | None:
        return "fixing it"

    def queued(self, session: int) -> int:
        return 4

    def said(self, session: int) -> str | None:
        return "Done."

    def used(self, session: int) -> Used:
        return Used(3, 2, 1)


def of(row: Record = ROW, **changes: object) -> Facts:
    return facts(cast(Mux, Owner()), replace(row, **changes))  # type: ignore[arg-type]


EVIL = "\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\x7f\u202egnp.exe\u2066\u200f\udcff\u061c\u2028"

DIRECTION = set("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

# Facts


def test_facts_are_fixed() -> None:
    """Keys never change their meaning and are only added: scripts read them."""
    assert of() == {
        "id": 7,
        "name": "api",
        "state": "running",
        "exit_status": None,
        "command": "claude --resume 'a b'",
        "cwd": "/home/me",
        "age": 3722,
        "attached": 2,
        "size": [120, 40],
        "labels": {"issue": "42", "team": "red"},
        "pid": 4242,
        "argv": ["claude", "--resume", "a b"],
        "env_names": ["KEY"],
        "created": 1000.0,
        "started": 1001.0,
        "ended": None,
        "starts": 1,
        "record": "all",
        "title": "fixing it",
        "branch": "main of /home/me",
        "agent": None,
        "conversation": None,
        "parent": None,
        "status": "unknown",
        "since": 0.0,
        "about": None,
        "asks": None,
        "options": [],
        "unread": False,
        "said": "Done.",
        "queued": 4,
        "paused": False,
        "tokens_in": 3,
        "tokens_cached": 2,
        "tokens_out": 1,
        "cost": None,
        "resets": None,
        "resumes": None,
    }


def test_values_given_with_e_are_never_shown() -> None:
    assert "secret" not in json.dumps(of())


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({"ended": 1011.5}, 10),
        ({"started": None}, 3723),
        ({"started": 99999.0}, 0),
        ({"started": None, "ended": 1000.0}, 0),
    ],
)
def test_age_is_the_time_that_it_ran(changes: dict[str, float | None], seconds: int) -> None:
    assert of(**changes)["age"] == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59, "59s"), (60, "1m0s"), (3599, "59m59s"), (3600, "1h0m"), (86399, "23h59m"), (90000, "1d1h")],
)
def test_durations_have_two_units(seconds: int, text: str) -> None:
    assert age(seconds) == text


# Safe


@given(st.text())
def test_nothing_that_moves_a_terminal_or_its_reading_direction_remains(text: str) -> None:
    for shown_text in (safe(text), safe(EVIL + text)):
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown_text)
        assert not set(shown_text) & DIRECTION
        shown_text.encode()  # no lone surrogates


@given(st.text("abcXYZ éß中😀 -_./'\"\\{}"))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert safe(text) == text


def test_escapes_say_what_was_there() -> None:
    assert safe("a\x1b[31m\n\u202e\udcff") == "a\\x1b[31m\\n\\u202e\\udcff"


@pytest.mark.parametrize("key", ["name", "cwd", "command", "labels", "argv", "env_names", "state"])
def test_every_fact_is_shown_safely(key: str) -> None:
    values = of(name=EVIL, cwd=EVIL, argv=(EVIL,), labels={EVIL: EVIL}, env={EVIL: ""}, state=EVIL)
    for text in (shown(key, values[key]), formatted("{" + key + "}", values)):
        assert text == safe(text) and "\\x1b]0;owned\\x07" in text


def test_a_label_is_shown_safely() -> None:
    assert formatted("{labels.k}", of(labels={"k": EVIL})) == safe(EVIL)


# Formats


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{id}:{name}", "7:api"),
        ("{size} {exit_status} {age} {attached}", "120x40 - 1h2m 2"),
        ("{labels}", "issue=42,team=red"),
        ("{labels.issue}/{labels.none}", "42/"),
        ("{argv}", "claude --resume a b"),
        (r"{id}\t{name}\n", "7\tapi\n"),
        (r"a\\nb", r"a\nb"),
        (r"a\\\nb", "a\\\nb"),
        (r"\x\ ", r"\x\ "),
        ("{} {Name} { name } {{name}}", "{} {Name} { name } {api}"),
        ("", ""),
    ],
)
def test_formatted(template: str, text: str) -> None:
    assert formatted(template, of()) == text


def test_values_are_not_formatted_again() -> None:
    assert formatted("{name}", of(name=r"{id}\t")) == r"{id}\t"


def test_an_unknown_field_names_the_known_ones() -> None:
    with pytest.raises(BadUsage, match="no field 'nam'") as caught:
        formatted("{nam}", of())
    assert "name, state" in caught.value.hint


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("name=api", True),
        ("name=ap", False),
        ("name!=api", False),
        ("name!=web", True),
        ("name~^a", True),
        ("name~^p", False),
        ("command~resume.*b", True),
        ("labels.issue=42", True),
        ("labels.issue!=42", False),
        ("labels.none=", True),
        ("exit_status=-", True),
        ("size=120x40", True),
        ("name=", False),
        ("cwd=/home/me", True),
        ("command=claude --resume 'a b'", True),
        ("name~a=b|api", True),
        ("name~\n|a", True),
    ],
)
def test_matches(expression: str, fits: bool) -> None:
    assert matches(expression, of()) is fits


@pytest.mark.parametrize("expression", ["", "name", "=api", "Name=x", "nam=x", "name~(", "name<3", "{name}=api"])
def test_what_is_no_filter(expression: str) -> None:
    with pytest.raises(BadUsage):
        matches(expression, of())


# Tables


def test_columns_are_aligned_and_the_last_is_not_padded() -> None:
    assert table(["ID", "NAME"], [["7", "api"], ["12", "a"]]) == "ID  NAME\n7   api\n12  a"


def test_a_table_without_rows_is_its_head() -> None:
    assert table(["ID", "NAME"], []) == "ID  NAME"
