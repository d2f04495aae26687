"""Writes a plan as a picture: one self-contained SVG, readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from consilience.plan._plan import TASK, Plan
from consilience.plan.drawing._drawing import Arrow, ArrowKind, Band, Drawing, draw
from consilience.plan.drawing._layout import Link, Spot, Way, bounds, lay_out
from consilience.plan.drawing._shapes import FAINT, INK, PANEL, SMALL, box_of, element, markup, node, snowflake
from consilience.plan.drawing._text import shorten, width

__all__ = ["to_svg"]

TITLE, TYPE, MONOSPACED = 20.0, 9.5, 0.605
LONGEST_TITLE, LONGEST_LABEL, MOST_LABELS = 60, 46, 4
MARGIN, GUTTER, HEADER, PADDING = 22.0, 34.0, 76.0, 14.0
GROUND, BORDER, WHISPER = "#f7f9fb", "#d8dee6", "#98a2b0"
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


def to_svg(plan: Plan) -> str:
    """Writes a plan as an SVG picture: layers from top to bottom, a colour a discipline, the solved type on each edge.

    Each node and edge has a `<title>`, which browsers show on hover and screen readers read: ports, dims and labels.
    """
    drawing = draw(plan)
    labels = [_lines(arrow) for arrow in drawing.arrows]
    links = [
        Link(arrow.source, arrow.target, arrow.kind, _lines_width(lines), len(lines))
        for arrow, lines in zip(drawing.arrows, labels, strict=True)
    ]
    spots, ways = lay_out([box_of(drawing, figure) for figure in drawing.figures.values()], links)
    left, _, right, bottom = bounds([*spots.values(), *(way.label for way in ways if way.label)])
    legend, legend_end = _legend(drawing)
    name = shorten(drawing.name, LONGEST_TITLE)
    least = max(legend_end, MARGIN + width(name, TITLE, is_bold=True)) + MARGIN
    wide = max(right - left + 2 * (MARGIN + PADDING) + GUTTER, least)
    across, down = (wide + GUTTER - (right + left)) / 2, HEADER + MARGIN + PADDING
    high = bottom + down + PADDING + MARGIN
    body = [
        *(_edge(drawing, arrow, way) for arrow, way in zip(drawing.arrows, ways, strict=True)),
        *(_label(drawing, arrow, way, lines) for arrow, way, lines in zip(drawing.arrows, ways, labels, strict=True)),
        *(node(drawing, figure, spots[key]) for key, figure in drawing.figures.items()),
    ]
    described = (
        f"{len(drawing.figures) - 1} nodes of {', '.join(drawing.colours) or 'one task'}, with the solved types."
    )
    content = [
        element("title", markup(drawing.name), id="title"),
        element("desc", markup(described), id="description"),
        element("style", STYLE),
        element("rect", x=0.5, y=0.5, width=wide - 1, height=high - 1, rx=14, fill=PANEL, stroke=BORDER),
        element("text", markup(name), class_="title", x=MARGIN, y=40, fill=INK),
        *legend,
        *_bands(drawing, spots, down, wide),
        element("g", "\n".join(part for part in body if part), transform=f"translate({across:.1f} {down:.1f})"),
    ]
    size: dict[str, str | float] = {"viewBox": f"0 0 {wide:.1f} {high:.1f}", "width": wide, "height": high}
    named = {"role": "img", "aria_labelledby": "title description"}
    return element("svg", "\n".join(["", *content, ""]), xmlns="http://www.w3.org/2000/svg", **size, **named) + "\n"


def _legend(drawing: Drawing) -> tuple[list[str], float]:
    """Draws the colours of the disciplines, then the kinds of line; gives the x at which they end."""
    parts, x, y = [], MARGIN, 66.0
    for discipline in (TASK, *drawing.colours):
        colour, word = drawing.colour(discipline), shorten(discipline)
        painted: dict[str, str | float] = {"fill": colour.pale, "stroke": colour.strong, "stroke_width": 1.5}
        parts.append(element("rect", x=x, y=y - 9, width=11, height=11, rx=3, **painted))
        parts.append(element("text", markup(word), class_="small", x=x + 17, y=y, fill=INK))
        x += width(word, SMALL) + 35
    shown = {arrow.kind for arrow in drawing.arrows}
    for kind, word in ((ArrowKind.TENSOR, "tensor"), (ArrowKind.TARGET, "target"), (ArrowKind.REFERENCE, "parameters")):
        if kind in shown:
            line = element("path", class_="line", d=f"M{x:.1f} {y - 3.5:.1f}h26", stroke=FAINT)
            parts.append(element("g", line, class_=f"edge {kind} sample"))
            parts.append(element("text", word, class_="small", x=x + 33, y=y, fill=FAINT))
            x += width(word, SMALL) + 51
    if any(figure.is_frozen for figure in drawing.figures.values()):
        parts.append(snowflake(x + 5, y - 3.5, FAINT))
        parts.append(element("text", "frozen", class_="small", x=x + 16, y=y, fill=FAINT))
        x += width("frozen", SMALL) + 16
    return parts, x


def _bands(drawing: Drawing, spots: dict[str, Spot], down: float, wide: float) -> Iterator[str]:
    """Draws the ground of each layer, with its name beside it; the metrics stand on the objective's."""
    rows: dict[Band, list[Spot]] = {}
    names: dict[Band, list[str]] = {}
    for key, figure in drawing.figures.items():
        shared = Band.OBJECTIVE if figure.band is Band.METRICS else figure.band
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
        ground = element(
            "rect",
            x=MARGIN,
            y=top + down - PADDING,
            width=wide - 2 * MARGIN,
            height=bottom - top + 2 * PADDING,
            rx=10,
            fill=GROUND,
        )
        turned = f"translate({MARGIN + 15:.1f} {(top + bottom) / 2 + down:.1f}) rotate(-90)"
        yield ground + element("text", words, class_="band", text_anchor="middle", transform=turned, fill=WHISPER)


