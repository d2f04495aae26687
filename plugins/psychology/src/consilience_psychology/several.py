"""Losses over emotions that may occur together, in plain PyTorch: by rarity, asymmetry and what goes together."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from consilience_psychology.losses import precise

__all__ = ["AsymmetricLoss", "CorrelationLoss", "OppositionLoss", "effective_weights"]


def effective_weights(counts: Sequence[int], beta: float = 0.999) -> Tensor:
    """Weighs each class by its effective number of samples, with a mean of 1 (Cui et al. 2019): counts -> [classes].

    The weight of a class of n samples goes by (1 - beta) / (1 - beta^n).

        >>> effective_weights([10, 10]).tolist()
        [1.0, 1.0]
    """
    number = torch.tensor(counts, dtype=torch.float64)
    weights = (1 - beta) / (1 - beta**number)
    return (weights / weights.mean()).float()


class AsymmetricLoss(nn.Module):
    """Plays down easy negatives more than easy positives, and forgets very easy ones (Ridnik et al. 2021).

    A positive costs -(1 - p)^gamma_positive log p; a negative -q^gamma_negative log(1 - q), where
    q = max(p - margin, 0).
    """

    def __init__(
        self,
        gamma_positive: float = 0.0,
        gamma_negative: float = 4.0,
        margin: float = 0.05,
        weights: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.gamma_positive, self.gamma_negative, self.margin = gamma_positive, gamma_negative, margin
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Maps logits and target [batch emotion] to values [batch]: the means over the emotions, in float32."""
        scores = precise(logits)
        values = torch.where(target, self._positive(scores), self._negative(scores))
        if self.weights is not None:
            values = values * self.weights.to(values.dtype)
        return values.mean(dim=1)

    def _positive(self, scores: Tensor) -> Tensor:
        value = -F.logsigmoid(scores)
        # By logarithms: the gradient of a power is infinite where 1 - p underflows to 0.
        return value * (self.gamma_positive * F.logsigmoid(-scores)).exp() if self.gamma_positive else value

    def _negative(self, scores: Tensor) -> Tensor:
        if not self.margin:
            value = -F.logsigmoid(-scores)
            return value * (self.gamma_negative * F.logsigmoid(scores)).exp() if self.gamma_negative else value
        shifted = scores.sigmoid() - self.margin
        is_left = shifted > 0
        shifted = torch.where(is_left, shifted, 0.5)  # a place where no gradient is infinite
        value = -torch.log1p(-shifted) * shifted**self.gamma_negative
        return torch.where(is_left, value, 0.0)


class CorrelationLoss(nn.Module):
    """Asks each emotion that is there to score above each that is not (Zhang and Zhou 2006).

    As in SpanEmo (Alhuzali and Ananiadou 2021): the mean over the pairs of exp(p_absent - p_present). An example where
    all or none are there has no pairs, and does not count.
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Maps logits and target [batch emotion] to values [batch], in float32."""
        shares = precise(logits).sigmoid()
        # The sum over pairs is the product of two sums.
        absent = torch.where(target, 0.0, shares.exp()).sum(1) / (~target).sum(1).clamp(min=1)
        present = torch.where(target, (-shares).exp(), 0.0).sum(1) / target.sum(1).clamp(min=1)
        return absent * present

    def count(self, target: Tensor) -> Tensor:
        """Counts the examples that have a pair: target [batch emotion] -> [batch]."""
        return (target.any(1) & ~target.all(1)).float()


class OppositionLoss(nn.Module):
    """Costs what two opposite emotions are both taken to be: the mean over the pairs of p_one * p_other."""

    def __init__(self, pairs: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.first: Tensor
        self.second: Tensor
        self.register_buffer("first", torch.tensor([one for one, _ in pairs]), persistent=False)
        self.register_buffer("second", torch.tensor([other for _, other in pairs]), persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        """Maps logits [batch emotion] to values [batch], in float32."""
        shares = precise(logits).sigmoid()
        return (shares[:, self.first] * shares[:, self.second]).mean(dim=1)
