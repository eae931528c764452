"""Line charts as SVG: a few panels above each other, legible on light and on dark ground. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

COLOURS = ("#2f81f7", "#d9730d", "#2da44e", "#a371f7")
"""Of lines, in their order: each has a contrast of 3 to 1 or more with white and with black."""

STYLE = """
  text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-size: 13px; font-weight: 600 }
  .note { fill: #59636e }
  .grid { stroke: #8b949e; stroke-opacity: .28 }
  .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; stroke-linecap: round }
  .dashed { stroke-dasharray: 5 4 }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .note { fill: #9198a1 } }
"""

WIDTH, PLOT_HEIGHT = 720, 130
LEFT, RIGHT, TOP, BOTTOM, GAP = 64, 16, 30, 38, 58
"""Pixels: margins, and what is between two panels."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line.

    Attributes:
        name: in the legend; none for the only one.
        colour: which of COLOURS.
    """

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    colour: int = 0


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves with the same axes."""

    title: str
    unit: str
    curves: Sequence[Curve] = ()


def ticks(least: float, most: float, count: int = 4) -> list[float]:
    """Return about ``count`` round numbers of which the last is not below ``most``."""
    size = (most - least) / count or 1.0
    power = 10.0 ** math.floor(math.log10(size))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= size * 0.999)
    first = math.floor(least / step + 1e-9)
    last = math.ceil(most / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def chart(title: str, note: str, panels: Sequence[Panel], across: str, *, logarithmic: bool = False) -> str:
    """Return the document. ``across`` names what goes to the right, by decades where ``logarithmic``."""
    shown = [panel for panel in panels if any(curve.points for curve in panel.curves)]
    height = TOP + 34 + len(shown) * (PLOT_HEIGHT + GAP) + BOTTOM - 20
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        f' role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        _text(LEFT, 22, title, "title"),
        _text(LEFT, 40, note, "note"),
    ]
    at = sorted({x for panel in shown for curve in panel.curves for x, _ in curve.points})
    marks = at if logarithmic else ticks(at[0], at[-1], 6) if at else []
    for number, panel in enumerate(shown):
        y = TOP + 52 + number * (PLOT_HEIGHT + GAP)
        body += _panel(panel, y, marks, logarithmic=logarithmic)
    body.append(_text(WIDTH - RIGHT, height - 8, across, "note", "end"))
    return "\n".join([*body, "</svg>"]) + "\n"


def _panel(panel: Panel, top: int, marks: Sequence[float], *, logarithmic: bool) -> list[str]:
    highest = max(y for curve in panel.curves for _, y in curve.points)
    scale = ticks(0.0, highest or 1.0)
    right, bottom = WIDTH - RIGHT, top + PLOT_HEIGHT

    def place(x: float) -> float:
        least, most = (math.log(value) if logarithmic else value for value in (marks[0], marks[-1]))
        now = math.log(x) if logarithmic else x
        return LEFT + (right - LEFT) * ((now - least) / (most - least) if most > least else 0.5)

    def rise(y: float) -> float:
        return bottom - PLOT_HEIGHT * y / scale[-1]

    body = [_text(LEFT, top - 10, f"{panel.title} ({panel.unit})" if panel.unit else panel.title, "title")]
    for mark in scale:
        body.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{rise(mark):.1f}" y2="{rise(mark):.1f}"/>')
        body.append(_text(LEFT - 8, rise(mark) + 4, _short(mark), "note", "end"))
    for mark in marks:
        if place(mark) <= right + 0.5:
            body.append(_text(place(mark), bottom + 16, _short(mark), "note", "middle"))
    legend = right
    for curve in reversed([one for one in panel.curves if one.points]):
        style = f'stroke="{COLOURS[curve.colour]}" class="line{" dashed" if curve.dashed else ""}"'
        points = " ".join(f"{place(x):.1f},{rise(y):.1f}" for x, y in curve.points)
        body.append(f'<polyline {style} points="{points}"/>')
        if logarithmic:
            body += [
                f'<circle cx="{place(x):.1f}" cy="{rise(y):.1f}" r="2.6" fill="{COLOURS[curve.colour]}"/>'
                for x, y in curve.points
            ]
        if not curve.name:
            continue
        body.append(_text(legend, top - 10, curve.name, "", "end"))
        legend -= 7 * len(curve.name) + 8
        body.append(f'<line {style} x1="{legend - 20}" x2="{legend}" y1="{top - 14}" y2="{top - 14}"/>')
        legend -= 34
    return body


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    marked = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{marked}>{escape(text)}</text>'


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == round(value) else f"{value:.3g}"
