"""The prompt bar: where a prompt is written, with the history of all prompts, completion, and pastes as chips."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter, ThreadedCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.filters import completion_is_selected, has_completions, is_searching
from prompt_toolkit.history import History
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import BufferControl, ConditionalContainer, Dimension, HSplit, Window
from prompt_toolkit.layout.processors import (
    HighlightIncrementalSearchProcessor,
    Processor,
    Transformation,
    TransformationInput,
)
from prompt_toolkit.widgets import SearchToolbar

from agentmux.mux.foreign import safe

from ..cells import fitted, steady, width
from .chips import Chips
from .controls import Lines, drawn

HIGHEST = 8
"""Rows of the bar; a longer prompt scrolls in it."""

RECALLED = 1000
"""Prompts of the history that can be recalled: the newest."""


class PromptHistory(History):
    """The history of all prompts to any agent, which the server keeps: what is sent is in it by being sent."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: Sequence[str] = ()  # the newest first

    async def load(self) -> AsyncGenerator[str, None]:
        """Yield the prompts that are known, the newest first."""
        for text in self.texts:
            yield text

    def load_history_strings(self) -> Iterable[str]:
        """Yield none: they come from the server, see ``load``."""
        return ()

    def store_string(self, string: str) -> None:
        """Do nothing: the server has it."""


class Harmless(Completer):
    """Another completer, whose finds are safe to look at: names of files, for instance, are anybody's."""

    def __init__(self, completer: Completer) -> None:
        self._completer = completer

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield what the other one does."""
        for one in self._completer.get_completions(document, complete_event):
            yield Completion(one.text, one.start_position, steady(safe(one.display_text)), one.display_meta)


class Mentions(Completer):
    """After ``@``: names of sessions, and files where the session is that the prompt is for."""

    def __init__(self, names: Callable[[], Sequence[str]], folder: Callable[[], str]) -> None:
        self._names = names
        self._files = Harmless(PathCompleter(get_paths=lambda: [folder()], expanduser=True))

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield what may follow the ``@`` before the cursor."""
        word = document.get_word_before_cursor(WORD=True)
        if not word.startswith("@"):
            return
        typed = word[1:]
        for name in self._names():
            if name.startswith(typed):
                yield Completion(name, start_position=-len(typed), display_meta="session")
        yield from self._files.get_completions(Document(typed), complete_event)


class Shown(Processor):
    """Shows each character as a style and a text, which may be longer, or nothing.

    Args:
        shown: returns them; "" for the style that it has.
    """

    def __init__(self, shown: Callable[[str], tuple[str, str]] = lambda char: ("", steady(char))) -> None:
        self._shown = shown

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """Return the line as shown, and how places in it and in the text belong together."""
        pieces = []
        same = True
        shown_at = [0]  # for each character of the text, where it begins in what is shown
        for style, text, *_ in transformation_input.fragments:
            for char in text:
                look, made = self._shown(char)
                pieces.append((look or style, made))
                shown_at.append(shown_at[-1] + len(made))
                same = same and made == char
        if same:
            return Transformation(transformation_input.fragments)

        def to_shown(at: int) -> int:
            return shown_at[min(at, len(shown_at) - 1)] + max(0, at - len(shown_at) + 1)

        def to_text(at: int) -> int:
            found = max(n for n, begin in enumerate(shown_at) if begin <= at)
            return found + max(0, at - shown_at[-1]) if found == len(shown_at) - 1 else found

        return Transformation(list(pieces), source_to_display=to_shown, display_to_source=to_text)


class Bar:
    """The prompt bar.

    Args:
        send: called with a whole prompt.
        leave: called when the writer is done with it, sent or not.
        edit: called to write on in the editor.
        title: says who gets the prompt.
        columns: how many there are.
    """

    def __init__(
        self,
        *,
        completer: Completer,
        send: Callable[[str], object],
        leave: Callable[[], None],
        edit: Callable[[], None],
        title: Callable[[], str],
        columns: Callable[[], int],
    ) -> None:
        self._chips = Chips()
        self._send = send
        self._leave = leave
        self._edit = edit
        self._columns = columns
        self._history = PromptHistory()
        self.buffer = Buffer(
            multiline=True,
            history=self._history,
            completer=ThreadedCompleter(completer),
            complete_while_typing=True,
            enable_history_search=False,
        )
        search = SearchToolbar(
            text_if_not_searching="", forward_search_prompt="search: ", backward_search_prompt="search: "
        )
        control = BufferControl(
            self.buffer,
            key_bindings=self._bindings(),
            search_buffer_control=search.control,
            input_processors=[Shown(self._shown), HighlightIncrementalSearchProcessor()],
            preview_search=True,
        )
        self.window = Window(control, wrap_lines=True, height=self._height, style="class:prompt")
        label = Lines(lambda columns, rows: drawn([[("class:bar class:title", fitted(title(), columns))]]))
        self.container = HSplit([Window(label, height=1), self.window, ConditionalContainer(search, is_searching)])

    @property
    def text(self) -> str:
        """The whole prompt, as it would be sent."""
        return self._chips.whole(self.buffer.text)

    @text.setter
    def text(self, text: str) -> None:
        self.buffer.set_document(Document(text), bypass_readonly=True)

    def recall(self, texts: Sequence[str]) -> None:
        """Take over the history, the newest first, unless the writer is in the midst of it."""
        self._history.texts = texts
        if not self.buffer.text:
            self.buffer.reset()
            self.buffer.load_history_if_not_yet_loaded()

    def _shown(self, char: str) -> tuple[str, str]:
        label = self._chips.label(char)
        return ("", steady(char)) if label is None else ("class:chip", label)

    def _height(self) -> Dimension:
        columns = max(1, self._columns() - 1)
        rows = sum(width(line) // columns + 1 for line in self.buffer.document.lines[:HIGHEST])
        return Dimension.exact(min(HIGHEST, rows))

    def _bindings(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("enter", filter=~completion_is_selected & ~is_searching)
        def _send(event: KeyPressEvent) -> None:
            text = self.text
            if text.strip():
                self.buffer.reset()
                self._leave()
                self._send(text)

        @keys.add("enter", filter=completion_is_selected)
        def _take(event: KeyPressEvent) -> None:
            self.buffer.complete_state = None

        @keys.add("escape", "enter")
        @keys.add("c-j")
        def _newline(event: KeyPressEvent) -> None:
            self.buffer.insert_text("\n")

        @keys.add("tab", filter=has_completions)
        def _next(event: KeyPressEvent) -> None:
            self.buffer.complete_next()

        @keys.add("tab", filter=~has_completions)
        def _leave_by_tab(event: KeyPressEvent) -> None:
            self._leave()

        @keys.add("escape", filter=has_completions)
        def _no_completion(event: KeyPressEvent) -> None:
            self.buffer.cancel_completion()

        @keys.add("escape", filter=~has_completions & ~is_searching)
        @keys.add("c-c", filter=~is_searching)
        def _away(event: KeyPressEvent) -> None:
            self._leave()

        @keys.add("c-x", "c-e")
        @keys.add("c-o")
        def _editor(event: KeyPressEvent) -> None:
            self._edit()

        @keys.add("<bracketed-paste>")
        def _paste(event: KeyPressEvent) -> None:
            self.buffer.insert_text(self._chips.put(event.data.replace("\r\n", "\n").replace("\r", "\n")))

        return keys
