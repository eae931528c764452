"""The scrollback of a session in a viewer like less: search, selection, copying. Pure; runs in the client.

    READ --/ or ?--> TYPE --Enter, Escape------> READ   (a pattern)
      |-----v------> MARK --y, Enter, Escape---> READ   (whole lines)
      '-----h------> HELP --q, Escape----------> READ   (a pager of its own)

Positions are (row, character of its text), counted from 0; columns appear only where something is drawn or clicked.

It is long because one state, the view, is moved by keys, mouse, search and selection alike, and all draw into it.
"""

from __future__ import annotations

import binascii
import re

from agentmux.mux.keys import PASTE_END, PASTE_START, RELEASE, key_name, split

from .cells import char_width, cut, starts, width
from .overlay import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

COPY_LIMIT = 1 << 20
"""Bytes of text that are copied at most: what terminals take in one OSC 52 is bounded as well."""

PATTERN_LIMIT = 500
"""Characters of a pattern, typed or pasted."""

WHEEL_LINES = 3

# Whatever the program left, even half a sequence: no string, margins, insert mode, charset, link or pen survives.
_BEGIN = (
    b"\x18\x1b\\\x1b[?2026l\x1b[?2026h\x1b[0m\x1b]8;;\x1b\\\x1b[?69l\x1b[r\x1b[?6l\x1b[4l\x1b(B\x0f\x1b[?25l\x1b[?7l"
)
_END = b"\x1b[0m\x1b[?7h\x1b[?2026l"
# Keys in their plain form, no reports but those of the mouse's buttons and drags, in decimal.
_REPORTS = b"\x1b[=0;1u\x1b[>4;0m\x1b[?1l\x1b>\x1b[?1003;1004;1005;1015;1016l\x1b[?1000;1002;1006h"

_LOOKS = r"\x1b(?:\[[0-9;:]*m|\]8;[^\x00-\x1f\x7f-\x9f]*(?:\x1b\\|\x07))"
_CONTROL = r"[\x00-\x09\x0b-\x1f\x7f-\x9f]"
_ESCAPE = r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]P_^X][^\x00-\x1f\x7f-\x9f]*(?:\x1b\\|\x07)|\x1b[ -/]*[0-~]"
_TOKEN = re.compile(f"({_LOOKS})|{_ESCAPE}|{_CONTROL}")  # colours and links, which are kept; what is taken out
_LOOK, _TO_STRIP = re.compile(_LOOKS), re.compile(_CONTROL)
_RESET = re.compile(r"\x1b\[(?:0*|0*;.*)m")
_LINK_OFF = "\x1b]8;;\x1b\\"
_LINK_END = re.compile(r"\x1b\]8;[^;]*;?(?:\x1b\\|\x07)")

_MOUSE = re.compile(rb"\x1b\[<(\d{1,6});(\d{1,6});(\d{1,6})([Mm])")
_KITTY_TEXT = re.compile(rb"\x1b\[[\d:]*;[\d:]*;(\d{1,7})u")
_ALIASES = {"C-j": "Enter", "C-h": "BSpace"}
_ACTIONS = {
    name: action
    for action, names in {
        "quit": "q Q Escape C-c",
        "down": "j Down e Enter C-e C-n",
        "up": "k Up y C-y C-p",
        "page down": "Space f PageDown C-f C-v",
        "page up": "b PageUp C-b M-v",
        "half down": "d C-d",
        "half up": "u C-u",
        "first": "g < Home M-<",
        "last": "G > End M->",
        "left": "Left",
        "right": "Right",
        "forward": "/",
        "backward": "?",
        "again": "n",
        "against": "N",
        "mark": "v V",
        "help": "h F1",
        "repaint": "r R C-l",
    }.items()
    for name in names.split()
}
_HELP = [
    " Space f PageDown     a page down",
    " b PageUp             a page up",
    " d  u                 half a page down, up",
    " j Down Enter         a line down; 5j: five lines",
    " k Up y               a line up",
    " g < Home             the first line; 50g: line 50",
    " G > End              the last line",
    " Left Right           to the side, if lines are wider than the terminal",
    "",
    " /pattern             search down; capitals count if the pattern has any",
    " ?pattern             search up",
    " n  N                 the next match; the next one the other way",
    "                      while typing: Up brings the pattern before, Escape gives up",
    "",
    " v                    mark lines: move, then y or Enter copies, Escape stops",
    "                      v again starts anew at the line where you are",
    " drag                 select and copy, also past the upper and lower edge",
    " double, triple click copy a word, a line",
    " wheel                scroll",
    "",
    " r                    draw the screen again",
    " h F1                 this help",
    " q Escape             leave",
]
_HINTS: tuple[str, ...] = ("q quit  / search  v select  h help", "q quit  h help", "q quit")
_MARK_HINTS: tuple[str, ...] = ("y copy  v start here  Esc stop", "y copy  Esc stop")
_HELP_HINTS: tuple[str, ...] = ("q back",)

