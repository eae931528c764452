"""agentmux rename: give a session another name."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking

from ..app import Argument
from .options import Target


def run(asking: Asking, name: Annotated[str, Argument(help="The new name.")], target: Target = None) -> int | None:
    """Give a session another name."""
    asking.mux.rename(asking.session(target), name)
    return None
