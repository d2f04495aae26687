"""Masking of whole words, n-grams and spans, on plain tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from consilience_linguistics.masking import hide

__all__ = ["SpanMasker", "lengths_of"]


def lengths_of(unit: str, longest: int, stop: float = 0.2) -> tuple[float, ...]:
    """Gives the chance of each number of words, from 1 on: of one word, of an n-gram, or of a span."""
    if unit == "word":
        return (1.0,)
    shares = [1 / size if unit == "ngram" else (1 - stop) ** (size - 1) for size in range(1, longest + 1)]
    return tuple(share / sum(shares) for share in shares)


@dataclass(frozen=True)
class SpanMasker:
    """Hides runs of whole words: whole word masking, n-grams (Lan et al. 2020), spans (Joshi et al. 2020).

    ids, mask, special and words [batch seq] -> ids and mask [batch seq], positions and labels [batch masked]. `lengths`
    are the chances of 1, 2, ... words. With `as_one` a run is disguised as a whole, else each of its tokens by itself.
    """

    vocabulary: int
    mask_token: int
    lengths: tuple[float, ...] = (1.0,)
    rate: float = 0.15
    replaced: float = 0.8
    random: float = 0.1
    as_one: bool = False

    def __call__(
        self, ids: Tensor, mask: Tensor, special: Tensor, words: Tensor, generators: Sequence[torch.Generator]
    ) -> dict[str, Tensor]:
        candidates = mask & ~special & (words >= 0)
        chosen = torch.zeros_like(mask)
        disguised = ids.clone()
        for row, generator in enumerate(generators):
            places = candidates[row].nonzero().flatten()
            draw = torch.rand(max(1, int(mask[row].sum())), 2, dtype=torch.float64, generator=generator)
            for run in self._runs(words[row, places].tolist(), generator):
                at = places[torch.tensor(run)]
                chosen[row, at] = True
                fates = draw[at[0], 0].expand(len(at)) if self.as_one else draw[at, 0]
                disguised[row, at] = self._disguise(ids[row, at], fates, draw[at, 1])
        return hide(ids, mask, chosen, disguised)

    def _runs(self, words: Sequence[int], generator: torch.Generator) -> list[list[int]]:
        """Draws runs of words until the share of tokens is reached, each as the places of its tokens among these."""
        tokens: dict[int, list[int]] = {}
        for place, word in enumerate(words):
            tokens.setdefault(word, []).append(place)
        order = list(tokens)
        budget = max(1, round(len(words) * self.rate))
        starts = torch.randperm(len(order), generator=generator).tolist() if order else []
        sizes = torch.rand(len(order), dtype=torch.float64, generator=generator).tolist()
        taken, hidden, runs = set[int](), 0, list[list[int]]()
        for start, size in zip(starts, sizes, strict=True):
            run = order[start : start + self._length(size)]
            places = [place for word in run for place in tokens[word]]
            if taken.intersection(run) or (runs and hidden + len(places) > budget):
                continue
            taken.update(run)
            hidden += len(places)
            runs.append(places)
        return runs

    def _length(self, draw: float) -> int:
        reached = 0.0
        for size, share in enumerate(self.lengths, start=1):
            reached += share
            if draw < reached:
                return size
        return len(self.lengths)

    def _disguise(self, ids: Tensor, fates: Tensor, draw: Tensor) -> Tensor:
        drawn = (draw * self.vocabulary).long().to(ids.dtype)
        disguised = torch.where(fates < self.replaced + self.random, drawn, ids)
        return disguised.masked_fill(fates < self.replaced, self.mask_token)
