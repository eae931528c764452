"""Removes every trace of sessions: records, recordings, turns, prompts, and what the search knew of them."""

from __future__ import annotations

from dataclasses import dataclass

from .sessionerrors import StillRunning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .asking import Asking
    from .session import Session


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was removed.

    Attributes:
        output: bytes that the sessions had printed, as far as they were kept.
        freed: bytes of files that nobody else needed.
    """

    sessions: int
    output: int
    messages: int
    freed: int


async def forget(asking: Asking, sessions: Sequence[Session]) -> Forgotten:
    """Forget ended sessions; return when no byte of theirs is left in the data folder.

    Raises:
        StillRunning: one of them has not ended. Nothing was removed.
        StoreError: what is on disk can't be removed.
    """
    mux = asking.mux
    stores = mux.stores
    if running := next((session for session in sessions if session.live), None):
        raise StillRunning(running.name)
    for session in sessions:
        mux.drop(session)
    await asking.until(mux.memory.archiver.when_idle)  # it may be reading one of them
    output = messages = 0
    for session in sessions:
        output += session.journal.end - session.journal.start
        messages += stores.messages.count(session.id)
        while stores.search.forget(session.id):
            await asking.turn()
        session.release()
        session.journal.remove()
        mux.rows.forget(session.id)
    while stores.search.settle():
        await asking.turn()
    swept = await asking.in_turns("removing", stores.blobs.sweeping(mux.now() + 1))
    stores.database.checkpoint()
    return Forgotten(len(sessions), output, messages, swept.freed)
