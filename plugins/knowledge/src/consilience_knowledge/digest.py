"""Makes a knowledge graph of statements: which nodes are entities, how they are named, and what joins them."""

from __future__ import annotations

import unicodedata
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from consilience_knowledge.dictionary import is_mentionable
from consilience_knowledge.graphs import PREFIXES, KnowledgeGraph, iri_of
from consilience_knowledge.literals import value_of

__all__ = ["Digest", "count_labels", "digest"]

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_OWL = "http://www.w3.org/2002/07/owl#"
_SKOS = PREFIXES["skos"]
_XSD = "http://www.w3.org/2001/XMLSchema#"
_VOCABULARIES = (_RDF, PREFIXES["rdfs"], _OWL, _SKOS, _XSD, PREFIXES["oboInOwl"])
_TYPE, _ON_PROPERTY, _SOME = _RDF + "type", _OWL + "onProperty", _OWL + "someValuesFrom"
_PROPERTIES = (
    _RDF + "Property",
    *(_OWL + name for name in ("ObjectProperty", "DatatypeProperty", "AnnotationProperty", "OntologyProperty")),
)
_OUTSIDE_TYPES = frozenset((*_PROPERTIES, _OWL + "Ontology", _SKOS + "ConceptScheme"))
_TEXTS = frozenset((_XSD + "string", _RDF + "langString"))
_FEW_WORDS = 6


class Digest:
    """What was taken of the statements: terms by number, edges as three columns, and the literals that matter."""

    def __init__(self, labels: Sequence[str], language: str | None, has_iris: bool = True) -> None:
        self.ranks = {iri_of(label) or label: rank for rank, label in enumerate(labels)}
        if not has_iris:  # a table writes its relations as it likes
            self.ranks |= {label: rank for rank, label in enumerate(labels)}
        self.language = None if language is None else language.lower().split("-")[0]
        self.has_iris = has_iris
        self.number_of: dict[str, int] = {}
        self.columns = (array("q"), array("q"), array("q"))
        self.labels: list[tuple[int, int, str]] = []
        self.numbers: list[tuple[int, str, float]] = []
        self.outside: set[str] = set()

    def read(self, statements: Iterable[tuple[Any, ...]]) -> Digest:
        """Takes all statements, once and in their order."""
        number_of, ranks = self.number_of, self.ranks
        heads, kinds, tails = (column.append for column in self.columns)
        predicates = set()
        for subject, predicate, thing, datatype, language in statements:
            head = number_of.setdefault(subject, len(number_of))
            predicates.add(predicate)
            if datatype is not None:
                self._literal(head, predicate, thing, datatype, language)
            elif predicate in ranks and not self.has_iris:
                self._name(head, ranks[predicate], thing)
            else:
                if predicate == _TYPE and thing in _OUTSIDE_TYPES:
                    self.outside.add(subject)
                heads(head)
                kinds(number_of.setdefault(predicate, len(number_of)))
                tails(number_of.setdefault(thing, len(number_of)))
        if self.has_iris:
            self.outside |= predicates
        return self

    def _literal(self, head: int, predicate: str, text: str, datatype: str, language: str | None) -> None:
        rank = self.ranks.get(predicate)
        if rank is not None:
            if self.language is None or language is None or language.lower().split("-")[0] == self.language:
                self._name(head, rank, text)
        elif (value := value_of(text, datatype)) is not None:
            self.numbers.append((head, predicate, value))

    def _name(self, head: int, rank: int, text: str) -> None:
        name = unicodedata.normalize("NFC", " ".join(text.split()))
        if name:
            self.labels.append((head, rank, name))

    def graph(self) -> KnowledgeGraph:
        """Numbers entities and relations in the order of their IRIs, and sorts the edges."""
        terms = list(self.number_of)
        if self.has_iris:
            flags = [not (t in self.outside or t.startswith("_:") or t.startswith(_VOCABULARIES)) for t in terms]
            is_entity = np.array(flags, dtype=bool)
        else:
            is_entity = np.ones(len(terms), dtype=bool)
        heads, kinds, tails = self._edges(terms, is_entity)
        named = {head for head, _, _ in self.labels if is_entity[head]}
        used = np.zeros(len(terms), dtype=bool)
        used[heads] = used[tails] = True
        used[list(named)] = True
        order = sorted(np.flatnonzero(used).tolist(), key=terms.__getitem__)
        place = np.zeros(len(terms), dtype=np.int64)
        place[order] = np.arange(1, len(order) + 1)
        relations = sorted(set(kinds.tolist()), key=terms.__getitem__)
        kind_of = np.zeros(len(terms), dtype=np.int64)
        kind_of[relations] = np.arange(len(relations))
        edges = np.stack([kind_of[kinds], place[heads], place[tails]], axis=1)
        # As one number an edge, where it fits, duplicates and order are one sort of numbers.
        edges = _unique(edges, len(relations) + 1, len(order) + 1)
        entities = ("", *(terms[term] for term in order))
        named_by = self._names(entities, place)
        head, kind, tail = (_array("q", edges[:, column]) for column in (1, 0, 2))
        return KnowledgeGraph(
            entities, named_by, tuple(terms[one] for one in relations), head, kind, tail, *self._numbers(place)
        )

    def _edges(self, terms: list[str], is_entity: Any) -> tuple[Any, Any, Any]:
        """Keeps the edges between entities; `head subClassOf [onProperty r; someValuesFrom tail]` is an edge by r."""
        heads, kinds, tails = (np.frombuffer(column, dtype=np.int64) for column in self.columns)
        kept = is_entity[heads] & is_entity[tails]
        found = [heads[kept], kinds[kept], tails[kept]]
        blank = np.array([term.startswith("_:") for term in terms], dtype=bool) if self.has_iris else ~is_entity
        if blank.any():
            restricted = self._restrictions(heads, kinds, tails, is_entity, blank)
            if restricted:
                added = np.array(restricted, dtype=np.int64).T
                found = [np.concatenate([one, other]) for one, other in zip(found, added, strict=True)]
        return found[0], found[1], found[2]

    def _restrictions(self, heads: Any, kinds: Any, tails: Any, is_entity: Any, blank: Any) -> list[Any]:
        by: dict[int, list[int]] = defaultdict(list)
        fillers: dict[int, list[int]] = defaultdict(list)
        for predicate, found, wanted in ((_ON_PROPERTY, by, ~blank), (_SOME, fillers, is_entity)):
            number = self.number_of.get(predicate, -1)
            mask = (kinds == number) & blank[heads] & wanted[tails]
            for node, value in zip(heads[mask].tolist(), tails[mask].tolist(), strict=True):
                found[node].append(value)
        mask = is_entity[heads] & blank[tails]
        pairs = zip(heads[mask].tolist(), tails[mask].tolist(), strict=True)
        return [(head, kind, tail) for head, node in pairs for kind in by[node] for tail in fillers[node]]

    def _names(self, entities: tuple[str, ...], place: Any) -> tuple[tuple[str, ...], ...]:
        found: dict[int, set[tuple[int, str]]] = defaultdict(set)
        for head, rank, name in self.labels:
            found[int(place[head])].add((rank, name))
        names = [
            tuple(dict.fromkeys(name for _, name in sorted(found[at]))) if at in found else ()
            for at in range(len(entities))
        ]
        if not self.has_iris:
            names[1:] = [told or (one.replace("_", " "),) for one, told in zip(entities[1:], names[1:], strict=True)]
        names[0] = ()
        return tuple(names)

    def _numbers(self, place: Any) -> tuple[tuple[str, ...], array[int], array[int], array[float]]:
        kept = sorted({(name, int(place[head]), value) for head, name, value in self.numbers if place[head]})
        properties = tuple(sorted({name for name, _, _ in kept}))
        sort_of = {name: number for number, name in enumerate(properties)}
        holders, sorts = array("q", [head for _, head, _ in kept]), array("q", [sort_of[name] for name, _, _ in kept])
        return properties, holders, sorts, array("d", [value for _, _, value in kept])


