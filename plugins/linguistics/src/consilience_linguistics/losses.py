"""Losses of language modelling, in plain PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from consilience_linguistics.masking import IGNORED

__all__ = ["MaskedLMLoss"]


class MaskedLMLoss(nn.Module):
    """Cross-entropy in nats of the masked tokens, summed over each row (Devlin et al. 2019)."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Maps logits [batch masked vocab] and target [batch masked], -100 where nothing is, to values [batch]."""
        # In float32 at least, since a sum over 30,000 words loses too much in bfloat16.
        scores = logits.to(torch.promote_types(logits.dtype, torch.float32)).flatten(0, 1)
        values = F.cross_entropy(scores, target.flatten(), ignore_index=IGNORED, reduction="none")
        return values.view_as(target).sum(dim=1)

    def count(self, target: Tensor) -> Tensor:
        """Counts each row's masked tokens: target [batch masked] to [batch]."""
        return (target != IGNORED).sum(dim=1).float()
