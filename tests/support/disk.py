"""A file system of a few MB for the data folder, to be filled, or made read-only."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from world import World, wait_until


class Disk:
    """A file system at a folder, of a few MB."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._ballast = os.path.join(folder, "ballast")
        made = folder
        while not os.path.isdir(made):
            made = os.path.dirname(made)
        os.makedirs(folder)
        while folder != made:
            os.chmod(folder, 0o700)
            folder = os.path.dirname(folder)
        self._mount("-t", "tmpfs", "-o", "size=24m,mode=0700", "agentmux-test", self.folder)

    @staticmethod
    def _mount(*words: str) -> None:
        done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"this user may not mount: {done.stderr.strip()}")

    def fill(self) -> None:
        """Leave no page free; a file's last page may have room."""
        ballast = os.open(self._ballast, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            while os.write(ballast, bytes(4096)) == 4096:
                pass
        except OSError as error:
            assert error.errno == errno.ENOSPC
        finally:
            os.close(ballast)

    def make_room(self) -> None:
        """Undo that."""
        os.unlink(self._ballast)

    @contextlib.contextmanager
    def read_only(self, part: str = ".") -> Iterator[None]:
        """Let nobody make or open a file below a part of it to write to it; what is open stays so."""
        path = os.path.join(self.folder, part)
        self._mount("--bind", path, path)
        try:
            self._mount("-o", "remount,bind,ro", path)
            yield
        finally:
            subprocess.run(["umount", path], check=True)

    def unmount(self) -> None:
        """Leave an empty folder."""
        subprocess.run(["umount", self.folder], check=True)

    def close(self) -> None:
        """Leave only the log, for the world to look at."""
        log = os.path.join(self.folder, "server.log")
        text = b""
        if os.path.exists(log):
            with open(log, "rb") as file:
                text = file.read()
        self.unmount()
        with open(os.open(log, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
            file.write(text)


@contextlib.contextmanager
def mounted(world: World) -> Iterator[Disk]:
    """The data folder's own."""
    if sys.platform != "linux":
        pytest.skip("mounts a tmpfs")
    made = Disk(world.data)
    try:
        yield made
    finally:
        world.run("kill-server")
        wait_until(lambda: not world.pids(), what="end of the server")
        made.close()
