"""The recording of a session, made ready for others: as a file of some format, or to be played."""

from __future__ import annotations

from itertools import chain

from agentmux.store.records import Kind, Record

from . import replay
from .export import Format, Header, export, redacted
from .playback import Keyframe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .mux import Mux
    from .playback import Event
    from .session import Session

__all__ = ["Format", "exported", "played"]

MOST = 1 << 26
"""Bytes of output that are played: the client keeps all of it, to go back in."""


def exported(
    mux: Mux, session: Session, form: Format, since: float, progress: Callable[[float], object]
) -> Iterator[bytes]:
    """Yield a session's recording from a time (Unix seconds) on, in pieces of some 64 KiB. A piece takes some ms.

    ``progress`` is called with the part of the recording that was read.

    Raises:
        StoreError: what is recorded can't be read, at any piece.
    """
    drawn = form in (Format.TEXT, Format.HTML)
    found = _since(_told(session.records(drawn=drawn), session, progress), since)
    first = next(found, None)
    size = first.size if first is not None and first.kind is Kind.RESIZE else session.size
    started = first.at if first is not None else session.row.created
    env = {"TERM": "xterm-256color", "SHELL": session.row.argv[0]}
    header = Header(session.name, session.row.argv, size, started, env)
    return export(form, header, chain([first] if first else [], found), mux.memory.redaction())


def played(mux: Mux, session: Session) -> Iterator[Event]:
    """Yield what a client is to play: sizes, output and keyframes, MOST bytes at most, the first of it.

    Raises:
        StoreError: likewise.
    """
    total = 0
    for at, event in replay.events(session.size, redacted(session.records(drawn=True), mux.memory.redaction())):
        if isinstance(event, bytes) and not isinstance(event, Keyframe):
            total += len(event)
            if total > MOST:
                return
        yield at, event


def _told(found: Iterator[Record], session: Session, progress: Callable[[float], object]) -> Iterator[Record]:
    start = session.journal.start
    length = max(1, session.journal.end - start)
    for record in found:
        yield record
        progress((record.offset - start) / length)


def _since(found: Iterator[Record], since: float) -> Iterator[Record]:
    """Leave out what was before, but for the size that the pane had then."""
    size: Record | None = None
    for record in found:
        if record.at >= since:
            if size is not None and record.kind is not Kind.RESIZE:
                yield size
            size = None
            yield record
        elif record.kind is Kind.RESIZE:
            size = record
