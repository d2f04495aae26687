"""Draws the picture itself, without a frame: the ground of each layer, the arrows with their labels, the nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import sqrt

from consilience.plan.drawing._drawing import Arrow, ArrowKind, Band, Drawing
from consilience.plan.drawing._layout import Box, Link, Spot, Way, bounds, lay_out
from consilience.plan.drawing._shapes import PANEL, TROUBLED, WHISPER, box_of, element, markup, node
from consilience.plan.drawing._text import shorten, width

__all__ = ["GROUND", "Picture", "picture", "style_of"]

TYPE, MONOSPACED = 9.5, 0.605
LONGEST_LABEL, MOST_LABELS = 46, 4
GUTTER, PADDING = 34.0, 14.0
GROUND = "#f7f9fb"
ASIDE = 12.0
MOST_PASSED = 60_000
"""How many rows all arrows together may pass; where it is more, some are no longer led around what stands there."""
NARROWEST_FOLD = 2600.0
"""No row that is narrower is folded."""
ROW, SHAPELY = 130.0, 1.8
"""What a row takes of the height, about, and how much wider than high a picture of many rows shall be."""
STYLE = """
text { font-family: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif }
.title { font-size: 20px; font-weight: 700 }
.name { font-size: 13px; font-weight: 600 }
.small { font-size: 10.5px }
.type { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 9.5px }
.band { font-size: 9.5px; font-weight: 600; letter-spacing: 1.4px }
.formula { font-family: "STIX Two Text", Cambria, Georgia, "Times New Roman", "DejaVu Serif", serif; font-size: 19px }
.edge path { fill: none; stroke-width: 1.5; stroke-linejoin: round }
.edge.target .line { stroke-width: 1.8; stroke-dasharray: 1 3.5; stroke-linecap: round }
.edge.reference .line { stroke-width: 1.2; stroke-dasharray: 6 4 }
.edge.term path { stroke-width: 2.2 }
.edge:hover .line { stroke-width: 3.5 }
.node:hover .body { stroke-width: 2.4 }
"""
STYLE_OF_TROUBLE = """
.edge.unsolved .line { stroke-width: 1.4; stroke-dasharray: 9 5; stroke-linecap: butt }
.edge.error path, .edge.warning path { stroke-width: 2.2 }
.node.error .body, .node.warning .body { stroke-width: 2.2 }
"""


@dataclass(frozen=True)
class Picture:
    """A picture without a frame: markup of SVG, and the room that it takes from 0 on, `GUTTER` at its left included."""

    body: str
    width: float
    height: float
    labelled: tuple[int, ...] = ()
    """The arrows that have a label, in the order of the labels."""


def style_of(drawing: Drawing) -> str:
    """Gives the style of a picture; what is drawn of faults needs some more."""
    return STYLE + STYLE_OF_TROUBLE if drawing.diagnostics else STYLE


def picture(drawing: Drawing, least: float = 0.0) -> Picture:
    """Draws figures and arrows where they find room; `least` is the width that the picture shall have at least."""
    labels = [_lines(arrow) for arrow in drawing.arrows]
    links = [
        Link(arrow.source, arrow.target, _trunk(arrow), _lines_width(lines), len(lines))
        for arrow, lines in zip(drawing.arrows, labels, strict=True)
    ]
    spots, ways = _placed(_folded([box_of(drawing, figure) for figure in drawing.figures.values()]), links)
    left, _, right, bottom = bounds([*spots.values(), *(way.label for way in ways if way.label)])
    wide = max(right - left + 2 * PADDING + GUTTER, least)
    across, down = (wide + GUTTER - (right + left)) / 2, PADDING
    told = list(zip(drawing.arrows, labels, ways, strict=True))
    body = [
        *(_edge(drawing, arrow, way) for arrow, _, way in told),
        *(_label(drawing, arrow, way, lines) for arrow, lines, way in told),
        *(node(drawing, figure, spots[key]) for key, figure in drawing.figures.items()),
    ]
    inner = element("g", "\n".join(part for part in body if part), transform=f"translate({across:.1f} {down:.1f})")
    labelled = tuple(index for index, way in enumerate(ways) if way.label is not None)
    body_and_ground = "\n".join([*_bands(drawing, spots, down, wide), inner])
    return Picture(body_and_ground, wide, bottom + down + PADDING, labelled)


def _placed(boxes: list[Box], links: list[Link]) -> tuple[dict[str, Spot], list[Way]]:
    """Lays out boxes and links; a link into its own box is a loop, and some of very many run straight."""
    straight = _straight(boxes, links)
    joined = [index for index, link in enumerate(links) if link.source != link.target and index not in straight]
    spots, placed = lay_out(boxes, [links[index] for index in joined])
    pairs = {(link.source, link.target) for link in links}
    ways: dict[int, Way] = {}
    for index, way in zip(joined, placed, strict=True):
        ways[index] = _aside(way) if (links[index].target, links[index].source) in pairs else way
    for index in set(range(len(links))) - set(joined):
        one, other = spots[links[index].source], spots[links[index].target]
        ways[index] = _loop(one) if one is other else _direct(one, other)
    return spots, [ways[index] for index in range(len(links))]


def _straight(boxes: list[Box], links: list[Link]) -> set[int]:
    """Chooses, where links would pass so many rows that placing them took all the time, those that pass the most."""
    rank = {box.key: box.rank for box in boxes}
    trunks: dict[tuple[str, str], list[int]] = {}
    for index, link in enumerate(links):
        trunks.setdefault((link.source, link.trunk), []).append(index)
    passed = {
        trunk: max(abs(rank[links[index].target] - rank[links[index].source]) for index in indexes)
        for trunk, indexes in trunks.items()
    }
    left, chosen = sum(passed.values()), set()
    for trunk in sorted(passed, key=lambda trunk: (-passed[trunk], trunk)):
        if left <= MOST_PASSED:
            break
        left -= passed[trunk]
        chosen |= set(trunks[trunk])
    return chosen


def _direct(source: Spot, target: Spot) -> Way:
    """Leads an arrow straight on, behind whatever stands in its way."""
    down = 1 if target.y > source.y else -1
    start = (source.x, source.y + down * source.height / 2)
    end = (target.x, target.y - down * target.height / 2)
    return Way((start, start, end, end), None)


def _trunk(arrow: Arrow) -> str:
    """Names the trunk that an arrow shares with others of its source: those that look as it does."""
    return f"{arrow.kind} {arrow.trouble} {arrow.is_solved}" if arrow.trouble or not arrow.is_solved else arrow.kind


def _folded(boxes: list[Box]) -> list[Box]:
    """Folds the rows that are far wider than the picture is high into several, one below the other."""
    rows: dict[int, list[Box]] = {}
    for box in boxes:
        rows.setdefault(box.rank, []).append(box)
    area = sum(box.width + 30 for box in boxes) * ROW
    widest = max(NARROWEST_FOLD, sqrt(SHAPELY * area))
    folded: dict[str, int] = {}
    rank = 0
    for _, row in sorted(rows.items()):
        parts = int(sum(box.width + 30 for box in row) // widest) + 1
        each = -(-len(row) // parts)
        for index, box in enumerate(row):
            folded[box.key] = rank + index // each
        rank += parts
    return [replace(box, rank=folded[box.key]) for box in boxes]


def _aside(way: Way) -> Way:
    """Leads an arrow that runs upwards beside the one that runs down between the same two boxes."""
    is_upward = way.points[-1][1] < way.points[0][1]
    return replace(way, points=tuple((x + ASIDE, y) for x, y in way.points)) if is_upward else way


def _loop(spot: Spot) -> Way:
    """Leads an arrow from a box back into itself, at its right side."""
    right = spot.x + spot.width / 2
    return Way(((right, spot.y + 12), (right, spot.y - 12)), None)


def _bands(drawing: Drawing, spots: dict[str, Spot], down: float, wide: float) -> Iterator[str]:
    """Draws the ground of each layer, with its name beside it; some layers stand on the ground of another."""
    grounds = {Band.METRICS: Band.OBJECTIVE, Band.RESOURCES: Band.SOURCES}
    rows: dict[Band, list[Spot]] = {}
    names: dict[Band, list[str]] = {}
    for key, figure in drawing.figures.items():
        shared = grounds.get(figure.band, figure.band)
        rows.setdefault(shared, []).append(spots[key])
        if figure.band not in names.setdefault(shared, []):
            names[shared].append(figure.band)
    for band, row in rows.items():
        _, top, _, bottom = bounds(row)
        start = 0.35 - 0.65 * (len(names[band]) - 1)
        words = "".join(
            element("tspan", word.upper(), x=0, dy=f"{start if index == 0 else 1.3:.2f}em")
            for index, word in enumerate(sorted(names[band], reverse=True))
        )
        high = bottom - top + 2 * PADDING
        ground = element("rect", x=0.0, y=top + down - PADDING, width=wide, height=high, rx=10, fill=GROUND)
        turned = f"translate({15:.1f} {(top + bottom) / 2 + down:.1f}) rotate(-90)"
        yield ground + element("text", words, class_="band", text_anchor="middle", transform=turned, fill=WHISPER)


def _lines(arrow: Arrow) -> tuple[str, ...]:
    """Gives the lines of an arrow's label: a few, and how many more its title tells."""
    shown = arrow.labels if len(arrow.labels) <= MOST_LABELS else arrow.labels[: MOST_LABELS - 1]
    more = len(arrow.labels) - len(shown)
    return tuple(shorten(label, LONGEST_LABEL) for label in shown) + ((f"and {more} more",) if more else ())


