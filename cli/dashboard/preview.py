"""What is shown of the selected session: its live screen, what was said, why it has its status, its queue.

Follows the selection a moment behind it, so that going through the list opens nothing on the way.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from agentmux.api.model import Info
from agentmux.mux.errors import AgentmuxError
from agentmux.mux.foreign import safe

from ..cells import wrapped
from .controls import Drawn, drawn
from .lines import Piece
from .link import Link, Start
from .picture import Picture, pieces

SETTLE = 0.06
"""Seconds for which a session must have been selected before it is asked for."""

KEPT = 50
"""Screens that are kept for when their session is selected again."""

TURNS = 50
"""Messages that are shown, the newest."""

ABOVE = 5000
"""Rows of scrollback that are fetched to look at."""


class Tab(enum.Enum):
    """What is shown of a session."""

    SCREEN = "screen"
    MESSAGES = "messages"
    WHY = "why"
    QUEUE = "queue"


class Preview:
    """The window beside the list.

    Args:
        own: id of the session that the view runs in.

    Attributes:
        tab: what it shows. Set with :meth:`show`.
        problem: why it shows nothing, "" for no reason.
    """

    def __init__(self, link: Link, changed: Callable[[], None], start: Start, own: int) -> None:
        self.tab = Tab.SCREEN
        self.problem = ""
        self._link = link
        self._changed = changed
        self._start = start
        self._own = own
        self._session: Info | None = None
        self._following: asyncio.Task[None] | None = None
        self._pictures: OrderedDict[int, Picture] = OrderedDict()
        self._text: list[list[Piece]] | None = None  # lines in place of the live screen; None: it is live
        self._raw: list[str] = []  # paragraphs, wrapped when their width is known
        self._wrapped_for = 0
        self._back = 0  # rows from the end
        self._rows = 1
        self._found = -1  # line that a search has found, -1 for none
        self._shown = 0  # counts what was shown: the answer to a question about what it was before is not for it

    # -- what is followed

    def follow(self, info: Info | None) -> None:
        """Show another session, or what is new of the same."""
        same = info is not None and self._session is not None and info.id == self._session.id
        changed = self._session != info
        self._session = info
        if same and not (changed and self._ended_or_began(info)) and not (changed and self.tab is not Tab.SCREEN):
            return
        if not same:
            self._live()
        self._restart()

    def _ended_or_began(self, info: Info | None) -> bool:
        return self._following is None or self._following.done()

    def show(self, tab: Tab) -> None:
        """Show something else of it."""
        self.tab = tab
        self._live()
        self._restart()
        self._changed()

    def stop(self) -> None:
        """Follow nothing."""
        if self._following is not None:
            self._following.cancel()
            self._following = None

    def again(self) -> None:
        """Ask anew, unless the answer is still under way."""
        if self._following is None or self._following.done():
            self._restart()

    def _restart(self) -> None:
        self.stop()
        if self._session is not None:
            self._following = self._start(self._run(self._session, self.tab))

    def _live(self) -> None:
        self._shown += 1
        self._text, self._raw, self._back, self._found, self.problem = None, [], 0, -1, ""

    async def _run(self, info: Info, tab: Tab) -> None:
        await asyncio.sleep(SETTLE)
        if tab is Tab.SCREEN and info.id == self._own:  # showing itself, it would change for ever
            self.problem = "this view runs in it"
            self._changed()
            return
        try:
            if tab is Tab.SCREEN:
                await self._watch(info.id)
            else:
                shown = self._shown
                raw = await self._said(info, tab)
                if shown == self._shown and raw != self._raw:
                    self._raw, self._wrapped_for = raw, 0
                    self._changed()
            self.problem = ""
        except AgentmuxError as error:
            self.problem = error.problem
            self._changed()

    async def _watch(self, number: int) -> None:
        picture = self._pictures.setdefault(number, Picture())
        self._pictures.move_to_end(number)
        if len(self._pictures) > KEPT:
            self._pictures.popitem(last=False)
        async for frame in self._link.screens(number):
            picture.take(frame)
            self.problem = ""
            self._changed()

    async def _said(self, info: Info, tab: Tab) -> list[str]:
        target = ("-t", str(info.id))
        if tab is Tab.WHY:
            return (await self._link.done("why", *target, "--history", "-n", "20")).rstrip("\n").split("\n")
        if tab is Tab.QUEUE:
            return _queued(await self._link.json("queue", *target, "-a"))
        return _turns(await self._link.json("messages", *target, "-n", str(TURNS)))

    # -- what is seen

    def picture(self, number: int) -> Picture | None:
        """Return the screen that was last seen of a session."""
        return self._pictures.get(number)

    def draw(self, columns: int, rows: int) -> Drawn:
        """Return the lines that fit."""
        self._rows = max(1, rows)
        if self._session is None:
            return drawn([[("class:dim", " no session")]])
        if self.problem:
            return drawn([[("class:error", f" {safe(self.problem)}")]])
        if self.tab is Tab.SCREEN and self._text is None:
            picture = self._pictures.get(self._session.id)
            if picture is None:
                return drawn([])
            top = picture.top(rows)
            return drawn([picture.row(at) for at in range(top, min(top + rows, picture.size[1]))])
        lines = self._lines(columns)
        self._back = max(0, min(self._back, len(lines) - rows))
        top = max(0, len(lines) - rows - self._back)
        shown = [*lines[top : top + rows]]
        if top <= self._found < top + len(shown):
            shown[self._found - top] = [("class:match", "".join(text for _, text in lines[self._found]))]
        return drawn(shown)

    def _lines(self, columns: int) -> Sequence[list[Piece]]:
        if self.tab is Tab.SCREEN:
            return self._text or []
        if self._wrapped_for != columns:
            self._wrapped_for = columns
            self._text = [
                [(_look(line), f" {piece}")] for line in self._raw for piece in wrapped(safe(line), columns - 2)
            ]
        return self._text or []

    # -- scrolling and searching

    @property
    def scrolled(self) -> bool:
        """Whether it shows something else than the newest."""
        return self._back > 0 or (self.tab is Tab.SCREEN and self._text is not None)

    async def scroll(self, pages: float) -> None:
        """Scroll so many pages up; down for a negative number, and back to the live screen at the end."""
        if self.tab is Tab.SCREEN and self._text is None and (pages < 0 or not await self._fetch()):
            return
        back = self._back + round(pages * max(1, self._rows - 1))
        self._back = max(0, min(back, len(self._text or ()) - self._rows))
        if self._back == 0 and self.tab is Tab.SCREEN:
            self._text, self._found = None, -1
        self._changed()

    async def _fetch(self) -> bool:
        """Fetch what is above the screen; whether it is still what is to be shown."""
        if self._session is not None and self._text is None:
            asked = self._shown
            words = ("capture", "-t", str(self._session.id), "-e", "-S", str(-ABOVE))
            rows = (await self._link.json(*words))["rows"]
            if asked != self._shown:
                return False
            made = [pieces(row) for row in rows]
            while made and not made[-1]:
                made.pop()  # what is below the last line of a screen is nothing to scroll through
            self._text = made
        return True

    async def find(self, query: str) -> bool:
        """Go to the line above that has ``query``, from the end again when there is none; whether there is one."""
        if self.tab is Tab.SCREEN and not await self._fetch():
            return False
        lines = self._text or []
        texts = ["".join(text for _, text in line).lower() for line in lines]
        start = self._found if self._found >= 0 else len(texts)
        order = [*range(start - 1, -1, -1), *range(len(texts) - 1, start - 1, -1)]
        self._found = next((at for at in order if query.lower() in texts[at]), -1)
        if self._found >= 0:
            self._back = max(0, len(lines) - self._found - max(1, self._rows // 2))
        elif self.tab is Tab.SCREEN and not self._back:
            self._text = None  # live, as before
        self._changed()
        return self._found >= 0


def _look(line: str) -> str:
    return "class:heading" if line.startswith(_HEADS) else ""


_HEADS = ("user  ", "agent  ", "system  ")


def _turns(messages: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for one in messages:
        at = time.strftime("%Y-%m-%d %H:%M", time.localtime(one["at"]))
        text = "[damaged: see agentmux doctor]" if one["text"] is None else str(one["text"])
        lines += [f"{one['role']}  {at}", *text.rstrip("\n").split("\n"), ""]
    return lines or ["nothing was said yet"]


def _queued(queue: dict[str, Any]) -> list[str]:
    lines = ["the queue is held: P goes on with it", ""] if queue["paused"] else []
    for one in queue["prompts"]:
        why = f": {one['why']}" if one["why"] else ""
        text = str(one["text"] or "").strip().split("\n")
        lines.append(f"{one['id']:>4}  {one['state']}{why}")
        lines += [f"      {line}" for line in text[:5]]
    return lines or ["no prompts"]
