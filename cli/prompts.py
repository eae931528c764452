"""Where a command's prompt comes from: its words, a file, or standard input."""

from __future__ import annotations

import os

from agentmux.mux import files
from agentmux.mux.asking import Asking
from agentmux.mux.errors import BadUsage
from agentmux.mux.sessionerrors import NothingToSend, TooLong

LONGEST = 1 << 22
"""Bytes of a prompt that is read from a file or from standard input: no agent takes as much."""


async def read(asking: Asking, command: str, words: list[str] | None, file: str) -> str:
    """Return the prompt that ``command`` got as ``words``, ``-`` for standard input, or the name of a file.

    Raises:
        BadUsage: it is given twice, or the file can't be read.
        NothingToSend, TooLong.
    """
    if words and file:
        raise BadUsage(f"{command}: a text and --file exclude each other")
    if file == "-" or words == ["-"]:
        data = b""
        async for piece in asking.stdin():
            data += piece
            if len(data) > LONGEST:
                break
    elif file:
        try:
            data = files.whole(os.path.join(asking.request.cwd, file), LONGEST + 1)
        except OSError as error:
            raise BadUsage(f"{command}: can't read {file!r}: {(error.strerror or str(error)).lower()}") from None
    elif words:
        return " ".join(words)
    else:
        raise NothingToSend
    if len(data) > LONGEST:
        raise TooLong(LONGEST)
    return data.decode("utf-8", "surrogateescape").removesuffix("\n")
