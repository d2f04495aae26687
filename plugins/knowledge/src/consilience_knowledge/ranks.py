"""Measures of ranks for torchmetrics."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

__all__ = ["MeanReciprocalRank", "ShareOfRanks"]


class _OfRanks(Metric):
    """Sums a number of each rank up, and gives its mean; -100 is no answer, and is not counted."""

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, ranks: Tensor, target: Tensor) -> None:
        """Takes in ranks (batch side), and what was asked for (batch side)."""
        found = ranks[target >= 0].double()
        self.total += self.of(found).sum()
        self.count += len(found)

    def of(self, found: Tensor) -> Tensor:
        """Gives what is summed of ranks."""
        raise NotImplementedError

    def compute(self) -> Tensor:
        """Gives the mean; 0 where nothing was asked."""
        return (self.total / self.count.clamp(min=1)).float()


class MeanReciprocalRank(_OfRanks):
    """The mean of 1 / rank."""

    def of(self, found: Tensor) -> Tensor:
        """Turns ranks over."""
        return 1 / found


class ShareOfRanks(_OfRanks):
    """The share of ranks up to a number."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def of(self, found: Tensor) -> Tensor:
        """Counts a rank that is low enough."""
        return (found <= self.most).double()
