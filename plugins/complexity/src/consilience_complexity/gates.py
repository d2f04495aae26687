"""Hard-concrete gates and the expected size of what they gate. Plain PyTorch.

Louizos, Welling, Kingma: Learning Sparse Neural Networks through L0 Regularization (ICLR 2018),
https://arxiv.org/abs/1712.01312. Equation numbers are that paper's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from consilience_complexity.anatomy import Block, Projection

__all__ = ["Gate", "Gated", "HardConcrete", "SizeLoss", "expected_share", "gates_of", "place_gates"]

_EDGE = 1e-6
"""How near to 0 and 1 the uniform noise comes: the logits of the noise must be finite."""


@dataclass(frozen=True)
class Gated:
    """What a gate stands before: so many units of one kind, each of so many features and parameters of its own."""

    kind: str
    """`heads`, `neurons`, `layers` or `embeddings`."""
    name: str
    units: int
    width: int
    cost: int


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
    """Gates the units (heads, neurons, a layer, rows of embeddings) of one part of a module.

    In training each call draws one gate a unit, for the whole batch; in evaluation the gates are fixed, and a closed
    one is exactly 0. `speed` multiplies the learning rate: at the rates that fine-tune an encoder, no probability would
    get anywhere. A unit inside a gated layer counts only as far as the layer does.
    """

    def __init__(
        self, gated: Gated, distribution: HardConcrete, probability: float, speed: float, device: Any = None
    ) -> None:
        super().__init__()
        self.kind, self.name = gated.kind, gated.name
        self.units, self.width, self.cost = gated.units, gated.width, gated.cost
        self.distribution = distribution
        self.speed = speed
        # Not a submodule: the layer's gate is a parameter of its own, and would be saved once for each that it is over.
        self._outer: tuple[Gate, ...] = ()
        start = distribution.location(probability) / speed
        self.location = nn.Parameter(torch.full((self.units,), start, device=device, dtype=torch.float32))

    def within(self, outer: Gate | None) -> Gate:
        """Says which gate is over this one: that of the layer around it."""
        self._outer = () if outer is None else (outer,)
        return self

    @torch.no_grad()
    def constrain(self, farthest: float) -> None:
        """Brings back log α that went beyond ±farthest, where no gradient reaches it any more."""
        self.location.clamp_(-farthest / self.speed, farthest / self.speed)

    def _location(self) -> Tensor:
        # Noise of 256 values would bias the samples: a bfloat16 model draws its gates in float32 too.
        stored = self.location.float()
        # The gradient passes as if nothing were multiplied: an optimizer's step counts `speed` times, but clipping and
        # gradient-based balancers see what they would without it.
        return stored + (stored * (self.speed - 1)).detach()

    def own_probabilities(self) -> Tensor:
        """Gives the probability that each unit's own gate lets something through, Float[units]."""
        return self.distribution.probability(self._location())

    def probabilities(self) -> Tensor:
        """Gives the probability of each unit's being kept, Float[units]: of its own gate and of the one over it."""
        own = self.own_probabilities()
        return own * self._outer[0].own_probabilities() if self._outer else own

    def modes(self) -> Tensor:
        """Gives the gates without noise, Float[units] in [0, 1], as they act in evaluation."""
        return self.distribution.mode(self._location())

    def closed(self) -> int:
        """Counts the units that contribute nothing in evaluation."""
        if self._outer and self._outer[0].closed():
            return self.units
        return int((self.modes() == 0).sum())

    def forward(self) -> Tensor:
        """Gives the gates, Float[units]: drawn afresh in training, fixed in evaluation."""
        return self.distribution.sample(self._location()) if self.training else self.modes()

    def scale(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Multiplies the input of the projection, Float[... units*width], by the gates: a forward pre-hook."""
        hidden, *rest = inputs
        gates = self().to(hidden.dtype)
        if self.width > 1:
            gates = gates.unsqueeze(-1).expand(-1, self.width).reshape(-1)
        if hidden.is_nested:  # how nn.TransformerEncoder leaves out padding, at inference
            return (torch.nested.as_nested_tensor([part * gates for part in hidden.unbind()]), *rest)
        return (hidden * gates, *rest)

    def blend(self, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any) -> Any:
        """Takes a layer's output as far as its gate is open, and its input for the rest: a forward hook."""
        before = inputs[0] if inputs else named["hidden_states"]
        states, *rest = output if isinstance(output, tuple) else (output,)
        # Exact at both ends: an open gate gives the output to the last bit, and a closed one the input.
        blended = torch.lerp(before, states, self().to(states.dtype))
        return (blended, *rest) if isinstance(output, tuple) else blended

    def thin(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """Multiplies the embeddings of each token by the gate of its row: a forward hook."""
        gates: Tensor = self().to(output.dtype)
        return output * gates[inputs[0]].unsqueeze(-1)

    def extra_repr(self) -> str:
        """Tells the units and what each costs."""
        return f"units={self.units}, parameters_each={self.cost}"


def place_gates(
    projections: Iterable[Projection],
    make: Any,
    blocks: Sequence[Block] = (),
    embeddings: nn.Embedding | None = None,
) -> list[Gate]:
    """Puts a gate onto every projection, layer and table that is named, in place.

    `make` makes one of a `Gated` and a device. A layer's own cost is what of it no head and no neuron counts.
    """
    projections = list(projections)
    gates: list[Gate] = []
    over: dict[str, Gate] = {}
    for block in blocks:
        inside = sum(one.units * one.cost for one in projections if one.block == block.name)
        own = sum(parameter.numel() for parameter in block.module.parameters()) - inside
        gate = make(Gated("layers", block.name, 1, 1, own), next(block.module.parameters()).device)
        block.module.register_forward_hook(gate.blend, prepend=True, with_kwargs=True)
        over[block.name] = gate
        gates.append(gate)
    for one in projections:
        gate = make(Gated(one.kind, one.name, one.units, one.width, one.cost), one.weight.device)
        one.linear.register_forward_pre_hook(gate.scale)
        gates.append(gate.within(over.get(one.block)))
    if embeddings is not None:
        rows, width = embeddings.weight.shape
        gate = make(Gated("embeddings", "embeddings", rows, 1, width), embeddings.weight.device)
        embeddings.register_forward_hook(gate.thin)
        gates.append(gate)
    return gates


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
        blocks: Sequence[Block] = (),
        embeddings: nn.Embedding | None = None,
    ) -> None:
        super().__init__()
        self.keep = keep

        def make(gated: Gated, device: Any) -> Gate:
            return Gate(gated, distribution, probability, speed, device)

        self.gates = nn.ModuleList(place_gates(projections, make, blocks, embeddings))

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
