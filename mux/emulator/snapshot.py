"""Snapshots that may be kept on disk: the library's own, in an envelope that is proved before it is opened.

::

    magic (8) | sha256 of all that follows (32) | sha256 of the libghostty-vt that wrote it (32) | zstd(snapshot)

A payload that passes the library's own checks by chance crashes its decoder, and its format may change without a new
version number. So it sees no byte of a file whose digest is wrong or that another build of it wrote.
"""

import functools
import hashlib

import zstandard

from . import clone
from .errors import BadSnapshot
from .ffi import library_path
from .terminal import EmulatorError, OutOfMemory, Terminal

MAGIC = b"AMUXSNP1"
_DIGEST = 32
_HEAD = len(MAGIC) + 2 * _DIGEST
_NO_MEMORY = "not enough memory"  # zstd has one exception for everything
_LEVEL = 1  # 137:1 in 2 ms for 10 000 rows of text


@functools.cache
def _library() -> bytes:
    with open(library_path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def seal(snapshot: bytes) -> bytes:
    """Return the library's snapshot in its envelope."""
    try:
        body = _library() + zstandard.compress(snapshot, _LEVEL)
    except zstandard.ZstdError as error:  # nothing else can be wrong with bytes
        raise MemoryError(str(error)) from error
    return MAGIC + hashlib.sha256(body).digest() + body


def unseal(blob: bytes) -> bytes:
    """Return the library's snapshot.

    Raises:
        BadSnapshot: cut, changed, from another build of the library, or never one.
        MemoryError: it may be as good as any.
    """
    if len(blob) <= _HEAD or not blob.startswith(MAGIC):
        raise BadSnapshot("not a snapshot")
    body = blob[len(MAGIC) + _DIGEST :]
    if hashlib.sha256(body).digest() != blob[len(MAGIC) : len(MAGIC) + _DIGEST]:
        raise BadSnapshot("the snapshot is damaged")
    if body[:_DIGEST] != _library():
        raise BadSnapshot("the snapshot was made with another build of libghostty-vt")
    try:
        return bytes(zstandard.decompress(body[_DIGEST:]))
    except zstandard.ZstdError as error:
        if _NO_MEMORY in str(error):
            raise MemoryError(str(error)) from error
        raise BadSnapshot("the snapshot does not decompress") from error


def take(terminal: Terminal) -> bytes | None:
    """Return a sealed snapshot, None while the terminal cannot be encoded."""
    try:
        return seal(clone.encode(terminal))
    except clone.Unclonable:
        return None


def restore(blob: bytes) -> Terminal:
    """Return the terminal a snapshot holds; limits and callbacks are still to be set.

    Raises:
        BadSnapshot, MemoryError: as ``unseal``.
    """
    try:
        return clone.decode(unseal(blob))
    except OutOfMemory:
        raise
    except EmulatorError as error:
        raise BadSnapshot("the snapshot cannot be decoded") from error
