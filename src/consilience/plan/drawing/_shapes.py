"""Draws the nodes of a plan's picture in SVG: a shape a layer, a badge, and the objective with its terms."""

from __future__ import annotations

from consilience.plan.drawing._drawing import NEUTRAL, Band, Colour, Drawing, Figure, Trouble, number
from consilience.plan.drawing._layout import Box, Spot
from consilience.plan.drawing._text import shorten, width

__all__ = [
    "FAINT",
    "INK",
    "PANEL",
    "SMALL",
    "TROUBLED",
    "WHISPER",
    "box_of",
    "element",
    "markup",
    "node",
    "snowflake",
]

NAME, SMALL = 13.0, 10.5
INK, FAINT, WHISPER, PANEL = "#1f2733", "#6b7685", "#98a2b0", "#ffffff"
TROUBLED = {
    Trouble.ERROR: Colour("#d1123a", "#fdebee", "#a00d2c"),
    Trouble.WARNING: Colour("#b45309", "#fdf1e0", "#8a3f06"),
}
"""What is at fault is red, what a warning is about amber; no discipline has these colours."""
LONGEST_SUBTITLE = 34
TERMS_IN_A_ROW = 4
_PLAIN = (Band.RESOURCES, Band.SOURCES, Band.FIELDS, Band.METRICS)
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})


def markup(text: str) -> str:
    """Escapes a text for SVG, and replaces what XML cannot hold."""
    shown = text
    if not text.isprintable():
        shown = "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
    return shown.translate(ENTITIES)


