"""Declares the components: light, so that a file is checked without torch and without a reader of graphs."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PrivateAttr

from consilience.declare import (
    Bool,
    DeclarationError,
    Diagnostic,
    Dims,
    Fault,
    Field,
    Float,
    Input,
    Int,
    Location,
    Module,
    Place,
    Ports,
    Resource,
    Severity,
    Size,
    Text,
    Use,
    nearest,
    paste,
    upstream,
)
from consilience_knowledge.first_look import look_at
from consilience_knowledge.graphs import (
    FORMATS,
    PREFIXES,
    KnowledgeGraph,
    UnreadableGraph,
    format_of,
    iri_of,
    short_of,
)

if TYPE_CHECKING:
    from consilience_knowledge.injection import GatedInjection
    from consilience_knowledge.linking import MentionBatches
    from consilience_knowledge.rgcn import RelationalEncoder

__all__ = ["RGCN", "Graph", "Injection", "Mentions"]

_ENOUGH = 50
"""The texts from which on it says something that none of them names an entity."""
_LABELS = (
    "rdfs:label",
    "skos:prefLabel",
    "skos:altLabel",
    "skos:hiddenLabel",
    "oboInOwl:hasExactSynonym",
    "schema:name",
    "schema:alternateName",
)


class Graph(Resource):
    """A knowledge graph in one file of RDF: its concepts, their labels and synonyms, and the relations between them.

    It is read without a network, and opens no file but its own. Entities are the IRIs that have a label or stand in a
    triple with another; properties, the ontology's header and the words of RDF, RDFS, OWL and SKOS are none. Literals
    other than labels, and blank nodes (but for `someValuesFrom`, which is an edge), are left out.
    """

    path: Location
    """The file, by its suffix: `.ttl` Turtle, `.nt` N-Triples, `.rdf`, `.owl` or `.xml` RDF/XML; `.gz` may follow."""
    labels: tuple[str, ...] = Field(_LABELS, strict=False)
    """The predicates whose values are names, the preferred one first: IRIs, or by rdfs:, skos:, oboInOwl:, schema:."""
    language: str | None = "en"
    """The language of the labels; those that tell none are read too. `null` reads every language."""

    _read: list[KnowledgeGraph] = PrivateAttr(default_factory=list)

    def faults(self) -> Iterable[Fault]:
        fault = self.path.fault(wanted="a graph file", form="file")
        if fault is not None:
            yield fault
        elif format_of(self.path.text) is not None:
            try:
                look_at(self.path.path)
            except UnreadableGraph as error:
                yield Fault("CN604", "path", error.found, error.expected, error.fix)
        if format_of(self.path.text) is None:
            known = ", ".join(FORMATS)
            yield Fault(
                "CN603", "path", f"{self.path}: no format is known by this suffix", f"one of {known}", self._beside()
            )
        for label in self.labels:
            if iri_of(label) is None:
                near = nearest(label, _LABELS) or "rdfs:label"
                known = ", ".join(f"{prefix}:" for prefix in PREFIXES)
                yield Fault("CN124", "labels", label, f"an IRI, or a name by one of {known}", f"labels: [{near}]")

    def _beside(self) -> str:
        """Writes the fix for a suffix of no format: the file of that name which has one, where there is one."""
        text = self.path.text
        stem = text.removesuffix(".gz").rpartition(".")[0] or text
        others = (replace(self.path, text=f"{stem}{suffix}{gz}") for suffix in FORMATS for gz in ("", ".gz"))
        found = next((other.text for other in others if other.fault(form="file") is None), None)
        return (
            f"path: {paste(found)}" if found else f"# name under path a file that ends in one of {', '.join(FORMATS)}"
        )

    def load(self) -> KnowledgeGraph:
        """Reads the file, once; raises DeclarationError (CN604) when it is no readable graph."""
        if not self._read:
            from consilience_knowledge.reading import read_graph

            try:
                self._read.append(read_graph(self.path.path, self.labels, self.language))
            except UnreadableGraph as error:
                place = Place(str(self.path.path), error.line, 1) if error.line else None
                diagnostic = Diagnostic("CN604", (), error.found, error.expected, error.fix, place)
                raise DeclarationError(diagnostic) from error
        return self._read[0]

    def examine(self) -> Iterable[Fault]:
        try:
            graph = self.load()
        except DeclarationError as error:
            return [Fault(item.code, "path", item.found, item.expected, item.fix) for item in error.diagnostics]
        from consilience_knowledge.dictionary import is_mentionable

        names = [name for of_one in graph.names for name in of_one]
        return [] if any(map(is_mentionable, names)) else [self._unmentionable(len(graph) - 1, names)]

    def _unmentionable(self, entities: int, names: list[str]) -> Fault:
        """Tells why no text can mention an entity, by what else the file says of them."""
        from consilience_knowledge.reading import find_labels

        languages, others = find_labels(self.path.path, self.labels)
        found, key = f"{self.path}: {entities} entities without a label", "labels"
        fix = f"# name under labels the predicates by which {self.path} names its entities"
        if names:
            found = f"{self.path}: {len(names)} labels that are no words of a text, such as {names[0]}"
        elif languages:
            found = f"{self.path}: labels in {', '.join(sorted(languages))}, none in {self.language}"
            key, fix = "language", f"language: {paste(_most(languages))}"
        if others and key == "labels":
            fix = f"labels: {paste([short_of(_most(others))])}"
        elif not entities and key == "labels":
            found, key, fix = f"{self.path}: no entity", "path", "# name under path a graph whose entities are IRIs"
        return Fault("CN680", key, found, "a graph whose entities have labels that a text can mention", fix)

    def files(self) -> Iterable[Path]:
        return [self.path.path]

    def save(self, folder: Path) -> Mapping[str, Any]:
        source = self.path.path
        target = folder / source.name
        if not (target.exists() and target.samefile(source)):
            shutil.copyfile(source, target)
        return {"path": source.name}


def _most(counts: Mapping[str, int]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))


def _entities_of(graph: Use[Graph]) -> dict[str, str]:
    """Says whose entities are counted: how many they are is only known once the graph is read."""
    return {"entity": graph.name} if graph.name else {}


class Mentions(Input):
    """Links the graph's labels and synonyms in the text: whole words, case-folded, the leftmost and longest.

    A name that several entities have stands for the one whose preferred label it is, then for the first in the order of
    IRIs. Names of one character are left out. Entity 0 is padding, where `mention_mask` is False. Spans count
    characters, in a text of words as if joined by one space: as those of `tokens` do.
    """

    graph: Use[Graph]
    """The graph whose names are looked for."""
    inflection: Literal["none", "plural"] = "plural"
    """Whether the regular English plural of a name is linked too; a name of the graph goes before a plural."""

    inputs = Ports(text=Text["batch"])
    outputs = Ports(
        entities=Int["batch mention"].below("entity"),
        entity_spans=Int["batch mention 2"],
        mention_mask=Bool["batch mention"],
    )

    def dims(self, known: Dims) -> Mapping[str, str]:
        return _entities_of(self.graph)

    def examine(self, sample: Mapping[str, Sequence[Any]]) -> Iterable[Fault]:
        graph = self.graph.declared.load()
        from consilience_knowledge.dictionary import Dictionary, is_mentionable

        names = [name for of_one in graph.names for name in of_one if is_mentionable(name)]
        dictionary = Dictionary.of(graph, self.inflection)
        texts = [one if isinstance(one, str) else " ".join(one) for one in sample["text"]]
        if not names or len(texts) < _ENOUGH or any(map(dictionary.find, texts)):
            return
        found = f"{self.graph.name}, of whose {len(names):,} names none stands in any of {len(texts):,} texts"
        fix = "# see that graph and texts speak of the same things, and in one language"
        yield Fault("CN681", "graph", found, "a graph whose names the texts mention", fix, Severity.WARNING)

    def build(self, dims: Dims) -> MentionBatches:
        from consilience_knowledge.dictionary import Dictionary
        from consilience_knowledge.linking import MentionBatches

        return MentionBatches(Dictionary.of(self.graph.declared.load(), self.inflection))


class Injection(Module):
    """Adds to each token that names an entity a vector of it, and one that says "linked here", through a gate.

    It starts as the identity. `pooled` is the mean of the tokens that the mask admits.
    """

    graph: Use[Graph] = upstream()
    """The graph of the entities; left out, that of the mentions."""
    width: int = Field(64, ge=1, le=16_384)
    """The size of an entity's vector."""
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

    def dims(self, known: Dims) -> Mapping[str, str]:
        return _entities_of(self.graph)

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        return ["gate", "project"]

    def build(self, dims: Dims) -> GatedInjection:
        from consilience_knowledge.injection import GatedInjection

        return GatedInjection(len(self.graph.declared.load()), dims["hidden"], self.width, self.vectors)


