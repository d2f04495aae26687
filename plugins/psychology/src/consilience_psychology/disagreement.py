"""Annotators who disagree, in plain PyTorch: their shares as soft labels, and each by an embedding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from consilience_psychology.heads import scorer
from consilience_psychology.losses import precise

__all__ = ["RaterHead", "SoftLabelLoss", "read_rater"]


class SoftLabelLoss(nn.Module):
    """The Kullback-Leibler divergence from the annotators' shares to what the model gives (Peterson et al. 2019)."""

    def __init__(self, over: str = "each") -> None:
        super().__init__()
        self.over = over

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Maps logits [batch emotion] and the shares of annotators [batch emotion] to values [batch], in float32.

        `each` takes every share by itself, within 0 and 1, and gives the mean; `classes` divides them by their sum.
        """
        scores = precise(logits)
        known = target.to(scores.dtype).clamp(min=0)
        if self.over == "classes":
            known = known / known.sum(1, keepdim=True).clamp(min=1e-12)
            return F.kl_div(scores.log_softmax(dim=1), known, reduction="none").sum(dim=1)
        known = known.clamp(max=1)
        crossed = F.binary_cross_entropy_with_logits(scores, known, reduction="none")
        entropy: Tensor = torch.special.entr(known) + torch.special.entr(1 - known)
        return (crossed - entropy).mean(dim=1)

    def count(self, target: Tensor) -> Tensor:
        """Counts the examples that somebody labelled: target [batch emotion] -> [batch]."""
        return (target > 0).any(dim=1).float() if self.over == "classes" else torch.ones_like(target[:, 0])


class RaterHead(nn.Module):
    """Scores what one annotator would say: the features moved by an embedding of who it is (Deng et al. 2023).

    Without an annotator it is the mean of all of them. All begin alike.
    """

    def __init__(self, hidden: int, emotions: int, raters: int, width: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = scorer(hidden, emotions, width, dropout)
        self.raters = nn.Parameter(torch.zeros(raters, hidden))

    def forward(self, features: Tensor, rater: Tensor | None = None) -> Tensor:
        """Maps features [batch hidden] and rater [batch] to logits [batch emotion]."""
        moved = self.raters.mean(0) if rater is None else self.raters[rater]
        logits: Tensor = self.layers(features + moved)
        return logits


def read_rater(rater: Tensor) -> Tensor:
    """Gives the number of each annotator as it is: rater [batch] -> [batch]."""
    return rater
