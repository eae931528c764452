"""What the library calls back: answers to queries and events, collected while a feed runs, acted on after it.

One set of functions for all terminals, found by their ``userdata``: a callback that was collected would have its
slot reused, and the library would call another Python function. None may raise, block, or change the terminal.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from .. import VERSION
from ..screenevents import (
    Bell,
    ClipboardWrite,
    CwdChanged,
    Notification,
    ProgramStatus,
    Progress,
    ProgressState,
    ScreenEvent,
    TitleChanged,
)
from .ffi import ffi, lib

CELL = (8, 16)
"""Width and height of a cell in pixels, as far as programs are told."""

MAX_CLIPBOARD = 1 << 20
"""Largest clipboard text that is passed on, in bytes. The library itself lets 6 MB through."""

_STATUS = b"7501;"


class Mailbox:
    """What one terminal said since it was last emptied; also what its callbacks must know to answer."""

    __slots__ = ("dark", "events", "replies", "size")

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.dark = True
        self.replies: list[bytes] = []
        self.events: list[ScreenEvent] = []


def text(value: Any) -> str:
    """Return a GhosttyString as str; bytes that are no UTF-8 are replaced."""
    return raw(value).decode("utf-8", "replace")


def raw(value: Any) -> bytes:
    return bytes(ffi.buffer(value.ptr, value.len)) if value.len else b""


def path_of(uri: str) -> str:
    """Return the path in what OSC 7 carried: a file URI, or (OSC 9;9 and 1337) the path itself."""
    if not uri.startswith("file://"):
        return uri
    host_and_path = uri[len("file://") :]
    return unquote(host_and_path[host_and_path.find("/") :]) if "/" in host_and_path else ""


def _string(value: bytes) -> Any:
    """Return a GhosttyString pointer; keep what it points at alive by keeping the result."""
    memory = ffi.new("uint8_t[]", value)
    string = ffi.new("GhosttyString*")
    string.ptr, string.len = memory, len(value)
    _alive.append((memory, string))
    return string


_alive: list[Any] = []
_VERSION = _string(b"agentmux " + VERSION.encode())
_TERM = _string(b"xterm-256color")


def _swallow(*_: object) -> None:
    """Take an exception of a callback: it has nowhere to go, and the feed must go on."""


def _get(terminal: Any, key: int) -> str:
    out = ffi.new("GhosttyString*")
    return text(out[0]) if lib.ghostty_terminal_get(terminal, key, out) == lib.GHOSTTY_SUCCESS else ""


def _write_pty(_: Any, box: Any, data: Any, length: int) -> None:
    ffi.from_handle(box).replies.append(ffi.buffer(data, length)[:])


def _bell(_: Any, box: Any) -> None:
    ffi.from_handle(box).events.append(Bell())


def _title(terminal: Any, box: Any) -> None:
    title = _get(terminal, lib.GHOSTTY_TERMINAL_DATA_TITLE)
    ffi.from_handle(box).events.append(TitleChanged(title))


def _cwd(terminal: Any, box: Any) -> None:
    path = path_of(_get(terminal, lib.GHOSTTY_TERMINAL_DATA_PWD))
    ffi.from_handle(box).events.append(CwdChanged(path))


def _notify(_: Any, box: Any, note: Any) -> None:
    ffi.from_handle(box).events.append(Notification(text(note.title), text(note.body)))


def _progress(_: Any, box: Any, report: Any) -> None:
    value = None if report.progress < 0 else int(report.progress)
    ffi.from_handle(box).events.append(Progress(ProgressState(int(report.state)), value))


def _clipboard(_: Any, box: Any, write: Any) -> None:
    contents = [write.contents[i] for i in range(write.contents_len)]
    fits = sum(item.data.len for item in contents) <= MAX_CLIPBOARD
    if fits:
        data = next((raw(item.data) for item in contents), b"")
        primary = write.location != lib.GHOSTTY_CLIPBOARD_LOCATION_STANDARD
        ffi.from_handle(box).events.append(ClipboardWrite(data, primary))
    reply = ffi.new("GhosttyClipboardWriteReply*")
    reply.size = ffi.sizeof("GhosttyClipboardWriteReply")
    reply.result = lib.GHOSTTY_CLIPBOARD_WRITE_RESULT_SUCCESS if fits else lib.GHOSTTY_CLIPBOARD_WRITE_RESULT_DENIED
    write.reply(write, reply)


def _unknown(_: Any, box: Any, sequence: Any) -> None:
    if sequence.tag != lib.GHOSTTY_TERMINAL_UNKNOWN_SEQUENCE_OSC:
        return
    osc = sequence.value.osc
    if osc.truncated or not (content := raw(osc.content)).startswith(_STATUS):
        return
    body = content[len(_STATUS) :]
    if body.startswith(b"?"):  # "do you take status reports?": the answer is the question
        end = b"\x07" if osc.terminator == lib.GHOSTTY_OSC_TERMINATOR_BEL else b"\x1b\\"
        ffi.from_handle(box).replies.append(b"\x1b]" + _STATUS + b"?" + end)
    else:
        ffi.from_handle(box).events.append(ProgramStatus(body.decode("utf-8", "replace")))


def _size(_: Any, box: Any, out: Any) -> bool:
    out.columns, out.rows = ffi.from_handle(box).size
    out.cell_width, out.cell_height = CELL
    return True


def _scheme(_: Any, box: Any, out: Any) -> bool:
    dark = ffi.from_handle(box).dark
    out[0] = lib.GHOSTTY_COLOR_SCHEME_DARK if dark else lib.GHOSTTY_COLOR_SCHEME_LIGHT
    return True


def _attributes(_: Any, _box: Any, out: Any) -> bool:
    out.primary.conformance_level = 62
    out.primary.features[0], out.primary.features[1] = 22, 52  # ANSI colour; OSC 52 can write the clipboard
    out.primary.num_features = 2
    # Every field: what the library hands over is not initialised.
    out.secondary.device_type, out.secondary.firmware_version, out.secondary.rom_cartridge = 1, 10, 0
    out.tertiary.unit_id = 0
    return True


def _version(_: Any, _box: Any) -> Any:
    return _VERSION[0]


_CALLBACKS: tuple[tuple[str, str, Callable[..., object]], ...] = (
    ("WRITE_PTY", "WritePty", _write_pty),
    ("BELL", "Bell", _bell),
    ("TITLE_CHANGED", "TitleChanged", _title),
    ("PWD_CHANGED", "PwdChanged", _cwd),
    ("DESKTOP_NOTIFICATION", "DesktopNotification", _notify),
    ("PROGRESS_REPORT", "ProgressReport", _progress),
    ("CLIPBOARD_WRITE", "ClipboardWrite", _clipboard),
    ("UNKNOWN_SEQUENCE", "UnknownSequence", _unknown),
    ("SIZE", "Size", _size),
    ("COLOR_SCHEME", "ColorScheme", _scheme),
    ("DEVICE_ATTRIBUTES", "DeviceAttributes", _attributes),
    ("XTVERSION", "Xtversion", _version),
)
_OPTIONS = (
    *(
        (
            getattr(lib, "GHOSTTY_TERMINAL_OPT_" + option),
            ffi.callback(f"GhosttyTerminal{kind}Fn", function, onerror=_swallow),
        )
        for option, kind, function in _CALLBACKS
    ),
    (lib.GHOSTTY_TERMINAL_OPT_TERMINFO_NAME, _TERM),
)


def attach(terminal: Any, box: Mailbox) -> Any:
    """Point a terminal's callbacks at ``box``. Keep the result as long as the terminal: it keeps ``box`` alive."""
    handle = ffi.new_handle(box)
    lib.ghostty_terminal_set(terminal, lib.GHOSTTY_TERMINAL_OPT_USERDATA, handle)
    for option, value in _OPTIONS:
        lib.ghostty_terminal_set(terminal, option, value)
    return handle
