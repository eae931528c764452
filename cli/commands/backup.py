"""agentmux backup: copy everything that is remembered into a file."""

from __future__ import annotations

from typing import Annotated

from agentmux.mux.asking import Asking
from agentmux.mux.errors import AgentmuxError
from agentmux.mux.foreign import safe

from ..app import Argument
from ..output import size
from .options import folder


async def run(
    asking: Asking, file: Annotated[str, Argument(metavar="FILE", help="The tar file to write; it must not exist.")]
) -> int | None:
    """Copy all that is remembered into a tar file. Sessions go on meanwhile."""
    path = folder(asking.request.cwd, file)
    try:
        with asking.progress("copying") as progress:
            written = await asking.mux.memory.backup(path, progress.at)
    except FileExistsError:
        raise AgentmuxError(f"there is a file {file!r} already", hint="choose another name") from None
    asking.out(f"wrote {safe(file)}: {written.files} files, {size(written.size)}")
    return None
