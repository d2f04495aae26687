"""The losses of knowledge: what the graph itself teaches, beside the labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from consilience.declare import Dims, Fault, Field, Float, Int, Loss, Module, Ports, Use
from consilience_knowledge._modules import Encoder
from consilience_knowledge._resources import entities_of

if TYPE_CHECKING:
    from consilience_knowledge.links import AlignmentLoss, LinkLoss

__all__ = ["Alignment", "LinkPrediction", "faults_of_scorer"]


def faults_of_scorer(of: Use[Module], scorer: str) -> Iterable[Fault]:
    """Tells an `of` that is no encoder of a graph, and an odd width for complex numbers."""
    declared = of.declared
    if not isinstance(declared, Encoder):
        found = f"{of.name}, a {declared.component}, which encodes no graph"
        expected = "a knowledge.embedding, knowledge.rgcn or knowledge.compgcn"
        yield Fault("CN652", "of", found, expected, f"# name under of {expected}")
    elif scorer in ("complex", "rotate") and declared.width % 2:
        found = f"{scorer}, for the odd width {declared.width} of {of.name}"
        yield Fault("CN653", "scorer", found, "an even width", "scorer: distmult")


class _OfEncoder(Loss):
    """What teaches an encoder of a graph."""

    of: Use[Module]
    """The encoder that learns: a `knowledge.embedding`, `knowledge.rgcn` or `knowledge.compgcn`."""

    has_parameters = True

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        yield from faults_of_scorer(self.of, "")

    @property
    def encoder(self) -> Encoder:
        declared = self.of.declared
        assert isinstance(declared, Encoder)
        return declared


class LinkPrediction(_OfEncoder):
    """Asks the encoder which entity stands at the other end of an edge of the graph.

    In each step `edges` of the graph are drawn, hidden from the encoder, and asked for from both of their ends.
    """

    scorer: Literal["transe", "distmult", "complex", "rotate"] = "distmult"
    """How an edge is scored; `complex` and `rotate` want an even width."""
    method: Literal["one_to_n", "negative_sampling", "self_adversarial"] = "one_to_n"
    """Whether the right entity is told from all others at once, or from some that are drawn; these may be weighed by
    how likely they seem (Sun et al. 2019)."""
    edges: int = Field(512, ge=1, le=1_000_000)
    """The edges of a step."""
    negatives: int = Field(64, ge=1, le=65_536)
    """The entities that are drawn for each edge, where they are drawn."""
    margin: float = Field(6.0, ge=0, le=1000)
    """What is added to the scores, where entities are drawn."""
    temperature: float = Field(1.0, ge=0, le=1000)
    """How sharply `self_adversarial` weighs."""
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    """The share of probability that `one_to_n` spreads over all entities."""

    value = Float[""]

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        """Tells an `of` that is no encoder of a graph, and an odd width for complex numbers."""
        yield from faults_of_scorer(self.of, self.scorer)

    def build(self, dims: Dims) -> LinkLoss:
        from consilience_knowledge.links import LinkLoss

        options = (self.negatives, self.margin, self.temperature, self.label_smoothing)
        graph = self.encoder.graph.declared.load()
        return LinkLoss(dims.built(self.of), graph, self.encoder.width, self.scorer, self.method, self.edges, options)


class Alignment(_OfEncoder):
    """Asks a text's vector which entities the text mentions, among all of the graph's.

    So entities come to lie where the texts lie that speak of them (as in Toutanova et al. 2015 and SapBERT, Liu et al.
    2021, with all entities for negatives, since no example may lean on the others of its batch).
    """

    temperature: float = Field(0.1, ge=0.001, le=100)
    """What the cosines are divided by."""

    inputs = Ports(features=Float["batch hidden"])
    target = Int["batch mention"].below("entity")
    static = ("hidden",)

    def dims(self, known: Dims) -> Mapping[str, str]:
        return entities_of(self.encoder.graph) if isinstance(self.of.declared, Encoder) else {}

    def build(self, dims: Dims) -> AlignmentLoss:
        from consilience_knowledge.links import AlignmentLoss

        return AlignmentLoss(dims.built(self.of), dims["hidden"], self.encoder.width, self.temperature)
