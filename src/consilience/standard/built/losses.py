"""Losses that give one sum an example."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "MeanSquaredError"]

IGNORED = -100


def _precise(tensor: Tensor) -> Tensor:
    """Lifts half precision to float32, where sums of many small terms are kept; leaves float64 as it is."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


class CrossEntropy(nn.Module):
    """Sums the cross-entropy of an example's labels; a label of -100 is ignored.

    logits (batch *more classes), target (batch *more) -> value (batch), in float32 at least. The sum of the values over
    the sum of `count` equals torch's `cross_entropy`, with class weights too.
    """

    class_weights: Tensor | None

    def __init__(self, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.register_buffer("class_weights", None if class_weights is None else torch.tensor(class_weights))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        scores = _precise(logits)
        weights = None if self.class_weights is None else self.class_weights.to(scores.dtype)
        values = F.cross_entropy(
            scores.reshape(-1, scores.shape[-1]),
            target.reshape(-1),
            weight=weights,
            ignore_index=IGNORED,
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        return values.reshape(len(target), -1).sum(dim=1)

    def count(self, target: Tensor) -> Tensor:
        """Counts the labels of each example, each by the weight of its class: target (batch *more) -> (batch)."""
        is_label = target != IGNORED
        counts = is_label.float()
        if self.class_weights is not None:
            counts = counts * _precise(self.class_weights)[target.masked_fill(~is_label, 0)]
        return counts.reshape(len(target), -1).sum(dim=1)


class BinaryCrossEntropy(nn.Module):
    """Averages the binary cross-entropy over classes.

    logits, target (batch classes) -> value (batch), in float32 at least.
    """

    pos_weight: Tensor | None

    def __init__(self, pos_weight: Sequence[float] | None = None) -> None:
        super().__init__()
        self.register_buffer("pos_weight", None if pos_weight is None else torch.tensor(pos_weight))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        scores = _precise(logits)
        weights = None if self.pos_weight is None else self.pos_weight.to(scores.dtype)
        values = F.binary_cross_entropy_with_logits(
            scores, target.to(scores.dtype), pos_weight=weights, reduction="none"
        )
        return values.mean(dim=-1)


class MeanSquaredError(nn.Module):
    """Averages an example's squared errors: value, target (batch *numbers) -> value (batch), in float32 at least."""

    def forward(self, value: Tensor, target: Tensor) -> Tensor:
        found = _precise(value)
        errors = (found - target.to(found.dtype)).square()
        return errors.reshape(len(errors), -1).mean(dim=1)
