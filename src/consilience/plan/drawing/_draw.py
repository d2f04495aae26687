"""Collects what a picture of a plan shows: every node and every tensor's way, with the faults where they are."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace

from consilience.errors import Diagnostic, Path
from consilience.plan._names import TASK
from consilience.plan._plan import Plan
from consilience.plan.drawing._arrows import columns, losses, references, resources_used, tensors
from consilience.plan.drawing._drawing import (
    OBJECTIVE,
    PALETTE,
    Arrow,
    Drawing,
    Figure,
    Trouble,
    faults_by_key,
    trouble_of,
)
from consilience.plan.drawing._figures import figure_of_node, figure_of_resource, figure_of_source, objective
from consilience.plan.drawing._ranks import cyclic_pairs, ranked
from consilience.plan.drawing._unsolved import unsolved

__all__ = ["draw"]


def draw(plan: Plan, diagnostics: Iterable[Diagnostic] = ()) -> Drawing:
    """Collects the figures and arrows of a plan, each once and in an order that only the plan decides.

    `diagnostics` are what a survey found: they stand at their figures and arrows. Of a partial plan the picture also
    shows what is declared or named and could not be followed.
    """
    told = tuple(diagnostics)
    arrows = [*columns(plan), *tensors(plan), *references(plan), *losses(plan)]
    if told:
        lacking, ghosts = unsolved(plan)
        arrows += lacking
    else:
        ghosts = []
    shown = {"/".join(map(str, item.path[:2])) for item in told} | {arrow.source for arrow in arrows}
    resources = [name for name in sorted(plan.fusion.resources) if f"resources/{name}" in shown]
    arrows += resources_used(plan, resources)
    written = {name: node for section, name, node in plan.fusion.nodes() if section not in ("resources", "sources")}
    figures = [
        *(figure_of_resource(plan, name) for name in resources),
        *(figure_of_source(plan, name) for name in sorted(plan.fusion.sources)),
        *(figure_of_node(plan, plan.nodes[name], written.get(name)) for name in plan.order),
        *ghosts,
        objective(plan),
    ]
    seats: dict[str, list[int]] = {}
    keys = {figure.key for figure in figures}
    for index, item in enumerate(told):
        seats.setdefault(_seat(keys, item.path), []).append(index)
    disciplines = sorted({figure.discipline for figure in figures} - {TASK})
    weights = plan.fusion.objective.weights
    return Drawing(
        plan.fusion.name,
        {figure.key: _troubled(figure, seats.get(figure.key, []), told) for figure in ranked(figures, arrows)},
        _told(arrows, told),
        {discipline: PALETTE[index % len(PALETTE)] for index, discipline in enumerate(disciplines)},
        {discipline: weights.get(discipline, 1.0) for discipline in plan.disciplines},
        told,
    )


def _seat(keys: Container[str], path: Path) -> str:
    """Gives the key of the figure that a path of the file is about, or nothing when it is about none."""
    if path and path[0] == "objective":
        return OBJECTIVE
    section, name = (str(part) for part in (*path, "", "")[:2])
    likely = () if section == "train" else (f"{section}/{name}", name, f"missing/{name}")
    return next((key for key in likely if key in keys), "")


def _troubled(figure: Figure, faults: Sequence[int], told: Sequence[Diagnostic]) -> Figure:
    trouble = Trouble.ERROR if figure.is_ghost else trouble_of(told[index] for index in faults)
    lines = [f"{told[index].severity} {told[index].code}: {told[index].found}" for index in faults]
    return replace(figure, faults=tuple(faults), trouble=trouble, details=(*figure.details, *lines))


def _told(arrows: Sequence[Arrow], told: Sequence[Diagnostic]) -> list[Arrow]:
    """Marks the arrows that a diagnostic is about: those whose key it names, and those that run in a circle."""
    about = faults_by_key(told)
    circles = cyclic_pairs(arrows) if any(item.code == "CN304" for item in told) else set()
    marked = []
    for arrow in arrows:
        found = trouble_of(told[index] for key in arrow.keys for index in about.get(key, ()))
        trouble = Trouble.ERROR if (arrow.source, arrow.target) in circles else found
        marked.append(replace(arrow, trouble=trouble) if trouble else arrow)
    return marked
