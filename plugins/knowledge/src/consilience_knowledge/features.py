"""The literals of entities as features: a number for each of some properties, and whether there is one."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from torch import Tensor

from consilience_knowledge.graphs import KnowledgeGraph

__all__ = ["LiteralBatches"]


class LiteralBatches:
    """Gives for each mention the normalised literals of its entity, which of them there are, and an example's means.

    values: entity literal, held: entity literal (True where an entity has one).
    """

    def __init__(self, values: Tensor, held: Tensor) -> None:
        self.values, self.held = values, held

    @classmethod
    def of(cls, graph: KnowledgeGraph, most: int) -> LiteralBatches:
        """Takes the properties that most entities have, of those as common the first by their IRI.

        An entity with several values has their mean. Over the entities that have one, a property has the mean 0 and
        the deviation 1 (or 0, where all have the same).
        """
        holders, sorts, values = (np.asarray(each) for each in (graph.holders, graph.sorts, graph.values))
        told = Counter(sort for _, sort in set(zip(graph.holders, graph.sorts, strict=True)))
        common = sorted(told, key=lambda sort: (-told[sort], sort))[:most]
        totals, counts = np.zeros((len(graph), most)), np.zeros((len(graph), most))
        for column, sort in enumerate(common):
            chosen = sorts == sort
            np.add.at(totals[:, column], holders[chosen], values[chosen])
            np.add.at(counts[:, column], holders[chosen], 1)
        held = counts > 0
        found = np.where(held, totals / counts.clip(min=1), 0)
        for column in range(len(common)):
            there = found[held[:, column], column]
            scale = there.std()
            found[held[:, column], column] = (there - there.mean()) / (scale if scale > 0 else 1)
        return cls(torch.tensor(found, dtype=torch.float32), torch.tensor(held))

    def __call__(self, entities: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """entities: batch mention -> batch mention literal twice, and batch told: means, and the shares that have one.

        What is missing is 0, and counts in no mean.
        """
        places = entities.clamp(min=0).masked_fill(entities >= len(self.values), 0)  # where nothing is
        values, held = self.values[places], self.held[places]
        counts = held.sum(1)
        mentions = (entities > 0).sum(1, keepdim=True).clamp(min=1)
        return values, held, torch.cat([values.sum(1) / counts.clamp(min=1), counts / mentions], 1)
