"""Checks what weighs the losses from step to step and the examples from row to row."""

from __future__ import annotations

from collections.abc import Mapping

from consilience.declare import Loss, LossNode
from consilience.errors import Part, Path, nearest, shortlist
from consilience.plan._names import discipline_of
from consilience.plan._resolved import Resolved
from consilience.plan._schedules import schedule_faults

__all__ = ["check_weighed"]


def check_weighed(resolved: Resolved, weights: Mapping[str, float]) -> None:
    """Notes schedules that cannot be followed, and weights of examples that cannot be read or weigh nothing."""
    disciplines = sorted({discipline_of(node) for node in resolved.fusion.losses.values()})
    unknown = [name for name in resolved.fusion.objective.schedules if name not in disciplines]
    for name in unknown:
        near = nearest(name, disciplines) or (disciplines[0] if len(disciplines) == 1 else None)
        expected = f"one of {', '.join(disciplines)}"
        fix = f"{near}:" if near else f"# write {expected} in place of {name}"
        path: Path = ("objective", "schedules", name)
        resolved.fault("CN403", path, f"{name}, which brings no loss", expected, fix, Part.KEY)
    losses = [name for name, weight in weights.items() if weight > 0]
    if not unknown and not any("schedule" in path or "schedules" in path for path in resolved.lost):
        resolved.faults += schedule_faults(resolved.fusion, losses, _steps(resolved))
    for name, node in resolved.fusion.losses.items():
        if node.example_weight is not None and ("losses", name, "example_weight") not in resolved.lost:
            _check_field(resolved, name, node, node.example_weight)


def _steps(resolved: Resolved) -> int | None:
    """Gives how many steps a training has, where the file says it."""
    steps = resolved.fusion.train.arguments.get("max_steps")
    return steps if type(steps) is int and steps > 0 else None


def _check_field(resolved: Resolved, name: str, node: LossNode, field: str) -> None:
    """Sees that what weighs the examples of a loss is a field of numbers."""
    fields, path = resolved.fusion.fields, ("losses", name, "example_weight")
    numbers = [other for other, kind in fields.items() if kind.word == "number"]
    near = nearest(field, numbers) or nearest(field, fields)
    if field in fields and fields[field].word == "number":
        _check_weighs(resolved, name, field, path)
    elif field in fields:
        found = f"{field}, a field of {fields[field].word}"
        fix = (
            f"example_weight: {near if near in numbers else numbers[0]}"
            if numbers
            else "# remove the key example_weight"
        )
        resolved.fault("CN432", path, found, "a field of number", fix)
    elif not resolved.is_gone(field):
        expected = f"one of {shortlist(numbers)}" if numbers else "a field of number, declared under fields"
        fix = f"example_weight: {near}" if near else f"{field}: number  # under fields"
        resolved.fault("CN212", path, f"the field {field}, which is not declared", expected, fix)


def _check_weighs(resolved: Resolved, name: str, field: str, path: Path) -> None:
    """Sees that a loss has a value for each example, and that some source has weights for them."""
    planned, sources = resolved.nodes.get(name), resolved.fusion.sources
    if planned is not None and isinstance(planned.declaration, Loss) and not planned.declaration.value.dims:
        found = f"{field}, and {planned.component} gives one number, not one for each example"
        fix = "# remove the key example_weight"
        resolved.fault("CN432", path, found, "a loss with a value for each example", fix, Part.KEY)
    if sources and not resolved.may_fill_any and not any(field in source.map for source in sources.values()):
        fix = f"{field}: {field}  # under sources.{next(iter(sources))}.map"
        resolved.fault("CN404", path, f"{field}, which no source fills", "a field that some source maps", fix)
