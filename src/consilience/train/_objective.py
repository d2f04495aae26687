"""The objective: the weighted sum of the losses, each the exact mean over what counts in a step's whole window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from consilience.fuse import FusedModel, FusedOutput

__all__ = ["Objective", "Terms", "Window"]


@dataclass(frozen=True)
class Window:
    """What one optimizer step averages over: all its micro-batches, in all processes.

    `counts` holds, for each loss of values an example, the sum of what counts (`Float[""]`); `batches` the number of
    micro-batches in this process; `step` how many steps of the optimizer lie before this one.
    """

    counts: Mapping[str, Tensor]
    batches: int = 1
    processes: int = 1
    step: int = 0


@dataclass(frozen=True)
class Terms:
    """One micro-batch's part of the objective: its total, and every loss before and after weighing, detached.

    `given` holds each loss as the balancer is given it, weighted, with its graph: what gradients are taken of one by
    one. Averaged over the processes, its gradients are those of the window, as those of `total` are.
    """

    total: Tensor
    losses: Mapping[str, Tensor]
    weighted: Mapping[str, Tensor]
    given: Mapping[str, Tensor]


class Objective:
    """Computes sum_d lambda_d L_d for a fused model.

    Each loss is sum(values) / sum(counts) over the examples that have what the loss needs, across the micro-batches and
    the processes of one optimizer step, so that neither accumulation nor missing targets change the gradient.
    """

    def __init__(self, model: FusedModel) -> None:
        self._model = model
        plan = model.plan
        self.losses = tuple(node.name for node in plan.of("losses"))
        self._weights = {name: plan.weight(name) for name in self.losses}

    def counts(self, batches: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Sums, for each loss with values an example, what counts in this process's micro-batches."""
        found: dict[str, Tensor] = {}
        for name in self.losses:
            counted = [self._model.count(name, batch) for batch in batches]
            sums = [count.sum() for count in counted if count is not None]
            if sums:
                found[name] = torch.stack(sums).sum()
        return found

    def __call__(self, output: FusedOutput, batch: Mapping[str, Tensor], window: Window) -> Terms:
        """Gives one micro-batch's part of the objective over its window."""
        assert output.losses is not None
        means = {name: self._mean(name, output.losses[name], batch, window) for name in self.losses}
        given = {name: self._weights[name] * mean for name, mean in means.items()}
        factors, penalties = self._model.balancer(given)
        weighted = {name: factors[name] * value for name, value in given.items()}
        # Across processes gradients are averaged: what was divided by a sum over all of them is multiplied back.
        total = torch.stack([self._back(name, value, window) for name, value in weighted.items()]).sum()
        for name, penalty in penalties.items():
            total = total + self._if_counted(name, penalty, window) / window.batches
        return Terms(
            total,
            {name: self._back(name, mean.detach(), window) for name, mean in means.items()},
            {name: self._back(name, value.detach(), window) for name, value in weighted.items()},
            {name: self._back(name, value, window) for name, value in given.items()},
        )

    def _mean(self, name: str, value: Tensor, batch: Mapping[str, Tensor], window: Window) -> Tensor:
        if name not in window.counts:
            return value / window.batches
        present = self._model.present(name, batch)
        return torch.where(present, value, 0.0).sum() / window.counts[name].clamp(min=1e-12)

    def _if_counted(self, name: str, penalty: Tensor, window: Window) -> Tensor:
        """Leaves the penalty out where no example of the window counts for the loss: it would be all that is learnt."""
        return penalty * (window.counts[name] > 0) if name in window.counts else penalty

    def _back(self, name: str, value: Tensor, window: Window) -> Tensor:
        return value * window.processes if name in window.counts else value
