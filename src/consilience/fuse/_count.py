"""Counts the parameters of a plan's modules, and of each discipline."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from consilience.fuse._build import build_nodes
from consilience.fuse._model import FusedModel
from consilience.plan import TASK, Plan
from consilience.plan.drawing import Parameters

__all__ = ["count_by_discipline", "count_parameters", "parameters_of"]


def count_parameters(plan: Plan) -> dict[str, Parameters]:
    """Counts, for every module and loss that has parameters, those that training changes and those it does not.

    Builds the model under FakeTensorMode, where tensors have shapes and no values; for real where a component's build
    computes with values. A `share:` node has none of its own, and what two modules have in common counts for the first.
    """
    seed = plan.fusion.train.seed
    added: dict[str, int] = {}
    try:
        with torch.random.fork_rng(devices=[]), FakeTensorMode(allow_non_fake_inputs=True):
            built = build_nodes(plan, seed, added)
    except Exception:
        built = build_nodes(plan, seed, added)
    return _counted({name: module for name, module in built.items() if not plan.nodes[name].share}, added)


def parameters_of(model: FusedModel) -> dict[str, Parameters]:
    """Counts the same in a model that is built; the parameters of its balancer go by the name of no node, `""`."""
    return _counted({**dict(model.nodes.named_children()), "": model.balancer}, model.added_by_tuners)


def count_by_discipline(plan: Plan, counts: Mapping[str, Parameters]) -> dict[str, Parameters]:
    """Sums what was counted over the nodes of each discipline; standard components are the task's."""
    found: dict[str, Parameters] = {}
    for name, one in counts.items():
        discipline = plan.nodes[name].discipline if name else TASK
        sum_ = found.get(discipline, Parameters(0, 0))
        found[discipline] = Parameters(sum_.trained + one.trained, sum_.frozen + one.frozen, sum_.added + one.added)
    return dict(sorted(found.items(), key=lambda item: (item[0] != TASK, item[0])))


def _counted(modules: Mapping[str, nn.Module], added: Mapping[str, int]) -> dict[str, Parameters]:
    seen: set[int] = set()
    counts = {}
    for name, module in modules.items():
        new = [parameter for parameter in module.parameters() if id(parameter) not in seen]
        seen.update(map(id, new))
        trained = sum(parameter.numel() for parameter in new if parameter.requires_grad)
        if new:
            frozen = sum(parameter.numel() for parameter in new) - trained
            counts[name] = Parameters(trained, frozen, added.get(name, 0))
    return counts
