"""agentmux export: write a session's recording in a format that others read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated, BinaryIO

from agentmux.mux.asking import Asking
from agentmux.mux.errors import AgentmuxError, BadUsage
from agentmux.mux.recording import Format, exported

from ..app import Option
from .options import Since, Target, ago, folder

FORMATS = {
    "asciicast": Format.ASCIICAST_2,
    "asciicast-v2": Format.ASCIICAST_2,
    "asciicast-v3": Format.ASCIICAST_3,
    "text": Format.TEXT,
    "html": Format.HTML,
    "json": Format.JSON,
    "raw": Format.RAW,
}


async def run(
    asking: Asking,
    target: Target = None,
    format_: Annotated[
        str, Option("--format", metavar="F", help="Format: asciicast (v2), asciicast-v3, text, html, json or raw.")
    ] = "asciicast",
    output: Annotated[str, Option("-o", "--output", metavar="FILE", help="Write to FILE; it must not exist.")] = "",
    since: Since = "",
) -> int | None:
    """Write the recording of a session. To standard output, or to a file."""
    session = asking.session(target)
    if format_ not in FORMATS:
        raise BadUsage(f"export: no format {format_!r}", hint="formats: " + ", ".join(FORMATS))
    begin = asking.mux.now() - ago(since, "--since") if since else 0.0
    with asking.progress("exporting", printing=not output) as progress:
        pieces = exported(asking.mux, session, FORMATS[format_], begin, progress.at)
        if output:
            await _save(asking, pieces, output)
            return None
        for piece in pieces:
            asking.write(piece)
            await asking.drained()
            await asking.turn()
    return None


async def _save(asking: Asking, pieces: Iterator[bytes], output: str) -> None:
    try:
        with _created(folder(asking.request.cwd, output)) as file:
            for piece in pieces:
                file.write(piece)
                await asking.turn()
    except FileExistsError:
        raise AgentmuxError(f"there is a file {output!r} already", hint="choose another name") from None
    except OSError as error:
        raise AgentmuxError(f"cannot write {output!r}: {(error.strerror or str(error)).lower()}") from None


def _created(path: str) -> BinaryIO:
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))
