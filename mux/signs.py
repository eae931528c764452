r"""What a profile says of an agent's title and screen, and what they then say: rules as data, on rendered rows. Pure.

A rule looks at one region, so that what an agent prints about dialogs and spinners is not taken for them::

    title      the title
    screen     all rows
    bottom N   the last N rows down to the last one that is not blank
    dialog     where the screen ends: in the box or beside the bar there, else below the last horizontal rule
    above N    the last N rows above the composer: what was said last, though a prompt can be typed

In a profile::

    [signs]
    composer = '^>.*\Z'       what the screen ends with where a prompt can be typed

    [[signs.rules]]            the first that matches counts
    name = "approval"
    says = "waiting"           or working, idle
    about = "approval"         what it waits for
    where = "dialog"
    every = ['Allow', 'y/n']   regular expressions that all match there; ^ and $ match at each row
    any = []                   one of these, if there are any
    none = []                  none of these
    paste = false              bracketed paste has to be on, or off: what reads lines has it on while it reads
    answers = '(Yes) +(No)'    a dialog's answers, where they are not numbered rows
    resets = 'resets (.*)'     its one group says when a limit ends; looked for there, then on the whole screen

Of the answers that one is marked which has a sign before it, or else a background that its row does not have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC
from functools import cache

from . import resets
from .dialog import Dialog
from .sgr import runs
from .tables import BAD_PATTERN, Kind, check, quoted, words
from .verdict import ABOUT, SAYS, Reading, Source, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from .sgr import Colour
    from .tables import Wrong

TEXT = 300
"""Characters that are kept of what a dialog asks, and of each answer."""

OPTIONS = 9
"""Answers that are kept, the first."""

_RULE = re.compile(r"─{10,}|▔{10,}")
_FRAME = re.compile(r"^[\s│┃|]+|[\s│┃|]+$")
_OPTION = re.compile(r"(?:[\u276f\u203a\u25cf>\u2192]\s*)?(?P<number>\d)[.)]\s+(?P<text>\S.*)")
_MARK = re.compile(r"[\u276f\u203a\u25cf>\u2192]\s*(?:\d[.)]\s+)?\Z")
_SPEAKER = re.compile(r"^\W+")
_SAYS_NOTHING = re.compile(r"[\W_]*")
_BLANK = re.compile(r"\s+")
_WHERE = re.compile(r"title|screen|dialog|(?:bottom|above) [1-9][0-9]?")
KINDS = {"composer": Kind.STRING, "rules": Kind.TABLES}
RULE_KINDS = {
    **dict.fromkeys(("name", "says", "about", "where"), Kind.STRING),
    **dict.fromkeys(("every", "any", "none"), Kind.PATTERNS),
    **dict.fromkeys(("answers", "resets"), Kind.STRING),
    "paste": Kind.BOOLEAN,
}


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiling takes longer than matching, and most profiles are never used."""
    return re.compile(pattern, re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rule:
    """A sign of one state.

    Attributes:
        where: title, screen, dialog, or bottom or above with a number of rows.
        every, any, none: patterns that must all match there, of which one must, of which none may.
        answers: a pattern whose groups are a dialog's answers; "" where they are numbered rows.
        resets: a pattern whose group says when a limit ends; "" for none.
        paste: how bracketed paste has to be, None where it does not matter.
    """

    name: str
    says: Status
    where: str
    every: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    about: str = ""
    answers: str = ""
    resets: str = ""
    paste: bool | None = None

    @property
    def above(self) -> bool:
        """Whether it is about what stands above the composer."""
        return self.where.startswith("above")

    def matches(self, text: str) -> bool:
        """Whether the rule's region, as one text, shows it."""
        return (
            all(_compiled(pattern).search(text) for pattern in self.every)
            and (not self.any or any(_compiled(pattern).search(text) for pattern in self.any))
            and not any(_compiled(pattern).search(text) for pattern in self.none)
        )


@dataclass(frozen=True, slots=True)
class Signs:
    """The rules of one profile.

    Attributes:
        composer: a pattern of what the screen ends with where a prompt can be typed; "" for not known.
        rules: the first that matches counts.
    """

    composer: str = ""
    rules: tuple[Rule, ...] = field(default=())

    def title(self, title: str, at: float) -> Reading | None:
        """Return what a title says, None if that is nothing."""
        for rule in self.rules:
            if rule.where == "title" and rule.matches(title):
                return Reading(Source.TITLE, rule.says, rule.name, at, rule.about)
        return None

    def takes_prompt(self, rows: Sequence[str]) -> bool:
        """Whether the screen shows a place to type into."""
        return self._composer(_shown(rows)) is not None

    def _composer(self, shown: Sequence[str]) -> int | None:
        """Return the row in which the place to type into begins, None where there is none."""
        text = "\n".join(shown)
        found = _compiled(self.composer).search(text) if self.composer else None
        return None if found is None else text.count("\n", 0, found.start())

    def screen(
        self, rows: Sequence[str], at: float, *, zone: tzinfo = UTC, paste: bool | None = None
    ) -> Reading | None:
        """Return what the screen says; None where no rule is for it.

        A place to type into rules a dialog out: agents put the one where the other was. Without rules of dialogs it
        is then the place that tells, and what hides it is not taken for rest. What was said last may hold all the
        same: a limit, of which some agents speak in a line and then let one type.

        Args:
            zone: in which an agent speaks of times.
            paste: whether bracketed paste is on, None where that is not known: then no rule that asks for it matches.
        """
        rules = [rule for rule in self.rules if rule.where != "title"]
        if not rules and not self.composer:
            return None
        shown = _shown(rows)
        rule, composer = self._found(rules, shown, paste)
        if rule is not None:
            reading = Reading(Source.SCREEN, rule.says, rule.name, at, rule.about)
            if rule.says is not Status.WAITING:
                return reading
            region = _region(rule.where, shown, composer or 0)
            reading = _with_said(reading, rule, region) if rule.above else _with_dialog(reading, rule, shown)[0]
            return replace(reading, resets=_resets(rule, at, zone, region, shown))
        if composer is not None:
            return Reading(Source.SCREEN, Status.IDLE, "composer", at)
        rule_name = "no place to type into" if self.composer else "no rule matches"
        return Reading(Source.SCREEN, Status.UNKNOWN, rule_name, at)

    def dialog(self, rows: Sequence[str], at: float, *, paste: bool | None = None) -> Dialog | None:
        """Return the dialog that the screen shows, None for none. ``rows``: of the whole screen, styled."""
        pieces = [list(runs(row)) for row in rows]
        shown = _shown(["".join(text for _, text in row) for row in pieces])
        rules = [rule for rule in self.rules if rule.where != "title" and not rule.above]
        rule, _ = self._found(rules, shown, paste)
        if rule is None or rule.says is not Status.WAITING:
            return None
        reading = Reading(Source.SCREEN, rule.says, rule.name, at, rule.about)
        reading, places = _with_dialog(reading, rule, shown)
        backgrounds = [[style.background for style, text in row for _ in text] for row in pieces]
        tail = [shown[places[0].row][places[0].column :], *shown[places[0].row + 1 :]] if places else []
        return Dialog(
            reading,
            _marked(places, shown, backgrounds),
            bool(places) and places[0].numbered,
            len(places) > 1 and len({place.row for place in places}) == 1,
            _BLANK.sub("", "".join(_FRAME.sub("", row) for row in tail)),
        )

    def parted(self, reading: Reading) -> tuple[str, str]:
        """Return the question of a dialog, and what else it says: what the program wants to do."""
        rule = next((rule for rule in self.rules if rule.name == reading.rule), None)
        lines = reading.text.split("\n")
        says = [_compiled(pattern) for pattern in (*rule.every, *rule.any)] if rule is not None else []
        by_rule = [at for at, line in enumerate(lines) if any(pattern.search(line) for pattern in says)]
        asked = by_rule[:1] or [at for at, line in enumerate(lines) if line.rstrip().endswith("?")][-1:]
        at = asked[0] if asked else len(lines) - 1
        return lines[at], "\n".join([*lines[:at], *lines[at + 1 :]])

    def _found(self, rules: Sequence[Rule], shown: Sequence[str], paste: bool | None) -> tuple[Rule | None, int | None]:
        """Return the rule that counts, and the row in which the place to type into begins, None where there is none."""
        composer = self._composer(shown)
        for rule in rules:
            if rule.paste not in (None, paste):
                continue
            if composer is None if rule.above else composer is not None and rule.says is Status.WAITING:
                continue
            if rule.matches("\n".join(_region(rule.where, shown, composer or 0))):
                return rule, composer
        return None, composer


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer that a dialog offers, and where it stands; ``column`` counts characters."""

    text: str
    row: int
    column: int
    numbered: bool


def _marked(
    places: Sequence[_Answer], rows: Sequence[str], backgrounds: Sequence[Sequence[Colour | None]]
) -> int | None:
    """Return which answer is marked: the only one that is."""
    signed, coloured = [], []
    for at, place in enumerate(places):
        before = places[at - 1] if at and places[at - 1].row == place.row else None
        start = before.column + len(before.text) if before is not None else 0
        if _MARK.search(rows[place.row][start : place.column]):
            signed.append(at)
        row = backgrounds[place.row]
        if row[place.column] != max(set(row), key=row.count):
            coloured.append(at)
    found = signed or coloured
    return found[0] if len(found) == 1 else None


def _shown(rows: Sequence[str]) -> list[str]:
    """Return rows without blanks at their ends and blank rows at the end."""
    shown = [row.rstrip() for row in rows]
    while shown and not shown[-1]:
        shown.pop()
    return shown


def _region(where: str, rows: Sequence[str], composer: int) -> Sequence[str]:
    if where == "screen":
        return rows
    if where.startswith("above"):
        return _shown(rows[:composer])[-int(where.removeprefix("above ")) :]
    if where == "dialog":
        return rows[_dialog(rows) :]
    return rows[-int(where.removeprefix("bottom ")) :]


def _dialog(rows: Sequence[str], before: int | None = None) -> int:
    """Return where a dialog at the end of the screen may begin: in a box, beside a bar, below a rule before a row."""
    end = len(rows) if before is None else before
    last = rows[-1].lstrip() if rows else ""
    if last.startswith(("╰", "┃")) and before is None:
        at = end - 1
        while at and rows[at - 1].lstrip().startswith(("│", "┃") if last.startswith("╰") else "┃"):
            at -= 1
        return at
    return next((at + 1 for at in range(end - 1, -1, -1) if _RULE.match(rows[at])), 0)


def _resets(rule: Rule, at: float, zone: tzinfo, *places: Sequence[str]) -> float | None:
    """Return when a limit ends, as the first of ``places`` that tells says last."""
    for rows in places if rule.resets else ():
        said = _compiled(rule.resets).findall("\n".join(rows))
        if said:
            return resets.parsed(said[-1], at, zone)
    return None


def _with_said(reading: Reading, rule: Rule, rows: Sequence[str]) -> Reading:
    """Return a reading with what was said above a composer, from where the first pattern of its rule begins."""
    text = "\n".join(rows)
    found = _compiled(rule.every[0]).search(text) if rule.every else None
    said = [_FRAME.sub("", row) for row in text[found.start() if found is not None else 0 :].split("\n")]
    said[0] = _SPEAKER.sub("", said[0])
    return replace(reading, text="\n".join(row for row in said if not _SAYS_NOTHING.fullmatch(row))[:TEXT])


def _with_dialog(reading: Reading, rule: Rule, rows: Sequence[str]) -> tuple[Reading, list[_Answer]]:
    """Return a reading with what the dialog at the end of the screen asks, and its answers."""
    start = _dialog(rows)
    answers = _answers(rule, rows, start)
    if not answers and start:  # a rule may divide it
        above = _dialog(rows, start - 1)
        if found := _answers(rule, rows, above):
            start, answers = above, found
    first = answers[0].row if answers else len(rows)
    if not start and rule.every:  # nothing bounds it: it begins where it says what it is
        start = next((at for at in range(first - 1, -1, -1) if _compiled(rule.every[0]).search(rows[at])), 0)
    asked = [_FRAME.sub("", row) for row in (*rows[start:first], _before(rule, rows[start:]))]
    text = "\n".join(row for row in asked if not _SAYS_NOTHING.fullmatch(row))
    answers = answers[:OPTIONS]
    return replace(reading, text=text[-TEXT:], options=tuple(one.text[:TEXT] for one in answers)), answers


def _before(rule: Rule, rows: Sequence[str]) -> str:
    """Return what stands in the row of the first answer before it, where answers are not rows."""
    text = "\n".join(rows)
    found = _compiled(rule.answers).search(text) if rule.answers else None
    return text[: found.start()].rpartition("\n")[2] if found else ""


def _answers(rule: Rule, rows: Sequence[str], start: int) -> list[_Answer]:
    """Return the answers that a dialog which begins at row ``start`` offers."""
    text = "\n".join(rows[start:])
    if rule.answers and (found := _compiled(rule.answers).search(text)):
        return [
            _Answer(answer, start + text[:at].count("\n"), at - text.rfind("\n", 0, at) - 1, False)
            for group, answer in enumerate(found.groups(), 1)
            if answer and (at := found.start(group)) >= 0
        ]
    return _options(rows, start)


def _options(rows: Sequence[str], start: int) -> list[_Answer]:
    """Return the answers that are numbered from 1 on, of the last such list."""
    options: list[_Answer] = []
    for at in range(start, len(rows)):
        row = rows[at]
        inside = _FRAME.sub("", row)
        found = _OPTION.match(inside)
        if found is None:
            continue
        answer = _Answer(found["text"], at, row.index(inside) + found.start("text"), True)
        if found["number"] == "1":
            options = [answer]
        elif int(found["number"]) == len(options) + 1:
            options.append(answer)
    return options


def parsed(table: Mapping[str, object], wrong: Wrong, *, compiled: bool) -> Signs:
    """Return what the table ``signs`` of a profile says.

    Args:
        wrong: makes an error of what is wrong, and of the keys that lead to it.
        compiled: whether to compile all patterns, to see that they can be: ours are tested.

    Raises:
        Exception: what ``wrong`` made.
    """
    check(table, KINDS, wrong, "signs")
    composer, rules = str(table.get("composer", "")), table.get("rules", [])
    assert isinstance(rules, list)
    made = [_rule(rule, at, wrong) for at, rule in enumerate(rules)]
    if compiled:
        _check(composer, wrong, "signs", "composer")
        for at, rule in enumerate(made):
            for pattern in (*rule.every, *rule.any, *rule.none, rule.answers, rule.resets):
                _check(pattern, wrong, "signs", "rules", at)
            if rule.resets and _compiled(rule.resets).groups != 1:
                raise wrong("'resets' needs one group, which says when", "signs", "rules", at, "resets")
    return Signs(composer, tuple(made))


def _check(pattern: str, wrong: Wrong, *key: str | int) -> None:
    try:
        _compiled(pattern)
    except BAD_PATTERN as error:
        raise wrong(f"{quoted(pattern)} is no regular expression: {error}", *key) from None


def _rule(table: Mapping[str, object], at: int, wrong_: Wrong) -> Rule:
    def wrong(what: str, *key: str) -> Exception:
        return wrong_(what, "signs", "rules", at, *(word for word in key if word in table))

    check(table, RULE_KINDS, wrong, of=" of a rule")
    name, says, where = (str(table.get(key, "")) for key in ("name", "says", "where"))
    about = str(table.get("about", ""))
    if not name:
        raise wrong("a rule without a name")
    if says not in SAYS:
        raise wrong(f"'says' must be one of {', '.join(SAYS)}", "says")
    if not _WHERE.fullmatch(where):
        raise wrong("'where' must be title, screen, dialog, 'bottom N' or 'above N' with 1 to 99", "where")
    if (says == "waiting") != (about in ABOUT) or (says != "waiting" and about):
        raise wrong(
            f"'about' must be one of {', '.join(ABOUT)} where it says waiting, and is for nothing else", "about"
        )
    if table.get("resets") and about != "limit":
        raise wrong("'resets' is for what waits for a limit", "resets")
    if not table.get("every") and not table.get("any"):
        raise wrong("a rule needs 'every' or 'any'")

    lists = words(table, "every"), words(table, "any"), words(table, "none")
    answers, ends, paste = str(table.get("answers", "")), str(table.get("resets", "")), table.get("paste")
    assert paste is None or isinstance(paste, bool)
    if paste is not None and where == "title":
        raise wrong("'paste' is for rules of the screen", "paste")
    return Rule(name, SAYS[says], where, *lists, about=about, answers=answers, resets=ends, paste=paste)
