"""Where a true triple ranks among those that are not known: filtered ranks, MRR and Hits@k, as PyKEEN counts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["Known", "filtered_ranks", "measures", "ranks"]

Scores = Callable[[Tensor, Tensor], Tensor]
"""heads: query, kinds: query -> query entity."""


class Known:
    """The triples that are known to be true, by their question: which tails answer (head, relation), both ways.

    triples: triple 3, as head, relation, tail. The inverse of relation r is `relations + r`.
    """

    def __init__(self, triples: Tensor, entities: int, relations: int) -> None:
        self.entities, self.relations = entities, relations
        heads, kinds, tails = _both_ways(triples, relations).unbind(1)
        questions = kinds * entities + heads
        order = questions.argsort(stable=True)
        self.questions, counts = torch.unique_consecutive(questions[order], return_counts=True)
        self.starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self.tails = tails[order]

    def answers(self, heads: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Gives the known answers of each question as (row, entity) pairs: two tensors of as many numbers."""
        questions = kinds * self.entities + heads
        if not len(self.questions):
            return questions[:0], questions[:0]
        place = torch.searchsorted(self.questions, questions).clamp(max=len(self.questions) - 1)
        is_known = self.questions[place] == questions
        first = self.starts[place]
        count = torch.where(is_known, self.starts[place + 1] - first, 0)
        rows = torch.repeat_interleave(torch.arange(len(questions), device=heads.device), count)
        within = torch.arange(len(rows), device=heads.device) - (count.cumsum(0) - count)[rows]
        return rows, self.tails[first[rows] + within]


def _both_ways(triples: Tensor, relations: int) -> Tensor:
    heads, kinds, tails = triples.unbind(1)
    return torch.cat([triples, torch.stack([tails, kinds + relations, heads], 1)])


def ranks(scores: Tensor, wanted: Tensor) -> Tensor:
    """Gives the realistic rank of the wanted entity in each row: the mean of the best and the worst place of its ties.

    scores: query entity, wanted: query -> query, in float64. A score of minus infinity is out of the race. So counts
    PyKEEN by default: a model that gives all the same ranks in the middle, and not first (Berrendorf et al. 2020).
    """
    own = scores.gather(1, wanted.unsqueeze(1))
    optimistic = (scores > own).sum(1) + 1
    pessimistic = (scores >= own).sum(1)
    return (optimistic + pessimistic).double() / 2


@torch.no_grad()
def filtered_ranks(score: Scores, triples: Tensor, known: Known, batch: int = 256) -> Tensor:
    """Ranks the tails and the heads of triples among the entities that make no known triple (Bordes et al. 2013).

    triples: triple 3 -> 2 * triple, the tails' ranks and then the heads'.
    """
    found = []
    for part in _both_ways(triples, known.relations).split(batch):
        heads, kinds, tails = part.unbind(1)
        scores = score(heads, kinds)
        own = scores.gather(1, tails.unsqueeze(1))
        scores = scores.index_put(known.answers(heads, kinds), scores.new_tensor(-torch.inf))
        scores = scores.scatter(1, tails.unsqueeze(1), own)
        found.append(ranks(scores, tails))
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.float64)


def measures(found: Tensor, hits: Sequence[int] = (1, 3, 10)) -> Mapping[str, float]:
    """Gives the mean reciprocal rank and the share of ranks up to each k, over both sides."""
    told = {"mrr": float((1 / found).mean())}
    return told | {f"hits@{most}": float((found <= most).double().mean()) for most in hits}
