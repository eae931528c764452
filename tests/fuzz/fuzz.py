"""Runs the targets: for long and guided by coverage where atheris is installed, else by damage to the corpus alone.

    make fuzz ARGS="--seconds 60 wire screen"      every target without names; --list tells them and their laws

Each target has a process of its own: the emulator is native code, and may end it. What was found is written down once
for each place it comes from, and the run goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import mmap
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

from target import Damage, Run

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
sys.path.insert(0, str(HERE.parent / "support"))

LONGEST = 1 << 17
"""Bytes of an input."""

INSTRUMENTED = 10
"""Times as long as its target's patience an input may take where coverage is counted."""

MEMORY = 3_000_000 << 10
"""Bytes of address space that a target may have: what grows without a bound ends there, and not the machine."""

GRACE = 20.0
"""Seconds above a target's patience after which a process that says nothing waits, or is in native code."""

_STATE = struct.Struct("<QQ")  # inputs tried, bytes of the present input, which follows


class Stuck(BaseException):
    """An input takes longer than its target has patience. No Exception: nobody shall take it for one."""


class Bench:
    """Tries inputs on one target, and writes down what it found."""

    def __init__(self, found: Path, patience: float) -> None:
        self.found = found
        self.tried = 0
        self._patience = patience
        self._seen = {path.name.partition("-")[0] for path in found.glob("*-*")}
        with open(found / "now", "w+b") as file:
            file.truncate(_STATE.size + LONGEST)
            self._now = mmap.mmap(file.fileno(), 0)
        signal.signal(signal.SIGPROF, self._late)

    def _late(self, number: int, frame: FrameType | None) -> NoReturn:
        raise Stuck(f"more than {self._patience:g} s of processor time")

    def try_(self, run: Run, data: bytes) -> BaseException | None:
        """Bring an input to the door; return what broke the law, if that is new."""
        data = data[:LONGEST]
        self.tried += 1
        _STATE.pack_into(self._now, 0, self.tried, len(data))
        self._now[_STATE.size : _STATE.size + len(data)] = data
        signal.setitimer(signal.ITIMER_PROF, self._patience)
        try:
            run(data)
        except (Exception, Stuck, SystemExit, RecursionError) as error:  # noqa: BLE001 - whatever it is, it is a finding
            signal.setitimer(signal.ITIMER_PROF, 0)
            return error if self._note(error, data) else None
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        return None

    def _note(self, error: BaseException, data: bytes) -> bool:
        frames = traceback.extract_tb(error.__traceback__)
        place = [f"{os.path.basename(frame.filename)}:{frame.lineno}" for frame in frames][-3:]
        name = hashlib.sha1(f"{type(error).__name__} {place}".encode()).hexdigest()[:10]
        if name in self._seen or len(self._seen) > 60:
            return False
        self._seen.add(name)
        (self.found / f"{name}-input").write_bytes(data)
        text = "".join(traceback.format_exception(error))
        (self.found / f"{name}-why").write_text(text[:2000] + "\n...\n" + text[-4000:])
        return True


def corpus(name: str) -> list[bytes]:
    """Return the inputs that are kept for a target, by their names."""
    return [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]


def inputs(name: str, damage: Damage, seed: str) -> Iterator[bytes]:
    """Yield damaged inputs without end: of the corpus, of what was damaged before, and some of nothing."""
    rng = random.Random(f"{seed} {name}")
    kept = corpus(name) or [b""]
    for number in range(1 << 62):
        data = rng.choice(kept)
        for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 8))):
            data = damage(rng, data)[:LONGEST]
        if number % 50 == 49:
            data = rng.randbytes(rng.randrange(200))
        yield data
        if rng.random() < 0.02 and len(data) < 4096:
            kept[rng.randrange(len(kept))] = data
        if number % 500 == 499:
            kept = corpus(name) or [b""]


def one(name: str, seconds: float, tries: int, seed: str, found: Path, guided: bool) -> None:
    """Run one target in this process."""
    atheris = _atheris() if guided else None
    if atheris is None:
        from doors import TARGETS
    else:
        with atheris.instrument_imports(include=["agentmux"]):
            from doors import TARGETS
    target = next(target for target in TARGETS if target.name == name)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY if most == resource.RLIM_INFINITY else min(MEMORY, most), most))
    bench = Bench(found, _patience(target.patience, atheris is not None))
    with target.opened() as run:
        if atheris is not None and not target.apart:
            _guided(atheris, bench, target.damage, run, name, seconds, found)
        deadline = time.monotonic() + seconds
        for data in corpus(name):
            bench.try_(run, data)
        for number, data in enumerate(inputs(name, target.damage, seed)):
            if time.monotonic() > deadline or number >= tries:
                break
            bench.try_(run, data)


def _patience(seconds: float, guided: bool) -> float:
    return seconds * INSTRUMENTED if guided else seconds


def _atheris():  # type: ignore[no-untyped-def]  # it has no types
    try:
        import atheris
    except ImportError:
        return None
    return atheris


