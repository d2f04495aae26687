"""Heads and losses of the dimensions of affect, in plain PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from consilience_psychology.heads import scorer
from consilience_psychology.losses import precise

__all__ = ["ConcordanceLoss", "DimensionHead", "GaussianLoss", "PerspectiveHead", "VarianceScale"]

_FARTHEST = 10.0
"""Logarithms of variances are kept within this: beyond, their exponential is no use in float32."""


class DimensionHead(nn.Module):
    """Estimates each dimension, and how sure that is: the logarithm of the variance (Kendall and Gal 2017)."""

    def __init__(self, hidden: int, dimensions: int, width: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = scorer(hidden, 2 * dimensions, width, dropout)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Maps features [batch hidden] to estimate and log_variance [batch dimension]."""
        estimate, log_variance = self.layers(features).chunk(2, dim=1)
        return estimate, log_variance


class PerspectiveHead(nn.Module):
    """Estimates what a text's reader feels and what its writer does: what both share, and half of what parts them."""

    def __init__(self, hidden: int, dimensions: int, width: int | None = None, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = scorer(hidden, 2 * dimensions, width, dropout)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Maps features [batch hidden] to reader and writer [batch dimension]."""
        shared, apart = self.layers(features).chunk(2, dim=1)
        return shared + apart / 2, shared - apart / 2


class GaussianLoss(nn.Module):
    """The negative log-likelihood of a normal distribution whose variance is estimated too (Kendall and Gal 2017).

    With `beta` above 0 each term is weighed by its variance to that power, which keeps what is hard from being given up
    (Seitzer et al. 2022). A logarithm of a variance beyond 10 either way counts as 10.
    """

    def __init__(self, beta: float = 0.0) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, estimate: Tensor, log_variance: Tensor, target: Tensor) -> Tensor:
        """Maps estimate, log_variance and target [batch dimension] to values [batch]: the means, without constants."""
        spread = precise(log_variance).clamp(-_FARTHEST, _FARTHEST)
        squared = (precise(estimate) - target) ** 2
        values = 0.5 * (spread + squared * (-spread).exp())
        if self.beta:
            values = values * (self.beta * spread.detach()).exp()
        return values.mean(dim=1)


class ConcordanceLoss(nn.Module):
    """One minus Lin's concordance correlation coefficient of a batch (Lin 1989), the mean over the dimensions.

    Two rows at least are compared; where nothing varies, the loss is that of no concordance.
    """

    def forward(self, valence: Tensor, target: Tensor) -> Tensor:
        """Maps valence and target, both [batch] or [batch dimension], to one value, in float32."""
        found, known = precise(valence), target.to(precise(valence).dtype)
        apart, other = found - found.mean(0), known - known.mean(0)
        shared = 2 * (apart * other).mean(0)
        whole = (apart**2).mean(0) + (other**2).mean(0) + (found.mean(0) - known.mean(0)) ** 2
        return (1 - shared / (whole + 1e-8)).mean()


class VarianceScale(nn.Module):
    """Scales each dimension's variance by what the validation rows say (Laves et al. 2020)."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.log_scale: Tensor
        self.register_buffer("log_scale", torch.zeros(dimensions))

    def forward(self, estimate: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor]:
        """Gives estimate as it is and log_variance moved, both [batch dimension]."""
        return estimate, log_variance + self.log_scale.to(log_variance.dtype)

    def fit(self, estimate: Tensor, log_variance: Tensor, target: Tensor) -> dict[str, float]:
        """Sets each scale to the mean of squared errors over variances: the most likely one."""
        spread = log_variance.double().clamp(-_FARTHEST, _FARTHEST)
        ratios = ((estimate.double() - target) ** 2 * (-spread).exp()).mean(0).clamp(min=1e-6)
        self.log_scale.copy_(ratios.log())
        return {"mean_scale": float(ratios.mean())}
