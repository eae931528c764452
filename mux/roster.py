"""The sessions in memory: all that live, and of the ended ones those that were asked for last."""

from __future__ import annotations

from weakref import WeakValueDictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .session import Session

ENDED = 100
"""Ended sessions that stay: 20 KiB each. A list of all needs none of them, and the record tells the rest again."""


class Roster:
    """Sessions by their ids. There are never two objects of one session: who holds one of ours has the one we give."""

    def __init__(self, ended: int = ENDED) -> None:
        self._ended = ended
        self._held: dict[int, Session] = {}  # asked for last at the end
        self._there: WeakValueDictionary[int, Session] = WeakValueDictionary()

    def __iter__(self) -> Iterator[Session]:
        """Yield all that live, and the ended ones that stay."""
        return iter(list(self._held.values()))

    def get(self, number: int) -> Session | None:
        """Return a session that is in memory. It does not count as asked for."""
        return self._held.get(number) or self._there.get(number)

    def live(self) -> list[Session]:
        """Return those that live, oldest first."""
        return sorted((session for session in self._held.values() if session.live), key=lambda session: session.id)

    def asked(self, number: int) -> Session | None:
        """Return a session that is in memory, which stays for a while."""
        session = self.get(number)
        if session is not None:
            self.add(session)
        return session

    def add(self, session: Session) -> None:
        """Have a session stay: as long as it lives, and then until enough others were asked for."""
        self._held.pop(session.id, None)
        self._held[session.id] = self._there[session.id] = session
        ended = [each.id for each in self._held.values() if not each.live]
        for number in ended[: max(0, len(ended) - self._ended)]:
            del self._held[number]

    def drop(self, session: Session) -> None:
        """Let go of a session that will not be there any more."""
        self._held.pop(session.id, None)
        self._there.pop(session.id, None)
