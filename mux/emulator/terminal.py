"""One native terminal: made, limited, fed, asked, freed. Thin; what a terminal is used for lives elsewhere.

A handle belongs to one thread: cffi releases the GIL in every call, and two threads in one terminal crash it.
References into the grid die at the next write, so none leaves this file's callers.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Self

from .callbacks import CELL, Mailbox, attach, text
from .ffi import ffi, lib

CONTINUATION = 1 << 20
"""Bytes of an unfinished sequence that are kept, so that a snapshot and a dump can be taken inside of one."""

_MAX_APC = 1 << 20
_MAX_UNKNOWN = 8192  # an OSC 7501 report may have 4096


class EmulatorError(RuntimeError):
    """The library refused a call that should not fail."""

    def __init__(self, call: str, code: int) -> None:
        super().__init__(f"libghostty-vt: {call} gave {code}")
        self.code = code


class OutOfMemory(EmulatorError, MemoryError):
    """The library could not have memory. What it was asked for may be half done."""


def check(code: int, call: str, refused: type[EmulatorError] = EmulatorError) -> None:
    if code:
        raise (OutOfMemory if code == lib.GHOSTTY_OUT_OF_MEMORY else refused)(call, code)


def new_sized(ctype: str) -> Any:
    """Allocate a struct that says its own size, nested ones too."""
    return ffi.new(ctype + "*", _sized(ctype)[0])


@cache
def _sized(ctype: str) -> Any:
    pointer = ffi.new(ctype + "*")
    _set_sizes(pointer)
    return pointer


def _set_sizes(pointer: Any) -> None:
    kind = ffi.typeof(pointer).item
    for name, field in kind.fields:
        if name == "size":
            pointer.size = ffi.sizeof(kind)
        elif field.type.kind == "struct":
            _set_sizes(ffi.addressof(pointer[0], name))


_TAGS = {name: getattr(lib, "GHOSTTY_POINT_TAG_" + name) for name in ("ACTIVE", "HISTORY")}
_grid_ref = ffi.cast(
    "GhosttyResult(*)(GhosttyTerminal, GhosttyPointS, GhosttyGridRef*)",
    ffi.addressof(lib, "ghostty_terminal_grid_ref"),
)
_DATA = {
    name.removeprefix("GHOSTTY_TERMINAL_DATA_"): value
    for value, name in ffi.typeof("GhosttyTerminalData").elements.items()
}
_STATE_KEYS = ffi.new("GhosttyTerminalData[3]", [_DATA["COLS"], _DATA["ROWS"], _DATA["VT_GROUND"]])
_state_columns, _state_rows, _state_ground = ffi.new("uint16_t*"), ffi.new("uint16_t*"), ffi.new("bool*")
_state_values = ffi.new("void*[]", [_state_columns, _state_rows, _state_ground])
_compressed = ffi.new("GhosttyTerminalCompressionResult*")
_TABS = re.compile(rb"\x1b\[3g(?:\x1b\[\d+G\x1bH)*\x1b\[H")  # all that comes before contents


class Terminal:
    """A native terminal that is freed exactly once: by ``close``, at the end of a ``with``, or when collected."""

    __slots__ = ("_userdata", "h")

    def __init__(self, handle: Any) -> None:
        self.h = ffi.gc(handle, lib.ghostty_terminal_free)
        self._userdata: Any = None

    @classmethod
    def blank(cls, size: tuple[int, int]) -> Self:
        out = ffi.new("GhosttyTerminal*")
        check(lib.ghostty_terminal_new(ffi.NULL, out, *size), "terminal_new")
        return cls(out[0])

    def prepare(self, box: Mailbox, scrollback_bytes: int) -> None:
        """Set the limits a program must not pass, and the callbacks. A decoded snapshot needs it as a new one does."""
        for option, ctype, value in (
            ("SCROLLBACK_MAX_BYTES", "size_t", scrollback_bytes),
            ("CONTINUATION_MAX_BYTES", "size_t", CONTINUATION),
            ("APC_MAX_BYTES", "size_t", _MAX_APC),
            ("KITTY_IMAGE_STORAGE_LIMIT", "uint64_t", 0),
            ("GLYPH_PROTOCOL", "bool", False),
            ("TITLE_REPORT", "bool", False),  # a title that comes back as input is an injection
            ("UNKNOWN_MAX_BYTES", "size_t", _MAX_UNKNOWN),
        ):
            self.set(option, ctype, value)
        self.resize(self.size())  # gives it a size in pixels
        self._userdata = attach(self.h, box)

    def close(self) -> None:
        if self.h is not None:
            ffi.release(self.h)
            self.h = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, data: bytes) -> None:
        """Feed bytes, unguarded."""
        lib.ghostty_terminal_vt_write(self.h, data, len(data))

    def compress(self) -> bool:
        """Compress some of the scrollback; whether there is more to do."""
        lib.ghostty_terminal_compress(self.h, lib.GHOSTTY_TERMINAL_COMPRESSION_MODE_INCREMENTAL, _compressed)
        return bool(_compressed[0] == lib.GHOSTTY_TERMINAL_COMPRESSION_RESULT_PENDING)

    def set(self, option: str, ctype: str, value: object) -> None:
        key = getattr(lib, "GHOSTTY_TERMINAL_OPT_" + option)
        check(lib.ghostty_terminal_set(self.h, key, ffi.new(ctype + "*", value)), f"set {option}")

    def get(self, name: str, ctype: str) -> Any:
        """Return one value, None where the terminal has none."""
        out = ffi.new(ctype + "*")
        code = lib.ghostty_terminal_get(self.h, _DATA[name], out)
        if code == lib.GHOSTTY_NO_VALUE:
            return None
        check(code, f"get {name}")
        return out[0]

    def palette(self, name: str) -> Any:
        out = ffi.new("GhosttyColorRgb[256]")
        check(lib.ghostty_terminal_get(self.h, _DATA[name], out), f"get {name}")
        return out

    def set_palette(self, colours: Sequence[tuple[int, int, int]]) -> None:
        """Replace the first of the default palette's colours; what the program itself changed stays."""
        palette = self.palette("COLOR_PALETTE_DEFAULT")
        for at, colour in enumerate(colours):
            palette[at] = colour
        check(lib.ghostty_terminal_set(self.h, lib.GHOSTTY_TERMINAL_OPT_COLOR_PALETTE, palette), "set palette")

    def string(self, name: str) -> str:
        value = self.get(name, "GhosttyString")
        return "" if value is None else text(value)

    def mode(self, number: int, *, ansi: bool = False) -> bool:
        config = ffi.new("GhosttyTerminalModeConfig*")
        config.mode = number | ansi << 15
        check(lib.ghostty_terminal_get(self.h, _DATA["MODE"], config), f"mode {number}")
        return bool(config.value)

    def set_mode(self, number: int, value: bool) -> None:
        config = ffi.new("GhosttyTerminalModeConfig*")
        config.mode, config.value = number, value
        check(lib.ghostty_terminal_set(self.h, lib.GHOSTTY_TERMINAL_OPT_MODE, config), f"set mode {number}")

    def resize(self, size: tuple[int, int]) -> None:
        """Resize; after an EmulatorError the terminal is corrupt and may only be closed."""
        check(lib.ghostty_terminal_resize(self.h, *size, *CELL), "resize")

    def size(self) -> tuple[int, int]:
        return self.state()[0]

    def state(self) -> tuple[tuple[int, int], bool]:
        """Return the size, and whether the parser is between sequences. One call: it runs after every feed."""
        lib.ghostty_terminal_get_multi(self.h, 3, _STATE_KEYS, _state_values, ffi.NULL)
        return (_state_columns[0], _state_rows[0]), _state_ground[0]

    def cursor(self) -> tuple[int, int]:
        """Return its column and row, counted from 0."""
        return self.get("CURSOR_X", "uint16_t"), self.get("CURSOR_Y", "uint16_t")

    def cursor_visible(self) -> bool:
        return bool(self.get("CURSOR_VISIBLE", "bool"))

    def kitty_flags(self) -> int:
        """Return the flags on top of the kitty keyboard stack, 0 while the protocol is off."""
        return int(self.get("KITTY_KEYBOARD_FLAGS", "uint8_t"))

    def scrollback_rows(self) -> int:
        """Return the rows above the active area; none while the alternate screen is active."""
        return int(self.get("SCROLLBACK_ROWS", "size_t"))

    def alternate(self) -> bool:
        return bool(self.get("ACTIVE_SCREEN", "GhosttyTerminalScreen"))

    def continuation(self) -> bytes | None:
        """Return the bytes of the unfinished sequence, None when there are more than CONTINUATION."""
        out, length = ffi.new("uint8_t**"), ffi.new("size_t*")
        if lib.ghostty_terminal_continuation_alloc(self.h, ffi.NULL, out, length):
            return None
        return take(out, length)

    def ref(self, x: int, y: int, tag: str = "ACTIVE") -> Any:
        point = ffi.new("GhosttyPointS*")
        point.tag = _TAGS[tag]
        point.value.x, point.value.y = x, y
        out = ffi.new("GhosttyGridRef*")
        out.size = ffi.sizeof("GhosttyGridRef")
        check(_grid_ref(self.h, point[0], out), f"ref {x},{y}")
        return out

    def rows(self, first: int, last: int, tag: str = "ACTIVE") -> Any:
        """Return the selection of whole rows, both ends included."""
        selection = new_sized("GhosttySelection")
        selection.start = self.ref(0, first, tag)[0]
        selection.end = self.ref(self.size()[0] - 1, last, tag)[0]
        return selection

    def plain(self, selection: Any, *, joined: bool = False) -> bytes:
        """Return the text of a selection, rows ended by LF, trailing blanks and trailing blank rows gone."""
        options = new_sized("GhosttyTerminalSelectionFormatOptions")
        options.emit = lib.GHOSTTY_FORMATTER_FORMAT_PLAIN
        options.unwrap, options.trim, options.selection = joined, True, selection
        out, length = ffi.new("uint8_t**"), ffi.new("size_t*")
        code = lib.ghostty_terminal_selection_format_alloc(self.h, ffi.NULL, options[0], out, length)
        check(code, "selection_format")
        return take(out, length)

    def styled(self, selection: Any, *, joined: bool = False, extras: tuple[str, ...] = ()) -> bytes:
        """Return a selection as VT bytes, every row starting and ending at SGR 0.

        Rows without text come out empty even where they have a background, and links do not come out.
        ``extras`` names state to emit around the contents.
        """
        options = new_sized("GhosttyFormatterTerminalOptions")
        options.emit = lib.GHOSTTY_FORMATTER_FORMAT_VT
        options.unwrap, options.selection = joined, selection
        for name in extras:
            setattr(options.extra if hasattr(options.extra, name) else options.extra.screen, name, True)
        formatter = ffi.new("GhosttyFormatter*")
        check(lib.ghostty_formatter_terminal_new(ffi.NULL, formatter, self.h, options[0]), "formatter_new")
        out, length = ffi.new("uint8_t**"), ffi.new("size_t*")
        code = lib.ghostty_formatter_format_alloc(formatter[0], ffi.NULL, out, length)
        lib.ghostty_formatter_free(formatter[0])
        check(code, "format")
        return take(out, length)

    def extra(self, *names: str) -> tuple[bytes, bytes]:
        """Return the bytes that recreate the named state: those to send before contents, and those after.

        A call takes 0.2 ms, for however many names.
        """
        cell = new_sized("GhosttySelection")
        cell.start = cell.end = self.ref(0, 0)[0]
        body, whole = self.styled(cell), self.styled(cell, extras=names)
        tabs = _TABS.match(whole)
        end = tabs.end() if tabs else 0
        return whole[:end], whole[end + len(body) :]


def take(out: Any, length: Any) -> bytes:
    """Copy a buffer the library allocated, and free it."""
    if out[0] == ffi.NULL:
        return b""
    try:
        return bytes(ffi.buffer(out[0], length[0]))
    finally:
        lib.ghostty_free(ffi.NULL, out[0], length[0])
