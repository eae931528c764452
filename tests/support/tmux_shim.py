"""A program that takes the command lines of tmux that its own tests use, and has agentmux do what they ask. Run it.

The environment says how: SHIM_AGENTMUX is agentmux, SHIM_STATE a folder for what has to be known from one command to
the next. What agentmux has not, such as tmux's own grid as text, ends with 1 and a line on standard error.
"""

from __future__ import annotations

import getopt
import json
import os
import re
import subprocess
import sys
import time
from typing import Any

SETTLED = 0.15
"""Seconds for which a screen stays as it is when its program has said all for now."""

PATIENCE = 3.0
LINE_END = "EOL"
"""What tests of keys type behind each."""

STATE = os.path.join(os.environ["SHIM_STATE"], "state.json")


class Unsupported(Exception):
    """There is no such thing in agentmux."""


def agentmux(*words: str, check: bool = False, input: bytes = b"") -> str:
    """Run a command of agentmux and return what it prints."""
    done = subprocess.run([os.environ["SHIM_AGENTMUX"], *words], input=input, capture_output=True, check=check)
    return done.stdout.decode("utf-8", "surrogateescape")


def load() -> dict[str, Any]:
    try:
        with open(STATE) as file:
            return dict(json.load(file))
    except FileNotFoundError:
        return {"last": "", "sizes": {}, "ends": {}}


def save(state: dict[str, Any]) -> None:
    with open(STATE, "w") as file:
        json.dump(state, file)


def target(options: dict[str, str]) -> str:
    """Return the session that ``-t`` names, else the last one."""
    named = re.split(r"[:.]", options.get("-t", "").lstrip("="))[0]
    return named or str(load()["last"])


def looks(name: str) -> dict[str, Any]:
    """Return what a session shows when it has said all for now."""
    deadline = time.monotonic() + PATIENCE
    before: object = None
    while True:
        shown = dict(json.loads(agentmux("capture", "-t", name, "-S", "-", "--json") or "{}"))
        if (shown == before and any(shown.get("rows", ()))) or time.monotonic() > deadline:
            return shown
        before = shown
        time.sleep(SETTLED)


def new(options: dict[str, str], words: list[str]) -> None:
    state = load()
    name = options.get("-s") or f"s{len(state['sizes'])}"
    size = [int(options.get("-x", 80)), int(options.get("-y", 24))]
    begin(state, name, size, words)
    if "-P" in options:
        sys.stdout.write(f"{name}:" + "\n")


def begin(state: dict[str, Any], name: str, size: list[int], words: list[str]) -> None:
    """Start a program in a session of that name, which may have run another one."""
    agentmux("kill", "-t", name, "--now")
    command = ["/bin/sh", "-c", words[0]] if len(words) == 1 else words or ["/bin/sh"]
    agentmux("new", "-d", "-s", name, "-x", str(size[0]), "-y", str(size[1]), "--", *command, check=True)
    state["last"], state["sizes"][name] = name, size
    save(state)


def respawn(options: dict[str, str], words: list[str]) -> None:
    state, name = load(), target(options)
    begin(state, name, state["sizes"].get(name, [80, 24]), words)
    agentmux("wait", "-t", name, "--exit", "--timeout", "1.5")


def capture(options: dict[str, str], words: list[str]) -> None:
    for option in ("-R", "-F", "-J", "-C"):
        if option in options:
            raise Unsupported(f"capture-pane {option}")
    name, state = target(options), load()
    if name in state["ends"]:
        sys.stdout.write(after_last(name, state["ends"][name]))
        return
    looks(name)
    rows = ["-S", options.get("-S", "0"), "-E", options.get("-E", "-")]
    sys.stdout.write(agentmux("capture", "-t", name, *rows, *(["-e"] if "-e" in options else [])))


def after_last(name: str, count: int) -> str:
    """Return what a program printed behind the ``count``-th LINE_END, the rows of one line joined."""
    deadline = time.monotonic() + PATIENCE
    while True:
        shown = json.loads(agentmux("capture", "-t", name, "-S", "-", "--json"))
        rows, columns = shown["rows"], shown["size"][0]
        text = "".join(row if len(row) == columns else row + "\n" for row in rows)
        if text.count(LINE_END) > count or time.monotonic() > deadline:
            return LINE_END.join(text.split(LINE_END)[count:])


