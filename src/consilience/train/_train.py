"""Trains a plan into a run."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from transformers import PrinterCallback, ProgressCallback, TrainingArguments, set_seed

from consilience.data import LengthGroupedBatches, Prepared, prepare
from consilience.declare import Fusion
from consilience.fuse import FusedModel, build_collator, check_savable, fuse, provenance
from consilience.plan import Plan, check
from consilience.train._arguments import arguments_of
from consilience.train._device import describe_device, machine
from consilience.train._folders import shared_folder
from consilience.train._measure import build_metrics
from consilience.train._progress import LogFile, Progress
from consilience.train._rows import RowsKept
from consilience.train._run import Run
from consilience.train._scheduled import SchedulesFit
from consilience.train._step_ended import StepEnded
from consilience.train._trainer import FusionTrainer
from consilience.train._validation import EvaluateEachEpoch, measurer

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
    processes = arguments_of(plan, Path(runs), progress).distributed_state  # tells a wrong value before data are read
    say(f"reading {', '.join(plan.sources)}")
    prepared = prepare(plan)
    for warning in prepared.warnings:
        say(str(warning))
    say(", ".join(f"{name}: {len(split):,} rows" for name, split in prepared.splits.items()))
    set_seed(plan.fusion.train.seed)
    model = fuse(plan)
    build_metrics(plan)
    check_savable(model)  # what fails to save fails now, not after the training
    run = Run(shared_folder(Path(runs), plan.fusion.name, processes), plan.registry)
    try:
        if processes.is_main_process:
            run.start(plan)
        _learn(plan, model, prepared, run, say, progress)
    except BaseException:
        if processes.is_main_process and not (run.path / "log.jsonl").exists():
            shutil.rmtree(run.path, ignore_errors=True)  # nothing was learnt: leave nothing behind
        raise
    processes.wait_for_everyone()
    return run


def _learn(plan: Plan, model: FusedModel, prepared: Prepared, run: Run, say: Announce, progress: bool) -> None:
    seed = plan.fusion.train.seed
    arguments = arguments_of(plan, run.path, progress)
    collator = build_collator(plan, [node.name for node in plan.of("losses")], seed)
    validation = measurer(plan, model, prepared) if plan.of("metrics") and len(prepared.validation) else None
    trainer = FusionTrainer(
        sampler=_sampler(plan, arguments, prepared),
        measure=validation,
        model=model,
        args=arguments,
        train_dataset=prepared.train,
        data_collator=RowsKept(collator),
        callbacks=[LogFile(run.path / "log.jsonl")],
    )
    trainer.add_callback(SchedulesFit(plan))
    trainer.add_callback(StepEnded(trainer))
    _replace_progress(trainer, progress)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    say(f"training {trained:,} of {model.num_parameters():,} parameters on {describe_device(arguments.device)}")
    if validation is not None:
        trainer.add_callback(EvaluateEachEpoch(trainer))
    started = time.monotonic()
    result = trainer.train()
    trainer.check_finite()
    if not trainer.is_world_process_zero():
        return
    record = {"name": plan.fusion.name, "base": str(plan.fusion.base), "seed": seed} | machine(arguments.device)
    record |= provenance(plan)
    record["training"] = {
        "seconds": round(time.monotonic() - started, 3),
        "steps": result.global_step,
        "rows": {name: len(split) for name, split in prepared.splits.items()},
        "training_rows": prepared.train.sizes,
        "parameters": model.num_parameters(),
        "trained_parameters": trained,
    }
    staged = run.path / ".model.part"
    model.save_pretrained(staged)
    staged.replace(run.path / "model")
    run.write_json("record.json", record)


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
