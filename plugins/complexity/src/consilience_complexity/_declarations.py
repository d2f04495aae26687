"""What complexity offers to a fusion file. Light: torch enters only where something is built."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from consilience.declare import DeclarationError, Diagnostic, Dims, Fault, Field, Float, Loss, Module, Use

if TYPE_CHECKING:
    from consilience_complexity.gates import SizeLoss

__all__ = ["Sparsity"]

_BLOCK = re.compile(r"(?:.*\.)?\d+(?=\.)")
"""The block that a layer's name says it stands in: `encoder.layer.0` in `encoder.layer.0.output.dense`."""


def _blocks_of(layers: Iterable[str]) -> Iterator[str]:
    return (found[0] for name in layers if (found := _BLOCK.match(name)))


class Sparsity(Loss):
    """Is the size of a module: the share of its attention heads and feed-forward neurons that learnt gates keep.

    Every head and every neuron of the transformer inside the module gets a hard-concrete gate (Louizos, Welling, Kingma
    2018). The value is the expected number of parameters behind open gates over all gated parameters, from 0 to 1. The
    gates stay on the module after training, without noise: what is closed contributes exactly nothing.
    """

    of: Use[Module]
    """The module whose size is the loss: one with a transformers encoder (or an nn.TransformerEncoder) inside."""

    keep: float | None = Field(None, ge=0, le=1)
    """The share to keep, 0 to 1: the loss is then the squared distance from it. Left out, less is always better."""

    openness: float = Field(0.995, gt=0, lt=1)
    """The probability with which each gate lets something through at the start, above 0 and below 1."""

    speed: float = Field(500.0, ge=0.001, le=1_000_000)
    """How many times the run's learning rate the gates learn with, 0.001 to 1e6; 500 as in CoFi (Xia et al. 2022)."""

    temperature: float = Field(2 / 3, ge=0.01, lt=1)
    """How soft the gates are in training, 0.01 (all but binary) or more and below 1."""

    low: float = Field(-0.1, ge=-10, lt=0)
    """The lower end of the stretched interval, -10 or more and below 0: what falls below 0 is a closed gate."""

    high: float = Field(1.1, gt=1, le=11)
    """The upper end of the stretched interval, above 1 and at most 11: what falls above 1 is a fully open gate."""

    value = Float[""]
    has_parameters = True

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells of a module without blocks of at least two linear layers, where the module says what it has."""
        layers = self.of.declared.linear_layers(dims.of(self.of))
        if layers is not None and max(Counter(_blocks_of(layers)).values(), default=0) < 2:
            yield self._nothing(f"a {self.of.declared.component} has no attention and no feed-forward layers")

    def build(self, dims: Dims) -> SizeLoss:
        """Puts the gates onto the module, in place, and gives their expected size; DeclarationError when none fits."""
        from consilience_complexity.anatomy import NothingToGate, find_projections
        from consilience_complexity.gates import HardConcrete, SizeLoss

        try:
            projections = find_projections(dims.built(self.of))
        except NothingToGate as reason:
            fault = self._nothing(str(reason))
            told = Diagnostic(fault.code, (fault.key,), fault.found, fault.expected, fault.fix)
            raise DeclarationError(told) from reason
        distribution = HardConcrete(self.temperature, self.low, self.high)
        return SizeLoss(projections, distribution, self.openness, self.speed, self.keep)

    def _nothing(self, reason: str) -> Fault:
        expected = "a module with a transformer inside, such as a text_encoder"
        return Fault("CN481", "of", f"{self.of.name}, but {reason}", expected, f"# name under of {expected}")
