"""Writes down what was said in each session: as its agent's own log has it, else a prompt that was sent and what came.

Without a log the reply is what the screen has below the place where the prompt was typed, when nothing came for a
moment; of a full-screen program, what it then shows. Less the prompt's own echo, and less the program's prompt for the
next one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from agentmux.store.errors import StoreError
from agentmux.store.messages import Role, Source

from .agentlog import Says

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentmux.store.messages import Message
    from agentmux.store.stores import Stores

    from .agentlog import Entry
    from .screen import Screen
    from .session import Session

ROWS = 5000
"""Rows of a reply that are kept, the newest: the scrollback of most terminals holds fewer."""


RECENT = 100
"""Turns that are looked through for what a log tells again: a log is read in smaller steps."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """A prompt whose reply is not complete. All but the text is the proof of its message, so that it survives a server.

    Attributes:
        offset: where the journal ended when it was sent.
        row: the cursor's, counted from the oldest of the scrollback.
        column: the cursor's.
        before: what stood in that row before the cursor.
        columns: the pane's; with another width rows are counted differently.
    """

    text: str
    offset: int
    row: int
    column: int
    before: str
    columns: int


_PROOF = {field.name for field in fields(_Turn)} - {"text"}


class Turns:
    """The turns of all sessions.

    Args:
        has_log: whether a session's agent tells by itself what is said.
        told: is told of each turn that was written down, and who said it.
    """

    def __init__(
        self,
        stores: Stores,
        now: Callable[[], float],
        warn: Callable[[str], None],
        has_log: Callable[[Session], bool],
        told: Callable[[Session, Role], None],
    ) -> None:
        self._stores = stores
        self._now = now
        self._warn = warn
        self._has_log = has_log
        self._tell = told
        self._told: set[int] = set()  # sessions whose log was read since this server began
        self._open: dict[int, _Turn | None] = {}  # None: that session has none, also of the server before us

    def sent(self, session: Session, text: str) -> None:
        """``text`` is about to be typed into a session, to be answered."""
        self.rested(session)  # whoever speaks again has heard enough
        screen, at = session.screen, self._now()
        x, y, _ = screen.cursor
        above = 0 if screen.alternate else screen.history_rows
        before = "" if screen.alternate else _row(screen, y)[:x]
        if before.isascii():
            before = before.ljust(x)  # a row comes without the blanks at its end
        turn = _Turn(text, session.journal.end, above + y, x, before, screen.size[0])
        self._open[session.id] = turn
        proof = {key: value for key, value in asdict(turn).items() if key in _PROOF}
        row = session.row
        try:
            self._stores.history.add(session.id, at, row.cwd, row.agent, text)
            self._add(session, Role.USER, at, Source.SEND, proof, text)
        except StoreError as error:
            self._warn(f"session {session.name!r}: prompt not remembered: {error}")

    def rested(self, session: Session) -> None:
        """Nothing came from a session for a moment, or nothing will any more."""
        turn = self._turn(session)
        if turn is None or session.journal.end == turn.offset:
            return
        if self._has_log(session):
            self._open[session.id] = None
            return
        reply = _reply(session.screen, turn)
        if not reply:
            return  # only the echo so far
        self._open[session.id] = None
        proof = {"start": turn.offset, "end": session.journal.end}
        try:
            self._add(session, Role.AGENT, self._now(), Source.SCREEN, proof, reply)
        except StoreError as error:
            self._warn(f"session {session.name!r}: reply not remembered: {error}")

    def logged(self, session: Session, entries: Sequence[Entry]) -> None:
        """Take what a session's agent has written down itself. A prompt that was sent is the same turn."""
        messages = self._stores.messages
        try:
            recent = messages.of(session.id, RECENT)
            again = set() if session.id in self._told else {str(one.proof.get("id")) for one in recent if one.proof}
            self._told.add(session.id)
            for entry in entries:
                proof = {"id": entry.id}
                if entry.says in (Says.USAGE, Says.ANSWER) or (entry.id and entry.id in again):
                    continue
                if entry.says is Says.REPLY:
                    self._add(session, Role.AGENT, entry.at, Source.TRANSCRIPT, proof, entry.text)
                elif (sent := _same(recent, entry.text)) is not None:
                    recent.remove(sent)
                    messages.prove(sent.id, Source.TRANSCRIPT, proof)
                else:
                    row = session.row
                    self._stores.history.add(session.id, entry.at, row.cwd, row.agent, entry.text)
                    self._add(session, Role.USER, entry.at, Source.TRANSCRIPT, proof, entry.text)
        except StoreError as error:
            self._warn(f"session {session.name!r}: turns not remembered: {error}")

    def _add(
        self, session: Session, role: Role, at: float, source: Source, proof: Mapping[str, object], text: str
    ) -> None:
        self._stores.messages.add(session.id, role, at, source, proof, text)
        self._tell(session, role)

    def ended(self, session: Session) -> None:
        """A session is over: what it said last was the reply."""
        self.rested(session)
        self._open.pop(session.id, None)
        self._told.discard(session.id)

    def _turn(self, session: Session) -> _Turn | None:
        """Return the session's open turn. One that a server before us left open is looked for once."""
        if session.id not in self._open:
            try:
                self._open[session.id] = self._left_open(session)
            except StoreError as error:
                self._warn(f"session {session.name!r}: {error}")
                return None
        return self._open[session.id]

    def _left_open(self, session: Session) -> _Turn | None:
        last = self._stores.messages.of(session.id, 1)
        if not last or last[0].text is None or last[0].proof.keys() != _PROOF:
            return None
        return _Turn(last[0].text, **last[0].proof)


def _same(messages: Sequence[Message], text: str) -> Message | None:
    """Return the oldest prompt that was sent, and of which nothing else is known, with this text."""
    said = text.strip()
    return next((one for one in messages if one.source is Source.SEND and (one.text or "").strip() == said), None)


def _reply(screen: Screen, turn: _Turn) -> str:
    if screen.alternate:
        return _joined(screen.text_rows(0, screen.size[1]))
    above = screen.history_rows
    first = turn.row - above if screen.size[0] == turn.columns else 0
    rows = screen.text_rows(max(first, -above, -ROWS), screen.size[1])
    if rows and first >= max(-above, -ROWS) and screen.size[0] == turn.columns:
        rows = _without_echo(rows, turn)
    x, y, _ = screen.cursor
    waiting = turn.before.strip()
    last = next((at for at in range(len(rows) - 1, -1, -1) if rows[at].strip()), -1)
    if waiting and last >= 0 and rows[last].strip() == waiting and _row(screen, y)[:x].strip() == waiting:
        rows = rows[:last]
    return _joined(rows)


def _without_echo(rows: list[str], turn: _Turn) -> list[str]:
    """Return rows without the prompt as the program or its terminal echoed it, which may have wrapped."""
    echo = (turn.before + turn.text.split("\n")[0]).rstrip()
    shown = ""
    for at, row in enumerate(rows):
        shown += row
        if shown.rstrip() == echo:
            return rows[at + 1 :]
        if not echo.startswith(shown):
            break
    return [rows[0][turn.column :], *rows[1:]] if rows[0].startswith(turn.before) else rows


def _joined(rows: list[str]) -> str:
    return "\n".join(row.rstrip() for row in rows).strip("\n")


def _row(screen: Screen, y: int) -> str:
    return "".join(screen.text_rows(y, y + 1))
