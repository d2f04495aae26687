"""Declares what the study of complexity offers to a fusion: the size of a module as a loss, and its measured cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consilience.declare import Component, hookimpl
from consilience_complexity._declarations import Sparsity

__all__ = ["Sparsity"]


@hookimpl
def consilience_components() -> list[type[Component]]:
    return [Sparsity]


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
