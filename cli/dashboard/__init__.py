"""The agent view: a list of all sessions, what each does and shows, and one key to act. prompt_toolkit's door.

A client like any other: it holds ids, never sessions, and asks the server with the commands that scripts use.
Closing it changes nothing.
"""

from __future__ import annotations


def run(words: list[str], socket: str) -> int:
    """Show the view; return the exit status."""
    from . import start

    return start.run(words, socket)
