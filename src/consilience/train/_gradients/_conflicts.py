"""How far gradients conflict: the norm of each discipline's, and the cosines between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from consilience.plan import Plan
from consilience.train._gradients._gramian import grouped

__all__ = ["Conflicts", "figures"]


class Conflicts:
    """Keeps what the last step saw of the objectives' gradients, for the log."""

    def __init__(self, plan: Plan, objectives: Mapping[str, Iterable[str]]) -> None:
        self._owners = {name: plan.nodes[next(iter(losses))].discipline for name, losses in objectives.items()}
        self._gramian: Tensor | None = None
        self._names: list[str] = []

    def saw(self, gramian: Tensor, names: Sequence[str]) -> None:
        """Takes the products of the objectives' gradients; nothing is computed before it is logged."""
        self._gramian, self._names = gramian, list(names)

    def figures(self, space: str = "") -> dict[str, float]:
        """Gives the norm of each discipline's gradient, and the cosine of each two; `space` says of what."""
        if self._gramian is None:
            return {}
        owners = [self._owners[name] for name in self._names]
        disciplines = sorted(set(owners))
        groups = [disciplines.index(owner) for owner in owners]
        return figures(grouped(self._gramian, groups, len(disciplines)), disciplines, space)


def figures(gramian: Tensor, names: Sequence[str], space: str = "") -> dict[str, float]:
    """Gives norms and cosines from inner products; a gradient of 0 has no direction, and so no cosine."""
    norms = gramian.diagonal().clamp(min=0).sqrt()
    found = {f"{space}gradient_norm/{name}": norm for name, norm in zip(names, norms.tolist(), strict=True)}
    cosines = gramian / torch.outer(norms, norms)
    for first, name in enumerate(names):
        for second in range(first + 1, len(names)):
            if norms[first] > 0 and norms[second] > 0:
                found[f"{space}cosine/{name}/{names[second]}"] = float(cosines[first, second].clamp(-1, 1))
    return found
