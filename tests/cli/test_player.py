"""The player, on a terminal of its own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, Protocol

import pytest
from terminal import Terminal

from agentmux.mux.playback import Keyframe
from agentmux.mux.screen import Screen

SIZE = (60, 8)
SLOW = [(float(index), b"line %d\r\n" % index) for index in range(10)]
"""A line a second."""


class Play(Protocol):
    def __call__(self, events: list[Any], *, size: tuple[int, int] = ..., **options: float) -> Terminal: ...


@pytest.fixture
def play(tmp_path: Any) -> Iterator[Play]:
    started: list[Terminal] = []

    def play(events: list[Any], *, size: tuple[int, int] = SIZE, **options: float) -> Terminal:
        told = ", ".join(
            f"({at}, Keyframe({one!r}))" if isinstance(one, Keyframe) else f"({at}, {one!r})" for at, one in events
        )
        script = tmp_path / "play.py"
        script.write_text(
            "import sys\n"
            "from agentmux.cli.player import Player\n"
            "from agentmux.mux.playback import Keyframe\n"
            f"events = [{told}]\n"
            f"status = Player(events, {size!r}, **{options!r}).run()\n"
            "loaded = [name for name in sys.modules if 'emulator' in name or name == 'cffi' or name == 'asyncio']\n"
            "print('left', status, loaded)\n"
            "sys.exit(status)\n"
        )
        env = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
        argv = [sys.executable, "-W", "error", str(script)]
        started.append(Terminal(argv, env=env | {"TERM": "xterm-256color"}, cwd=str(tmp_path), size=SIZE))
        return started[-1].attached()

    yield play
    for one in started:
        one.close()


def left(terminal: Terminal, status: int = 0) -> None:
    assert terminal.ended() == status
    terminal.shows(f"left {status} []")
    terminal.assert_as_before()


def picture(data: bytes, size: tuple[int, int] = SIZE) -> list[str]:
    screen = Screen(size)
    screen.feed(data)
    rows = screen.text_rows(0, size[1], styled=True)
    screen.close()
    return rows


def test_it_plays_to_the_end_and_waits(play: Play) -> None:
    terminal = play([(100.0, b"\x1b[31mone\x1b[0m\r\n"), (100.1, b"two"), (900.0, b" three")], idle_limit=0.1)
    terminal.shows("two three")
    terminal.shows("[end] 0:00/0:00 x1")
    assert terminal.styled()[:-1] == picture(b"\x1b[31mone\x1b[0m\r\ntwo three")[:-1]
    terminal.type("q")
    left(terminal)


@pytest.mark.parametrize("key", ["q", "\x1b", "\x03"])
def test_ways_out(play: Play, key: str) -> None:
    terminal = play([*SLOW, (99.0, b"")])
    terminal.shows("line 0")
    terminal.type(key)
    left(terminal)


def test_pause_step_and_going_on(play: Play) -> None:
    terminal = play(SLOW)
    terminal.shows("line 0")
    terminal.type(" ")
    terminal.shows("[paused] 0:00/0:09")
    terminal.type(".")
    terminal.shows("line 1")
    terminal.shows("[paused] 0:01/0:09")
    terminal.type("..")
    terminal.shows("line 3")
    terminal.shows("[paused] 0:03/0:09")
    terminal.type(" ")
    terminal.shows_not("[paused]")
    assert terminal.styled()[:4] == picture(b"line 0\r\nline 1\r\nline 2\r\nline 3")[:4]
    terminal.shows("line 4")
    terminal.type("q")
    left(terminal)


def test_seeking_shows_what_was_there(play: Play) -> None:
    full = [
        (20.0, b"\x1b[?1049h\x1b[2J\x1b[Hmenu\x1b[?1000h"),
        (21.0, b"\x1b[3;3Hentry\x1b[31"),
        (22.0, b"mred"),
        (40.0, b""),
    ]
    terminal = play([*SLOW, *full])
    terminal.type(" 9")
    terminal.shows("[paused] 0:36/0:40")
    terminal.shows("entryred")
    assert terminal.screen.alternate and not terminal.screen.mouse_tracking
    expected = picture(b"".join(data for _, data in [*SLOW, *full]))
    assert terminal.styled()[:-1] == expected[:-1]
    terminal.type("\x1b[D\x1b[D\x1b[D")
    terminal.shows("[paused] 0:21/0:40")
    terminal.shows_not("red")
    terminal.type("1")
    terminal.shows("[paused] 0:04/0:40")
    terminal.shows("line 4")
    assert not terminal.screen.alternate
    assert terminal.styled()[:-1] == picture(b"".join(data for _, data in SLOW[:5]))[:-1]
    terminal.type("\x1b[C0")
    terminal.shows("[paused] 0:00/0:40")
    terminal.shows_not("line 1")
    terminal.type("q")
    left(terminal)


def test_seeking_starts_at_a_keyframe(play: Play) -> None:
    events = [(0.0, b"one\r\n"), (1.0, b"two\r\n"), (1.0, Keyframe(b"FRAME\r\n")), (2.0, b"three\r\n"), (9.0, b"end")]
    terminal = play(events)
    terminal.type(" ")
    terminal.shows("[paused] 0:00/0:09")
    terminal.type("3")
    terminal.shows("[paused] 0:02/0:09")
    terminal.shows_rows(["FRAME", "three", *[""] * 5, terminal.rows()[-1]])
    terminal.type("0")
    terminal.shows("[paused] 0:00/0:09")
    terminal.shows_rows(["one", *[""] * 6, terminal.rows()[-1]])
    terminal.type("q")
    left(terminal)


def test_a_keyframe_is_not_shown_while_it_plays(play: Play) -> None:
    terminal = play([(0.0, b"one\r\n"), (0.1, Keyframe(b"FRAME\r\n")), (0.2, b"two"), (0.3, b"")])
    terminal.shows("two")
    assert b"FRAME" not in terminal.everything()
    terminal.type("q")
    left(terminal)


def test_speed(play: Play) -> None:
    terminal = play(SLOW)
    terminal.type(" ")
    terminal.shows("x1")
    terminal.type("\x1b[A\x1b[A")
    terminal.shows("x4")
    terminal.type("\x1b[B")
    terminal.shows("x2")
    terminal.type("q")
    left(terminal)


def test_a_terminal_that_is_too_small_is_told_first(play: Play) -> None:
    terminal = play(SLOW, size=(120, 40))
    terminal.shows("[paused] 0:00/0:09 x1  recorded at 120x40")
    terminal.type("q")
    left(terminal)


def test_a_resize_draws_it_again(play: Play) -> None:
    terminal = play([*SLOW, (99.0, b"")])
    terminal.type(" 1")
    terminal.shows("[paused] 0:09/1:39")
    terminal.resize((50, 12))
    terminal.shows("recorded at 60x8, this term")
    terminal.type("q")
    left(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals(play: Play, number: int) -> None:
    terminal = play(SLOW)
    terminal.shows("line 0")
    os.kill(terminal.pid, number)
    left(terminal, 128 + number)


def test_the_terminal_hangs_up(play: Play) -> None:
    terminal = play(SLOW)
    terminal.shows("line 0")
    terminal.hang_up()
    assert terminal.ended() != 0


def test_it_is_restored_after_whatever_the_recording_did(play: Play) -> None:
    mess = b"\x1b[?1049h\x1b[?1000;1003;1006;2004;1004;1h\x1b[>5u\x1b[?25l\x1b[2;4r\x1b[4h\x1b(0\x1b]0;unfinished"
    terminal = play([(0.0, mess), (9.0, b"")])
    terminal._wait(lambda: b"unfinished" in terminal.everything(), 20, "showing it")
    terminal.type("q")
    left(terminal)


def test_what_the_terminal_sends_by_itself_is_no_key(play: Play) -> None:
    terminal = play(SLOW)
    terminal.shows("line 0")
    terminal.type(b"\x1b[?62;22c\x1b[<0;1;1M\x1b[I\x1b]11;rgb:0/0/0\x07\x1b[200~q\x1b[201~ ")
    terminal.shows("[paused]")
    terminal.type("q")
    left(terminal)
