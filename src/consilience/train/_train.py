"""Trains a plan into a run."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from transformers import PrinterCallback, ProgressCallback, set_seed

from consilience.data import Prepared, prepare, training_rows
from consilience.declare import Fusion
from consilience.fuse import (
    FusedModel,
    build_collator,
    check_savable,
    count_by_discipline,
    fuse,
    parameters_of,
    provenance,
)
from consilience.plan import Plan, check
from consilience.plan.drawing import Parameters
from consilience.train._arguments import arguments_of
from consilience.train._course import Course, begun, finished, plan_of, resumed
from consilience.train._device import describe_device, machine
from consilience.train._epochs import SetEpoch
from consilience.train._going_on import learn
from consilience.train._keeping import keep_features
from consilience.train._measure import build_metrics
from consilience.train._progress import LogFile, Progress
from consilience.train._run import Run
from consilience.train._step_ended import StepEnded
from consilience.train._trainer import FusionTrainer
from consilience.train._tuned_steps import TunedSteps
from consilience.train._validation import EvaluateEachEpoch, measurer

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
        say(f"{resume} is finished: there is nothing to go on with")
        return done
    if fusion is None:
        if resume is None:
            raise TypeError("train needs a fusion, or a run to resume")
        fusion = plan_of(Path(resume))
    plan = fusion if isinstance(fusion, Plan) else check(fusion)
    arguments = arguments_of(plan, Path(resume or runs), progress)  # tells a wrong value before data are read
    with ExitStack() as held:
        course = held.enter_context(resumed(plan, Path(resume), accept, arguments, say)) if resume else None
        say(f"reading {', '.join(plan.sources)}")
        prepared = prepare(plan, progress)
        for warning in prepared.warnings:
            say(str(warning))
        say(", ".join(f"{name}: {len(split):,} rows" for name, split in prepared.splits.items()))
        set_seed(plan.fusion.train.seed)
        model = fuse(plan)
        build_metrics(plan)
        check_savable(model)  # what fails to save fails now, not after the training
        course = course or held.enter_context(begun(plan, Path(runs), arguments))
        _learn(plan, model, prepared, course, say, progress)
        arguments.distributed_state.wait_for_everyone()
    return course.run


def _learn(plan: Plan, model: FusedModel, prepared: Prepared, course: Course, say: Announce, progress: bool) -> None:
    run = course.run
    seed = plan.fusion.train.seed
    arguments = arguments_of(plan, run.path, progress)
    losses = [node.name for node in plan.of("losses")]
    kept = keep_features(model, prepared, arguments, say, progress)
    collator = kept.collator(plan, losses, seed, "train") if kept else build_collator(plan, losses, seed)
    validation = measurer(plan, model, prepared, kept) if plan.of("metrics") and len(prepared.validation) else None
    data_seed = arguments.data_seed if arguments.data_seed is not None else seed
    rows, order = training_rows(plan, prepared, arguments.train_batch_size, data_seed, arguments.world_size)
    trainer = FusionTrainer(
        sampler=order,
        measure=validation,
        model=model,
        args=arguments,
        train_dataset=rows,
        data_collator=collator,
        callbacks=[LogFile(run.path / "log.jsonl"), *([SetEpoch(order)] if order else [])],
    )
    trainer.add_callback(TunedSteps(trainer))
    trainer.add_callback(StepEnded(trainer))
    _replace_progress(trainer, progress)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    shares = count_by_discipline(plan, parameters_of(model))
    whose = _told(shares)
    say(f"training {trained:,} of {model.num_parameters():,} parameters{whose} on {describe_device(arguments.device)}")
    if validation is not None:
        trainer.add_callback(EvaluateEachEpoch(trainer))
    started = time.monotonic()
    result = learn(trainer, course, plan)
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
        "parameters_by_discipline": {name: asdict(share) for name, share in shares.items()},
    }
    staged = run.path / ".model.part"
    for old in (staged, run.path / "model"):  # of a run that was killed here
        shutil.rmtree(old, ignore_errors=True)
    model.save_pretrained(staged)
    staged.replace(run.path / "model")
    run.write_json("record.json", record)
    course.finish(plan)


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
