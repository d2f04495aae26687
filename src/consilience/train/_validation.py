"""Measures the validation split while a plan is trained: the metrics, and every loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from consilience.data import Prepared
from consilience.errors import Diagnostic, RunError
from consilience.fuse import FusedModel, build_collator, miscounted
from consilience.plan import Plan
from consilience.train._keeping import KeptFeatures
from consilience.train._measure import measure
from consilience.train._objective._means import Means, sums_in

__all__ = ["evaluation_loader", "measurer", "validation_loader"]


class _Losses:
    """Sums the losses over batches: each is the exact mean over what counts, as the objective's is in one step."""

    def __init__(self, plan: Plan, model: FusedModel) -> None:
        self._plan, self._means = plan, Means(model, plan)
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Takes in the losses of one batch."""
        for node in self._plan.of("losses"):
            value = values[node.name].detach()
            value = value.to(sums_in(value))
            counted = self._means.counted(node.name, values)
            count = torch.ones_like(value) if counted is None else counted.sum()
            part = value if counted is None else self._means.part(node.name, value, values)
            self._sums[node.name] = self._sums.get(node.name, 0) + part
            self._counts[node.name] = self._counts.get(node.name, 0) + count

    def means(self) -> dict[str, float]:
        """Gives each loss as `loss/NAME`, and their sum, weighted as the file says, as `loss`.

        A loss of which no row counts is left out. Raises `RunError` for one whose own count is none.
        """
        counts = {name: float(count) for name, count in self._counts.items()}
        for name in (name for name, count in counts.items() if math.isnan(count)):
            fault = miscounted(self._plan, name, "a number below 0 or not finite", " in the validation rows")
            raise RunError(self._plan.fusion.locate([fault]))
        found = {name: float(self._sums[name] / count) for name, count in counts.items() if count > 0}
        named = {f"loss/{name}": value for name, value in found.items()}
        weighed = {name: weight for name in found if (weight := self._plan.weight(name))}  # 0 x infinity is no number
        return named | {"loss": sum(weight * found[name] for name, weight in weighed.items())}


def measurer(plan: Plan, model: FusedModel, loader: DataLoader[Any]) -> Callable[[], dict[str, float]]:
    """Gives a function that measures every metric of one number, and every loss."""

    def run() -> dict[str, float]:
        losses = _Losses(plan, model)
        found = measure(model, plan, loader, [node.name for node in plan.of("losses")], losses.add)
        numbers = {name: float(value) for name, value in found.items() if isinstance(value, int | float)}
        return losses.means() | numbers

    return run


def validation_loader(plan: Plan, prepared: Prepared, kept: KeptFeatures | None = None) -> DataLoader[Any]:
    """Gives the batches of the validation split, with all that the metrics and the losses read.

    They have the features that are kept, where these are given.
    """
    names = [node.name for node in (*plan.of("metrics"), *plan.of("losses"))]
    seed = plan.fusion.train.seed
    collator = kept.collator(plan, names, seed, "validation") if kept else build_collator(plan, names, seed)
    return _loader(plan, prepared, "validation", collator)


def evaluation_loader(plan: Plan, prepared: Prepared, split: str, batch_size: int | None = None) -> DataLoader[Any]:
    """Gives the batches of a split for the metrics, in order."""
    names = [node.name for node in plan.of("metrics")]
    names += [loss.name for loss in plan.of("losses") if _is_asked(plan, loss.name)]
    return _loader(plan, prepared, split, build_collator(plan, names, plan.fusion.train.seed), batch_size)


def _loader(
    plan: Plan, prepared: Prepared, split: str, collator: Any, batch_size: int | None = None
) -> DataLoader[Any]:
    rows = prepared.splits[split]
    if not len(rows):
        fix = "split: {test: 0.2, validation: 0.1}  # under a source"
        found = f"no rows in the split {split}"
        raise RunError(plan.fusion.locate([Diagnostic("CN705", ("sources",), found, "a split with rows", fix)]))
    return DataLoader(rows, batch_size=batch_size or 2 * plan.fusion.train.batch_size, collate_fn=collator)


def _is_asked(plan: Plan, loss: str) -> bool:
    target = plan.target_of(loss)
    return target is not None and plan.field_of(target) is not None
