"""The modules of knowledge: encoders of entities, and what brings them to tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from consilience.declare import Bool, Dims, Fault, Field, Float, Int, Module, Ports, Size, Use, upstream
from consilience_knowledge._resources import Graph, Vectors, entities_of
from consilience_knowledge.vectors import UnreadableVectors, width_of

if TYPE_CHECKING:
    from torch import Tensor

    from consilience_knowledge.entities import EntityEncoder, EntityTable
    from consilience_knowledge.injection import FeatureModulation, GatedInjection
    from consilience_knowledge.rgcn import Messages

__all__ = ["RGCN", "CompGCN", "Embedding", "Encoder", "Film", "Injection"]


class _Started(Module):
    """What has a vector for each entity of a graph, which may start from known ones."""

    graph: Use[Graph] = upstream()
    """The graph of the entities; left out, that of the mentions."""
    width: int = Field(64, ge=1, le=16_384)
    """The size of an entity's vector."""
    start: Use[Vectors] | None = None
    """The vectors that the entities start from; left out, they start at random."""

    def dims(self, known: Dims) -> Mapping[str, int | str]:
        return entities_of(self.graph)

    def faults_with(self, dims: Dims) -> Iterable[Fault]:
        if self.start is None:
            return
        try:
            width = width_of(self.start.declared.path.path)
        except UnreadableVectors:
            return  # the resource tells it
        if width != self.width:
            found = f"{self.start.name}, whose vectors have {width} numbers, for a width of {self.width}"
            yield Fault("CN651", "start", found, f"vectors of {self.width} numbers", f"width: {width}")

    def _begin(self, parameter: Tensor | None) -> None:
        if self.start is None or parameter is None:
            return
        from consilience_knowledge.entities import start_from
        from consilience_knowledge.vectors import read_vectors

        start_from(parameter, *read_vectors(self.start.declared.path.path, self.graph.declared.load().entities))


class _Injected(_Started):
    """What brings entities to the tokens that name them."""

    vectors: Literal["trained", "fixed", "none"] = "trained"
    """Whether the entities' vectors are learned, stay as drawn, or are left out: then only the link itself is told."""

    inputs = Ports(
        hidden=Float["batch seq hidden"],
        spans=Int["batch seq 2"],
        entities=Int["batch mention"].below("entity"),
        entity_spans=Int["batch mention 2"],
        mask=Bool["batch seq"] | None,
    )
    outputs = Ports(hidden=Float["batch seq hidden"], pooled=Float["batch hidden"])
    static = ("hidden",)


class Injection(_Injected):
    """Adds to each token that names an entity a vector of it, and one that says "linked here", through a gate.

    It starts as the identity. `pooled` is the mean of the tokens that the mask admits.
    """

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        return ["gate", "project"]

    def build(self, dims: Dims) -> GatedInjection:
        from consilience_knowledge.injection import GatedInjection

        built = GatedInjection(len(self.graph.declared.load()), dims["hidden"], self.width, self.vectors)
        self._begin(built.fixed if built.trained is None else built.trained)
        return built


class Film(_Injected):
    """Scales and shifts each token that names an entity, by its vector and one that says "linked here".

    FiLM (Perez et al. 2018, arXiv 1709.07871) from zero: it starts as the identity. `pooled` is the mean of the tokens
    that the mask admits.
    """

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        return ["scale", "shift"]

    def build(self, dims: Dims) -> FeatureModulation:
        from consilience_knowledge.injection import FeatureModulation

        built = FeatureModulation(len(self.graph.declared.load()), dims["hidden"], self.width, self.vectors)
        self._begin(built.fixed if built.trained is None else built.trained)
        return built


class Encoder(_Started):
    """What encodes all entities of a graph: `knowledge.link_prediction` can train it by the graph alone."""

    inputs = Ports(entities=Int["batch mention"].below("entity"))
    outputs = Ports(pooled=Float["batch width"], mentions=Float["batch mention width"])

    def dims(self, known: Dims) -> Mapping[str, int | str]:
        return {"width": Size(self.width, "its key width"), **entities_of(self.graph)}


class Embedding(Encoder):
    """Gives a vector of each mentioned entity, out of a table.

    `pooled` is the mean of an example's entities, zeros where there are none: one vector an example, for `concat` or
    `gated`. `mentions` are for `cross_attention`.
    """

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        return []

    def build(self, dims: Dims) -> EntityTable:
        from consilience_knowledge.entities import EntityTable

        built = EntityTable(len(self.graph.declared.load()), self.width)
        self._begin(built.vectors)
        return built


class _Layered(Encoder):
    """What hears the graph's edges, layer by layer."""

    layers: int = Field(2, ge=1, le=64)
    """How many steps away an entity's neighbours are heard."""

    def build(self, dims: Dims) -> EntityEncoder:
        from consilience_knowledge.rgcn import Messages

        graph = self.graph.declared.load()
        built = self._encoder(len(graph), Messages.along(graph.heads, graph.kinds, graph.tails, len(graph.relations)))
        self._begin(built.vectors)
        return built

    def _encoder(self, entities: int, messages: Messages) -> EntityEncoder:
        raise NotImplementedError


class RGCN(_Layered, name="rgcn"):
    """Encodes the graph by relational convolution (Schlichtkrull et al. 2018); gives the mentioned entities' vectors.

    Every relation also runs backwards, and every entity hears itself. `pooled` is the mean of an example's mentions,
    zeros where there are none.
    """

    bases: int | None = Field(None, ge=1, le=1024)
    """How many matrices the relations share (basis decomposition); left out, each relation has its own."""
    neighbours: int | None = Field(None, ge=1, le=65_536)
    """The most neighbours that an entity hears by each relation in a training step, drawn anew; left out, all."""

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        return [f"layers.{number}.itself" for number in range(self.layers)]

    def _encoder(self, entities: int, messages: Messages) -> EntityEncoder:
        from consilience_knowledge.rgcn import RelationalEncoder

        return RelationalEncoder(entities, messages, self.width, self.layers, self.bases, self.neighbours)


class CompGCN(_Layered, name="compgcn"):
    """Encodes the graph by joining neighbours with relations (Vashishth et al. 2020); one matrix a direction.

    Every relation also runs backwards, and every entity hears itself. `pooled` is the mean of an example's mentions,
    zeros where there are none. It has fewer parameters than `rgcn` where a graph has many relations.
    """

    bases: int | None = Field(None, ge=1, le=1024)
    """How many vectors the relations share; left out, each relation has its own."""
    composition: Literal["multiply", "subtract"] = "multiply"
    """How a neighbour is joined with the relation that it is heard by."""

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        for number in range(self.layers):
            yield from (f"layers.{number}.{name}" for name in ("itself", "forth", "back"))
            if number + 1 < self.layers:
                yield f"layers.{number}.kinds"

    def _encoder(self, entities: int, messages: Messages) -> EntityEncoder:
        from consilience_knowledge.compgcn import CompositionEncoder

        return CompositionEncoder(entities, messages, self.width, self.layers, self.bases, self.composition)
