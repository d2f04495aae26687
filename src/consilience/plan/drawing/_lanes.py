"""Finds places for the labels of curves in the gap between two rows: none on another, and on few curves but its own."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

__all__ = ["LANE", "Label", "blend", "fit", "height_of_lane", "x_at"]

SMALLEST_GAP = 40.0
NEAR, SLACK, MOST_SLACK = 300.0, 0.05, 60.0
"""A gap grows by a share of what its widest curve goes sideways beyond the near: flat curves are hard to follow."""
LANE = 13.0
"""The height of one line of a label."""
SPARE_LANES, CROWD = 4, 60
"""How many lanes more than needed a gap may get, for labels that hide no other curve; none above so many labels."""
COST_OF_A_LANE = 0.45
"""What a lane more is worth, in curves that are not hidden."""

Curve = tuple[float, float]
"""The x at which a curve leaves the row above, and that at which it meets the row below."""


@dataclass
class Label:
    """A label that waits for its lane in a gap."""

    link: int
    segment: tuple[int, int]
    width: float
    lines: int
    row: int = 0
    aside: float = 0.0


def _lanes(gap: float) -> int:
    return int((gap - 22) // LANE)


def fit(labels: list[Label], curves: list[Curve], ends: dict[tuple[int, int], Curve]) -> float:
    """Finds a gap's height in which every label has a lane, on its own curve and off the others where that can be."""
    labels.sort(key=lambda label: (-label.lines, sum(ends[label.segment]), label.link))
    widest = max((abs(start - end) for start, end in curves), default=0.0)
    gap = SMALLEST_GAP + min(MOST_SLACK, SLACK * max(0.0, widest - NEAR))
    found: list[tuple[float, float, list[tuple[int, float]]]] = []
    spare = SPARE_LANES if len(labels) <= CROWD else 0
    while len(found) <= spare and not (found and found[-1][0] < 1):
        placed = _try(labels, curves, ends, gap)
        if placed is not None:
            hidden, places = placed
            found.append((hidden + COST_OF_A_LANE * len(found), gap, places))
        gap += LANE
    _, gap, places = min(found)
    for label, (row, aside) in zip(labels, places, strict=True):
        label.row, label.aside = row, aside
    return gap


def _try(
    labels: list[Label],
    curves: list[Curve],
    ends: dict[tuple[int, int], Curve],
    gap: float,
) -> tuple[float, list[tuple[int, float]]] | None:
    """Places labels in lanes; gives how many curves they hide, and lanes and shifts; None when one finds no room."""
    lanes = _lanes(gap)
    taken: list[list[tuple[float, float]]] = [[] for _ in range(lanes)]
    shares = [blend(gap, lane + 0.5) for lane in range(lanes)]
    passing = [sorted(x_at(curve, share) for curve in curves) for share in shares]
    blends = {label.lines: [blend(gap, row + label.lines / 2) for row in range(lanes)] for label in labels}
    total, placed = 0.0, []
    for label in labels:
        best: tuple[float, int, float, tuple[float, float]] | None = None
        for row, aside in product(range(lanes - label.lines + 1), (0.0, -0.3, 0.3)):
            x = x_at(ends[label.segment], blends[label.lines][row]) + aside * label.width
            extent = (x - label.width / 2 - 3, x + label.width / 2 + 3)
            within = range(row, row + label.lines)
            if any(extent[0] < right and left < extent[1] for lane in within for left, right in taken[lane]):
                continue
            hidden = sum(
                bisect_left(passing[lane], extent[1]) - bisect_right(passing[lane], extent[0]) for lane in within
            )
            cost = hidden / label.lines + abs(row + label.lines / 2 - lanes / 2) / (lanes + 1) / 2 + abs(aside)
            if best is None or cost < best[0]:
                best = (cost, row, aside, extent)
        if best is None:
            return None
        cost, row, aside, extent = best
        total += max(0.0, cost - 1.0)  # its own curve always
        placed.append((row, aside))
        for lane in range(row, row + label.lines):
            taken[lane].append(extent)
    return total, placed


def height_of_lane(gap: float, lane: float) -> float:
    """Gives how far below a gap's top a lane lies; the lanes stand in its middle."""
    return lane * LANE + (gap - _lanes(gap) * LANE) / 2


@lru_cache(maxsize=4096)
def blend(gap: float, lane: float) -> float:
    """Gives the share of its way sideways that a curve has made at a lane: a cubic whose handles stand upright."""
    share = height_of_lane(gap, lane) / gap
    low, high = 0.0, 1.0
    for _ in range(24):
        middle = (low + high) / 2
        height = 1.5 * middle * (1 - middle) + middle**3
        low, high = (middle, high) if height < share else (low, middle)
    return low * low * (3 - 2 * low)


def x_at(curve: Curve, share: float) -> float:
    """Gives the x of a curve that has made a share of its way sideways."""
    return curve[0] + (curve[1] - curve[0]) * share
