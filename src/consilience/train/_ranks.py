"""The processes of a training: sums and means over all of them, equal to the last bit in each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["Ranks"]


class Ranks:
    """The processes that train one model together; one alone where nothing is launched."""

    def __init__(self, device: torch.device | None = None) -> None:
        self.count = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
        self._device = device or torch.device("cpu")

    def sum(self, tensor: Tensor) -> Tensor:
        """Gives the sum over the processes."""
        if self.count == 1:
            return tensor
        summed = tensor.to(self._device, copy=True)
        dist.all_reduce(summed)
        return summed.to(tensor.device)

    def first(self, tensor: Tensor) -> Tensor:
        """Gives what the first process has: rounding must not tell the processes apart."""
        if self.count == 1:
            return tensor
        given = tensor.to(self._device, copy=True)
        dist.broadcast(given, 0)
        return given.to(tensor.device)

    def mean_all(self, gradients: Sequence[Tensor | None], like: Sequence[nn.Parameter]) -> list[Tensor | None]:
        """Gives the means over the processes of gradients of parameters, in one exchange.

        What no process has a gradient of stays None; a process without one where another has one counts as zero.
        """
        if self.count == 1 or not gradients:
            return list(gradients)
        has = self.sum(torch.tensor([gradient is not None for gradient in gradients]).long()) > 0
        kept = [place for place, some in enumerate(has.tolist()) if some]
        means: list[Tensor | None] = [None] * len(gradients)
        if not kept:
            return means
        filled = [_filled(gradients[place], like[place]) for place in kept]
        flat = torch.cat([gradient.flatten() for gradient in filled])
        dist.all_reduce(flat)
        parts = flat.div_(self.count).split([gradient.numel() for gradient in filled])
        for place, part in zip(kept, parts, strict=True):
            means[place] = part.view_as(like[place])
        return means


def _filled(gradient: Tensor | None, parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if gradient is None else gradient
