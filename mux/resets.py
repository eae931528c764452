"""When a limit ends, from the words in which programs say so. Pure: time and zone are passed in.

The words are those of Claude Code ("8pm (America/New_York)", "Dec 3, 9am"), Codex ("3:05 PM", "Dec 3rd, 2026 9:00 AM",
"2 days 3 hours 5 minutes"), Gemini CLI ("8:30 PM PDT") and others like them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import tzinfo

LONGEST = 120
"""Characters that are looked at: no time is longer."""

FARTHEST = 400 * 86400
"""Seconds from now after which it is no limit's end: monthly plans and yearly ones begin anew before."""

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_SPAN = re.compile(r"(?:in )?~?((?:\d{1,4} ?(?:d|h|m|s|days?|hours?|hrs?|min(?:ute)?s?|sec(?:ond)?s?)[ ,]*(?:and )?)+)")
_PART = re.compile(r"(\d+) ?([dhms])")

_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}
_CLOCK = re.compile(
    r"(?:at )?"
    rf"(?:(?P<month>{'|'.join(_MONTHS)})[a-z]* (?P<day>\d\d?)(?:st|nd|rd|th)?(?:, ?(?P<year>\d{{4}}))?"
    r"(?P<date>,? at |,? |$))?"
    r"(?P<next>tomorrow (?:at )?)?"
    r"(?:(?P<hour>\d\d?)(?::(?P<minute>\d\d))?(?: ?(?P<half>[ap])\.?m\.?)?)?"
    r"(?: \(?(?P<zone>[a-z][a-z0-9_+/:-]*)\)?)?"
)
_ABBREVIATIONS = {"utc": 0, "gmt": 0, "z": 0} | {
    f"{place}{kind}t": hours + (kind == "d")
    for place, hours in {"e": -5, "c": -6, "m": -7, "p": -8, "ak": -9}.items()
    for kind in "sd"
}
"""What JavaScript calls zones in American English; all others are offsets to it, such as GMT+2."""
_OFFSET = re.compile(r"(?:gmt|utc)([+-]\d\d?)(?::?(\d\d))?")


def parsed(words: str, now: float, zone: tzinfo) -> float | None:
    """Return the Unix seconds that ``words`` mean when they are said at ``now``, None if they can't be read.

    Args:
        zone: of whoever says it, where the words name none.
    """
    text = re.sub(r"\s+", " ", words[:LONGEST]).strip(" .")
    at = _iso(text, zone)
    if at is None:
        at = _span(text.lower(), now)
    if at is None:
        at = _clock(text, datetime.fromtimestamp(now, UTC), zone)
    return at if at is not None and now - 86400 <= at <= now + FARTHEST else None


def _iso(text: str, zone: tzinfo) -> float | None:
    if not re.match(r"\d{4}-\d\d-\d\d", text):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).timestamp()


def _span(text: str, now: float) -> float | None:
    if text.removeprefix("in ") == "less than a minute":
        return now + 60
    found = _SPAN.fullmatch(text)
    if found is None:
        return None
    return now + sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(found[1]))


def _clock(text: str, now: datetime, zone: tzinfo) -> float | None:
    """Return the next time that the clock of ``zone``, or of the zone that is named, shows what ``text`` says."""
    found = _CLOCK.fullmatch(text.lower())
    if found is None or not (found["hour"] or found["month"]):
        return None
    if found["hour"] and not (found["half"] or found["minute"]):
        return None  # a bare number is no time
    if found["zone"]:
        named = _zone(text[found.start("zone") : found.end("zone")])
        if named is None:
            return None
        zone = named
    here = now.astimezone(zone)
    hour, minute = int(found["hour"] or 0), int(found["minute"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"] == "p" else 0)
    try:
        at = here.replace(hour=hour, minute=minute, second=0, microsecond=0)
        if found["month"]:
            year = int(found["year"] or here.year)
            at = at.replace(year=year, month=_MONTHS[found["month"]], day=int(found["day"]))
            if not found["year"] and at < here - timedelta(days=1):
                at = at.replace(year=year + 1)
        elif found["next"] or at + timedelta(minutes=1) <= here:  # it is told to the minute, and perhaps in this one
            at += timedelta(days=1)
    except ValueError:  # no such hour, or no such day
        return None
    return at.timestamp()


def _zone(name: str) -> tzinfo | None:
    lower = name.lower()
    if lower in _ABBREVIATIONS:
        return timezone(timedelta(hours=_ABBREVIATIONS[lower]))
    if found := _OFFSET.fullmatch(lower):
        hours = int(found[1])
        try:
            return timezone(timedelta(hours=hours, minutes=int(found[2] or 0) * (-1 if found[1][0] == "-" else 1)))
        except ValueError:  # a day or more
            return None
    try:
        return ZoneInfo(name) if "/" in name else None
    except (ValueError, OSError, LookupError):  # no such zone, or no name that could be one's
        return None
