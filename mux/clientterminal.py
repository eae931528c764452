"""What is known of one client's terminal, and how it is told what it can do. Pure.

What it is comes from its answers to our queries, and from the client's environment where it gives none. Both are
hostile input: anything may stand in them, nothing of it is passed on, and a wrong answer costs at most a bell.
"""

from __future__ import annotations

import re
from binascii import b2a_base64

from .protocol import LAST_QUERY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .sgr import Rgb

CLIPBOARD_LIMIT = 1 << 20
"""Bytes of text that are put into a clipboard. Terminals drop or cut more than that."""

_TITLE_LIMIT, _BODY_LIMIT = 256, 768
_VERSION_LIMIT = 100
_BELL, _ST = b"\a", b"\x1b\\"

_OSC = re.compile(rb"\x1b\](\d{1,2});([^\x00-\x1f]{1,2048})(?:\x07|\x1b\\)")
_CSI = re.compile(rb"\x1b\[\?([0-9;]{0,200})(\$?[cnuy])")
_XTVERSION = re.compile(rb"\x1bP>\|([^\x00-\x1f]{1,1024})\x1b\\")
_COLOUR = re.compile(
    rb"(?:rgb:|rgba:)([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})(?:/[0-9a-fA-F]{1,4})?"
    rb"|#((?:[0-9a-fA-F]{3}){1,4})"
)
_NAME = re.compile(r"([a-z][a-z0-9.]*(?:[ -][a-z]+)*)(?:[ (-]+v?([0-9][0-9.]{0,30}))?")

# Terminals by what the environment says of them: variable, what its value starts with, name, its version's variable.
# The more a variable is passed on (to what is started in a terminal, over ssh), the later it counts.
_SIGNS = (
    ("TERM", "tmux", "tmux", "TERM_PROGRAM_VERSION"),
    ("TMUX", "", "tmux", "TERM_PROGRAM_VERSION"),
    ("STY", "", "screen", ""),
    ("TERM", "screen", "tmux", ""),
    ("ZELLIJ", "", "zellij", ""),
    ("TERM", "xterm-kitty", "kitty", ""),
    ("TERM", "xterm-ghostty", "ghostty", "TERM_PROGRAM_VERSION"),
    ("TERM", "foot", "foot", ""),
    ("TERM", "rxvt-unicode", "urxvt", ""),
    ("TERM", "wezterm", "wezterm", "TERM_PROGRAM_VERSION"),
    ("TERM_PROGRAM", "ghostty", "ghostty", "TERM_PROGRAM_VERSION"),
    ("TERM_PROGRAM", "WezTerm", "wezterm", "TERM_PROGRAM_VERSION"),
    ("TERM_PROGRAM", "iTerm.app", "iterm2", "TERM_PROGRAM_VERSION"),
    ("TERM_PROGRAM", "mintty", "mintty", "TERM_PROGRAM_VERSION"),
    ("TERM_PROGRAM", "WarpTerminal", "warp", ""),
    ("TERM_PROGRAM", "vscode", "vscode", ""),
    ("TERM_PROGRAM", "Apple_Terminal", "apple", ""),
    ("KITTY_WINDOW_ID", "", "kitty", ""),
    ("LC_TERMINAL", "iTerm2", "iterm2", "LC_TERMINAL_VERSION"),
    ("WT_SESSION", "", "windows", ""),
    ("ConEmuANSI", "ON", "conemu", ""),
    ("KONSOLE_VERSION", "", "konsole", "KONSOLE_VERSION"),
    ("VTE_VERSION", "", "vte", "VTE_VERSION"),
)

# Notifications. kitty: sw.kovidgoyal.net/kitty/desktop-notifications. iTerm2: iterm2.com/documentation-escape-codes.
# foot: foot-ctlseqs(7). ghostty: ghostty.org/docs/vt/osc. WezTerm: wezterm issue 489 (OSC 9 and 777). contour: its
# issue 121. Those in _MAYBE_777 swallow what they don't know: VTE shows it where a distribution has patched it (gdamore
# tcell issue 499), urxvt with an extension that is not loaded by default (microsoft/terminal issue 7718), Windows
# Terminal from 1.26 on (its pull request 20012) and gives no version to tell. They get a bell as well.
_OSC_9 = {"iterm2", "warp"}
_OSC_777 = {"foot", "ghostty", "wezterm", "contour", "agentmux"}
_MAYBE_777 = {"urxvt", "vte", "windows"}

