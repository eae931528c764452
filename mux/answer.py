r"""How the answers of a dialog are picked, and which of them mean yes and no, as a profile says. Pure.

In a profile::

    [answer]
    digits = "pick"          what the number of an answer does: pick it, or, without this, nothing that is known
    yes = '^(?:Yes|Allow once)\b'   the answer that means yes, this once: the first that matches
    no = '^No\b'             the one that means no
    text = '^Type something' the one that takes a text
    amend = ["Tab"]          keys that let a text be added to the answer that is marked; then to the one that means no
    letter = '^\((\w)\)'     its group is the letter that is typed for an answer, with Enter
    submit = ["Enter"]       keys that pick the answer that is marked
    rests = 0.5              seconds for which a dialog must have stood before a key: what comes sooner is lost
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from .tables import BAD_PATTERN, Kind, check, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .tables import Wrong

PATTERNS = ("yes", "no", "text", "letter")
KINDS = {
    "digits": Kind.STRING,
    **dict.fromkeys(PATTERNS, Kind.PATTERN),
    **dict.fromkeys(("amend", "submit"), Kind.WORDS),
    "rests": Kind.SECONDS,
}

LASTING = r"always|don.t ask|auto|(?:for|during) th(?:is|e) session|\ball\b"
"""What an answer says that allows more than what is asked."""

YES = rf"(?i)^(?!.*(?:{LASTING}))(?:yes|allow|proceed|approve|trust|confirm)\b"
NO = r"(?i)^(?:no|reject|deny|cancel|don.t (?:trust|allow))\b"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@dataclass(frozen=True, slots=True)
class Ways:
    """What a profile says of answers; an empty pattern is none.

    Attributes:
        digits: whether the number of an answer picks it.
    """

    digits: bool = False
    yes: str = YES
    no: str = NO
    text: str = ""
    amend: tuple[str, ...] = ()
    letter: str = ""
    submit: tuple[str, ...] = ("Enter",)
    rests: float = 0.0

    def says_yes(self, options: Sequence[str]) -> int | None:
        """Return which of a dialog's answers means yes, this once; None for none."""
        return _first(self.yes, options)

    def says_no(self, options: Sequence[str]) -> int | None:
        """Return which means no."""
        return _first(self.no, options)

    def takes_text(self, options: Sequence[str]) -> int | None:
        """Return which takes a text."""
        return _first(self.text, options)

    def typed(self, option: str) -> str:
        """Return the letter that is typed for an answer, "" where there is none."""
        found = _compiled(self.letter).search(option) if self.letter else None
        return found[1].lower() if found else ""


def _first(pattern: str, options: Sequence[str]) -> int | None:
    if not pattern:
        return None
    return next((at for at, option in enumerate(options) if _compiled(pattern).search(option)), None)


def parsed(table: Mapping[str, object], wrong: Wrong) -> Ways:
    """Return what the table ``answer`` of a profile says.

    Raises:
        Exception: what ``wrong`` made of what is wrong, and of the keys that lead to it.
    """
    check(table, KINDS, wrong, "answer")
    if table.get("digits", "pick") != "pick":
        raise wrong("'answer.digits' can only be pick", "answer", "digits")
    for key in PATTERNS:
        try:
            groups = re.compile(str(table.get(key, ""))).groups
        except BAD_PATTERN as error:
            raise wrong(f"'answer.{key}' is no regular expression: {error}", "answer", key) from None
        if key == "letter" and table.get(key) and groups != 1:
            raise wrong("'answer.letter' needs one group: the letter", "answer", key)
    return Ways(
        "digits" in table,
        str(table.get("yes", YES)),
        str(table.get("no", NO)),
        str(table.get("text", "")),
        words(table, "amend"),
        str(table.get("letter", "")),
        words(table, "submit") or ("Enter",),
        float(str(table.get("rests", 0.0))),
    )
