"""Orders the rows of a layered graph so that few of its segments cross."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise

__all__ = ["crossings", "order_rows"]

ROUNDS = 12
MOST_WORK = 12_000
"""The vertices times rounds above which a graph gets fewer rounds, but never fewer than two."""


def order_rows(rows: list[list[int]], above: Sequence[list[int]], below: Sequence[list[int]]) -> list[list[int]]:
    """Gives the rows with the fewest crossings that sweeps of barycentres and swaps of neighbours find.

    `above` and `below` list each vertex's neighbours in the row before and the row after its own.
    """
    best, fewest = rows, crossings(rows, below)
    rounds = max(2, min(ROUNDS, MOST_WORK // max(1, len(above))))
    for start in (rows, [row[::-1] for row in rows]):
        current = [list(row) for row in start]
        for round_ in range(rounds):
            if fewest == 0:
                return best
            downwards = round_ % 2 == 0
            neighbours = above if downwards else below
            for index in range(1, len(rows)) if downwards else range(len(rows) - 2, -1, -1):
                _sort_by_barycentre(current[index], current[index - 1 if downwards else index + 1], neighbours)
            position = {vertex: index for row in current for index, vertex in enumerate(row)}
            for row in current:
                _swap_neighbours(row, position, above, below)
            count = crossings(current, below)
            if count < fewest:
                best, fewest = [list(row) for row in current], count
    return best


def crossings(rows: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    """Counts the pairs of segments that cross."""
    count = 0
    for upper, lower in pairwise(rows):
        position = {vertex: index for index, vertex in enumerate(lower)}
        passed: list[int] = []
        for vertex in upper:
            ends = sorted(position[end] for end in below[vertex])
            count += sum(len(passed) - bisect_right(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return count


def _sort_by_barycentre(row: list[int], fixed: list[int], neighbours: Sequence[list[int]]) -> None:
    position = {vertex: index for index, vertex in enumerate(fixed)}
    scale = len(fixed) / max(1, len(row))

    def barycentre(item: tuple[int, int]) -> float:
        index, vertex = item
        ends = [position[end] for end in neighbours[vertex]]
        return sum(ends) / len(ends) if ends else index * scale

    row[:] = [vertex for _, vertex in sorted(enumerate(row), key=barycentre)]


def _swap_neighbours(
    row: list[int], position: dict[int, int], above: Sequence[list[int]], below: Sequence[list[int]]
) -> None:
    """Swaps neighbours as long as that saves a crossing, in one pass."""
    for index in range(len(row) - 1):
        left, right = row[index], row[index + 1]
        saved = 0
        for neighbours in (above, below):
            lefts = sorted(position[end] for end in neighbours[left])
            rights = sorted(position[end] for end in neighbours[right])
            saved += sum(len(lefts) - bisect_right(lefts, end) for end in rights)
            saved -= sum(len(rights) - bisect_right(rights, end) for end in lefts)
        if saved > 0:
            row[index], row[index + 1] = right, left
            position[right], position[left] = index, index + 1
