"""What DistributedDataParallel must know where losses may be off: the balancer's parameters are used all the same."""

from __future__ import annotations

from typing import Any

import torch

from consilience.fuse import FusedModel, FusedOutput

__all__ = ["with_balancer"]


def with_balancer(model: FusedModel, arguments: Any, output: FusedOutput) -> FusedOutput:
    """Lets a forward's output depend on the balancer's parameters, which the objective uses after it.

    DistributedDataParallel takes for unused what no output depends on, and fails where a gradient comes all the same.
    """
    used = [parameter.sum() for parameter in model.balancer.parameters() if parameter.requires_grad]
    if not used:
        return output
    tensors = {**(output.tensors or {}), "objective.balance": torch.stack(used).sum()}
    return FusedOutput(tensors=tensors, losses=output.losses)
