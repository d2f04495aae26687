"""Structural probes, their losses and their scores, in plain PyTorch (Hewitt and Manning 2019)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.stats import rankdata
from torch import Tensor, nn
from torchmetrics import Metric

from consilience_linguistics.shares import Share

__all__ = [
    "DepthLoss",
    "DepthProbe",
    "DepthSpearman",
    "DistanceLoss",
    "DistanceSpearman",
    "StructuralProbe",
    "UndirectedAttachment",
]

Table = npt.NDArray[np.float64]


class _Probe(nn.Module):
    def __init__(self, hidden: int, rank: int) -> None:
        super().__init__()
        self.projection = nn.Linear(hidden, rank, bias=False)
        nn.init.uniform_(self.projection.weight, -0.05, 0.05)

    def _projected(self, states: Tensor) -> Tensor:
        projected: Tensor = self.projection(states)
        # Differences of squares lose too much in half precision.
        return projected.to(torch.promote_types(projected.dtype, torch.float32))


class StructuralProbe(_Probe):
    """Measures squared distances: states [batch word hidden] -> distances [batch word word]."""

    def forward(self, states: Tensor) -> Tensor:
        projected = self._projected(states)
        product = projected @ projected.transpose(1, 2)
        norms = product.diagonal(dim1=1, dim2=2)
        return (norms[:, :, None] + norms[:, None, :] - 2 * product).to(states.dtype)


class DepthProbe(_Probe):
    """Measures squared norms: states [batch word hidden] -> depths [batch word]."""

    def forward(self, states: Tensor) -> Tensor:
        return self._projected(states).square().sum(dim=-1).to(states.dtype)


def _mean_error(found: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    error = (found.to(torch.promote_types(found.dtype, torch.float32)) - target).abs().masked_fill(~mask, 0)
    return error.flatten(1).sum(dim=1) / mask.flatten(1).sum(dim=1).clamp(min=1)


class DistanceLoss(nn.Module):
    """Averages absolute errors over the pairs of words: distances, target [batch word word] -> values [batch]."""

    def forward(self, distances: Tensor, mask: Tensor, target: Tensor) -> Tensor:
        return _mean_error(distances, target, mask[:, :, None] & mask[:, None, :])


class DepthLoss(nn.Module):
    """Averages absolute errors over the words: depths, target [batch word] -> values [batch]."""

    def forward(self, depths: Tensor, mask: Tensor, target: Tensor) -> Tensor:
        return _mean_error(depths, target, mask)


def _rows(found: Tensor, target: Tensor, mask: Tensor) -> Iterator[tuple[Table, Table]]:
    """Gives, row by row, what was found and what is true of the words that the mask admits."""
    tables = [tensor.detach().double().cpu().numpy() for tensor in (found, target)]
    for row, known in enumerate(mask.cpu().numpy()):
        at = np.flatnonzero(known)
        if len(at):
            index = np.ix_(at, at) if found.dim() == 3 else at
            yield tables[0][row][index], tables[1][row][index]


def _edges(distances: Table) -> set[tuple[int, int]]:
    # An edge of length 0 would be none to scipy, and adding to all alike changes no least tree.
    whole = (distances + distances.T) / 2
    whole = whole - whole.min() + 1
    tree = minimum_spanning_tree(whole).tocoo()
    return {(min(a, b), max(a, b)) for a, b in zip(tree.row.tolist(), tree.col.tolist(), strict=True)}


class UndirectedAttachment(Share):
    """Counts the edges that two least spanning trees share: distances, target [batch word word], mask [batch word]."""

    def update(self, distances: Tensor, mask: Tensor, target: Tensor) -> None:
        """Takes in a batch."""
        for found, true in _rows(distances, target, mask):
            wanted = _edges(true)
            self._add(len(wanted & _edges(found)), len(wanted))


def _correlations(found: Table, true: Table) -> Table:
    """Gives Spearman's correlation of each row; 0 where one of the two does not vary."""
    ranks = [rankdata(table, axis=1) - (table.shape[1] + 1) / 2 for table in (found, true)]
    spread = np.sqrt(np.square(ranks[0]).sum(axis=1) * np.square(ranks[1]).sum(axis=1))
    return np.where(spread > 0, (ranks[0] * ranks[1]).sum(axis=1) / np.where(spread > 0, spread, 1), 0.0)


class _ByLength(Metric):
    """Averages correlations by the number of words of their text, and then over these numbers."""

    sums: Tensor
    counts: Tensor

    def __init__(self, shortest: int = 5, longest: int = 50) -> None:
        super().__init__()
        self.shortest, self.longest = shortest, longest
        self.add_state("sums", torch.zeros(longest + 1, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(longest + 1, dtype=torch.float64), dist_reduce_fx="sum")

    def _add(self, found: Table, true: Table) -> None:
        size = true.shape[1]
        if self.shortest <= size <= self.longest:
            values = _correlations(found, true)
            self.sums[size] += float(values.sum())
            self.counts[size] += len(values)

    def compute(self) -> Tensor:
        """Gives the mean over lengths; 0 where no text was of one of them."""
        seen = self.counts > 0
        means = self.sums / self.counts.clamp(min=1)
        return (means.sum() / seen.sum().clamp(min=1)).float()


class DistanceSpearman(_ByLength):
    """Correlates each word's distances to all words: distances, target [batch word word], mask [batch word]."""

    def update(self, distances: Tensor, mask: Tensor, target: Tensor) -> None:
        """Takes in a batch."""
        for found, true in _rows(distances, target, mask):
            self._add(found, true)


class DepthSpearman(_ByLength):
    """Correlates the depths of each text's words: depths, target and mask [batch word]."""

    def update(self, depths: Tensor, mask: Tensor, target: Tensor) -> None:
        """Takes in a batch."""
        for found, true in _rows(depths, target, mask):
            self._add(found[None], true[None])
