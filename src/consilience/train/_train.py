"""Trains a plan into a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from transformers import PrinterCallback, ProgressCallback, set_seed

from consilience.data import Prepared, prepare, training_rows
from consilience.declare import Fusion
from consilience.fuse import FusedModel, build_collator, check_savable, count_by_discipline, fuse, parameters_of
from consilience.plan import Plan, check, fitted_of
from consilience.plan.drawing import Parameters
from consilience.train._arguments import arguments_of
from consilience.train._best import BestModel, choose_best, early_stopping, series_of
from consilience.train._course import Course, begun, finished, plan_of, resumed
from consilience.train._finish import finish_model, recorded
from consilience.train._fitting import Fitting
from consilience.train._going_on import learn
from consilience.train._keeping import keep_features
from consilience.train._measure import build_metrics
from consilience.train._objective._rows import RowsKept
from consilience.train._objective._scheduled import SchedulesFit
from consilience.train._progress import LogFile, Progress, without_bars
from consilience.train._recompute import recompute_activations
from consilience.train._runs._device import describe_device
from consilience.train._runs._log import LOG
from consilience.train._runs._record import Timings, facts
from consilience.train._runs._run import Run
from consilience.train._runs._trackers import check_trackers, places_told, trackers
from consilience.train._step_ended import StepEnded
from consilience.train._trainer import FusionTrainer
from consilience.train._tuned_steps import TunedSteps
from consilience.train._validation import measurer, validation_loader

__all__ = ["Announce", "train"]

Announce = Callable[[str], None]
"""What tells a person, in one line, what goes on."""


def train(
    fusion: Plan | Fusion | str | os.PathLike[str] | None = None,
    runs: str | os.PathLike[str] = "runs",
    announce: Announce | None = None,
    progress: bool = True,
    resume: str | os.PathLike[str] | None = None,
    accept: Collection[str] = (),
) -> Run:
    """Checks, builds and trains a fusion, and gives its run: a new directory under `runs`, or the one to `resume`.

    A resumed run goes on from its newest whole checkpoint with the fusion that it began with, if none is given; what
    changed since is refused, but for the names in `accept`. A finished run is given back as it is.

    Raises `DeclarationError`, `DataError` or `RunError` with every fault found, before anything is written if it can,
    and `Interrupted`, after a step and a checkpoint, where SIGINT or SIGTERM asks for an end.
    """
    say = announce or (lambda text: None)
    if resume is not None and (done := finished(Path(resume))):
        unread = [word for word, given in (("the file", fusion is not None), ("what is accepted", accept)) if given]
        told = f"; not looked at: {', '.join(unread)}" if unread else ""
        say(f"{resume} is finished: there is nothing to go on with{told}")
        return done
    plan = _asked_for(fusion, resume)
    check_trackers(plan)
    timings = Timings()
    arguments = arguments_of(plan, Path(resume or runs), progress)  # tells a wrong value before data are read
    if not arguments.distributed_state.is_main_process:  # one of several tells what all do
        say, progress = (lambda text: None), False
    with ExitStack() as held:
        if not progress:
            held.enter_context(without_bars())
        course = held.enter_context(resumed(plan, Path(resume), accept, arguments, say)) if resume else None
        shown = _Shown(say, progress, timings)
        prepared = _read(plan, shown)
        model = _build(plan, timings)
        course = course or held.enter_context(begun(plan, Path(runs), arguments))
        held.enter_context(places_told(plan, course.run.path))
        _learn(model, prepared, course, shown)
        arguments.distributed_state.wait_for_everyone()
    return course.run


@dataclass(frozen=True)
class _Shown:
    """How a person is told what goes on, and where the seconds are counted."""

    say: Announce
    progress: bool
    timings: Timings


def _asked_for(fusion: Plan | Fusion | str | os.PathLike[str] | None, resume: str | os.PathLike[str] | None) -> Plan:
    if fusion is None:
        if resume is None:
            raise TypeError("train needs a fusion, or a run to resume")
        fusion = plan_of(Path(resume))
    return fusion if isinstance(fusion, Plan) else check(fusion)


def _read(plan: Plan, shown: _Shown) -> Prepared:
    shown.say(f"reading {', '.join(plan.sources)}")
    with shown.timings.of("reading"):
        prepared = prepare(plan, shown.progress)
    for warning in prepared.warnings:
        shown.say(str(warning))
    shown.say(", ".join(f"{name}: {len(split):,} rows" for name, split in prepared.splits.items()))
    return prepared


def _build(plan: Plan, timings: Timings) -> FusedModel:
    set_seed(plan.fusion.train.seed)
    with timings.of("building"):
        model = fuse(plan)
    build_metrics(plan)
    check_savable(model)  # what fails to save fails now, not after the training
    return model


def _learn(model: FusedModel, prepared: Prepared, course: Course, shown: _Shown) -> None:
    plan, run, timings = model.plan, course.run, shown.timings
    trainer, fitting = _trainer(model, prepared, run, shown)
    shares = count_by_discipline(plan, parameters_of(model))
    trained = sum(share.trained for share in shares.values())
    on = f"{_told(shares)} on {describe_device(trainer.args.device)}"
    shown.say(f"training {trained:,} of {model.num_parameters():,} parameters{on}")
    if plan.fusion.train.arguments.get("gradient_checkpointing"):
        for name in recompute_activations(model):
            shown.say(f"gradient_checkpointing: {name} keeps its activations: it holds no transformers model that can")
    known = facts(plan, trainer.args.device) if trainer.is_world_process_zero() else {}
    counts = {
        "rows": {name: len(split) for name, split in prepared.splits.items()},
        "training_rows": prepared.train.sizes,
        "parameters": model.num_parameters(),
        "trained_parameters": trained,
        "parameters_by_discipline": {name: asdict(share) for name, share in shares.items()},
    }
    with recorded(trainer, course, known, timings):
        with timings.of("training"):
            steps = learn(trainer, course, plan).global_step
        trainer.check_finite()
        best = finish_model(trainer, model, run, shown.say, fitting)
        seconds = round(timings.seconds["training"], 3)
        known["training"] = {"seconds": seconds, "steps": steps, **counts, **best}
    if trainer.is_world_process_zero():
        course.finish(plan)


def _trainer(model: FusedModel, prepared: Prepared, run: Run, shown: _Shown) -> tuple[FusionTrainer, Fitting | None]:
    plan, seed = model.plan, model.plan.fusion.train.seed
    arguments = arguments_of(plan, run.path, shown.progress)
    losses = [node.name for node in plan.of("losses")]
    kept = keep_features(model, prepared, arguments, shown.say, shown.progress)
    collator = kept.collator(plan, losses, seed, "train") if kept else build_collator(plan, losses, seed)
    validation = fitting = None
    if series_of(plan) or fitted_of(plan) or len(prepared.validation):
        loader = validation_loader(plan, prepared, kept)
        if fitted_of(plan):
            fitting = Fitting(plan, loader)
            fitting.check_rows(model)
        choose_best(arguments, plan, model, loader)
        validation = shown.timings.timed("validating", measurer(plan, model, loader))
    data_seed = arguments.data_seed if arguments.data_seed is not None else seed
    rows, order = training_rows(plan, prepared, arguments.train_batch_size, data_seed, arguments.world_size)
    trainer = FusionTrainer(
        sampler=order,
        measure=validation,
        best=BestModel(run.path) if plan.fusion.train.arguments.get("load_best_model_at_end") else None,
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=RowsKept(collator),
        callbacks=[LogFile(run.path / LOG), *trackers(plan)],
    )
    for callback in (SchedulesFit(plan), TunedSteps(trainer), StepEnded(trainer), early_stopping(plan)):
        if callback is not None:
            trainer.add_callback(callback)
    _replace_progress(trainer, shown.progress)
    return trainer, fitting


def _told(shares: Mapping[str, Parameters]) -> str:
    """Says what each discipline trains, and what tuners added, where that is more than one number."""
    added = sum(share.added for share in shares.values())
    words = [f"{name} {share.trained:,}" for name, share in shares.items()] if len(shares) > 1 else []
    words += [f"added by tuners {added:,}"] if added else []
    return f" ({', '.join(words)})" if words else ""


def _replace_progress(trainer: FusionTrainer, progress: bool) -> None:
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    if progress:
        trainer.add_callback(Progress())