# Progress: from which version on. Before theirs, iTerm2 (gitlab.com/gnachman/iterm2 issue 12587) and WezTerm (issue
# 6581) show a notification "4;1;50" instead. kitty drops it (issue 8011). Konsole: rust-cli/anstyle pull request 348.
# VTE: its 0.80, where ST must end it. mintty 3.4.2 and ConEmu: rockorager.dev/misc/osc-9-4-progress-bars. tmux 3.7 has
# a progress bar per pane. VS Code's terminal has xterm.js's progress addon.
_PROGRESS = {
    "agentmux": (),
    "ghostty": (1, 2),
    "iterm2": (3, 6, 6),
    "wezterm": (20250209,),
    "konsole": (26, 4),
    "vte": (8000,),
    "mintty": (3, 4, 2),
    "tmux": (3, 7),
    "windows": (),
    "conemu": (),
    "vscode": (),
}


class ClientTerminal:
    """One client's terminal.

    Args:
        env: the client's environment.

    Attributes:
        kitty: whether it knows kitty's keyboard protocol; None for unknown.
        synchronized: whether it draws at once what stands between the marks of mode 2026.
        version: what it calls itself, empty for unknown.
        foreground: its default colours, each None for unknown.
        background: see ``foreground``.
        cursor: see ``foreground``.
        palette: its colours 0 to 15, each None for unknown.
        dark: whether it is dark; None for unknown.
        asked_again: whether its colours changed, so that they should be asked for again.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        self.kitty: bool | None = None
        self.synchronized = False
        self.version = ""
        self.foreground: Rgb | None = None
        self.background: Rgb | None = None
        self.cursor: Rgb | None = None
        self.palette: list[Rgb | None] = [None] * 16
        self.asked_again = False
        self._theme: bool | None = None  # dark, as it says itself
        self._theme_due = False  # the answer to our question is on its way: no news by itself
        self._term = env.get("TERM", "")
        self._env = {sign[0]: env[sign[0]][:200] for sign in _SIGNS if env.get(sign[0])}
        self._env |= {sign[3]: env[sign[3]][:200] for sign in _SIGNS if env.get(sign[3])}
        self._notified = 0

    @property
    def dark(self) -> bool | None:
        """Whether it is dark, by its own word or its background; None for unknown."""
        if self._theme is not None or self.background is None:
            return self._theme
        red, green, blue = self.background
        return red * 299 + green * 587 + blue * 114 < 128_000

    def queries(self) -> bytes:
        """Return what to ask it when a client attaches: all facts, and reports of its changes."""
        if self._is_plain():
            return b""
        # Apple's Terminal prints the last letter of both (vim issue 19852, charmbracelet/crush pull request 1329).
        known = b"" if self._name()[0] == "apple" else b"\x1b[>q\x1b[?2026$p"
        return self.colour_queries() + b"\x1b[?u" + known + b"\x1b[?2031h" + LAST_QUERY

    def colour_queries(self) -> bytes:
        """Return what to ask it for its colours; they count as asked for then."""
        self.asked_again = False
        if self._is_plain():
            return b""
        self._theme_due = True
        asked = b"".join(b"\x1b]%d;?" % number + _ST for number in (10, 11, 12))
        palette = b"".join(b"\x1b]4;%d;?" % number + _ST for number in range(16))
        return asked + palette + b"\x1b[?996n"

    def reply(self, data: bytes) -> bool:
        """Learn from one reply; return whether there is news."""
        before = self._facts()
        if found := _CSI.fullmatch(data):
            self._learn_csi([int(word[:9]) if word else 0 for word in found[1].split(b";")], found[2])
        elif found := _OSC.fullmatch(data):
            self._learn_colours(int(found[1]), found[2].split(b";"))
        elif found := _XTVERSION.fullmatch(data):
            self.version = _clean(found[1].decode("utf-8", "replace"))[:_VERSION_LIMIT]
        return self._facts() != before

    def notification(self, title: str, body: str) -> bytes:
        """Return a desktop notification in a form that it knows, a bell if there is none."""
        name = self._name()[0]
        title, body = _cut(_clean(title), _TITLE_LIMIT), _cut(_clean(body), _BODY_LIMIT)
        if not title:
            title, body = body, ""
        if self._is_plain() or not title:
            return _BELL
        if name == "kitty":
            self._notified += 1
            identity = b"i=agentmux%d" % self._notified  # the same one again would replace what is still shown
            if not body:
                return b"\x1b]99;%b:e=1;%b" % (identity, _base64(title.encode())) + _ST
            return (b"\x1b]99;%b:d=0:e=1;%b" % (identity, _base64(title.encode())) + _ST) + (
                b"\x1b]99;%b:d=1:p=body:e=1;%b" % (identity, _base64(body.encode())) + _ST
            )
        if name in _OSC_9:
            text = f"{title}: {body}" if body else title
            return b"\x1b]9;" + (" " + text if text[0].isdigit() else text).encode() + _ST  # a number is ConEmu's
        if name in _OSC_777 or name in _MAYBE_777:
            shown = f"\x1b]777;notify;{title.replace(';', ',')};{body}".encode() + _ST
            return shown + _BELL if name in _MAYBE_777 else shown
        return _BELL

    def progress(self, state: int, value: int | None) -> bytes:
        """Return a progress report, nothing if it would show none.

        Args:
            state: 0 none, 1 normal, 2 error, 3 going on, 4 paused.
            value: percent, for states 1, 2 and 4.
        """
        name, version = self._name()
        since = _PROGRESS.get(name)
        if since is None or version < since or state not in range(5) or self._is_plain():
            return b""
        if state in (0, 3) or (state != 1 and value is None):
            return b"\x1b]9;4;%d" % state + _ST
        return b"\x1b]9;4;%d;%d" % (state, max(0, min(value or 0, 100))) + _ST

    def clipboard(self, data: bytes, primary: bool) -> bytes:
        """Return what puts ``data`` into its clipboard, or its primary selection.

        Nothing for what is empty or too long, and for terminals that can't or choke on it. A tmux around us passes
        it on as its ``set-clipboard`` says.
        """
        if not 0 < len(data) <= CLIPBOARD_LIMIT or self._is_plain() or self._name()[0] in ("screen", "apple"):
            return b""
        return b"\x1b]52;%b;" % (b"p" if primary else b"c") + _base64(data) + _ST

    def _is_plain(self) -> bool:
        """Whether it knows no sequences of ours at all."""
        return self._term in ("", "dumb", "linux")

    def _facts(self) -> tuple[object, ...]:
        colours = (self.foreground, self.background, self.cursor, *self.palette)
        return (self.kitty, self.synchronized, self.version, colours, self._theme, self.asked_again)

    def _learn_csi(self, numbers: list[int], final: bytes) -> None:
        if final == b"u":
            self.kitty = True
        elif final == b"c":  # the answer to our last question: kitty's would have come before
            self.kitty = bool(self.kitty)
        elif final == b"$y" and numbers[0] == 2026 and len(numbers) == 2:
            self.synchronized = numbers[1] in (1, 2)
        elif final == b"n" and numbers in ([997, 1], [997, 2]):
            theme = numbers[1] == 1
            changed = self._theme is not None and theme != self._theme
            self.asked_again = self.asked_again or changed or not self._theme_due
            self._theme, self._theme_due = theme, False

    def _learn_colours(self, number: int, words: list[bytes]) -> None:
        if number == 4:
            for place, word in zip(words[::2], words[1::2], strict=False):
                if place.isdigit() and len(place) < 3 and int(place) < 16 and (colour := _colour(word)):
                    self.palette[int(place)] = colour
        elif len(words) == 1 and (colour := _colour(words[0])):
            if number == 10:
                self.foreground = colour
            elif number == 11:
                self.background = colour
            elif number == 12:
                self.cursor = colour

    def _name(self) -> tuple[str, tuple[int, ...]]:
        """Return its name and version as far as they are known."""
        if self.version:
            found = _NAME.match(self.version.lower())
            name = found[1] if found else ""
            return ("windows" if name == "windows terminal" else name), _numbers(found[2] or "" if found else "")
        for variable, start, name, version in _SIGNS:
            value = self._env.get(variable)
            if value is not None and value.startswith(start):
                numbers = _numbers(self._env.get(version, ""))
                if name == "konsole" and numbers:  # 260400
                    numbers = (numbers[0] // 10_000, numbers[0] // 100 % 100)
                return name, numbers
        return "", ()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(word[:9]) for word in re.findall(r"[0-9]+", version[:60], re.ASCII)[:4])


def _colour(text: bytes) -> Rgb | None:
    found = _COLOUR.fullmatch(text)
    if found is None:
        return None
    if digits := found[4]:
        size = len(digits) // 3
        words = [digits[:size], digits[size : 2 * size], digits[2 * size :]]
    else:
        words = [found[1], found[2], found[3]]
    red, green, blue = (round(int(word, 16) * 255 / (16 ** len(word) - 1)) for word in words)
    return red, green, blue


def _clean(text: str) -> str:
    """Return text without anything that is not shown: controls, breaks, lone surrogates."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text[:4096]).split())


def _cut(text: str, limit: int) -> str:
    """Return at most ``limit`` bytes of text, in whole characters."""
    return text.encode()[:limit].decode("utf-8", "ignore")


def _base64(data: bytes) -> bytes:
    return b2a_base64(data, newline=False)
