"""Draws series over steps as one SVG: lines for what was learnt, dots on those that validation measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

__all__ = ["Series", "chart"]

Series = Sequence[tuple[int, float]]
"""The values of one thing by step, in order."""

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 560, 220, 56, 24, 8
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#666666")
"""Okabe and Ito's, which those who see few colours tell apart."""
_MOST_POINTS = 600


def chart(title: str, series: Mapping[str, Series], dotted: frozenset[str] = frozenset()) -> str:
    """Draws a chart with its legend, as HTML; what is `dotted` gets dots, and a broken line."""
    points = [point for one in series.values() for point in one]
    steps = [step for step, _ in points]
    first, last = min(steps), max(*steps, min(steps) + 1)
    low, high = _range([value for _, value in points])

    def x(step: float) -> float:
        return _LEFT + (step - first) / (last - first) * (_WIDTH - _LEFT - 12)

    def y(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    drawn = [_grid(low, high, y), _steps(first, last, x)]
    legend = []
    for index, (name, one) in enumerate(series.items()):
        colour = COLOURS[index % len(COLOURS)]
        places = [(x(step), y(value), step, value) for step, value in _thinned(one)]
        drawn.append(_line(name, places, colour, name in dotted or len(one) == 1, index >= len(COLOURS)))
        value = f"{one[-1][1]:.4g}"
        legend.append(f'<li><i style="background:{colour}"></i>{escape(name)} <b>{value}</b></li>')
    body = "".join(drawn)
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)} by step">{body}</svg>'
        f"<ul>{''.join(legend)}</ul></figure>"
    )


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if math.isclose(low, high):
        margin = abs(low) * 0.1 or 0.5
        return low - margin, high + margin
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


def _grid(low: float, high: float, y: Callable[[float], float]) -> str:
    lines = []
    for tick in _ticks(low, high):
        at = y(tick)
        lines.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - 12}" y1="{at:.1f}" y2="{at:.1f}"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{tick:.4g}</text>')
    return "".join(lines)


def _steps(first: int, last: int, x: Callable[[float], float]) -> str:
    ticks = [tick for tick in _ticks(first, last) if tick == int(tick)]
    return "".join(
        f'<text x="{x(tick):.1f}" y="{_HEIGHT - 6}" text-anchor="middle">{int(tick):,}</text>' for tick in ticks
    )


def _ticks(low: float, high: float) -> list[float]:
    """Gives round numbers between two."""
    rough = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= rough)
    start = math.ceil(low / step)
    return [round(index * step, 12) for index in range(start, math.floor(high / step) + 1)]


def _thinned(series: Series) -> Series:
    """Leaves out points that no eye could tell apart; the last one stays."""
    stride = math.ceil(len(series) / _MOST_POINTS)
    return series if stride == 1 else [*series[:-1:stride], series[-1]]


def _line(name: str, places: Sequence[tuple[float, float, int, float]], colour: str, dots: bool, again: bool) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _, _ in places)
    broken = ' stroke-dasharray="5 3"' if dots else ' stroke-dasharray="1 3"' if again else ""
    line = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"{broken}/>'
    if not dots:
        return line
    marks = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}">'
        f"<title>{escape(name)}, step {step:,}: {value:.6g}</title></circle>"
        for x, y, step, value in places
    )
    return line + "".join(marks)
