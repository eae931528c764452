"""Who watches a session: who leads, which size the pane should have, and whether anybody looks. Pure."""

from __future__ import annotations

from .size import Size, agreed_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from .screenevents import ScreenEvent

    class Viewer(Protocol):
        """Somebody who watches a session."""

        size: Size
        read_only: bool
        focused: bool
        leave: Callable[[str], None]  # with a word that says why, such as "detached"

        def output(self, data: bytes) -> None:
            """Take pane output, raw: a viewer of the pane's size writes it through."""
            ...

        def told(self, event: ScreenEvent) -> None:
            """The program told its terminal something that only one terminal should hear: this viewer leads."""
            ...

        def changed(self) -> None:
            """The screen is not what it was: a viewer of another size wants a frame."""
            ...

        def redraw(self) -> None:
            """The pane's size changed, or what was sent no longer holds: begin anew."""
            ...

        def ended(self, line: str, row: int) -> None:
            """The session is over; ``row`` is the last row in use."""
            ...


class Audience:
    """A session's viewers; the one that typed last comes first."""

    __slots__ = ("_viewers",)

    def __init__(self) -> None:
        self._viewers: list[Viewer] = []

    def __len__(self) -> int:
        return len(self._viewers)

    def __iter__(self) -> Iterator[Viewer]:
        return iter(list(self._viewers))  # one whose connection breaks leaves

    def __contains__(self, viewer: Viewer) -> bool:
        return viewer in self._viewers

    def join(self, viewer: Viewer) -> None:
        """Add a viewer. It leads if nobody does: who looks in does not take the pane from who works in it."""
        if self.leader is None:
            self._viewers.insert(0, viewer)
        else:
            self._viewers.append(viewer)

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer that is there."""
        self._viewers.remove(viewer)

    def clear(self) -> list[Viewer]:
        """Remove and return all."""
        viewers, self._viewers = self._viewers, []
        return viewers

    def typed(self, viewer: Viewer) -> bool:
        """Let the viewer that typed lead; return whether it did not before."""
        if self._viewers[:1] == [viewer] or viewer not in self._viewers:
            return False
        self._viewers.remove(viewer)
        self._viewers.insert(0, viewer)
        return True

    @property
    def leader(self) -> Viewer | None:
        """The one that typed last, or came first; never one that may not type."""
        return next((viewer for viewer in self._viewers if not viewer.read_only), None)

    @property
    def focused(self) -> bool:
        """Whether a viewer's terminal has the keyboard, as far as terminals tell."""
        return any(viewer.focused for viewer in self._viewers if not viewer.read_only)

    def wanted_size(self, policy: str) -> Size | None:
        """Return the size that the pane should have, None to keep the one it has."""
        return agreed_size([viewer.size for viewer in self._viewers if not viewer.read_only], policy)
