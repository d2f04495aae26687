"""Contrastive learning of sentences, in plain PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SimCSELoss"]


class SimCSELoss(nn.Module):
    """Cross-entropy of each text's other reading among all of the batch: first, second [batch hidden] -> value []."""

    def __init__(self, temperature: float = 0.05) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        kind = torch.promote_types(first.dtype, torch.float32)
        one, other = (F.normalize(states.to(kind), dim=-1) for states in (first, second))
        scores = one @ other.T / self.temperature
        return F.cross_entropy(scores, torch.arange(len(scores), device=scores.device))
