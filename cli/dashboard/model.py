"""What the view knows: sessions by their ids, which of them are shown in what order, which one is selected. Pure.

It never holds a session, only what the server last said of one.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agentmux.api.model import Info, State, Status

from . import fuzzy


class Group(enum.Enum):
    """What a session is to the one who looks, the most urgent first. The value is the heading."""

    NEEDS = "needs you"
    WORKING = "working"
    IDLE = "idle"
    RUNNING = "running"  # what it does is not known
    ENDED = "ended"


class Grouping(enum.Enum):
    """What sessions are listed together by."""

    STATUS = "status"
    FOLDER = "folder"
    LABEL = "label"
    AGENT = "agent"


class Order(enum.Enum):
    """In what order they are within a group."""

    CHANGED = "changed"  # what did something else last comes first, who waits longest before that
    NAME = "name"
    CREATED = "created"  # the newest first


_GROUPS = {
    Status.WAITING: Group.NEEDS,
    Status.STALLED: Group.NEEDS,
    Status.WORKING: Group.WORKING,
    Status.STARTING: Group.WORKING,
    Status.IDLE: Group.IDLE,
    Status.EXITED: Group.ENDED,
    Status.LOST: Group.ENDED,
}
_URGENCY = {group: at for at, group in enumerate(Group)}


def group_of(info: Info) -> Group:
    """Return what a session is to the one who looks."""
    if ended(info):
        return Group.ENDED
    return _GROUPS.get(info.status, Group.RUNNING)


def ended(info: Info) -> bool:
    """Whether its program is gone."""
    return info.state in (State.EXITED, State.LOST)


@dataclass(frozen=True, slots=True)
class Heading:
    """A row that says what follows."""

    text: str
    count: int


Row = Heading | Info


class Model:
    """The list. Whoever changes it draws it again.

    Attributes:
        marked: ids of sessions that the next action is for; empty: the selected one.
    """

    def __init__(self) -> None:
        self.marked: set[int] = set()
        self._sessions: dict[int, Info] = {}
        self._selected: int | None = None
        self._query = ""
        self._grouping = Grouping.STATUS
        self._order = Order.CHANGED
        self._rows: list[Row] | None = None
        self._counts: dict[Group, int] | None = None
        self._place = 0  # of the selected session among those shown, for when it goes

    # -- what the server says

    def replace(self, infos: Iterable[Info]) -> None:
        """Take over a list of all sessions there are."""
        self._sessions = {info.id: info for info in infos}
        self.marked &= self._sessions.keys()
        self._changed()

    def update(self, infos: Iterable[Info]) -> None:
        """Take over what is new of some sessions."""
        for info in infos:
            self._sessions[info.id] = info
        self._changed()

    def remove(self, number: int) -> None:
        """Forget a session."""
        self._sessions.pop(number, None)
        self.marked.discard(number)
        self._changed()

    # -- what is shown

    @property
    def query(self) -> str:
        """What is filtered by."""
        return self._query

    @query.setter
    def query(self, query: str) -> None:
        self._query = query
        self._changed()

    @property
    def grouping(self) -> Grouping:
        """What is grouped by."""
        return self._grouping

    @grouping.setter
    def grouping(self, grouping: Grouping) -> None:
        self._grouping = grouping
        self._changed()

    @property
    def order(self) -> Order:
        """What is sorted by."""
        return self._order

    @order.setter
    def order(self, order: Order) -> None:
        self._order = order
        self._changed()

    def get(self, number: int) -> Info | None:
        """Return what is known of a session."""
        return self._sessions.get(number)

    def everything(self) -> list[Info]:
        """Return all sessions, those that are filtered out as well."""
        return list(self._sessions.values())

    def counts(self) -> dict[Group, int]:
        """Return how many there are of each, filtered out or not."""
        if self._counts is None:
            self._counts = dict.fromkeys(Group, 0)
            for info in self._sessions.values():
                self._counts[group_of(info)] += 1
        return self._counts

    def rows(self) -> list[Row]:
        """Return the list: headings, each with its sessions behind it."""
        if self._rows is None:
            self._rows = self._arranged()
            shown = self._shown()
            if self._selected not in shown:
                self._selected = shown[min(self._place, len(shown) - 1)] if shown else None
            self._place = shown.index(self._selected) if self._selected is not None else 0
        return self._rows

    def _changed(self) -> None:
        self._rows = self._counts = None

    def select_nearest(self) -> None:
        """Select the one that fits best what is filtered by, the first of those that fit as well."""
        fits = {
            row.id: fit
            for row in self.rows()
            if isinstance(row, Info) and (fit := fuzzy.fit(self._query, _texts(row))) is not None
        }
        if fits and (self._selected is None or fits[self._selected] > min(fits.values())):
            self.select(min(fits, key=fits.__getitem__))

    def _shown(self) -> list[int]:
        return [row.id for row in self._rows or () if isinstance(row, Info)]

    def _arranged(self) -> list[Row]:
        found = [info for info in self._sessions.values() if fuzzy.fit(self._query, _texts(info)) is not None]
        groups: dict[tuple[int, str], list[Info]] = {}
        for info in found:
            groups.setdefault(self._heading(info), []).append(info)
        rows: list[Row] = []
        for (_, heading), members in sorted(groups.items()):
            members.sort(key=self._key)
            rows += [Heading(heading, len(members)), *members]
        return rows

    def _heading(self, info: Info) -> tuple[int, str]:
        if self._grouping is Grouping.STATUS:
            group = group_of(info)
            return _URGENCY[group], group.value
        last = int(ended(info))  # what is over stays below, whatever it is grouped by
        if self._grouping is Grouping.FOLDER:
            text = info.cwd
        elif self._grouping is Grouping.AGENT:
            text = info.agent or "no agent"
        else:
            text = ", ".join(f"{key}={value}" for key, value in sorted(info.labels.items())) or "no label"
        return last, f"{text} (ended)" if last else text

    def _key(self, info: Info) -> tuple[float, float, str, int]:
        if self._order is Order.NAME:
            return 0.0, 0.0, info.name, info.id
        if self._order is Order.CREATED:
            return 0.0, -info.created, info.name, -info.id
        group = group_of(info)
        since = info.since if group is Group.NEEDS else -(info.since or info.created)
        return float(_URGENCY[group]), since, info.name, -info.id

    # -- the selected one

    @property
    def selected(self) -> Info | None:
        """The selected session; None where none is shown."""
        self.rows()
        return None if self._selected is None else self._sessions[self._selected]

    def row_of_selected(self) -> int:
        """Return its place among the rows; 0 where there is none."""
        rows = self.rows()
        return next((at for at, row in enumerate(rows) if isinstance(row, Info) and row.id == self._selected), 0)

    def select(self, number: int) -> bool:
        """Select a session; whether it is shown."""
        self.rows()
        if number not in self._shown():
            return False
        self._selected = number
        self._place = self._shown().index(number)
        return True

    def move(self, by: int) -> None:
        """Select the one that many below, or above: no further than the last, and the first."""
        self.rows()
        shown = self._shown()
        if shown:
            self._place = max(0, min(self._place + by, len(shown) - 1))
            self._selected = shown[self._place]

    def next_that_needs(self) -> Info | None:
        """Select the one that has waited longest; if that is selected, the next one. None where nobody waits."""
        waiting = [info for info in self._sessions.values() if group_of(info) is Group.NEEDS]
        waiting.sort(key=lambda info: (info.since, info.id))
        if not waiting:
            return None
        at = next((at for at, info in enumerate(waiting) if info.id == self._selected), -1)
        found = waiting[(at + 1) % len(waiting)]
        if not self.select(found.id):
            self.query = ""
            self.select(found.id)
        return found

    # -- marks

    def mark(self) -> None:
        """Mark the selected one, or take its mark away."""
        if (info := self.selected) is not None:
            self.marked ^= {info.id}

    def mark_shown(self) -> None:
        """Mark all that are shown."""
        self.rows()
        self.marked |= set(self._shown())

    def chosen(self) -> Sequence[Info]:
        """Return what an action is for: the marked sessions as they are listed, else the selected one."""
        if self.marked:
            listed = [row for row in self.rows() if isinstance(row, Info) and row.id in self.marked]
            hidden = self.marked - {info.id for info in listed}
            return [*listed, *(self._sessions[number] for number in sorted(hidden))]
        return [info] if (info := self.selected) is not None else []


def _texts(info: Info) -> list[str]:
    labels = [f"{key}={value}" for key, value in info.labels.items()]
    status = "needs you " + info.status.value if group_of(info) is Group.NEEDS else info.status.value
    return [info.name, info.agent or "", status, info.command, info.cwd, info.branch or "", info.about or "", *labels]
