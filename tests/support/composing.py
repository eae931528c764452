"""An agent with a place for prompts, for tests: it draws what it holds, and writes down each prompt that it is given.

Run as a program, in a terminal. The first word of a prompt says what it does: ``work N`` is busy for N seconds, ``ask``
opens a dialog at once, ``fail`` tells of an error, ``later N`` opens a dialog N seconds after, ``echo`` anything else.
Keys typed while a dialog is open are answers: Enter is yes. The file TRUTH gets a JSON line for each prompt and each
answer; with LOG set, the agent also keeps a log of its own as real ones do.
"""

from __future__ import annotations

import json
import os
import re
import select
import sys
import termios
import time
import tty

PROFILE = r"""
title = "Ours"
stall = 60
[recognise]
commands = ["ours"]
[conversation]
start = ["--session-id", "{new}"]
[log]
files = ["$OURS_LOG/{id}.jsonl"]
[[log.entries]]
says = "prompt"
when = { kind = "user" }
text = "text"
id = "id"
at = "at"
[[log.entries]]
says = "reply"
when = { kind = "agent" }
text = "text"
id = "id"
at = "at"
[prompt]
box = '^(>.*(?:\n(?:  .*)?)*)\n--\Z'
mark = '^(?:> ?|  )'
empty = '^type here$'
folded = '^\[Pasted \d+ chars\]$'
interrupt = ["Escape"]
[answer]
digits = "pick"
[signs]
composer = '^>.*(?:\n(?:  .*)?)*\n--\Z'
[[signs.rules]]
name = "permission"
says = "waiting"
about = "approval"
where = "bottom 6"
every = ['May I', 'press a key']
[[signs.rules]]
name = "spinner"
says = "working"
where = "bottom 9"
every = ['^busy$']
"""

FOLD = 500


class Agent:
    def __init__(self) -> None:
        self.draft = ""
        self.pasted = ""
        self.in_paste = False
        self.busy_until = 0.0
        self.dialog = False
        self.dialog_at = 0.0
        self.swallow = int(os.environ.get("SWALLOW", "0"))
        self.number = 0
        self.queued: list[str] = []

    def write(self, **line: object) -> None:
        with open(os.environ["TRUTH"], "a") as file:
            file.write(json.dumps(line) + "\n")

    def log(self, **line: object) -> None:
        if "OURS_LOG" in os.environ and "NO_LOG" not in os.environ:
            with open(f"{os.environ['OURS_LOG']}/{sys.argv[-1]}.jsonl", "a") as file:
                file.write(json.dumps({**line, "at": time.time()}) + "\n")

    def draw(self) -> None:
        rows = []
        if self.dialog:
            rows = ["May I?", "1. Yes", "2. No", "press a key"]
        else:
            shown = f"[Pasted {len(self.draft)} chars]" if len(self.draft) > FOLD else self.draft
            rows = [*(["busy"] if time.time() < self.busy_until else ["at rest"])]
            rows += ["> " + (shown.replace("\n", "\n  ") or "\033[2mtype here\033[0m"), "--"]
        text = "\r\n".join("\n".join(rows).split("\n"))
        os.write(1, f"\033[2J\033[H{text}".encode())

    def submit(self, text: str) -> None:
        self.number += 1
        self.write(prompt=text)
        self.log(kind="user", id=f"u{self.number}", text=text)
        word, _, rest = text.partition(" ")
        if word == "work":
            self.busy_until = time.time() + float(rest)
        elif word == "ask":
            self.dialog = True
        elif word == "fail":
            os.write(1, b"\033]7501;state=error\a")
        elif word == "later":
            self.dialog_at = time.time() + float(rest)
        if word != "work":
            self.reply(f"you said {text}")

    def reply(self, text: str) -> None:
        self.log(kind="agent", id=f"a{self.number}", text=text, used={"in": 10, "out": 2})

    def enter(self) -> None:
        if self.swallow > 0:
            self.swallow -= 1
            return
        if not self.draft.strip():
            return
        text, self.draft = self.draft, ""
        if time.time() < self.busy_until:
            self.queued.append(text)
        else:
            self.submit(text)

    def keys(self, data: str) -> None:
        for piece in re.findall(r"\x1b\[200~|\x1b\[201~|\x1b|[\s\S]", data):
            if piece == "\x1b[200~":
                self.in_paste, self.pasted = True, ""
            elif piece == "\x1b[201~":
                self.in_paste = False
                if not self.dialog:
                    self.draft += self.pasted.replace("\r", "\n")
            elif self.in_paste:
                self.pasted += piece
            elif self.dialog:
                if piece in ("1", "2", "\r", "\x1b"):
                    self.write(answer={"1": "yes", "\r": "yes", "2": "no", "\x1b": "no"}[piece])
                    self.dialog = False
            elif piece == "\r":
                self.enter()
            elif piece == "\x1b":
                self.busy_until = 0.0
            elif piece == "\x15":
                self.draft = ""
            elif piece == "\x04":
                sys.exit(0)
            else:
                self.draft += piece

    def run(self) -> None:
        os.write(1, b"\033[?2004h")
        rest = b""
        self.draw()
        while True:
            now = time.time()
            busy = now < self.busy_until
            ready, _, _ = select.select([0], [], [], 0.05 if busy or self.dialog_at else None)
            if ready:
                data = os.read(0, 1 << 16)
                if not data:
                    return
                rest += data
                cut = re.search(rb"\x1b(?:\[[0-9]*)?\Z|[\xc2-\xf4][\x80-\xbf]*\Z", rest)
                if cut and cut.start() and not rest.endswith(b"\x1b"):
                    text, rest = rest[: cut.start()], rest[cut.start() :]
                else:
                    text, rest = rest, b""
                self.keys(text.decode("utf-8", "replace"))
            if self.dialog_at and time.time() >= self.dialog_at:
                self.dialog, self.dialog_at = True, 0.0
            if busy and time.time() >= self.busy_until:
                self.reply("worked")
                queued, self.queued = self.queued, []
                for text_ in queued:
                    self.submit(text_)
            self.draw()


def main() -> None:
    if "--end" in sys.argv:
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        Agent().run()
    finally:
        termios.tcsetattr(0, termios.TCSANOW, before)


if __name__ == "__main__":
    main()
