"""Writes a plan as a picture: one self-contained SVG, readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable

from consilience.errors import Diagnostic
from consilience.plan._names import TASK
from consilience.plan._plan import Plan
from consilience.plan.drawing._draw import draw
from consilience.plan.drawing._drawing import ArrowKind, Drawing, Trouble
from consilience.plan.drawing._picture import picture, style_of
from consilience.plan.drawing._shapes import FAINT, INK, PANEL, SMALL, TROUBLED, element, markup, snowflake
from consilience.plan.drawing._text import shorten, width

__all__ = ["to_svg"]

TITLE, LONGEST_TITLE = 20.0, 60
MARGIN, HEADER = 22.0, 76.0
BORDER = "#d8dee6"


def to_svg(plan: Plan, diagnostics: Iterable[Diagnostic] = ()) -> str:
    """Writes a plan as an SVG picture: layers from top to bottom, a colour a discipline, the solved type on each edge.

    Each node and edge has a `<title>`, which browsers show on hover and screen readers read: ports, dims and labels.
    `diagnostics` are a survey's: they are drawn red where they are.
    """
    drawing = draw(plan, diagnostics)
    legend, legend_end = _legend(drawing)
    name = shorten(drawing.name, LONGEST_TITLE)
    drawn = picture(drawing, max(legend_end, MARGIN + width(name, TITLE, is_bold=True)) - MARGIN)
    wide, high = drawn.width + 2 * MARGIN, drawn.height + HEADER + 2 * MARGIN
    described = (
        f"{len(drawing.figures) - 1} nodes of {', '.join(drawing.colours) or 'one task'}, with the solved types."
    )
    content = [
        element("title", markup(drawing.name), id="title"),
        element("desc", markup(described), id="description"),
        element("style", style_of(drawing)),
        element("rect", x=0.5, y=0.5, width=wide - 1, height=high - 1, rx=14, fill=PANEL, stroke=BORDER),
        element("text", markup(name), class_="title", x=MARGIN, y=40, fill=INK),
        *legend,
        element("g", drawn.body, transform=f"translate({MARGIN:.1f} {HEADER + MARGIN:.1f})"),
    ]
    size: dict[str, str | float] = {"viewBox": f"0 0 {wide:.1f} {high:.1f}", "width": wide, "height": high}
    named = {"role": "img", "aria_labelledby": "title description"}
    return element("svg", "\n".join(["", *content, ""]), xmlns="http://www.w3.org/2000/svg", **size, **named) + "\n"


def _legend(drawing: Drawing) -> tuple[list[str], float]:
    """Draws the colours of the disciplines, then the kinds of line; gives the x at which they end."""
    parts, x, y = [], MARGIN, 66.0
    colours = [(discipline, drawing.colour(discipline)) for discipline in (TASK, *drawing.colours)]
    troubles = {figure.trouble for figure in drawing.figures.values()} | {arrow.trouble for arrow in drawing.arrows}
    colours += [(trouble, TROUBLED[trouble]) for trouble in Trouble if trouble and trouble in troubles]
    for word, colour in colours:
        painted: dict[str, str | float] = {"fill": colour.pale, "stroke": colour.strong, "stroke_width": 1.5}
        parts.append(element("rect", x=x, y=y - 9, width=11, height=11, rx=3, **painted))
        parts.append(element("text", markup(shorten(word)), class_="small", x=x + 17, y=y, fill=INK))
        x += width(shorten(word), SMALL) + 35
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
