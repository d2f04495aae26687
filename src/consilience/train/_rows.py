"""Which rows of the sources a batch holds, and whether they count: beside what the model reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from consilience.data import ROW

__all__ = ["RowsKept", "counted_rows", "idle"]

_IDLE = -1
"""The number of a row that is there so that a process has one: it counts for nothing."""


@dataclass(frozen=True)
class RowsKept:
    """A collator that keeps the number of each row (`Int["batch"]`) in the batch, under a name that no node has."""

    collator: Callable[[Sequence[Mapping[str, Any]]], dict[str, Tensor]]

    def __call__(self, examples: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Makes the batch of some examples."""
        rows = [int(example.get(ROW, place)) for place, example in enumerate(examples)]
        return {**self.collator(examples), ROW: torch.tensor(rows, dtype=torch.int64)}


def counted_rows(batch: Mapping[str, Tensor], length: int) -> Tensor:
    """Tells the rows (`Bool["batch"]`) that count at all: all but those of an idle process."""
    if ROW in batch:
        return batch[ROW] != _IDLE
    first = next(iter(batch.values()))
    return torch.ones(length, dtype=torch.bool, device=first.device)


def idle(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Gives a batch whose rows count for nothing."""
    return {**batch, ROW: torch.full_like(batch[ROW], _IDLE)}
