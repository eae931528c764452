"""What processes and the store hold at a moment, as the system tells it: nobody is asked, nothing waits."""

from __future__ import annotations

import contextlib
import os
from time import monotonic

from ..tools import cpu, memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

Held = dict[str, float | None]


def descriptors(pid: int) -> list[str]:
    """Return what a process has open, sorted; an inode's number is left out."""
    folder = f"/proc/{pid}/fd"
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                found.append(os.readlink(f"{folder}/{name}").partition("[")[0])
    return sorted(found)


class Watch:
    """One process, or none: its CPU is that since the last look."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._used = self._ran()
        self._at = monotonic()

    def _ran(self) -> float:
        return cpu([self.pid])[1]

    def held(self) -> Held:
        """Return memory in MiB, descriptors, threads, and CPU in percent of a core."""
        rss, pss, private = (size / 1024 for size in memory([self.pid]))
        used, at = self._ran(), monotonic()
        share = (used - self._used) / max(0.001, at - self._at) / 10
        self._used, self._at = used, at
        with contextlib.suppress(OSError):
            threads = len(os.listdir(f"/proc/{self.pid}/task"))
            return {
                "rss": rss,
                "pss": pss,
                "private": private,
                "fds": len(os.listdir(f"/proc/{self.pid}/fd")),
                "threads": threads,
                "cpu": share,
            }
        return {}


def busiest(watched: Sequence[Watch]) -> Held:
    """Return what the process that used most CPU did, {} for none."""
    return max((one.held() for one in watched), key=lambda held: held.get("cpu") or 0.0, default={})


def on_disk(folder: str) -> Held:
    """Return the megabytes that the store's parts take."""
    database = sum(_size(os.path.join(folder, name)) for name in _listed(folder) if name.startswith("store.db"))
    found: Held = {"database": database / 1e6}
    for part in ("sessions", "blobs"):
        found[part] = _below(os.path.join(folder, part)) / 1e6
    return found


def _below(folder: str) -> int:
    return sum(_size(os.path.join(path, name)) for path, _, names in os.walk(folder) for name in names)


def _listed(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(folder)
    return []


def _size(path: str) -> int:
    with contextlib.suppress(OSError):
        return os.stat(path).st_size
    return 0
