"""The view in the test's own process: keys through a pipe, drawn on our emulator."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from world import World

from agentmux.api.exchange import Answer
from agentmux.cli.dashboard.app import Outcome, Settings, View
from agentmux.mux.screen import Screen

SECONDS = 20.0


class Emulated:
    """A file that is a terminal."""

    encoding = "utf-8"
    errors = "strict"

    def __init__(self, size: tuple[int, int]) -> None:
        self.screen = Screen(size)
        self.written = ""

    def write(self, text: str) -> int:
        self.written += text
        self.screen.feed(text.encode())
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError


class Driven:
    """A view that is driven."""

    def __init__(self, view: View, keys: PipeInput, terminal: Emulated) -> None:
        self.view, self.keys, self.terminal = view, keys, terminal
        self.running: asyncio.Task[Outcome] = asyncio.ensure_future(view.run())

    def text(self) -> str:
        return "\n".join(self.terminal.screen.text_rows(0, self.terminal.screen.size[1]))

    async def until(self, probe: Callable[[str], object], what: str) -> None:
        end = asyncio.get_running_loop().time() + SECONDS
        while not probe(self.text()):
            if self.running.done():
                self.running.result()
            assert asyncio.get_running_loop().time() < end, f"still no {what} in\n{self.text()}"
            await asyncio.sleep(0.005)

    async def shows(self, *texts: str) -> None:
        for text in texts:
            await self.until(lambda screen, text=text: text in screen, text)  # type: ignore[misc]

    async def lacks(self, text: str) -> None:
        await self.until(lambda screen: text not in screen, f"end of {text}")

    def type(self, text: str) -> None:
        self.keys.send_text(text)

    async def does(self, keys: str, *texts: str) -> None:
        self.type(keys)
        await self.shows(*texts)


@contextlib.asynccontextmanager
async def driven(world: World, *, size: tuple[int, int] = (100, 30), **settings: Any) -> AsyncIterator[Driven]:
    terminal = Emulated(size)
    with create_pipe_input() as keys:
        output = Vt100_Output(terminal, lambda: Size(size[1], size[0]), term="xterm-256color")  # type: ignore[arg-type]
        view = View(
            world.socket,
            server="default",
            settings=Settings(**settings),
            home=world.home,
            colours=ColorDepth.DEPTH_8_BIT,
            agents=lambda: ["claude", "codex"],
            input=keys,
            output=output,
        )
        made = Driven(view, keys, terminal)
        try:
            await made.shows(" agentmux ")
            yield made
        finally:
            made.running.cancel()
            await asyncio.gather(made.running, return_exceptions=True)
            terminal.screen.close()


def late(view: Driven, which: Callable[[tuple[str, ...]], bool]) -> tuple[asyncio.Event, asyncio.Event]:
    """Have answers to some commands come late; return what tells that one has come, and what lets it go."""
    ask, there, go_on = view.view.link.ask, asyncio.Event(), asyncio.Event()

    async def asked(*words: str, stdin: bytes = b"") -> Answer:
        answer = await ask(*words, stdin=stdin)
        if which(words) and not go_on.is_set():
            there.set()
            await go_on.wait()
        return answer

    view.view.link.ask = asked  # type: ignore[method-assign]
    return there, go_on
