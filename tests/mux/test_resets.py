"""When limits end: a table of what programs say, and when that is."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from agentmux.mux.resets import parsed

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 27, 18, 30, tzinfo=NEW_YORK)


def at(*when: int, zone: str = "America/New_York") -> float:
    year, month, day, hour, minute = when
    return datetime(year, month, day, hour, minute, tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("words", "when"),
    [
        ("8pm", at(2026, 11, 27, 20, 0)),
        ("8:30 PM", at(2026, 11, 27, 20, 30)),
        ("8:30\u202fPM", at(2026, 11, 27, 20, 30)),
        ("at 8:30 p.m.", at(2026, 11, 27, 20, 30)),
        ("20:30", at(2026, 11, 27, 20, 30)),
        ("3pm", at(2026, 11, 28, 15, 0)),
        ("6:30pm", at(2026, 11, 27, 18, 30)),
        ("6:29pm", at(2026, 11, 28, 18, 29)),
        ("12am", at(2026, 11, 28, 0, 0)),
        ("12:05 pm", at(2026, 11, 28, 12, 5)),
        ("tomorrow at 9pm", at(2026, 11, 28, 21, 0)),
        ("8pm (America/New_York)", at(2026, 11, 27, 20, 0)),
        ("9pm (Europe/Berlin)", at(2026, 11, 28, 21, 0, zone="Europe/Berlin")),
        ("11:44pm (UTC)", at(2026, 11, 27, 23, 44, zone="UTC")),
        ("8:30 PM PDT", at(2026, 11, 27, 19, 30, zone="Etc/GMT+7") + 3600),
        ("8:30 PM GMT+5:30", at(2026, 11, 28, 15, 0, zone="UTC")),
        ("Dec 3 at 9am", at(2026, 12, 3, 9, 0)),
        ("Dec 3, 9am (America/New_York)", at(2026, 12, 3, 9, 0)),
        ("Dec 3rd, 2026 9:05 AM", at(2026, 12, 3, 9, 5)),
        ("December 3", at(2026, 12, 3, 0, 0)),
        ("Jan 2, 1:48am (UTC)", at(2027, 1, 2, 1, 48, zone="UTC")),
        ("in 2 days 3 hours 5 minutes", NOW.timestamp() + 2 * 86400 + 3 * 3600 + 5 * 60),
        ("in 1 hour and 1 minute", NOW.timestamp() + 3660),
        ("4h 20m", NOW.timestamp() + 4 * 3600 + 20 * 60),
        ("4h20m10s", NOW.timestamp() + 4 * 3600 + 20 * 60 + 10),
        ("in ~5 min.", NOW.timestamp() + 300),
        ("2 days\n3 hours", NOW.timestamp() + 2 * 86400 + 3 * 3600),
        ("less than a minute", NOW.timestamp() + 60),
        ("2026-11-28T03:00:00Z", at(2026, 11, 28, 3, 0, zone="UTC")),
        ("2026-11-28T03:00:00", at(2026, 11, 28, 3, 0)),
        ("2026-11-28 03:00+01:00", at(2026, 11, 28, 2, 0, zone="UTC")),
    ],
)
def test_words_and_when_that_is(words: str, when: float) -> None:
    assert parsed(words, NOW.timestamp(), NEW_YORK) == when


@pytest.mark.parametrize(
    "words",
    [
        *("", "later", "shortly", "8", "13pm", "25:00", "8:61 pm", "Feb 30, 9am", "9pm (No/Where)", "9pm (../../etc)"),
        *(
            "9pm XYZ",
            "2020-01-01T00:00:00Z",
            "2026-99-01",
            "in 9999 days",
            "5",
            "the end of the month",
            "9" * 500,
            "8pm gmt+99",
        ),
    ],
)
def test_what_can_not_be_read_is_no_time(words: str) -> None:
    assert parsed(words, NOW.timestamp(), NEW_YORK) is None


def test_a_day_is_not_always_24_hours() -> None:
    before = datetime(2026, 10, 31, 23, 0, tzinfo=NEW_YORK).timestamp()
    assert parsed("10pm", before, NEW_YORK) == at(2026, 11, 1, 22, 0) == before + 24 * 3600


def test_the_same_words_mean_the_next_day_the_day_after() -> None:
    later = datetime(2026, 11, 27, 20, 1, 0, tzinfo=NEW_YORK)
    assert parsed("8pm", later.timestamp(), NEW_YORK) == at(2026, 11, 28, 20, 0)
    assert parsed("8pm", datetime(2026, 11, 27, 20, 0, 1, tzinfo=UTC).timestamp(), UTC) is not None
