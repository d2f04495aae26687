"""The section on cost of an evaluation's report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from consilience_complexity.course import course_of
from consilience_complexity.gates import expected_share, gates_of
from consilience_complexity.measure import measure

__all__ = ["report_section"]

_SHOWN = 5
"""How many points of a training's course are shown."""


def report_section(model: nn.Module, batch: Mapping[str, Any]) -> Mapping[str, float | int | str]:
    """Gives the cost of a model by what people call it; the shares of the gates only where the model has gates."""
    cost = measure(model, (batch,))
    section: dict[str, float | int | str] = {
        "parameters": cost.parameters,
        "trainable parameters": cost.trainable,
        "FLOPs a batch": cost.flops,
        "latency ms (median)": cost.latency_median,
        "latency ms (quartiles)": f"{cost.latency_first_quartile:.2f} to {cost.latency_third_quartile:.2f}",
        "device": cost.device,
    }
    gates = list(gates_of(model))
    if gates:
        section["parameters kept by the gates"] = cost.kept_parameters
        section["expected share kept"] = expected_share(gates).item()
        section |= _course(model)
    return section


def _course(model: nn.Module) -> dict[str, str]:
    course = course_of(model)
    if course is None or not course.steps:
        return {}
    points = list(zip(course.steps, course.shares, strict=True))
    chosen = dict.fromkeys(points[round(part * (len(points) - 1) / (_SHOWN - 1))] for part in range(_SHOWN))
    return {"share kept by step": ", ".join(f"{step}: {share:.3f}" for step, share in chosen)}
