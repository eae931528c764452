"""A recording as what a viewer's terminal may get: no queries, no notifications or clipboards, and with keyframes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agentmux.store.records import Kind, Record

from .playback import Event, Keyframe
from .reset import fresh, reset_client, soft_reset
from .screen import Screen
from .sieve import For, Sieve
from .size import Size

BETWEEN_KEYFRAMES = 1 << 20
"""Bytes of output between two keyframes: what seeking costs a terminal, some 0.1 s."""


def events(size: Size, records: Iterable[Record]) -> Iterator[Event]:
    """Yield what is to be played, with its time in Unix seconds: output, sizes, and a keyframe now and then.

    Args:
        size: what the pane had before the first record.
    """
    screen, sieve, since = Screen(size), Sieve(), 0
    try:
        for record in records:
            if record.kind is Kind.RESIZE:
                screen.resize(record.size)
                yield record.at, record.size
            elif record.kind is Kind.OUTPUT:
                if shown := _shown(screen, sieve, record.data):
                    yield record.at, shown
                since += len(record.data)
                if since >= BETWEEN_KEYFRAMES and not sieve.hidden:
                    since = 0
                    yield record.at, Keyframe(screen.dump())
    finally:
        screen.close()


def _shown(screen: Screen, sieve: Sieve, data: bytes) -> bytes:
    """Feed output; return what of it viewers get."""
    shown = []
    for who, part in sieve.feed(data):
        if who is For.RESET:
            screen.feed(fresh(screen.size[0]))
            shown.append(reset_client(screen.size[0]))
        elif who is For.SOFT_RESET:
            screen.feed(soft_reset(*screen.cursor[:2]))
            shown.append(part)
        elif who in (For.ALL, For.EMULATOR):
            screen.feed(part)
            if who is For.ALL:
                shown.append(part)
    return b"".join(shown)
