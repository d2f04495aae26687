"""Honour of a balancer by gradients: it is asked once, with gradients at right angles, and must give what it says."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from consilience.declare import GradientBalancer, Sees
from consilience.errors import Diagnostic
from consilience.fuse._balancer import in_balancer
from consilience.plan import Plan, objectives_of

__all__ = ["check_gradient_balancer"]


def check_gradient_balancer(module: nn.Module, plan: Plan, declared: GradientBalancer) -> Iterator[Diagnostic]:
    """Sees that it gives a finite weight for each objective, or a gradient as long as the rows that it is given.

    Its numbers are real: what it solves by other libraries would not run on tensors without memory.
    """
    names = tuple(objectives_of(plan, declared.per))
    if not names:
        return
    name = plan.fusion.objective.balance["use"]
    rows = torch.eye(len(names), dtype=torch.float64)
    if declared.sees is Sees.JACOBIAN:
        rows = torch.cat([rows, rows], dim=1).float()
    with torch.no_grad(), torch.random.fork_rng(devices=[]), in_balancer(plan, "forward"):
        given = module(rows, torch.ones(len(names), dtype=torch.float64), names)
    if not isinstance(given, Tensor) or given.shape != rows.shape[1:] or not torch.isfinite(given).all():
        shown = list(given.shape) if isinstance(given, Tensor) else type(given).__name__
        expected = f"Float[{rows.shape[1]}], all of it finite"
        yield Diagnostic(
            "CN312", ("objective", "balance"), f"{shown} from {name}", expected, f"# mend the forward of {name}"
        )
