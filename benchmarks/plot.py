"""Pictures of what was measured.

python benchmarks/plot.py load.jsonl benchmarks/plots/load.svg     of a load (benchmarks/load.py), finished or not
python benchmarks/plot.py curve.json benchmarks/plots/curve.svg    of ``run.py --only curve --json curve.json``
"""

from __future__ import annotations

import json
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if not __package__:
    sys.path[0] = ROOT

from benchmarks.svg import Curve, Panel, chart  # noqa: E402
from benchmarks.underload.trends import series  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

SMOOTHED = 240
"""Points of a line at most: what comes between is taken together, as its median."""


def of_load(lines: Sequence[dict[str, Any]]) -> str:
    """Return a picture of a load."""
    facts = lines[0]
    samples = [line for line in lines if line["kind"] == "sample"]

    def curve(name: str, part: str, figure: str, colour: int = 0, *, dashed: bool = False) -> Curve:
        points = thinned([(at / 60, value) for at, value in series(samples, (part, figure))])
        return Curve(name, points, dashed, colour)

    panels = [
        Panel(
            "Private memory",
            "MiB",
            (curve("server", "server", "private"), curve("keeper", "keeper", "private", 1)),
        ),
        Panel("Open descriptors", "", (curve("server", "server", "fds"), curve("keeper", "keeper", "fds", 1))),
        Panel(
            "Echo of a key",
            "ms",
            (
                curve("p50", "latency", "echo_p50"),
                curve("p95", "latency", "echo_p95", dashed=True),
                curve("bare terminal, p95", "latency", "bare_p95", 1, dashed=True),
            ),
        ),
        Panel("ls", "ms", (curve("", "latency", "ls"),)),
        Panel(
            "CPU",
            "% of a core",
            (
                curve("server", "server", "cpu"),
                curve("keeper", "keeper", "cpu", 1),
                curve("busiest dashboard", "dashboards", "cpu", 2),
            ),
        ),
        Panel(
            "On disk",
            "MB",
            (
                curve("open journals", "disk", "sessions"),
                curve("archived", "disk", "blobs", 1),
                curve("database", "disk", "database", 2),
            ),
        ),
    ]
    what = f"{facts['sessions']} sessions, {facts['agents']} real agents, {facts['clients']} clients"
    note = f"{facts['version']}, {facts['date'][:10]}, {facts['machine']}"
    return chart(f"Under load: {what}", note, panels, "minutes")


def of_curve(result: dict[str, Any]) -> str:
    """Return a picture of what sessions cost as they get more."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for line in result["lines"]:
        if line["group"] == "curve":
            count, _, name = line["name"].partition(" ")
            for who, value in line["values"].items():
                found.setdefault(name.partition(", ")[2], {}).setdefault(who, []).append((float(count), value))

    def curves(name: str, title: str = "", *, dashed: bool = False) -> list[Curve]:
        people = ("agentmux", "tmux")
        return [
            Curve(f"{who}{title}", found[name][who], dashed, people.index(who))
            for who in people
            if who in found.get(name, {})
        ]

    echo = [
        one
        for pair in zip(curves("echo p50", " p50"), curves("echo p95", " p95", dashed=True), strict=True)
        for one in pair
    ]
    panels = [
        Panel("Private memory of each session added", "KiB", curves("memory of each added")),
        Panel("CPU, none works", "% of a core", curves("CPU, none works")),
        Panel("CPU, a tenth works", "% of a core", curves("CPU, a tenth works")),
        Panel("ls", "ms", curves("ls")),
        Panel("Echo, a tenth works", "ms", echo),
    ]
    versions = ", ".join(result["versions"][who] for who in ("agentmux", "tmux") if who in result["versions"])
    note = f"{versions}, {result['date'][:10]}, {result['machine']}"
    return chart("What sessions cost as they get more", note, panels, "sessions", logarithmic=True)


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return SMOOTHED points at most."""
    each = -(-len(points) // SMOOTHED) or 1
    parts = [points[at : at + each] for at in range(0, len(points), each)]
    return [(part[len(part) // 2][0], sorted(value for _, value in part)[len(part) // 2]) for part in parts]


def main(words: Sequence[str]) -> None:
    """Draw what a file has."""
    if len(words) != 2:
        sys.exit((__doc__ or "").strip())
    with open(words[0]) as file:
        text = file.read()
    picture = of_load([json.loads(line) for line in text.splitlines()]) if text.startswith('{"kind"') else None
    with open(words[1], "w") as file:
        file.write(picture or of_curve(json.loads(text)))


if __name__ == "__main__":
    main(sys.argv[1:])
