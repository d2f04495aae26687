"""TorchJD's weightings as modules that are called with a step's Gramian, and keep in buffers what they remember."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torchjd.aggregation import (
    Aggregator,
    CAGradWeighting,
    GradVacWeighting,
    KrumWeighting,
    NashMTL,
    PCDWeighting,
)

__all__ = [
    "ConflictAverse",
    "Joined",
    "Multiplied",
    "Nash",
    "Prioritised",
    "Selected",
    "Smoothed",
    "Vaccinated",
    "Weighed",
    "square_root",
]

Weigh = Callable[[Tensor], Tensor]
"""From a Gramian (`Float["m m"]`) to weights (`Float["m"]`)."""


class Weighed(nn.Module):
    """Weighs by a weighting of TorchJD that remembers nothing: Float[m m] -> Float[m]."""

    def __init__(self, weigh: Weigh) -> None:
        super().__init__()
        self.weigh = weigh

    def forward(self, gramian: Tensor, values: Tensor, names: Sequence[str]) -> Tensor:
        return self.weigh(gramian)


class ConflictAverse(nn.Module):
    """Weighs by CAGrad, whatever the gradients' size: TorchJD takes small ones for none."""

    def __init__(self, c: float) -> None:
        super().__init__()
        self.weigh = CAGradWeighting(c)

    def forward(self, gramian: Tensor, values: Tensor, names: Sequence[str]) -> Tensor:
        return self.weigh(gramian / gramian.trace())


class Joined(nn.Module):
    """Joins rows by an aggregator that gives a combination of them, found in as many dimensions as there are rows.

    The aggregator must turn with its rows: then a square root of the Gramian serves as well as the gradients.
    """

    def __init__(self, aggregator: Aggregator) -> None:
        super().__init__()
        self.aggregator = aggregator

    def forward(self, gramian: Tensor, values: Tensor, names: Sequence[str]) -> Tensor:
        root = square_root(gramian)
        weights: Tensor = torch.linalg.pinv(root.T) @ self.aggregator(root)
        return weights


class Multiplied(nn.Module):
    """Joins gradients number by number: Float[m n] -> Float[n]; with fewer rows than it needs, takes their mean."""

    def __init__(self, make: Callable[[int], Aggregator], least: int = 1) -> None:
        super().__init__()
        self.make, self.least = make, least

    def forward(self, jacobian: Tensor, values: Tensor, names: Sequence[str]) -> Tensor:
        if len(jacobian) < self.least:
            return jacobian.mean(dim=0)
        return self.make(len(jacobian)).to(jacobian)(jacobian)


class Selected(nn.Module):
    """Keeps the gradients that lie closest to the others; with fewer than it needs, takes their mean."""

    def __init__(self, byzantine: int, selected: int) -> None:
        super().__init__()
        self.weigh = KrumWeighting(byzantine, selected)
        self.least = max(byzantine + 3, selected)

    def forward(self, gramian: Tensor, values: Tensor, names: Sequence[str]) -> Tensor:
        rows = len(gramian)
        return self.weigh(gramian) if rows >= self.least else gramian.new_full((rows,), 1 / rows)


class _Remembering(nn.Module):
    """A weighting that remembers something of every objective, whether or not it has a gradient in this step."""

    def __init__(self, objectives: Sequence[str]) -> None:
        super().__init__()
        self.index = {name: place for place, name in enumerate(objectives)}

    def places(self, names: Sequence[str]) -> Tensor:
        """Tells where the objectives of a step stand among all: Long[m]."""
        return torch.tensor([self.index[name] for name in names])


class Smoothed(_Remembering):
    """Smooths the weights of another weighting: each is the moving average of its own."""

    smoothed: Tensor

    def __init__(self, objectives: Sequence[str], weigh: Weigh, alpha: float) -> None:
        super().__init__(objectives)
        self.weigh, self.alpha = weigh, alpha
        self.register_buffer("smoothed", torch.full((len(objectives),), torch.nan, dtype=torch.float64))

    def forward(self, gramian: Tensor, values: Tensor, names: Sequence[str]) -> Tensor:
        places, weights = self.places(names), self.weigh(gramian)
        before = torch.where(self.smoothed[places].isnan(), weights, self.smoothed[places])
        self.smoothed[places] = self.alpha * before + (1 - self.alpha) * weights
        return self.smoothed[places]


