"""Weighs the entities that share a name by the text around it: by words, or by an encoder's similarity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from math import log
from typing import TYPE_CHECKING, Any, Protocol

from consilience_knowledge.graphs import KnowledgeGraph

if TYPE_CHECKING:
    from consilience_knowledge.similarity import Embedder

__all__ = ["Context", "SharedWords", "Similarity", "connections", "described", "rivals_of", "words_around"]

_SCALE = 20.0
"""By what a cosine is multiplied to weigh as a logarithm: the scale by which sentence encoders are trained (0.05)."""
_MOST_NEIGHBOURS = 16
_NONE: frozenset[str] = frozenset()


class Context(Protocol):
    """Tells how well entities fit into a text."""

    def weigh(self, text: str, words: frozenset[str], entities: Sequence[int]) -> list[float]:
        """Gives a number for each entity, the highest to what fits best; `words` are those of the text, folded."""


class SharedWords:
    """Weighs an entity by how many of the words around it stand in the text (Lesk 1986)."""

    def __init__(self, around: Mapping[int, frozenset[str]]) -> None:
        self.around = around

    def weigh(self, text: str, words: frozenset[str], entities: Sequence[int]) -> list[float]:
        """Counts the words."""
        return [float(len(words & self.around.get(entity, _NONE))) for entity in entities]


class Similarity:
    """Weighs an entity by the cosine of the text and of what describes it, times 20, and by a prior.

    load: gives the encoder, once in each process. texts: what describes each entity. priors: a number for each entity,
    whose logarithm is added; shared: in its place 1 + the number of shared words.
    Every text is encoded by itself, so that it weighs the same whatever stands beside it in a batch.
    """

    def __init__(
        self,
        load: Callable[[], Embedder],
        texts: Mapping[int, str],
        priors: Sequence[float] | None = None,
        shared: SharedWords | None = None,
    ) -> None:
        self.load, self.texts, self.priors, self.shared = load, texts, priors, shared
        self._embedder: Embedder | None = None
        self._known: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out what was loaded and encoded: a worker process has its own."""
        return {**self.__dict__, "_embedder": None, "_known": {}}

    def weigh(self, text: str, words: frozenset[str], entities: Sequence[int]) -> list[float]:
        """Encodes the text, and those of the entities that were not met before."""
        if self._embedder is None:
            self._embedder = self.load()
        for entity in entities:
            if entity not in self._known:
                self._known[entity] = self._embedder(self.texts.get(entity, ""))
        sentence = self._embedder(text)
        counts = self.shared.weigh(text, words, entities) if self.shared else [0.0] * len(entities)
        priors = [1.0 if self.priors is None else self.priors[entity] for entity in entities]
        return [
            _SCALE * float(sentence @ self._known[entity]) + log(prior) + log(1 + count)
            for entity, prior, count in zip(entities, priors, counts, strict=True)
        ]


def rivals_of(graph: KnowledgeGraph, read: Callable[[str], Sequence[str]]) -> set[int]:
    """Gives the entities that share a name with another; `read` splits a name into folded words."""
    holders: dict[str, set[int]] = defaultdict(set)
    for entity, names in enumerate(graph.names):
        for name in names:
            holders[" ".join(read(name))].add(entity)
    return {entity for one in holders.values() if len(one) > 1 for entity in one}


def words_around(graph: KnowledgeGraph, read: Callable[[str], Sequence[str]]) -> dict[int, frozenset[str]]:
    """Gives the words by which each ambiguous entity's neighbours are named; the others need none."""
    found: dict[int, set[str]] = {entity: set() for entity in rivals_of(graph, read)}
    for head, tail in zip(graph.heads, graph.tails, strict=True):
        for one, other in ((head, tail), (tail, head)):
            if one in found:
                found[one].update(word for name in graph.names[other] for word in read(name))
    return {entity: frozenset(word for word in words if any(map(str.isalnum, word))) for entity, words in found.items()}


def described(graph: KnowledgeGraph) -> dict[int, str]:
    """Writes of each named entity its names, and the first name of each of its neighbours, 16 at most."""
    beside: dict[int, dict[str, None]] = defaultdict(dict)
    for head, tail in zip(graph.heads, graph.tails, strict=True):
        for one, other in ((head, tail), (tail, head)):
            if graph.names[other] and len(beside[one]) < _MOST_NEIGHBOURS:
                beside[one][graph.names[other][0]] = None
    texts = {}
    for entity, names in enumerate(graph.names):
        if names:
            around = [name for name in beside.get(entity, ()) if name not in names]
            texts[entity] = ", ".join(names) + (": " + ", ".join(around) if around else "")
    return texts


def connections(graph: KnowledgeGraph) -> list[int]:
    """Counts the edges of each entity."""
    edges = [0] * len(graph)
    for end in (*graph.heads, *graph.tails):
        edges[end] += 1
    return edges
