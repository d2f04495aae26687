"""Losses of emotion and affect, in plain PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["AffectLoss", "EmotionLoss", "precise"]


def precise(tensor: Tensor) -> Tensor:
    """Lifts half precision to float32, and leaves float64 as it is."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


class EmotionLoss(nn.Module):
    """Binary cross-entropy over emotions that may occur together, plain or focal (Lin et al. 2017).

    With `gamma` above 0, each emotion's term is multiplied by (1 - p)^gamma, where p is the probability of what is so.
    `weights` [emotion] multiply each emotion's terms.
    """

    def __init__(self, gamma: float = 0.0, positive_weight: float = 1.0, weights: Tensor | None = None) -> None:
        super().__init__()
        self.gamma = gamma
        self.positive_weight = positive_weight
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Maps logits and target [batch emotion] to values [batch]: the means over the emotions, in float32."""
        # One signed logit an emotion: positive where the model is right.
        signed = precise(torch.where(target, logits, -logits))
        values = -F.logsigmoid(signed) * torch.where(target, self.positive_weight, 1.0)
        if self.gamma:
            # By logarithms: the gradient of a power is infinite where 1 - p underflows to 0.
            values = values * (self.gamma * F.logsigmoid(-signed)).exp()
        if self.weights is not None:
            values = values * self.weights.to(values.dtype)
        return values.mean(dim=1)


class AffectLoss(nn.Module):
    """Squared error, or Huber's beyond a distance (Huber 1964)."""

    def __init__(self, huber: float | None = None) -> None:
        super().__init__()
        self.huber = huber

    def forward(self, valence: Tensor, target: Tensor) -> Tensor:
        """Maps valence and target [batch], or [batch dimension], to values [batch]: the means over the dimensions."""
        found = precise(valence)
        known = target.to(found.dtype)
        if self.huber is None:
            values = F.mse_loss(found, known, reduction="none")
        else:
            values = F.huber_loss(found, known, reduction="none", delta=self.huber)
        return values if values.dim() == 1 else values.flatten(1).mean(dim=1)
