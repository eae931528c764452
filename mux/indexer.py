"""Keeps the search index up with prompts, replies and output: a little at a turn of the loop, when sessions rest.

How far the index is, it knows itself, so what a crash left out is made up for. Output is indexed as the rows that
it showed, without what the configuration's ``redact`` matches.
"""

from __future__ import annotations

from time import process_time

from agentmux.store.errors import StoreError
from agentmux.store.messages import Role
from agentmux.store.records import Kind
from agentmux.store.search import Document, Where

from . import transcript

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable, Iterator

    from agentmux.store.stores import Stores

    from .redact import Redaction
    from .session import Session

PIECE = 6 << 10
"""Characters of rendered output in one document: what is found is then not far from what was looked for."""

CHUNK = 64 << 10
"""Bytes of output that are rendered in one go: some 5 ms."""

BATCH = 20
"""Prompts or messages that are read at once."""

PAUSE = 0.005
"""Seconds between two steps at least, for everybody else."""

SHARE = 0.1
"""Part of the time that goes into it while there is much."""

BUSY_SHARE = 0.03
"""Likewise while the server is busy with other things: what a flood prints is found minutes later, and it runs on."""

BUSY = 0.5
"""Part of the time, since the last step, in which it did something else."""


class Indexer:
    """The one queue of what is to be indexed. Calls ``done`` with a session and up to where: that may be put away.

    Not before: from the archive, all of a segment would be read for each piece of it.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        stores: Stores,
        redact: Callable[[], Redaction],
        warn: Callable[[str], None],
        done: Callable[[Session, int], None],
    ) -> None:
        self._loop = loop
        self._stores = stores
        self._redact = redact
        self._warn = warn
        self._done = done
        self._waiting: dict[int, Session] = {}
        self._dropped: dict[int, int] = {}  # sessions, and up to where their output is not kept any more
        self._said = False  # something: prompts or messages may wait
        self._work: Iterator[None] | None = None
        self._current: tuple[Session, int] | None = None  # whose output it is about, and up to where
        self._timer: TimerHandle | None = None
        self._closed = False
        self._busy = False
        self._looked = (0.0, 0.0)  # loop time and CPU seconds at the end of the last step

    def said(self) -> None:
        """A prompt or a message was recorded."""
        self._said = True
        self._begin()

    def printed(self, session: Session) -> None:
        """A session has printed, and rests or has ended."""
        self._waiting[session.id] = session
        self._begin()

    def dropped(self, session: int, end: int) -> None:
        """The recording of a session is gone up to offset ``end``: what it showed there is not to be found any more."""
        self._dropped[session] = end
        self._begin()

    def forget(self, session: int) -> None:
        """Index nothing of that session any more."""
        self._waiting.pop(session, None)
        self._dropped.pop(session, None)
        if self._current is not None and self._current[0].id == session:
            self._work = self._current = None

    def close(self) -> None:
        """Stop; what waits is made up for by the next server."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    @property
    def idle(self) -> bool:
        """Whether nothing waits."""
        return self._timer is None

    def _begin(self, took: float = 0.0) -> None:
        if self._timer is None and not self._closed:
            share = BUSY_SHARE if self._busy else SHARE
            self._timer = self._loop.call_later(max(PAUSE, took * (1 / share - 1)), self._step)

    def _step(self) -> None:
        self._timer = None
        begun = self._loop.time()
        since, used = self._looked
        self._busy = process_time() - used > BUSY * (begun - since)
        if self._work is None:
            self._work = self._next()
        try:
            if self._work is not None:
                next(self._work)
        except StopIteration:
            self._finish()
        except StoreError as error:
            self._warn(f"not indexed for search: {error}")
            self._finish()
        self._looked = self._loop.time(), process_time()
        if self._work is not None or self._said or self._waiting or self._dropped:
            self._begin(self._looked[0] - begun)

    def _finish(self) -> None:
        current, self._work, self._current = self._current, None, None
        if current is not None:
            self._done(*current)

    def _next(self) -> Iterator[None] | None:
        if self._said:
            self._said = False
            return self._index_said()
        if self._waiting:
            number = next(iter(self._waiting))
            session = self._waiting.pop(number)
            self._current = session, session.journal.end
            return self._index_output(*self._current)
        if self._dropped:
            return self._drop(*self._dropped.popitem())
        return None

    def _drop(self, session: int, end: int) -> Iterator[None]:
        while self._stores.search.forget_output(session, end):
            yield

    def _index_said(self) -> Iterator[None]:
        redaction = self._redact()
        index, history, messages = self._stores.search, self._stores.history, self._stores.messages
        at = index.reached(Where.PROMPTS)
        while prompts := history.after(at, BATCH):
            for prompt in prompts:
                text = redaction.text(prompt.text or "")
                index.add(Document(prompt.session, Where.PROMPTS, prompt.at, prompt.id, text))
                at = prompt.id
                yield
        at = index.reached(Where.REPLIES)
        while found := messages.after(at, BATCH):
            for message in found:
                if message.role is not Role.USER:  # those are prompts
                    text = redaction.text(message.text or "")
                    index.add(Document(message.session, Where.REPLIES, message.at, message.id, text))
                at = message.id
                yield

    def _index_output(self, session: Session, end: int) -> Iterator[None]:
        index, redaction = self._stores.search, self._redact()
        journal = session.journal
        yield from self._drop(session.id, journal.start)
        start = index.reached(Where.OUTPUT, session.id)
        while (start := max(start, journal.start)) < end:  # a flood may delete what waits
            stop = min(start + CHUNK, end)
            found = list(session.records(start, stop, drawn=True))
            if not found:
                break
            yield
            text = redaction.text("\n".join(transcript.rows(session.size, found)))
            pieces = _cut(text)
            at = max((record.at for record in found if record.kind is Kind.OUTPUT), default=0.0)
            for number, piece in enumerate(pieces, 1):
                yield
                place = start + (stop - start) * number // len(pieces)
                index.add(Document(session.id, Where.OUTPUT, at, place, piece))
            start = stop


def _cut(text: str) -> list[str]:
    """Return a text in pieces of about PIECE characters that end with rows; one piece at least."""
    pieces = []
    while len(text) > PIECE:
        end = text.find("\n", PIECE)
        if end < 0:
            break
        pieces.append(text[:end])
        text = text[end + 1 :]
    return [*pieces, text]
