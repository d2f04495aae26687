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
    """Scales each dimension's variance by what the validation rows say.

    `by` "likelihood" takes the most likely scale, the mean of squared errors over variances (Laves et al. 2020). `by`
    "quantiles" takes the one with the least squared distance between the levels of the quantiles and the frequencies
    below them (the calibration error of Kuleshov et al. 2018, over all levels: the statistic of Cramér and von Mises).
    """

    def __init__(self, dimensions: int, by: str = "quantiles") -> None:
        super().__init__()
        self.by = by
        self.log_scale: Tensor
        self.register_buffer("log_scale", torch.zeros(dimensions))

    def forward(self, estimate: Tensor, log_variance: Tensor) -> tuple[Tensor, Tensor]:
        """Gives estimate as it is and log_variance moved, both [batch dimension]."""
        return estimate, log_variance + self.log_scale.to(log_variance.dtype)

    def fit(self, estimate: Tensor, log_variance: Tensor, target: Tensor) -> dict[str, float]:
        """Sets each scale; tells their mean."""
        spread = log_variance.double().clamp(-_FARTHEST, _FARTHEST)
        errors = (target - estimate.double()) * (-spread / 2).exp()
        found = _best_quantiles(errors) if self.by == "quantiles" else (errors**2).mean(0).clamp(min=1e-6).log()
        self.log_scale.copy_(found)
        return {"mean_scale": float(found.exp().mean())}


def _best_quantiles(errors: Tensor) -> Tensor:
    """Gives the logarithm of the variance by which errors [row dimension] are most nearly standard normal."""
    ranked = errors.sort(dim=0).values
    levels = ((torch.arange(len(errors), device=errors.device) + 0.5) / len(errors)).unsqueeze(1)
    best = torch.zeros_like(errors[0])
    # From a grid that is coarse to one that is fine: the distance may have more than one valley.
    for reach, step in ((8.0, 0.1), (0.1, 0.005)):
        tried = [best + step * place for place in range(-round(reach / step), round(reach / step) + 1)]
        costs = [((torch.special.ndtr(ranked * (-at / 2).exp()) - levels) ** 2).mean(0) for at in tried]
        best = torch.stack(tried).gather(0, torch.stack(costs).argmin(0, keepdim=True)).squeeze(0)
    return best
