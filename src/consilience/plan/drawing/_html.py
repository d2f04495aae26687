"""Writes a plan as a page to look around in: one self-contained file, with all that is known of each node."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from consilience.errors import Diagnostic
from consilience.plan._names import TASK
from consilience.plan._plan import Plan
from consilience.plan.drawing._draw import draw
from consilience.plan.drawing._drawing import NEUTRAL, ArrowKind, Band, Colour, Drawing, trouble_of
from consilience.plan.drawing._facts import Parameters, facts, line_of
from consilience.plan.drawing._picture import GROUND, picture, style_of
from consilience.plan.drawing._shapes import FAINT, INK, PANEL, TROUBLED, WHISPER, element, markup

__all__ = ["to_html"]

CROWD = 250
"""Above so many nodes nothing fades, and the picture is first shown as it is far off, so that all stays quick."""
_PAGE = Path(__file__).with_name("page")
_COUNTED = {
    Band.INPUTS: ("input", "inputs"),
    Band.MODULES: ("module", "modules"),
    Band.LOSSES: ("loss", "losses"),
    Band.METRICS: ("metric", "metrics"),
}
_CLOSING = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def to_html(
    plan: Plan, diagnostics: Iterable[Diagnostic] = (), parameters: Mapping[str, Parameters] | None = None
) -> str:
    """Writes a plan as one HTML page: its picture to move and zoom, a panel on each node, a list of the faults.

    The page needs nothing from elsewhere and sends nothing. `diagnostics` are a survey's; `parameters` are counts by
    module, shown where they are given.
    """
    drawing = draw(plan, diagnostics)
    drawn = picture(drawing)
    style = "\n".join([style_of(drawing), *_schemes(drawing), _read("page.css")])
    body = "\n".join(_read(name) for name in ("camera.js", "panel.js", "page.js"))
    script = f'(() => {{\n"use strict";\n{body}}})();\n'
    parts = {
        "policy": _policy(script, style),
        "name": markup(plan.fusion.name),
        "style": style,
        "summary": _summary(drawing),
        "faults": _fault_list(drawing),
        "legend": "\n".join(_legend(drawing)),
        "width": f"{drawn.width:.1f}",
        "height": f"{drawn.height:.1f}",
        "distance": "crowded far farther" if len(drawing.figures) > CROWD else "",
        "picture": drawn.body,
        "facts": _data({**facts(plan, drawing, parameters), "labelled": drawn.labelled}),
        "script": script,
    }
    pieces = _read("page.html").split("%%")  # every second one names a part; no part is looked through
    return "".join(parts[piece] if index % 2 else piece for index, piece in enumerate(pieces))


def _read(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")


def _data(told: Mapping[str, Any]) -> str:
    """Writes data as JSON that ends no script, whatever a name holds."""
    return json.dumps(told, separators=(",", ":")).translate(_CLOSING)


def _policy(script: str, style: str) -> str:
    """Allows this script and this style alone: no other, no picture, font or request."""

    def allowed(text: str) -> str:
        return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

    rules = [f"script-src {allowed(script)}", f"style-src {allowed(style)}"]
    return "; ".join(["default-src 'none'", *rules, "base-uri 'none'", "form-action 'none'"])


def _schemes(drawing: Drawing) -> Iterator[str]:
    """Gives the picture's colours their counterparts on a dark ground."""
    plain = {INK: "--ink", FAINT: "--faint", WHISPER: "--whisper", PANEL: "--sheet", GROUND: "--ground"}
    for colour, variable in plain.items():
        yield _rule(colour, f"var({variable})")
    known = [NEUTRAL, *drawing.colours.values(), *(TROUBLED.values() if drawing.diagnostics else ())]
    for colour in dict.fromkeys(known):
        for own, dark in _in_the_dark(colour):
            yield _rule(own, f"light-dark({own}, {dark})")


def _in_the_dark(colour: Colour) -> Iterator[tuple[str, str]]:
    yield colour.dark, f"color-mix(in oklab, {colour.strong} 45%, #ffffff)"
    yield colour.pale, f"color-mix(in oklab, {colour.strong} 24%, #161c26)"
    yield colour.strong, f"color-mix(in oklab, {colour.strong} 80%, #ffffff)"


def _rule(colour: str, value: str) -> str:
    return f'[fill="{colour}"] {{ fill: {value} }}\n[stroke="{colour}"] {{ stroke: {value} }}'


def _summary(drawing: Drawing) -> str:
    counts = Counter(figure.band for figure in drawing.figures.values())
    words = [f"{counts[band]} {one if counts[band] == 1 else more}" for band, (one, more) in _COUNTED.items()]
    return " · ".join(word for word in words if not word.startswith("0 "))


def _fault_list(drawing: Drawing) -> str:
    """Writes the diagnostics in the order of the file, readable without a script too."""
    if not drawing.diagnostics:
        return ""
    counts = Counter(item.severity for item in drawing.diagnostics)
    heading = ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for word, count in sorted(counts.items()))
    items = "\n".join(_fault(index, item) for index, item in enumerate(drawing.diagnostics))
    worst = trouble_of(drawing.diagnostics)
    return (
        f'<aside id="faults" class="{worst}" aria-label="faults">\n<h2>{heading}</h2>\n<ol>\n{items}\n</ol>\n</aside>'
    )


def _fault(index: int, item: Diagnostic) -> str:
    place = element("span", markup(line_of(item.place)), class_="place") if item.place else ""
    rows = [("found", item.found), ("expected", item.expected), ("fix", item.fix)]
    listed = "".join(f'<dt>{word}</dt><dd class="{word}">{markup(text)}</dd>' for word, text in rows)
    head = f'<span class="code">{markup(item.code)}</span> <span class="where">{markup(item.where)}</span> {place}'
    return (
        f'<li class="{item.severity}"><button type="button" data-fault="{index}">{head}</button><dl>{listed}</dl></li>'
    )


def _legend(drawing: Drawing) -> Iterator[str]:
    """Writes a switch for each discipline, then the kinds of line."""
    for index, discipline in enumerate((TASK, *drawing.colours)):
        colour = drawing.colour(discipline)
        painted: dict[str, str | float] = {"fill": colour.pale, "stroke": colour.strong, "stroke_width": 1.5}
        swatch = element("rect", x=1.0, y=1.0, width=10.0, height=10.0, rx=3.0, **painted)
        swatch = element("svg", swatch, width=12.0, height=12.0, aria_hidden="true")
        yield element(
            "button", swatch + markup(discipline), type="button", data_discipline=str(index), aria_pressed="true"
        )
    shown = {arrow.kind for arrow in drawing.arrows}
    for kind, word in ((ArrowKind.TENSOR, "tensor"), (ArrowKind.TARGET, "target"), (ArrowKind.REFERENCE, "parameters")):
        if kind in shown:
            line = element("path", class_="line", d="M0 4h26", stroke=FAINT)
            sample = element("svg", line, class_=f"edge {kind}", width=26.0, height=8.0, aria_hidden="true")
            yield element("span", sample + word)
