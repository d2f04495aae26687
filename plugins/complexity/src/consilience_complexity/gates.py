"""Hard-concrete gates and the expected size of what they gate. Plain PyTorch.

Louizos, Welling, Kingma: Learning Sparse Neural Networks through L0 Regularization (ICLR 2018),
https://arxiv.org/abs/1712.01312. Equation numbers are that paper's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from consilience_complexity.anatomy import Projection

__all__ = ["Gate", "HardConcrete", "SizeLoss", "expected_share", "gates_of"]

_EDGE = 1e-6
"""How near to 0 and 1 the uniform noise comes: the logits of the noise must be finite."""


@dataclass(frozen=True)
class HardConcrete:
    """The hard-concrete distribution: a stretched concrete one, of which everything outside [0, 1] falls on the ends.

    `temperature`, `low` and `high` are beta, gamma and zeta of the paper, with its defaults; a location is log alpha.
    """

    temperature: float = 2 / 3
    low: float = -0.1
    high: float = 1.1

    def probability(self, location: Tensor) -> Tensor:
        """Gives the probability of a gate that is not zero (equation 12)."""
        return torch.sigmoid(location - self.temperature * math.log(-self.low / self.high))

    def location(self, probability: float) -> float:
        """Gives the location at which a gate is not zero with this probability: the inverse of `probability`."""
        return math.log(probability / (1 - probability)) + self.temperature * math.log(-self.low / self.high)

    def sample(self, location: Tensor) -> Tensor:
        """Draws one gate for each location from torch's global generator (equations 10 and 11)."""
        uniform = torch.rand_like(location).clamp(_EDGE, 1 - _EDGE)
        return self._rectify(torch.sigmoid((torch.logit(uniform) + location) / self.temperature))

    def mode(self, location: Tensor) -> Tensor:
        """Gives the gates to use after training, without noise (equation 13): many are exactly 0 or exactly 1."""
        return self._rectify(torch.sigmoid(location))

    def _rectify(self, concrete: Tensor) -> Tensor:
        return (concrete * (self.high - self.low) + self.low).clamp(0, 1)


class Gate(nn.Module):
    """Gates the units (heads, or neurons) of one projection's input.

    In training each call draws one gate a unit, for the whole batch; in evaluation the gates are fixed, and a closed
    one is exactly 0. `speed` multiplies the learning rate: at the rates that fine-tune an encoder, no probability would
    get anywhere.
    """

    def __init__(self, projection: Projection, distribution: HardConcrete, probability: float, speed: float) -> None:
        super().__init__()
        self.units = projection.units
        self.width = projection.linear.in_features // projection.units
        self.cost = projection.cost
        self.distribution = distribution
        self.speed = speed
        start = distribution.location(probability) / speed
        weight = projection.weight
        self.location = nn.Parameter(torch.full((self.units,), start, device=weight.device, dtype=torch.float32))

    def _location(self) -> Tensor:
        # Noise of 256 values would bias the samples: a bfloat16 model draws its gates in float32 too.
        stored = self.location.float()
        # The gradient passes as if nothing were multiplied: an optimizer's step counts `speed` times, but clipping and
        # gradient-based balancers see what they would without it.
        return stored + (stored * (self.speed - 1)).detach()

    def probabilities(self) -> Tensor:
        """Gives the probability of each unit's being kept, Float[units]."""
        return self.distribution.probability(self._location())

    def closed(self) -> int:
        """Counts the units that contribute nothing in evaluation."""
        return int((self.distribution.mode(self._location()) == 0).sum())

    def forward(self) -> Tensor:
        """Gives the gates, Float[units]: drawn afresh in training, fixed in evaluation."""
        location = self._location()
        return self.distribution.sample(location) if self.training else self.distribution.mode(location)

    def scale(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Multiplies the input of the projection, Float[... units*width], by the gates: a forward pre-hook."""
        hidden, *rest = inputs
        gates = self().to(hidden.dtype)
        if self.width > 1:
            gates = gates.unsqueeze(-1).expand(-1, self.width).reshape(-1)
        if hidden.is_nested:  # how nn.TransformerEncoder leaves out padding, at inference
            return (torch.nested.as_nested_tensor([part * gates for part in hidden.unbind()]), *rest)
        return (hidden * gates, *rest)

    def extra_repr(self) -> str:
        """Tells the units and what each costs."""
        return f"units={self.units}, parameters_each={self.cost}"


class SizeLoss(nn.Module):
    """Is the expected share of the gated parameters that stays, or its squared distance from the share to keep.

    Making it puts the gates onto the projections, in place; their parameters are this module's alone.
    """

    def __init__(
        self,
        projections: Iterable[Projection],
        distribution: HardConcrete,
        probability: float,
        speed: float,
        keep: float | None = None,
    ) -> None:
        super().__init__()
        self.keep = keep
        self.gates = nn.ModuleList()
        for projection in projections:
            gate = Gate(projection, distribution, probability, speed)
            projection.linear.register_forward_pre_hook(gate.scale)
            self.gates.append(gate)

    def forward(self) -> Tensor:
        """Gives the loss, Float[]."""
        share = expected_share(gates_of(self))
        return share if self.keep is None else (share - self.keep) ** 2


def expected_share(gates: Iterable[Gate]) -> Tensor:
    """Gives the expected share of the gated parameters that stays, Float[] in [0, 1]."""
    gates = list(gates)
    kept = torch.stack([gate.probabilities().sum() * gate.cost for gate in gates]).sum()
    return kept / sum(gate.cost * gate.units for gate in gates)


def gates_of(model: nn.Module) -> Iterator[Gate]:
    """Gives every gate whose parameters are the model's."""
    return (module for module in model.modules() if isinstance(module, Gate))
