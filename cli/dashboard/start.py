"""Starts the view: the list is asked for while the toolkit is loaded; then the loop of view, session, editor, view."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import signal
import subprocess
import tempfile
import termios
from dataclasses import dataclass

from agentmux.mux import paths
from agentmux.mux.client import Connection
from agentmux.mux.config import File
from agentmux.mux.errors import AgentmuxError, BadUsage, NoServer
from agentmux.mux.protocol import Kind, Request
from agentmux.mux.sessionerrors import NeedsTerminal, Nested

from ..chooser import CANNOT, QUIT
from ..terminal import wait_until_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from prompt_toolkit.output import ColorDepth

    from agentmux.api.model import Info

    from .app import View

SMALLEST = (20, 5)
"""Columns and rows of a terminal that the view needs."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The view's command line.

    Attributes:
        selected: the session to select, 0 for none.
        choose: descriptor to write the id of a session to that was chosen, in place of attaching; -1: attach.
    """

    selected: int = 0
    choose: int = -1


def run(words: list[str], socket: str) -> int:
    """Show the view until the user leaves; return the exit status."""
    asked = _parsed(words)
    if not (os.isatty(0) and os.isatty(1)):
        raise NeedsTerminal("list sessions with: agentmux ls")
    wait_until_ours(0)
    if _too_small():
        if asked.choose >= 0:
            return CANNOT
        raise AgentmuxError(f"the terminal is smaller than {SMALLEST[0]}x{SMALLEST[1]}", hint="make it larger")
    first = _First(socket)
    from . import app  # while the server makes the list

    config = File(paths.config_file()).config()
    view = app.View(
        socket,
        server=os.path.basename(socket),
        settings=app.Settings(
            theme="mono" if "NO_COLOR" in os.environ else config.text("view-theme"),
            keys=config.view_keys,
            mouse=config.text("view-mouse") == "on",
            animation=config.text("view-animation") == "on" and config.text("view-plain") == "off",
            plain=config.text("view-plain") == "on",
        ),
        home=os.environ.get("HOME", ""),
        colours=_colours(),
        agents=_agents,
        own=_own(socket),
        selected=asked.selected,
    )
    view.sessions.replace(first.sessions())
    if config.warnings:
        view.say(config.warnings[0], "agentmux doctor lists all", wrong=True)
    gc.freeze()  # what is there by now stays: to look through it again takes longer than to draw
    return _loop(view, socket, asked)


def _loop(view: View, socket: str, asked: Asked) -> int:
    import asyncio

    from .app import Attach, Edit

    while True:
        outcome = asyncio.run(view.run())
        if isinstance(outcome, Attach):
            if asked.choose >= 0:
                os.write(asked.choose, b"%d" % outcome.session)
                return 0
            _attach(view, socket, outcome.session)
        elif isinstance(outcome, Edit):
            _edit(view, outcome.text)
        else:
            if outcome.detach and asked.choose >= 0:
                os.write(asked.choose, QUIT.encode())
            return 128 + outcome.signal if outcome.signal else 0


def _parsed(words: list[str]) -> Asked:
    selected, choose = 0, -1
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word in ("--select", "--choose-fd"):
            value = rest.pop(0) if rest else ""
            if not re.fullmatch("[0-9]{1,18}", value):
                raise BadUsage(f"dashboard: {word} {value!r} is no number", hint="see: agentmux dashboard --help")
            if word == "--select":
                selected = int(value)
            else:
                choose = int(value)
        else:
            raise BadUsage(f"dashboard: {word!r} is no option", hint="see: agentmux dashboard --help")
    return Asked(selected, choose)


def _too_small() -> bool:
    columns, rows = os.get_terminal_size(1)
    return 0 < columns < SMALLEST[0] or 0 < rows < SMALLEST[1]


class _First:
    """The list of what runs, asked for before anything else is loaded. Starts a server if there is none."""

    def __init__(self, socket: str) -> None:
        try:
            self._connection = Connection.open(socket)
        except NoServer:
            from agentmux.mux.start import start_server

            self._connection = start_server(socket)
        request = Request(["ls", "--json"], "/", {}, (0, 0), (False, False, False))
        self._connection.hello(1, request.pack())

    def sessions(self) -> list[Info]:
        """Return it; nothing where the server went away meanwhile, or refused: the view asks again, and says why."""
        from agentmux.api.model import info

        out = b""
        try:
            for kind, body in self._connection.frames():
                if kind == Kind.STDOUT:
                    out += body
                elif kind == Kind.EXIT:
                    return [info(facts) for facts in json.loads(out)] if out else []
        finally:
            self._connection.close()
        return []


def _colours() -> ColorDepth:
    from prompt_toolkit.output import ColorDepth

    term = os.environ.get("TERM", "")
    if "NO_COLOR" in os.environ:
        return ColorDepth.DEPTH_1_BIT
    if os.environ.get("COLORTERM", "") in ("truecolor", "24bit") or "direct" in term:
        return ColorDepth.DEPTH_24_BIT
    return ColorDepth.DEPTH_8_BIT if "256" in term else ColorDepth.DEPTH_4_BIT


def _own(socket: str) -> int:
    """Return the id of the session that we run in, 0 for none of this server's."""
    inside = os.environ.get("AGENTMUX", "").rpartition(",")[0] == socket
    number = os.environ.get("AGENTMUX_SESSION", "")
    return int(number) if inside and number.isdecimal() else 0


