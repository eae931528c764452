"""What a run found: lines, targets and verdicts, as a table and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CONTENDERS = ("agentmux", "tmux", "screen", "dtach", "floor")


@dataclass(frozen=True, slots=True)
class Line:
    """One figure, of everybody who has it.

    Attributes:
        values: by contender, in ``unit``. Who is missing does not do it, or failed.
        target: what agentmux should reach, in words; empty for none.
        good: whether it did; None where there is no target or nothing to compare with.
        samples: how many measurements each value is made of.
    """

    group: str
    name: str
    unit: str
    values: dict[str, float]
    target: str = ""
    good: bool | None = None
    samples: dict[str, int] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """``pass``, ``MISS`` or nothing."""
        return "" if self.good is None else "pass" if self.good else "MISS"


def against(
    group: str,
    name: str,
    unit: str,
    values: dict[str, float],
    *,
    factor: float = 1.0,
    of: str = "tmux",
    least: bool = False,
    samples: dict[str, int] | None = None,
) -> Line:
    """Return a line whose target is ``factor`` times another contender's value: at most, or at ``least``, that."""
    times = "" if factor == 1 else f"{factor:g} x "
    good = None
    if "agentmux" in values and of in values:
        limit = factor * values[of]
        good = values["agentmux"] >= limit if least else values["agentmux"] <= limit
    return Line(group, name, unit, values, f"{'>=' if least else '<='} {times}{of}", good, samples or {})


def below(group: str, name: str, unit: str, values: dict[str, float], limit: float) -> Line:
    """Return a line whose target is a number."""
    good = values["agentmux"] <= limit if "agentmux" in values else None
    return Line(group, name, unit, values, f"<= {limit:g} {unit}", good)


def as_json(lines: Iterable[Line]) -> list[dict[str, object]]:
    """Return the lines as JSON takes them."""
    return [asdict(line) for line in lines]


def as_text(lines: Sequence[Line]) -> str:
    """Return the table."""
    shown = [name for name in CONTENDERS if any(name in line.values for line in lines)]
    rows = [["", "", *shown, "target", ""]]
    group = ""
    for line in lines:
        if line.group != group:
            group = line.group
            rows.append([group.upper()])
        figures = [_figure(line.values.get(name)) for name in shown]
        rows.append(["  " + line.name, line.unit, *figures, line.target, line.verdict])
    widths = [max(len(row[at]) for row in rows if len(row) > 1) for at in range(len(rows[0]))]
    numbers = range(2, 2 + len(shown))
    text = ""
    for row in rows:
        cells = [cell.rjust(widths[at]) if at in numbers else cell.ljust(widths[at]) for at, cell in enumerate(row)]
        text += "  ".join(cells).rstrip() + "\n"
    return text


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    size = abs(value)
    return f"{value:.0f}" if size >= 100 or value == 0 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
