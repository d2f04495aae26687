"""Checks a fusion: names, wiring, dims, label spaces, learning; draws what it found."""

from consilience.plan._check import Purpose, check
from consilience.plan._mermaid import to_mermaid
from consilience.plan._plan import TARGET, TASK, Edge, Plan, PlanNode, Ref
from consilience.plan._reduce import reduced
from consilience.plan._svg import to_svg

__all__ = ["TARGET", "TASK", "Edge", "Plan", "PlanNode", "Purpose", "Ref", "check", "reduced", "to_mermaid", "to_svg"]
