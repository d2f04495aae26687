"""Lets the tuners see every optimizer step: what they train may change as the training goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from transformers import TrainerCallback

from consilience.fuse import attribute
from consilience.train._trainer import FusionTrainer

__all__ = ["TunedSteps"]


class TunedSteps(TrainerCallback):
    """Calls the tuner of each module that is trained, before and after each step of the optimizer."""

    def __init__(self, trainer: FusionTrainer) -> None:
        self._model = trainer.fused
        plan = self._model.plan
        self._tuned = [
            (node, node.tuner) for node in plan.of("modules") if node.tuner and not node.share and node.is_trained
        ]

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Calls `before_step`, with the gradients of the step."""
        self._call("before_step", state)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Calls `after_step`, before the gradients are forgotten."""
        self._call("after_step", state)

    def _call(self, method: str, state: Any) -> None:
        for node, tuner in self._tuned:
            try:
                getattr(tuner, method)(self._model.nodes[node.name], state.global_step + 1, state.max_steps)
            except Exception as error:
                plan = self._model.plan
                tuner_name = plan.fusion.modules[node.name].tune["use"]
                attribute(error, plan, replace(node, component=tuner_name), f"{method} of the tuner")
                raise
