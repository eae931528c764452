"""The environment of a program in a session. Pure.

It is the requesting client's, less what names another terminal or multiplexer,
plus what names this one. Claude Code clamps to 256 colours whenever TMUX is
set; an inherited KITTY_WINDOW_ID makes agents pick a protocol that nobody here
speaks; COLUMNS and LINES override the real size.
"""

from __future__ import annotations

from . import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DROPPED = frozenset(
    {
        "ALACRITTY_LOG",
        "ALACRITTY_SOCKET",
        "ALACRITTY_WINDOW_ID",
        "CLAUDECODE",
        "CODEX_THREAD_ID",
        "COLUMNS",
        "INSIDE_EMACS",
        "LC_TERMINAL",
        "LC_TERMINAL_VERSION",
        "LINES",
        "PYMUX",
        "SHPOOL_SESSION_NAME",
        "STY",
        "TERMCAP",
        "TERM_PROGRAM_VERSION",
        "TERM_SESSION_ID",
        "TMUX",
        "TMUX_PANE",
        "VTE_VERSION",
        "WINDOW",
        "WINDOWID",
        "WT_PROFILE_ID",
        "WT_SESSION",
        "XTERM_VERSION",
        "ZELLIJ",
        "ZMX_SESSION",
    }
)
DROPPED_PREFIXES = ("ABDUCO_", "GHOSTTY_", "ITERM_", "KITTY_", "KONSOLE_", "WEZTERM_", "ZELLIJ_")


def child_environment(
    client: Mapping[str, str],
    *,
    session: str,
    socket: str,
    pid: int,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """Return what a program in session id ``session`` gets; ``extra`` is what the user gave with ``-e``."""
    kept = {
        name: value for name, value in client.items() if name not in DROPPED and not name.startswith(DROPPED_PREFIXES)
    }
    return {
        **kept,
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "TERM_PROGRAM": "agentmux",
        "TERM_PROGRAM_VERSION": VERSION,
        **extra,
        "AGENTMUX": f"{socket},{pid}",
        "AGENTMUX_SESSION": session,
    }
