"""Trains a plan into a run."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from torch.utils.data import DataLoader
from transformers import PrinterCallback, ProgressCallback, TrainerCallback, TrainingArguments, set_seed

from consilience.data import LengthGroupedBatches, Prepared, prepare
from consilience.declare import Fusion
from consilience.errors import DeclarationError, Diagnostic, RunError
from consilience.fuse import FusedModel, build_collator, check_savable, fuse, provenance
from consilience.plan import Plan, check
from consilience.train._device import describe_device, machine
from consilience.train._measure import build_metrics, measure
from consilience.train._progress import LogFile, Progress
from consilience.train._run import Run
from consilience.train._step_ended import StepEnded
from consilience.train._trainer import FusionTrainer

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
    run = Run(_shared_folder(Path(runs), plan.fusion.name, processes), plan.registry)
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
    validation = _measurer(plan, model, prepared) if plan.of("metrics") and len(prepared.validation) else None
    trainer = FusionTrainer(
        sampler=_sampler(plan, arguments, prepared),
        measure=validation,
        model=model,
        args=arguments,
        train_dataset=prepared.train,
        data_collator=collator,
        callbacks=[LogFile(run.path / "log.jsonl")],
    )
    trainer.add_callback(StepEnded(trainer))
    _replace_progress(trainer, progress)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    say(f"training {trained:,} of {model.num_parameters():,} parameters on {describe_device(arguments.device)}")
    if validation is not None:
        trainer.add_callback(_EvaluateEachEpoch(trainer))
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


def arguments_of(plan: Plan, folder: Path, progress: bool = True) -> TrainingArguments:
    """Gives the transformers arguments of a plan; raises `DeclarationError` when transformers refuses one."""
    settings = plan.fusion.train
    given: dict[str, Any] = {
        "report_to": "none",
        "logging_steps": 10,
        "dataloader_pin_memory": torch.cuda.is_available(),
        **{key: value for key, value in settings.arguments.items() if value is not None},
    }
    try:
        arguments = TrainingArguments(
            output_dir=str(folder),
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            seed=settings.seed,
            remove_unused_columns=False,
            save_strategy="no",
            logging_nan_inf_filter=False,  # it would wait for the device at every micro-batch
            disable_tqdm=not progress,
            # Every module that is trained reaches a loss, and every loss is run in every step.
            ddp_find_unused_parameters=False,
            **given,
        )
    except (ValueError, TypeError, ImportError) as error:
        text = " ".join(str(error).split())
        named = [key for key in settings.arguments if key in text]
        key = next(
            (key for key in named if settings.arguments[key] is True), named[0] if named else ""
        )  # what is asked
        path = ("train", key) if key else ("train",)
        fix = f"{key}: false" if settings.arguments.get(key) is True else f"# mend {'.'.join(path)}"
        fault = Diagnostic("CN130", path, text, "values that transformers' TrainingArguments takes", fix)
        raise DeclarationError(plan.fusion.locate([fault])) from None
    # Without a launcher, transformers would replicate the model on every GPU it sees by nn.DataParallel, which keeps
    # neither tied weights nor hooks. `accelerate launch` runs one process a GPU.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def _sampler(plan: Plan, arguments: TrainingArguments, prepared: Prepared) -> LengthGroupedBatches | None:
    """Groups rows of like length, unless the file asks for another `train_sampling_strategy`."""
    if plan.fusion.train.arguments.get("train_sampling_strategy") not in (None, "group_by_length"):
        return None
    seed = arguments.data_seed if arguments.data_seed is not None else arguments.seed
    return LengthGroupedBatches(prepared.train.lengths, arguments.train_batch_size, seed)


def _measurer(plan: Plan, model: FusedModel, prepared: Prepared) -> Callable[[], dict[str, float]]:
    loader = evaluation_loader(plan, prepared, "validation")

    def run() -> dict[str, float]:
        found = measure(model, plan, loader)
        return {name: value for name, value in found.items() if isinstance(value, float)}

    return run


def evaluation_loader(plan: Plan, prepared: Prepared, split: str, batch_size: int | None = None) -> DataLoader[Any]:
    """Gives the batches of a split for the metrics, in order."""
    names = [node.name for node in plan.of("metrics")]
    names += [loss.name for loss in plan.of("losses") if _is_asked(plan, loss.name)]
    collator = build_collator(plan, names, plan.fusion.train.seed)
    rows = prepared.splits[split]
    if not len(rows):
        fix = "split: {test: 0.2, validation: 0.1}  # under a source"
        found = f"no rows in the split {split}"
        raise RunError(plan.fusion.locate([Diagnostic("CN705", ("sources",), found, "a split with rows", fix)]))
    return DataLoader(rows, batch_size=batch_size or 2 * plan.fusion.train.batch_size, collate_fn=collator)


def _is_asked(plan: Plan, loss: str) -> bool:
    target = plan.target_of(loss)
    return target is not None and plan.field_of(target) is not None


class _EvaluateEachEpoch(TrainerCallback):
    """Measures the validation split at the end of every epoch."""

    def __init__(self, trainer: FusionTrainer) -> None:
        self._trainer = trainer

    def on_epoch_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Measures."""
        self._trainer.evaluate()


def _replace_progress(trainer: FusionTrainer, progress: bool) -> None:
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    if progress:
        trainer.add_callback(Progress())


def _shared_folder(runs: Path, name: str, processes: Any) -> Path:
    """Names one new directory for all processes: the main one makes it."""
    folders = [str(_new_folder(runs, name)) if processes.is_main_process else ""]
    if processes.num_processes > 1:
        broadcast_object_list(folders)
    return Path(folders[0])


def _new_folder(runs: Path, name: str) -> Path:
    """Names a new directory after the fusion and the time; a second run in one second gets a number."""
    stem = f"{name.replace(' ', '-')}-{datetime.now():%Y%m%d-%H%M%S}"
    for number in range(1, 10_000):
        folder = runs / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            found = f"{folder}: {error.strerror or error}"
            raise RunError(Diagnostic("CN706", (), found, "a place to keep the run", "--runs PATH")) from None
        return folder
    raise AssertionError("ten thousand runs in one second")
