"""A stream without its connection: what has come of it, and how it goes on when the server was replaced. Pure."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from agentmux.mux.errors import ServerLost

from .calls import Follow

T = TypeVar("T")


class Coming(Generic[T]):
    """What comes and comes.

    Attributes:
        follow: the command; another one when it has to go on.
        exchange: the conversation about it on the newest connection.
        items: what came and was not taken yet.
        attempts: how often it was sent again since something came.

    Args:
        most: how often it is sent again before it is given up.
    """

    def __init__(self, follow: Follow[T], most: int) -> None:
        self.follow = follow
        self.exchange = follow.exchange()
        self.items: deque[T] = deque()
        self.attempts = 0
        self._most = most

    def take(self) -> None:
        """Take what is whole out of the output."""
        items = self.follow.items(self.exchange.out)
        self.items.extend(items)
        if items:
            self.attempts = 0

    def lost(self) -> None:
        """The connection ended: what is to be sent on the next one, and what comes of it, is new.

        Raises:
            ServerLost: it can't go on, or has tried for too long.
        """
        self.exchange.lost()
        self.attempts += 1
        if self.attempts > self._most:
            raise ServerLost
        self.follow = self.follow.again()
        self.exchange = self.follow.exchange()
