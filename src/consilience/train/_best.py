"""The best model of a run: by what it is told, where its weights are kept, and when training stops for its sake."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, TrainingArguments

from consilience.errors import Diagnostic, RunError
from consilience.fuse import FusedModel, restore_states, states_of
from consilience.plan import Plan
from consilience.train._checkpoints._staging import Staged
from consilience.train._checkpoints._state import PLUGINS
from consilience.train._checkpoints._store import add_manifest, prove, unwritable
from consilience.train._measure import build_metrics, measure

if TYPE_CHECKING:
    from consilience.train._trainer import FusionTrainer

__all__ = ["BestModel", "EarlyStopping", "choose_best", "early_stopping", "series_of"]

WEIGHTS = "model.safetensors"
_BY = ("train", "metric_for_best_model")


def series_of(plan: Plan) -> str | None:
    """Names the series of the log that tells the best model, without `eval_`; None where the fusion asks for none."""
    keys = plan.fusion.train.arguments
    if not keys.get("load_best_model_at_end") and keys.get("early_stopping_patience") is None:
        return None
    name = keys.get("metric_for_best_model") or "loss"
    return f"loss/{name}" if name in plan.fusion.losses else str(name)


def choose_best(arguments: TrainingArguments, plan: Plan, model: FusedModel, loader: DataLoader[Any]) -> None:
    """Tells transformers by what the best model is told, and in which direction.

    Raises `RunError` for a metric that does not say whether more is better (CN750), and for one that gives no single
    number of the validation rows (CN751); the first of these rows are measured for that, before anything is learnt.
    """
    series = series_of(plan)
    if series is None:
        return
    arguments.metric_for_best_model = f"eval_{series}"
    arguments.greater_is_better = False
    if series in plan.fusion.metrics:
        arguments.greater_is_better = _direction(plan, series)
        _see_a_number(plan, model, loader, series)


def _direction(plan: Plan, metric: str) -> bool:
    given = plan.fusion.train.arguments.get("greater_is_better")
    if given is not None:
        return bool(given)
    found = build_metrics(plan)[metric].higher_is_better
    if found is None:
        told = f"{metric}, and {plan.nodes[metric].component} does not say whether a larger value is a better one"
        fault = Diagnostic("CN750", _BY, told, "the key greater_is_better beside it", "greater_is_better: true")
        raise RunError(plan.fusion.locate([fault]))
    return bool(found)


def _see_a_number(plan: Plan, model: FusedModel, loader: DataLoader[Any], metric: str) -> None:
    value = None
    for batch in loader:
        value = measure(model, plan, [batch])[metric]
        if value is not None:
            break
    if isinstance(value, int | float):
        return
    component = plan.nodes[metric].component
    found = f"{metric}, and {component} gives {_kind(value)} of the validation rows"
    if value is None:
        found = f"{metric}, and no validation row has all that it needs"
    fault = Diagnostic("CN751", _BY, found, "a metric of one number, or a loss", "metric_for_best_model: loss")
    raise RunError(plan.fusion.locate([fault]))


def _kind(value: Any) -> str:
    return f"{len(value)} values" if isinstance(value, list) else f"a value of type {type(value).__name__}"


class EarlyStopping(EarlyStoppingCallback):
    """Stops the training after so many measurements without a better value; the trainer's state holds its count."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Leaves out what transformers looks for: the check saw to it."""


def early_stopping(plan: Plan) -> EarlyStopping | None:
    """Makes what stops the training early, where the fusion asks for it."""
    keys = plan.fusion.train.arguments
    patience = keys.get("early_stopping_patience")
    if patience is None:
        return None
    return EarlyStopping(int(patience), float(keys.get("early_stopping_threshold") or 0.0))


class BestModel:
    """Keeps, in `best/step-N` of the run, the weights that measured best, each folder written whole or not at all."""

    def __init__(self, run: Path) -> None:
        self.folder = run / "best"

    def keep(self, trainer: FusionTrainer) -> None:
        """Keeps the weights of now; every process calls it. Raises `RunError` where the disk refuses."""
        weights = trainer.whole_weights()
        if not trainer.is_world_process_zero():
            return
        model = trainer.fused
        weights = model.state_dict() if weights is None else weights
        step = trainer.state.global_step
        checkpoints = trainer.checkpoints.steps() if trainer.checkpoints is not None else []
        try:
            with Staged(self._of(step)) as staged:
                tied = model.tied_names
                staged.tensors(WEIGHTS, {name: value for name, value in weights.items() if name not in tied})
                if states := states_of(model):
                    staged.json(PLUGINS, states)
                add_manifest(staged, {"step": step})
            self._forget_all_but([step, *checkpoints])
        except OSError as error:
            raise RunError(unwritable(self._of(step), error, checkpoints, "the best model")) from error

    def forget_lost(self, trainer: FusionTrainer) -> None:
        """Forgets a best value whose weights are not here: what comes is measured against nothing."""
        state = trainer.state
        if state.best_global_step is not None and not self._of(state.best_global_step).is_dir():
            state.best_metric = state.best_global_step = None

    def forget_after(self, step: int) -> None:
        """Removes what was kept after the step that a run goes on from: what comes is measured again.

        What a process that was killed had staged goes too.
        """
        for part in self.folder.glob(".*.part"):
            shutil.rmtree(part, ignore_errors=True)
        for old in self._steps():
            if old > step:
                shutil.rmtree(self._of(old))

    def restored(self, step: int, model: FusedModel) -> dict[str, Tensor]:
        """Gives the plugins their state at the best step, and the weights of then, tied ones under each name.

        Raises `RunError` (CN731) where these are not as they were written.
        """
        prove(self._of(step))
        weights = load_file(self._of(step) / WEIGHTS)
        restore_states(model, self._of(step))
        return weights | {name: weights[first] for name, first in model.tied_names.items()}

    def _forget_all_but(self, steps: Iterable[int]) -> None:
        """Leaves the best of now, and what was best at each checkpoint: a run that goes on from there has it still."""
        kept = self._steps()
        wanted = {max((old for old in kept if old <= step), default=None) for step in steps}
        for old in kept:
            if old not in wanted:
                shutil.rmtree(self._of(old))

    def _steps(self) -> list[int]:
        return [int(path.name.removeprefix("step-")) for path in self.folder.glob("step-*")]

    def _of(self, step: int) -> Path:
        return self.folder / f"step-{step}"
