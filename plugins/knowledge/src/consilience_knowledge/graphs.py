"""What is left of a knowledge graph for a model: its entities, their names, and the edges between them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = [
    "FORMATS",
    "LARGEST",
    "NO_ENTITY",
    "PREFIXES",
    "SYNTAXES",
    "KnowledgeGraph",
    "UnreadableGraph",
    "format_of",
    "iri_of",
    "short_of",
]

NO_ENTITY = 0
"""The index that stands for "no entity": padding."""

FORMATS = {
    ".ttl": "turtle",
    ".nt": "nt",
    ".rdf": "xml",
    ".owl": "xml",
    ".xml": "xml",
    ".jsonld": "jsonld",
    ".tsv": "tsv",
}
"""The formats that are read, by the suffix of the file; each may be followed by `.gz`."""

SYNTAXES = {
    "turtle": "Turtle",
    "nt": "N-Triples",
    "xml": "RDF/XML",
    "jsonld": "JSON-LD",
    "tsv": "three columns between tabs: head, relation, tail",
}
"""The formats as their authors write them."""

LARGEST = 256 * 2**20
"""The most bytes that are read, after decompression."""

PREFIXES = {
    "oboInOwl": "http://www.geneontology.org/formats/oboInOwl#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "http://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
}
"""The prefixes that label predicates may be written with."""


class UnreadableGraph(Exception):
    """A file that cannot be read as a graph: what was found and expected, a fix, and the line when it is known."""

    def __init__(self, found: str, expected: str, fix: str, line: int | None = None) -> None:
        self.found, self.expected, self.fix, self.line = found, expected, fix, line
        super().__init__(found)


@dataclass(frozen=True)
class KnowledgeGraph:
    """Entities in the order of their IRIs; index 0 is kept for "no entity" and has neither name nor edge.

    `names[i]` are the labels and synonyms of entity i, the preferred one first. Edge k leads from entity `heads[k]` to
    entity `tails[k]` by `relations[kinds[k]]`; edges are sorted, and each stands once. Literal k says that
    entity `holders[k]` has `values[k]` by `properties[sorts[k]]`: a number, a date in years, or 1 or 0 for
    true or false.
    """

    entities: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    relations: tuple[str, ...]
    heads: array[int]
    kinds: array[int]
    tails: array[int]
    properties: tuple[str, ...] = ()
    holders: array[int] = field(default_factory=lambda: array("q"))
    sorts: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    @classmethod
    def of(cls, names: Mapping[str, tuple[str, ...]], edges: Iterable[tuple[str, str, str]]) -> KnowledgeGraph:
        """Numbers the entities and relations of `(head, relation, tail)` edges, whatever order they come in."""
        edges = set(edges)
        entities = ("", *sorted({*names, *(end for head, _, tail in edges for end in (head, tail))}))
        relations = tuple(sorted({relation for _, relation, _ in edges}))
        entity_of = {entity: index for index, entity in enumerate(entities)}
        kind_of = {relation: index for index, relation in enumerate(relations)}
        numbered = sorted((kind_of[kind], entity_of[head], entity_of[tail]) for head, kind, tail in edges)
        return cls(
            entities,
            tuple(names.get(entity, ()) for entity in entities),
            relations,
            heads=array("q", [head for _, head, _ in numbered]),
            kinds=array("q", [kind for kind, _, _ in numbered]),
            tails=array("q", [tail for _, _, tail in numbered]),
        )

    def __len__(self) -> int:
        return len(self.entities)


def format_of(name: str) -> str | None:
    """Tells the format of a file by its name, or None when the suffix is none that is read."""
    plain = name.lower().removesuffix(".gz")
    return next((form for suffix, form in FORMATS.items() if plain.endswith(suffix)), None)


def iri_of(name: str) -> str | None:
    """Writes a prefixed name such as `skos:prefLabel` out; an IRI stays, and None is neither."""
    if "://" in name or name.startswith("urn:"):
        return name
    prefix, colon, local = name.partition(":")
    return PREFIXES[prefix] + local if colon and local and prefix in PREFIXES else None


def short_of(iri: str) -> str:
    """Writes an IRI by one of the known prefixes, where it has one."""
    found = next(((name, space) for name, space in PREFIXES.items() if iri.startswith(space)), None)
    return f"{found[0]}:{iri.removeprefix(found[1])}" if found else iri
