"""A stand-in for the view: one key chooses a session by its id, any other goes back."""

from __future__ import annotations

import os

CANNOT = 64
"""Exit status where the view can't be shown here: whoever started it may do something else."""


def run(words: list[str], socket: str) -> int:
    """Show the view until the user leaves; return the exit status."""
    if "--choose-fd" not in words or not os.isatty(0) or os.get_terminal_size(0).columns < 20:
        return CANNOT
    os.write(1, b"\x1b[2J\x1b[Hpress the id of a session")
    key = os.read(0, 1)
    if key.isdigit():
        os.write(int(words[words.index("--choose-fd") + 1]), key)
    return 0