def _lines(arrow: Arrow) -> tuple[str, ...]:
    """Gives the lines of an arrow's label: a few, and how many more its title tells."""
    shown = arrow.labels if len(arrow.labels) <= MOST_LABELS else arrow.labels[: MOST_LABELS - 1]
    more = len(arrow.labels) - len(shown)
    return tuple(shorten(label, LONGEST_LABEL) for label in shown) + ((f"and {more} more",) if more else ())


def _lines_width(lines: Iterable[str]) -> float:
    return max((width(line, TYPE, monospaced=MONOSPACED) for line in lines), default=0.0) + 8


def _edge(drawing: Drawing, arrow: Arrow, way: Way) -> str:
    colour = drawing.colour(drawing.figures[arrow.source].discipline)
    (x, y), (_, start) = way.points[-1], way.points[0]
    back = y - 7 if y >= start else y + 7
    head = f"M{x - 3.6:.1f} {back:.1f}L{x:.1f} {y:.1f}L{x + 3.6:.1f} {back:.1f}"
    content = element("title", markup("\n".join(arrow.details)))
    content += element("path", class_="line", d=_path(way), stroke=colour.strong)
    content += element("path", d=head, stroke=colour.strong)
    return element("g", content, class_=f"edge {arrow.kind}")


def _path(way: Way) -> str:
    """Writes a way's points, straight lines and curves in turn, as the commands of an SVG path."""
    points = way.points
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for index in range(1, len(points)):
        (x0, y0), (x1, y1) = points[index - 1 : index + 1]
        middle = (y0 + y1) / 2
        bend = f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} " if index % 2 == 0 else "L"
        path += f"{bend}{x1:.1f} {y1:.1f}"
    return path


def _label(drawing: Drawing, arrow: Arrow, way: Way, lines: tuple[str, ...]) -> str:
    spot = way.label
    if spot is None:
        return ""
    fill = drawing.colour(drawing.figures[arrow.source].discipline).dark
    left, top = spot.x - spot.width / 2, spot.y - spot.height / 2
    words: dict[str, str | float] = {"x": spot.x, "text_anchor": "middle", "fill": fill}
    if arrow.kind in (ArrowKind.REFERENCE, ArrowKind.COLUMN):
        words["font_style"] = "italic"
    back = element("rect", x=left, y=top, width=spot.width, height=spot.height, rx=4, fill=PANEL, fill_opacity="0.9")
    rows = [
        element("text", markup(line), class_="type", y=top + 10 + 13 * at, **words) for at, line in enumerate(lines)
    ]
    return element("g", back + "".join(rows), class_="label")
