"""Measures the validation split while a plan is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils.data import DataLoader
from transformers import TrainerCallback

from consilience.data import Prepared
from consilience.errors import Diagnostic, RunError
from consilience.fuse import FusedModel, build_collator
from consilience.plan import Plan
from consilience.train._keeping import KeptFeatures
from consilience.train._measure import measure
from consilience.train._trainer import FusionTrainer

__all__ = ["EvaluateEachEpoch", "evaluation_loader", "measurer"]


def measurer(
    plan: Plan, model: FusedModel, prepared: Prepared, kept: KeptFeatures | None = None
) -> Callable[[], dict[str, float]]:
    loader = evaluation_loader(plan, prepared, "validation", kept=kept)

    def run() -> dict[str, float]:
        found = measure(model, plan, loader)
        return {name: value for name, value in found.items() if isinstance(value, float)}

    return run


def evaluation_loader(
    plan: Plan, prepared: Prepared, split: str, batch_size: int | None = None, kept: KeptFeatures | None = None
) -> DataLoader[Any]:
    """Gives the batches of a split for the metrics, in order; with the features that are kept, where they are given."""
    names = [node.name for node in plan.of("metrics")]
    names += [loss.name for loss in plan.of("losses") if _is_asked(plan, loss.name)]
    seed = plan.fusion.train.seed
    collator = kept.collator(plan, names, seed, split) if kept else build_collator(plan, names, seed)
    rows = prepared.splits[split]
    if not len(rows):
        fix = "split: {test: 0.2, validation: 0.1}  # under a source"
        found = f"no rows in the split {split}"
        raise RunError(plan.fusion.locate([Diagnostic("CN705", ("sources",), found, "a split with rows", fix)]))
    return DataLoader(rows, batch_size=batch_size or 2 * plan.fusion.train.batch_size, collate_fn=collator)


def _is_asked(plan: Plan, loss: str) -> bool:
    target = plan.target_of(loss)
    return target is not None and plan.field_of(target) is not None


class EvaluateEachEpoch(TrainerCallback):
    """Measures the validation split at the end of every epoch."""

    def __init__(self, trainer: FusionTrainer) -> None:
        self._trainer = trainer

    def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Measures."""
        self._trainer.evaluate()