def display(options: dict[str, str], words: list[str]) -> None:
    shown, state = looks(target(options)), load()
    x, y = shown["cursor"]
    row = shown["rows"][y - shown["first"]] if y - shown["first"] < len(shown["rows"]) else ""
    facts = {"cursor_x": x, "cursor_y": y, "cursor_character": row[x : x + 1] or " "}
    facts |= {"pane_width": shown["size"][0], "history_size": -shown["first"]}
    sys.stdout.write(
        re.sub(r"#\{(\w+)\}", lambda match: str(facts.get(match[1], "")), (words or [options.get("-F", "")])[0]) + "\n"
    )
    save(state)


def resize(options: dict[str, str], words: list[str]) -> None:
    state, name = load(), target(options)
    columns, rows = state["sizes"].get(name, [80, 24])
    size = [int(options.get("-x", columns)), int(options.get("-y", rows))]
    agentmux("resize", "-t", name, "{}x{}".format(*size), check=True)
    state["sizes"][name] = size
    save(state)


def send(options: dict[str, str], words: list[str]) -> None:
    name, state = target(options), load()
    if "-X" in options:
        raise Unsupported("send-keys -X")
    if "-R" in options:
        state["ends"].setdefault(name, 0)
        text = agentmux("capture", "-t", name, "-S", "-")
        state["ends"][name] = "".join(text.split("\n")).count(LINE_END)
        save(state)
    for word in words:
        if word == LINE_END:
            agentmux("send", "-t", name, "--no-enter", word)
        else:
            agentmux("send", "-t", name, "-k", word.replace("\\;", ";"))  # which would end the command


def kill_server(options: dict[str, str], words: list[str]) -> None:
    if os.path.exists(STATE):
        agentmux("kill", "-a", "--now")
        os.unlink(STATE)


def has(options: dict[str, str], words: list[str]) -> None:
    if not agentmux("ls", "-q"):
        raise Unsupported("nothing runs")


def nothing(options: dict[str, str], words: list[str]) -> None:
    """Take what changes nothing here."""


def read(options: dict[str, str], words: list[str]) -> None:
    sys.stdin.buffer.read()


def missing(options: dict[str, str], words: list[str]) -> None:
    raise Unsupported("there is no such command")


COMMANDS: dict[str, tuple[str, Any]] = {
    "new-session": ("dAPs:x:y:c:n:e:F:t:", new),
    "new-window": ("dPs:x:y:c:n:e:F:t:", new),
    "respawn-pane": ("kt:c:e:", respawn),
    "respawn-window": ("kt:c:e:", respawn),
    "capture-pane": ("peNJFRHCqat:S:E:b:", capture),
    "display-message": ("pFt:c:", display),
    "resize-window": ("t:x:y:A", resize),
    "send-keys": ("RXlt:N:", send),
    "kill-server": ("", kill_server),
    "kill-session": ("at:", lambda options, words: agentmux("kill", "-t", target(options), "--now")),
    "has-session": ("t:", has),
    "set-option": ("gsuwpaqt:", nothing),
    "set-window-option": ("gat:", nothing),
    "clear-history": ("Ht:", nothing),
    "load-buffer": ("b:", read),
}
ALIASES = {
    "new": "new-session", "neww": "new-window", "respawnw": "respawn-window", "capturep": "capture-pane",
    "display": "display-message", "resizew": "resize-window", "send": "send-keys", "has": "has-session",
    "set": "set-option", "setw": "set-window-option",
}  # fmt: skip


def main() -> int:
    """Do what the command line says; return the exit status."""
    words = sys.argv[1:]
    while words and words[0][:2] in ("-L", "-f", "-S"):
        words = words[1 if len(words[0]) > 2 else 2 :]
    while words:
        end = words.index(";") if ";" in words else len(words)
        (name, *rest), words = words[:end], words[end + 1 :]
        letters, run = COMMANDS.get(ALIASES.get(name, name), ("", missing))
        try:
            found, left = getopt.getopt(rest, letters) if run is not missing else ([], [])
            run(dict(found), left)
        except (Unsupported, getopt.GetoptError, KeyError, subprocess.CalledProcessError) as error:
            sys.stderr.write(f"shim: {name}: {error}" + "\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
