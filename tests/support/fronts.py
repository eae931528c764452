"""The API's two clients as one: what awaits is run on a loop, so that one test asks both the same."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from types import TracebackType
from typing import Any

from agentmux.api import Agentmux, AsyncAgentmux, AsyncSession, AsyncStream


class Awaited:
    """Something of the asynchronous client; blocks as the other does."""

    def __init__(self, inner: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        name = "aclose" if name == "close" and isinstance(self._inner, AsyncStream) else name
        found = getattr(self._inner, name)
        return self._blocking(found) if callable(found) else found

    def __repr__(self) -> str:
        return repr(self._inner)

    def __enter__(self) -> Awaited:
        return self._wrapped(self._loop.run_until_complete(self._inner.__aenter__()))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.run_until_complete(self._inner.__aexit__(kind, error, at))

    def __iter__(self) -> Awaited:
        return self

    def __next__(self) -> Any:
        try:
            return self._loop.run_until_complete(self._inner.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    def _blocking(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **options: Any) -> Any:
            made = method(*words, **options)
            return self._wrapped(self._loop.run_until_complete(made) if inspect.iscoroutine(made) else made)

        return call

    def _wrapped(self, value: Any) -> Any:
        return Awaited(value, self._loop) if isinstance(value, AsyncSession | AsyncStream) else value


def front(kind: str, loop: asyncio.AbstractEventLoop, **where: Any) -> Any:
    """Return one of the clients, ``blocking`` or ``asyncio``."""
    return Agentmux(**where) if kind == "blocking" else Awaited(AsyncAgentmux(**where), loop)
