"""A recording played in the user's terminal, with pause and seeking.

The bytes go to the terminal as they are: it should have the recording's size. Whenever the terminal shows something
else than the recording (after seeking back, behind the status line, after a resize) it is reset and gets all up to the
position again, from the last keyframe on.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # as in signals.py
import os
import select
from itertools import chain
from time import monotonic

from agentmux.mux.errors import ServerLost
from agentmux.mux.keys import RELEASE, InputDecoder, Typed, key_name, split
from agentmux.mux.playback import Keyframe, Playback
from agentmux.mux.protocol import Kind, number, unpack
from agentmux.mux.reset import reset_client

from .signals import Signals
from .terminal import Borrowed, Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from agentmux.mux.client import Connection
    from agentmux.mux.playback import Event
    from agentmux.mux.size import Size

JUMP = 5.0
"""Seconds that an arrow key goes."""

_SYNC, _SYNC_END = b"\x1b[?2026h", b"\x1b[?2026l"
_STATUS = b"\x18\x1b\\\x1b[0m\x1b[?69l\x1b[r\x1b[?6l\x1b[4l\x1b(B\x0f\x1b[?25l\x1b[?7l"
# Keys in their plain form, no reports, whatever the program in the recording had asked for.
_PLAIN_KEYS = b"\x1b[=0;1u\x1b[>4;0m\x1b[?1l\x1b>\x1b[?1000;1002;1003;1004;2004l"


def play(connection: Connection, first: tuple[int, bytes]) -> int:
    """Take a recording from the server, of which ``first`` is the first frame, and play it; return the exit status.

    Raises:
        ServerLost: not all of it came.
    """
    events: list[Event] = []
    for kind, body in chain([first], connection.frames()):
        fields = unpack(body, 3)
        if kind == Kind.PLAY:
            columns, rows, speed = map(number, fields[:3])
            pause = number(fields[3]) / 1_000_000 if len(fields) > 3 and fields[3] else None
            return Player(events, (columns, rows), speed=speed / 1000, idle_limit=pause).run()
        what, at, data = fields[:3]
        events.append((number(at) / 1_000_000, _EVENTS[what](data)))
    raise ServerLost


def _as_size(data: bytes) -> Size:
    columns, _, rows = data.partition(b"x")
    return number(columns), number(rows)


_EVENTS: dict[bytes, Callable[[bytes], bytes | Size | Keyframe]] = {b"o": bytes, b"r": _as_size, b"k": Keyframe}


class Player:
    """Plays events: output, sizes that the pane got, keyframes.

    Args:
        events: with their times in seconds, in order, bounded by the server. They hold no queries, which the
            terminal would answer, and nothing else that is not for viewers.
        size: what the pane had before the first of them.
        speed: seconds of the recording in a second.
        idle_limit: seconds that a pause lasts at most; None for as long as it was.
    """

    def __init__(
        self, events: Sequence[Event], size: Size, *, speed: float = 1.0, idle_limit: float | None = None
    ) -> None:
        self._events = events
        self._sizes = [(0, size)]  # from how many shown events on
        self._keyframes: list[int] = []
        for index, (_, told) in enumerate(events):
            if isinstance(told, tuple):
                self._sizes.append((index + 1, told))
            elif isinstance(told, Keyframe):
                self._keyframes.append(index)
        self._playback = Playback([time for time, _ in events], speed=speed, idle_limit=idle_limit)
        self._status_shown = False

    def run(self) -> int:
        """Play on the terminal that is standard input, until the end or until the user leaves; return the exit status.

        At its end it waits for a key, with the last picture.
        """
        borrowed = Borrowed(0)
        with borrowed as terminal, Signals() as signals:
            return self._loop(terminal, signals, borrowed)

    def _loop(self, terminal: Terminal, signals: Signals, borrowed: Borrowed) -> int:
        playback = self._playback
        now = monotonic()
        playback.start(now)
        if _is_smaller(terminal.size(), self._size()):
            playback.toggle(now)  # it will look wrong: say so first
        self._redraw(terminal, now, keep=True)
        decoder = InputDecoder("", {})
        flush_at: float | None = None
        while True:
            if not terminal.pending:  # a slow terminal delays the recording, and nothing piles up
                self._show(terminal, monotonic())
            due = playback.next_at(monotonic()) if not terminal.pending else None
            until = [one for one in (due, flush_at) if one is not None]
            timeout = max(0.0, min(until) - monotonic()) if until else None
            writing = [terminal.fileno()] if terminal.pending else []
            ready, writable, _ = select.select([0, signals.reading], writing, [], timeout)
            if writable:
                terminal.flush()
            typed = []
            if flush_at is not None and monotonic() >= flush_at and 0 not in ready:
                typed = list(decoder.flush())
            if signals.reading in ready:
                arrived = signals.arrived()
                for which in (_signal.SIGTERM, _signal.SIGHUP):
                    if which in arrived:
                        return int(128 + which)
                if _signal.SIGCONT in arrived:
                    borrowed.again()
                self._redraw(terminal, monotonic())
            if 0 in ready:
                data = _read()
                if not data:
                    return 129  # the terminal hung up
                typed = list(decoder.feed(data))
            flush_at = monotonic() + decoder.wait if decoder.holding else None
            for key in _keys(typed):
                if not self._key(terminal, key, monotonic()):
                    return 0

    # What is shown

    def _size(self) -> Size:
        """Return the size that the pane has at this point of the recording."""
        return next(size for index, size in reversed(self._sizes) if index <= self._playback.shown)

    def _show(self, terminal: Terminal, now: float) -> None:
        """Write what is due; the status line is there whenever nothing will be."""
        playback = self._playback
        due = playback.due(now)
        if due:
            terminal.write(self._output(due))
        idle = playback.paused or playback.ended
        if idle and (due or not self._status_shown):
            terminal.write(self._status(terminal.size(), now))
        elif not idle and self._status_shown:
            self._redraw(terminal, now)

    def _output(self, indices: Iterable[int]) -> bytes:
        told = (self._events[index][1] for index in indices)
        return b"".join(one for one in told if isinstance(one, bytes) and not isinstance(one, Keyframe))

    def _redraw(self, terminal: Terminal, now: float, *, keep: bool = False) -> None:
        """Reset the terminal, and write all up to now in one go. ``keep``: what is there goes to its scrollback."""
        playback = self._playback
        playback.due(now)
        start = next((index for index in reversed(self._keyframes) if index < playback.shown), -1)
        picture = self._events[start][1] if start >= 0 else b""
        assert isinstance(picture, bytes)
        columns, rows = terminal.size()
        terminal.pending.clear()  # the reset begins with what ends any sequence
        reset = reset_client(columns, keep_rows=rows if keep else 0)
        output = self._output(range(start + 1, playback.shown))
        terminal.write(_SYNC + reset + _SYNC + picture + output + _SYNC_END + _PLAIN_KEYS)
        self._status_shown = False

    def _status(self, size: Size, now: float) -> bytes:
        columns, rows = size
        playback = self._playback
        word = "end" if playback.ended else "paused"
        text = f"[{word}] {_clock(playback.position(now))}/{_clock(playback.length)} x{playback.speed:g}"
        if _is_smaller(size, self._size()):
            text += "  recorded at {}x{}, this terminal is {}x{}".format(*self._size(), columns, rows)
        keys = "  space play  . step  arrows seek, speed  0-9 jump  q quit"
        text = (text + keys if len(text + keys) <= columns else text)[:columns]
        self._status_shown = True
        return _STATUS + f"\x1b[{rows};1H\x1b[7m\x1b[2K{text}\x1b[0m\x1b[?7h".encode() + _SYNC_END + _PLAIN_KEYS

    # Keys

    def _key(self, terminal: Terminal, name: str, now: float) -> bool:
        """Do what a key says; return whether to go on."""
        playback = self._playback
        if name in ("q", "Escape", "C-c"):
            return False
        if name == "Space":
            if playback.ended:
                self._seek(terminal, now, 0.0)
            else:
                playback.toggle(now)
        elif name == ".":
            playback.step(now)
            self._redraw(terminal, now)
        elif name in ("Up", "Down"):
            playback.accelerate(now, 2.0 if name == "Up" else 0.5)
            if self._status_shown:
                terminal.write(self._status(terminal.size(), now))
        elif name in ("Left", "Right"):
            self._seek(terminal, now, playback.position(now) + (JUMP if name == "Right" else -JUMP))
        elif len(name) == 1 and name in "0123456789":
            self._seek(terminal, now, playback.length * int(name) / 10)
        return True

    def _seek(self, terminal: Terminal, now: float, position: float) -> None:
        if self._playback.seek(now, position) or self._status_shown:
            self._redraw(terminal, now)


def _read() -> bytes:
    try:
        return os.read(0, 65536)
    except OSError:
        return b""


def _keys(tokens: Iterable[object]) -> Iterable[str]:
    """Yield the names of the keys that were typed; what else a terminal sends is not for us."""
    for token in tokens:
        if isinstance(token, Typed) and not token.paste:
            for key in split(token.data)[0]:
                name, event = key_name(key)
                if event != RELEASE:
                    yield name


def _is_smaller(size: Size, than: Size) -> bool:
    return size[0] < than[0] or size[1] < than[1]


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
