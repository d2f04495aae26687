"""Masking: chooses tokens to hide and gives what was hidden, on plain tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["IGNORED", "Masker", "hide"]

IGNORED = -100
"""The label of a place where nothing was hidden: PyTorch's own default of `ignore_index`."""


def hide(ids: Tensor, mask: Tensor, chosen: Tensor, disguised: Tensor) -> dict[str, Tensor]:
    """Puts a disguise on the chosen places, and lists what stood there.

    ids, mask, chosen and disguised [batch seq] -> ids and mask [batch seq], positions and labels [batch masked], these
    padded with 0 and `IGNORED`.
    """
    counts = chosen.sum(dim=1)
    width = max(1, int(counts.max())) if len(counts) else 1
    # Chosen places first, each in the order of the text: a stable sort keeps it.
    positions = chosen.long().argsort(dim=1, descending=True, stable=True)[:, :width]
    is_listed = torch.arange(positions.shape[1]) < counts[:, None]
    return {
        "ids": torch.where(chosen, disguised, ids),
        "mask": mask,
        "positions": positions.masked_fill(~is_listed, 0),
        "labels": ids.gather(1, positions).masked_fill(~is_listed, IGNORED),
    }


@dataclass(frozen=True)
class Masker:
    """Hides a share of each row's tokens, as BERT was trained (Devlin et al. 2019, section 3.1).

    Of each row's candidates (real tokens, not special ones) `rate`, rounded to whole tokens and at least one, are
    chosen, all alike. A chosen token becomes `mask_token` (share `replaced`), a token drawn from the whole vocabulary
    (share `random`), or stays. Each row draws from its own generator, so neither padding nor the rows beside it change
    what it gets.

        >>> masker = Masker(vocabulary=100, mask_token=4)
        >>> ids, special = torch.tensor([[2, 50, 60, 3]]), torch.tensor([[True, False, False, True]])
        >>> hidden = masker(ids, torch.ones_like(special), special, [torch.Generator().manual_seed(0)])
        >>> int(ids[0, hidden["positions"][0, 0]]) == int(hidden["labels"][0, 0])
        True
    """

    vocabulary: int
    mask_token: int
    rate: float = 0.15
    replaced: float = 0.8
    random: float = 0.1

    def __call__(
        self, ids: Tensor, mask: Tensor, special: Tensor, generators: Sequence[torch.Generator]
    ) -> dict[str, Tensor]:
        """Maps ids, mask and special [batch seq] to ids and mask [batch seq], positions and labels [batch masked]."""
        # Tokens come first in the draw: a longer row only adds to its end, so every token keeps its three numbers.
        draw = torch.empty(*ids.shape, 3, dtype=torch.float64)
        for row, generator in zip(draw.unbind(), generators, strict=True):
            row.uniform_(generator=generator)
        chosen = self._choose(mask & ~special, draw[..., 0])
        return hide(ids, mask, chosen, self._disguise(ids, draw[..., 1], draw[..., 2]))

    def _choose(self, candidates: Tensor, draw: Tensor) -> Tensor:
        available = candidates.sum(dim=1)
        counts = torch.minimum((available * self.rate).round().long().clamp(min=1), available)
        ranks = draw.masked_fill(~candidates, 2.0).argsort(dim=1, stable=True).argsort(dim=1)
        return ranks < counts[:, None]

    def _disguise(self, ids: Tensor, draw: Tensor, word: Tensor) -> Tensor:
        drawn = (word * self.vocabulary).long().to(ids.dtype)
        disguised = torch.where(draw < self.replaced + self.random, drawn, ids)
        return disguised.masked_fill(draw < self.replaced, self.mask_token)
