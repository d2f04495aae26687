"""The order in which training sees its rows: batches of like length, in a new order each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

__all__ = ["LengthGroupedBatches"]


class LengthGroupedBatches(torch.utils.data.Sampler[int]):
    """Gives every row once, so that each `batch_size` rows in a run are of like length, and batches come in any order.

    The order depends on the seed and the epoch alone, so a run that is resumed meets the batches it would have met; all
    processes draw the same. The batch of the longest row comes first: what does not fit into memory fails at once.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int = 0) -> None:
        self.lengths = list(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch; transformers and accelerate call it before each."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        from transformers.trainer_pt_utils import get_length_grouped_indices

        if not self.lengths:
            return
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        rows = get_length_grouped_indices(self.lengths, self.batch_size, generator=generator)
        # Long batches come first in each of its groups, which a model would learn in that order.
        first, rest = rows[: self.batch_size], rows[self.batch_size :]
        whole = len(rest) // self.batch_size
        yield from first
        for batch in [*torch.randperm(whole, generator=generator).tolist(), whole]:
            yield from rest[batch * self.batch_size : (batch + 1) * self.batch_size]
