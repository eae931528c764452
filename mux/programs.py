"""What a command line runs, and whether it would: the paths are the user's, the answers one line each."""

from __future__ import annotations

import asyncio
import contextlib
import html
import os
import re
import shlex
import shutil
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

DRY_RUN = 20.0
"""Seconds that a dry run may take."""


def is_folder(path: str) -> bool:
    """Whether ``path`` is a folder that we may look at."""
    return os.path.isdir(path)


def find(word: str, cwd: str, path: str) -> str | None:
    """Return the absolute path of what ``word`` runs from ``cwd`` with this PATH."""
    if "/" in word:
        return os.path.normpath(os.path.join(cwd, word))
    folders = os.pathsep.join(os.path.join(cwd, folder) for folder in path.split(os.pathsep))
    return shutil.which(word, path=folders)


def descriptors_left(count: int) -> bool:
    """Whether so many files could still be opened."""
    held: list[int] = []
    try:
        for _ in range(count):
            held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return False
    finally:
        for fd in held:
            os.close(fd)
    return True


async def dry_run(argv: Sequence[str]) -> str:
    """Return why ``argv`` starts no server, "" if it does: once the keeper has begun there is no way back."""
    null = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*argv, stdin=null, stdout=null, stderr=asyncio.subprocess.PIPE)
    except OSError as error:
        return f"cannot run {argv[0]!r}: {(error.strerror or str(error)).lower()}"
    try:
        async with asyncio.timeout(DRY_RUN):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        return f"the new server does not start within {DRY_RUN:g} s"
    if process.returncode:
        last = said.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return f"the new server does not start: {last or process.returncode}"
    return ""


def foreground(terminal: int) -> int:
    """Return the process group that has the terminal whose master ``terminal`` is; 0 for none."""
    try:
        return max(os.tcgetpgrp(terminal), 0)
    except OSError:
        return 0


def argv_of(pid: int) -> tuple[str, ...]:
    """Return the command line of a process; nothing where the system does not tell."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return tuple(os.fsdecode(file.read(1 << 16)).split("\0")[:-1])
    except OSError:
        return ()


def interactive(argv: Sequence[str]) -> bool:
    """Whether a shell with this command line reads its commands from the terminal."""
    words = iter(argv[1:])
    for word in words:
        if word in SHELL_VALUES:
            next(words, None)
        elif not word.startswith(("-", "+")) or re.fullmatch(r"-[A-Za-z]*c[A-Za-z]*", word):
            return False
    return True


SHELL_VALUES = frozenset({"-o", "+o", "-O", "+O", "--rcfile", "--init-file", "--init-command", "-C"})
"""Options of shells that take the next word."""


async def fed(command: str, data: bytes, seconds: float) -> str:
    """Run a shell command with ``data`` on its standard input; return what went wrong, "" for nothing.

    One that takes too long is killed with its process group, also when this is cancelled.
    """
    null, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", command, stdin=pipe, stdout=null, stderr=null, start_new_session=True
    )
    try:
        async with asyncio.timeout(seconds):
            await process.communicate(data)
    except TimeoutError:
        return f"killed after {seconds:g} s"
    finally:
        if process.returncode is None:  # not reaped, so its number is still its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return f"ended with {process.returncode}" if process.returncode else ""


def desktop_command(title: str, body: str) -> str:
    """Return the shell command that shows a notification on the desktop."""
    if sys.platform == "darwin":
        script = "display notification (item 2 of argv) with title (item 1 of argv)"
        words = ["osascript", "-e", f"on run argv\n{script}\nend run", title, body]
    else:
        # notify-send takes backslashes for escapes, and what shows the body takes it for markup.
        words = [
            "notify-send",
            "--app-name=agentmux",
            "--",
            title,
            html.escape(body.replace("\\", 2 * "\\"), quote=False),
        ]
    return shlex.join(words)
