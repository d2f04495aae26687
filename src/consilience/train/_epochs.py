"""Tells the order of the rows which epoch begins."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from consilience.data import TrainingOrder

__all__ = ["SetEpoch"]


class SetEpoch(TrainerCallback):
    """Sets the epoch of the order itself: accelerate does not reach it in several processes that skip batches."""

    def __init__(self, order: TrainingOrder) -> None:
        self._order = order

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Sets the epoch in which the run stands, also where it was resumed in the middle."""
        self._order.set_epoch(int(state.epoch or 0))
