"""Checks a fusion: names, wiring, dims, label spaces, learning; draws what it found.

The drawing is imported when it is asked for, so that a check alone does not wait for it.
"""

from typing import TYPE_CHECKING, Any

from consilience.plan._check import Purpose, check
from consilience.plan._plan import TARGET, TASK, Edge, Plan, PlanNode, Ref

if TYPE_CHECKING:
    from consilience.plan._mermaid import to_mermaid
    from consilience.plan._svg import to_svg

__all__ = ["TARGET", "TASK", "Edge", "Plan", "PlanNode", "Purpose", "Ref", "check", "to_mermaid", "to_svg"]


def __getattr__(name: str) -> Any:
    if name == "to_mermaid":
        from consilience.plan._mermaid import to_mermaid

        return to_mermaid
    if name == "to_svg":
        from consilience.plan._svg import to_svg

        return to_svg
    raise AttributeError(f"module 'consilience.plan' has no attribute {name!r}")
