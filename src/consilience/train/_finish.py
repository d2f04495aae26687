"""Ends a run: the model that is kept, the record, and the picture of its course."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from consilience.errors import ConsilienceError
from consilience.fuse import FusedModel, fuse
from consilience.train._best import BestModel, series_of
from consilience.train._course import Course
from consilience.train._fitting import Fitting
from consilience.train._runs._interrupted import Interrupted
from consilience.train._runs._log import logged
from consilience.train._runs._picture import draw_course
from consilience.train._runs._record import Timings, outcome, write_record
from consilience.train._runs._run import Run
from consilience.train._trainer import FusionTrainer

__all__ = ["finish_model", "recorded"]


@contextmanager
def recorded(trainer: FusionTrainer, course: Course, known: dict[str, Any], timings: Timings) -> Iterator[None]:
    """Writes the record before and after a training, and draws its course, whatever stops it.

    What is put into `known` meanwhile stands in the last record.
    """
    if not trainer.is_world_process_zero():
        yield
        return
    write_record(course.run, known, "running")
    try:
        yield
    except BaseException as error:
        _end(trainer, course, known, timings, f"stopped: {_kind_of(error)}")
        raise
    _end(trainer, course, known, timings, "finished")


def _kind_of(error: BaseException) -> str:
    """Names what stopped a run: a diagnostic by its code, a signal, or the class of an exception."""
    if isinstance(error, ConsilienceError) and error.diagnostics:
        return ", ".join(dict.fromkeys(one.code for one in error.diagnostics))
    return Interrupted.__name__ if isinstance(error, Interrupted) else type(error).__name__


def _end(trainer: FusionTrainer, course: Course, known: Mapping[str, Any], timings: Timings, status: str) -> None:
    draw_course(course.run.path)
    rows = trainer.rows_of(trainer.state.global_step - course.first_step)
    # The trainer knows what it logged itself; the file has what came before a resume too.
    more = outcome(logged(course.run.path), timings, rows, trainer.args.device)
    write_record(course.run, known, status, more)


def finish_model(
    trainer: FusionTrainer, model: FusedModel, run: Run, say: Callable[[str], None], fitting: Fitting | None = None
) -> dict[str, Any]:
    """Saves the model as `model/`, with the best weights where the fusion asks for them; tells which they are.

    Modules that are fitted to the validation rows are fitted with the weights that are saved. Every process calls it:
    one that holds a part of the weights gives it to the first, which saves them whole.
    """
    keys = model.plan.fusion.train.arguments
    if keys.get("load_best_model_at_end"):
        BestModel(run.path).forget_lost(trainer)
    told = _best(trainer, keys, series_of(model.plan), say)
    weights = trainer.whole_weights()
    if not trainer.is_world_process_zero():
        return {}
    if told.get("kept"):
        weights = BestModel(run.path).restored(told["best"]["step"], model)
    fitted: dict[str, Any] = {}
    if fitting is not None:
        # The parts of a sharded model cannot be run by one process: a whole one is built.
        whole = fuse(model.plan) if trainer.is_fsdp_enabled else model
        torch.nn.Module.to(whole, trainer.args.device)
        if weights is not None:
            whole.load_state_dict(weights)
        fitted = {"fitted": fitting(whole)}
        say(f"fitted {', '.join(fitted['fitted'])} to the validation rows")
        weights = None if weights is None else whole.state_dict()
    staged = run.path / ".model.part"
    for old in (staged, run.path / "model"):  # of a run that was killed here
        shutil.rmtree(old, ignore_errors=True)
    model.save_pretrained(staged, **({} if weights is None else {"state_dict": weights}))
    staged.replace(run.path / "model")
    return fitted | ({"best": told["best"]} if "best" in told else {})


def _best(
    trainer: FusionTrainer, keys: Mapping[str, Any], series: str | None, say: Callable[[str], None]
) -> dict[str, Any]:
    state = trainer.state
    if series is None:
        return {}
    if state.best_global_step is None:
        say(f"{series} was never a number: the model is that of the last step, {state.global_step:,}")
        return {"best": None}
    if keys.get("early_stopping_patience") is not None and state.global_step < state.max_steps:
        say(f"stopped early at step {state.global_step:,} of {state.max_steps:,}")
    kept = bool(keys.get("load_best_model_at_end"))
    which = "the model is that of step" if kept else "at step"
    say(f"{series} {state.best_metric:.4f} was best{':' if kept else ''} {which} {state.best_global_step:,}")
    return {"best": {"by": series, "value": state.best_metric, "step": state.best_global_step}, "kept": kept}
