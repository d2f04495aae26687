"""Checks a fusion: names, wiring, dims, label spaces, learning; draws what it found; reduces it to some losses.

Drawing and reducing are imported when they are asked for, so that a check alone does not wait for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from consilience.plan._check import Purpose, Survey, check, survey
from consilience.plan._fitted import fitted_of
from consilience.plan._names import TASK
from consilience.plan._plan import Plan
from consilience.plan._plan_node import TARGET, Edge, PlanNode, Ref
from consilience.plan._schedules import schedule_faults
from consilience.plan._trunk import objectives_of, trunk_of
from consilience.plan._weighing import rests, schedules_of

if TYPE_CHECKING:
    from consilience.plan._reduce import reduced
    from consilience.plan.drawing import to_html, to_mermaid, to_svg

__all__ = [
    "TARGET",
    "TASK",
    "Edge",
    "Plan",
    "PlanNode",
    "Purpose",
    "Ref",
    "Survey",
    "check",
    "fitted_of",
    "objectives_of",
    "reduced",
    "rests",
    "schedule_faults",
    "schedules_of",
    "survey",
    "to_html",
    "to_mermaid",
    "to_svg",
    "trunk_of",
]

_MODULES = {"reduced": "_reduce", "to_html": "drawing", "to_mermaid": "drawing", "to_svg": "drawing"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'consilience.plan' has no attribute {name!r}")
    return getattr(import_module(f"consilience.plan.{_MODULES[name]}"), name)
