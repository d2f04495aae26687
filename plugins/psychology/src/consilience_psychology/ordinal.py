"""Intensity in ordered levels, in plain PyTorch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from consilience_psychology.heads import scorer
from consilience_psychology.losses import precise

__all__ = ["EarthMoverLoss", "OrdinalHead"]


class OrdinalHead(nn.Module):
    """Places an example on one scale, which ordered cuts divide into levels (proportional odds, McCullagh 1980)."""

    def __init__(self, hidden: int, levels: int, width: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = scorer(hidden, 1, width, dropout)
        # At first all levels are as likely, for an example in the middle of the scale.
        cuts = torch.logit(torch.arange(1, levels) / levels)
        self.lowest = nn.Parameter(cuts[:1].clone())
        self.steps = nn.Parameter(torch.log(torch.expm1(cuts[1:] - cuts[:-1])))

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [batch hidden] to logits [batch level], which are the logarithms of the probabilities."""
        place = precise(self.layers(features))
        cuts = torch.cat([self.lowest, self.lowest + F.softplus(self.steps).cumsum(0)]).to(place.dtype)
        above = cuts - place
        # log(s(a) - s(b)) = log s(a) + log s(-b) + log(1 - exp(b - a)), without a difference of what is nearly equal.
        first, last = F.logsigmoid(above[:, :1]), F.logsigmoid(-above[:, -1:])
        gaps = torch.log(-torch.expm1(cuts[:-1] - cuts[1:]))
        between = F.logsigmoid(above[:, 1:]) + F.logsigmoid(-above[:, :-1]) + gaps
        return torch.cat([first, between, last], dim=1).to(features.dtype)


class EarthMoverLoss(nn.Module):
    """The squared earth mover's distance between the levels' probabilities and the true level (Hou et al. 2016)."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Maps logits [batch level] and target [batch] to values [batch], in float32."""
        share = precise(logits).softmax(dim=1)
        true = F.one_hot(target, share.shape[1]).to(share.dtype)
        return ((share.cumsum(1) - true.cumsum(1)) ** 2).sum(dim=1)
