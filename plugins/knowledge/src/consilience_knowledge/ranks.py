"""Measures of ranks for torchmetrics: filtered, of scores by rows."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

from consilience_knowledge.ranking import ranks

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

    def update(self, scores: Tensor, target: Tensor, known: Tensor | None = None) -> None:
        """Takes in scores (... entity), the right entity (...), and the known ones (... known), padded with 0."""
        asked = target >= 0
        scores, target = scores[asked].float(), target[asked]
        own = scores.gather(1, target.unsqueeze(1))
        if known is not None:
            scores = scores.scatter(1, known[asked], -torch.inf).scatter(1, target.unsqueeze(1), own)
        self.total += self.of(ranks(scores, target)).sum()
        self.count += len(target)

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
