"""An agent of our own that opens dialogs, and writes down what was picked in them. Run as a program, it is that agent.

A prompt is ``ask KIND ANSWER,ANSWER,...``, where KIND says how the dialog takes an answer, or ``slow N``, which works
for N seconds or until Escape, or anything else, which is shown. The file TRUTH gets a line for each answer that was
picked, the agent's own log too. In every dialog ``s`` turns the answers round, as another dialog would.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
import tty

PROFILE = r"""
title = "Ours"
[recognise]
commands = ["ours"]
[conversation]
start = ["--session-id", "{new}"]
resume = ["--session-id", "{id}"]
[log]
files = ["$OURS_LOG/{id}.jsonl"]
[[log.entries]]
says = "prompt"
when = { type = "prompt" }
text = "text"
at = "at"
[[log.entries]]
says = "answer"
when = { type = "answer" }
text = "answers"
at = "at"
[prompt]
box = '^>(.*)\Z'
mark = '^> ?'
interrupt = ["Escape"]
[answer]
digits = "pick"
text = '^Something else'
amend = ["Tab"]
letter = '^\((\w)\)'
[signs]
composer = '^>.*\Z'
[[signs.rules]]
name = "spinner"
says = "working"
where = "bottom 1"
every = ['^esc to interrupt$']
[[signs.rules]]
name = "letters"
says = "waiting"
about = "approval"
where = "bottom 1"
every = ['\(Y\)es/\(N\)o: ?.*$']
answers = '(\(Y\)es)/(\(N\)o)'
[[signs.rules]]
name = "row"
says = "waiting"
about = "approval"
where = "dialog"
every = ['May I\?', 'enter confirms']
answers = '^  (\w+)  +(\w+)(?:  +(\w+))?$'
[[signs.rules]]
name = "plain"
says = "waiting"
about = "approval"
where = "dialog"
every = ['May I\?', 'press a key']
answers = '^[ \u276f] (\w+)\n[ \u276f] (\w+)(?:\n[ \u276f] (\w+))?$'
[[signs.rules]]
name = "question"
says = "waiting"
about = "question"
where = "dialog"
every = ['Which\?', 'press a key']
"""

DIGITS, MARKS, DEAF, PLAIN, ROW, LETTERS, MOVING, LIAR = [
    "digits",
    "marks",
    "deaf",
    "plain",
    "row",
    "letters",
    "moving",
    "liar",
]
"""How a dialog takes an answer: a digit picks, or marks, or is lost like each key in its first moment, or picks while
another answer is written down; no numbers, one row, letters; and one that turns round at the first arrow."""

KEYS = {"\x1b[A": -1, "\x1b[D": -1, "\x1b[B": 1, "\x1b[C": 1}
DEAFNESS = 0.3
RULE = "\u2500" * 40


def key() -> str:
    first = os.read(0, 1).decode("latin-1")
    return first + os.read(0, 2).decode("latin-1") if first == "\x1b" else first


def show(*rows: str) -> None:
    sys.stdout.write("\x1b[0m\x1b[2J\x1b[H" + "\r\n".join(rows))
    sys.stdout.flush()


def log(line: dict[str, object]) -> None:
    with open(f"{os.environ['OURS_LOG']}/{sys.argv[-1]}.jsonl", "a") as file:
        file.write(json.dumps({**line, "at": time.time()}) + "\n")


class Open:
    """One dialog."""

    def __init__(self, kind: str, options: list[str]) -> None:
        self.kind = kind
        self.options = options
        self.marked = 0
        self.typed = ""
        self.amends = False
        self.begun = time.monotonic()

    def draw(self) -> None:
        marks = ["\u276f" if at == self.marked else " " for at in range(len(self.options))]
        if self.kind == LETTERS:
            show("touch x", f"May I? (Y)es/(N)o: {self.typed}")
        elif self.kind == ROW:
            styled = [f"\x1b[44m{one}\x1b[0m" if at == self.marked else one for at, one in enumerate(self.options)]
            show(RULE, "May I?", "  " + "   ".join(styled), "enter confirms")
        elif self.kind == PLAIN:
            show(
                RULE, "May I?", *(f"{mark} {one}" for mark, one in zip(marks, self.options, strict=True)), "press a key"
            )
        else:
            rows = []
            for at, (mark, one) in enumerate(zip(marks, self.options, strict=True)):
                typed = self.typed if at == self.marked and self.typed else one
                rows.append(f"{mark} {at + 1}. {typed}")
            show(RULE, "Which?", *rows, "press a key" + (" (type)" if self.amends else ""))

    def pressed(self, pressed: str) -> str | None:
        """Take a key; return what was picked, None if nothing was."""
        at = KEYS.get(pressed)
        takes = self.options[self.marked].startswith("Something") or self.amends or self.kind == LETTERS
        if self.kind == DEAF and time.monotonic() < self.begun + DEAFNESS:
            return None
        if at is not None:
            if self.kind == MOVING:
                self.options.reverse()
            else:
                self.marked = (self.marked + at) % len(self.options)
        elif pressed == "\t":
            self.amends = True
        elif pressed == "\r":
            if self.kind == LETTERS:
                return {"y": "(Y)es", "n": "(N)o"}.get(self.typed)
            return self.typed or self.options[self.marked]
        elif takes:
            self.typed += pressed
        elif pressed == "s":
            self.options.reverse()
        elif pressed.isdigit() and self.kind in (DIGITS, MARKS, DEAF, LIAR) and 0 < int(pressed) <= len(self.options):
            self.marked = int(pressed) - 1
            if self.kind != MARKS and not self.options[self.marked].startswith("Something"):
                return self.options[self.marked]
        return None


def main() -> None:
    tty.setraw(0)
    text, shown = "", "some text"
    while True:
        show(shown, f"> {text}")
        pressed = key()
        if pressed != "\r":
            text = "" if pressed == "\x15" else text + pressed
            continue
        log({"type": "prompt", "text": text})
        word, kind, options = [*text.split(" ", 2), "", ""][:3]
        shown, text = text, ""
        if word == "slow":
            show("at work", "esc to interrupt")
            select.select([0], [], [], float(kind))
        if word != "ask":
            continue
        dialog = Open(kind, options.split(","))
        picked = None
        while picked is None:
            dialog.draw()
            picked = dialog.pressed(key())
        with open(os.environ["TRUTH"], "a") as file:
            file.write(picked + "\n")
        log({"type": "answer", "answers": {"Which?": "another" if kind == LIAR else picked}})
        show("busy")
        select.select([], [], [], 0.05)


if __name__ == "__main__":
    main()