class RGCN(Module, name="rgcn"):
    """Encodes the graph by relational convolution (Schlichtkrull et al. 2018); gives the mentioned entities' vectors.

    Every relation also runs backwards, and every entity hears itself. `pooled` is the mean of an example's mentions,
    zeros where there are none.
    """

    graph: Use[Graph] = upstream()
    """The graph that is encoded; left out, that of the mentions."""
    width: int = Field(64, ge=1, le=16_384)
    """The size of an entity's vector."""
    layers: int = Field(2, ge=1, le=64)
    """How many steps away an entity's neighbours are heard."""
    bases: int | None = Field(None, ge=1, le=1024)
    """How many matrices the relations share (basis decomposition); left out, each relation has its own."""

    inputs = Ports(entities=Int["batch mention"].below("entity"))
    outputs = Ports(pooled=Float["batch width"], mentions=Float["batch mention width"])

    def dims(self, known: Dims) -> Mapping[str, int | str]:
        return {"width": Size(self.width, "its key width"), **_entities_of(self.graph)}

    def linear_layers(self, dims: Dims) -> Iterable[str]:
        return [f"layers.{number}.itself" for number in range(self.layers)]

    def build(self, dims: Dims) -> RelationalEncoder:
        from consilience_knowledge.rgcn import Messages, RelationalEncoder

        graph = self.graph.declared.load()
        messages = Messages.along(graph.heads, graph.kinds, graph.tails, len(graph.relations))
        return RelationalEncoder(len(graph), messages, self.width, self.layers, self.bases)
