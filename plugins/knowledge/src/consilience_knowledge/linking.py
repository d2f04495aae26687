"""Makes the tensors of the entities that texts name."""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import torch
from torch import Tensor

from consilience_knowledge.dictionary import Dictionary, Mention
from consilience_knowledge.graphs import NO_ENTITY, KnowledgeGraph

__all__ = ["Control", "ControlName", "MentionBatches"]

ControlName = Literal["none", "absent", "flag", "permuted", "random"]


@dataclass(frozen=True)
class Control:
    """What is linked in place of the entities: the four nulls beside which knowledge has to prove itself.

    `absent` takes every link away. `flag` links all to one entity: what is left is that something is linked here.
    `permuted` gives each entity another one for good: the graph says of it what is true of another. `random` gives
    any entity, by the text and the place: not even what is the same stays the same.
    """

    name: ControlName
    seed: int
    others: tuple[int, ...]
    """The entity in the place of each, where they are permuted; all that may be drawn, where they are drawn."""

    @classmethod
    def of(cls, graph: KnowledgeGraph, name: ControlName, seed: int = 0) -> Control:
        """Draws a permutation of the entities that have names, without a fixed point where there are two."""
        named = [entity for entity in range(1, len(graph)) if graph.names[entity]]
        if name in ("none", "absent") or not named:
            return cls(name if named else "none", seed, ())
        if name != "permuted":
            return cls(name, seed, tuple(named))
        order = random.Random(seed).sample(named, len(named))
        places = list(range(len(graph)))
        for one, other in zip(order, order[1:] + order[:1], strict=True):  # one cycle: nobody stays
            places[one] = other
        return cls(name, seed, tuple(places))

    def replace(self, text: str, mentions: list[Mention]) -> list[Mention]:
        """Gives the mentions that stand in the place of the true ones of a text."""
        if self.name == "none" or not mentions:
            return mentions
        if self.name == "absent":
            return []
        return [Mention(self._other(text, mention), mention.start, mention.end) for mention in mentions]

    def _other(self, text: str, mention: Mention) -> int:
        if self.name == "flag":
            return self.others[0]
        if self.name == "permuted":
            return self.others[mention.entity]
        drawn = zlib.crc32(f"{self.seed} {mention.start} {text}".encode("utf-8", "replace"))
        return self.others[drawn % len(self.others)]


_AS_LINKED = Control("none", 0, ())
_KEPT = 8192
"""The texts whose mentions are kept for the next epoch: a long text costs as much to link as a small head to train."""


class MentionBatches:
    """Makes the tensors of a batch of texts: `entities` (batch mention) and `entity_spans` (batch mention 2), from 0.

    `mention_mask` (batch mention) is True at a mention and False at what fills a row up.
    A text given as a list of words is read with one space between them, and its spans count in that text. Rows are
    filled up with "no entity" (0, from 0 to 0) to the longest, and to at least one.
    """

    def __init__(self, dictionary: Dictionary, control: Control = _AS_LINKED) -> None:
        self.dictionary, self.control = dictionary, control
        self._linked = lru_cache(_KEPT)(self._link)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leaves out what was kept: a worker process keeps its own."""
        return type(self), (self.dictionary, self.control)

    def _link(self, text: str) -> list[Mention]:
        return self.control.replace(text, self.dictionary.find(text))

    def __call__(self, text: Sequence[str | Sequence[str]]) -> dict[str, Tensor]:
        texts = [one if isinstance(one, str) else " ".join(one) for one in text]
        found = list(map(self._linked, texts))
        width = max(1, *map(len, found)) if found else 1
        rows = [[*row, *[Mention(NO_ENTITY, 0, 0)] * (width - len(row))] for row in found]
        mentions = torch.tensor(rows, dtype=torch.long).reshape(len(found), width, 3)
        entities = mentions[..., 0]
        return {"entities": entities, "entity_spans": mentions[..., 1:], "mention_mask": entities != NO_ENTITY}
