"""Texts of any length: the short ones lie in their row, the long ones in a blob."""

from __future__ import annotations

import re

from .blobs import Blobs, Written
from .errors import BlobBroken, BlobMissing

INLINE = 32 << 10
"""Bytes of UTF-8 that a row holds at most. Few texts are longer, and a table of shorter ones is quick to go through."""

_LONE = re.compile("[\ud800-\udfff]")


def plain(text: str) -> str:
    """Return ``text`` as UTF-8 can hold it: lone surrogates become U+FFFD."""
    return _LONE.sub("\ufffd", text)


def written(blobs: Blobs, text: str) -> tuple[str | None, Written | None]:
    """Write a long text to a blob; return what the row holds: the text or the blob, the other is None.

    Call it before the transaction; the blob's row is the caller's to add inside.
    """
    text = plain(text)
    data = text.encode()
    if len(data) <= INLINE:
        return text, None
    return None, blobs.write(data)


def read(blobs: Blobs, text: str | None, digest: bytes | None) -> str | None:
    """Return the text of a row, None if it was in a blob that is missing or damaged."""
    if digest is None:
        return text
    try:
        return blobs.get(digest).decode()
    except (BlobMissing, BlobBroken):
        return None