_MATCH, _CURRENT, _SELECTED, _CURSOR = 1, 2, 3, 4
_STYLES = ("", "\x1b[0;7m", "\x1b[0;30;43m", "\x1b[0;7m", "\x1b[0;4;7m")

_SEPARATORS = r"\s\"'`()\[\]{}<>|,;│"
_WORD = re.compile(rf"[^{_SEPARATORS}]*[^{_SEPARATORS}.:!?]")


class Pager:
    """An overlay with the lines of a session, opened where the session's screen is.

    Clicks are counted without a clock: a second one on the same character, with nothing in between, is a double click.

    Args:
        name: what the status line calls it.
        rows: lines of text, oldest first, each with colours (SGR) and links (OSC 8) of its own.
        screen_rows: how many of the last ones are the session's screen. Empty ones at its end are no lines.
        size_columns: how wide the lines may be.
    """

    takes_mouse = True

    def __init__(self, name: str, rows: list[str], screen_rows: int, size_columns: int) -> None:
        self._name = _plain(name).replace("\n", " ")
        rows = [row.replace("\n", "") for row in rows]
        self._given = len(rows)
        self._screen_top = max(0, len(rows) - max(0, screen_rows))
        while len(rows) > self._screen_top and not _plain(rows[-1]):
            rows.pop()
        self._rows = rows
        self._wide = size_columns
        self._size = (max(1, size_columns), max(1, screen_rows))
        self._hints = _HINTS
        self._opened = False  # drawn before, so that _top means something
        self._top = self._last_top()
        self._left = 0  # columns scrolled to the side
        self._count = ""  # digits typed before a key
        self._message = ""
        self._help: Pager | None = None
        self._pasting: bytes | None = None  # within a paste: its last bytes, where its end mark may begin

        self._joined: str | None = None
        self._starts: list[int] = []  # where each row begins in it
        self._folded: str | None = None
        self._typing: str | None = None  # a pattern, as far as it was typed
        self._typing_up = False
        self._patterns: list[str] = []
        self._recalled = 0  # which of them is shown while typing
        self._pattern = ""
        self._up = False
        self._match: tuple[int, int] | None = None

        self._marking = False  # whole lines by keys, from _anchor to _head
        self._dragging = False
        self._selecting = False  # something is highlighted
        self._whole = False  # whole lines
        self._anchor = self._head = (0, 0)
        self._clicks = 0
        self._clicked = (-1, -1)
        self._clipboard = b""

        self._shown: list[str] = []  # the picture on the terminal, row by row; empty for unknown
        self._fed = False

    # Drawing

    def draw(self, size: tuple[int, int]) -> bytes:
        """Return what shows it on a terminal of (columns, rows).

        Between two calls only what :meth:`feed` changed is drawn. A call without keys before it draws everything: use
        it when something else wrote on the terminal.
        """
        copied, self._clipboard = self._clipboard, b""
        if self._help is not None:
            return copied + self._help.draw(size)
        size = (max(1, size[0]), max(1, size[1]))
        whole = not self._fed or size != self._size or not self._shown
        self._fed = False
        self._size = size
        self._top = min(self._top, self._last_top()) if self._opened else self._last_top()
        self._left = min(self._left, self._last_left())
        self._opened = True
        picture = [self._drawn(row) for row in range(self._top, self._top + self._body())]
        picture.append(self._status())
        out = [
            f"\x1b[{y};1H\x1b[0m\x1b[2K{line}"
            for y, line in enumerate(picture, 1)
            if whole or line != self._shown[y - 1]
        ]
        self._shown = picture
        return copied + _BEGIN + (_REPORTS if whole else b"") + "".join(out).encode("utf-8", "replace") + _END

    def _body(self) -> int:
        return self._size[1] - 1

    def _last_top(self) -> int:
        """Return the top of the lowest view: the end of the text, or the screen as it stands if that ends higher."""
        body = self._body()
        return max(0, len(self._rows) - body, min(self._screen_top, self._given - body))

    def _last_left(self) -> int:
        return max(0, self._wide - self._size[0])

    def _drawn(self, row: int) -> str:
        if row >= len(self._rows):
            return ""
        text = _plain(self._rows[row])
        marks = bytearray(len(text))
        width = len(self._pattern)
        start = 0
        searched = self._fold(text)
        while self._pattern and (start := searched.find(self._pattern, start)) >= 0:
            marks[start : start + width] = bytes([_MATCH]) * width
            start += width
        if self._match is not None and self._match[0] == row:
            start = self._match[1]
            marks[start : start + width] = bytes([_CURRENT]) * width
        tail = fill = 0
        if self._selecting:
            (first, start), (last, end) = self._selected()
            if first <= row <= last:
                start, end = start if row == first else 0, end if row == last else len(text)
                style = _CURSOR if self._marking and row == self._head[0] else _SELECTED
                marks[start:end] = bytes([style]) * (end - start)
                # A selected line end shows: as the rest of the row, or as one blank.
                tail = style if self._whole or row < last else 0
                fill = self._size[0] if self._whole else 1
        return _styled(self._rows[row], text, self._left, self._size[0], marks, tail, fill)

    def _status(self) -> str:
        columns = self._size[0]
        if self._typing is not None:
            text = ("?" if self._typing_up else "/") + self._typing
            while width(text) >= columns > 1:  # its end is what is looked at
                text = text[1:]
            shown = cut(text, columns)
            blank = max(0, columns - width(shown) - 1)
            cursor = "\x1b[27m \x1b[7m" if columns > width(shown) else ""
            return f"\x1b[7m{shown}{cursor}{' ' * blank}\x1b[0m"
        total = len(self._rows)
        last = min(self._top + self._body(), total)
        percent = 100 * last // total if total else 100
        where = f"{min(self._top + 1, last)}-{last}/{total} ({percent}%)"
        if self._left:
            where += f" col {self._left + 1}"
        hints = self._hints
        said = self._message or self._name
        if self._marking:
            hints = _MARK_HINTS
            said = self._message or f"{abs(self._anchor[0] - self._head[0]) + 1} lines"
        if self._count:
            said = f":{self._count}"
        tries = [f"{said}  {where}", said if said != self._name else where]
        text = next((one for one in tries if width(one) <= columns), cut(tries[1], columns))
        room = columns - width(text)
        hint = next((one for one in hints if len(one) + 2 <= room), "")
        return f"\x1b[7m{text}{' ' * (room - len(hint))}{hint}\x1b[0m"

    # Keys

    def feed(self, keys: bytes) -> Outcome | None:
        """Return how it ended with these keys, or None when it goes on. A sequence may not be cut between two calls."""
        self._fed = True
        while keys:
            if self._pasting is not None:
                keys = self._pasted(keys)
                continue
            typed, start, keys = keys.partition(PASTE_START)
            for key in split(typed)[0]:
                if (outcome := self._key(key)) is not None:
                    return outcome
            if start:
                self._pasting = b""
        return None

    def _pasted(self, keys: bytes) -> bytes:
        """Take the rest of a paste, as far as it is here; return what follows it."""
        if keys in (b"\x1b", b"\x03"):  # a way out, should the end never come
            self._pasting = None
            return b""
        text, end, rest = ((self._pasting or b"") + keys).partition(PASTE_END)
        self._pasting = None if end else text[1 - len(PASTE_END) :]
        if not end:
            text = text[: 1 - len(PASTE_END)]
        (self._help or self)._paste(text)
        return rest

    def _key(self, key: bytes) -> Outcome | None:
        if self._help is not None:
            if self._help.feed(key) is not None:
                self._help = None
                self._shown = []
            return None
        if mouse := _MOUSE.fullmatch(key):
            self._mouse(int(mouse[1]), int(mouse[2]) - 1, int(mouse[3]) - 1, mouse[4] == b"M")
            return None
        name, event = key_name(key)
        if event == RELEASE or not name:
            return None
        self._message = ""
        self._clicks = 0
        if self._typing is not None:
            self._type(_ALIASES.get(name, name), key)
            return None
        if not self._marking:
            self._selecting = self._dragging = False
        return self._read(_ALIASES.get(name, name))

    def _read(self, name: str) -> Outcome | None:
        if len(name) == 1 and name in "0123456789":
            self._count = (self._count + name)[:9]
            return None
        count, self._count = self._count, ""
        if count and name in ("Escape", "C-c"):
            return None
        if count and name == "BSpace":
            self._count = count[:-1]
            return None
        if self._marking and name in ("Escape", "C-c"):
            self._marking = self._selecting = False
            return None
        if self._marking and name in ("y", "Enter"):
            self._copy()
            self._marking = self._selecting = False
            return None
        page = max(1, self._body())
        match _ACTIONS.get(name):
            case "quit":
                return Outcome()
            case "down":
                self._move(int(count or 1))
            case "up":
                self._move(-int(count or 1))
            case "page down":
                self._move(page)
            case "page up":
                self._move(-page)
            case "half down":
                self._move(max(1, page // 2))
            case "half up":
                self._move(-max(1, page // 2))
            case "first":
                self._go(int(count or 1) - 1)
            case "last":
                self._go(int(count or 1 << 30) - 1)
            case "right":
                self._left = min(self._last_left(), self._left + max(1, self._size[0] // 2))
            case "left":
                self._left = max(0, self._left - max(1, self._size[0] // 2))
            case "forward" | "backward" as direction:
                self._typing, self._typing_up = "", direction == "backward"
                self._recalled = len(self._patterns)
            case "again":
                self._search(self._up, repeated=True)
            case "against":
                self._search(not self._up, repeated=True)
            case "mark":
                self._mark()
            case "help":
                if self._hints == _HELP_HINTS:
                    return Outcome()
                self._help = Pager("keys", _HELP, len(_HELP), max(map(len, _HELP)))
                self._help._hints = _HELP_HINTS
                self._help._opened, self._help._top = True, 0
            case "repaint":
                self._shown = []
            case _:
                pass
        return None

    def _move(self, lines: int) -> None:
        self._go((self._head[0] if self._marking else self._top) + lines)

    def _go(self, row: int) -> None:
        """Bring a row to the top, or the line where one is while marking lines."""
        if self._marking:
            self._head = (max(0, min(row, len(self._rows) - 1)), 0)
            self._show(self._head[0], 0)
        else:
            self._scroll(row)

    def _scroll(self, top: int) -> None:
        self._top = max(0, min(top, self._last_top()))

    def _show(self, row: int, above: int) -> None:
        """Scroll as little as it takes to see a row; from further away, leave some rows above it."""
        page = max(1, self._body())
        if self._top <= row < self._top + page:
            return
        if above:
            self._scroll(row - above)
        else:
            self._scroll(row if row < self._top else row - page + 1)

    # Searching

    def _type(self, name: str, key: bytes) -> None:
        typed = self._typing or ""
        match name:
            case "Escape" | "C-c":
                self._typing = None
            case "Enter":
                self._typing = None
                self._start(typed)
            case "BSpace":
                self._typing = typed[:-1] if typed else None
            case "C-u":
                self._typing = ""
            case "C-w":
                self._typing = typed.rstrip()[: typed.rstrip().rfind(" ") + 1]
            case "Up" | "C-p" | "Down" | "C-n":
                at = self._recalled + (-1 if name in ("Up", "C-p") else 1)
                self._recalled = max(0, min(at, len(self._patterns)))
                self._typing = (*self._patterns, "")[self._recalled]
            case _:
                if text := _KITTY_TEXT.fullmatch(key):
                    name = chr(min(int(text[1]), 0x10FFFF))
                elif name in ("Space", "S-Space"):
                    name = " "
                if len(name) == 1 and name.isprintable() and name != "\ufffd":
                    self._typing = (typed + name)[:PATTERN_LIMIT]

    def _paste(self, pasted: bytes) -> None:
        if self._typing is not None:
            first = pasted[: 8 * PATTERN_LIMIT].decode("utf-8", "ignore").strip().splitlines()[:1]
            self._typing = (self._typing + _plain("".join(first)))[:PATTERN_LIMIT]

    def _start(self, typed: str) -> None:
        fresh = bool(typed)
        if fresh:
            if typed in self._patterns:
                self._patterns.remove(typed)
            self._patterns.append(typed)
            self._match = None
        elif self._patterns:
            typed = self._patterns[-1]
        self._pattern, self._up = typed, self._typing_up
        self._search(self._up, repeated=not fresh)

    def _fold(self, text: str) -> str:
        """Return a text as the pattern sees it, each character in its place."""
        return _lower(text) if self._pattern == self._pattern.lower() else text

    def _text(self) -> str:
        """Return all lines as one text to search in, made when it is first needed."""
        if self._joined is None:
            self._joined = _plain("\n".join(self._rows))
            self._starts = [0]
            for line in self._joined.split("\n"):
                self._starts.append(self._starts[-1] + len(line) + 1)
        if self._pattern != self._pattern.lower():
            return self._joined
        if self._folded is None:
            self._folded = _lower(self._joined)
        return self._folded

    def _search(self, up: bool, *, repeated: bool) -> None:
        """Go to the next match: from the last one if repeated and on the screen, else from the screen's edge."""
        if not self._pattern:
            self._message = "no pattern yet"
            return
        text = self._text()
        page = max(1, self._body())
        at = None
        if repeated and self._match is not None and self._top <= self._match[0] < self._top + page:
            at = self._starts[self._match[0]] + self._match[1]
        if up:
            end = self._starts[min(self._top + page, len(self._rows))] if at is None else at + len(self._pattern) - 1
            found = text.rfind(self._pattern, 0, end)
        else:
            found = text.find(self._pattern, self._starts[min(self._top, len(self._rows))] if at is None else at + 1)
        if found < 0:
            found = text.rfind(self._pattern) if up else text.find(self._pattern)
            if found < 0:
                self._match = None
                self._message = "pattern not found"
                return
            self._message = "went on from the bottom" if up else "went on from the top"
        row = text.count("\n", 0, found)
        self._match = (row, found - self._starts[row])
        self._show(row, page // 3)
        if self._marking:
            self._head = (row, 0)
        columns = starts(_plain(self._rows[row]))
        start, stop = columns[self._match[1]], columns[self._match[1] + len(self._pattern)]
        if start < self._left or stop > self._left + self._size[0]:
            self._left = max(0, min(start - self._size[0] // 4, self._last_left()))

    # Selecting

    def _mark(self) -> None:
        if not self._rows:
            return
        if not self._marking:
            page = max(1, self._body())
            seen = self._match is not None and self._top <= self._match[0] < self._top + page
            row = self._match[0] if seen and self._match else min(self._top, len(self._rows) - 1)
            self._head = (row, 0)
        self._anchor = self._head
        self._marking = self._selecting = self._whole = True

    def _mouse(self, button: int, x: int, y: int, pressed: bool) -> None:
        if self._typing is not None:
            return
        button &= ~28  # shift, alt and ctrl
        if button in (64, 65):
            if pressed:
                self._scroll(self._top + (WHEEL_LINES if button == 65 else -WHEEL_LINES))
        elif button in (66, 67):
            self._left = max(0, min(self._last_left(), self._left + (WHEEL_LINES if button == 67 else -WHEEL_LINES)))
        elif button == 0 and pressed:
            self._press(x, y)
        elif button == 32 and pressed and self._dragging:
            self._drag(x, y)
        elif button == 0 and self._dragging:
            self._dragging = False
            if self._selecting:
                self._copy()

    def _press(self, x: int, y: int) -> None:
        self._message = self._count = ""
        self._marking = self._selecting = self._whole = False
        if y >= self._body() or not self._rows:
            return
        at = self._pointed(x, y)
        self._clicks = self._clicks % 3 + 1 if at == self._clicked else 1
        self._clicked = self._anchor = self._head = at
        self._dragging = True
        if self._clicks == 2:
            self._selecting = True
            row, character = at
            for word in _WORD.finditer(_plain(self._rows[row])):
                if word.start() <= character < word.end():
                    self._anchor, self._head = (row, word.start()), (row, word.end() - 1)
        elif self._clicks == 3:
            self._selecting = self._whole = True

    def _drag(self, x: int, y: int) -> None:
        # A pointer can't leave most terminals: its first and last row scroll too, but not a drag along the first.
        if y < 0 or (y == 0 and self._anchor[0] > self._top):
            self._scroll(self._top - 1)
        elif y >= self._body():
            self._scroll(self._top + 1)
        at = self._pointed(x, max(0, min(y, self._body() - 1)))
        if at != self._clicked:
            self._clicked = (-1, -1)
            self._selecting = True
            self._head = at

    def _pointed(self, x: int, y: int) -> tuple[int, int]:
        """Return the row and character shown at a place, the end of its row if there is none."""
        row = max(0, min(self._top + y, len(self._rows) - 1))
        columns = starts(_plain(self._rows[row]))
        column = self._left + max(0, x)
        character = next((at for at in range(len(columns) - 1) if columns[at] <= column < columns[at + 1]), None)
        return row, len(columns) - 1 if character is None else character

    def _selected(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return where the selection begins, and where it ends, that character not included."""
        (first, start), (last, end) = sorted((self._anchor, self._head))
        text = _plain(self._rows[last])
        if self._whole:
            return (first, 0), (last, len(text))
        end = min(end + 1, len(text))
        while end < len(text) and not char_width(text[end]):  # its accents
            end += 1
        return (first, start), (last, end)

    def _copy(self) -> None:
        (first, start), (last, end) = self._selected()
        lines = []
        for row in range(first, last + 1):
            text = _plain(self._rows[row])
            lines.append(text[start if row == first else 0 : end if row == last else None].rstrip())
        data = "\n".join(lines).encode("utf-8", "replace")
        text = data[:COPY_LIMIT].decode("utf-8", "ignore")
        if not text.strip():
            self._message = "nothing to copy"
            return
        cut = ", the rest is too much" if len(data) > COPY_LIMIT else ""
        self._message = f"copied {len(text)} characters{cut}"
        self._clipboard = b"\x1b]52;c;" + binascii.b2a_base64(text.encode(), newline=False) + b"\x1b\\"


# Rows of text


def _plain(row: str) -> str:
    """Return the text of a row, or of several joined by newlines, without escapes and controls."""
    text = _LOOK.sub("", row)
    # Nearly always all there is, and found four times faster.
    return _TOKEN.sub("", row) if _TO_STRIP.search(text) else text


def _lower(text: str) -> str:
    """Return a text in lower case, as long as it was: one letter alone has a lower case of two characters."""
    return text.replace("\u0130", "i").lower()


def _styled(row: str, text: str, left: int, columns: int, marks: bytearray, tail: int, fill: int) -> str:
    """Return what of a row fits between two columns, in its colours where nothing is marked.

    Args:
        row: with its escapes.
        text: without them.
        left: the first column to show.
        columns: how many.
        marks: the style of each character, 0 for its own.
        tail: the style of the blanks after it.
        fill: how many of these at most.
    """
    begins = starts(text)
    first = next((at for at in range(len(text)) if left <= begins[at] < begins[at + 1]), len(text))
    stop = next(at for at in range(len(text), -1, -1) if begins[at] <= left + columns)
    out = [" " * min(columns, begins[first] - left)] if begins[first] > left else []  # half a wide character
    pen = ""
    style = at = 0
    linked = False
    for piece, kept in _pieces(row):
        end = min(at + len(piece), stop)
        here = max(at, first)
        while here < end:
            run = here + 1
            while run < end and marks[run] == marks[here]:
                run += 1
            if marks[here] != style:
                style = marks[here]
                out.append(_STYLES[style] or "\x1b[0m" + pen)
            out.append(text[here:run])
            here = run
        at += len(piece)
        if at >= stop and at > 0:
            break
        if kept.startswith("\x1b]"):
            linked = not _LINK_END.fullmatch(kept)
            out.append(kept)
        elif kept:
            pen = kept if _RESET.fullmatch(kept) else pen + kept
            if not style:
                out.append(kept)
    out.append("\x1b[0m")
    if linked:
        out.append(_LINK_OFF)
    blanks = min(fill, columns - max(0, begins[stop] - left)) if tail else 0
    if blanks > 0:
        out.append(_STYLES[tail] + " " * blanks + "\x1b[0m")
    return "".join(out)


def _pieces(row: str) -> Iterator[tuple[str, str]]:
    """Yield runs of text, each with the colour or link that follows it."""
    at = 0
    for found in _TOKEN.finditer(row):
        yield row[at : found.start()], found[1] or ""
        at = found.end()
    yield row[at:], ""
