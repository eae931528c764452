"""What the benchmarks conclude from their figures, how they draw them, and a load of twenty seconds."""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from world import AGENTMUX

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.append(ROOT)

from benchmarks import load, plot, svg  # noqa: E402
from benchmarks.underload import players, prompting, sampler, trends  # noqa: E402

SAMPLE = {
    "server": {"private": 30.0, "fds": 50},
    "latency": {"echo_p50": 0.3, "echo_p95": 0.9},
    "disk": {"sessions": 1},
}


def test_a_slope_is_drawn_through_all_but_the_first_quarter() -> None:
    rising = [(float(at), 100.0 - at if at < 250 else at / 3600) for at in range(1000)]
    found = trends.trend("memory", "MiB", rising)
    assert found is not None
    assert found.slope == pytest.approx(1.0)
    assert found.rise == pytest.approx(749 / 3600)
    assert found.highest == 100.0
    assert not found.noise


def test_noise_is_told_from_growth() -> None:
    chance = random.Random(7)
    flat = [(float(at), 50 + chance.gauss(0, 2)) for at in range(300)]
    found = trends.trend("memory", "MiB", flat)
    assert found is not None and found.noise
    assert found.deviation == pytest.approx(2, rel=0.2)
    grown = trends.trend("memory", "MiB", [(at, value + at * 0.1) for at, value in flat])
    assert grown is not None and not grown.noise
    assert grown.slope == pytest.approx(360, rel=0.1)


def test_what_never_changes_is_noise_and_what_was_not_sampled_has_no_trend() -> None:
    assert trends.trend("threads", "", [(float(at), 3.0) for at in range(20)]).noise  # type: ignore[union-attr]
    assert trends.trend("threads", "", [(0.0, 1.0), (1.0, 2.0)]) is None
    found = trends.trends([{"at": float(at), **SAMPLE} for at in range(10)])
    assert {one.name for one in found} >= {"server, private memory", "echo, p95"}
    assert not any("dashboard" in one.name for one in found)


@pytest.mark.parametrize(
    ("least", "most", "wanted"), [(0, 95, [0, 25, 50, 75, 100]), (0, 0.7, [0, 0.2, 0.4, 0.6, 0.8]), (0, 0, [0, 1])]
)
def test_axes_have_round_numbers(least: float, most: float, wanted: list[float]) -> None:
    assert svg.ticks(least, most) == pytest.approx(wanted)


def test_pictures_are_drawn_inside_of_themselves() -> None:
    facts = {"kind": "run", "sessions": 6, "agents": 0, "clients": 2, "version": "v", "date": "2026", "machine": "<m>"}
    samples = [{"kind": "sample", "at": 10.0 * at, **SAMPLE} for at in range(1000)]
    lines = [
        {"group": "curve", "name": f"{count} sessions, {name}", "values": {"agentmux": 1.0, "tmux": 2.0}}
        for count in (1, 10, 300)
        for name in ("ls", "echo p50", "echo p95", "memory of each added")
    ]
    curve = {"lines": lines, "versions": {"agentmux": "a", "tmux": "t"}, "date": "2026", "machine": "m"}
    for text in (plot.of_load([facts, *samples]), plot.of_curve(curve)):
        root = ElementTree.fromstring(text)
        width, height = (float(root.attrib[key]) for key in ("width", "height"))
        curves = [one.attrib["points"].split() for one in root.iter("{http://www.w3.org/2000/svg}polyline")]
        assert curves and all(2 <= len(points) <= plot.SMOOTHED for points in curves)
        for x, y in (point.split(",") for points in curves for point in points):
            assert 0 <= float(x) <= width and 0 <= float(y) <= height


def test_a_process_is_looked_at() -> None:
    watch = sampler.Watch(os.getpid())
    before = watch.held()
    with open(os.devnull) as file:
        now = watch.held()
        assert "/dev/null" in sampler.descriptors(os.getpid())
        assert file.fileno() > 2
    assert now["fds"] == before["fds"] + 1  # type: ignore[operator]
    assert now["private"] and now["rss"] and now["threads"] and now["private"] <= now["rss"]
    assert sampler.Watch(2**22 + 1).held() == {}


def test_what_is_on_disk_is_summed_by_part(tmp_path: Path) -> None:
    for name, size in (("store.db", 1000), ("store.db-wal", 500), ("sessions/1/a", 30), ("blobs/ab/c", 7), ("log", 9)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
    found = sampler.on_disk(str(tmp_path))
    assert found == pytest.approx({"database": 0.0015, "sessions": 30e-6, "blobs": 7e-6})


@pytest.mark.parametrize("kind", ["burst", "replay"])
def test_what_was_printed_can_be_made_again_and_any_change_of_it_is_found(kind: str) -> None:
    recording = load.path_of("claude") if kind == "replay" else ""
    pieces = [data for data, _ in itertools.islice(players.printed(kind, "one", 3, recording), 500)]
    again = [data for data, _ in itertools.islice(players.printed(kind, "one", 3, recording), 500)]
    whole = b"".join(pieces)
    assert load.difference(io.BytesIO(whole), again) == ""
    at = len(whole) // 2
    changed = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    for wrong, where in (
        (changed, at),
        (whole[:at], at),
        (whole[: at - 5] + whole[at:], 0),
        (whole + b"x", len(whole)),
    ):
        assert f"byte {where or ''}" in load.difference(io.BytesIO(wrong), again)


def test_a_prompt_that_was_seen_twice_or_never_is_told() -> None:
    assert prompting.miscounted(["a", "b"], ["b ", "a", "other"]) == []
    wrong = prompting.miscounted(["a", "b"], ["a", "a"])
    assert [line[-16:] for line in wrong] == ["ompt 'a' 2 times", "ompt 'b' 0 times"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it looks at /proc")
def test_a_short_load_loses_nothing(tmp_path: Path) -> None:
    out = tmp_path / "load.jsonl"
    counts = {"sessions": 6, "minutes": 0.15, "clients": 3, "dashboards": 1, "agents": 0, "every": 1}
    words = [f"--{name}={count}" for name, count in counts.items()]
    argv = [sys.executable, f"{ROOT}/benchmarks/load.py", *words, "--agentmux", AGENTMUX, "--out", str(out)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["kind"] for line in lines[:2]] == ["run", "sample"]
    assert lines[-1]["kind"] == "summary" and lines[-1]["sessions"]["passed"] >= 2 and lines[-1]["said"]
    assert (tmp_path / "load.svg").exists()


@pytest.mark.parametrize("program", ["run", "load", "plot"])
def test_every_program_of_them_starts(program: str) -> None:
    argv = [sys.executable, os.path.join(ROOT, "benchmarks", f"{program}.py"), "--help"]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
