"""The resources of knowledge: graphs, and vectors of their entities. Light: a check reads first bytes alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from consilience.declare import (
    DeclarationError,
    Diagnostic,
    Fault,
    Field,
    Location,
    Place,
    Resource,
    Use,
    nearest,
    paste,
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
from consilience_knowledge.vectors import UnreadableVectors, width_of

if TYPE_CHECKING:
    from consilience_knowledge.similarity import Embedder

__all__ = ["Graph", "SentenceEncoder", "Vectors", "entities_of"]

_LABELS = (
    "rdfs:label",
    "skos:prefLabel",
    "skos:altLabel",
    "skos:hiddenLabel",
    "oboInOwl:hasExactSynonym",
    "schema:name",
    "schema:alternateName",
)
_ENCODER_FILES = ("config.json", "tokenizer.json", "model.safetensors")
_ENCODER_MORE = ("tokenizer_config.json", "special_tokens_map.json", "vocab.txt")


class Graph(Resource):
    """A knowledge graph in one file: its concepts, their labels and synonyms, and the relations between them.

    A process of its own reads it, with bounded time and memory, no network and no file; what it read is kept by the
    hash of the content. Entities are the IRIs that have a label or stand in a triple with another; properties, an
    ontology's header and the words of RDF, RDFS, OWL and SKOS are none. Numbers, dates and truth values are kept;
    other literals, and blank nodes (but for `someValuesFrom`, which is an edge), are left out. In triples between tabs
    every head and tail is an entity, named by itself unless a label says otherwise.
    """

    path: Location
    """The file, by its suffix: `.ttl` Turtle, `.nt` N-Triples, `.rdf`, `.owl` or `.xml` RDF/XML, `.jsonld` JSON-LD
    (with the contexts that stand in it), `.tsv` head, relation and tail between tabs; `.gz` may follow."""
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
        return {"path": self.path.copy_into(folder)}


class Vectors(Resource):
    """Vectors of entities that were learnt before: what `consilience knowledge pretrain` wrote.

    A graph looks its entities up by their IRIs; those that the file does not know start at random.
    """

    path: Location
    """The file, of safetensors."""

    def faults(self) -> Iterable[Fault]:
        fault = self.path.fault(wanted="a file of vectors", form="file")
        if fault is not None:
            yield fault
            return
        try:
            width_of(self.path.path)
        except UnreadableVectors as error:
            fix = f"# write it anew: consilience knowledge pretrain GRAPH {self.path}"
            yield Fault("CN650", "path", f"{self.path}: {error}", "vectors of entities", fix)

    def files(self) -> Iterable[Path]:
        return [self.path.path]

    def save(self, folder: Path) -> Mapping[str, Any]:
        return {"path": self.path.copy_into(folder)}


class SentenceEncoder(Resource):
    """A frozen text encoder that tells how alike two texts are, for what is ambiguous in `knowledge.mentions`.

    A folder in the format of transformers: config.json, tokenizer.json and model.safetensors. A saved model keeps a
    copy of it, weights included: unlike a checkpoint's, they stand in no module.
    """

    path: Location
    """The folder, or `pkg:package/path` in an installed package."""

    def faults(self) -> Iterable[Fault]:
        fault = self.path.fault(wanted="a text encoder's folder", form="folder")
        if fault is not None:
            yield fault
            return
        for name in _ENCODER_FILES:
            place = replace(self.path, text=f"{self.path.text.rstrip('/')}/{name}")
            missing = place.fault(wanted=f"a text encoder's {name}", form="file")
            if missing is not None:
                yield replace(missing, fix=f"# name under path a folder that has {', '.join(_ENCODER_FILES)}")
                return

    def load(self) -> Embedder:
        """Loads tokenizer and weights."""
        from consilience_knowledge.similarity import Embedder

        return Embedder(self.path.path)

    def files(self) -> Iterable[Path]:
        return [self.path.path / name for name in (*_ENCODER_FILES, *_ENCODER_MORE) if self._has(name)]

    def save(self, folder: Path) -> Mapping[str, Any]:
        inside = replace(self.path, text=self.path.text.rstrip("/"))
        for file in self.files():
            replace(inside, text=f"{inside.text}/{file.name}").copy_into(folder)
        return {"path": "."}

    def _has(self, name: str) -> bool:
        return (self.path.path / name).is_file()


def _most(counts: Mapping[str, int]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))


def entities_of(graph: Use[Graph]) -> dict[str, str]:
    """Says whose entities are counted: how many they are is only known once the graph is read."""
    return {"entity": graph.name} if graph.name else {}
