"""A fixed path for each session to the SSH agent of whoever attached last.

The socket in ``SSH_AUTH_SOCK`` dies with the login that brought it, and a running program can't be given another
value. So programs get a symbolic link beside the server's socket, which is pointed at the agent of each client that
attaches.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "SSH_AUTH_SOCK"


def link_of(socket: str, session: int) -> str:
    """Return the link's path for a session of the server at ``socket``."""
    return f"{socket}.ssh-{session}"


def point(link: str, env: Mapping[str, str], *, create: bool) -> bool:
    """Point ``link`` at the agent in a client's environment; return whether it is a link to one now.

    Without ``create`` a link that does not exist is left alone: its session began without an agent.
    """
    target = env.get(NAME, "")
    if not os.path.isabs(target) or target == link or not (create or os.path.islink(link)):
        return False
    new = f"{link}.new"
    try:
        if os.path.islink(new):
            os.unlink(new)  # a server died here
        os.symlink(target, new)
        os.replace(new, link)
    except OSError:
        return False  # the folder is full or gone: the session works without
    return True


def remove(link: str) -> None:
    """Remove the link, if there is one."""
    try:
        os.unlink(link)
    except OSError:
        pass
