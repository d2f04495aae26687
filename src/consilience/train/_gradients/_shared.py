"""What objectives share: the parameters that the graphs of several of them reach, found by identity."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from consilience.train._ranks import Ranks

__all__ = ["Reach", "leaves_behind", "trained_parameters"]


def trained_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Lists what is trained, each parameter once, without the balancer's own."""
    own = {id(parameter) for parameter in model.balancer.parameters()}  # type: ignore[union-attr]
    return [one for one in model.parameters() if one.requires_grad and id(one) not in own]


def leaves_behind(roots: Iterable[Tensor]) -> set[int]:
    """Gives the ids of all tensors that a backward pass from the roots would leave a gradient in."""
    found: set[int] = set()
    seen: set[object] = set()
    waiting: list[object] = []
    for root in roots:
        if root.grad_fn is not None:
            waiting.append(root.grad_fn)
        elif root.requires_grad:
            found.add(id(root))
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        variable = getattr(function, "variable", None)  # only what ends a way has one
        if variable is not None:
            found.add(id(variable))
        waiting += [other for other, _ in function.next_functions if other is not None]  # type: ignore[attr-defined]
    return found


class Reach:
    """Which parameters each objective reaches, once known the same in every process and every step.

    It is read off the graphs of the first step, and not off the gradients: an objective for which nothing counts has a
    graph as well, and so a resumed run shares the same parameters.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        leaves: Mapping[str, set[int]],
        ranks: Ranks,
        idle: Collection[int] = frozenset(),
    ) -> None:
        self.parameters = list(parameters)
        sets = [*leaves.values(), idle]
        reached = torch.tensor([[id(one) in found for one in parameters] for found in sets]).long()
        everywhere = (ranks.sum(reached) > 0).long()
        together, any_ = everywhere[:-1].sum(dim=0).tolist(), everywhere.sum(dim=0).tolist()
        self.shared = [one for one, count in zip(parameters, together, strict=True) if count > 1]
        """The parameters that several objectives train."""
        self.reached = [one for one, count in zip(parameters, any_, strict=True) if count > 0]
        """The parameters that some loss reaches, be it one of weight 0 (`idle`)."""

    def fill(self) -> None:
        """Gives a gradient of zeros to what is reached and got none, as a sum of losses of which none counts would."""
        for parameter in self.reached:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

    def fits(self, parameters: Sequence[nn.Parameter]) -> bool:
        """Tells whether these are still the parameters that are trained."""
        return len(parameters) == len(self.parameters) and all(
            one is other for one, other in zip(parameters, self.parameters, strict=True)
        )
