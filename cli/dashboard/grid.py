"""Several live sessions side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from agentmux.api.model import Info
from agentmux.mux.errors import AgentmuxError
from agentmux.mux.foreign import safe

from ..cells import fitted
from . import lines
from .controls import Drawn, drawn
from .lines import Piece
from .link import Link, Start
from .model import group_of
from .picture import Picture

MOST = 9
"""Tiles: more are too small to tell anything, and each is a stream."""

LEAST = (20, 4)
"""Columns and rows of a tile below which there are fewer of them."""


class Grid:
    """Tiles, one of which is the one that Enter goes to."""

    def __init__(self, link: Link, changed: Callable[[], None], start: Start) -> None:
        self._link = link
        self._changed = changed
        self._start = start
        self._infos: Sequence[Info] = ()
        self._pictures: dict[int, Picture] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._across = 1
        self._first = 0  # of those that are drawn
        self._tile_size = (1, 1)
        self.at = 0

    @property
    def shown(self) -> bool:
        """Whether there is anything."""
        return bool(self._infos)

    @property
    def selected(self) -> int | None:
        """The id of the session that Enter goes to."""
        return self._infos[self.at].id if self._infos else None

    def begin(self, infos: Sequence[Info], selected: int | None) -> None:
        """Show some sessions, the first nine."""
        self.stop()
        self._infos = infos[:MOST]
        self.at = next((at for at, info in enumerate(self._infos) if info.id == selected), 0)
        self.again()

    def again(self) -> None:
        """Watch those that are not watched."""
        for info in self._infos:
            task = self._tasks.get(info.id)
            if task is None or task.done():
                self._tasks[info.id] = self._start(self._watch(info.id))

    def stop(self) -> None:
        """Show nothing."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks = {}
        self._infos = ()
        self._pictures.clear()

    def update(self, get: Callable[[int], Info | None]) -> None:
        """Take over what is new of the sessions."""
        self._infos = [get(info.id) or info for info in self._infos]

    async def _watch(self, number: int) -> None:
        picture = self._pictures.setdefault(number, Picture())
        try:
            async for frame in self._link.screens(number):
                picture.take(frame)
                self._changed()
        except AgentmuxError:
            return  # its tile says what its status is

    def move(self, across: int, down: int) -> None:
        """Go to another tile."""
        at = self.at + across + down * self._across
        if 0 <= at < len(self._infos):
            self.at = at

    def press(self, row: int, column: int) -> bool:
        """Go to the tile there; whether there is one."""
        columns, rows = self._tile_size
        across = min(column // (columns + 1), self._across - 1)
        at = self._first + row // rows * self._across + across
        if not self._first <= at < len(self._infos):
            return False
        self.at = at
        return True

    def draw(self, columns: int, rows: int) -> Drawn:
        """Return the tiles, as many as fit."""
        count = len(self._infos)
        if not count:
            return drawn([])
        across = max(1, min(3 if count > 4 else 2 if count > 1 else 1, columns // LEAST[0]))
        down = max(1, min(-(-count // across), rows // LEAST[1]))
        self._across = across
        first = self.at // (across * down) * across * down  # the page that the selected one is on
        room = (columns - across + 1) // across
        height = rows // down
        self._first, self._tile_size = first, (room, height)
        made: list[list[Piece]] = []
        cursor = (0, 0)
        for line in range(down):
            tiles = []
            for column in range(across):
                at = first + line * across + column
                if at < count:
                    tiles.append(self._tile(at, room, height))
                    if at == self.at:
                        cursor = (column * (room + 1), len(made))
            for row in range(height):
                pieces: list[Piece] = []
                for tile in tiles:
                    pieces += [*(tile[row]), ("class:border", "|")]
                made.append(pieces[:-1])
        return drawn(made, cursor)

    def _tile(self, at: int, columns: int, rows: int) -> list[list[Piece]]:
        info = self._infos[at]
        chosen = at == self.at
        look = lines.STYLES[group_of(info)]
        mark = lines.SELECTED if chosen else " "
        title = f"{mark}{lines.sign(info)} {safe(info.name)}  {safe(lines.status(info))}"
        made: list[list[Piece]] = [[(f"{'class:chosen' if chosen else 'class:bar'} {look}", fitted(title, columns))]]
        picture = self._pictures.get(info.id)
        top = picture.top(rows - 1) if picture is not None else 0
        for row in range(top, top + rows - 1):
            made.append(lines.exactly(picture.row(row) if picture is not None else [], columns))
        return made
