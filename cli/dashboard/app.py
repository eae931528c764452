"""The application: its windows, its keys, who has the keyboard, and its way from start to end.

It is long because these four have to agree: what is shown decides what a key means, and the other way round.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.layout import (
    BufferControl,
    CompletionsMenu,
    ConditionalContainer,
    Dimension,
    DynamicContainer,
    Float,
    FloatContainer,
    HSplit,
    Layout,
    VSplit,
    Window,
)
from prompt_toolkit.output import ColorDepth, Output, create_output
from prompt_toolkit.styles import Style
from prompt_toolkit.widgets import Frame

from agentmux.api.model import Event, Info
from agentmux.mux.errors import AgentmuxError

from ..cells import fitted
from . import lines
from .ahead import TypedAhead
from .bar import RECALLED, Bar, Mentions
from .controls import Drawn, Lines, drawn
from .dialogs import Dialogs
from .doing import Doing
from .grid import Grid
from .keymap import BY_NAME, bound, sequence
from .lines import Piece
from .link import Link
from .looks import THEMES
from .model import Group, Heading, Model, ended
from .pace import Pace
from .preview import Preview
from .receipts import Receipts

ESCAPE = 0.05
"""Seconds after which an escape character is the key Esc: what belongs to another key follows at once."""

ALT = 0.1
"""Seconds for which Esc waits for another key where both together mean something."""

LOOKED = 1.0
"""Seconds for which a session must have been selected by hand to count as looked at."""

RECALL = 0.3
"""Seconds that the history of prompts gets before a prompt is begun without."""

SPIN = 0.15
"""Seconds between two pictures of what turns while work is under way."""

BESIDE = 130
"""Columns from which the preview is beside the list; below, it is under it."""

UNDER = 16
"""Rows from which there is a preview under the list at all."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says of the view.

    Attributes:
        keys: changes of the keys.
        plain: no lines of box drawing, nothing that moves: for screen readers.
    """

    theme: str = "auto"
    keys: Mapping[str, str] = field(default_factory=dict)
    mouse: bool = True
    animation: bool = True
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """The view is over.

    Attributes:
        signal: what has ended it, 0 for its user.
        detach: whoever has shown it for a moment, from a session, is to leave as well.
    """

    signal: int = 0
    detach: bool = False


@dataclass(frozen=True, slots=True)
class Attach:
    """A session is to be shown, then the view again."""

    session: int


@dataclass(frozen=True, slots=True)
class Edit:
    """The prompt is to be written on in the editor, then the view again."""

    text: str


Outcome = Leave | Attach | Edit


class View:
    """The view. It may be run several times: what it knows and what is written in it stays.

    Args:
        server: its name, which is shown.
        home: the user's, shown as ``~``.
        agents: tells which commands start agents.
        own: id of the session that it runs in, 0 for none: it does not show itself.
    """

    def __init__(
        self,
        socket: str,
        *,
        server: str,
        settings: Settings,
        home: str,
        colours: ColorDepth,
        agents: Callable[[], Sequence[str]],
        own: int = 0,
        now: Callable[[], float] = time.time,
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._output = output or create_output()
        self.sessions = Model()
        self.receipts = Receipts()
        self.agents = agents
        self._server = server
        self._own = own
        self._settings = settings
        self._home = home
        self._now = now
        self._wanted = 0  # id of a session to select as soon as it is listed
        self._zoomed = False
        self._gridded = False
        self._said: list[Piece] = []
        self._busy = ""  # what is under way
        self._spin = 0
        self._targets: list[int] = []
        self._looking: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pace = Pace(lambda: self.app.invalidate(), calm=not settings.animation)
        self.ahead = TypedAhead(self._feed)
        self.keys = bound(settings.keys)
        self.link = Link(socket, self.sessions, self.list_changed, self._happened, self._start)
        self.preview = Preview(self.link, self.changed, self._start, own)
        self.grid = Grid(self.link, self.changed, self._start)
        self.dialogs = Dialogs(self._size, self._focus)
        self.bar = Bar(
            completer=Mentions(lambda: [info.name for info in self.sessions.everything()], self._folder),
            send=lambda text: self._start(self.doing.send(self._targets, text)),
            leave=lambda: self._focus(None),
            edit=lambda: self._end(Edit(self.bar.text)),
            title=self._bar_title,
            columns=lambda: self._size()[0],
        )
        self.doing = Doing(self)
        self._filter = Buffer(multiline=False, on_text_changed=self._filtered)
        self._filter_window = Window(BufferControl(self._filter, key_bindings=self._filter_keys()), height=1)
        keys = self._list_keys()
        self._list = Window(
            Lines(self._draw_list, keys=keys, pressed=self._pressed, wheeled=self.move),
            wrap_lines=False,
            style="class:list",
        )
        self._preview_window = Window(
            Lines(self.preview.draw, wheeled=lambda by: self._start(self.doing.attempt(self.preview.scroll(-by / 4)))),
            wrap_lines=False,
        )
        self._grid_window = Window(Lines(self.grid.draw, keys=self._grid_keys()), wrap_lines=False)
        self.app: Application[Outcome] = Application(
            layout=Layout(self._layout(), focused_element=self._list),
            key_bindings=self.ahead.keys,
            style=Style.from_dict(dict(THEMES[settings.theme])),
            include_default_pygments_style=False,
            full_screen=True,
            mouse_support=settings.mouse,
            color_depth=colours,
            terminal_size_polling_interval=None,
            before_render=lambda _: self._pace.begins(),
            after_render=lambda _: self._pace.ends(),
            input=input,
            output=self._output,
        )
        self.app.ttimeoutlen = ESCAPE
        self.app.timeoutlen = ALT

    # -- running

    async def run(self) -> Outcome:
        """Show the view until something else has to be on the terminal."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._broken)
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._end, Leave(number))
        self._start(self.link.follow())
        self._start(self._tick())
        self.selection_changed()
        try:
            return await self.app.run_async(set_exception_handler=False)
        except EOFError:  # the terminal hung up
            return Leave(signal.SIGHUP)
        finally:
            self.dialogs.close()
            self.preview.stop()
            self.grid.stop()
            self._gridded = False
            self._pace.stop()
            if self._looking is not None:
                self._looking.cancel()
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.ahead.drop()
            clear_typeahead(self.app.input)  # keys that were meant for what comes now
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _end(self, outcome: Outcome) -> None:
        if self.app.is_running and self.app.future is not None and not self.app.future.done():
            self.app.exit(result=outcome)

    def _broken(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """A mistake of ours in a task: leave the terminal whole, then tell."""
        error = context.get("exception")
        if self.app.is_running and self.app.future is not None and not self.app.future.done():
            self.app.exit(exception=error if isinstance(error, BaseException) else RuntimeError(str(context)))

    def act(self, name: str) -> None:
        """Do an action. Keys wait until it has got as far as what they may be for: a question, the prompt bar."""
        work = self.doing.do(name)
        if work is not None:
            self.ahead.wait()
            self._start(self._before_keys(work))

    async def _before_keys(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        finally:
            self.ahead.release()

    def _feed(self, keys: list[KeyPress]) -> None:
        if self.app.is_running:
            self.app.key_processor.feed_multiple(keys)
            self.app.key_processor.process_keys()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Begin a task of this run of the view. A mistake in it ends the view."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._broken(asyncio.get_running_loop(), {"exception": error})

    async def _tick(self) -> None:
        """Draw at each full minute: ages are told to the minute."""
        while True:
            await asyncio.sleep(60 - self._now() % 60)
            self.changed()

    # -- drawing

    def changed(self) -> None:
        """Draw soon: something came from the server."""
        if self.app.is_running:
            self._pace.changed()

    def redraw(self) -> None:
        """Draw everything anew."""
        self.app.renderer.clear()

    def _size(self) -> tuple[int, int]:
        size = self._output.get_size()
        return size.columns, size.rows

    # -- what the server says

    def list_changed(self) -> None:
        """The list is another one."""
        if self._wanted and self.sessions.select(self._wanted):
            self._wanted = 0
        self.grid.update(self.sessions.get)
        self.preview.follow(self.sessions.selected)
        self.changed()

    def _happened(self, event: Event) -> None:
        newest = bool(self._said) and self._said[0][1].strip() == self.receipts.line  # nothing was said since
        if event.kind != "prompt" or not self.receipts.happened(event.session, event.facts):
            return
        if newest or self.receipts.wrong:
            self.say(self.receipts.line, wrong=self.receipts.wrong)

    async def _recall(self) -> None:
        """Fetch the history of all prompts."""
        try:
            found = await self.link.json("history", "-n", str(RECALLED))
        except AgentmuxError:
            return  # what can't be had now is not recalled
        self.bar.recall([one["text"] for one in reversed(found) if one["text"] is not None])

    # -- what is said

    def say(self, text: str, hint: str = "", *, wrong: bool = False) -> None:
        """Show a line until something else is to be said."""
        self._said = [("class:error" if wrong else "", f" {text}"), ("class:dim", f"  {hint}" if hint else "")]
        self.changed()

    @asynccontextmanager
    async def working(self, what: str) -> AsyncIterator[None]:
        """Show that something is under way, if it takes longer than a moment."""
        self.ahead.release()
        loop = asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []

        def turn() -> None:
            self._busy, self._spin = what, self._spin + 1
            self.app.invalidate()
            if self._settings.animation:
                timers[:] = [loop.call_later(SPIN, turn)]

        timers.append(loop.call_later(SPIN, turn))
        try:
            yield
        finally:
            timers[0].cancel()
            self._busy = ""
            self.changed()

    # -- the selection

    def move(self, by: int) -> None:
        """Select another session."""
        self.sessions.move(by)
        self.selection_changed()

    def go_to(self, number: int) -> None:
        """Select a session, as soon as it is listed."""
        self.sessions.query = self._filter.text if self.sessions.select(number) else ""
        if not self.sessions.select(number):
            self._wanted = number
        self.selection_changed()

    def selection_changed(self) -> None:
        """Show what belongs to the selected session."""
        self.preview.follow(self.sessions.selected)
        self.changed()
        if self._looking is not None:
            self._looking.cancel()
        self._looking = asyncio.get_running_loop().call_later(
            LOOKED, lambda: self._start(self.doing.attempt(self._looked()))
        )

    async def _looked(self) -> None:
        """A person has gone to a session and stayed: what was news is none any more."""
        info = self.sessions.selected
        if info is not None and info.unread:
            await self.link.ask("capture", "-t", str(info.id), "--seen")

    def _pressed(self, row: int) -> None:
        rows = self.sessions.rows()
        if row >= len(rows) or not isinstance(found := rows[row], Info):
            return
        already = self.sessions.selected
        self.sessions.select(found.id)
        self.selection_changed()
        if already is not None and already.id == found.id:
            self.act("attach")

    def _folder(self) -> str:
        info = self.sessions.get(self._targets[0]) if self._targets else self.sessions.selected
        return info.cwd if info is not None else os.getcwd()

    # -- modes

    def _focus(self, window: Window | None) -> None:
        self.app.layout.focus(window or (self._grid_window if self._gridded else self._list))
        self.app.invalidate()
        if window is not None:
            self.ahead.release()

    def attach(self, number: int) -> None:
        """Leave the terminal to a session."""
        self._end(Attach(number))

    def leave(self, *, detach: bool = False) -> None:
        """End the view."""
        self._end(Leave(detach=detach))

    def suspend(self) -> None:
        """Stop, as C-z does with other programs."""
        self.app.suspend_to_background()

    def copy(self, encoded: str) -> None:
        """Put base64 into the terminal's clipboard."""
        self._output.write_raw(f"\x1b]52;c;{encoded}\x1b\\")
        self._output.flush()

    def begin_filter(self) -> None:
        """Let the list be filtered."""
        self._filter.cursor_position = len(self._filter.text)
        self._focus(self._filter_window)

    def _filtered(self, buffer: Buffer) -> None:
        self.sessions.query = buffer.text
        self.selection_changed()

    async def begin_prompt(self, targets: list[int]) -> None:
        """Let a prompt be written for some sessions, with the history at hand if the server has it at once."""
        self._targets = targets
        try:
            async with asyncio.timeout(RECALL):
                await self._recall()
        except TimeoutError:
            pass  # of a hung server nothing is recalled
        await asyncio.sleep(0)  # the buffer's own task takes the history over
        self._focus(self.bar.window)

    def prompt_edited(self, text: str) -> None:
        """Go on with a prompt that was written on elsewhere."""
        self.bar.text = text
        self._focus(self.bar.window)

    def zoom(self) -> None:
        """Give the preview the whole window, or take it back."""
        self._zoomed = not self._zoomed

    def show_grid(self) -> None:
        """Show several sessions side by side: those that are marked, else those that run."""
        chosen = self.sessions.chosen() if self.sessions.marked else self._running()
        if not chosen:
            self.say("nothing runs", "n starts a session")
            return
        selected = self.sessions.selected
        self._gridded = True
        self.grid.begin(chosen, selected.id if selected is not None else None)
        self._focus(None)

    def _running(self) -> list[Info]:
        return [row for row in self.sessions.rows() if isinstance(row, Info) and not ended(row) and row.id != self._own]

    def _leave_grid(self) -> None:
        if (number := self.grid.selected) is not None:
            self.sessions.select(number)
        self.grid.stop()
        self._gridded = False
        self._focus(None)
        self.selection_changed()

    # -- keys

    def _list_keys(self) -> KeyBindings:
        keys = KeyBindings()
        for key, action in self.keys.items():
            pressed = sequence(key)
            if pressed is not None:
                keys.add(*pressed)(lambda event, name=action.name: self.act(name))

        @keys.add("c-c")
        def _interrupted(event: KeyPressEvent) -> None:
            self.say("C-c does nothing here", "b interrupts the session, q leaves")

        return keys

    def _grid_keys(self) -> KeyBindings:
        keys = KeyBindings()
        for key, across, down in (("left", -1, 0), ("right", 1, 0), ("up", 0, -1), ("down", 0, 1), ("tab", 1, 0)):
            keys.add(key)(lambda event, by=(across, down): self.grid.move(*by))

        @keys.add("enter")
        @keys.add("z")
        def _zoom(event: KeyPressEvent) -> None:
            self._zoomed = True
            self._leave_grid()

        @keys.add("escape")
        @keys.add("g")
        @keys.add("q")
        @keys.add("c-c")
        def _back(event: KeyPressEvent) -> None:
            self._leave_grid()

        for name in ("help", "palette", "prompt", "answer", "interrupt", "next-needing"):
            for key in BY_NAME[name].keys:
                pressed = sequence(key)
                if pressed is not None and key != "Tab":
                    keys.add(*pressed)(lambda event, name=name: self._from_grid(name))
        return keys

    def _from_grid(self, name: str) -> None:
        """Do something to the chosen tile."""
        if (number := self.grid.selected) is not None:
            self.sessions.marked.clear()
            self.sessions.select(number)
        self.act(name)

    def _filter_keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("enter")
        def _keep(event: KeyPressEvent) -> None:
            self._focus(None)

        @keys.add("escape")
        @keys.add("c-c")
        def _drop(event: KeyPressEvent) -> None:
            self._filter.text = ""
            self._focus(None)

        keys.add("down")(lambda event: self.move(1))
        keys.add("up")(lambda event: self.move(-1))
        return keys

    # -- windows

    def _layout(self) -> FloatContainer:
        top = Window(Lines(self._draw_top), height=1)
        message = Window(Lines(self._draw_message), height=1, wrap_lines=False)
        footer = ConditionalContainer(
            Window(Lines(self._draw_hints), height=1), Condition(lambda: self._size()[1] >= 12)
        )
        filtering = Condition(lambda: self.app.layout.has_focus(self._filter_window) or bool(self._filter.text))
        prompt = Window(Lines(lambda columns, rows: drawn([[("class:bar", "/")]])), width=1, height=1)
        body = HSplit(
            [
                top,
                DynamicContainer(self._body),
                ConditionalContainer(VSplit([prompt, self._filter_window]), filtering),
                ConditionalContainer(self.bar.container, has_focus(self.bar.window) | Condition(self._searching)),
                message,
                footer,
            ]
        )
        dialog = self.dialogs.container if self._settings.plain else Frame(self.dialogs.container)
        return FloatContainer(
            body,
            floats=[
                Float(ConditionalContainer(dialog, Condition(lambda: self.dialogs.open)), transparent=False),
                Float(CompletionsMenu(max_height=8, scroll_offset=1), xcursor=True, ycursor=True, transparent=False),
            ],
        )

    def _searching(self) -> bool:
        return self.app.layout.is_searching

    def _body(self) -> HSplit | VSplit | Window:
        columns, rows = self._size()
        if self._gridded:
            return self._grid_window
        about = Window(Lines(self._draw_about), height=2, wrap_lines=False)
        if self._zoomed:
            self._list.height = Dimension.exact(0)
            self._list.width = None
            return HSplit([self._list, about, self._preview_window])
        if columns >= BESIDE:
            self._list.height = None
            self._list.width = Dimension.exact(max(60, columns * 2 // 5))
            line = Window(char=" " if self._settings.plain else "│", width=1, style="class:border")
            return VSplit([self._list, line, HSplit([about, self._preview_window])])
        self._list.width = None
        if rows < UNDER:
            self._list.height = None
            return self._list
        listed = len(self.sessions.rows())
        self._list.height = Dimension.exact(max(4, min(listed, (rows - 6) * 2 // 5)))
        return HSplit([self._list, about, self._preview_window])

    def _draw_top(self, columns: int, rows: int) -> Drawn:
        made = lines.top(
            self.sessions.counts(),
            server=self._server,
            query=self.sessions.query,
            marked=len(self.sessions.marked),
            columns=columns,
        )
        return drawn([made])

    def _draw_list(self, columns: int, rows: int) -> Drawn:
        shown = self.sessions.rows()
        selected = self.sessions.selected
        if not shown:
            return drawn([[], [("class:dim", f" {self._nothing()}")]], (0, 0))
        layout = lines.columns(columns, [row for row in shown if isinstance(row, Info)])
        now = self._now()

        def line(at: int) -> list[Piece]:
            row = shown[at]
            if isinstance(row, Heading):
                return lines.heading(row)
            return lines.session(
                row,
                layout,
                now=now,
                home=self._home,
                selected=selected is not None and row.id == selected.id,
                marked=row.id in self.sessions.marked,
            )

        return Drawn(len(shown), line, (0, self.sessions.row_of_selected()))

    def _nothing(self) -> str:
        if self.link.away:
            return self.link.away
        return "no session fits the filter" if self.sessions.query else "no sessions yet: n starts one, ? helps"

    def _draw_about(self, columns: int, rows: int) -> Drawn:
        info = self.sessions.selected
        if info is None:
            return drawn([[], []])
        made = lines.about(info, now=self._now(), home=self._home)
        tab = self.preview.tab.value + (", scrolled" if self.preview.scrolled else "")
        room = columns - len(tab) - 3
        return drawn([[*lines.exactly(made[0], room), ("class:dim", f" [{tab}]")], made[1]])

    def _draw_message(self, columns: int, rows: int) -> Drawn:
        if self._busy:
            turning = "-\\|/"[self._spin % 4] if self._settings.animation else "*"
            return drawn([[("class:dim", f" {turning} {self._busy}...")]])
        if self.link.away and self.sessions.rows():
            return drawn([[("class:error", f" {self.link.away}")]])
        return drawn([self._said])

    def _draw_hints(self, columns: int, rows: int) -> Drawn:
        if self.app.layout.has_focus(self.bar.window):
            return _hint("Enter: send  M-Enter: new line  Up: earlier  C-r: search  C-o: editor  Esc: back", columns)
        if self._gridded:
            return _hint("arrows: choose  Enter: zoom  p: prompt  a: answer  b: interrupt  Esc: back", columns)
        needs = self.sessions.counts()[Group.NEEDS] > 0
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
        return drawn([lines.hints(names, self.keys, columns)])

    def _bar_title(self) -> str:
        names = [info.name for number in self._targets if (info := self.sessions.get(number)) is not None]
        who = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        return f" prompt for {who}"


def _hint(text: str, columns: int) -> Drawn:
    return drawn([[("class:hint", fitted(f" {text}", columns))]])