def _guided(atheris, bench, damage, run, name, seconds, found) -> NoReturn:  # type: ignore[no-untyped-def]
    """Let libFuzzer choose the inputs; it ends the process itself."""
    grown = found / "corpus"
    grown.mkdir(exist_ok=True)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.4:
            return bytes(atheris.Mutate(data, most))
        for _ in range(rng.choice((1, 1, 2, 4))):
            data = damage(rng, data)[:most]
        return bytes(data)

    words = [sys.argv[0], f"-max_total_time={max(1, int(seconds))}", f"-max_len={LONGEST}", "-timeout=3600"]
    words += ["-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={found}/native-", str(grown)]
    if (CORPUS / name).is_dir():
        words.append(str(CORPUS / name))
    atheris.Setup(words, lambda data: bench.try_(run, data) and None, custom_mutator=mutate)
    atheris.Fuzz()
    raise SystemExit


def apart(name: str, seconds: float, tries: int, seed: str, found: Path, *, guided: bool, patience: float) -> list[str]:
    """Run a target in a process of its own, and again whenever that dies; return what it died of."""
    found.mkdir(parents=True, exist_ok=True)
    deaths: list[str] = []
    deadline = time.monotonic() + seconds
    total = 0
    while (left := deadline - time.monotonic()) > 0 and len(deaths) < 20:
        words = [sys.executable, str(HERE / "fuzz.py"), "--one", "--seconds", f"{left:g}", "--tries", str(tries)]
        words += ["--seed", f"{seed}{len(deaths)}" if deaths else seed, "--found", str(found), name]
        words += [] if guided else ["--plain"]
        with tempfile.TemporaryDirectory(prefix="fz") as folder, open(found / "output", "ab") as output:
            env = {**os.environ, "TMPDIR": folder, "PYTHONFAULTHANDLER": "1"}
            process = subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            why = _watched(process, found / "now", _patience(patience, guided))
        tried, data = _state(found / "now")
        total += tried
        if not why:
            break
        digest = hashlib.sha1(data).hexdigest()[:10]
        (found / f"{digest}-input").write_bytes(data)
        last = (found / "output").read_text("utf-8", "replace")[-2000:]
        (found / f"{digest}-why").write_text(f"{last}\n{why}\n")
        deaths.append(f"{why}: {found / f'{digest}-input'}")
        if not tried:
            break  # it can't even begin
    (found / "tried").write_text(str(total))
    return deaths


def _watched(process: subprocess.Popen[bytes], now: Path, patience: float) -> str:
    """Wait for a process; return why it did not end as it should, "" where it did."""
    last, since = -1, time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(timeout=0.5)
            return f"ended with {status}" if status else ""
        if (tried := _state(now)[0]) != last:
            last, since = tried, time.monotonic()
        elif time.monotonic() - since > patience + GRACE:
            process.kill()
            process.wait()
            return "does not go on"


def _state(now: Path) -> tuple[int, bytes]:
    """Return how many inputs a process has tried, and the last of them."""
    try:
        content = now.read_bytes()
        tried, size = _STATE.unpack_from(content)
    except (FileNotFoundError, struct.error):  # it has ended before it began
        return 0, b""
    return tried, content[_STATE.size :][:size]


def main() -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each target, times its share")
    parser.add_argument("--seed", default=os.urandom(4).hex())
    parser.add_argument("--found", type=Path, default=None, help="where findings go")
    parser.add_argument("--plain", action="store_true", help="without atheris")
    parser.add_argument("--list", action="store_true", help="tell the targets and their laws")
    parser.add_argument("--tries", type=int, default=1 << 62, help=argparse.SUPPRESS)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.one:
        one(words.names[0], words.seconds, words.tries, words.seed, words.found, not words.plain)
        return 0
    from doors import TARGETS

    if words.list:
        for target in TARGETS:
            say(f"{target.name:11} {target.law}")
        return 0
    found = words.found or Path(tempfile.mkdtemp(prefix="fuzz-"))
    wrong = False
    if unknown := set(words.names) - {target.name for target in TARGETS}:
        parser.error(f"no target {', '.join(sorted(unknown))}")
    guided = not words.plain and _atheris() is not None
    say(f"seed {words.seed}, findings in {found}, {'guided by coverage' if guided else 'by damage alone'}")
    for target in TARGETS:
        if words.names and target.name not in words.names:
            continue
        began = time.monotonic()
        place = found / target.name
        seconds = words.seconds * (1 if words.names else target.share)
        apart(target.name, seconds, words.tries, words.seed, place, guided=guided, patience=target.patience)
        inputs_found = sorted(place.glob("*-input"))
        wrong = wrong or bool(inputs_found)
        tried = int((place / "tried").read_text())
        say(f"{target.name:11} {tried:9} inputs {time.monotonic() - began:6.0f} s  {len(inputs_found)} findings")
        for path in inputs_found:
            why = path.with_name(path.name.replace("-input", "-why")).read_text().strip().splitlines()
            say(f"  {path}: {why[-1][:150] if why else ''}")
    return 1 if wrong else 0


def say(text: str) -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
