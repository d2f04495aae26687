"""Features of structure without a network: what stands above the mentioned entities, beside them, and how often."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from consilience_knowledge.graphs import KnowledgeGraph, iri_of

__all__ = ["AncestorBatches", "Lists", "NeighbourBatches", "RelationCounter", "padded"]


class Lists:
    """A list of entities for each entity, held as two arrays: small in memory, and quick to send to a worker."""

    def __init__(self, pairs: Iterable[tuple[int, int]], entities: int) -> None:
        table = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
        order = np.argsort(table[:, 0], kind="stable")
        self.found = array("q")
        self.found.frombytes(np.ascontiguousarray(table[order, 1]).tobytes())
        starts = np.concatenate([[0], np.bincount(table[:, 0], minlength=entities).cumsum()]).astype(np.int64)
        self.starts = array("q")
        self.starts.frombytes(starts.tobytes())

    def __len__(self) -> int:
        return len(self.starts) - 1

    def mentioned(self, entities: Iterable[int]) -> list[int]:
        """Leaves out what is no entity of the graph: 0, a place that is not looked at, a number that is another's."""
        return [entity for entity in entities if 0 < entity < len(self)]

    def __getitem__(self, entity: int) -> array[int]:
        return self.found[self.starts[entity] : self.starts[entity + 1]]


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Fills rows up with 0 to the longest, and to at least one; gives also where something stands."""
    width = max(1, *map(len, rows)) if rows else 1
    filled = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], dtype=torch.long)
    filled = filled.reshape(len(rows), width)
    return filled, filled != 0


class AncestorBatches:
    """Gives for each row of mentions the entities themselves and all above them, each once, the nearest first."""

    def __init__(self, above: Lists, most: int) -> None:
        self.above, self.most = above, most

    @classmethod
    def of(cls, graph: KnowledgeGraph, upwards: Sequence[str], most: int) -> AncestorBatches:
        """Takes the edges by the relations that lead upwards."""
        wanted = {*upwards, *filter(None, map(iri_of, upwards))}
        kinds = {number for number, relation in enumerate(graph.relations) if relation in wanted}
        told = zip(graph.heads, graph.kinds, graph.tails, strict=True)
        return cls(Lists(((head, tail) for head, kind, tail in told if kind in kinds), len(graph)), most)

    def closure(self, entities: Iterable[int]) -> list[int]:
        """Gives entities and what is above them, breadth first; circles end where they began."""
        found = dict.fromkeys(self.above.mentioned(entities))
        level = list(found)
        while level and len(found) < self.most:
            level = [above for entity in level for above in self.above[entity] if above not in found]
            level = list(dict.fromkeys(level))
            found |= dict.fromkeys(level)
        return list(found)[: self.most]

    def __call__(self, entities: Tensor) -> tuple[Tensor, Tensor]:
        """entities: batch mention -> batch concept, twice: the entities, and where one stands."""
        return padded([self.closure(row) for row in entities.tolist()])


class NeighbourBatches:
    """Gives for each row of mentions the entities themselves and those next to them, each once."""

    def __init__(self, beside: Lists, most: int) -> None:
        self.beside, self.most = beside, most

    @classmethod
    def of(cls, graph: KnowledgeGraph, most: int) -> NeighbourBatches:
        """Takes the edges of both directions, those by the rarest relations first."""
        counts = Counter(graph.kinds)
        told = sorted(
            zip(graph.heads, graph.kinds, graph.tails, strict=True), key=lambda edge: (counts[edge[1]], edge[1], edge)
        )
        pairs = [pair for head, _, tail in told for pair in ((head, tail), (tail, head))]
        return cls(Lists(pairs, len(graph)), most)

    def __call__(self, entities: Tensor) -> tuple[Tensor, Tensor]:
        """entities: batch mention -> batch place, twice: the entities, and where one stands."""
        rows = []
        for row in entities.tolist():
            mentioned = dict.fromkeys(self.beside.mentioned(row))
            beside = [other for entity in mentioned for other in self.beside[entity][: self.most]]
            rows.append(list(mentioned | dict.fromkeys(beside)))
        return padded(rows)


class RelationCounter:
    """Gives for each row of mentions the logarithm of 1 + the edges by each of some relations: out, in and between."""

    def __init__(self, out: Lists, into: Lists, size: int, most: int) -> None:
        self.out, self.into, self.size, self.most = out, into, size, most

    @classmethod
    def of(cls, graph: KnowledgeGraph, most: int) -> RelationCounter:
        """Takes the commonest relations, of those as common the first by their IRI; edges are `relation, other end`."""
        counts = Counter(graph.kinds)
        common = sorted(counts, key=lambda kind: (-counts[kind], kind))[:most]
        place = {kind: number for number, kind in enumerate(common)}
        told = [(h, place[k], t) for h, k, t in zip(graph.heads, graph.kinds, graph.tails, strict=True) if k in place]
        size = len(graph)
        out = Lists(((head, kind * size + tail) for head, kind, tail in told), size)
        into = Lists(((tail, kind * size + head) for head, kind, tail in told), size)
        return cls(out, into, size, most)

    def counts(self, entities: Iterable[int]) -> list[int]:
        """Gives the bare counts of one row."""
        mentions = self.out.mentioned(entities)
        found, size = [0] * (3 * self.most + 2), self.size
        distinct = dict.fromkeys(mentions)
        for entity in distinct:
            for code in self.out[entity]:
                kind, other = divmod(code, size)
                found[kind] += 1
                if other in distinct:
                    found[2 * self.most + kind] += 1
            for code in self.into[entity]:
                found[self.most + code // size] += 1
        found[-2:] = [len(mentions), len(distinct)]
        return found

    def __call__(self, entities: Tensor) -> Tensor:
        """entities: batch mention -> batch count."""
        rows = [self.counts(row) for row in entities.tolist()]
        return torch.tensor(rows, dtype=torch.float32).reshape(len(rows), 3 * self.most + 2).log1p()
