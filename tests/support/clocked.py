"""A loop whose clock only a test moves, so that nothing waits and nothing is late."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

TURNS = 5
"""What one turn of the loop makes ready, the next does: no chain of ours is longer."""

PATIENCE = 10.0
"""Seconds of the real clock until a test has waited for long enough."""


class Loop(asyncio.SelectorEventLoop):
    """The loop."""

    def __init__(self) -> None:
        self.clock = 1000.0
        super().__init__()

    def time(self) -> float:
        return self.clock

    def settle(self) -> None:
        """Run everything that is due or ready now."""
        for _ in range(TURNS):
            self.call_soon(self.stop)
            self.run_forever()

    def advance(self, seconds: float) -> None:
        """Put the clock forward, and run what is due then."""
        self.clock += seconds
        self.settle()

    def until(self, probe: Callable[[], object], what: str, *, tick: float = 0) -> None:
        """Run until ``probe()``; each look moves the clock by ``tick``."""
        deadline = time.monotonic() + PATIENCE
        while not probe():
            assert time.monotonic() < deadline, f"still no {what}"
            self.advance(tick)

    def run(self, work: Coroutine[Any, Any, T], *, tick: float = 0) -> T:
        """Return what comes of ``work``."""
        task = self.create_task(work)
        self.until(task.done, "end of the task", tick=tick)
        return task.result()


@contextlib.contextmanager
def strict() -> Iterator[Loop]:
    """Have a loop on which nothing may be raised: what a callback raises would only be logged."""
    made = Loop()
    raised: list[object] = []
    made.set_exception_handler(lambda _, context: raised.append(context.get("exception") or context))
    yield made
    made.close()
    assert not raised, raised
