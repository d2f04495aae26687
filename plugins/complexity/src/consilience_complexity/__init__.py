"""Declares what the study of complexity offers: the size of a module as a loss, and its measured cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from consilience.declare import Component, hookimpl
from consilience_complexity._compact import CompactEncoder
from consilience_complexity._distilling import (
    AttentionDistillation,
    Distillation,
    StateDistillation,
    Teacher,
    TrainedRun,
)
from consilience_complexity._gated import Budget, Sparsity
from consilience_complexity._norms import GroupLasso, NuclearNorm, SpectralNorm
from consilience_complexity._table import LatencyTable

if TYPE_CHECKING:
    import click

__all__ = [
    "AttentionDistillation",
    "Budget",
    "CompactEncoder",
    "Distillation",
    "GroupLasso",
    "LatencyTable",
    "NuclearNorm",
    "Sparsity",
    "SpectralNorm",
    "StateDistillation",
    "Teacher",
    "TrainedRun",
]


@hookimpl
def consilience_components() -> list[type[Component]]:
    return [
        Sparsity,
        Budget,
        LatencyTable,
        GroupLasso,
        NuclearNorm,
        SpectralNorm,
        TrainedRun,
        Teacher,
        Distillation,
        StateDistillation,
        AttentionDistillation,
        CompactEncoder,
    ]


@hookimpl
def consilience_commands() -> list[click.Command]:
    from consilience_complexity.commands import compress, profile

    return [compress, profile]


@hookimpl
def consilience_model_built(model: Any) -> None:
    from consilience_complexity.course import follow

    follow(model)


@hookimpl
def consilience_step_ended(model: Any, step: int) -> Mapping[str, Any]:
    from consilience_complexity.course import note

    return note(model, step)


@hookimpl
def consilience_state(model: Any) -> Mapping[str, Any]:
    from consilience_complexity.course import course_of

    course = course_of(model)
    return {} if course is None else course.state()


@hookimpl
def consilience_state_restored(model: Any, state: Mapping[str, Any]) -> None:
    from consilience_complexity.course import Course, follow

    if state:
        follow(model, Course.of_state(state))


@hookimpl
def consilience_report_section(model: Any, batch: Mapping[str, Any]) -> Mapping[str, object]:
    from consilience_complexity.report import report_section

    return report_section(model, batch)
