"""One answer on its way into a dialog, as a machine: told what is seen, it says what to do next. Pure.

Before each key it looks at the dialog again, and it presses none but into the one that was shown. Enter is pressed
only while the wanted answer is the marked one. A key that picks is pressed again only where the same dialog has stood
all the time since, and nothing in it has moved. What can't be told in time is uncertain, and left as it is.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .answer import Ways
    from .dialog import Dialog

DRAWN = 2.0
"""Seconds for which a dialog that an agent speaks of may not show yet."""

STANDS = 0.1
"""Seconds for which a dialog must have stood before it counts as drawn."""

TAKEN = 10.0
"""Seconds for which somebody who types is waited for."""

ECHO = 3.0
"""Seconds for which a key may show nothing: an agent that is busy draws late."""

ONLY_MARKS = 0.6
"""Seconds after which a digit that has marked an answer, and done no more, is taken to do no more."""

AGAIN = 1.5
"""Seconds from a key that picks until it counts as lost, where nothing has moved."""

PRESSES = 3
"""How often it is pressed at most."""

GONE = 0.15
"""Seconds for which a dialog must be away: some are drawn anew in pieces."""

CLOSES = 10.0
"""Seconds from the key that picks until it is not waited for any more that the dialog goes."""

RECORD = 2.5
"""Seconds from when a question is gone for which the agent's own record is waited for."""


class Stage(enum.Enum):
    """How far an answer is."""

    LOOKS = "looks"  # no key was pressed
    MOVES = "moves"  # keys that pick nothing
    COUNTED = "counted"  # the number was pressed, which picks it, or marks it
    TYPED = "typed"  # the text was
    PICKED = "picked"
    GONE = "gone"  # the dialog is


