"""agentmux resize: give a session's pane another size."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux import size as sizes
from agentmux.mux.asking import Asking
from agentmux.mux.errors import BadUsage

from ..app import Argument
from .options import Target


def run(
    asking: Asking,
    size: Annotated[str, Argument(metavar="COLUMNSxROWS", help="The new size, such as 120x40.")],
    target: Target = None,
) -> int | None:
    """Resize a session that no attached client sizes."""
    try:
        wanted = sizes.parsed(size)
    except ValueError:
        raise BadUsage(f"resize: {size!r} is not COLUMNSxROWS", hint="such as: agentmux resize 120x40") from None
    if "{}x{}".format(*wanted) != size:
        raise BadUsage(f"resize: {size!r} is too large", hint="the largest is {}x{}".format(*sizes.CEILING))
    session = asking.session(target)
    config = asking.mux.config()
    if session.viewers.wanted_size(config.text("window-size")) is not None:
        raise BadUsage(
            f"session {session.name!r} has the size of a client's terminal",
            hint='to decide yourself, put window-size = "manual" in the configuration',
        )
    session.resize(wanted)
    return None
