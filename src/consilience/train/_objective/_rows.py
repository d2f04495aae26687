"""Which rows of the sources a batch holds, and whether they count: beside what the model reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from consilience.data import ROW

__all__ = ["RowsKept", "counted_rows"]

_NONE = -1
"""The number of what is no row, by which an order of rows fills up a batch."""


@dataclass(frozen=True)
class RowsKept:
    """A collator that keeps the number of each row (`Int["batch"]`) in the batch, under a name that no node has.

    What only fills up a batch is left out, so that a loss of one number is of the batch's rows alone. Where a batch is
    nothing else, so that a process has one, a single one stays, and counts for nothing.
    """

    collator: Callable[[Sequence[Mapping[str, Any]]], dict[str, Tensor]]

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Makes the batch of some examples."""
        rows = [int(example.get(ROW, place)) for place, example in enumerate(examples)]
        kept = [place for place, row in enumerate(rows) if row != _NONE] or [0]
        batch = self.collator([examples[place] for place in kept])
        return {**batch, ROW: torch.tensor([rows[place] for place in kept], dtype=torch.int64)}


def counted_rows(batch: Mapping[str, Tensor], length: int) -> Tensor:
    """Tells the rows (`Bool["batch"]`) that count at all: all but what is there so that a process has a batch."""
    if ROW in batch:
        return batch[ROW] != _NONE
    first = next(iter(batch.values()))
    return torch.ones(length, dtype=torch.bool, device=first.device)
