r"""Where a prompt is typed: what stands there, how it is submitted and stopped, as a profile says. Pure.

In a profile::

    [prompt]
    box = '^> (.*)\\Z'        a pattern of what the screen ends with, whose group is the rows that a prompt stands in
    mark = '^[│> ]*'         what stands around it in each row
    empty = '^Ask Codex'     what the agent writes there while nothing is typed, where that is not faint
    folded = '^\[Pasted '    what it shows in place of a long text
    submit = ["Enter"]       keys that send it
    settle = 0.05            seconds for which the screen rests between text and these
    newline = "\n"           what a line's end in a text is to be
    rests = 1.0              seconds of its first rest before anything is typed: what comes sooner is lost
    interrupt = ["Escape"]   keys that stop a turn
    clear = ["C-u"]          keys that empty it, pressed until it is empty
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from .sgr import Style, runs
from .tables import BAD_PATTERN, Kind, check, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .tables import Wrong

KINDS = {
    **dict.fromkeys(("box", "mark", "empty", "folded"), Kind.PATTERN),
    **dict.fromkeys(("submit", "interrupt", "clear"), Kind.WORDS),
    **dict.fromkeys(("settle", "rests"), Kind.SECONDS),
    "newline": Kind.STRING,
}

_FRAME = re.compile(r"[ ─━▄▀╹╰╯╭╮]+\Z")
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\ufe0e\ufe0f]+")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Composer:
    """What a profile says of the place for prompts.

    Attributes:
        box: a pattern with one group; "" where the agent has no such place that is known.
    """

    box: str = ""
    mark: str = ""
    empty: str = ""
    folded: str = ""
    submit: tuple[str, ...] = ("Enter",)
    settle: float = 0.0
    newline: str = "\n"
    rests: float = 0.0
    interrupt: tuple[str, ...] = ()
    clear: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether it can be told what stands there."""
        return bool(self.box)

    def text(self, rows: Sequence[str]) -> str | None:
        """Return what stands there, "" for nothing, None where there is no such place.

        ``rows``: of the whole screen, styled. What is faint is the agent's own: a hint, or what it guesses comes next.
        """
        if not self.box:
            return None
        plain, solid = [], []
        for row in rows:
            pieces = list(runs(row))
            plain.append("".join(text for _, text in pieces).rstrip())
            solid.append("".join(" " * len(text) if _hint(pieces, at) else text for at, (_, text) in enumerate(pieces)))
        while plain and not plain[-1]:
            plain.pop()
        found = _compiled(self.box).search("\n".join(plain))
        if found is None:
            return None
        first = found.string.count("\n", 0, found.start(1))
        last = first + found[1].rstrip("\n").count("\n")
        width = max((len(row) for row in found[0].split("\n") if row and _FRAME.match(row)), default=None)
        lines = [_compiled(self.mark).sub("", row[:width].rstrip()) for row in solid[first : last + 1]]
        text = "\n".join(line.rstrip() for line in lines).strip()
        return "" if self.empty and _compiled(self.empty).search(text) else text

    def holds(self, shown: str, text: str) -> bool:
        """Whether what is ``shown`` there is ``text`` and nothing else: all, a part of what is long, or its sign."""
        if self.folded and _compiled(self.folded).fullmatch(shown):
            return True
        seen, whole = _UNSEEN.sub("", shown), _UNSEEN.sub("", text)
        return bool(seen) and (seen == whole or (seen in whole and shown.count("\n") > 1))


def _hint(pieces: Sequence[tuple[Style, str]], at: int) -> bool:
    """Whether a piece of a row is the agent's own words: faint, or the cursor on the first letter of such."""
    style, text = pieces[at]
    under_cursor = style.inverse and len(text) == 1 and at + 1 < len(pieces) and pieces[at + 1][0].faint
    return style.faint or under_cursor


def parsed(table: Mapping[str, object], wrong: Wrong) -> Composer:
    """Return what the table ``prompt`` of a profile says.

    Raises:
        Exception: what ``wrong`` made of what is wrong, and of the keys that lead to it.
    """
    check(table, KINDS, wrong, "prompt")
    patterns = {key: str(table.get(key, "")) for key in ("box", "mark", "empty", "folded")}
    for key, pattern in patterns.items():
        try:
            groups = re.compile(pattern).groups
        except BAD_PATTERN as error:
            raise wrong(f"'prompt.{key}' is no regular expression: {error}", "prompt", key) from None
        if key == "box" and pattern and groups != 1:
            raise wrong("'prompt.box' needs one group: what stands there", "prompt", key)
    return Composer(
        **patterns,
        submit=words(table, "submit") or ("Enter",),
        settle=float(str(table.get("settle", 0.0))),
        rests=float(str(table.get("rests", 0.0))),
        newline=str(table.get("newline", "\n")),
        interrupt=words(table, "interrupt"),
        clear=words(table, "clear"),
    )
