"""Both questions of a triple as numbers, with the answers that are known: which tail, and which head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from consilience_knowledge.graphs import KnowledgeGraph
from consilience_knowledge.structure import Lists

__all__ = ["QuestionBatches"]

Words = str | Sequence[str]
_NOT_ASKED = -100


class QuestionBatches:
    """Looks triples up by their names, and gives what they ask.

    known: for each question, numbered `kind * entities + entity`, its place among the lists of answers.
    """

    def __init__(self, entities: Mapping[str, int], kinds: Mapping[str, int], known: Mapping[int, int], told: Lists):
        self.entities, self.kinds, self.known, self.told = entities, kinds, known, told

    @classmethod
    def of(cls, graph: KnowledgeGraph, held: KnowledgeGraph) -> QuestionBatches:
        """Takes the entities and relations of one graph, and the true edges of both."""
        entities = {name: number for number, name in enumerate(graph.entities) if number}
        kinds = {name: number for number, name in enumerate(graph.relations)}
        size, count = len(graph), len(graph.relations)
        edges: dict[tuple[int, int], None] = {}
        for one in (graph,) if held is graph else (graph, held):
            for h, k, t in zip(one.heads, one.kinds, one.tails, strict=True):
                head, tail = entities.get(one.entities[h]), entities.get(one.entities[t])
                kind = kinds.get(one.relations[k])
                if head is not None and tail is not None and kind is not None:
                    edges |= {(kind * size + head, tail): None, ((kind + count) * size + tail, head): None}
        place = {question: number for number, question in enumerate(dict.fromkeys(asked for asked, _ in edges))}
        return cls(entities, kinds, place, Lists(((place[asked], answer) for asked, answer in edges), len(place)))

    def __call__(
        self, head: Sequence[Words], relation: Sequence[Words], tail: Sequence[Words]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gives entities, kinds and answers (batch side, twice an example) and known answers (batch side known)."""
        rows = [self._asked(*map(_name, triple)) for triple in zip(head, relation, tail, strict=True)]
        told = [[self._answers(entity, kind) for entity, kind, _ in sides] for sides in rows]
        most = max([1, *(len(answers) for sides in told for answers in sides)])
        padded = [[[*answers, *[0] * (most - len(answers))] for answers in sides] for sides in told]
        numbers = torch.tensor(rows, dtype=torch.long).reshape(len(rows), 2, 3)
        known = torch.tensor(padded, dtype=torch.long).reshape(len(rows), 2, most)
        return numbers[..., 0], numbers[..., 1], numbers[..., 2], known

    def _asked(self, head: str, relation: str, tail: str) -> list[tuple[int, int, int]]:
        ends, kind = (self.entities.get(head), self.entities.get(tail)), self.kinds.get(relation)
        if ends[0] is None or ends[1] is None or kind is None:
            return [(0, 0, _NOT_ASKED)] * 2
        return [(ends[0], kind, ends[1]), (ends[1], kind + len(self.kinds), ends[0])]

    def _answers(self, entity: int, kind: int) -> Sequence[int]:
        place = self.known.get(kind * (len(self.entities) + 1) + entity)
        return () if place is None else self.told[place]


def _name(words: Words) -> str:
    return words if isinstance(words, str) else " ".join(words)
