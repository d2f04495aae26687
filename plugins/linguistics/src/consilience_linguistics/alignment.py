"""Brings tokens to words, on plain tensors: which tokens a word is made of, and what is said of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from consilience_linguistics.masking import IGNORED

__all__ = ["AlignWords", "GrowTrees", "ReadFeatures", "WordStates", "is_first_token", "label_words", "tree_distances"]


def _count(words: Tensor) -> int:
    """Gives how many words the longest text has; one at least, so that no tensor is empty."""
    return max(1, int(words.max()) + 1) if words.numel() else 1


def is_first_token(words: Tensor) -> Tensor:
    """Marks the first token of each word: words [batch seq], -1 at tokens of none -> [batch seq]."""
    before = nn.functional.pad(words[:, :-1], (1, 0), value=-1)
    return (words >= 0) & (words != before)


@dataclass(frozen=True)
class AlignWords:
    """Gives the weights by which the tokens of each word make its state.

    words [batch seq] -> weights [batch word seq], which sum to 1 over the tokens of a word, and mask [batch word].
    """

    pooling: str = "mean"

    def __call__(self, words: Tensor) -> dict[str, Tensor]:
        places = torch.arange(_count(words))
        belongs = words[:, None, :] == places[None, :, None]
        if self.pooling == "first":
            belongs &= is_first_token(words)[:, None, :]
        elif self.pooling == "last":
            belongs &= is_first_token(words.flip(1)).flip(1)[:, None, :]
        sizes = belongs.sum(dim=2, keepdim=True)
        return {"weights": belongs / sizes.clamp(min=1), "mask": sizes.squeeze(2) > 0}


class WordStates(nn.Module):
    """Sums states of tokens: hidden [batch seq hidden], weights [batch word seq] -> states [batch word hidden]."""

    def forward(self, hidden: Tensor, weights: Tensor) -> Tensor:
        return weights.to(hidden.dtype) @ hidden


def _table(mask: Tensor, rows: Sequence[Sequence[int]]) -> Tensor:
    """Puts a label at each word that the mask admits, `IGNORED` at every other place: [batch word]."""
    table = torch.full(mask.shape, IGNORED)
    for row, given in enumerate(rows):
        kept = list(given)[: table.shape[1]]
        table[row, : len(kept)] = torch.tensor(kept, dtype=torch.long)
    return torch.where(mask, table, IGNORED)


def label_words(mask: Tensor, labels: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    """Gives the label of each word that the mask admits [batch word], and which texts have any [batch]."""
    table = _table(mask, labels)
    return {"labels": table, "present": (table != IGNORED).any(dim=1)}


def tree_distances(parents: Sequence[int]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Counts the edges between words and above them: parents [word], 0 for the root -> [word word], [word].

    A word's distance to another follows from how many ancestors both have, themselves included, and how many in common.
    """
    size = len(parents)
    ancestors = np.eye(size, dtype=np.float32)
    heads = np.asarray(parents, dtype=np.int64)
    place, alive = heads - 1, heads > 0
    for _ in range(size):  # a circle would go on for ever
        if not alive.any():
            break
        ancestors[np.flatnonzero(alive), place[alive]] = 1
        heads_of = np.where(alive, np.asarray(parents)[np.where(alive, place, 0)], 0)
        place, alive = heads_of - 1, heads_of > 0
    above = ancestors.sum(axis=1)
    return above[:, None] + above[None, :] - 2 * ancestors @ ancestors.T, above - 1


@dataclass(frozen=True)
class GrowTrees:
    """Makes the trees of a batch: mask [batch word], heads and tags a word -> what `linguistics.tree` gives.

    Words whose tag is among `skipped` are not counted. A text with a word whose head is not known has no tree.
    """

    skipped: tuple[int, ...] = ()

    def __call__(
        self, mask: Tensor, heads: Sequence[Sequence[int]], tags: Sequence[Sequence[int]] | None = None
    ) -> dict[str, Tensor]:
        size = mask.shape[1]
        distances = torch.zeros(len(heads), size, size)
        depths = torch.zeros(len(heads), size)
        whole = torch.zeros(len(heads), dtype=torch.bool)
        for row, parents in enumerate(heads):
            whole[row] = bool(parents) and all(0 <= head <= len(parents) for head in parents)
            if whole[row]:
                between, above = (torch.from_numpy(table) for table in tree_distances(parents))
                kept = min(size, len(parents))
                distances[row, :kept, :kept], depths[row, :kept] = between[:kept, :kept], above[:kept]
        mask = mask & whole[:, None]
        known = _table(mask, heads)
        candidates = torch.nn.functional.pad(mask, (1, 0), value=True)
        is_there = candidates.gather(1, known.clamp(0, size))  # a head that was cut off is no place of this batch
        known = torch.where(mask & (known <= size) & is_there, known, IGNORED)
        counted = mask
        if tags is not None and self.skipped:
            counted = mask & ~torch.isin(_table(mask, tags), torch.tensor(self.skipped))
        return {
            "heads": known,
            "candidates": candidates,
            "distances": distances,
            "depths": depths,
            "mask": mask,
            "counted": counted,
            "present": mask.any(dim=1),
        }


@dataclass(frozen=True)
class ReadFeatures:
    """Reads FEATS, one item a word: words [batch seq] -> labels [batch seq feature], present [batch]."""

    values: Mapping[str, tuple[str, ...]]

    def __call__(self, words: Tensor, feats: Sequence[str | Sequence[str]]) -> dict[str, Tensor]:
        table = torch.full((len(feats), _count(words), len(self.values)), IGNORED)
        for row, given in enumerate(feats):
            items = given.split() if isinstance(given, str) else list(given)
            for place, item in enumerate(items[: table.shape[1]]):
                table[row, place] = torch.tensor(self._codes(item))
        at = words.clamp(min=0)[:, :, None].expand(-1, -1, len(self.values))
        labels = torch.where(is_first_token(words)[:, :, None], table.gather(1, at), IGNORED)
        return {"labels": labels, "present": (labels != IGNORED).flatten(1).any(dim=1)}

    def _codes(self, item: str) -> list[int]:
        has = dict(part.split("=", 1) for part in item.split("|") if "=" in part)
        codes = []
        for name, values in self.values.items():
            value = has.get(name, "").partition(",")[0]  # of several values at once, the first
            codes.append(0 if name not in has else values.index(value) + 1 if value in values else IGNORED)
        return codes
