"""What becomes of the prompts sent from the view, as it becomes true: queued, typing, accepted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from agentmux.mux.foreign import safe

KEPT = 1000
"""Prompts whose fate is followed: the newest, and all of the last sending."""

TOLD = 3
"""Sessions of one sending that are told one by one; of more it is counted how many got how far."""

FAILED = frozenset({"refused", "uncertain", "dropped"})


class Receipts:
    """The prompts that were sent from here."""

    def __init__(self) -> None:
        self._steps: dict[tuple[int, int], list[str]] = {}  # by session and prompt
        self._names: dict[int, str] = {}
        self._shown: list[tuple[int, int]] = []  # those of the last sending
        self._plain: list[tuple[str, str]] = []  # names and states of those without a number
        self._early: dict[tuple[int, int], list[tuple[str, str]]] = {}
        self.wrong = False

    def begin(self, receipts: Sequence[Mapping[str, Any]]) -> None:
        """Begin to follow what was sent just now."""
        self._shown, self._plain, self.wrong = [], [], False
        for one in receipts:
            self._names[one["session"]] = str(one["name"])
            if one["prompt"] is None:
                self._plain.append((safe(str(one["name"])), str(one["state"])))
                continue
            key = (one["session"], one["prompt"])
            self._shown.append(key)
            steps = self._steps.setdefault(key, ["queued"])
            for state, why in self._early.pop(key, []):
                self._step(steps, state, why)
            self._step(steps, str(one["state"]), str(one["why"] or ""))
        self._early.clear()
        for key in list(self._steps)[: -max(KEPT, len(self._shown))]:
            del self._steps[key]

    def happened(self, session: int, facts: Mapping[str, Any]) -> bool:
        """Take in a ``prompt`` event; whether the line changed."""
        key = (session, int(facts.get("prompt") or 0))
        state, why = str(facts.get("state") or ""), str(facts.get("why") or "")
        steps = self._steps.get(key)
        if steps is None:
            self._early.setdefault(key, []).append((state, why))  # it may be faster than its receipt
            if len(self._early) > KEPT:
                del self._early[next(iter(self._early))]
            return False
        self._step(steps, state, why)
        return key in self._shown

    def _step(self, steps: list[str], state: str, why: str) -> None:
        text = f"{state} ({safe(why)})" if why and state not in ("accepted", "submitted") else state
        before = steps[-1].partition(" ")[0]
        if before == state:
            steps[-1] = text
        elif before != "accepted":
            steps.append(text)
        self.wrong = self.wrong or state in FAILED

    @property
    def line(self) -> str:
        """What became of the last prompt, for each session that got it, or how many of them got how far."""
        made = [(safe(self._names[key[0]]), " > ".join(self._steps[key])) for key in self._shown] + self._plain
        if len(made) <= TOLD:
            return "   ".join(f"{name}: {what}" for name, what in made)
        last = [(name, what.rpartition(" > ")[2]) for name, what in made]
        counts = Counter(what.partition(" (")[0] for _, what in last)
        told = f"{len(made)} prompts: {', '.join(f'{count} {state}' for state, count in counts.items())}"
        failed = [f"{name}: {what}" for name, what in last if what.partition(" ")[0] in FAILED]
        return "   ".join([told, *failed[:TOLD]])
