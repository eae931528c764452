"""Whether the tables of a profile have the keys and the kinds of values that they may have. Pure."""

from __future__ import annotations

import enum
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Wrong = Callable[..., Exception]
    """Makes an error of what is wrong, and of the keys that lead to it."""


BAD_PATTERN = (re.error, OverflowError, RecursionError, ValueError)
"""What ``re.compile`` raises for a pattern that is none, is nested too deep, or has a number too high or too long."""

LARGEST = 1 << 40
"""No number may be above it, nor below its negative: it reaches native code, and becomes seconds."""

QUOTED = 100
"""Characters of a wrong value that are told."""


class Kind(enum.Enum):
    """What a value can be, in words."""

    STRING = "a string"
    PATTERN = "a pattern"
    NUMBER = "a whole number"
    SECONDS = "a number of seconds"
    BOOLEAN = "true or false"
    WORDS = "a list of words"
    PATTERNS = "a list of patterns"
    TABLE = "a table"
    TABLES = "tables"

    def fits(self, value: object) -> bool:
        """Whether ``value`` is of this kind. No word of a list may be empty."""
        if self in (Kind.WORDS, Kind.PATTERNS):
            return isinstance(value, list) and all(isinstance(word, str) and word for word in value)
        if self is Kind.TABLES:
            return isinstance(value, list) and all(isinstance(table, dict) for table in value)
        if self is Kind.TABLE:
            return isinstance(value, dict)
        if self is Kind.SECONDS:
            return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if self is Kind.BOOLEAN:
            return isinstance(value, bool)
        if self is Kind.NUMBER:
            return isinstance(value, int) and not isinstance(value, bool)
        return isinstance(value, str)


def check(table: Mapping[str, object], kinds: Mapping[str, Kind], wrong: Wrong, name: str = "", of: str = "") -> None:
    """Make sure that a table has nothing else than ``kinds`` say.

    Args:
        name: the table's, "" for that of the whole file, or of one of several tables.
        of: what an unknown key is said to be a key of, where that has no name.

    Raises:
        Exception: what ``wrong`` made of the first thing that is wrong.
    """
    for key, value in table.items():
        full, path = (f"{name}.{key}", (name, key)) if name else (key, (key,))
        if key not in kinds:
            raise wrong(f"no key {quoted(full)}{of}; there are: {', '.join(kinds)}", *path)
        if not kinds[key].fits(value):
            raise wrong(f"{full!r} needs {kinds[key].value}", *path)
        if isinstance(value, int | float) and not -LARGEST <= value <= LARGEST:
            raise wrong(f"{full!r} is above {LARGEST}", *path)


def quoted(value: object) -> str:
    """Return a value as the file may have it, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no number as long in decimal, and reads one in other bases
        text = "a number"
    return text if len(text) <= QUOTED else text[: QUOTED - 3] + "..."


def words(table: Mapping[str, object], key: str) -> tuple[str, ...]:
    """Return a list of words of a table that was checked; nothing where there is none."""
    value = table.get(key, ())
    return tuple(map(str, value)) if isinstance(value, list) else ()