def _lines_width(lines: Iterable[str]) -> float:
    return max((width(line, TYPE, monospaced=MONOSPACED) for line in lines), default=0.0) + 8


def _colours(drawing: Drawing, arrow: Arrow) -> tuple[str, str]:
    """Gives the colour of an arrow's line and that of its label."""
    if arrow.trouble:
        return TROUBLED[arrow.trouble].strong, TROUBLED[arrow.trouble].dark
    colour = drawing.colour(drawing.figures[arrow.source].discipline)
    return colour.strong, colour.dark


def _edge(drawing: Drawing, arrow: Arrow, way: Way) -> str:
    stroke, _ = _colours(drawing, arrow)
    (x, y), (x0, start) = way.points[-1], way.points[0]
    back = y - 7 if y >= start else y + 7
    head = f"M{x - 3.6:.1f} {back:.1f}L{x:.1f} {y:.1f}L{x + 3.6:.1f} {back:.1f}"
    line = _path(way)
    if arrow.source == arrow.target:
        head = f"M{x + 7:.1f} {y - 3.6:.1f}L{x:.1f} {y:.1f}L{x + 7:.1f} {y + 3.6:.1f}"
        line = f"M{x0:.1f} {start:.1f}C{x0 + 26:.1f} {start:.1f} {x + 26:.1f} {y:.1f} {x:.1f} {y:.1f}"
    content = element("title", markup("\n".join(arrow.details)))
    content += element("path", class_="line", d=line, stroke=stroke)
    content += element("path", d=head, stroke=stroke)
    classes = [arrow.kind, *([] if arrow.is_solved else ["unsolved"]), *([arrow.trouble] if arrow.trouble else [])]
    return element("g", content, class_=f"edge {' '.join(classes)}")


