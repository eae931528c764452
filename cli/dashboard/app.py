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

from prompt_toolkit.application import Application, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.input import Input
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.layout import (
    Layout,
    Window,
)
from prompt_toolkit.output import ColorDepth, Output, create_output
from prompt_toolkit.styles import Style

from agentmux.api.model import Event, Info
from agentmux.mux.errors import AgentmuxError
from agentmux.mux.foreign import safe

from ..terminal import ours, wait_until_ours
from .ahead import TypedAhead
from .bar import RECALLED, Bar, Mentions
from .dialogs import Dialogs
from .doing import Doing, folder
from .grid import Grid
from .keymap import bound, sequence
from .lines import Piece
from .link import Link
from .looks import THEMES
from .model import Model, ended
from .pace import Pace
from .preview import Preview
from .receipts import Receipts
from .windows import Windows

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

_ENDS = (signal.SIGTERM, signal.SIGHUP)

IN_GRID = frozenset({"help", "palette", "prompt", "answer", "interrupt", "next-needing"})
"""Actions that can be done to the chosen tile of the grid."""


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
        selected: id of the session to begin with, 0 for none.
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
        selected: int = 0,
        now: Callable[[], float] = time.time,
        input: Input | None = None,
        output: Output | None = None,
    ) -> None:
        self._output = output or create_output()
        self.sessions = Model()
        self.receipts = Receipts()
        self.agents = agents
        self.server = server
        self._own = own
        self.settings = settings
        self.home = home
        self.now = now
        self._wanted = selected  # id of a session to select as soon as it is listed
        self.zoomed = False
        self.gridded = False
        self.said: list[Piece] = []
        self.busy = ""  # what is under way
        self.spin = 0
        self.targets: list[int] = []
        self._looking: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._pace = Pace(lambda: self.app.invalidate(), calm=not settings.animation)
        self.ahead = TypedAhead(self._feed)
        self.keys = bound(settings.keys)
        self.link = Link(socket, self.sessions, self.list_changed, self._again, self._happened, self._start)
        self.preview = Preview(self.link, self.changed, self._start, own)
        self.grid = Grid(self.link, self.changed, self._start)
        self.dialogs = Dialogs(self.size, self._focus, self._at_home)
        self.bar = Bar(
            completer=Mentions(lambda: [info.name for info in self.sessions.everything()], self._folder),
            send=lambda text: self._start(self.doing.send(self.targets, text)),
            leave=lambda: self._focus(None),
            edit=lambda: self._end(Edit(self.bar.text)),
            title=self._bar_title,
            columns=lambda: self.size()[0],
        )
        self.doing = Doing(self)
        self.filter = Buffer(multiline=False, on_text_changed=self._filtered)
        self.windows = Windows(self)
        self.app: Application[Outcome] = Application(
            layout=Layout(self.windows.layout(), focused_element=self.windows.list),
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
        for number in _ENDS:
            loop.add_signal_handler(number, self._signalled, number)
        self._start(self.link.follow())
        self._start(self._tick())
        self._select_wanted()
        self.selection_changed()
        try:
            return await self.app.run_async(set_exception_handler=False)
        except EOFError:  # the terminal hung up
            return Leave(signal.SIGHUP)
        finally:
            self.dialogs.close()
            self.preview.stop()
            self.grid.stop()
            self.gridded = False
            self._pace.stop()
            if self._looking is not None:
                self._looking.cancel()
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.ahead.drop()
            clear_typeahead(self.app.input)  # keys that were meant for what comes now
            for number in _ENDS:
                loop.remove_signal_handler(number)

    def _signalled(self, number: int) -> None:
        if not ours(0):
            os._exit(128 + number)  # we were stopped: a shell has the terminal by now
        self._end(Leave(number))

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
            await asyncio.sleep(60 - self.now() % 60)
            self.changed()

    # -- drawing

    def changed(self) -> None:
        """Draw soon: something came from the server."""
        if self.app.is_running:
            self._pace.changed()

    def redraw(self) -> None:
        """Draw everything anew."""
        self.app.renderer.clear()

    def size(self) -> tuple[int, int]:
        """Return the terminal's columns and rows."""
        size = self._output.get_size()
        return size.columns, size.rows

    # -- what the server says

    def list_changed(self) -> None:
        """The list is another one."""
        self._select_wanted()
        self.grid.update(self.sessions.get)
        self.preview.follow(self.sessions.selected)
        self.changed()

    def _select_wanted(self) -> None:
        if self._wanted and self.sessions.select(self._wanted):
            self._wanted = 0

    def _again(self) -> None:
        """Watch on what the server before has watched for us."""
        self.preview.again()
        self.grid.again()

    def _happened(self, event: Event) -> None:
        newest = bool(self.said) and self.said[0][1].strip() == safe(self.receipts.line)  # nothing was said since
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
        hint = f"  {safe(hint)}" if hint else ""
        self.said = [("class:error" if wrong else "", f" {safe(text)}"), ("class:dim", hint)]
        self.changed()

    @asynccontextmanager
    async def working(self, what: str) -> AsyncIterator[None]:
        """Show that something is under way, if it takes longer than a moment."""
        self.ahead.release()
        loop = asyncio.get_running_loop()
        timers: list[asyncio.TimerHandle] = []

        def turn() -> None:
            self.busy, self.spin = what, self.spin + 1
            self.app.invalidate()
            if self.settings.animation:
                timers[:] = [loop.call_later(SPIN, turn)]

        timers.append(loop.call_later(SPIN, turn))
        try:
            yield
        finally:
            timers[0].cancel()
            self.busy = ""
            self.changed()

    # -- the selection

    def move(self, by: int) -> None:
        """Select another session."""
        self.sessions.move(by)
        self.selection_changed()

    def go_to(self, number: int) -> None:
        """Select a session, as soon as it is listed; a filter that hides it goes. Also before the view runs."""
        if not self.sessions.select(number):
            self.filter.text = ""
            if not self.sessions.select(number):
                self._wanted = number
        if self.app.is_running:
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

    def wheel_list(self, by: int) -> None:
        """Select another session, but not behind a question."""
        if not self.dialogs.open:
            self.move(by)

    def pressed(self, row: int, column: int) -> None:
        """Select the session that was clicked; if it is selected, attach to it."""
        rows = self.sessions.rows()
        if self.dialogs.open or row >= len(rows) or not isinstance(found := rows[row], Info):
            return
        already = self.sessions.selected
        self.sessions.select(found.id)
        self.selection_changed()
        if already is not None and already.id == found.id:
            self.act("attach")

    def wheel(self, by: int) -> None:
        """Scroll the preview."""
        if self.dialogs.open:
            return
        self._start(self.doing.attempt(self.preview.scroll(-by / 4)))

    def _folder(self) -> str:
        info = self.sessions.get(self.targets[0]) if self.targets else self.sessions.selected
        return info.cwd if info is not None else folder()

    # -- modes

    def _focus(self, window: Window | None) -> None:
        self.app.layout.focus(window or (self.windows.grid if self.gridded else self.windows.list))
        self.app.invalidate()
        if window is not None:
            self.ahead.release()

    def _at_home(self) -> bool:
        return self.app.layout.current_window in (self.windows.list, self.windows.grid)

    def attach(self, number: int) -> None:
        """Leave the terminal to a session."""
        self._end(Attach(number))

    def leave(self, *, detach: bool = False) -> None:
        """End the view."""
        self._end(Leave(detach=detach))

    def suspend(self) -> None:
        """Stop, as C-z does with other programs. Whoever ends us then has the terminal: we leave it alone."""
        run_in_terminal(self._stopped)

    def _stopped(self) -> None:
        arrived: list[int] = []
        before = {number: signal.signal(number, lambda which, _: arrived.append(which)) for number in _ENDS}
        os.kill(0, signal.SIGTSTP)
        wait_until_ours(0, lambda: arrived)
        for number, handler in before.items():
            signal.signal(number, handler)
        for which in arrived:
            self._signalled(which)  # the loop would say so after it has taken the terminal

    def copy(self, encoded: str) -> None:
        """Put base64 into the terminal's clipboard."""
        self._output.write_raw(f"\x1b]52;c;{encoded}\x1b\\")
        self._output.flush()

    def begin_filter(self) -> None:
        """Let the list be filtered."""
        self.filter.cursor_position = len(self.filter.text)
        self._focus(self.windows.filter)

    def _filtered(self, buffer: Buffer) -> None:
        self.sessions.query = buffer.text
        self.sessions.select_nearest()
        if self.app.is_running:
            self.selection_changed()

    async def begin_prompt(self, targets: list[int]) -> None:
        """Let a prompt be written for some sessions, with the history at hand if the server has it at once."""
        self.targets = targets
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
        self.zoomed = not self.zoomed

    def show_grid(self) -> None:
        """Show several sessions side by side: those that are marked, else those that run."""
        chosen = self.sessions.chosen() if self.sessions.marked else self._running()
        if not chosen:
            self.say("nothing runs", "n starts a session")
            return
        selected = self.sessions.selected
        self.gridded = True
        self.grid.begin(chosen, selected.id if selected is not None else None)
        self._focus(None)

    def _running(self) -> list[Info]:
        return [row for row in self.sessions.rows() if isinstance(row, Info) and not ended(row) and row.id != self._own]

    def tile_pressed(self, row: int, column: int) -> None:
        """Choose the tile that was clicked; if it is chosen, give its session the window."""
        before = self.grid.at
        if not self.dialogs.open and self.grid.press(row, column) and self.grid.at == before:
            self._zoom_tile()

    def _zoom_tile(self) -> None:
        self.zoomed = True
        self._leave_grid()

    def _leave_grid(self) -> None:
        if (number := self.grid.selected) is not None:
            self.sessions.select(number)
        self.grid.stop()
        self.gridded = False
        self._focus(None)
        self.selection_changed()

    # -- keys

    def list_keys(self) -> KeyBindings:
        """Return what keys do in the list."""
        keys = KeyBindings()
        for key, action in self.keys.items():
            pressed = sequence(key)
            if pressed is not None:
                keys.add(*pressed)(lambda event, name=action.name: self.act(name))

        @keys.add("c-c")
        def _interrupted(event: KeyPressEvent) -> None:
            self.say("C-c does nothing here", "b interrupts the session, q leaves")

        return keys

    def grid_keys(self) -> KeyBindings:
        """Return what keys do in the grid."""
        keys = KeyBindings()
        for key, across, down in (("left", -1, 0), ("right", 1, 0), ("up", 0, -1), ("down", 0, 1), ("tab", 1, 0)):
            keys.add(key)(lambda event, by=(across, down): self.grid.move(*by))

        @keys.add("enter")
        @keys.add("z")
        def _zoom(event: KeyPressEvent) -> None:
            self._zoom_tile()

        @keys.add("escape")
        @keys.add("g")
        @keys.add("q")
        @keys.add("c-c")
        def _back(event: KeyPressEvent) -> None:
            self._leave_grid()

        for key, action in self.keys.items():
            pressed = sequence(key)
            if pressed is not None and action.name in IN_GRID and key != "Tab":
                keys.add(*pressed)(lambda event, name=action.name: self._from_grid(name))
        return keys

    def _from_grid(self, name: str) -> None:
        """Do something to the chosen tile."""
        if (number := self.grid.selected) is not None:
            self.sessions.marked.clear()
            self.sessions.select(number)
        self.act(name)

    def filter_keys(self) -> KeyBindings:
        """Return what keys do while a filter is typed, besides typing it."""
        keys = KeyBindings()

        @keys.add("enter")
        def _keep(event: KeyPressEvent) -> None:
            self._focus(None)

        @keys.add("escape")
        @keys.add("c-c")
        def _drop(event: KeyPressEvent) -> None:
            self.filter.text = ""
            self._focus(None)

        keys.add("down")(lambda event: self.move(1))
        keys.add("up")(lambda event: self.move(-1))
        return keys

    def _bar_title(self) -> str:
        names = [info.name for number in self.targets if (info := self.sessions.get(number)) is not None]
        who = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        return f" prompt for {safe(who)}"
