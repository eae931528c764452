"""Copies of a live terminal, through the library's snapshots: for everything that can only be read by destroying.

The encoder writes the visible state first, ended by a READY record, then history page by page, and stops when its
writer says so: a copy without history costs 0.2 to 2 ms whatever the scrollback is.
"""

import struct
from collections.abc import Callable
from typing import Any

from .ffi import ffi, lib
from .terminal import EmulatorError, Terminal, check, take

_HEADER = 10  # bytes before the first record, and before each record's payload
_PAGE, _READY, _CONTINUATION = 3, 5, 7


class Unclonable(EmulatorError):
    """The terminal cannot be encoded now: it is inside a string too long, or one with a C1 byte in it."""


class _Prefix:
    """A sink that stops the encoder after READY and a number of history pages."""

    def __init__(self, pages: int) -> None:
        self.data = bytearray()
        self.end = _HEADER
        self._pages = pages
        self._ready = False

    def more(self) -> bool:
        while len(self.data) >= self.end + _HEADER:
            tag, length = struct.unpack_from("<HI", self.data, self.end)
            if len(self.data) < self.end + _HEADER + length:
                return True
            self.end += _HEADER + length
            if tag == _READY:
                self._ready = True
            elif tag == _PAGE and self._ready:
                self._pages -= 1
            if self._ready and self._pages <= 0:
                return False
        return True


def _write_to_sink(sink: Any, data: Any, length: int) -> bool:
    prefix: _Prefix = ffi.from_handle(sink)
    prefix.data += ffi.buffer(data, length)
    return prefix.more()


_write = ffi.callback("GhosttyWriterFn", _write_to_sink, onerror=lambda *_: None)


def encode_prefix(terminal: Terminal, pages: int = 0) -> bytes:
    """Return the snapshot up to READY, or up to ``pages`` pages of history, the newest ones first."""
    prefix = _Prefix(pages)
    sink = ffi.new_handle(prefix)
    writer = ffi.new("GhosttyWriter*")
    writer.write, writer.userdata = _write, sink
    code = lib.ghostty_snapshot_encode(terminal.h, writer[0])
    if code != lib.GHOSTTY_IO_ERROR:  # the sink said stop
        check(code, "snapshot_encode", Unclonable)
    return bytes(prefix.data[: prefix.end])


def encode(terminal: Terminal) -> bytes:
    """Return the whole snapshot."""
    out, length = ffi.new("uint8_t**"), ffi.new("size_t*")
    check(lib.ghostty_snapshot_encode_alloc(terminal.h, ffi.NULL, out, length), "snapshot_encode", Unclonable)
    return take(out, length)


def _decoder(data: bytes, use: Callable[[Any, Any], int]) -> Terminal:
    """Run ``use`` on a decoder of our own bytes and return the terminal it made."""
    memory = ffi.from_buffer(data)
    decoder, out = ffi.new("GhosttySnapshotDecoder*"), ffi.new("GhosttyTerminal*")
    check(lib.ghostty_snapshot_decoder_new_buf(ffi.NULL, decoder, memory, len(data)), "decoder_new")
    try:
        retain = lib.GHOSTTY_SNAPSHOT_DECODER_OPT_RETAIN_CONTINUATION
        check(lib.ghostty_snapshot_decoder_set(decoder[0], retain, ffi.new("bool*", True)), "decoder_set")
        check(use(decoder[0], out), "decode")
        return Terminal(out[0])
    finally:
        lib.ghostty_snapshot_decoder_free(decoder[0])


def decode(data: bytes) -> Terminal:
    """Decode a whole snapshot. ``data`` must be what ``encode`` returned, byte for byte: bad ones crash."""
    return _decoder(data, lib.ghostty_snapshot_decoder_decode)


def decode_ready(data: bytes) -> Terminal:
    """Decode the visible state alone."""
    return _decoder(data, lib.ghostty_snapshot_decoder_ready)


def decode_with_history(data: bytes, rows: int) -> tuple[Terminal, bool]:
    """Decode the visible state and at least ``rows`` of history; return whether ``data`` has so many."""
    got = 0

    def use(decoder: Any, out: Any) -> int:
        nonlocal got
        code: int = lib.ghostty_snapshot_decoder_ready(decoder, out)
        progress = ffi.new("size_t*")
        while not code and got < rows and not lib.ghostty_snapshot_decoder_next(decoder):
            which = lib.GHOSTTY_SNAPSHOT_DECODER_DATA_PROGRESS_ROWS
            lib.ghostty_snapshot_decoder_get(decoder, which, progress)
            got += progress[0]
        return code

    return _decoder(data, use), got >= rows


def primary_history_rows(terminal: Terminal) -> int:
    """Return the scrollback rows of the primary screen while the alternate one is active."""
    rows = ffi.new("size_t*")

    def use(decoder: Any, out: Any) -> int:
        code: int = lib.ghostty_snapshot_decoder_ready(decoder, out)
        which = lib.GHOSTTY_SNAPSHOT_DECODER_DATA_HISTORY_ROWS_PRIMARY
        return code or int(lib.ghostty_snapshot_decoder_get(decoder, which, rows))

    _decoder(encode_prefix(terminal), use).close()
    return int(rows[0])


_empty_record: list[bytes] = []


def at_ground(snapshot: bytes) -> bytes:
    """Return a snapshot without its unfinished sequence, so that its copies are between sequences."""
    if not _empty_record:
        with Terminal.blank((2, 2)) as fresh:
            _empty_record.append(_record(encode_prefix(fresh))[1])
    start, record = _record(snapshot)
    return snapshot[:start] + _empty_record[0] + snapshot[start + len(record) :]


def _record(snapshot: bytes) -> tuple[int, bytes]:
    """Return where the CONTINUATION record starts, and it."""
    at = _HEADER
    while at < len(snapshot):
        tag, length = struct.unpack_from("<HI", snapshot, at)
        if tag == _CONTINUATION:
            return at, snapshot[at : at + _HEADER + length]
        at += _HEADER + length
    raise ValueError("no continuation record")
