"""Text that would act on a terminal, and an agent of our own that puts it wherever it can. Run, it is that agent.

What it does follows from what it is sent: a prompt is answered with hostile text in its log, ``ask`` opens a dialog.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
import tty

CORPUS = {
    "C0": "".join(map(chr, range(1, 0x20))),
    "title": "\x1b]0;pwned\x07",
    "colour": "\x1b[31m",
    "clipboard": "\x1b]52;c;cHduZWQ=\x1b\\",
    "link": "\x1b]8;;http://pwned\x1b\\",
    "question": "\x1b[c\x1bP$qm\x1b\\\x05",
    "DEL": "\x7f",
    "C1": "".join(map(chr, range(0x80, 0xA0))) + "\x9b31m\x9d0;pwned\x9c",
    "bidi": "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    "lines": "\u2028\u2029",
    "8 bits": "\udc9b31m\udcff",
    "long": "x" * 500,
}
"""Hostile texts by what is hostile in them; none has a NUL, which no argument can have."""

EVIL = "pwn" + "".join(CORPUS.values()) + "ed"
WRITTEN = EVIL + "\0"
"""What can be in a file, or be printed."""

FOLDER = EVIL.replace("/", "-").replace("x" * 500, "")
"""What can be the name of a file."""

MARK = "pwn"
"""What is to be seen where it was shown."""

SHOWN = "pwn\u202e\u2066\u2028\x7f\u200fed"
"""What a terminal takes for text, and so is on a screen."""

ACTS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What nothing that is printed may have: what acts on a terminal but for tabs and line ends, what turns text round."""

PROFILE = r"""
title = "Ours"
[recognise]
commands = ["ours"]
[conversation]
start = ["--session-id", "{new}"]
resume = ["--resume", "{id}"]
[log]
files = ["$OURS_LOG/{id}.jsonl"]
[[log.entries]]
says = "prompt"
when = { type = "prompt" }
text = "text"
at = "at"
[[log.entries]]
says = "reply"
when = { type = "reply" }
text = "text"
id = "id"
at = "at"
[log.entries.usage]
input = ["used"]
[hooks]
words = ["--hooks", "{hooks}"]
[hooks.events]
Notice = "waiting question"
[prompt]
box = '^>(.*)\Z'
mark = '^> ?'
[answer]
digits = "pick"
[signs]
composer = '^>.*\Z'
[[signs.rules]]
name = "question"
says = "waiting"
about = "question"
where = "dialog"
every = ['Which\?', 'press a key']
"""

RULE = "\u2500" * 40


def acts(printed: bytes) -> list[str]:
    """Return what in printed bytes a terminal would act on."""
    return ACTS.findall(printed.decode("utf-8", "surrogateescape"))


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def _tell_the_terminal() -> None:
    """Put it wherever a sequence carries text."""
    _write(b"\x00\x00")
    for text in ("pwn\x9b31m\x9d0;x\x9c\u202eed", *(f"pwn{text}ed" for text in CORPUS.values())):
        inside = _raw(re.sub(r"[\x07\x1b\x18\x1a\x9c]", "", text))  # what would end the sequence
        for start in (b"2;", b"9;", b"777;notify;t;", b"7;file:///tmp/", b"7501;state=working:app="):
            _write(b"\x1b]" + start + inside + b"\x1b\\")
        encoded = base64.b64encode(_raw(text))
        _write(b"\x1b]99;i=1:e=1;" + encoded + b"\x1b\\" + b"\x1b]7501;state=working:msg=" + encoded + b"\x1b\\")
        _write(b"\x1b]8;;http://x/" + inside + b"\x1b\\linked\x1b]8;;\x1b\\\r\n")


def _log(kind: str, text: str) -> None:
    with open(f"{os.environ['OURS_LOG']}/{sys.argv[-1]}.jsonl", "a") as file:
        file.write(json.dumps({"type": kind, "text": text, "at": time.time(), "id": kind, "used": 1}) + "\n")


def _hook(event: str, message: str) -> None:
    told = json.dumps({"message": message, "session_id": message}).encode()
    subprocess.run(["agentmux", "hook", event], input=told, check=False)


def main() -> None:
    """Be the agent."""
    _tell_the_terminal()
    if sys.argv[1:] == ["teller"]:
        input()
        return
    tty.setraw(0)
    _write(b"\x1b]7501;state=clear\x1b\\")
    screen = _raw("\x1b[0m\x1b[2J\x1b[H" + SHOWN)
    text = b""
    while True:
        _write(screen + b"\r\n> " + text)
        key = os.read(0, 1)
        if key != b"\r":
            text = b"" if key == b"\x15" else text + key
            continue
        if text == b"ask":
            rows = [RULE, f"Which? {SHOWN}", f"\u276f 1. {SHOWN}", f"  2. {SHOWN}", "press a key"]
            _write(_raw("\x1b[2J\x1b[H" + "\r\n".join(rows)))
        elif text == b"hook":
            _hook("Notice", WRITTEN)
            _write(b"\x1b[2J\x1b[Hstill thinking")
        else:
            _log("prompt", WRITTEN)
            _log("reply", f"{WRITTEN}\nand {WRITTEN}")
            text = b""
            continue
        text = b""
        os.read(0, 1)


if __name__ == "__main__":
    main()
