"""The windows of the view: how they are arranged on a terminal of what size, and what is drawn in each."""

from __future__ import annotations

from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.layout import (
    BufferControl,
    CompletionsMenu,
    ConditionalContainer,
    Dimension,
    DynamicContainer,
    Float,
    FloatContainer,
    HSplit,
    VSplit,
    Window,
)
from prompt_toolkit.widgets import Frame

from agentmux.api.model import Info

from ..cells import fitted
from . import lines
from .bar import Shown
from .controls import Drawn, Lines, Over, drawn
from .lines import Piece
from .model import Group, Heading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .app import View

BESIDE = 130
"""Columns from which the preview is beside the list; below, it is under it."""

UNDER = 16
"""Rows from which there is a preview under the list at all."""

HINTED = 12
"""Rows from which there are hints at the bottom."""


class Windows:
    """The windows of one view.

    Attributes:
        list: the sessions.
        filter: what they are filtered by.
        grid: tiles in place of list and preview.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self.list = Window(
            Lines(self._draw_list, keys=view.list_keys(), pressed=view.pressed, wheeled=view.wheel_list),
            wrap_lines=False,
        )
        control = BufferControl(view.filter, input_processors=[Shown()], key_bindings=view.filter_keys())
        self.filter = Window(control, height=1)
        self.grid = Window(Lines(view.grid.draw, keys=view.grid_keys(), pressed=view.tile_pressed), wrap_lines=False)
        self._preview = Window(Lines(view.preview.draw, wheeled=view.wheel), wrap_lines=False)

    def layout(self) -> FloatContainer:
        """Return all of them, as they are arranged."""
        view = self._view
        top = Window(Lines(self._draw_top), height=1)
        message = Window(Lines(self._draw_message), height=1, wrap_lines=False)
        footer = ConditionalContainer(
            Window(Lines(self._draw_hints), height=1), Condition(lambda: view.size()[1] >= HINTED)
        )
        filtering = Condition(lambda: view.app.layout.has_focus(self.filter) or bool(view.filter.text))
        prompt = Window(Lines(lambda columns, rows: drawn([[("class:bar", "/")]])), width=1, height=1)
        body = HSplit(
            [
                top,
                DynamicContainer(self._body),
                ConditionalContainer(VSplit([prompt, self.filter]), filtering),
                ConditionalContainer(view.bar.container, has_focus(view.bar.window) | Condition(self._searching)),
                message,
                footer,
            ]
        )
        dialog = Over([view.dialogs.container if view.settings.plain else Frame(view.dialogs.container)])
        return FloatContainer(
            body,
            floats=[
                Float(ConditionalContainer(dialog, Condition(lambda: view.dialogs.open)), transparent=False),
                Float(Over([CompletionsMenu(max_height=8, scroll_offset=1)]), xcursor=True, ycursor=True),
            ],
        )

    def _searching(self) -> bool:
        view = self._view
        return view.app.layout.is_searching

    def _body(self) -> HSplit | VSplit | Window:
        view = self._view
        columns, rows = view.size()
        if view.gridded:
            return self.grid
        about = Window(Lines(self._draw_about), height=2, wrap_lines=False)
        if view.zoomed:
            self.list.height = Dimension.exact(0)
            self.list.width = None
            return HSplit([self.list, about, self._preview])
        if columns >= BESIDE:
            self.list.height = None
            self.list.width = Dimension.exact(max(60, columns * 2 // 5))
            line = Window(char=" " if view.settings.plain else "│", width=1, style="class:border")
            return VSplit([self.list, line, HSplit([about, self._preview])])
        self.list.width = None
        if rows < UNDER:
            self.list.height = None
            return self.list
        listed = len(view.sessions.rows())
        self.list.height = Dimension.exact(max(4, min(listed, (rows - 6) * 2 // 5)))
        return HSplit([self.list, about, self._preview])

    def _draw_top(self, columns: int, rows: int) -> Drawn:
        view = self._view
        made = lines.top(
            view.sessions.counts(),
            server=view.server,
            query=view.sessions.query,
            marked=len(view.sessions.marked),
            columns=columns,
        )
        return drawn([made])

    def _draw_list(self, columns: int, rows: int) -> Drawn:
        view = self._view
        shown = view.sessions.rows()
        selected = view.sessions.selected
        if not shown:
            return drawn([[], [("class:dim", f" {self._nothing()}")]], (0, 0))
        layout = lines.columns(columns, [row for row in shown if isinstance(row, Info)])
        now = view.now()

        def line(at: int) -> list[Piece]:
            row = shown[at]
            if isinstance(row, Heading):
                return lines.heading(row)
            return lines.session(
                row,
                layout,
                now=now,
                home=view.home,
                selected=selected is not None and row.id == selected.id,
                marked=row.id in view.sessions.marked,
            )

        return Drawn(len(shown), line, (0, view.sessions.row_of_selected()))

    def _nothing(self) -> str:
        view = self._view
        if view.link.away:
            return view.link.away
        return "no session fits the filter" if view.sessions.query else "no sessions yet: n starts one, ? helps"

    def _draw_about(self, columns: int, rows: int) -> Drawn:
        view = self._view
        info = view.sessions.selected
        if info is None:
            return drawn([[], []])
        made = lines.about(info, now=view.now(), home=view.home)
        tab = view.preview.tab.value + (", scrolled" if view.preview.scrolled else "")
        room = columns - len(tab) - 3
        return drawn([[*lines.exactly(made[0], room), ("class:dim", f" [{tab}]")], made[1]])

    def _draw_message(self, columns: int, rows: int) -> Drawn:
        view = self._view
        if view.busy:
            turning = "-\\|/"[view.spin % 4] if view.settings.animation else "*"
            return drawn([[("class:dim", f" {turning} {view.busy}...")]])
        if view.link.away and view.sessions.rows():
            return drawn([[("class:error", f" {view.link.away}")]])
        return drawn([view.said])

    def _draw_hints(self, columns: int, rows: int) -> Drawn:
        view = self._view
        if view.app.layout.has_focus(view.bar.window):
            return _hint("Enter: send  M-Enter: new line  Up: earlier  C-r: search  C-o: edit  Esc: back", columns)
        if view.gridded:
            return _hint("arrows: choose  Enter: zoom  p: prompt  a: answer  b: interrupt  Esc: back", columns)
        needs = view.sessions.counts()[Group.NEEDS] > 0
        names = [
            "attach",
            "prompt",
            *(["next-needing"] if needs else []),
            "new",
            "filter",
            "kill",
            "palette",
            "help",
            "quit",
        ]
        return drawn([lines.hints(names, view.keys, columns)])


def _hint(text: str, columns: int) -> Drawn:
    return drawn([[("class:hint", fitted(f" {text}", columns))]])
