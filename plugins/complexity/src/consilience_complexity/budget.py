"""Holds the expected cost of what is gated to a budget. Plain PyTorch.

Wang, Wohlwend, Lei: Structured Pruning of Large Language Models (EMNLP 2020), https://arxiv.org/abs/1910.04732. Xia,
Zhong, Chen: Structured Pruning Learns Compact and Accurate Models (ACL 2022), https://arxiv.org/abs/2204.00408.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from consilience_complexity.anatomy import Projection, inner
from consilience_complexity.gates import Gate, Gated, HardConcrete, gates_of, place_gates

__all__ = ["BudgetLoss", "Cost", "cost_of", "flops_of"]

Cost = Callable[[Sequence[Gate]], Tensor]
"""Gives the expected cost of gates, Float[], in whatever unit."""
_HALVINGS = 24
_LEAST = 1e-6
_CHEAPEST = 1e-3
"""What the price of a unit is at least, over the highest: a unit that costs nothing could not be closed by a budget."""
_FARTHEST = math.log(100)
"""Louizos and others hold log α within ±log 100 in their own code: a gate beyond has all but no gradient."""
Curves = Mapping[str, Sequence[tuple[float, float]]]


class BudgetLoss(nn.Module):
    """Is what the expected share of a cost has above a target: stiffness/2 (share - target)², and 0 below.

    After each optimizer step `step` puts the gates back within the budget: log α falls by λ times what its unit costs,
    with the least λ that suffices. That is the step of mirror descent under the constraint, and λ is its Lagrange
    multiplier. Making the loss puts the gates onto the module, in place. `terms` are the share to keep, the steps to
    get there, and the stiffness.
    """

    progress: Tensor
    pressure: Tensor

    def __init__(
        self,
        parts: Mapping[str, Any],
        cost: Cost,
        distribution: HardConcrete,
        probability: float,
        speed: float,
        terms: tuple[float, int, float],
    ) -> None:
        super().__init__()
        self.keep, self.over, self.stiffness = terms
        self._cost = cost
        self._farthest = max(_FARTHEST, abs(distribution.location(probability)))

        def make(gated: Gated, device: Any) -> Gate:
            return Gate(gated, distribution, probability, speed, device)

        self.gates = nn.ModuleList(place_gates(make=make, **parts))
        self.register_buffer("pressure", torch.zeros(()))
        self.register_buffer("progress", torch.zeros((), dtype=torch.int64))
        self.whole = float(self._cost([_Open(gate) for gate in self.gates]))  # type: ignore[misc,arg-type]

    def share(self) -> Tensor:
        """Gives the expected cost over that of the whole, Float[]."""
        return self._cost(list(self.gates)) / self.whole  # type: ignore[arg-type]

    def target(self) -> Tensor:
        """Gives the share that is asked for after the steps so far, Float[]."""
        done = (self.progress.float() / max(self.over, 1)).clamp(max=1) if self.over else torch.ones(())
        return 1 - (1 - self.keep) * done.to(self.progress.device)

    def step(self, number: int) -> None:
        """Is told that an optimizer step ended, counted from 1: the target goes on, and the gates come within it."""
        self.progress.fill_(number)
        gates = list(gates_of(self))
        for gate in gates:
            gate.constrain(self._farthest)
        target = float(self.target())
        if float(self.share().detach()) <= target:
            self.pressure.zero_()
            return
        prices = self._prices(gates)
        before = [gate.location.detach().clone() for gate in gates]
        least, most = 0.0, 2 * self._farthest / min(float(price.max()) for price in prices)
        with torch.no_grad():
            for _ in range(_HALVINGS):
                middle = (least + most) / 2
                self._lower(gates, before, prices, middle)
                least, most = (middle, most) if float(self.share()) > target else (least, middle)
            self._lower(gates, before, prices, most)
        self.pressure.fill_(most)

    def _prices(self, gates: Sequence[Gate]) -> list[Tensor]:
        """Gives what a unit's being open costs, Float[units] each, over the most that one costs."""
        with torch.enable_grad():
            slopes = torch.autograd.grad(self.share(), [gate.location for gate in gates], allow_unused=True)
        found = []
        for gate, slope in zip(gates, slopes, strict=True):
            open_ = gate.own_probabilities().detach()
            steep = (open_ * (1 - open_)).clamp(min=_LEAST)
            found.append(torch.zeros_like(open_) if slope is None else (slope / steep).clamp(min=0))
        dearest = max(float(price.max()) for price in found)
        return [(price / max(dearest, _LEAST)).clamp(min=_CHEAPEST) for price in found]

    def _lower(self, gates: Sequence[Gate], before: Sequence[Tensor], prices: Sequence[Tensor], by: float) -> None:
        for gate, start, price in zip(gates, before, prices, strict=True):
            gate.location.copy_(start - by * price.to(start) / gate.speed)
            gate.constrain(self._farthest)

    def forward(self) -> Tensor:
        """Gives the loss, Float[]."""
        return self.stiffness / 2 * (self.share() - self.target()).clamp(min=0) ** 2


