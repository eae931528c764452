"""Keys that are typed ahead of what they are for: a question that is not there yet, a prompt bar that has no focus.

A script, or a fast hand, types on. Those keys wait until the action has got as far; they do nothing in the list.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyPress

PATIENCE = 1.0
"""Seconds for which keys wait; then they are forgotten: nobody knows what they would do."""


class TypedAhead:
    """The keys that wait.

    Attributes:
        keys: bindings for the whole application, which take every key while keys wait.

    Args:
        feed: lets keys through.
    """

    def __init__(self, feed: Callable[[list[KeyPress]], None]) -> None:
        self._feed = feed
        self._until: asyncio.TimerHandle | None = None
        self._held: list[KeyPress] = []
        self.keys = KeyBindings()
        self.keys.add("<any>", filter=Condition(lambda: self._until is not None), eager=True)(self._hold)

    def _hold(self, event: KeyPressEvent) -> None:
        self._held += event.key_sequence

    def wait(self) -> None:
        """Let keys wait from now on."""
        self._end()
        self._until = asyncio.get_running_loop().call_later(PATIENCE, self.drop)

    def release(self) -> None:
        """Let them through."""
        if held := self._end():
            self._feed(held)

    def drop(self) -> None:
        """Forget them."""
        self._end()

    def _end(self) -> list[KeyPress]:
        if self._until is not None:
            self._until.cancel()
            self._until = None
        held, self._held = self._held, []
        return held
