"""What a fuzz target is: a door where foreign bytes come in, and the law that holds there whatever they are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from random import Random

from mutation import damaged

Run = Callable[[bytes], object]
"""Brings bytes to the door; raises where the law is broken."""

Damage = Callable[[Random, bytes], bytes]
"""Returns valid bytes, or those damaged before, damaged in a way that the door's format suggests."""


@dataclass(frozen=True, slots=True)
class Target:
    """One door.

    Attributes:
        law: what holds there, in one sentence.
        opened: brings up what the door is a part of, and takes it down.
        damage: see ``Damage``.
        share: how much of the time it gets, as against the others.
        tries: damaged inputs in the ordinary tests: half a second to a second of them.
        apart: whether what it tests is another process, of which a coverage-guided fuzzer sees nothing.
        patience: seconds of processor time that one input may take.
    """

    name: str
    law: str
    opened: Callable[[], AbstractContextManager[Run]]
    damage: Damage = field(default=damaged)
    share: int = 1
    tries: int = 300
    apart: bool = False
    patience: float = 2.0


def plainly(run: Run) -> Callable[[], AbstractContextManager[Run]]:
    """Return what opens a door that needs nothing around it."""

    @contextlib.contextmanager
    def opened() -> Iterator[Run]:
        yield run

    return opened


def reads(data: bytes) -> list[bytes]:
    """Return an input as the reads that it comes in: its first byte is their size, 0 for one of all."""
    size, data = data[:1], data[1:]
    step = (size[0] if size else 0) or max(1, len(data))
    return [data[at : at + step] for at in range(0, len(data), step)]