class _Open:
    """Stands in for a gate that is open for certain."""

    def __init__(self, gate: Gate) -> None:
        self.kind, self.name, self.units, self.cost = gate.kind, gate.name, gate.units, gate.cost
        self.is_over = bool(gate._outer)

    def own_probabilities(self) -> Tensor:
        return torch.ones(self.units)

    probabilities = own_probabilities


def cost_of(measure: str, projections: Iterable[Projection], length: int, curves: Curves | None) -> Cost:
    """Gives what counts the expected cost: `parameters`, `flops` of `length` tokens, or `latency` by its curves."""
    if measure == "parameters":
        return lambda gates: torch.stack([gate.probabilities().sum() * gate.cost for gate in gates]).sum()
    by_name = {one.name: one for one in projections}
    if measure == "flops":
        each = {name: flops_of(one, length) for name, one in by_name.items()}
        return lambda gates: torch.stack(
            [gate.probabilities().sum() * each[gate.name] for gate in gates if gate.name in each]
        ).sum()
    assert curves is not None
    return _Latency({name: one.block for name, one in by_name.items()}, curves)


def flops_of(projection: Projection, length: int) -> int:
    """Counts the operations of one unit for a text of some tokens, a multiply-add as two.

    A neuron's are those of its rows and columns; a head has the scores and the mixing of its values too.
    """
    layers = (*projection.makers, projection.linear)
    weights = sum(int(inner(layer).weight.numel()) for layer in layers) // projection.units
    mixing = 4 * length**2 * projection.width if projection.kind == "heads" else 0
    return 2 * length * weights + mixing


class _Latency:
    """Sums the milliseconds of the layers, each by the numbers of its heads and neurons that are expected."""

    def __init__(self, blocks: Mapping[str, str], curves: Curves) -> None:
        self._blocks, self._curves = blocks, curves
        self._whole = max(milliseconds for _, milliseconds in curves["neurons"])

    def __call__(self, gates: Sequence[Gate]) -> Tensor:
        over = {gate.name: gate.own_probabilities()[0] for gate in gates if gate.kind == "layers"}
        layers: dict[str, Tensor] = {}
        for gate in gates:
            if gate.kind not in self._curves:
                continue
            block = self._blocks[gate.name]
            curve = self._curves[gate.kind]
            saved = curve[-1][1] - _on(curve, gate.own_probabilities().sum(), gate.units)
            layers[block] = layers.get(block, torch.full((), self._whole, device=saved.device)) - saved
        for block in over.keys() - layers.keys():
            layers[block] = torch.full((), self._whole, device=over[block].device)
        certain = torch.ones((), device=next(iter(layers.values())).device)
        return torch.stack([one.clamp(min=0) * over.get(block, certain) for block, one in layers.items()]).sum()


def _on(curve: Sequence[tuple[float, float]], units: Tensor, most: int) -> Tensor:
    """Reads a curve at an expected number of units, on straight lines between and beyond its points."""
    place = units * (curve[-1][0] / most)  # a table of another width still tells the shape
    slopes = [(high - low) / (right - left) for (left, low), (right, high) in pairwise(curve)]
    value = curve[0][1] + (place - curve[0][0]) * slopes[0]
    for (bend, _), before, after in zip(curve[1:], slopes, slopes[1:], strict=False):
        value = value + (after - before) * (place - bend).clamp(min=0)
    return value
