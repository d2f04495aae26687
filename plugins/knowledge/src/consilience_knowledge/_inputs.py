"""The inputs of knowledge: what a text mentions, and what the graph says around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from consilience.declare import (
    Bool,
    Dims,
    Fault,
    Field,
    Float,
    Input,
    Int,
    Ports,
    Severity,
    Size,
    Text,
    Use,
    upstream,
)
from consilience_knowledge._resources import Graph, SentenceEncoder, entities_of

if TYPE_CHECKING:
    from consilience_knowledge.features import LiteralBatches
    from consilience_knowledge.linking import MentionBatches
    from consilience_knowledge.structure import AncestorBatches, NeighbourBatches, RelationCounter

__all__ = ["Ancestors", "Literals", "Mentions", "Neighbours", "RelationCounts"]

_ENOUGH = 50
"""The texts from which on it says something that none of them names an entity."""


class Mentions(Input):
    """Links the graph's labels and synonyms in the text: whole words, case-folded, the leftmost and longest.

    Names of one character are left out. Entity 0 is padding, where `mention_mask` is False. Spans count
    characters, in a text of words as if joined by one space: as those of `tokens` do.
    """

    graph: Use[Graph]
    """The graph whose names are looked for."""
    inflection: Literal["none", "plural", "english"] = "plural"
    """Which regular forms of a name's last word are linked too: the English plural, or those in -s, -ed and -ing; a
    name of the graph goes before a form of another."""
    ambiguity: Literal["preferred", "connected", "context"] = "preferred"
    """Which entity a name stands for that several have: the one whose preferred label it is, the one with most edges,
    or the one whose neighbours share most words with the text (Lesk 1986). In doubt, the first in the order of IRIs."""
    encoder: Use[SentenceEncoder] | None = None
    """The encoder by whose similarity it is told too, of the text and of each entity's and its neighbours' names:
    `connected` and `context` then weigh as its prior, by the logarithm of 1 + the edges or the shared words."""
    control: Literal["none", "absent", "flag", "permuted", "random"] = "none"
    """What is linked in place of the entities, to tell what the knowledge itself brings: nothing at all (`absent`),
    one and the same entity (`flag`), for each always the same wrong one (`permuted`), or any each time (`random`)."""
    control_seed: int = Field(0, ge=0, le=2**31 - 1)
    """The number that the wrong entities are drawn by."""

    inputs = Ports(text=Text["batch"])
    outputs = Ports(
        entities=Int["batch mention"].below("entity"),
        entity_spans=Int["batch mention 2"],
        mention_mask=Bool["batch mention"],
    )

    def dims(self, known: Dims) -> Mapping[str, str]:
        return entities_of(self.graph)

    def examine(self, sample: Mapping[str, Sequence[Any]]) -> Iterable[Fault]:
        graph = self.graph.declared.load()
        from consilience_knowledge.dictionary import Dictionary, is_mentionable

        names = [name for of_one in graph.names for name in of_one if is_mentionable(name)]
        dictionary = Dictionary.of(graph, self.inflection, self.ambiguity)
        texts = [one if isinstance(one, str) else " ".join(one) for one in sample["text"]]
        if not names or len(texts) < _ENOUGH or any(map(dictionary.find, texts)):
            return
        found = f"{self.graph.name}, of whose {len(names):,} names none stands in any of {len(texts):,} texts"
        fix = "# see that graph and texts speak of the same things, and in one language"
        yield Fault("CN681", "graph", found, "a graph whose names the texts mention", fix, Severity.WARNING)

    def build(self, dims: Dims) -> MentionBatches:
        from consilience_knowledge.dictionary import Dictionary
        from consilience_knowledge.linking import Control, MentionBatches

        graph = self.graph.declared.load()
        control = Control.of(graph, self.control, self.control_seed)
        encoder = None if self.encoder is None else self.encoder.declared.load
        return MentionBatches(Dictionary.of(graph, self.inflection, self.ambiguity, encoder), control)


class Ancestors(Input):
    """Adds to the mentioned entities all that stands above them: the closure of their hierarchy.

    A text that mentions a kind of cancer then has "cancer" and "disease" in common with others. Give the result to
    `knowledge.embedding`, whose `pooled` is their mean.
    """

    graph: Use[Graph] = upstream()
    """The graph of the entities; left out, that of the mentions."""
    upwards: tuple[str, ...] = Field(("rdfs:subClassOf", "skos:broader", "is_a", "isa"), strict=False)
    """The relations that lead from an entity to what stands above it, as the graph names them; or by rdfs: or skos:."""
    most: int = Field(256, ge=1, le=65_536)
    """The most entities an example, the mentioned ones first and then the nearest."""

    inputs = Ports(entities=Int["batch mention"].below("entity"))
    outputs = Ports(entities=Int["batch concept"].below("entity"), concept_mask=Bool["batch concept"])

    def dims(self, known: Dims) -> Mapping[str, str]:
        return entities_of(self.graph)

    def build(self, dims: Dims) -> AncestorBatches:
        from consilience_knowledge.structure import AncestorBatches

        return AncestorBatches.of(self.graph.declared.load(), self.upwards, self.most)


class Neighbours(Input):
    """Adds to the mentioned entities those that an edge joins to them, up to a number for each.

    Give `entities` to `knowledge.embedding` and its `mentions`, with `place_mask`, to `cross_attention`.
    """

    graph: Use[Graph] = upstream()
    """The graph of the entities; left out, that of the mentions."""
    most: int = Field(16, ge=1, le=4096)
    """The most neighbours of a mention: the rarest relations first, since they tell most."""

    inputs = Ports(entities=Int["batch mention"].below("entity"))
    outputs = Ports(entities=Int["batch place"].below("entity"), place_mask=Bool["batch place"])

    def dims(self, known: Dims) -> Mapping[str, str]:
        return entities_of(self.graph)

    def build(self, dims: Dims) -> NeighbourBatches:
        from consilience_knowledge.structure import NeighbourBatches

        return NeighbourBatches.of(self.graph.declared.load(), self.most)


class RelationCounts(Input):
    """Counts, of the graph's commonest relations, the edges of what a text mentions; a graph network counts no better.

    For each relation log(1 + n) of the edges that lead out of the mentioned entities, into them, and from one of them
    to another; then of the mentions, and of the different ones (as in SAFE, Jiang et al. 2022).
    """

    graph: Use[Graph] = upstream()
    """The graph of the entities; left out, that of the mentions."""
    most: int = Field(16, ge=1, le=4096)
    """How many relations are counted, the commonest first; zeros where the graph has fewer."""

    inputs = Ports(entities=Int["batch mention"].below("entity"))
    outputs = Ports(counts=Float["batch count"])

    def dims(self, known: Dims) -> Mapping[str, int | str]:
        return {"count": Size(3 * self.most + 2, "its key most"), **entities_of(self.graph)}

    def build(self, dims: Dims) -> RelationCounter:
        from consilience_knowledge.structure import RelationCounter

        return RelationCounter.of(self.graph.declared.load(), self.most)


class Literals(Input):
    """Gives the literals of what a text mentions as numbers: a year, a mass, a price, or whether something is so.

    Of the properties that most entities of the graph have: numbers, dates (in years) and truth values, normalised over
    the entities that have one. `literals` and `literal_mask` are of each mention, 0 and False where it has none;
    `pooled` is of the example: the mean of each property, and then the share of mentions that have it.
    """

    graph: Use[Graph] = upstream()
    """The graph of the entities; left out, that of the mentions."""
    most: int = Field(8, ge=1, le=4096)
    """How many properties are read, those of most entities first; zeros where the graph has fewer."""

    inputs = Ports(entities=Int["batch mention"].below("entity"))
    outputs = Ports(
        literals=Float["batch mention literal"],
        literal_mask=Bool["batch mention literal"],
        pooled=Float["batch told"],
    )

    def dims(self, known: Dims) -> Mapping[str, int | str]:
        sizes = {"literal": Size(self.most, "its key most"), "told": Size(2 * self.most, "its key most")}
        return {**sizes, **entities_of(self.graph)}

    def build(self, dims: Dims) -> LiteralBatches:
        from consilience_knowledge.features import LiteralBatches

        return LiteralBatches.of(self.graph.declared.load(), self.most)
