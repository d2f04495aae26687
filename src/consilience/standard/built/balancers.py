"""Balancers: from each loss's weighted value to the factor that it enters the objective with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

__all__ = ["Fixed", "Uncertainty"]


class Fixed(nn.Module):
    """Leaves the weighted values as they are: every factor is 1, and there is no penalty."""

    def forward(self, values: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        return {name: torch.ones_like(value) for name, value in values.items()}, {}


class Uncertainty(nn.Module):
    """Learns a log-variance s for each loss L: its factor is exp(-s), its penalty s / 2.

    After Kendall et al. 2018 (arXiv:1705.07115). A loss that is absent from `values` adds nothing, and its s stays.
    """

    def __init__(self, losses: Sequence[str]) -> None:
        super().__init__()
        self.index = {name: position for position, name in enumerate(losses)}
        self.log_variances = nn.Parameter(torch.zeros(len(losses)))

    def forward(self, values: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        chosen = {name: self.log_variances[self.index[name]] for name in values}
        factors = {name: torch.exp(-log_variance) for name, log_variance in chosen.items()}
        return factors, {name: log_variance / 2 for name, log_variance in chosen.items()}
