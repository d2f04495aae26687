"""Tells the plugins of every optimizer step, and takes the numbers that they give for the log."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback

from consilience.train._trainer import FusionTrainer

__all__ = ["StepEnded"]


class StepEnded(TrainerCallback):
    """Calls the hook `consilience_step_ended` of the plugins that the fusion names."""

    def __init__(self, trainer: FusionTrainer) -> None:
        self._trainer = trainer
        self._model = trainer.accelerator.unwrap_model(trainer.model)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Keeps the numbers of the last step: only what is logged is waited for."""
        told = self._model.plan.call("consilience_step_ended", model=self._model, step=state.global_step)
        self._trainer.numbers = {
            f"{namespace}/{name}": value
            for namespace, numbers in told.items()
            for name, value in (numbers or {}).items()
        }
