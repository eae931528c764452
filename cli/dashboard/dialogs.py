"""Questions that the view asks in a window over the list: a choice, a line of text, a form, a page to read.

One is open at a time. Whoever asks awaits the answer; Esc answers None, and so does the end of the view.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import Completer, ThreadedCompleter
from prompt_toolkit.filters import Condition, completion_is_selected, has_completions
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import AnyContainer, BufferControl, DynamicContainer, HSplit, VSplit, Window
from prompt_toolkit.layout.dimension import Dimension

from agentmux.mux.errors import AgentmuxError

from ..cells import fitted, width, wrapped
from . import fuzzy
from .bar import Shown
from .controls import Drawn, Lines, drawn
from .lines import Piece

T = TypeVar("T")

WIDEST = 76
"""Columns of a dialog: lines that people read at a glance."""


class Late(AgentmuxError):
    """The server took so long that something else is being written by now."""

    def __init__(self) -> None:
        super().__init__("what you asked for came when you were writing something else", hint="ask again")


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers of a menu.

    Attributes:
        value: what is answered with.
        key: a key that picks it at once; "" for none.
        hint: said behind it.
    """

    text: str
    value: str
    key: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a form."""

    label: str
    value: str = ""
    completer: Completer | None = None


class Dialogs:
    """The place for dialogs; the empty one shows nothing.

    Args:
        size: columns and rows of the terminal.
        focus: gives the keyboard to a window; None: back to the list.
        free: whether the list has the keyboard: no question comes between a writer and their words.
    """

    def __init__(
        self,
        size: Callable[[], tuple[int, int]],
        focus: Callable[[Window | None], None],
        free: Callable[[], bool],
    ) -> None:
        self._size = size
        self._focus = focus
        self._free = free
        self._body: AnyContainer = Window(height=0)
        self._answer: asyncio.Future[object] | None = None
        self.container = DynamicContainer(lambda: self._body)

    @property
    def open(self) -> bool:
        """Whether one is."""
        return self._answer is not None and not self._answer.done()

    def close(self) -> None:
        """Answer None."""
        self._give(None)

    def _give(self, answer: object) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    async def _ask(self, body: AnyContainer, first: Window) -> object:
        if self.open or not self._free():
            raise Late
        self._body = body
        self._answer = asyncio.get_running_loop().create_future()
        self._focus(first)
        try:
            return await self._answer
        finally:
            self._answer = None
            self._focus(None)

    def room(self) -> int:
        """Return the columns of a dialog."""
        return max(10, min(WIDEST, self._size()[0] - 4))

    # -- a choice

    async def choose(
        self, title: str, choices: Sequence[Choice], *, text: Sequence[str] = (), filtering: bool = False, at: int = 0
    ) -> str | None:
        """Ask for one of several; ``filtering`` lets typed letters narrow them down, else keys pick at once."""
        menu = _Menu(title, choices, text, filtering=filtering, at=at, give=self._give, size=self._size)
        window = Window(Lines(menu.draw, keys=menu.keys, pressed=menu.pressed, wheeled=menu.move), wrap_lines=False)
        window.width = lambda: Dimension.exact(self.room())
        window.height = lambda: Dimension.exact(min(menu.height(self.room()), max(1, self._size()[1] - 2)))
        answer = await self._ask(window, window)
        return answer if isinstance(answer, str) else None

    async def confirm(self, title: str, yes: str, *, text: Sequence[str] = ()) -> bool:
        """Ask before something that can't be taken back; Enter alone does not do it."""
        choices = [Choice("Cancel", "", "c"), Choice(yes, "yes", yes[:1].lower())]
        return await self.choose(title, choices, text=text) == "yes"

    # -- text

    async def fill(self, title: str, fields: Sequence[Field], *, hint: str = "") -> list[str] | None:
        """Ask for lines of text. Enter is done, Tab goes to the next one."""
        keys = KeyBindings()
        buffers = [
            Buffer(
                completer=None if one.completer is None else ThreadedCompleter(one.completer),
                complete_while_typing=True,
                multiline=False,
            )
            for one in fields
        ]
        for buffer, one in zip(buffers, fields, strict=True):
            buffer.text = one.value
            buffer.cursor_position = len(one.value)
        controls = [BufferControl(buffer, input_processors=[Shown()], key_bindings=keys) for buffer in buffers]
        windows = [Window(control, height=1, style="class:field") for control in controls]

        def turn(event: KeyPressEvent, by: int) -> None:
            here = windows.index(event.app.layout.current_window)
            self._focus(windows[(here + by) % len(windows)])

        @keys.add("enter", filter=~completion_is_selected)
        def _done(event: KeyPressEvent) -> None:
            self._give([buffer.text for buffer in buffers])

        @keys.add("enter", filter=completion_is_selected)
        def _take(event: KeyPressEvent) -> None:
            event.current_buffer.complete_state = None

        @keys.add("tab")
        @keys.add("down", filter=~has_completions)
        def _next(event: KeyPressEvent) -> None:
            turn(event, 1)

        @keys.add("down", filter=has_completions)
        def _complete(event: KeyPressEvent) -> None:
            event.current_buffer.complete_next()

        @keys.add("s-tab")
        @keys.add("up", filter=~has_completions)
        def _previous(event: KeyPressEvent) -> None:
            turn(event, -1)

        @keys.add("escape", filter=has_completions)
        def _no_completion(event: KeyPressEvent) -> None:
            event.current_buffer.cancel_completion()

        @keys.add("escape", filter=~has_completions)
        @keys.add("c-c")
        def _cancel(event: KeyPressEvent) -> None:
            self._give(None)

        widest = max(width(one.label) for one in fields) + 2
        rows = [
            VSplit([Window(Lines(_label(one.label, widest)), width=widest, height=1), window])
            for one, window in zip(fields, windows, strict=True)
        ]
        head = Window(Lines(_label(title, 0, "class:question")), height=1)
        foot = Window(Lines(_label(hint or "Enter: done   Tab: next   Esc: cancel", 0, "class:dim")), height=1)
        answer = await self._ask(HSplit([head, *rows, foot], width=lambda: Dimension.exact(self.room())), windows[0])
        return answer if isinstance(answer, list) else None

    # -- a page

    async def read(self, title: str, lines: Sequence[list[Piece]]) -> None:
        """Show a page; Esc, q or Enter ends it."""
        page = _Page(title, lines, self.close)
        window = Window(Lines(page.draw, keys=page.keys, wheeled=page.move), wrap_lines=False)
        window.width = lambda: Dimension.exact(self.room())
        window.height = lambda: Dimension.exact(max(1, min(len(lines) + 2, self._size()[1] - 2)))
        await self._ask(window, window)


