"""What windows of the view show: lines that are made when they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prompt_toolkit.data_structures import Point
from prompt_toolkit.key_binding import KeyBindingsBase
from prompt_toolkit.layout import HSplit
from prompt_toolkit.layout.controls import UIContent, UIControl
from prompt_toolkit.layout.mouse_handlers import MouseHandlers
from prompt_toolkit.layout.screen import Char, Screen, WritePosition
from prompt_toolkit.mouse_events import MouseEvent, MouseEventType

from ..cells import steady
from .lines import Piece


@dataclass(frozen=True, slots=True)
class Drawn:
    """Lines, made one by one when they are seen.

    Attributes:
        cursor: column and row of the terminal's cursor, which screen readers follow; None: hidden.
    """

    count: int
    line: Callable[[int], list[Piece]]
    cursor: tuple[int, int] | None = None


def drawn(lines: Sequence[list[Piece]], cursor: tuple[int, int] | None = None) -> Drawn:
    """Return lines that are there already."""
    return Drawn(len(lines), lambda at: lines[at] if at < len(lines) else [], cursor)


class Over(HSplit):
    """Something that lies over other windows: a wide character of theirs that it half covers is not drawn at all.

    Its other half would push what is drawn behind it.
    """

    def write_to_screen(
        self,
        screen: Screen,
        mouse_handlers: MouseHandlers,
        write_position: WritePosition,
        parent_style: str,
        erase_bg: bool,
        z_index: int | None,
    ) -> None:
        """Draw, then blank the halves at both sides."""
        super().write_to_screen(screen, mouse_handlers, write_position, parent_style, erase_bg, z_index)
        screen.draw_with_z_index((z_index or 0) + 1, lambda: _halves_away(screen, write_position))


def _halves_away(screen: Screen, over: WritePosition) -> None:
    for y in range(over.ypos, over.ypos + over.height):
        row = screen.data_buffer[y]
        before, behind = row[over.xpos - 1], row[over.xpos + over.width]
        if before.width > 1:
            row[over.xpos - 1] = Char(" ", before.style)
        if behind.char == "":
            row[over.xpos + over.width] = Char(" ", behind.style)


class Lines(UIControl):
    """A control that draws what a function makes of (columns, rows).

    Args:
        pressed: called with the row, among all lines, and the column that were clicked.
        wheeled: called with 1 or -1.
    """

    def __init__(
        self,
        make: Callable[[int, int], Drawn],
        *,
        keys: KeyBindingsBase | None = None,
        pressed: Callable[[int, int], None] | None = None,
        wheeled: Callable[[int], object] | None = None,
    ) -> None:
        self._make = make
        self._keys = keys
        self._pressed = pressed
        self._wheeled = wheeled

    def create_content(self, width: int, height: int) -> UIContent:
        """Draw."""
        made = self._make(width, height)
        x, y = made.cursor or (0, 0)
        return UIContent(
            get_line=lambda at: [(look, steady(text)) for look, text in made.line(at)],
            line_count=max(1, made.count),
            cursor_position=Point(x, y),
            show_cursor=made.cursor is not None,
        )

    def is_focusable(self) -> bool:
        """Whether keys come here."""
        return self._keys is not None

    def get_key_bindings(self) -> KeyBindingsBase | None:
        """The keys that mean something here."""
        return self._keys

    def mouse_handler(self, mouse_event: MouseEvent) -> object:
        """Take a click, or a turn of the wheel."""
        kind = mouse_event.event_type
        if kind == MouseEventType.MOUSE_UP and self._pressed is not None:
            self._pressed(mouse_event.position.y, mouse_event.position.x)
        elif kind == MouseEventType.SCROLL_DOWN and self._wheeled is not None:
            self._wheeled(1)
        elif kind == MouseEventType.SCROLL_UP and self._wheeled is not None:
            self._wheeled(-1)
        else:
            return NotImplemented
        return None
