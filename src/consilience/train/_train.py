"""Trains a plan into a run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from transformers import PrinterCallback, ProgressCallback, TrainingArguments, set_seed

from consilience.data import LengthGroupedBatches, Prepared, prepare
from consilience.declare import Fusion
from consilience.fuse import FusedModel, build_collator, check_savable, fuse
from consilience.plan import Plan, check
from consilience.train._arguments import arguments_of
from consilience.train._best import BestModel, choose_best, early_stopping, series_of
from consilience.train._device import describe_device
from consilience.train._finish import finish_model, recorded
from consilience.train._folders import shared_folder
from consilience.train._measure import build_metrics
from consilience.train._progress import LogFile, Progress
from consilience.train._recompute import recompute_activations
from consilience.train._record import Timings, facts
from consilience.train._run import Run
from consilience.train._step_ended import StepEnded
from consilience.train._trackers import check_trackers, trackers
from consilience.train._trainer import FusionTrainer
from consilience.train._validation import measurer, validation_loader

__all__ = ["Announce", "train"]

Announce = Callable[[str], None]
"""What tells a person, in one line, what goes on."""


def train(
    fusion: Plan | Fusion | str | os.PathLike[str],
    runs: str | os.PathLike[str] = "runs",
    announce: Announce | None = None,
    progress: bool = True,
) -> Run:
    """Checks, builds and trains a fusion, and gives its run: a new directory under `runs`.

    Raises `DeclarationError`, `DataError` or `RunError` with every fault found, before anything is written if it can.
    """
    say = announce or (lambda text: None)
    plan = fusion if isinstance(fusion, Plan) else check(fusion)
    check_trackers(plan)
    timings = Timings()
    processes = arguments_of(plan, Path(runs), progress).distributed_state  # tells a wrong value before data are read
    if not processes.is_main_process:  # one of several tells what all do
        say, progress = (lambda text: None), False
    say(f"reading {', '.join(plan.sources)}")
    with timings.of("reading"):
        prepared = prepare(plan)
    for warning in prepared.warnings:
        say(str(warning))
    say(", ".join(f"{name}: {len(split):,} rows" for name, split in prepared.splits.items()))
    set_seed(plan.fusion.train.seed)
    with timings.of("building"):
        model = fuse(plan)
    build_metrics(plan)
    check_savable(model)  # what fails to save fails now, not after the training
    run = Run(shared_folder(Path(runs), plan.fusion.name, processes), plan.registry)
    try:
        if processes.is_main_process:
            run.start(plan)
        _learn(plan, model, prepared, run, say, progress, timings)
    except BaseException:
        if processes.is_main_process and not (run.path / "log.jsonl").exists():
            shutil.rmtree(run.path, ignore_errors=True)  # nothing was learnt: leave nothing behind
        raise
    processes.wait_for_everyone()
    return run


def _learn(
    plan: Plan, model: FusedModel, prepared: Prepared, run: Run, say: Announce, progress: bool, timings: Timings
) -> None:
    trainer = _trainer(plan, model, prepared, run, progress, timings)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    say(f"training {trained:,} of {model.num_parameters():,} parameters on {describe_device(trainer.args.device)}")
    if plan.fusion.train.arguments.get("gradient_checkpointing"):
        for name in recompute_activations(model):
            say(f"gradient_checkpointing: {name} keeps its activations, since it holds no transformers model that can")
    known = facts(plan, trainer.args.device) if trainer.is_world_process_zero() else {}
    counts = {
        "rows": {name: len(split) for name, split in prepared.splits.items()},
        "training_rows": prepared.train.sizes,
        "parameters": model.num_parameters(),
        "trained_parameters": trained,
    }
    with recorded(trainer, run, known, timings):
        with timings.of("training"):
            steps = trainer.train().global_step
        trainer.check_finite()
        best = finish_model(trainer, model, run, say)
        seconds = round(timings.seconds["training"], 3)
        known["training"] = {"seconds": seconds, "steps": steps, **counts, **best}


def _trainer(
    plan: Plan, model: FusedModel, prepared: Prepared, run: Run, progress: bool, timings: Timings
) -> FusionTrainer:
    arguments = arguments_of(plan, run.path, progress)
    validation = None
    if series_of(plan) or len(prepared.validation):
        loader = validation_loader(plan, prepared)
        choose_best(arguments, plan, model, loader)
        validation = timings.timed("validating", measurer(plan, model, loader))
    keeps_best = plan.fusion.train.arguments.get("load_best_model_at_end")
    trainer = FusionTrainer(
        sampler=_sampler(plan, arguments, prepared),
        measure=validation,
        best=BestModel(run.path) if keeps_best else None,
        model=model,
        args=arguments,
        train_dataset=prepared.train,
        data_collator=build_collator(plan, [node.name for node in plan.of("losses")], plan.fusion.train.seed),
        callbacks=[LogFile(run.path / "log.jsonl"), *trackers(plan, run.path)],
    )
    for callback in (StepEnded(trainer), early_stopping(plan)):
        if callback is not None:
            trainer.add_callback(callback)
    _replace_progress(trainer, progress)
    return trainer


def _sampler(plan: Plan, arguments: TrainingArguments, prepared: Prepared) -> LengthGroupedBatches | None:
    """Groups rows of like length, unless the file asks for another `train_sampling_strategy`."""
    if plan.fusion.train.arguments.get("train_sampling_strategy") not in (None, "group_by_length"):
        return None
    seed = arguments.data_seed if arguments.data_seed is not None else arguments.seed
    return LengthGroupedBatches(prepared.train.lengths, arguments.train_batch_size, seed)


def _replace_progress(trainer: FusionTrainer, progress: bool) -> None:
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    if progress:
        trainer.add_callback(Progress())
