"""Asks the losses that count for themselves what each example of a batch brings to their mean."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from consilience.errors import Diagnostic, RunError
from consilience.fuse._build import attribute
from consilience.plan import Plan, PlanNode

__all__ = ["counts_of", "miscounted"]


def counts_of(plan: Plan, node: PlanNode, module: nn.Module, target: Tensor) -> Tensor:
    """Gives what a loss's own `count` says of each example (`Float["batch"]`), not a number where that is no count.

    What is below 0 or not finite would spoil the mean silently; as it is, the loss is seen not to be finite. Raises
    `RunError` where there is not one number an example.
    """
    counter: Any = module.count
    try:
        counted = counter(target)
    except Exception as error:
        attribute(error, plan, node, "count")
        raise
    if not isinstance(counted, Tensor) or counted.shape != target.shape[:1]:
        shown = f"the shape {tuple(counted.shape)}" if isinstance(counted, Tensor) else type(counted).__name__
        raise RunError(plan.fusion.locate([miscounted(plan, node.name, f"{shown}, for {len(target)} examples,")]))
    return torch.where(torch.isfinite(counted) & (counted >= 0), counted, torch.nan)


def miscounted(plan: Plan, loss: str, found: str, rows: str = "") -> Diagnostic:
    """Tells that the `count` of a loss gives what no mean can be taken over."""
    node = plan.nodes[loss]
    whose = f"{found} from the count of {loss} ({node.component}, discipline {node.discipline}){rows}"
    fix = f"# mend count of {node.component}: one number an example, finite and at least 0"
    return Diagnostic("CN762", ("losses", loss), whose, 'Float["batch"], finite and at least 0', fix)
