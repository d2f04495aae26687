"""Balancers: from each loss's weighted value to the factor that it enters the objective with, or from gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

__all__ = ["DynamicWeightAverage", "Fixed", "GradNorm", "RandomWeighting", "Uncertainty"]


class Fixed(nn.Module):
    """Leaves the weighted values as they are: every factor is 1, and there is no penalty."""

    def forward(self, values: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return {name: torch.ones_like(value) for name, value in values.items()}, {}


class Uncertainty(nn.Module):
    """Learns a log-variance s for each loss L: its factor is exp(-s), its penalty s / 2.

    After Kendall et al. 2018 (arXiv:1705.07115). A loss that is absent from `values` adds nothing, and its s
    gets no gradient; what an optimizer remembers, such as momentum, may move it a little further.
    """

    def __init__(self, losses: Sequence[str]) -> None:
        super().__init__()
        self.index = {name: position for position, name in enumerate(losses)}
        self.log_variances = nn.Parameter(torch.zeros(len(losses)))

    def forward(self, values: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        chosen = {name: self.log_variances[self.index[name]] for name in values}
        factors = {name: torch.exp(-log_variance) for name, log_variance in chosen.items()}
        return factors, {name: log_variance / 2 for name, log_variance in chosen.items()}


class DynamicWeightAverage(nn.Module):
    """Weighs n losses by n softmax(r / T), r the ratio of a loss's mean over the last epoch to that before.

    After Liu et al. 2019 (arXiv:1803.10704). A loss that an epoch had nothing for keeps its ratio.
    """

    sums: Tensor
    steps: Tensor
    last: Tensor
    ratios: Tensor

    def __init__(self, losses: Sequence[str], temperature: float) -> None:
        super().__init__()
        self.index = {name: position for position, name in enumerate(losses)}
        self.temperature = temperature
        self.register_buffer("sums", torch.zeros(len(losses)))
        self.register_buffer("steps", torch.zeros(len(losses)))
        self.register_buffer("last", torch.full((len(losses),), torch.nan))
        self.register_buffer("ratios", torch.ones(len(losses)))

    def forward(self, values: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        weights = len(self.index) * torch.softmax(self.ratios / self.temperature, dim=0)
        return {name: weights[self.index[name]] for name in values}, {}

    @torch.no_grad()
    def window_ended(self, values: Mapping[str, Tensor]) -> None:
        """Adds what the losses of a step were: {loss: Float[]}."""
        for name, value in values.items():
            self.sums[self.index[name]] += value
            self.steps[self.index[name]] += 1

    @torch.no_grad()
    def epoch_ended(self) -> None:
        """Compares the epoch with the one before, and begins another."""
        has = self.steps > 0
        means = torch.where(has, self.sums / self.steps.clamp(min=1), self.last)
        ratios = means / torch.where(self.last.abs() > 0, self.last, torch.nan)
        self.ratios.copy_(torch.where(torch.isfinite(ratios) & has, ratios, self.ratios))
        self.last.copy_(means)
        self.sums.zero_()
        self.steps.zero_()


class RandomWeighting(nn.Module):
    """Weighs n losses by n softmax(z), z drawn from a standard normal for every step.

    After Lin et al. 2022 (arXiv:2111.10603), but for the factor n, by which the weights are 1 in the mean. The drawn
    numbers follow from the seed that it was built under, and the number of steps.
    """

    seed: Tensor
    steps: Tensor
    weights: Tensor

    def __init__(self, losses: Sequence[str]) -> None:
        super().__init__()
        self.index = {name: position for position, name in enumerate(losses)}
        self.register_buffer("seed", torch.randint(2**62, ()))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("weights", torch.ones(len(losses)))
        self._draw()

    def forward(self, values: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        weights = self.weights.clone()  # the graph must not see the next step's
        return {name: weights[self.index[name]] for name in values}, {}

    @torch.no_grad()
    def window_ended(self, values: Mapping[str, Tensor]) -> None:
        """Draws the weights of the next step."""
        self.steps += 1
        self._draw()

    def _draw(self) -> None:
        generator = torch.Generator().manual_seed(int(self.seed + self.steps))
        drawn = torch.randn(len(self.index), generator=generator)
        self.weights.copy_(len(self.index) * torch.softmax(drawn, dim=0))


class GradNorm(nn.Module):
    """Learns weights w, of mean 1, by which each gradient's length w |g| nears mean(w |g|) r^alpha.

    After Chen et al. 2018 (arXiv:1711.02257): r is an objective's value over its first, relative to the others'; a
    gradient step on sum | w |g| - target | follows each call. Here the step is taken in log w, and relative to the mean
    length: so no weight turns negative, and the rate means the same whatever the gradients' units.
    """

    log_weights: Tensor
    first: Tensor

    def __init__(self, objectives: Sequence[str], alpha: float, learning_rate: float) -> None:
        super().__init__()
        self.index = {name: position for position, name in enumerate(objectives)}
        self.alpha, self.learning_rate = alpha, learning_rate
        self.register_buffer("log_weights", torch.zeros(len(objectives), dtype=torch.float64))
        self.register_buffer("first", torch.full((len(objectives),), torch.nan, dtype=torch.float64))

    @torch.no_grad()
    def forward(self, gramian: Tensor, values: Tensor, names: Sequence[str]) -> Tensor:
        places = torch.tensor([self.index[name] for name in names])
        sizes = values.abs().clamp(min=1e-12)
        self.first[places] = torch.where(self.first[places].isnan(), sizes, self.first[places])
        weights = self.log_weights[places].exp()
        lengths = weights * gramian.diagonal().clamp(min=0).sqrt()
        pace = sizes / self.first[places]
        targets = lengths.mean() * (pace / pace.mean()) ** self.alpha
        slope = torch.sign(lengths - targets) * lengths / lengths.mean().clamp(min=1e-300)
        self.log_weights[places] -= self.learning_rate * slope
        self.log_weights -= self.log_weights.exp().mean().log()
        return weights
