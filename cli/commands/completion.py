"""agentmux completion: the script that makes a shell complete."""

from __future__ import annotations

import enum
from typing import Annotated

from ..app import Argument, completion_script
from ..main import write_all


class Shell(enum.Enum):
    """A shell we can complete in."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def run(socket: str, shell: Annotated[Shell, Argument(help="Your shell.")]) -> int | None:
    """Print a shell's completion script. In ~/.bashrc: eval "$(agentmux completion bash)"."""
    write_all(1, completion_script(shell.value).encode() + b"\n")
    return None