class Vaccinated(_Remembering):
    """Weighs by GradVac, which remembers the cosine that each two gradients had in the mean."""

    cosines: Tensor

    def __init__(self, objectives: Sequence[str], beta: float) -> None:
        super().__init__(objectives)
        self.beta = beta
        self.register_buffer("cosines", torch.zeros(len(objectives), len(objectives), dtype=torch.float64))

    def forward(self, gramian: Tensor, values: Tensor, names: Sequence[str]) -> Tensor:
        places = self.places(names)
        weighting = GradVacWeighting(beta=self.beta)  # a fresh one: what it keeps must have its shape from the start
        weighting.register_buffer("_phi_t", self.cosines[places[:, None], places])
        weighting._state_key = (len(names), gramian.dtype)
        weights: Tensor = weighting(gramian)
        self.cosines[places[:, None], places] = weighting.get_buffer("_phi_t")
        return weights


class Nash(_Remembering):
    """Weighs by Nash-MTL, which starts each search from the weights that it found last."""

    found: Tensor
    steps: Tensor

    def __init__(self, objectives: Sequence[str], max_norm: float, every: int, iterations: int) -> None:
        super().__init__(objectives)
        self.settings = (max_norm, every, iterations)
        self.register_buffer("found", torch.ones(len(objectives), dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, gramian: Tensor, values: Tensor, names: Sequence[str]) -> Tensor:
        if len(names) == 1:
            return self._alone(gramian)
        places = self.places(names)
        weighting = NashMTL(len(names), *self.settings).weighting
        weighting.prvs_alpha = self.found[places].numpy()
        weighting._init_optim_problem()
        weighting.step = float(self.steps) or float(self.settings[1])  # 0 would set up the problem once more
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of how fast cvxpy solves it again
            weights: Tensor = weighting(square_root(gramian))
        self.found[places] = torch.as_tensor(weighting.prvs_alpha, dtype=torch.float64)
        self.steps += 1
        return weights

    def _alone(self, gramian: Tensor) -> Tensor:
        """Gives what the bargain is with nobody: the gradient, no longer than it may be."""
        length = gramian.diagonal().sqrt()
        most = self.settings[0]
        return (most / length).clamp(max=1.0) if most > 0 else torch.ones_like(length)


class Prioritised(_Remembering):
    """Weighs by PCD, which remembers how long each gradient was in the mean; without the primary one, by zeros."""

    squares: Tensor
    steps: Tensor

    def __init__(self, objectives: Sequence[str], primary: str, tau: float, beta: float) -> None:
        super().__init__(objectives)
        self.primary, self.tau, self.beta = primary, tau, beta
        self.register_buffer("squares", torch.zeros(len(objectives), dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, gramian: Tensor, values: Tensor, names: Sequence[str]) -> Tensor:
        if self.primary not in names:
            return torch.zeros(len(names), dtype=gramian.dtype)
        order = torch.tensor(sorted(range(len(names)), key=lambda place: names[place] != self.primary))
        places = self.places(names)[order]
        weighting = PCDWeighting(self.tau, self.beta)
        weighting.register_buffer("_sq_norm_ema", self.squares[places])
        weighting.register_buffer("_n_steps", self.steps)
        weighting._state_key = len(names)
        weights = torch.empty(len(names), dtype=gramian.dtype)
        weights[order] = weighting(gramian[order[:, None], order])
        self.squares[places] = weighting.get_buffer("_sq_norm_ema")
        self.steps.copy_(weighting.get_buffer("_n_steps"))
        return weights


def square_root(gramian: Tensor) -> Tensor:
    """Gives rows with these inner products, in as few dimensions as they need: Float[m m] -> Float[m r]."""
    values, vectors = torch.linalg.eigh(gramian)
    kept = values > values.max() * len(gramian) * torch.finfo(gramian.dtype).eps
    root: Tensor = vectors[:, kept] * values[kept].sqrt()
    return root
