"""Gradients side by side: their products with each other, and their weighted sums."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["combine", "flattened", "gramian_of", "grouped", "unflattened"]

Row = Sequence[Tensor | None]
"""One objective's gradient, a tensor for each that it is taken of; None is all zeros."""
_CHUNK = 1 << 17
"""How many numbers of each row are multiplied at a time: so many stay in a core's cache."""


def gramian_of(rows: Sequence[Row]) -> Tensor:
    """Gives the inner products of the rows (`Float["m m"]`, float64, on the CPU): waits for the device once.

    The rows are never laid side by side as a whole: a pass over each is all that is read.
    """
    size = len(rows)
    device = next((part.device for row in rows for part in row if part is not None), torch.device("cpu"))
    total = torch.zeros(size, size, dtype=torch.float64, device=device)
    for parts in zip(*rows, strict=True):
        has = [place for place, part in enumerate(parts) if part is not None]
        if not has:
            continue
        flat = [part.reshape(-1) for part in parts if part is not None]
        product = torch.zeros(len(has), len(has), dtype=torch.float64, device=device)
        for start in range(0, flat[0].numel(), _CHUNK):
            chunk = torch.stack([one[start : start + _CHUNK] for one in flat])
            chunk = chunk.float() if chunk.dtype.itemsize < 4 else chunk
            product += chunk @ chunk.T
        if len(has) == size:
            total += product
        else:
            places = torch.tensor(has, device=device)
            total[places[:, None], places] += product
    return total.cpu()


def combine(weights: Sequence[float], rows: Sequence[Sequence[Tensor | None]]) -> list[Tensor | None]:
    """Gives the weighted sum of the rows, tensor by tensor; overwrites the rows."""
    sums: list[Tensor | None] = []
    for parts in zip(*rows, strict=True):
        total: Tensor | None = None
        for weight, part in zip(weights, parts, strict=True):
            if part is not None:
                total = part.mul_(weight) if total is None else total.add_(part, alpha=weight)
        sums.append(total)
    return sums


def flattened(rows: Sequence[Row], like: Sequence[Tensor]) -> Tensor:
    """Lays the rows side by side: `Float["m n"]`."""
    return torch.stack(
        [
            torch.cat([torch.zeros_like(one).flatten() if part is None else part.flatten() for part, one in pairs])
            for pairs in (list(zip(row, like, strict=True)) for row in rows)
        ]
    )


def unflattened(vector: Tensor, like: Sequence[nn.Parameter]) -> list[Tensor]:
    """Takes a vector of all numbers apart into the shapes of the tensors that it is of."""
    parts = vector.split([one.numel() for one in like])
    return [part.view_as(one).contiguous() for part, one in zip(parts, like, strict=True)]


def grouped(gramian: Tensor, groups: Sequence[int], count: int) -> Tensor:
    """Gives the inner products of sums of rows (`A G A^T`): `groups` tells the sum that each row belongs to."""
    chosen = torch.zeros(count, len(groups), dtype=gramian.dtype)
    chosen[torch.tensor(groups, dtype=torch.long), torch.arange(len(groups))] = 1.0
    return chosen @ gramian @ chosen.T