def _path(way: Way) -> str:
    """Writes a way's points, straight lines and curves in turn, as the commands of an SVG path.

    Curves that run straight down are lines, and lines that follow each other are one: a long way has many of them.
    """
    points = [(f"{x:.1f}", y) for x, y in way.points]
    path = f"M{points[0][0]} {points[0][1]:.1f}"
    for index in range(1, len(points)):
        (x0, y0), (x1, y1) = points[index - 1 : index + 1]
        middle = (y0 + y1) / 2
        if index % 2 == 0 and x0 != x1:
            path += f"C{x0} {middle:.1f} {x1} {middle:.1f} {x1} {y1:.1f}"
        elif index + 1 == len(points) or points[index + 1][0] != x1:
            path += f"V{y1:.1f}"
    return path


def _label(drawing: Drawing, arrow: Arrow, way: Way, lines: tuple[str, ...]) -> str:
    spot = way.label
    if spot is None:
        return ""
    _, fill = _colours(drawing, arrow)
    left, top = spot.x - spot.width / 2, spot.y - spot.height / 2
    words: dict[str, str | float] = {"x": spot.x, "text_anchor": "middle", "fill": fill}
    if arrow.kind in (ArrowKind.REFERENCE, ArrowKind.COLUMN):
        words["font_style"] = "italic"
    back = element("rect", x=left, y=top, width=spot.width, height=spot.height, rx=4, fill=PANEL, fill_opacity="0.9")
    rows = [
        element("text", markup(line), class_="type", y=top + 10 + 13 * at, **words) for at, line in enumerate(lines)
    ]
    return element("g", back + "".join(rows), class_="label")
