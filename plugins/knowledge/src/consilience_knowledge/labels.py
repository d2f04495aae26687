"""Vectors of entities out of their names, by a text encoder that stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

__all__ = ["embed_names", "texts_of"]

Encode = Callable[[Sequence[str]], Tensor]


def texts_of(names: Sequence[Sequence[str]], every: bool) -> Iterator[tuple[int, str]]:
    """Gives the names to encode with their entity: the preferred one of each, or every one."""
    for entity, of_one in enumerate(names):
        yield from ((entity, name) for name in (of_one if every else of_one[:1]))


def embed_names(names: Sequence[Sequence[str]], encode: Encode, every: bool, batch: int) -> tuple[list[int], Tensor]:
    """Gives the entities that have a name, and their vectors (entity width), the mean over an entity's names.

    Names of like length are encoded together, and each text once, however many entities bear it.
    """
    told = list(texts_of(names, every))
    texts = sorted({text for _, text in told}, key=lambda text: (len(text), text))
    parts = [encode(texts[start : start + batch]) for start in range(0, len(texts), batch)]
    if not parts:
        return [], torch.zeros(0, 0)
    row_of = {text: row for row, text in enumerate(texts)}
    vectors = torch.cat(parts)
    entities = list(dict.fromkeys(entity for entity, _ in told))
    place = {entity: at for at, entity in enumerate(entities)}
    owners = torch.tensor([place[entity] for entity, _ in told])
    total = vectors.new_zeros(len(entities), vectors.shape[1])
    total.index_add_(0, owners, vectors[[row_of[text] for _, text in told]])
    return entities, total / torch.bincount(owners, minlength=len(entities)).unsqueeze(1)
