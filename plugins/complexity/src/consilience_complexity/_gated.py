"""What the losses that put gates onto a module have in common, and the two of them. Light: torch enters in `build`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from consilience.declare import DeclarationError, Diagnostic, Dims, Fault, Field, Float, Loss, Module, Use
from consilience_complexity._table import LatencyTable

if TYPE_CHECKING:
    from consilience_complexity.budget import BudgetLoss
    from consilience_complexity.gates import HardConcrete, SizeLoss

__all__ = ["Budget", "Sparsity"]

_BLOCK = re.compile(r"(?:.*\.)?\d+(?=\.)")
"""The block that a layer's name says it stands in: `encoder.layer.0` in `encoder.layer.0.output.dense`."""
Kind = Literal["heads", "neurons", "layers", "embeddings"]


def _blocks_of(layers: Iterable[str]) -> Iterator[str]:
    return (found[0] for name in layers if (found := _BLOCK.match(name)))


class _Gated(Loss):
    """Puts a hard-concrete gate onto units of a module (Louizos, Welling, Kingma 2018)."""

    of: Use[Module]
    """The module whose size is the loss: one with a transformers encoder (or an nn.TransformerEncoder) inside."""

    gates: list[Kind] = Field(["heads", "neurons"], min_length=1, max_length=4)
    """What gets a gate each: attention `heads`, feed-forward `neurons`, whole `layers`, rows of token `embeddings`."""

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
        if layers is None:
            return
        blocks = Counter(_blocks_of(layers))
        if max(blocks.values(), default=0) < 2:
            yield self._nothing(f"a {self.of.declared.component} has no attention and no feed-forward layers")
        elif "layers" in self.gates and len(blocks) < 2:
            yield self._fewer("layers", f"a {self.of.declared.component} with one layer of its own")

    def _parts(self, dims: Dims) -> dict[str, Any]:
        """Finds what the gates stand before; DeclarationError where the built module has none of it."""
        from consilience_complexity.anatomy import NothingToGate, find_blocks, find_embeddings, find_projections

        module = dims.built(self.of)
        try:
            projections = [one for one in find_projections(module) if one.kind in self.gates]
        except NothingToGate as reason:
            raise _told(self._nothing(str(reason))) from reason
        found: dict[str, Any] = {"projections": projections}
        try:
            if "layers" in self.gates:
                found["blocks"] = find_blocks(module)
            if "embeddings" in self.gates:
                found["embeddings"] = find_embeddings(module)
        except NothingToGate as reason:
            kind = "embeddings" if "blocks" in found or "layers" not in self.gates else "layers"
            raise _told(self._fewer(kind, str(reason))) from reason
        if not projections and len(found) == 1:
            raise _told(self._fewer(self.gates[0], f"{type(module).__name__} has no {self.gates[0]}"))
        return found

    def _distribution(self) -> HardConcrete:
        from consilience_complexity.gates import HardConcrete

        return HardConcrete(self.temperature, self.low, self.high)

    def _nothing(self, reason: str) -> Fault:
        expected = "a module with a transformer inside, such as a text_encoder"
        return Fault("CN481", "of", f"{self.of.name}, but {reason}", expected, f"# name under of {expected}")

    def _fewer(self, kind: str, reason: str) -> Fault:
        left = [one for one in self.gates if one != kind] or ["neurons"]
        fix = f"gates: [{', '.join(left)}]"
        return Fault("CN440", "gates", f"{kind}, but {reason}", f"units that {self.of.name} has several of", fix)


def _told(fault: Fault) -> DeclarationError:
    return DeclarationError(Diagnostic(fault.code, (fault.key,), fault.found, fault.expected, fault.fix))


class Sparsity(_Gated):
    """Is the size of a module: the share of its gated parameters that learnt gates keep.

    Every head and every neuron of the transformer inside the module gets a hard-concrete gate (Louizos, Welling, Kingma
    2018), and layers and rows of embeddings where `gates` says so. The value is the expected number of parameters
    behind open gates over all gated parameters, from 0 to 1. The gates stay on the module after training, without
    noise: what is closed contributes exactly nothing.
    """

    keep: float | None = Field(None, ge=0, le=1)
    """The share to keep, 0 to 1: the loss is then the squared distance from it. Left out, less is always better."""

    def build(self, dims: Dims) -> SizeLoss:
        """Puts the gates onto the module, in place, and gives their expected size; DeclarationError when none fits."""
        from consilience_complexity.gates import SizeLoss

        parts = self._parts(dims)
        return SizeLoss(
            distribution=self._distribution(), probability=self.openness, speed=self.speed, keep=self.keep, **parts
        )


class Budget(_Gated):
    """Holds what a module costs to a budget, by gates and a Lagrange multiplier that is solved for after each step.

    Cost is counted in parameters, in floating-point operations, or in milliseconds by a measured table, as expected
    under the gates, and told as a share of what all of it costs. After each optimizer step the gates' log α is lowered
    by λ times what their unit costs, with the least λ that brings the share down to the target: so the training ends
    within it whatever the task's loss weighs, and the task decides which gates stay. The value is what the share has
    above the target before that, squared (the constraint of Wang, Wohlwend, Lei 2020, who learn λ where this solves
    for it).
    """

    keep: float = Field(ge=0.05, le=1)
    """The share of the cost to keep, 0.05 to 1."""

    measure: Literal["parameters", "flops", "latency"] = "flops"
    """What cost is: gated parameters, operations of one text of `length` tokens, or milliseconds by the `table`."""

    length: int = Field(64, ge=1, le=1_000_000)
    """The number of tokens of the text whose operations are counted; of no matter for other measures."""

    table: Use[LatencyTable] | None = None
    """The measured latencies, which `consilience complexity profile` writes; needed for `measure: latency` alone."""

    over: int = Field(0, ge=0, le=2**31 - 1)
    """How many optimizer steps the target takes from the whole cost down to `keep`; 0 asks for it at once."""

    stiffness: float = Field(1.0, ge=0, le=1e6)
    """The weight of the squared distance above the target, in the loss."""

    def faults(self) -> Iterable[Fault]:
        """Tells of latency without a table, a table without latency, and gates that cost none of what is counted."""
        if self.measure == "latency" and self.table is None:
            fix = "table: here  # resources: {here: {use: complexity.latency_table, path: latency.json}}"
            yield Fault("CN441", "measure", "latency, and no table", "a table of measured latencies", fix)
        if self.measure != "latency" and self.table is not None:
            yield Fault("CN441", "table", f"a table, and measure: {self.measure}", "no table", "measure: latency")
        if self.measure != "parameters" and set(self.gates) == {"embeddings"}:
            found = f"embeddings alone, whose rows cost no {self.measure}"
            yield Fault("CN440", "gates", found, f"gates whose units cost {self.measure}", "measure: parameters")

    def build(self, dims: Dims) -> BudgetLoss:
        """Puts the gates onto the module, in place, and gives what holds their cost to the budget."""
        from consilience_complexity.budget import BudgetLoss, cost_of

        parts = self._parts(dims)
        curves = self.table.declared.curves() if self.table is not None else None
        cost = cost_of(self.measure, parts["projections"], self.length, curves)
        return BudgetLoss(
            parts, cost, self._distribution(), self.openness, self.speed, (self.keep, self.over, self.stiffness)
        )