def element(tag: str, content: str = "", /, **attributes: str | float) -> str:
    """Writes an element around markup; an attribute's `_` stands for `-`, a number is told to a tenth of a pixel."""
    written = "".join(f' {key.strip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{tag}{written}>{content}</{tag}>" if content else f"<{tag}{written}/>"


def _value(value: str | float) -> str:
    return (
        markup(value)
        if isinstance(value, str)
        else f"{round(value, 1) + 0.0:g}"
        if abs(value) < 1e5
        else f"{value:.0f}"
    )


def box_of(drawing: Drawing, figure: Figure) -> Box:
    """Gives a figure the room that its texts need."""
    if figure.band is Band.OBJECTIVE:
        rows = _term_rows(drawing)
        widest = max([262.0, *(sum(_chip_width(term) + 8 for term in row) for row in rows)])
        return Box(figure.key, figure.rank, widest + 32, 66 + 26.0 * len(rows))
    first = width(shorten(figure.name), NAME, is_bold=True) + (_badge_width(figure) + 8 if figure.badge else 0)
    inside = max(first, width(shorten(figure.subtitle, LONGEST_SUBTITLE), SMALL))
    return Box(figure.key, figure.rank, max(84.0, inside + 28), 46.0)


def node(drawing: Drawing, figure: Figure, spot: Spot) -> str:
    """Draws a figure where it stands, with a title that tells all that is known of it."""
    title = element("title", markup("\n".join((figure.name, *figure.details))))
    classes = f"node {figure.band}" + (f" {figure.trouble}" if figure.trouble else "")
    if figure.band is Band.OBJECTIVE:
        return element("g", title + _objective(drawing, figure, spot) + _count(figure, spot), class_=classes)
    colour = TROUBLED[Trouble.ERROR] if figure.is_ghost else drawing.colour(figure.discipline)
    x, y = spot.x - spot.width / 2 + 14, spot.y - spot.height / 2 + (2.5 if figure.band is Band.SOURCES else 0.0)
    texts = element("text", markup(shorten(figure.name)), class_="name", x=x, y=y + 20, fill=INK)
    subtitle = markup(shorten(figure.subtitle, LONGEST_SUBTITLE))
    texts += element("text", subtitle, class_="small", x=x, y=y + 35.5, fill=colour.dark)
    badge = _badge(figure, spot, colour) if figure.badge else ""
    return element("g", title + _shape(figure, spot, colour) + texts + badge + _count(figure, spot), class_=classes)


def _count(figure: Figure, spot: Spot) -> str:
    """Draws, on the upper left corner, how many diagnostics are about a figure."""
    if not figure.faults:
        return ""
    x, y, wide = spot.x - spot.width / 2, spot.y - spot.height / 2, 10.0 + 7.0 * len(str(len(figure.faults)))
    colour = TROUBLED[figure.trouble].strong
    lines: dict[str, str | float] = {"fill": colour, "stroke": PANEL, "stroke_width": 1.5}
    pill = element("rect", x=x - 8, y=y - 8, width=wide, height=17, rx=8.5, **lines)
    placed: dict[str, str | float] = {"x": x - 8 + wide / 2, "y": y + 4.3, "text_anchor": "middle", "fill": PANEL}
    return pill + element("text", str(len(figure.faults)), class_="small", font_weight="700", **placed)


def _shape(figure: Figure, spot: Spot, colour: Colour) -> str:
    x, y, wide, high = spot.x - spot.width / 2, spot.y - spot.height / 2, spot.width, spot.height
    surface = PANEL if figure.band in _PLAIN else colour.pale
    stroke = TROUBLED[figure.trouble].strong if figure.trouble else colour.strong
    painted: dict[str, str | float] = {"fill": surface, "stroke": stroke, "stroke_width": 1.4}
    if figure.is_ghost:
        painted["stroke_dasharray"] = "6 4"
    if figure.band is Band.SOURCES:
        start, arc, back = f"M{x:.1f} {y + 4:.1f}", f"a{wide / 2:.1f} 4 0 0", f"{wide:.1f} 0"
        drum = f"{start}{arc} 1 {back}v{high - 8:.1f}{arc} 1 -{back}z"
        rim = element("path", d=f"{start}{arc} 0 {back}", fill="none", stroke=stroke, stroke_width=1.4)
        return element("path", class_="body", d=drum, **painted) + rim
    if figure.is_frozen and not figure.is_ghost:
        painted["stroke_dasharray"] = "5 3"
    rounded = {Band.FIELDS: high / 2, Band.INPUTS: 3.0}.get(figure.band, 9.0)
    body = element("rect", class_="body", x=x, y=y, width=wide, height=high, rx=rounded, **painted)
    if figure.band is Band.FIELDS:
        return body
    return body + element("rect", x=x + 4.5, y=y + 9, width=3, height=high - 18, rx=1.5, fill=colour.strong)


def _badge_width(figure: Figure) -> float:
    return width(shorten(figure.badge), SMALL) + 12 + (16 if figure.is_frozen else 0)


def _badge(figure: Figure, spot: Spot, colour: Colour) -> str:
    """Draws, in the upper right corner, a loss's weight or how a module is tuned."""
    wide = _badge_width(figure)
    x, y = spot.x + spot.width / 2 - 9 - wide, spot.y - spot.height / 2 + 7.5
    lines: dict[str, str | float] = {"fill": PANEL, "stroke": colour.strong, "stroke_opacity": "0.55"}
    pill = element("rect", x=x, y=y, width=wide, height=16, rx=8, **lines)
    flake = snowflake(x + 11, y + 8, colour.dark) if figure.is_frozen else ""
    placed: dict[str, str | float] = {"x": x + wide - 6, "y": y + 11.7, "text_anchor": "end"}
    return pill + flake + element("text", markup(shorten(figure.badge)), class_="small", **placed, fill=colour.dark)


def snowflake(x: float, y: float, colour: str) -> str:
    """Draws the mark of what is frozen, without asking a font for it."""
    arm = "M0-5V5M-1.8-4.2L0-2.6L1.8-4.2M-1.8 4.2L0 2.6L1.8 4.2"
    arms = "".join(element("path", d=arm, transform=f"rotate({angle})") for angle in (0, 60, 120))
    return element("g", arms, transform=f"translate({x:.1f} {y:.1f})", stroke=colour, fill="none")


def _term_rows(drawing: Drawing) -> list[list[str]]:
    terms = list(drawing.terms)
    return [terms[index : index + TERMS_IN_A_ROW] for index in range(0, len(terms), TERMS_IN_A_ROW)] or [[]]


def _chip_width(discipline: str) -> float:
    return width(f"1.234 · L {shorten(discipline)}", SMALL) + 14


def _objective(drawing: Drawing, figure: Figure, spot: Spot) -> str:
    top = spot.y - spot.height / 2
    edge = TROUBLED[figure.trouble].strong if figure.trouble else NEUTRAL.dark
    placed: dict[str, str | float] = {
        "x": spot.x - spot.width / 2,
        "y": top,
        "width": spot.width,
        "height": spot.height,
    }
    parts = [
        element("rect", class_="body", **placed, rx=12, fill=PANEL, stroke=edge, stroke_width=1.6),
        element("text", _formula(), class_="formula", x=spot.x, y=top + 30, text_anchor="middle", fill=INK),
    ]
    for index, row in enumerate(_term_rows(drawing)):
        x = spot.x - sum(_chip_width(term) + 8 for term in row) / 2 + 4
        for term in row:
            parts.append(_chip(drawing, term, x, top + 44 + 26 * index))
            x += _chip_width(term) + 8
    below: dict[str, str | float] = {"x": spot.x, "y": top + spot.height - 9, "text_anchor": "middle", "fill": FAINT}
    return "".join(parts) + element("text", markup(figure.subtitle), class_="small", **below)


def _formula() -> str:
    """Sets theta* = argmin_theta sum_d lambda_d L_d(M_theta)."""
    parts = [("θ*", ""), (" = argmin", "θ"), (" Σ", "d"), (" λ", "d"), (" L", "d"), ("(M", "θ"), (")", "")]
    upright = {" = argmin", " Σ", ")"}
    written, is_low = "", False
    for text, below in parts:
        raised: dict[str, str | float] = {"dy": -4} if is_low else {}
        style: dict[str, str | float] = {} if text in upright else {"font_style": "italic"}
        written += element("tspan", text, **raised, **style)
        if below:
            written += element("tspan", below, dy=4, font_size=12, font_style="italic")
        is_low = bool(below)
    return written


def _chip(drawing: Drawing, discipline: str, x: float, y: float) -> str:
    colour, wide = drawing.colour(discipline), _chip_width(discipline)
    pill = element("rect", x=x, y=y, width=wide, height=20, rx=10, fill=colour.pale, stroke=colour.strong)
    term = f"{number(drawing.terms[discipline])} · " + element("tspan", "L", font_style="italic")
    term += element("tspan", markup(shorten(discipline)), dy=2.5, font_size=9.5)
    placed: dict[str, str | float] = {"x": x + wide / 2, "y": y + 13.5, "text_anchor": "middle", "fill": colour.dark}
    return pill + element("text", term, class_="small", **placed)
