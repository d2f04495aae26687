"""What each loss brings to its mean: its values over the rows that count, and what these count."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from consilience.fuse import FusedModel
from consilience.plan import Plan
from consilience.train._objective._rows import counted_rows

__all__ = ["Means", "sums_in"]


class Means:
    """Takes a micro-batch's part of every loss's mean: in training, and where a loss is measured.

    A loss is sum(parts) / sum(counts) over the examples that have what it needs. An example's weight multiplies its
    value and its count. A loss of one number that reads rows is the mean over the micro-batches, each as often as it
    has rows that count. `plan` is the whole fusion's, where the model is loaded for use.
    """

    def __init__(self, model: FusedModel, plan: Plan) -> None:
        self._model, self._plan = model, model.plan
        self._weighted_by = {name: node.example_weight for name, node in plan.fusion.losses.items()}

    def counted(self, name: str, batch: Mapping[str, Tensor]) -> Tensor | None:
        """Gives what each row of a micro-batch counts for a loss (`Float["batch"]`); None for one that reads none."""
        count = self._model.count(name, batch)
        if count is None:
            if not self._plan.present_keys(name):
                return None
            count = self._model.present(name, batch)
        weights = self._example_weights(name, batch)
        count = torch.where(counted_rows(batch, len(count)), count, 0).to(sums_in(count))
        return count if weights is None else count * weights.to(count.dtype)

    def part(self, name: str, value: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Gives the sum (`Float[""]`) of a loss that reads rows, over those of a micro-batch that count."""
        if value.dim():
            present = self._model.present(name, batch) & counted_rows(batch, len(value))
            weights = self._example_weights(name, batch)
            part = torch.where(present, value, 0)
            return (part if weights is None else part * weights.to(part.dtype)).sum()
        counted = self.counted(name, batch)
        assert counted is not None
        return value * counted.sum().to(value.dtype)

    def _example_weights(self, name: str, batch: Mapping[str, Tensor]) -> Tensor | None:
        field = self._weighted_by[name]
        return None if field is None else torch.where(batch[f"{field}.present"], batch[field], 1)


def sums_in(tensor: Tensor) -> torch.dtype:
    """Gives the type that sums are taken in: many small weights are lost in 32 bits, and some devices have no 64."""
    return torch.float32 if tensor.device.type == "mps" else torch.float64
