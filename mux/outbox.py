"""What a client has yet to be sent, with a bound.

A client on a slow link must not make the server's memory grow or hold up the
pane. Over ``HIGH`` bytes the queued pane output is forgotten and one redraw is
owed instead: the emulator knows the screen, so nothing visible is lost. Frames
leave whole: the one that is partly on the wire is always finished.

Replies to commands are never dropped. Whoever writes many of them waits while
``crowded`` is true; whoever asks for many and reads none is not heard while ``full`` is.
"""

from __future__ import annotations

from collections import deque

HIGH = 1 << 20
"""Bytes of pane output queued for one client. At 40 MB/s, a client that stops
reading reaches it in 25 ms; one that reads at 1 MB/s is one second behind."""

CROWDED = 1 << 18
"""Above this, a command waits before it writes more."""

FULL = 1 << 22
"""Above this of what must arrive, its client is not read from: it asks, and does not take the answers."""


class Outbox:
    """The bounded queue of encoded frames to one client."""

    def __init__(self, high: int = HIGH) -> None:
        self._high = high
        self._frames: deque[tuple[bytes, bool]] = deque()  # (what is left of the frame, droppable)
        self._started = False  # the first frame is partly sent
        self.size = 0
        self._must = 0  # of that, what must arrive
        self.owes_redraw = False

    @property
    def crowded(self) -> bool:
        """Whether a writer that can wait should."""
        return self.size > CROWDED

    @property
    def full(self) -> bool:
        """Whether so much must arrive that nothing more may be asked for."""
        return self._must > FULL

    def put(self, frame: bytes) -> None:
        """Queue a frame that must arrive."""
        self._frames.append((frame, False))
        self.size += len(frame)
        self._must += len(frame)

    def put_output(self, frame: bytes) -> None:
        """Queue pane output; over the bound drop all of it and owe a redraw. A no-op while one is owed."""
        if self.owes_redraw:
            return
        if self.size + len(frame) > self._high and self.size:
            self.drop_output()
            self.owes_redraw = True
            return
        self._frames.append((frame, True))
        self.size += len(frame)

    def drop_output(self) -> None:
        """Forget the queued pane output, but for a frame that is partly sent."""
        kept: deque[tuple[bytes, bool]] = deque()
        if self._started:
            kept.append(self._frames.popleft())
        kept.extend(item for item in self._frames if not item[1])
        self._frames = kept
        self.size = sum(len(frame) for frame, _ in kept)

    def buffers(self, most: int = 64) -> list[bytes]:
        """Return the next frames to send, oldest first, for ``sendmsg``."""
        return [frame for frame, _ in zip((f for f, _ in self._frames), range(most), strict=False)]

    def sent(self, count: int) -> None:
        """Forget the first ``count`` bytes of what :meth:`buffers` gave."""
        self.size -= count
        while count:
            frame, droppable = self._frames[0]
            self._must -= 0 if droppable else min(count, len(frame))
            if count < len(frame):
                self._frames[0] = (frame[count:], droppable)
                self._started = True
                return
            count -= len(frame)
            self._frames.popleft()
            self._started = False
