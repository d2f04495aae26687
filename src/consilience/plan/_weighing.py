"""What weighs a loss beside its weight: schedules of its own and of its discipline, and a weight for each example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consilience.declare import Fusion, Schedule
from consilience.plan._names import discipline_of

if TYPE_CHECKING:
    from consilience.plan._plan import Plan

__all__ = ["rests", "schedules_of", "weighing", "weighing_words"]


def schedules_of(fusion: Fusion, loss: str) -> list[Schedule]:
    """Lists the schedules that a loss follows: its own and that of its discipline, if there are any."""
    node = fusion.losses[loss]
    both = (node.schedule, fusion.objective.schedules.get(discipline_of(node)))
    return [schedule for schedule in both if schedule is not None]


def weighing(fusion: Fusion, loss: str) -> dict[str, Any]:
    """Gives what weighs a loss from step to step and from row to row, as plain data; what does not is left out."""
    schedules = [dict(schedule.keys) for schedule in schedules_of(fusion, loss)]
    field = fusion.losses[loss].example_weight
    return ({"schedules": schedules} if schedules else {}) | ({"example_weight": field} if field else {})


def weighing_words(fusion: Fusion, loss: str) -> list[tuple[str, Any]]:
    """Gives what weighs a loss as the file has it, under a word for each, for a picture."""
    field = fusion.losses[loss].example_weight
    told: list[tuple[str, Any]] = [("schedule", one.model_dump(mode="json")) for one in schedules_of(fusion, loss)]
    return told + ([("example weight", field)] if field else [])


def rests(plan: Plan, loss: str) -> bool:
    """Tells whether a loss may be off in some step: its weight is 0, or a schedule leaves nothing of it."""
    return not plan.weight(loss) or any(
        schedule.start > 0 or (schedule.stop is not None and not schedule.floor)
        for schedule in schedules_of(plan.fusion, loss)
    )
