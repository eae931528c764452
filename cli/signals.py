"""The signals that an attached client lives with, as bytes in a pipe that its loop waits for."""

import _signal  # type: ignore[import-not-found]  # what `signal` is made of: its enums cost as much as the client's rest
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


class Signals:
    """Handlers for them, from `with` to its end."""

    def __enter__(self) -> "Signals":
        self.reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        os.set_blocking(self.reading, False)
        self._before = {
            number: _signal.signal(number, self._ignore)
            for number in (_signal.SIGWINCH, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGCONT)
        }
        _signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        return self

    @staticmethod
    def _ignore(number: int, frame: "FrameType | None") -> None:
        """The wakeup pipe has it."""

    def __exit__(self, *exc: object) -> None:
        _signal.set_wakeup_fd(-1)
        for number_, handler in self._before.items():
            _signal.signal(number_, handler)
        os.close(self.reading)
        os.close(self._writing)

    def arrived(self) -> set[int]:
        """Return the signals since the last call."""
        try:
            return set(os.read(self.reading, 512))
        except BlockingIOError:
            return set()
