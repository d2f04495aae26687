"""Counts the parameters of a plan's modules, without their weights."""

from __future__ import annotations

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from consilience.fuse._build import build_nodes
from consilience.plan import Plan
from consilience.plan.drawing import Parameters

__all__ = ["count_parameters"]


def count_parameters(plan: Plan) -> dict[str, Parameters]:
    """Counts, for every module and loss that has parameters, those that training changes and those it does not.

    Builds the model under FakeTensorMode, where tensors have shapes and no values; for real where a component's build
    computes with values. A `share:` node has none of its own.
    """
    seed = plan.fusion.train.seed
    try:
        with torch.random.fork_rng(devices=[]), FakeTensorMode(allow_non_fake_inputs=True):
            built = build_nodes(plan, seed)
    except Exception:
        built = build_nodes(plan, seed)
    counts = {name: _count(module) for name, module in built.items() if not plan.nodes[name].share}
    return {name: found for name, found in counts.items() if found.trained or found.frozen}


def _count(module: nn.Module) -> Parameters:
    parameters = list(module.parameters())
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    return Parameters(trained, sum(parameter.numel() for parameter in parameters) - trained)