def _label(text: str, room: int, look: str = "") -> Callable[[int, int], Drawn]:
    return lambda columns, rows: drawn([[(look, fitted(text, room or columns))]])


class _Menu:
    """A list of answers, one of which is the one that Enter gives."""

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        text: Sequence[str],
        *,
        filtering: bool,
        at: int,
        give: Callable[[object], None],
        size: Callable[[], tuple[int, int]],
    ) -> None:
        self._title = title
        self._all = choices
        self._text = text
        self._filtering = filtering
        self._give = give
        self._at = at
        self._typed = ""
        self._head = 0
        self.keys = self._bindings()

    def _found(self) -> Sequence[Choice]:
        if not self._typed:
            return self._all
        scored = [(fuzzy.fit(self._typed, [one.text, one.hint]), one) for one in self._all]
        return [one for score, one in sorted((s for s in scored if s[0] is not None), key=lambda pair: pair[0] or 0)]

    def height(self, columns: int) -> int:
        """Return the rows that all of it takes."""
        text = sum(len(wrapped(line, columns - 2)) for line in self._text)
        return 1 + text + len(self._all) + (2 if self._filtering else 1)

    def move(self, by: int) -> None:
        """Make another answer the one that Enter gives."""
        self._at = max(0, min(self._at + by, len(self._found()) - 1))

    def pressed(self, row: int, column: int) -> None:
        """Take the answer that was clicked."""
        found = self._found()
        if 0 <= row - self._head < len(found):
            self._give(found[row - self._head].value)

    def draw(self, columns: int, rows: int) -> Drawn:
        """Return the lines; of a long text the end is left out, of the answers none."""
        found = self._found()
        room = max(0, rows - 1 - min(len(found), max(3, rows // 2)) - (2 if self._filtering else 1))
        text = [piece for line in self._text for piece in wrapped(line, columns - 2)]
        if len(text) > room:
            text = [*text[: max(0, room - 1)], "..."][:room]
        lines: list[list[Piece]] = [[("class:question", fitted(f" {self._title}", columns))]]
        lines += [[("", fitted(f" {line}", columns))] for line in text]
        if self._filtering:
            lines.append([("", " > "), ("class:field", fitted(self._typed, columns - 4))])
        self._head = len(lines)
        for at, one in enumerate(found):
            chosen = at == self._at
            mark = ">" if chosen else " "
            key = f"{one.key}  " if one.key else ""
            hint = f"  {one.hint}" if one.hint else ""
            lines.append([("class:chosen" if chosen else "", fitted(f"{mark} {key}{one.text}{hint}", columns))])
        lines.append([("class:dim", fitted(" Enter: this one   Esc: cancel", columns))])
        return drawn(lines, (0, self._head + self._at))

    def _bindings(self) -> KeyBindings:
        keys = KeyBindings()
        typing = Condition(lambda: self._filtering)
        taken = {one.key for one in self._all}

        @keys.add("down")
        @keys.add("tab")
        @keys.add("c-n")
        def _down(event: KeyPressEvent) -> None:
            self.move(1)

        @keys.add("up")
        @keys.add("s-tab")
        @keys.add("c-p")
        def _up(event: KeyPressEvent) -> None:
            self.move(-1)

        for key, by in (("j", 1), ("k", -1)):
            if key not in taken:
                keys.add(key, filter=~typing)(lambda event, by=by: self.move(by))

        @keys.add("enter")
        def _enter(event: KeyPressEvent) -> None:
            found = self._found()
            if found:
                self._give(found[min(self._at, len(found) - 1)].value)

        @keys.add("escape")
        @keys.add("c-c")
        def _cancel(event: KeyPressEvent) -> None:
            self._give(None)

        @keys.add("backspace", filter=typing)
        def _back(event: KeyPressEvent) -> None:
            self._typed, self._at = self._typed[:-1], 0

        @keys.add("<any>")
        def _any(event: KeyPressEvent) -> None:
            if not event.data.isprintable():
                return
            if self._filtering:
                self._typed, self._at = self._typed + event.data, 0
                return
            for one in self._all:
                if one.key == event.data:
                    self._give(one.value)

        return keys


class _Page:
    """Lines to read, with a place in them."""

    def __init__(self, title: str, lines: Sequence[list[Piece]], end: Callable[[], None]) -> None:
        self._title = title
        self._lines = lines
        self._top = 0
        self._rows = 1
        self.keys = KeyBindings()

        @self.keys.add("escape")
        @self.keys.add("q")
        @self.keys.add("?")
        @self.keys.add("enter")
        @self.keys.add("c-c")
        def _end(event: KeyPressEvent) -> None:
            end()

        for key, by in (("down", 1), ("j", 1), ("up", -1), ("k", -1)):
            self.keys.add(key)(lambda event, by=by: self.move(by))
        for key, by in (("pagedown", 1), (" ", 1), ("pageup", -1)):
            self.keys.add(key)(lambda event, by=by: self.move(by * self._rows))

    def move(self, by: int) -> None:
        """Go down so many lines, or up."""
        self._top = max(0, min(self._top + by, len(self._lines) - self._rows))

    def draw(self, columns: int, rows: int) -> Drawn:
        """Return the lines that fit."""
        self._rows = max(1, rows - 2)
        self.move(0)
        shown = self._lines[self._top : self._top + self._rows]
        more = f"{self._top + len(shown)} of {len(self._lines)} lines   " if len(shown) < len(self._lines) else ""
        lines: list[list[Piece]] = [[("class:question", fitted(f" {self._title}", columns))]]
        lines += [[("", " "), *line] for line in shown]
        lines.append([("class:dim", fitted(f" {more}Esc: back", columns))])
        return drawn(lines, (0, 0))
