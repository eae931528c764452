"""A snapshot brings everything back, or is refused before the library sees a byte of it."""

import hashlib
import random
import subprocess
import sys

import pytest
import zstandard

from agentmux.mux.emulator import clone, snapshot
from agentmux.mux.screen import BadSnapshot, Bell, Screen, ScreenEvent


@pytest.fixture
def screen() -> Screen:
    screen = Screen((40, 6))
    for number in range(300):
        screen.feed(
            b"\x1b[3%dmline %d\x1b[0m \x1b]8;;http://x/%d\x07link\x1b]8;;\x07\r\n" % (number % 8, number, number)
        )
    screen.feed(
        b"\x1b]2;title\x07\x1b]7;file://h/tmp\x07\x1b[?2004h\x1b[>5u\x1b[2;4r\x1b7\x1b[?1049hfull\x1b[?25l\x1b]2;ha"
    )
    return screen


def test_a_restored_screen_is_the_same_and_goes_on(screen: Screen) -> None:
    blob = screen.snapshot()
    assert blob is not None and len(blob) < 10_000
    replies: list[bytes] = []
    events: list[ScreenEvent] = []
    other = Screen.restore(blob, on_reply=replies.append, on_event=events.append)
    for terminal in (screen, other):
        assert (terminal.size, terminal.title, terminal.cwd) == ((40, 6), "title", "/tmp")
        assert terminal.bracketed_paste and terminal.alternate and not terminal.cursor.visible
        assert terminal.pending() == b"\x1b]2;ha" and not terminal.at_ground
        assert terminal.history_rows == 295
    assert other.dump(history=1000) == screen.dump(history=1000)
    for terminal in (screen, other):
        terminal.feed(b"lf\x07\x07\x1b[?1049l\x1b[6n\x1b]11;?\x07")
    assert other.title == "half" and Bell() in events
    assert replies == [b"\x1b[1;1R\x1b]11;rgb:1010/1010/1010\x07"]
    assert other.text_rows(-295, 6, styled=True) == screen.text_rows(-295, 6, styled=True)
    assert other.snapshot() == screen.snapshot()


def test_a_restored_screen_is_guarded_and_limited_again() -> None:
    first = Screen((80, 24))
    blob = first.snapshot()
    assert blob is not None
    screen = Screen.restore(blob, scrollback_bytes=100_000)
    screen.feed(b"\x1b[?2027h\x1b[1;2r\x1b[24;80H" + "क\u094dष".encode())
    assert not screen._terminal.mode(2027)
    for _ in range(100):
        screen.feed(b"x\r\n" * 1000)
    assert screen.history_rows < 3000
    screen.feed(b"\x1b]2;half")
    assert screen.pending() == b"\x1b]2;half" and screen.snapshot() is not None
    assert screen._terminal.get("KITTY_IMAGE_STORAGE_LIMIT", "uint64_t") == 0


def test_a_light_background_is_remembered() -> None:
    screen = Screen((80, 24))
    screen.set_colours((0, 0, 0), (255, 255, 255), (0, 0, 0))
    replies: list[bytes] = []
    other = Screen.restore(screen.snapshot() or b"", on_reply=replies.append)
    other.feed(b"\x1b[?996n")
    assert replies == [b"\x1b[?997;2n"]


def test_nothing_damaged_reaches_the_library(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = screen.snapshot()
    assert blob is not None

    def reached(data: bytes) -> None:
        raise AssertionError("the library saw it")

    monkeypatch.setattr(clone, "decode", reached)
    for length in range(len(blob)):
        with pytest.raises(BadSnapshot):
            Screen.restore(blob[:length])
    for bit in range(0, 8 * len(blob), 5):
        damaged = bytearray(blob)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadSnapshot):
            Screen.restore(bytes(damaged))
    rng = random.Random(1)
    for _ in range(300):
        damaged = bytearray(blob)
        for _ in range(rng.randrange(2, 30)):
            damaged[rng.randrange(len(blob))] = rng.randrange(256)
        for bad in (damaged[: rng.randrange(len(blob))], blob + b"x", rng.randbytes(500), blob[8:]):
            with pytest.raises(BadSnapshot):
                Screen.restore(bytes(bad))
    with pytest.raises(AssertionError, match="saw it"):
        Screen.restore(blob)


def test_another_build_of_the_library_does_not_get_it(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    blob = screen.snapshot()
    assert blob is not None
    monkeypatch.setattr(snapshot, "_library", lambda: hashlib.sha256(b"other").digest())
    with pytest.raises(BadSnapshot, match="another build"):
        Screen.restore(blob)


@pytest.mark.parametrize("payload", [b"", b"not zstd", zstandard.compress(b"not a snapshot")])
def test_a_sealed_payload_that_is_no_snapshot_is_refused(payload: bytes) -> None:
    body = snapshot._library() + payload
    with pytest.raises(BadSnapshot):
        Screen.restore(snapshot.MAGIC + hashlib.sha256(body).digest() + body)


MEMORY = """
import resource
from agentmux.mux.screen import Screen
screen = Screen((200, 50), scrollback_bytes=50 << 20)
screen.feed(b"".join(b"\\x1b[3%dmline %d\\x1b[0m of many\\r\\n" % (n % 8, n) for n in range(100_000)))
blob = screen.snapshot()
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now, resource.RLIM_INFINITY))
for take in (screen.snapshot, lambda: Screen.restore(blob, scrollback_bytes=50 << 20)):
    kept = []
    try:
        while len(kept) < 100:
            kept.append(take())
    except MemoryError:
        kept.clear()
        print("out of memory")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_without_memory_a_snapshot_is_neither_left_out_nor_called_bad() -> None:
    """It is told as what it is: a server that took no snapshots any more would leave the next one all to replay."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("out of memory\n" * 2, "")
