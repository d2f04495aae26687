"""Makes the tensors of the entities that texts name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from consilience_knowledge.dictionary import Dictionary, Mention
from consilience_knowledge.graphs import NO_ENTITY

__all__ = ["MentionBatches"]


class MentionBatches:
    """Makes the tensors of a batch of texts: `entities` (batch mention) and `entity_spans` (batch mention 2), from 0.

    `mention_mask` (batch mention) is True at a mention and False at what fills a row up.
    A text given as a list of words is read with one space between them, and its spans count in that text. Rows are
    filled up with "no entity" (0, from 0 to 0) to the longest, and to at least one.
    """

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary

    def __call__(self, text: Sequence[str | Sequence[str]]) -> dict[str, Tensor]:
        found = [self.dictionary.find(one if isinstance(one, str) else " ".join(one)) for one in text]
        width = max(1, *map(len, found)) if found else 1
        rows = [[*row, *[Mention(NO_ENTITY, 0, 0)] * (width - len(row))] for row in found]
        mentions = torch.tensor(rows, dtype=torch.long).reshape(len(found), width, 3)
        entities = mentions[..., 0]
        return {"entities": entities, "entity_spans": mentions[..., 1:], "mention_mask": entities != NO_ENTITY}
