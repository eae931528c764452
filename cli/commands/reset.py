"""agentmux reset: give a broken terminal back."""

from __future__ import annotations

import os
import termios

from agentmux.mux.reset import leave_client
from agentmux.mux.sessionerrors import NeedsTerminal

from ..main import write_all


def run(socket: str) -> int | None:
    """Restore this terminal after a crash. Modes, mouse, colours, cursor and line editing; clears nothing."""
    fd = next((fd for fd in (0, 1, 2) if os.isatty(fd)), None)
    if fd is None:
        raise NeedsTerminal("run it in the terminal that is broken")
    attributes = termios.tcgetattr(fd)
    iflag, oflag, _, lflag = range(4)
    attributes[iflag] |= termios.BRKINT | termios.ICRNL | termios.IXON
    attributes[iflag] &= ~(termios.IGNBRK | termios.INLCR | termios.IGNCR)
    attributes[oflag] |= termios.OPOST | termios.ONLCR
    attributes[lflag] |= termios.ICANON | termios.ISIG | termios.IEXTEN | termios.ECHO | termios.ECHOE | termios.ECHOK
    termios.tcsetattr(fd, termios.TCSADRAIN, attributes)
    os.set_blocking(fd, True)
    write_all(fd, leave_client() + b"\r\n")
    return None
