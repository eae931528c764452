"""What is exported as asciicast: the real asciinema plays it, and it is as the specification of version 3 says."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from world import World

ASCIINEMA = shutil.which("asciinema")

SPEAKS = r"""
import sys, time
print("\x1b[1;31mred\x1b[0m caf\u00e9 \u6f22\u5b57", flush=True)
for line in sys.stdin:
    for n in range(40): print(n, "\x1b[32m" + line.strip() + "\x1b[0m")
    print("\x1b[2;5H\x1b[7mhere\x1b[0m\x1b[12;1H", end="", flush=True)
    time.sleep(0.05)
    break
sys.exit(3)
"""


@pytest.fixture
def ended(world: World) -> World:
    """A world with an ended session that was sent a prompt."""
    world.python("api", SPEAKS, options=["-x", "60", "-y", "12"])
    world.shows("api", "red")
    world.run("send", "-t", "api", "what is it").ok()
    assert world.exited("api") == 3
    return world


@pytest.mark.skipif(ASCIINEMA is None, reason="needs asciinema")
@pytest.mark.parametrize("words", [("cat",), ("play", "-s", "100", "-i", "0.1")], ids=["cat", "play"])
def test_asciinema_plays_a_recording(ended: World, words: tuple[str, ...]) -> None:
    ended.run("export", "-t", "api", "--format", "asciicast", "-o", "api.cast").ok()
    player = ended.terminal(*words, "api.cast", argv=(str(ASCIINEMA),), size=(60, 12))
    assert player.ended() == 0, player.text()
    shown = ended.run("capture", "-t", "api", "-e").ok().lines
    assert player.styled() == shown
    assert [row for row in shown if "here" in row and "\x1b[" in row], "with its colours"


def test_version_3_is_as_specified(ended: World) -> None:
    """https://docs.asciinema.org/manual/asciicast/v3/: a header, then [seconds since the last, code, data]."""
    first, *rest = ended.run("export", "-t", "api", "--format", "asciicast-v3").ok().lines
    header = json.loads(first)
    assert header["version"] == 3
    assert header["term"] == {"cols": 60, "rows": 12, "type": "xterm-256color"}
    assert header.keys() <= {"version", "term", "timestamp", "idle_time_limit", "command", "title", "env", "tags"}
    assert type(header["timestamp"]) is int
    assert all(type(header[key]) is str for key in ("command", "title"))
    assert all(type(name) is type(value) is str for name, value in header["env"].items())
    events = [json.loads(line) for line in rest]
    for interval, code, data in events:
        assert type(interval) in (int, float) and interval >= 0
        assert code in ("o", "i", "m", "r", "x") and type(data) is str
        if code == "r":
            assert re.fullmatch(r"\d+x\d+", data)
    assert events[-1][1:] == ["x", "3"]
    assert [code for _, code, _ in events].count("x") == 1
    assert ["m", "what is it"] in [event[1:] for event in events]
    printed = "".join(data for _, code, data in events if code == "o")
    assert printed.encode() == ended.run("log", "-t", "api").ok().raw
    facts = ended.info("api")
    lasted = sum(interval for interval, _, _ in events)
    assert 0.05 <= lasted <= facts["ended"] - facts["created"] + 0.1
