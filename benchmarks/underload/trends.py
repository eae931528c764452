"""What a run's samples say: where each figure ended, how it rose, and whether that is more than its noise. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

WARM_UP = 0.25
"""Part of the run that no slope is drawn through: scrollbacks fill, arenas grow."""

FEWEST = 4
"""Samples that a slope takes."""


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure over a run.

    Attributes:
        first, last: medians of the first and of the last tenth of the samples that the slope is drawn through.
        highest: of the whole run.
        slope: per hour, by least squares over all but the run's first quarter.
        deviation: standard deviation of the samples from that line.
        rise: by how much the line rises from its first sample to its last one.
        noise: whether that is within twice the deviation, as it is where nothing grows.
    """

    name: str
    unit: str
    first: float
    last: float
    highest: float
    slope: float
    deviation: float
    rise: float
    noise: bool

    def __str__(self) -> str:
        verdict = "noise" if self.noise else "rises" if self.slope > 0 else "falls"
        return (
            f"{self.name:<34} {self.unit:<8} {self.first:>10.2f} {self.last:>10.2f} {self.highest:>10.2f}"
            f" {self.slope:>+11.3f} {self.deviation:>10.3f}  {verdict}"
        )


HEAD = f"{'':<34} {'':<8} {'first':>10} {'last':>10} {'highest':>10} {'slope / h':>11} {'deviation':>10}"
"""What stands above trends."""


def trend(name: str, unit: str, points: Sequence[tuple[float, float]]) -> Trend | None:
    """Return what (seconds, value) points say, None for too few."""
    begun = points[0][0] + (points[-1][0] - points[0][0]) * WARM_UP if points else 0.0
    late = [point for point in points if point[0] >= begun]
    if len(late) < FEWEST:
        return None
    line = statistics.linear_regression(*zip(*late, strict=True))
    rest = [value - line.intercept - line.slope * at for at, value in late]
    deviation = (sum(one * one for one in rest) / (len(late) - 2)) ** 0.5
    rise = line.slope * (late[-1][0] - late[0][0])
    tenth = max(1, len(late) // 10)
    return Trend(
        name,
        unit,
        statistics.median(value for _, value in late[:tenth]),
        statistics.median(value for _, value in late[-tenth:]),
        max(value for _, value in points),
        line.slope * 3600,
        deviation,
        rise,
        # What is the same in every sample has neither; 1e-9 is what is left of it in floating point.
        abs(rise) <= 2 * deviation + 1e-9 * abs(late[-1][1]),
    )


FIGURES = (
    ("server, private memory", "MiB", ("server", "private")),
    ("server, PSS", "MiB", ("server", "pss")),
    ("server, RSS", "MiB", ("server", "rss")),
    ("server, descriptors", "", ("server", "fds")),
    ("server, threads", "", ("server", "threads")),
    ("server, CPU", "%", ("server", "cpu")),
    ("keeper, private memory", "MiB", ("keeper", "private")),
    ("keeper, RSS", "MiB", ("keeper", "rss")),
    ("keeper, descriptors", "", ("keeper", "fds")),
    ("keeper, CPU", "%", ("keeper", "cpu")),
    ("dashboards, CPU of the busiest", "%", ("dashboards", "cpu")),
    ("dashboards, private memory of one", "MiB", ("dashboards", "private")),
    ("open journals on disk", "MB", ("disk", "sessions")),
    ("archived output on disk", "MB", ("disk", "blobs")),
    ("database on disk", "MB", ("disk", "database")),
    ("echo, p50", "ms", ("latency", "echo_p50")),
    ("echo, p95", "ms", ("latency", "echo_p95")),
    ("echo on a bare terminal, p50", "ms", ("latency", "bare_p50")),
    ("echo on a bare terminal, p95", "ms", ("latency", "bare_p95")),
    ("ls", "ms", ("latency", "ls")),
    ("send until it is on the screen", "ms", ("latency", "send")),
    ("change until its event", "ms", ("latency", "event")),
)
"""The figures of a sample: title, unit, and where it stands."""


def series(samples: Sequence[dict[str, Any]], where: tuple[str, str]) -> list[tuple[float, float]]:
    """Return (seconds, value) of the samples that have that figure."""
    found = [(float(sample["at"]), sample.get(where[0], {}).get(where[1])) for sample in samples]
    return [(at, float(value)) for at, value in found if value is not None]


def trends(samples: Sequence[dict[str, Any]]) -> list[Trend]:
    """Return the trends of all figures that there are enough samples of."""
    found = (trend(title, unit, series(samples, where)) for title, unit, where in FIGURES)
    return [one for one in found if one is not None]
