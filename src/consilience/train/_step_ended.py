"""Tells the plugins of every optimizer step, and takes the numbers that they give for the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from transformers import TrainerCallback

from consilience.errors import Diagnostic, RunError
from consilience.fuse import states_of
from consilience.train._trainer import FusionTrainer

__all__ = ["StepEnded"]


class StepEnded(TrainerCallback):
    """Calls the hook `consilience_step_ended` of the plugins that the fusion names."""

    def __init__(self, trainer: FusionTrainer) -> None:
        self._trainer = trainer
        self._model = trainer.fused
        self._has_seen_state = False

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Keeps the numbers of the last step: only what is logged is waited for.

        Asks once for what the plugins keep, as soon as there is something: what no save could write is told while
        there is nothing to lose.
        """
        told = self._model.plan.call("consilience_step_ended", model=self._model, step=state.global_step)
        self._trainer.numbers = {
            f"{namespace}/{name}": value
            for namespace, numbers in told.items()
            for name, value in _named(namespace, numbers).items()
        }
        if not self._has_seen_state and args.should_save:
            states_of(self._model)
        self._has_seen_state = True


def _named(namespace: str, numbers: Any) -> Mapping[str, Any]:
    """Gives the numbers that a plugin tells; raises `RunError` for what is none."""
    told = {} if numbers is None else numbers
    shown = f"a value of type {type(told).__name__}"
    if isinstance(told, Mapping):
        wrong = [name for name, value in told.items() if not _is_number(value)]
        if not wrong:
            return told
        shown = f"{wrong[0]}, a value of type {type(told[wrong[0]]).__name__}"
    found = f"the plugin {namespace} gives {shown} from consilience_step_ended"
    fix = f"# mend consilience_step_ended in the plugin {namespace}: return {{name: number}}"
    raise RunError(
        Diagnostic("CN207", ("plugins", namespace), found, "numbers, or tensors of one number, by name", fix)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1)
