"""What is left of a knowledge graph for a model: its entities, their names, and the edges between them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["FORMATS", "NO_ENTITY", "PREFIXES", "KnowledgeGraph", "format_of", "iri_of"]

NO_ENTITY = 0
"""The index that stands for "no entity": padding."""

FORMATS = {".ttl": "turtle", ".nt": "nt", ".rdf": "xml", ".owl": "xml", ".xml": "xml"}
"""The formats that are read, by the suffix of the file; each may be followed by `.gz`."""

PREFIXES = {
    "oboInOwl": "http://www.geneontology.org/formats/oboInOwl#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "http://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
}
"""The prefixes that label predicates may be written with."""


@dataclass(frozen=True)
class KnowledgeGraph:
    """Entities in the order of their IRIs; index 0 is kept for "no entity" and has neither name nor edge.

    `names[i]` are the labels and synonyms of entity i, the preferred one first. Edge k leads from entity `heads[k]` to
    entity `tails[k]` by `relations[kinds[k]]`; edges are sorted, and each stands once.
    """

    entities: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    relations: tuple[str, ...]
    heads: array[int]
    kinds: array[int]
    tails: array[int]

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
