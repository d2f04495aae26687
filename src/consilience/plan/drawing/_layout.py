"""Lays out a layered graph from top to bottom: boxes in rows, curves between them, labels that do not collide.

The way of Sugiyama, Tagawa and Toda (1981): long links pass each row at a point of their own, rows are ordered by
barycentres to save crossings, and every row is then placed as near to its neighbours as its widths allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from consilience.plan.drawing._lanes import LANE, Label, blend, fit, height_of_lane, x_at
from consilience.plan.drawing._order import order_rows

__all__ = ["Box", "Link", "Spot", "Way", "lay_out"]

BESIDE = 26.0
"""The space between two boxes of a row."""
BESIDE_WAY, BESIDE_WAY_IN_A_CROWD, CROWD = 15.0, 4.0, 60
"""The space between a box and a link that passes it, or between two that pass; less where so many pass one row."""
SWEEPS = 80
MOST_WORK = 80_000
"""The vertices times sweeps above which a graph gets fewer sweeps, but never fewer than eight."""
STIFFEST = 1000.0
"""How much more, in the last sweep, a long link wants to be straight than a box wants to stand near its neighbours."""


@dataclass(frozen=True)
class Box:
    """A rectangle that stands in a row."""

    key: str
    rank: int
    width: float
    height: float


@dataclass(frozen=True)
class Link:
    """A curve from a box to another; links of one source and `trunk` share their way as far as they can."""

    source: str
    target: str
    trunk: str = ""
    label_width: float = 0.0
    label_lines: int = 0


@dataclass(frozen=True)
class Spot:
    """The rectangle around a centre in which something was placed."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Way:
    """The points that a link passes, each run from one to the next alternately a curve and a straight line down."""

    points: tuple[tuple[float, float], ...]
    label: Spot | None


@dataclass
class _Vertex:
    """A box, or the point at which a trunk passes a row."""

    rank: int
    width: float
    box: Box | None = None
    trunk: int = -1
    x: float = 0.0


