"""Norms of the weights of a module, as losses. Plain PyTorch.

Yuan, Lin: Model selection and estimation in regression with grouped variables (JRSS B 2006); Fazel, Hindi, Boyd: A rank
minimization heuristic (ACC 2001); Yoshida, Miyato: Spectral Norm Regularization (2017), https://arxiv.org/abs/1705.10941.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from consilience_complexity.anatomy import Projection, inner

__all__ = ["GroupNorm", "SpectrumNorm", "matrices_of"]

_LEAST = 1e-12
"""What is added under a root: the gradient of a norm at zero is none."""


class GroupNorm(nn.Module):
    """Is the group lasso over the units of projections, over the number of their weights: Float[]."""

    def __init__(self, projections: Sequence[Projection]) -> None:
        super().__init__()
        # The layers are the module's, and not this one's: what is held in a tuple is not saved again.
        self._projections = tuple(projections)

    def forward(self) -> Tensor:
        total, weights = [], 0
        for one in self._projections:
            squares, size = _squares(one)
            total.append((squares + _LEAST).sqrt().sum() * (size / one.units) ** 0.5)
            weights += size
        return torch.stack(total).sum() / weights


def _squares(projection: Projection) -> tuple[Tensor, int]:
    """Gives the sum of squares of the weights of each unit, Float[units], and how many weights all have."""
    units, width = projection.units, projection.width
    down = inner(projection.linear).weight
    total = down.square().sum(dim=0).view(units, width).sum(dim=1)
    size = down.numel()
    for maker in map(inner, projection.makers):
        total = total + maker.weight.square().sum(dim=1).view(-1, units, width).sum(dim=(0, 2))
        size += maker.weight.numel()
    return total, size


class SpectrumNorm(nn.Module):
    """Is the mean over matrices of a norm of their singular values: Float[].

    `nuclear` is their sum over √(smaller side) and the Frobenius norm, `spectral` half the square of the largest.
    """

    def __init__(self, layers: Sequence[Any], norm: Literal["nuclear", "spectral"], sample: int | None) -> None:
        super().__init__()
        self._layers = tuple(layers)
        self.norm, self.sample = norm, sample

    def forward(self) -> Tensor:
        return torch.stack([self._of(layer.weight) for layer in self._chosen()]).mean()

    def _chosen(self) -> Iterable[Any]:
        if self.sample is None or not self.training or self.sample >= len(self._layers):
            return self._layers
        return [self._layers[index] for index in torch.randperm(len(self._layers))[: self.sample].tolist()]

    def _of(self, weight: Tensor) -> Tensor:
        weight = weight.float()
        singular: Tensor = torch.linalg.svdvals(weight)
        if self.norm == "spectral":
            return singular[0].square() / 2
        length = (weight.square().sum() + _LEAST).sqrt()
        shape: Tensor = singular.sum() / (length * min(weight.shape) ** 0.5)
        return shape


def matrices_of(module: nn.Module) -> list[Any]:
    """Gives the linear layers of a module, below what a tuner wraps around them, each once."""
    found = {id(part): part for part in module.modules() if isinstance(part, nn.Linear)}
    return list(found.values())
