"""Refuses to keep weights that are not finite: no later step can mend them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from consilience.errors import Diagnostic, RunError, shortlist
from consilience.train._checkpoints._sharded import gathered

__all__ = ["refuse_not_finite"]


def refuse_not_finite(weights: Mapping[str, Tensor], step: int, kept: str) -> None:
    """Raises `RunError` where a weight that a step left is not finite; `kept` says what stands all the same.

    Of weights in shards every process calls it.
    """
    bad = [name for name, value in weights.items() if not gathered(torch.isfinite(value).all())]
    if bad:
        found = f"{len(bad)} weights that are not finite after step {step}: {shortlist(bad, 3)}"
        fix = "train: {learning_rate: 1.0e-5}" if step > 1 else "# mend the component whose gradient is not finite"
        raise RunError(Diagnostic("CN703", (), found, f"finite weights; {kept}", fix))