def _agents() -> list[str]:
    from agentmux.mux.profiles import Profiles

    known = Profiles(paths.profiles_folder()).all()
    return sorted(min(one.marks.commands, key=len) for one in known if one.marks.commands)


def _attach(view: View, socket: str, session: int) -> None:
    """Leave the terminal to a client that shows a session, until it is detached or ends."""
    if os.environ.get("AGENTMUX"):
        view.say(Nested().problem, Nested().hint, wrong=True)
        return
    reading, writing = os.pipe()
    try:
        words = ["attach", "--in-view", "--line-fd", str(writing), "-t", str(session)]
        status = _client([*client_argv(socket), *words], (writing,))
        os.close(writing)
        writing = -1
        said = os.read(reading, 4096).decode("utf-8", "replace").strip()
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
    view.say(said or ("" if status == 0 else f"attach ended with {status}"), wrong=status != 0)


def _edit(view: View, text: str) -> None:
    """Let the prompt be written on in the user's editor."""
    import shlex

    words = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        with tempfile.TemporaryDirectory(prefix="agentmux-prompt-", ignore_cleanup_errors=True) as folder:
            path = os.path.join(folder, "prompt.md")
            with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(text)
            status = _client([*shlex.split(words), path], ())
            if os.path.exists(path):  # it may have been removed, so as to say: as it was
                with open(path, encoding="utf-8", errors="replace") as file:
                    text = file.read().removesuffix("\n")
            if status:
                view.say(f"{words} ended with {status}", wrong=True)
    except (OSError, ValueError) as error:
        view.say(f"cannot run {words!r}: {str(error).lower()}", "set EDITOR to an editor", wrong=True)
    view.prompt_edited(text)


def _client(argv: Sequence[str], fds: tuple[int, ...]) -> int:
    """Run a program on our terminal; pass on what ends us. Returns its exit status."""
    modes = None
    with contextlib.suppress(termios.error):  # it hung up
        modes = termios.tcgetattr(0)
    process = subprocess.Popen(argv, pass_fds=fds)
    before = {}

    def pass_on(number: int, frame: object) -> None:
        process.send_signal(number)
        ended.append(number)

    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGHUP):
        before[number] = signal.signal(number, pass_on)
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        with contextlib.suppress(termios.error):
            if modes is not None:
                termios.tcsetattr(0, termios.TCSANOW, modes)  # whatever a program that died has left
    if ended:
        raise SystemExit(128 + ended[0])
    return status


def client_argv(socket: str) -> list[str]:
    """Return what runs the client of this installation."""
    from agentmux.mux.client import hook_argv

    return hook_argv(socket)[:-1]
