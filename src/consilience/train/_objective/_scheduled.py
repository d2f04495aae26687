"""Sees, as soon as the steps are counted, that the schedules of the losses fit the training."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from consilience.errors import DeclarationError
from consilience.plan import Plan, schedule_faults

__all__ = ["SchedulesFit"]


class SchedulesFit(TrainerCallback):
    """Raises `DeclarationError` before the first step for what the check could not know: how many steps there are."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Judges the schedules by the steps that there will be."""
        losses = [node.name for node in self._plan.of("losses") if self._plan.weight(node.name)]
        faults = schedule_faults(self._plan.fusion, losses, state.max_steps)
        if faults:
            raise DeclarationError(self._plan.fusion.locate(faults))
