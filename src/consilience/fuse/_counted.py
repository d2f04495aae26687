"""Tells which examples of a batch count for a loss, and how much, where the loss counts for itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from consilience.declare import Loss, Many, Port
from consilience.errors import Diagnostic, RunError
from consilience.fuse._build import attribute
from consilience.plan import TARGET, Plan, PlanNode

__all__ = ["counts_of", "miscounted", "rows_that_count"]


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


def rows_that_count(node: PlanNode, arguments: Mapping[str, Any], present: Tensor) -> dict[str, Any]:
    """Leaves to a loss of one number the rows that have what it needs: it could not tell the others from them."""
    kept = dict(arguments)
    if present.all() or not present.any():  # of no row, the value counts for nothing
        return kept
    for port, value in arguments.items():
        kind = cast("Loss", node.declaration).target if port == TARGET else node.inputs[port]
        dims = (kind.port if isinstance(kind, Many) else cast("Port", kind)).dims
        if dims and dims[0].name == "batch":
            kept[port] = [part[present] for part in value] if isinstance(value, list) else value[present]
    return kept
