"""Writes a plan as a Mermaid flowchart, which GitHub and many editors show in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from consilience.errors import Diagnostic
from consilience.plan._names import TASK
from consilience.plan._plan import Plan
from consilience.plan.drawing._draw import draw
from consilience.plan.drawing._drawing import OBJECTIVE, Arrow, ArrowKind, Band, Drawing, Figure, Trouble, number
from consilience.plan.drawing._shapes import TROUBLED

__all__ = ["to_mermaid"]

_SHAPES = {
    Band.RESOURCES: ("[(", ")]"),
    Band.SOURCES: ("[(", ")]"),
    Band.FIELDS: ("([", "])"),
    Band.INPUTS: ("[/", "/]"),
    Band.MODULES: ("[", "]"),
    Band.LOSSES: ("{{", "}}"),
    Band.METRICS: ("[[", "]]"),
    Band.OBJECTIVE: ("[", "]"),
}


_MARKUP = frozenset("#&<>\"'`;\\{}|*")


def to_mermaid(plan: Plan, diagnostics: Iterable[Diagnostic] = ()) -> str:
    """Writes a plan as a Mermaid flowchart: nodes by discipline, solved types on the edges, one text a plan.

    `diagnostics` are a survey's: they are drawn red where they are.
    """
    drawing = draw(plan, diagnostics)
    ids = {key: f"n{index}" for index, key in enumerate(drawing.figures)}
    classes = {discipline: f"d{index}" for index, discipline in enumerate(drawing.colours)}
    lines = ["flowchart TB"]
    for band in Band:
        inside = [figure for figure in drawing.figures.values() if figure.band is band]
        if inside:
            lines.append(f'  subgraph {band}_band["{band}"]')
            lines += [f"    {_node(drawing, figure, ids[figure.key])}" for figure in inside]
            lines.append("  end")
    lines += [f"  {_edge(arrow, ids)}" for arrow in drawing.arrows]
    for discipline, colour in {TASK: drawing.colour(TASK), **drawing.colours}.items():
        style = f"fill:{colour.pale},stroke:{colour.strong},color:{colour.dark}"
        members = [ids[key] for key, figure in drawing.figures.items() if figure.discipline == discipline]
        lines.append(f"  classDef {classes.get(discipline, 'task')} {style}")
        if members:
            lines.append(f"  class {','.join(members)} {classes.get(discipline, 'task')}")
    frozen = [ids[key] for key, figure in drawing.figures.items() if figure.is_frozen]
    if frozen:
        lines += ["  classDef frozen stroke-dasharray:5 4", f"  class {','.join(frozen)} frozen"]
    lines += _troubles(drawing, ids)
    return "\n".join(lines) + "\n"


def _troubles(drawing: Drawing, ids: dict[str, str]) -> Iterator[str]:
    """Gives what is at fault its colour: figures by a class, arrows by their number."""
    for trouble, colour in TROUBLED.items():
        figures = [ids[key] for key, figure in drawing.figures.items() if figure.trouble is trouble]
        arrows = [str(index) for index, arrow in enumerate(drawing.arrows) if arrow.trouble is trouble]
        if figures:
            yield f"  classDef {trouble} stroke:{colour.strong},stroke-width:3px"
            yield f"  class {','.join(figures)} {trouble}"
        if arrows:
            yield f"  linkStyle {','.join(arrows)} stroke:{colour.strong},stroke-width:3px"
    ghosts = [ids[key] for key, figure in drawing.figures.items() if figure.is_ghost]
    if ghosts:
        yield f"  classDef ghost fill:{TROUBLED[Trouble.ERROR].pale},stroke-dasharray:6 4"
        yield f"  class {','.join(ghosts)} ghost"


def _node(drawing: Drawing, figure: Figure, id_: str) -> str:
    rows = [f"<b>{_escape(figure.name)}</b>", f"<i>{_escape(figure.subtitle)}</i>"]
    if figure.badge:
        rows.append(_escape(f"❄ {figure.badge}" if figure.is_frozen else figure.badge))
    if figure.faults:
        rows.append(f"<b>✗ {len(figure.faults)}</b>")
    if figure.key == OBJECTIVE:
        rows[1:1] = [f"λ {number(weight)} · L {_escape(discipline)}" for discipline, weight in drawing.terms.items()]
    opening, closing = _SHAPES[figure.band]
    return f'{id_}{opening}"{"<br/>".join(rows)}"{closing}'


def _edge(arrow: Arrow, ids: dict[str, str]) -> str:
    line = {ArrowKind.REFERENCE: "-.->", ArrowKind.TARGET: "--o", ArrowKind.TERM: "==>"}.get(arrow.kind, "-->")
    label = f'|"{"<br/>".join(_escape(label) for label in arrow.labels)}"|' if arrow.labels else ""
    return f"{ids[arrow.source]} {line}{label} {ids[arrow.target]}"


def _escape(text: str) -> str:
    """Writes what Mermaid or the HTML of its labels would read as markup by its number, in Mermaid's `#60;` form."""
    return "".join(f"#{ord(char)};" if char in _MARKUP else char for char in text)
