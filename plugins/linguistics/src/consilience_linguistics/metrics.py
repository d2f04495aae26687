"""Measures of language modelling, by torchmetrics."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.text import Perplexity

from consilience_linguistics.masking import IGNORED

__all__ = ["MaskedPerplexity"]


class MaskedPerplexity(Perplexity):
    """Perplexity of the masked tokens: the exponential of their mean cross-entropy in nats."""

    def __init__(self) -> None:
        super().__init__(ignore_index=IGNORED)

    def update(self, logits: Tensor, target: Tensor) -> None:
        """Takes in logits [batch masked vocab] and target [batch masked], -100 where nothing is."""
        super().update(logits.float(), target)