@dataclass(frozen=True, slots=True)
class Choice:
    """What a dialog is to be answered with: by number, from 1, or by what it means; or a text.

    A text goes into the answer that takes one, else with the one that means no.
    """

    number: int = 0
    means: bool | None = None
    text: str = ""

    def among(self, dialog: Dialog, ways: Ways) -> int | None:
        """Return which of a dialog's answers that is, None for none."""
        options = dialog.options
        if self.text:
            found = ways.takes_text(options)
            return ways.says_no(options) if found is None else found
        if self.means is not None:
            return ways.says_yes(options) if self.means else ways.says_no(options)
        return self.number - 1 if 1 <= self.number <= len(options) else None

    @property
    def said(self) -> str:
        """It in words."""
        if self.text:
            return "takes a text"
        return f"has number {self.number}" if self.means is None else f"means {'yes' if self.means else 'no'}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen at one moment.

    Attributes:
        now: seconds of a clock that stands still never.
        waits: whether the agent is known to wait for a person, also where no dialog shows.
        token: the dialog's.
        stood: for how many seconds it is known to have stood.
        typed: when a person typed last.
        records: what the agent has written down as answered since the first key.
        recorded: whether it is known to write down what was answered to questions.
    """

    now: float
    live: bool
    waits: bool
    dialog: Dialog | None
    token: str
    stood: float
    typed: float
    records: tuple[str, ...] = ()
    recorded: bool = False


class Do(enum.Enum):
    """What to do."""

    WAIT = "wait"
    PRESS = "press"
    PASTE = "paste"
    ACCEPT = "accept"
    REFUSE = "refuse"
    DOUBT = "doubt"


@dataclass(frozen=True, slots=True)
class Next:
    """What to do now.

    Attributes:
        why: in words: the proof, or what was seen.
        keys: to press.
        at: when to look again at the latest, None for whenever something changes.
    """

    do: Do
    why: str = ""
    keys: tuple[str, ...] = ()
    at: float | None = None


class Answering:
    """One answer.

    Args:
        seen: the token of the dialog that was shown; "" for the one that is there.
        hands: seconds for which nobody may have typed.
    """

    def __init__(self, choice: Choice, ways: Ways, *, seen: str, hands: float) -> None:
        self.stage = Stage.LOOKS
        self.wanted = 0  # which answer, from 0
        self.option = ""
        self.prompts = False  # the text is to be a prompt, once the dialog is gone
        self._choice = choice
        self._ways = ways
        self._text = ""  # what is typed into the dialog
        self._token = seen
        self._hands = hands
        self._begun: float | None = None
        self._dialog: Dialog | None = None
        self._stood = 0.0  # since when it has been this dialog
        self._key = 0.0  # when the last one was pressed
        self._steps = 0
        self._before: int | None = None  # what was marked then
        self._amended = False
        self._tail = ""
        self._name = ""  # the dialog's token, when the first key was pressed
        self._presses = 0  # of the key that picks
        self._away: float | None = None
        self._broken = False  # it was away for a moment
        self._gone = 0.0

    def next(self, seen: Seen) -> Next:
        """Return what to do. PRESS and PASTE are taken as done."""
        if self._begun is None:
            self._begun = seen.now
        if self.stage is Stage.LOOKS:
            return self._looks(seen)
        if self.stage is Stage.GONE:
            return self._proof(seen)
        if self.stage is Stage.MOVES:
            return self._moves(seen)
        if not seen.live:
            return Next(Do.ACCEPT, "its program has ended")
        if self._is_away(seen):
            if self.stage is Stage.TYPED or (self.stage is Stage.COUNTED and self._text):
                return Next(Do.DOUBT, "the dialog went away before the text was entered")
            assert self._away is not None
            if seen.now < self._away + GONE:
                return Next(Do.WAIT, at=self._away + GONE)
            self.stage, self._gone = Stage.GONE, seen.now
            return self._proof(seen)
        self._away = None
        return {Stage.COUNTED: self._counted, Stage.TYPED: self._typed, Stage.PICKED: self._picked}[self.stage](seen)

    def _is_away(self, seen: Seen) -> bool:
        assert self._dialog is not None
        typed = self._text and (self._amended or self.stage in (Stage.TYPED, Stage.PICKED))
        same = seen.dialog is not None and (
            self._dialog.asks_the_same(seen.dialog) if typed else self._dialog.same(seen.dialog)
        )
        if not same:
            self._away = self._away or seen.now
            self._broken = True
        return not same

    def _looks(self, seen: Seen) -> Next:
        assert self._begun is not None
        if not seen.live:
            return Next(Do.REFUSE, "its program has ended")
        dialog = seen.dialog
        if dialog is None:
            self._dialog = None
            if seen.waits and seen.now < self._begun + DRAWN:
                return Next(Do.WAIT, at=self._begun + DRAWN)
            return Next(Do.REFUSE, "it shows no dialog" if seen.waits else "it does not wait for an answer")
        if self._dialog is None or not self._dialog.same(dialog):
            self._dialog, self._stood = dialog, seen.now
        if not self._token or self._token != seen.token:
            if seen.now < self._stood + STANDS and seen.now < self._begun + DRAWN:
                return Next(Do.WAIT, at=self._stood + STANDS)
            if self._token:
                return Next(Do.REFUSE, "it is not the dialog that was shown")
        if seen.now < seen.typed + self._hands:
            if seen.now >= self._begun + TAKEN:
                return Next(Do.REFUSE, "somebody types")
            return Next(Do.WAIT, at=seen.typed + self._hands)
        stood = max(seen.stood, seen.now - self._stood)
        if stood < self._ways.rests:
            return Next(Do.WAIT, at=seen.now + self._ways.rests - stood)
        wanted = self._choice.among(dialog, self._ways)
        if wanted is None:
            return Next(Do.REFUSE, f"none of its answers {self._choice.said}")
        self.wanted, self.option = wanted, dialog.options[wanted]
        takes = wanted == self._ways.takes_text(dialog.options)
        if takes and not self._choice.text:
            return Next(Do.REFUSE, "that answer takes a text")
        if takes or self._ways.amend:
            self._text = self._choice.text
        self.prompts = bool(self._choice.text) and not self._text
        self.stage, self._name = Stage.MOVES, seen.token
        return self._moves(seen)

    def _moves(self, seen: Seen) -> Next:
        """Nothing was picked so far."""
        dialog = seen.dialog
        if not seen.live:
            return Next(Do.REFUSE, "its program has ended")
        if dialog is None or self._is_away(seen):
            self._away = self._away or seen.now
            if seen.now < self._away + GONE:
                return Next(Do.WAIT, at=self._away + GONE)
            return Next(Do.REFUSE, "the dialog went away before anything was picked")
        self._away = None
        if letter := self._ways.typed(self.option):
            self.stage, self._tail = Stage.TYPED, dialog.tail
            return self._press(seen, letter)
        if dialog.marked == self.wanted:
            return self._at_it(seen, dialog)
        amends = self._text and self.wanted != self._ways.takes_text(dialog.options)  # a number would pick it as it is
        if dialog.numbered and self._ways.digits and not self._steps and not amends:
            self.stage, self._presses = Stage.COUNTED, 1
            return self._press(seen, str(self.wanted + 1))
        if dialog.marked is None:
            if self._steps and seen.now < self._key + ECHO:
                return Next(Do.WAIT, at=self._key + ECHO)
            return Next(Do.REFUSE, "it does not show which answer is marked")
        if self._steps and dialog.marked == self._before:
            if seen.now < self._key + ECHO:
                return Next(Do.WAIT, at=self._key + ECHO)
            return Next(Do.REFUSE, "the marked answer does not change")
        if self._steps >= 2 * len(dialog.options):
            return Next(Do.REFUSE, "the wanted answer can't be reached")
        forward = self.wanted > dialog.marked
        across, down = ("Right" if forward else "Left"), ("Down" if forward else "Up")
        return self._press(seen, across if dialog.beside else down)

    def _press(self, seen: Seen, *keys: str) -> Next:
        self._steps += 1
        self._key = seen.now
        self._before = seen.dialog.marked if seen.dialog is not None else None
        return Next(Do.PRESS, keys=keys)

    def _at_it(self, seen: Seen, dialog: Dialog) -> Next:
        """The wanted answer is the marked one."""
        if not self._text:
            self.stage, self._presses = Stage.PICKED, 1
            return self._press(seen, *self._ways.submit)
        if self._ways.takes_text(dialog.options) is None and not self._amended:
            self._amended, self._tail = True, dialog.tail
            return self._press(seen, *self._ways.amend)
        if self._amended and dialog.tail == self._tail:
            if seen.now < self._key + ECHO:
                return Next(Do.WAIT, at=self._key + ECHO)
            return Next(Do.REFUSE, "it does not let a text be added")
        self._tail, self.stage, self._key = dialog.tail, Stage.TYPED, seen.now
        return Next(Do.PASTE)

    def _counted(self, seen: Seen) -> Next:
        assert seen.dialog is not None
        if seen.dialog.marked == self.wanted:
            if self._text:
                return self._at_it(seen, seen.dialog)
            if seen.now < self._key + ONLY_MARKS:
                return Next(Do.WAIT, at=self._key + ONLY_MARKS)
            return self._at_it(seen, seen.dialog)
        return self._again(seen, str(self.wanted + 1))

    def _typed(self, seen: Seen) -> Next:
        dialog = seen.dialog
        assert dialog is not None
        text = "".join((self._text or self._ways.typed(self.option)).split())
        if dialog.tail.count(text) <= self._tail.count(text):
            if seen.now < self._key + ECHO:
                return Next(Do.WAIT, at=self._key + ECHO)
            return Next(Do.DOUBT, "it does not show what was typed; it was not entered")
        if self._text and dialog.marked not in (self.wanted, None):
            return Next(Do.DOUBT, "another answer is marked; the text was not entered")
        if seen.now < self._key + STANDS:  # some take Enter in what comes with it for a line's end
            return Next(Do.WAIT, at=self._key + STANDS)
        self.stage = Stage.PICKED
        return self._press(seen, *self._ways.submit)

    def _picked(self, seen: Seen) -> Next:
        return self._again(seen, *self._ways.submit)

    def _again(self, seen: Seen, *keys: str) -> Next:
        """Wait until the dialog goes, and press what picks again if that was lost."""
        assert seen.dialog is not None
        unmoved = seen.token == self._name != "" and seen.dialog.marked == self._before and not self._broken
        if unmoved and not self._text and self._presses < PRESSES:
            if seen.now < self._key + AGAIN:
                return Next(Do.WAIT, at=self._key + AGAIN)
            self._presses += 1
            return self._press(seen, *keys)
        if seen.now < self._key + CLOSES:
            return Next(Do.WAIT, at=self._key + CLOSES)
        return Next(Do.DOUBT, "the dialog is still there")

    def _proof(self, seen: Seen) -> Next:
        assert self._dialog is not None
        if self._dialog.reading.about != "question" or not seen.recorded:
            return Next(Do.ACCEPT, "screen")
        given = _bare(self._text or self.option)
        found = next((one for one in seen.records if _bare(one) == given), None)
        if found is not None:
            return Next(Do.ACCEPT, f"record {found}")
        if seen.now < self._gone + RECORD:
            return Next(Do.WAIT, at=self._gone + RECORD)
        if seen.records:
            return Next(Do.DOUBT, f"it has written down another answer: {seen.records[-1]}")
        return Next(Do.ACCEPT, "screen")


def _bare(text: str) -> str:
    return "".join(text.split())