class _Graph:
    """Vertices in rows and segments between neighbouring rows."""

    def __init__(self, boxes: Sequence[Box], links: Sequence[Link]) -> None:
        ranks = sorted({box.rank for box in boxes})
        row_of = {rank: row for row, rank in enumerate(ranks)}  # a rank without boxes takes no room
        self.vertices = [_Vertex(row_of[box.rank], box.width, box) for box in boxes]
        self.rows: list[list[int]] = [[] for _ in ranks]
        for index, vertex in enumerate(self.vertices):
            self.rows[vertex.rank].append(index)
        self.below: list[list[int]] = [[] for _ in boxes]
        self.above: list[list[int]] = [[] for _ in boxes]
        index_of = {box.key: index for index, box in enumerate(boxes)}
        self.trunks: list[list[int]] = []
        self.segments: set[tuple[int, int]] = set()
        trunks: dict[tuple[str, str], int] = {}
        self.paths = [self._path(link, index_of, trunks) for link in links]
        passing = [sum(self.vertices[index].box is None for index in row) for row in self.rows]
        self.beside_way = BESIDE_WAY if max(passing, default=0) <= CROWD else BESIDE_WAY_IN_A_CROWD

    def _path(self, link: Link, index_of: dict[str, int], trunks: dict[tuple[str, str], int]) -> list[int]:
        """Gives a link's vertices from the upper box to the lower one, which may be its source."""
        upper, lower = index_of[link.source], index_of[link.target]
        is_upward = self.vertices[upper].rank > self.vertices[lower].rank
        if is_upward:
            upper, lower = lower, upper
        if self.vertices[upper].rank == self.vertices[lower].rank:
            raise ValueError(f"{link.source} and {link.target} stand in one row: no link can join them")
        owner = f"{link.source} {link.target}" if is_upward else link.source
        trunk = trunks.setdefault((owner, link.trunk), len(trunks))
        if trunk == len(self.trunks):
            self.trunks.append([])
        first, last = self.vertices[upper].rank + 1, self.vertices[lower].rank
        for row in range(first + len(self.trunks[trunk]), last):
            self._pass(row, trunk)
        path = [upper, *self.trunks[trunk][: last - first], lower]
        for start, end in pairwise(path):
            if (start, end) not in self.segments:
                self.segments.add((start, end))
                self.below[start].append(end)
                self.above[end].append(start)
        return path

    def _pass(self, row: int, trunk: int) -> None:
        """Adds the point at which a trunk passes its next row."""
        index = len(self.vertices)
        self.vertices.append(_Vertex(row, 0.0, trunk=trunk))
        self.rows[row].append(index)
        self.trunks[trunk].append(index)
        self.below.append([])
        self.above.append([])

    def space(self, left: int, right: int) -> float:
        """Gives the least distance between the centres of two neighbours in a row."""
        one, other = self.vertices[left], self.vertices[right]
        between = BESIDE if one.box and other.box else self.beside_way
        return (one.width + other.width) / 2 + between

    def place_rows(self) -> None:
        """Gives every vertex its x: near its neighbours, and a trunk's points one below the other where that can be."""
        for row in self.rows:
            self._settle(row, [0.0] * len(row), [1.0] * len(row))
        sweeps = max(8, min(SWEEPS, MOST_WORK // max(1, len(self.vertices))))
        for sweep in range(sweeps):
            stiffness = STIFFEST ** (sweep / sweeps)  # a long link finds its place first, then holds it
            middles = [
                sum(self.vertices[index].x for index in trunk) / len(trunk) if trunk else 0.0 for trunk in self.trunks
            ]
            for row in self.rows if sweep % 2 == 0 else self.rows[::-1]:
                pulls = [self._pulls(index, middles, stiffness) for index in row]
                weights = [sum(weight for weight, _ in pull) for pull in pulls]
                wanted = [sum(w * x for w, x in pull) / total for pull, total in zip(pulls, weights, strict=True)]
                self._settle(row, wanted, weights)

    def _pulls(self, index: int, middles: list[float], stiffness: float) -> list[tuple[float, float]]:
        """Gives the weights and places that a vertex is drawn to; a trunk's point most to the trunk's middle."""
        vertex = self.vertices[index]
        around = [self.vertices[other] for other in self.above[index] + self.below[index]]
        if vertex.box is None:
            return [(stiffness, middles[vertex.trunk]), *((1.0, other.x) for other in around if other.box)]
        return [(1.0, other.x) for other in around] or [(0.1, vertex.x)]

    def _settle(self, row: list[int], wanted: list[float], weights: list[float]) -> None:
        spaces = [self.space(left, right) for left, right in pairwise(row)]
        for index, x in zip(row, settle(wanted, weights, spaces), strict=True):
            self.vertices[index].x = x


def settle(wanted: Sequence[float], weights: Sequence[float], spaces: Sequence[float]) -> list[float]:
    """Places points in their order, at least `spaces` apart, as near as can be to where they want to be.

    Least squares by isotonic regression: pooling adjacent violators, after the spaces are taken out.
    """
    offsets = [0.0]
    for space in spaces:
        offsets.append(offsets[-1] + space)
    pools: list[tuple[float, float, int]] = []  # mean, weight, number of points
    for want, weight, offset in zip(wanted, weights, offsets, strict=False):
        mean, total, count = want - offset, weight, 1
        while pools and pools[-1][0] >= mean:
            other_mean, other_total, other_count = pools.pop()
            mean = (mean * total + other_mean * other_total) / (total + other_total)
            total, count = total + other_total, count + other_count
        pools.append((mean, total, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]


def lay_out(boxes: Sequence[Box], links: Sequence[Link]) -> tuple[dict[str, Spot], list[Way]]:
    """Places boxes by their keys, and links in their order; the y of a centre grows downwards.

    Boxes never overlap each other, nor a label a box or another label. Links run between different ranks; one that
    runs upwards keeps the order of its points from source to target.
    """
    graph = _Graph(boxes, links)
    graph.rows = order_rows(graph.rows, graph.above, graph.below)
    graph.place_rows()
    ends = _anchors(graph)
    labels = _labels(graph, links)
    tops, heights, gaps = [0.0], [_height(graph, row) for row in graph.rows], []
    for row in range(len(graph.rows) - 1):
        gaps.append(fit(labels[row], [ends[segment] for segment in _segments(graph, row)], ends))
        tops.append(tops[row] + heights[row] + gaps[row])
    spots = {}
    for vertex in graph.vertices:
        if vertex.box:
            centre = tops[vertex.rank] + heights[vertex.rank] / 2
            spots[vertex.box.key] = Spot(vertex.x, centre, vertex.box.width, vertex.box.height)
    placed = {}
    for row, waiting in enumerate(labels):
        for label in waiting:
            lane = label.row + label.lines / 2
            x = x_at(ends[label.segment], blend(gaps[row], lane)) + label.aside * label.width
            y = height_of_lane(gaps[row], lane)
            placed[label.link] = Spot(x, tops[row] + heights[row] + y, label.width, label.lines * LANE)
    return spots, [
        _way(graph, spots, ends, tops, heights, links, index, placed.get(index)) for index in range(len(links))
    ]


def _height(graph: _Graph, row: list[int]) -> float:
    return max((vertex.box.height for vertex in map(graph.vertices.__getitem__, row) if vertex.box), default=0.0)


def _segments(graph: _Graph, row: int) -> list[tuple[int, int]]:
    return [(upper, lower) for upper in graph.rows[row] for lower in graph.below[upper]]


def _anchors(graph: _Graph) -> dict[tuple[int, int], tuple[float, float]]:
    """Gives each segment the x at which it leaves the upper vertex and that at which it meets the lower one."""
    vertices = graph.vertices
    leaving: dict[tuple[int, int], float] = {}
    ends: dict[tuple[int, int], tuple[float, float]] = {}
    for upper in range(len(vertices)):
        targets = sorted(graph.below[upper], key=lambda lower: vertices[lower].x)
        anchored = _spread(vertices[upper], [vertices[lower].x for lower in targets])
        leaving.update({(upper, lower): x for lower, x in zip(targets, anchored, strict=True)})
    for lower in range(len(vertices)):
        sources = sorted(graph.above[lower], key=lambda upper: leaving[upper, lower])
        anchored = _spread(vertices[lower], [leaving[upper, lower] for upper in sources])
        ends.update({(up, lower): (leaving[up, lower], x) for up, x in zip(sources, anchored, strict=True)})
    return ends


def _spread(vertex: _Vertex, wanted: list[float]) -> list[float]:
    """Spreads ends along a box's side, each straight above or below its other end where it can be."""
    if vertex.box is None or not wanted:
        return [vertex.x] * len(wanted)
    half = vertex.width / 2 - 16
    space = min(22.0, 2 * half / max(1, len(wanted) - 1))
    low = [vertex.x - half + index * space for index in range(len(wanted))]
    high = [vertex.x + half - (len(wanted) - 1 - index) * space for index in range(len(wanted))]
    settled = settle(wanted, [1.0] * len(wanted), [space] * (len(wanted) - 1))
    return [min(max(x, least), most) for x, least, most in zip(settled, low, high, strict=True)]


def _labels(graph: _Graph, links: Sequence[Link]) -> list[list[Label]]:
    """Assigns each label to the gap above the link's lower box, from left to right."""
    gaps: list[list[Label]] = [[] for _ in graph.rows]
    for index, (link, path) in enumerate(zip(links, graph.paths, strict=True)):
        if link.label_lines:
            start, end = path[-2:]
            gaps[graph.vertices[start].rank].append(Label(index, (start, end), link.label_width, link.label_lines))
    return gaps


def _way(
    graph: _Graph,
    spots: dict[str, Spot],
    ends: dict[tuple[int, int], tuple[float, float]],
    tops: list[float],
    heights: list[float],
    links: Sequence[Link],
    index: int,
    label: Spot | None,
) -> Way:
    path = graph.paths[index]
    points: list[tuple[float, float]] = []
    for upper, lower in pairwise(path):
        row = graph.vertices[upper].rank
        points.append((ends[upper, lower][0], tops[row] + heights[row]))
        points.append((ends[upper, lower][1], tops[row + 1]))
    first, last = graph.vertices[path[0]].box, graph.vertices[path[-1]].box
    assert first is not None
    assert last is not None
    upper_spot, lower_spot = spots[first.key], spots[last.key]
    points.insert(0, (points[0][0], upper_spot.y + upper_spot.height / 2))
    points.append((points[-1][0], lower_spot.y - lower_spot.height / 2))
    return Way(tuple(points if first.key == links[index].source else points[::-1]), label)


def bounds(spots: Iterable[Spot]) -> tuple[float, float, float, float]:
    """Gives the left, top, right and bottom of what was placed."""
    placed = list(spots)
    return (
        min((spot.x - spot.width / 2 for spot in placed), default=0.0),
        min((spot.y - spot.height / 2 for spot in placed), default=0.0),
        max((spot.x + spot.width / 2 for spot in placed), default=0.0),
        max((spot.y + spot.height / 2 for spot in placed), default=0.0),
    )
