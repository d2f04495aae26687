"""Checks a fusion: names, wiring, dims, label spaces, learning; draws what it found."""

from consilience.plan._check import check
from consilience.plan._plan import TARGET, TASK, Edge, Plan, PlanNode, Ref

__all__ = ["TARGET", "TASK", "Edge", "Plan", "PlanNode", "Ref", "check"]