def digest(
    statements: Iterable[tuple[Any, ...]], labels: Sequence[str], language: str | None, has_iris: bool = True
) -> KnowledgeGraph:
    """Makes the graph of statements; names come by the label predicates (the first is preferred).

    Labels in another language than `language` are left out; those without one stay. Where terms are no IRIs (tables),
    an entity without a label is named by itself, underscores as spaces.
    """
    return Digest(labels, language, has_iris).read(statements).graph()


def count_labels(statements: Iterable[tuple[Any, ...]], labels: Sequence[str]) -> tuple[Counter[str], Counter[str]]:
    """Counts by language what the label predicates say of entities, and by predicate what else could be a name.

    A name is a text of a few words.
    """
    told = list(statements)
    predicates = {iri_of(label) or label for label in labels}
    outside = {row[1] for row in told} | {row[0] for row in told if row[1] == _TYPE and row[2] in _OUTSIDE_TYPES}
    languages: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for subject, predicate, text, datatype, language in told:
        if datatype not in _TEXTS or subject in outside or subject.startswith(("_:", *_VOCABULARIES)):
            continue
        if predicate in predicates:
            languages[(language or "").lower().split("-")[0]] += 1
        elif len(text.split()) <= _FEW_WORDS and is_mentionable(text):
            others[predicate] += 1
    return languages, others


def _unique(edges: Any, kinds: int, entities: int) -> Any:
    if kinds * entities * entities >= 2**62:
        return np.unique(edges, axis=0)
    code = np.unique((edges[:, 0] * entities + edges[:, 1]) * entities + edges[:, 2])
    return np.stack([code // entities // entities, code // entities % entities, code % entities], axis=1)


def _array(typecode: Any, column: Any) -> Any:
    made = array(typecode)
    made.frombytes(np.ascontiguousarray(column).tobytes())
    return made
