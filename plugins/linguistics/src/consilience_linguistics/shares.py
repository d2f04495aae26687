"""A share of what is counted, added up over batches and processes."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric

__all__ = ["Share"]


class Share(Metric):
    """The share of what is right: `update` of a subclass says with `_add` what is, and of how many."""

    right: Tensor
    total: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("right", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("total", torch.tensor(0), dist_reduce_fx="sum")

    def _add(self, right: int | Tensor, total: int) -> None:
        self.right += right
        self.total += total

    def compute(self) -> Tensor:
        """Gives the share; 0 where nothing was counted."""
        return self.right / self.total.clamp(min=1)
